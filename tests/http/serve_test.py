"""What clients see of a component that `wasmoor run` serves: curl, Python's own, and raw sockets."""

import concurrent.futures
import contextlib
import http.client
import http.server
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tls  # noqa: E402

WASMOOR = pathlib.Path(os.environ["WASMOOR_BIN"]) / "wasmoor"
GUESTS = pathlib.Path(os.environ["WASMOOR_GUESTS"])
PATIENCE = 30


class Server:
    """A component that is served on a port of its own."""

    def __init__(self, guest, cache, *flags, **variables):
        self.process = subprocess.Popen(
            [WASMOOR, "run", "--cache-dir", cache, "--http-listen", "127.0.0.1:0", *flags, GUESTS / f"{guest}.wasm"],
            env={"PATH": os.environ["PATH"], **variables}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "serving HTTP on" not in line:
            raise RuntimeError(line + self.process.stderr.read())
        self.port = int(line.rsplit(":", 1)[1])
        self.address = f"127.0.0.1:{self.port}"

    def end(self, sig=signal.SIGKILL):
        """Its status, and what it wrote to its two streams since it served."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        return contextlib.closing(client)

    def get(self, path, method="GET", body=None, headers={}, timeout=PATIENCE):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(client):
            client.request(method, path, body, headers)
            response = client.getresponse()
            return response.status, response.read()


def read_all(client):
    data = b""
    while part := client.recv(65536):
        data += part
    return data


def at_length(request):
    """What it is asked for, and of whom."""
    return f"{request.path} {request.headers['Host']}".encode() * 10_000


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for guest in ("web-component", "webhello-component"):
            if not (GUESTS / f"{guest}.wasm").exists():
                raise unittest.SkipTest((GUESTS / f"{guest}.missing").read_text())
        cls.scratch = tempfile.mkdtemp(prefix="wasmoor-http-")
        cls.cache = pathlib.Path(cls.scratch) / "cache"
        cls.server = Server("web-component", cls.cache)

    @classmethod
    def tearDownClass(cls):
        cls.server.end()
        shutil.rmtree(cls.scratch)

    @contextlib.contextmanager
    def serving(self, *flags, guest="web-component", **variables):
        server = Server(guest, self.cache, *flags, **variables)
        try:
            yield server
        finally:
            server.end()

    def test_answers_curl(self):
        run = subprocess.run(["curl", "-sS", "-i", f"http://{self.server.address}/"], capture_output=True, text=True,
                             timeout=PATIENCE)
        head, body = run.stdout.split("\n\n", 1) if "\r" not in run.stdout else run.stdout.split("\r\n\r\n", 1)
        self.assertTrue(head.startswith("HTTP/1.1 200 OK"), run)
        self.assertEqual(body, "Hello from wasi:http!\n")

    def test_answers_in_http2(self):
        for how in ("--http2", "--http2-prior-knowledge"):
            run = subprocess.run(["curl", "-sS", "-i", how, "-H", "X-One: 1", f"http://{self.server.address}/fields"],
                                 capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn("HTTP/2 200", run.stdout, run)
            lines = run.stdout.lower().splitlines()
            self.assertIn("x-one=1", lines)
            self.assertIn(f"authority={self.server.address}", lines)
            self.assertFalse([line for line in lines if line.startswith(("connection=", "upgrade=", "host="))])

    @unittest.skipIf(shutil.which("h2load") is None, "there is no h2load")
    def test_answers_many_at_once_in_http2(self):
        run = subprocess.run(["h2load", "-n3000", "-c6", "-m64", f"http://{self.server.address}/"], capture_output=True,
                             text=True, timeout=PATIENCE)
        self.assertIn("3000 succeeded, 0 failed, 0 errored", run.stdout)

    def test_the_least_server_needs_nothing_else(self):
        with self.serving(guest="webhello-component") as server:
            self.assertEqual(server.get("/"), (200, b"Hello from wasi:http!\n"))

    def test_a_connection_serves_many_requests(self):
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            for number in range(50):
                client.request("POST", "/echo", str(number))
                self.assertEqual(client.getresponse().read(), str(number).encode())

    def test_the_guest_is_told_the_fields_and_who_was_asked(self):
        _, body = self.server.get("/fields", headers={"X-One": "1", "Connection": "keep-alive"})
        lines = body.decode().lower().splitlines()
        self.assertIn("x-one=1", lines)
        self.assertIn(f"authority={self.server.address}", lines)
        self.assertFalse([line for line in lines if line.startswith(("connection=", "host="))])

    def test_statuses_are_the_guests(self):
        for status in (200, 204, 304, 404, 503):
            self.assertEqual(self.server.get(f"/status/{status}")[0], status)

    def test_head_has_the_head_alone(self):
        status, body = self.server.get("/", method="HEAD")
        self.assertEqual((status, body), (200, b""))

    def test_streams_a_large_body_both_ways(self):
        body = os.urandom(1 << 20) * 8
        sent = pathlib.Path(self.scratch) / "body"
        sent.write_bytes(body)
        # curl reads while it sends. An echo that nobody reads holds its sender back.
        for how in ([], ["-H", "Transfer-Encoding: chunked"], ["--http2-prior-knowledge"]):
            echoed = subprocess.run(["curl", "-sS", *how, "--data-binary", f"@{sent}", f"http://{self.server.address}/echo"],
                                    capture_output=True, timeout=PATIENCE)
            self.assertTrue(echoed.stdout == body, echoed.stderr)
        parts = [body[i:i + 100_000] for i in range(0, len(body), 100_000)]
        self.assertEqual(self.server.get("/count", "POST", iter(parts)), (200, f"{len(body)}\n".encode()))

    def test_an_echo_comes_before_the_body_is_whole(self):
        with self.server.connect() as client:
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            seen = b""
            while b"abc" not in seen:
                seen += client.recv(4096)
            client.sendall(b"3\r\ndef\r\n0\r\n\r\n")
            while not seen.endswith(b"0\r\n\r\n"):
                seen += client.recv(4096)
            self.assertIn(b"def", seen)

    def test_expects_a_body_only_when_the_guest_reads_it(self):
        with self.server.connect() as client:
            client.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 100 "))
            client.sendall(b"hi")
            self.assertIn(b"2\n", client.recv(4096))
        with self.server.connect() as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(read_all(client).startswith(b"HTTP/1.1 200 "))

    def test_sends_trailers(self):
        with self.server.connect() as client:
            client.sendall(b"GET /trailers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertTrue(read_all(client).endswith(b"5\r\nbody\n\r\n0\r\nx-checksum: 1234\r\n\r\n"))

    def test_pipelined_requests_are_answered_in_their_order(self):
        with self.server.connect() as client:
            client.sendall(b"GET /sleep/50 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n"
                           b"Connection: close\r\n\r\n")
            reply = read_all(client)
            self.assertLess(reply.index(b"slept"), reply.index(b"Hello"))

    def test_a_guest_that_waits_holds_nobody_up(self):
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            started = time.monotonic()
            for result in pool.map(lambda _: self.server.get("/sleep/300"), range(40)):
                self.assertEqual(result, (200, b"slept\n"))
            self.assertLess(time.monotonic() - started, 40 * 0.3 / 2)

    def test_a_guest_that_spins_holds_nobody_up_and_ends_with_its_client(self):
        with contextlib.ExitStack() as spinning:
            for _ in range(2 * (os.cpu_count() or 1)):
                client = spinning.enter_context(self.server.connect())
                client.sendall(b"GET /spin HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(5):
                self.assertEqual(self.server.get("/")[0], 200)
        clock = os.sysconf("SC_CLK_TCK")
        for _ in range(PATIENCE):
            used = self.cpu_ticks()
            time.sleep(1)
            if self.cpu_ticks() - used < clock // 4:
                return
        self.fail("guests spin on without their clients")

    def cpu_ticks(self):
        fields = pathlib.Path(f"/proc/{self.server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def test_a_client_that_does_not_read_costs_no_memory(self):
        def resident():
            for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    return int(line.split()[1])

        self.server.get("/big/64")
        before = resident()
        with contextlib.ExitStack() as clients:
            for _ in range(8):
                client = clients.enter_context(self.server.connect())
                client.sendall(b"GET /big/1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(1)
            self.assertLess(resident() - before, 16 << 10)

    def test_a_request_that_is_malformed_is_refused_and_the_next_client_is_served(self):
        for bad in (b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n", b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n"):
            with self.server.connect() as client:
                client.sendall(bad)
                client.shutdown(socket.SHUT_WR)
                self.assertNotIn(b" 200 ", read_all(client), bad)
        self.assertEqual(self.server.get("/")[0], 200)

    def test_a_length_that_the_guest_does_not_keep_is_seen(self):
        with self.assertRaises(http.client.IncompleteRead):
            self.server.get("/length/10")

    def test_a_body_that_breaks_off_ends_its_request(self):
        with self.server.connect() as client:
            client.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n\r\n")
            self.assertTrue(read_all(client).startswith(b"HTTP/1.1 400 "))
        self.assertEqual(self.server.get("/")[0], 200)

    def test_http_10_is_served_without_a_host(self):
        with self.server.connect() as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertTrue(read_all(client).endswith(b"Hello from wasi:http!\n"))

    def test_failures_of_a_guest_are_its_own_requests(self):
        with self.serving() as server:
            for path, status in (("/trap", 500), ("/nothing", 500), ("/exit", 500), ("/error", 502)):
                self.assertEqual(server.get(path)[0], status, path)
            with self.assertRaises(http.client.IncompleteRead):
                server.get("/trap-midway")
            self.assertEqual(server.get("/"), (200, b"Hello from wasi:http!\n"))
            _, _, said = server.end()
            self.assertIn("trap: ", said)
            self.assertIn("innermost first", said)
            self.assertIn("exited with status", said)
            self.assertIn("without an answer", said)
            self.assertIn("ConfigurationError", said)

    def test_what_guests_say_comes_in_whole_lines(self):
        with self.serving() as server:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for result in pool.map(lambda _: server.get("/log"), range(64)):
                    self.assertEqual(result, (200, b"logged\n"))
            _, out, err = server.end(signal.SIGTERM)
            self.assertEqual(out, "a line on stdout\n" * 64)
            self.assertEqual(err, "a line on stderr\n" * 64)

    def test_a_guest_may_work_on_after_its_answer(self):
        with self.serving() as server:
            self.assertEqual(server.get("/work-on"), (200, b"answered\n"))
            _, out, _ = server.end(signal.SIGTERM)
            self.assertEqual(out, "worked on\n")

    def test_drains_at_sigterm(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with self.serving() as server, server.connect() as idle, server.connect() as busy:
                busy.sendall(b"GET /sleep/500 HTTP/1.1\r\nHost: x\r\n\r\n")
                time.sleep(0.2)
                server.process.send_signal(sig)
                self.assertEqual(idle.recv(1), b"")
                reply = read_all(busy)
                self.assertIn(b"slept", reply)
                self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_what_does_not_end_at_sigterm_has_a_grace(self):
        with self.serving(WASMOOR_HTTP_GRACE="300ms") as server, server.connect() as busy:
            busy.sendall(b"GET /spin HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_a_request_has_a_time_limit_if_one_is_set(self):
        with self.serving(WASMOOR_HTTP_TIMEOUT="200ms") as server:
            self.assertEqual(server.get("/spin")[0], 504)
            self.assertEqual(server.get("/sleep/5000")[0], 504)
            self.assertEqual(server.get("/")[0], 200)

    def test_requests_beyond_the_limit_wait_for_their_turn(self):
        with self.serving(WASMOOR_HTTP_REQUESTS="2") as server:
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                for result in pool.map(lambda _: server.get("/sleep/20"), range(36)):
                    self.assertEqual(result, (200, b"slept\n"))

    def test_asks_whom_it_is_allowed_to(self):
        with tls.serving(tell=at_length) as port:
            with self.serving("--http-allow", f"127.0.0.1:{port},localhost") as server:
                for host in ("127.0.0.1", "localhost"):
                    status, body = server.get(f"/fetch/{host}:{port}/some/path?a=b")
                    self.assertEqual((status, body[:15]), (200, b"/some/path?a=b "))
                    self.assertEqual(len(body), len(f"/some/path?a=b {host}:{port}") * 10_000)
                self.assertEqual(server.get("/fetch/127.0.0.1:1/"), (502, b"failed: 15\n"))  # Denied.
                self.assertEqual(server.get("/fetch/localhost:1/"), (502, b"failed: 6\n"))  # Refused.
            self.assertEqual(self.server.get(f"/fetch/127.0.0.1:{port}/"), (502, b"failed: 15\n"))

    def test_asks_over_tls_whom_it_trusts(self):
        certificate, context = tls.make(self.scratch, "localhost")
        key = certificate.with_suffix(".key")
        allow = ("--http-allow", "*")
        with tls.serving(context, at_length) as port, tls.serving(tell=at_length) as without_tls:
            with self.serving(*allow, "--env", f"SSL_CERT_FILE={certificate}") as server:
                for _ in range(2):
                    status, body = server.get(f"/fetch-tls/localhost:{port}/path")
                    self.assertEqual((status, body[:6]), (200, b"/path "))
                    self.assertEqual(len(body), len(f"/path localhost:{port}") * 10_000)
                # It is nobody else's certificate.
                self.assertEqual(server.get(f"/fetch-tls/127.0.0.1:{port}/"), (502, b"failed: 13\n"))
                self.assertEqual(server.get(f"/fetch-tls/localhost:{without_tls}/"), (502, b"failed: 12\n"))
                self.assertEqual(server.get(f"/fetch/localhost:{without_tls}/")[0], 200)
            # Nobody of the usual authorities vouches for it.
            with self.serving(*allow) as server:
                self.assertEqual(server.get(f"/fetch-tls/localhost:{port}/"), (502, b"failed: 13\n"))
            for wrong in (key, self.scratch, "/nothing/there"):
                with self.serving(*allow, "--env", f"SSL_CERT_FILE={wrong}") as server:
                    status, body = server.get(f"/fetch-tls/localhost:{port}/")
                    self.assertEqual((status, body), (502, b"failed: 38\n"), wrong)  # An internal error.

    def test_an_address_that_is_taken_is_named(self):
        run = subprocess.run([WASMOOR, "run", "--cache-dir", self.cache, "--http-listen", self.server.address,
                              GUESTS / "web-component.wasm"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(self.server.address, run.stderr)

    def test_a_setting_that_is_wrong_is_named(self):
        for name, value in (("WASMOOR_HTTP_ALLOW", "host:port"), ("WASMOOR_HTTP_REQUESTS", "many"),
                            ("WASMOOR_HTTP_TIMEOUT", "soon")):
            run = subprocess.run([WASMOOR, "run", "--cache-dir", self.cache, GUESTS / "web-component.wasm"],
                                 env={name: value}, capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn(name, run.stderr)


if __name__ == "__main__":
    unittest.main()
