"""Cases of tests whose subject is a server of functions: one for a class, and what all have left in the end."""

import ctypes
import http.client
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import unittest

import server as servers
from checks import Reply, ask
from server import Server, free_port, until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import proc  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


class Paths:
    """Of what is tested, as the command line names it; and of a cache for all, so that a function is compiled once."""

    bin = guests = functions = cache = None


def metric(health, series):
    """Of the server whose health is told there; 0 if it does not have it."""
    for line in ask(health, "GET", "/metrics").text.splitlines():
        if line.startswith(series + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


class Case(unittest.TestCase):
    """A server with a directory of its own, for the tests of a class."""

    WORDS = ()
    GUESTS = ("hello", "loop", "exit42", "trap", "cat", "hoard", "sleep", "pour")

    @classmethod
    def setUpClass(cls):
        cls.before = servers.lanes_groups()
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.functions = cls.folder / "functions"
        cls.functions.mkdir()
        for name in cls.GUESTS:
            shutil.copy(Paths.guests / f"{name}.wasm", cls.functions)
        cls.prepare()
        cls.start()

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def start(cls):
        cls.address, cls.health = (f"127.0.0.1:{free_port()}" for _ in range(2))
        cls.server = Server([Paths.bin / "wasmoor", "serve", "--functions", cls.functions, "--listen", cls.address,
                             "--health", cls.health, "--cache-dir", Paths.cache, *cls.WORDS])
        cls.server.wait_for(cls.address)

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        assert status == 0, cls.server.last_log
        assert servers.lanes_groups() == cls.before, "control groups are left"

    def ask(self, path, method="GET", headers=None, body=b"", query=""):
        """Status 0: the response broke off, as one does whose guest fails after it has begun to answer."""
        try:
            return ask(self.address, method, path, query, headers, body)
        except http.client.IncompleteRead:
            return Reply(0, {}, b"")

    def put(self, name, content):
        """As a tool does that others may look at: whole, at once."""
        path = self.functions / f"{name}.wasm"
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.rename(path)

    def metric(self, series):
        return metric(self.health, series)

    def leave(self, path, chunk=b""):
        """Asks for it with the beginning of a body, if there is a chunk of it, leaves while it runs, and waits for its end."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), 30) as client:
            body = "transfer-encoding: chunked\r\n" if chunk else ""
            client.sendall(f"POST {path} HTTP/1.1\r\nhost: a\r\n{body}\r\n".encode())
            if chunk:
                client.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            until(lambda: self.metric("wasmoor_function_running") > 0, f"{path} runs")
        until(lambda: self.metric("wasmoor_function_running") == 0, f"{path} has ended")

    def idle(self, what="any request"):
        """Waits until nothing is left of what was asked."""
        gauges = ("running", "running_memory_bytes", "running_cpus", "queue", "queue_memory_bytes", "threads_taken")
        until(lambda: not any(self.metric(f"wasmoor_function_{name}") for name in gauges),
              f"nothing of {what} runs or waits")


def main(*kinds):
    """Runs the tests of the main module. Its words are a path for each of `kinds`, members of Paths, and maybe TEST...

    What they have started, made or written must be gone then.
    """
    # What is left by something that has ended is this one's, and so is found.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for kind, word in zip(kinds, sys.argv[1:]):
        setattr(Paths, kind, pathlib.Path(word).resolve())
    with tempfile.TemporaryDirectory(prefix="wasmoor-functions-") as scratch:
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        Paths.cache = pathlib.Path(scratch) / "modules"
        done = unittest.main(argv=sys.argv[:1] + sys.argv[len(kinds) + 1:], verbosity=1, exit=False)
        left = [f"process {' '.join(proc.words(pid))}" for pid in proc.children(os.getpid())]
        left += [f"file {path}" for path in pathlib.Path(scratch).iterdir() if path != Paths.cache]
        left += [f"control group {path}" for path in servers.lanes_groups()]
    for one in left:
        print(f"left by the tests: {one}", file=sys.stderr)
    sys.exit(1 if left or not done.result.wasSuccessful() else 0)
