"""HTTP/1.1 and HTTP/2 as the clients of others speak it: curl, nghttp and h2load against a server without guests."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PLAIN_SERVER = sys.argv.pop(1)
PATIENCE = 60
HTTP1, UPGRADE, HTTP2 = "--http1.1", "--http2", "--http2-prior-knowledge"


@contextlib.contextmanager
def serving():
    """The process, and its address."""
    process = subprocess.Popen([PLAIN_SERVER], stdout=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def run(*command):
    return subprocess.run(command, capture_output=True, timeout=PATIENCE)


def resident(process):
    """Of its memory, in KiB."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status).group(1))


class ClientsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if "HTTP2" not in run("curl", "--version").stdout.decode():
            raise unittest.SkipTest("there is no curl with HTTP/2")
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="wasmoor-http-"))
        cls.big = cls.scratch / "big"
        cls.big.write_bytes(os.urandom(1 << 20) * 20)
        cls.resources = contextlib.ExitStack()
        cls.process, cls.address = cls.resources.enter_context(serving())
        cls.url = f"http://{cls.address}"

    @classmethod
    def tearDownClass(cls):
        cls.resources.close()
        shutil.rmtree(cls.scratch)

    def curl(self, *arguments):
        """What it wrote, and the versions of what it got, each with its status."""
        done = run("curl", "-sS", "-w", "%{stderr}%{http_version} %{http_code}\n", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, re.findall(r"^[\d.]+ \d+$", done.stderr.decode(), re.MULTILINE)

    def need(self, program):
        if shutil.which(program) is None:
            self.skipTest(f"there is no {program}")

    def test_each_version_is_spoken_to_who_wants_it(self):
        for version, spoken in ((HTTP1, "1.1"), (UPGRADE, "2")):
            out, versions = self.curl(version, f"{self.url}/a", f"{self.url}/b")
            self.assertEqual((out, versions), (b"hello\n" * 2, [f"{spoken} 200"] * 2))
        # Before curl 8.0 such a connection is good for one request.
        self.assertEqual(self.curl(HTTP2, self.url), (b"hello\n", ["2 200"]))

    def test_head(self):
        for version in (HTTP1, UPGRADE, HTTP2):
            out, _ = self.curl(version, "-I", self.url)
            self.assertIn(b"content-length: 6", out)

    def test_what_is_sent_comes_back(self):
        want = hashlib.sha256(self.big.read_bytes()).hexdigest()
        for version in (HTTP1, UPGRADE, HTTP2):
            for expect in ("Expect: 100-continue", "Expect:"):
                out, versions = self.curl(version, "-H", expect, "--data-binary", f"@{self.big}", f"{self.url}/echo")
                self.assertEqual(hashlib.sha256(out).hexdigest(), want, (version, versions))

    def test_much_at_once(self):
        urls = [part for i in range(100) for part in (f"{self.url}/bytes/{i * 10_000}", "-o", "-")]
        for version, spoken in ((HTTP1, "1.1"), (UPGRADE, "2")):
            out, versions = self.curl(version, "--no-progress-meter", "--parallel", "--parallel-max", "50", *urls)
            self.assertEqual(len(out), sum(i * 10_000 for i in range(100)))
            self.assertEqual(versions, [f"{spoken} 200"] * 100)

    def test_clients_that_take_their_time_cost_no_memory(self):
        before = resident(self.process)
        with contextlib.ExitStack() as clients:
            for _ in range(3):
                urls = [part for _ in range(30) for part in (f"{self.url}/bytes/1000000000", "-o", "/dev/null")]
                slow = subprocess.Popen(["curl", "-s", UPGRADE, "--parallel", "--parallel-max", "30", "--limit-rate",
                                         "100k", *urls], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                clients.callback(slow.wait)
                clients.callback(slow.kill)
            time.sleep(2)
            # 90 answers of a gigabyte each.
            self.assertLess(resident(self.process) - before, 16 << 10)
        self.assertEqual(self.curl(HTTP2, self.url)[0], b"hello\n")

    def test_nghttp(self):
        self.need("nghttp")
        for flag in ("--upgrade", "--no-dep"):
            out = run("nghttp", "-v", flag, f"{self.url}/trailers").stdout.decode()
            self.assertIn("x-sum: 6", out)
            self.assertIn("hello", out)

    def test_h2load(self):
        self.need("h2load")
        small = self.scratch / "small"
        small.write_bytes(b"x" * 5000)
        for more in (("-m32",), ("-m1",), ("--h1", "-m8"), ("-m16", "-d", small), ("-m300", "-w10")):
            path = "/echo" if small in more else "/"
            out = run("h2load", "-c10", "-n5000", *more, f"{self.url}{path}").stdout.decode()
            self.assertIn("5000 succeeded, 0 failed, 0 errored", out, more)

    def test_draining_finishes_what_runs(self):
        for version in (HTTP1, UPGRADE, HTTP2):
            with serving() as (process, address):
                command = ["curl", "-sS", version, "--limit-rate", "10M", f"http://{address}/bytes/20000000"]
                with subprocess.Popen(command, stdout=subprocess.PIPE) as slow:
                    # It has begun.
                    got = len(slow.stdout.read(1))
                    process.send_signal(signal.SIGTERM)
                    got += len(slow.stdout.read())
                    self.assertEqual((slow.wait(), got), (0, 20_000_000), version)
                self.assertEqual(process.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
