"""The functions of examples/functions, each request a run of `wasmoor run`: no server is needed for what they do.

    functions_test.py BIN FUNCTIONS [TEST...]

BIN is a folder with wasmoor, FUNCTIONS that with the functions and their manifests.
"""

import contextlib
import http.client
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

from checks import FunctionChecks, Reply, ask


def variables(name, method, path, query, headers, body):
    """What a function is told of a request: RFC 3875, 4.1."""
    fields = {f"HTTP_{key.upper().replace('-', '_')}": value for key, value in (headers or {}).items()}
    return {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": method, "SCRIPT_NAME": f"/{name}", "PATH_INFO": path,
            "QUERY_STRING": query, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": fields.pop("HTTP_CONTENT_TYPE", ""), **fields}


def read_reply(output):
    """A head if there is one, and the body: RFC 3875, 6.2."""
    head, blank, body = output.partition(b"\n\n")
    lines = [line.partition(": ") for line in head.decode(errors="replace").split("\n")]
    names = [name.lower() for name, _, _ in lines]
    are_fields = all(re.fullmatch("[a-z-]+", name) for name in names) and {"status", "content-type"} & set(names)
    if not blank or not are_fields:
        return Reply(200, {"content-type": "text/plain; charset=utf-8"}, output)
    headers = dict(zip(names, (value for _, _, value in lines)))
    return Reply(int(headers.pop("status", "200").split()[0]), headers, body)


class Runs(unittest.TestCase, FunctionChecks):
    bin = functions = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.cache = cls.scratch / "cache"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=self.scratch)
        self.addCleanup(folder.cleanup)
        self.notes = pathlib.Path(folder.name) / "notes"
        self.notes.mkdir()

    def program(self, name):
        wasm = self.functions / f"{name}.wasm"
        missing = wasm.with_suffix(".missing")
        if missing.exists():
            self.skipTest(missing.read_text())
        return wasm

    def granted(self, name):
        """The options for what its manifest says; this test stands for the operator who grants it."""
        manifest = self.functions / f"{name}.toml"
        asked = tomllib.loads(manifest.read_text()) if manifest.exists() else {}
        limits = asked.get("limits", {})
        options = [f"--max-memory={limits['memory']}"] if "memory" in limits else []
        options += [f"--env={name}={self.token}" for name in asked.get("secrets", {})]
        return options + [f"--dir={self.notes}::{directory['guest']}" for directory in asked.get("directories", [])]

    def command(self, *words):
        return [self.bin / "wasmoor", "run", f"--cache-dir={self.cache}", *words]

    def invoke(self, name, method="GET", path="", query="", headers=None, body=b""):
        wasm = self.program(name)
        if name == "stream":
            with self.served(wasm) as address:
                return ask(address, method, f"/{name}{path}", query, headers, body)
        told = [f"--env={key}={value}" for key, value in variables(name, method, path, query, headers, body).items()]
        command = self.command(*self.granted(name), *told, wasm, *filter(None, query.split("&")))
        done = subprocess.run(command, input=body, capture_output=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return read_reply(done.stdout)

    @contextlib.contextmanager
    def served(self, wasm):
        """Its address."""
        server = subprocess.Popen(self.command("--http-listen=127.0.0.1:0", wasm), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        try:
            yield re.search(r"serving HTTP on (\S+)", server.stderr.readline())[1]
        finally:
            server.terminate()
            server.communicate()

    def test_stream_answers_before_its_request_is_complete(self):
        with self.served(self.program("stream")) as address:
            connection = http.client.HTTPConnection(address, timeout=60)
            self.addCleanup(connection.close)
            connection.putrequest("POST", "/stream/upper")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            connection.send(b"4\r\npeat\r\n")
            reply = connection.getresponse()
            self.assertEqual(reply.read(4), b"PEAT")
            connection.send(b"4\r\nbogs\r\n0\r\n\r\n")
            self.assertEqual(reply.read(), b"BOGS")

    def test_each_function_has_its_files_and_a_test(self):
        source = pathlib.Path(__file__).resolve().parents[2] / "examples" / "functions"
        names = {path.name for path in source.iterdir() if path.is_dir()}
        made = {path.stem for path in self.functions.iterdir() if path.suffix in (".wasm", ".missing")}
        self.assertEqual(names, made)
        tested = {name.split("_")[1] for name in dir(FunctionChecks) if name.startswith("test_")}
        self.assertEqual(names, tested)
        rows = re.findall(r"^\| `(\w+)` \|", (source / "README.md").read_text(), re.MULTILINE)
        self.assertEqual(sorted(names), sorted(rows))


if __name__ == "__main__":
    Runs.bin, Runs.functions = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
