// node node_wasi.mjs [GUEST=HOST] FILE ARGUMENTS...: runs FILE under node:wasi; '' grants no directory.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [granted, file, ...args] = process.argv.slice(2);
const preopens = {};
if (granted) {
  const equals = granted.indexOf('=');
  preopens[granted.slice(0, equals)] = granted.slice(equals + 1);
}
const wasi = new WASI({ version: 'preview1', args: [file, ...args], env: {}, preopens });
const module = await WebAssembly.compile(await readFile(file));
// Kept to the end: Node 20 crashes more often if the instance may be collected before.
globalThis.instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(globalThis.instance);
