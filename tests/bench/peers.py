"""The programs that are compared, and how each is told to run a guest."""

import dataclasses
import pathlib
import shutil
import subprocess

from measuring import Command

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Job:
    """A guest with its arguments and the one directory it is granted, as (host path, guest path)."""

    guest: str
    arguments: list = dataclasses.field(default_factory=list)
    directory: tuple = None


class Wasmoor:
    name = "wasmoor"
    # A deadline is set wherever it runs, as an operator would: it must not cost anything.
    OPTIONS = ["--timeout", "1h"]

    def __init__(self, build, scratch):
        self._program = build / "bin" / "wasmoor"
        self._guests = build / "guests"
        self._cache = scratch / "modules"

    def command(self, job, before=None):
        argv = [self._program, "run", *self.OPTIONS]
        if job.directory:
            argv += ["--dir", "::".join(map(str, job.directory))]
        argv += [self._guests / f"{job.guest}.wasm", *job.arguments]
        return Command(argv, {"WASMOOR_CACHE_DIR": str(self._cache)}, before)

    def prepare(self, guest):
        """Compiles a guest into the cache."""
        subprocess.run([self._program, "compile", self._guests / f"{guest}.wasm"], check=True,
                       env={"WASMOOR_CACHE_DIR": str(self._cache)}, stdout=subprocess.DEVNULL)

    def cold(self, job):
        """Each run finds an empty cache."""
        return self.command(job, before=self._forget)

    def _forget(self):
        shutil.rmtree(self._cache, ignore_errors=True)


class Wasmtime:
    """wasmtime's command, with its own cache off."""

    name = "wasmtime"

    def __init__(self, program, build):
        self._program = program
        self._guests = build / "guests"

    def command(self, job):
        return Command([*self._start(job), "-Ccache=n", self._guests / f"{job.guest}.wasm", *job.arguments])

    def _start(self, job):
        argv = [self._program, "run"]
        if job.directory:
            argv += ["--dir", "::".join(map(str, job.directory))]
        return argv


class WasmtimePrecompiled(Wasmtime):
    """The same with a file that it compiled before."""

    name = "wasmtime-precompiled"

    def __init__(self, program, build, scratch):
        super().__init__(program, build)
        self._code = scratch

    def prepare(self, guest):
        subprocess.run([self._program, "compile", self._guests / f"{guest}.wasm", "-o", self._path(guest)],
                       check=True)

    def command(self, job):
        return Command([*self._start(job), "--allow-precompiled", self._path(job.guest), *job.arguments])

    def _path(self, guest):
        return self._code / f"{guest}.cwasm"


class Node:
    """Node's node:wasi, with a script that does no more than it must."""

    name = "node"

    def __init__(self, program, build):
        self._program = program
        self._guests = build / "guests"

    def command(self, job):
        granted = ["=".join(map(str, reversed(job.directory)))] if job.directory else [""]
        return Command([self._program, "--no-warnings", HERE / "node_wasi.mjs", *granted,
                        self._guests / f"{job.guest}.wasm", *job.arguments])


@dataclasses.dataclass(frozen=True)
class Peers:
    wasmoor: Wasmoor
    precompiled: WasmtimePrecompiled
    wasmtime: Wasmtime
    node: Node  # None if this machine has no node.

    def compiled(self):
        """Those that start from code that was compiled before."""
        return [self.wasmoor, self.precompiled]


def wasmtime_program(root):
    fetched = subprocess.run([root / "tools" / "fetch-wasmtime-cli"], check=True, text=True,
                             stdout=subprocess.PIPE)
    return pathlib.Path(fetched.stdout.strip())


def find(build, root, scratch):
    wasmtime = wasmtime_program(root)
    node = shutil.which("node")
    return Peers(Wasmoor(build, scratch), WasmtimePrecompiled(wasmtime, build, scratch),
                 Wasmtime(wasmtime, build), Node(node, build) if node else None)
