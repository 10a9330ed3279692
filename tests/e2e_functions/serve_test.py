"""`wasmoor serve` and `wasmbox`, as their users have them: real requests to real servers.

    serve_test.py BIN GUESTS FUNCTIONS [TEST...]

BIN is a folder with both, GUESTS that of the guests of tests, FUNCTIONS that of examples/functions.
"""

import http.client
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest

import server as servers
from case import Case, Paths, main
from checks import FunctionChecks, ask
from server import Server, free_port, until


class RepliesTest(Case):
    def test_answers_with_what_a_command_writes(self):
        reply = self.ask("/hello")
        self.assertEqual((reply.status, reply.text), (200, "Hello from wasm!\n"))
        self.assertEqual(reply.headers["content-type"], "text/plain; charset=utf-8")
        self.assertRegex(reply.headers["server-timing"], r"^queue;dur=[0-9.]+, cpu;dur=[0-9.]+, run;dur=[0-9.]+$")
        self.assertGreater(int(reply.headers["wasmoor-memory"]), 0)

    def test_gives_the_body_to_a_command_whole(self):
        for size in (1, 4096, 300_000, 3_000_000):
            body = os.urandom(size)
            self.assertEqual(self.ask("/cat", "POST", body=body).body, body)

    def test_takes_the_file_name_for_the_name(self):
        self.assertEqual(self.ask("/hello.wasm").status, 200)

    def test_knows_no_other_function(self):
        reply = self.ask("/nobody")
        self.assertEqual((reply.status, reply.text), (404, "no function 'nobody'\n"))

    def test_leads_to_no_file_outside(self):
        for path in ("/..%2f..%2fetc", "/%2e%2e/hello", "/hello%00", "/..", "/.hidden"):
            connection = http.client.HTTPConnection(self.address, timeout=30)
            connection.putrequest("GET", path, skip_accept_encoding=True)
            connection.endheaders()
            self.assertIn(connection.getresponse().status, (400, 404), path)
            connection.close()

    def test_says_how_a_guest_failed(self):
        reply = self.ask("/exit42")
        self.assertEqual(reply.status, 500)
        self.assertIn("status 42", reply.headers["wasmoor-error"])
        self.assertEqual(self.ask("/trap").status, 500)
        self.assertIn("unreachable", self.ask("/trap").headers["wasmoor-error"])

    def test_refuses_limits_that_are_none(self):
        for name in ("cpu_quota", "Memory-Request", "Request-Timeout"):
            for value in ("NaN", "-1", "", "0", "1e9", "x"):
                self.assertEqual(self.ask("/hello", headers={name: value}).status, 400, f"{name}: {value}")
        self.assertEqual(self.ask("/hello", headers={"Memory-Request": "999999999"}).status, 400)

    def test_serves_many_requests_on_one_connection(self):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        for _ in range(100):
            connection.request("GET", "/hello")
            self.assertEqual(connection.getresponse().read(), b"Hello from wasm!\n")
        connection.close()

    def test_tells_of_itself(self):
        self.assertEqual(ask(self.health, "GET", "/ready").status, 200)
        self.assertEqual(ask(self.health, "GET", "/live").status, 200)
        self.ask("/hello")
        series = 'wasmoor_function_requests_total{tenant="",function="hello",end="ok"}'
        until(lambda: self.metric(series) > 0, "the request is counted")


class LimitsTest(Case):
    def test_gives_a_request_no_more_than_its_share_of_a_cpu(self):
        began = time.monotonic()
        used = self.server.cpu_seconds()
        reply = self.ask("/loop", headers={"cpu_quota": "200", "Request-Timeout": "4"})
        used, took = self.server.cpu_seconds() - used, time.monotonic() - began
        self.assertEqual(reply.status, 0)
        self.assertLess(used / took, 0.3)

    def test_answers_others_while_guests_spin(self):
        def spin():
            self.ask("/loop", headers={"cpu_quota": "200", "Request-Timeout": "3"})
        spinning = [threading.Thread(target=spin) for _ in range(6)]
        for one in spinning:
            one.start()
        until(lambda: self.metric("wasmoor_function_threads_taken") == 6, "all of them have threads of their own")
        for _ in range(50):
            self.assertEqual(self.ask("/hello").status, 200)
        for one in spinning:
            one.join()
        until(lambda: self.metric("wasmoor_function_running") == 0, "nothing runs any more")

    def test_limits_memory_to_what_was_asked_for(self):
        few = self.ask("/hoard", headers={"Memory-Request": "4"})
        many = self.ask("/hoard", headers={"Memory-Request": "64"})
        self.assertLessEqual(int(few.headers["wasmoor-memory"]), 4 << 20)
        self.assertGreater(int(many.headers["wasmoor-memory"]), 4 << 20)
        self.assertLessEqual(int(many.headers["wasmoor-memory"]), 64 << 20)

    def test_ends_a_guest_that_sleeps_when_its_time_is_over(self):
        began = time.monotonic()
        reply = self.ask("/sleep", headers={"Request-Timeout": "300ms"})
        self.assertEqual(reply.status, 504)
        self.assertLess(time.monotonic() - began, 20)

    def test_ends_a_guest_whose_client_leaves(self):
        for path in ("/loop", "/sleep", "/pour"):
            self.leave(path)
        self.leave("/cat", b"x" * 0x80000)

    def test_streams_what_a_guest_writes_without_end(self):
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /pour HTTP/1.1\r\nhost: a\r\n\r\n")
            read = 0
            while read < 5_000_000:
                read += len(client.recv(1 << 20))
        until(lambda: self.metric("wasmoor_function_running") == 0, "it has ended")


class ClockLimitsTest(LimitsTest):
    """The same where no control group sees to it."""

    WORDS = ("--control-groups", "off")


class AdmissionTest(Case):
    WORDS = ("--memory", "100MiB", "--set", "queue.requests=2")

    def test_refuses_at_once_what_can_never_fit(self):
        self.assertEqual(self.ask("/hello", headers={"Memory-Request": "101"}).status, 400)

    def test_queues_what_does_not_fit_and_refuses_beyond(self):
        replies = []

        def sleep(time_out):
            headers = {"Memory-Request": "60", "Request-Timeout": time_out, "cpu_quota": "100"}
            replies.append(self.ask("/loop", headers=headers))
        asking = [threading.Thread(target=sleep, args=("2",)) for _ in range(3)]
        for one in asking:
            one.start()
        until(lambda: self.metric("wasmoor_function_queue") == 2, "one runs and two wait")
        refused = self.ask("/loop", headers={"Memory-Request": "60"})
        self.assertEqual(refused.status, 429)
        self.assertGreaterEqual(int(refused.headers["retry-after"]), 1)
        for one in asking:
            one.join()
        # Two waited until their time was over.
        self.assertEqual(sorted(reply.status for reply in replies), [0, 504, 504])
        self.assertEqual(self.ask("/hello", headers={"Memory-Request": "60"}).status, 200)


class DirectoryTest(Case):
    def test_serves_a_file_as_soon_as_it_is_there(self):
        self.put("new", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/new").text, "Hello from wasm!\n")

    def test_serves_functions_of_tenants(self):
        self.put("team/hello", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/team/hello").status, 200)
        self.assertEqual(self.ask("/team/nobody").status, 404)

    def test_serves_what_replaces_a_file(self):
        self.put("changing", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/changing").status, 200)
        self.put("changing", (Paths.guests / "exit42.wasm").read_bytes())
        until(lambda: self.ask("/changing").status == 500, "the new one is served")

    def test_keeps_what_works_when_it_is_replaced_by_what_does_not(self):
        self.put("kept", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/kept").status, 200)
        for garbage in (b"garbage", b"\0asm\1\0\0\0half", b"\x7fELF" + bytes(100)):
            self.put("kept", garbage)
            until(lambda: "kept" in self.server.log(), "it is told of")
            self.assertEqual(self.ask("/kept").status, 200)

    def test_forgets_what_is_removed(self):
        self.put("gone", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/gone").status, 200)
        (self.functions / "gone.wasm").unlink()
        until(lambda: self.ask("/gone").status == 404, "it is gone")

    def test_refuses_a_manifest_that_asks_for_what_is_not_allowed(self):
        (self.functions / "greedy.toml").write_text('[[directories]]\nhost = "/etc"\nguest = "/etc"\n')
        self.put("greedy", (Paths.guests / "hello.wasm").read_bytes())
        reply = self.ask("/greedy")
        self.assertNotEqual(reply.status, 200)
        self.assertIn("grant.directories", reply.text)


class ExamplesTest(Case, FunctionChecks):
    """All that examples/functions promise, by HTTP."""

    GUESTS = ()

    @classmethod
    def prepare(cls):
        cls.notes = cls.folder / "notes"
        cls.notes.mkdir()
        secret = cls.folder / "token"
        secret.write_text(cls.token)
        for path in Paths.functions.iterdir():
            if path.suffix in (".wasm", ".toml"):
                shutil.copy(path, cls.functions)
        manifest = cls.functions / "notes.toml"
        text = manifest.read_text().replace("/var/lib/wasmoor/notes", str(cls.notes))
        manifest.write_text(text.replace("/etc/wasmoor/secrets/notes-token", str(secret)))
        cls.WORDS = ("--set", f"grant.directories={cls.notes}:rw", "--set", f"grant.secrets={secret}")

    def setUp(self):
        # The directory itself is what was granted.
        for path in self.notes.iterdir():
            path.unlink()

    def invoke(self, name, method="GET", path="", query="", headers=None, body=b""):
        if not (self.functions / f"{name}.wasm").exists():
            self.skipTest(f"{name} was not built")
        return self.ask(f"/{name}{path}", method, headers, body, query)


class EndTest(unittest.TestCase):
    def begin(self, *words):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("hello", "sleep", "loop"):
            shutil.copy(Paths.guests / f"{name}.wasm", folder)
        self.address = f"127.0.0.1:{free_port()}"
        server = Server([Paths.bin / "wasmoor", "serve", "--functions", folder, "--listen", self.address,
                         "--cache-dir", Paths.cache, *words])
        server.wait_for(self.address)
        return server

    def test_lets_what_runs_end_when_it_is_told_to(self):
        server = self.begin()
        statuses = []
        asking = threading.Thread(target=lambda: statuses.append(
            ask(self.address, "GET", "/loop", "", {"Request-Timeout": "900ms", "cpu_quota": "100"}).status))
        asking.start()
        time.sleep(0.4)
        self.assertEqual(server.stop(), 0)
        asking.join()
        self.assertEqual(statuses, [504])

    def test_ends_guests_when_their_grace_is_over(self):
        server = self.begin("--grace", "500ms")

        def ask_and_lose():
            with self.assertRaises((OSError, http.client.HTTPException)):
                ask(self.address, "GET", "/loop", "", {"Request-Timeout": "60", "cpu_quota": "100"})
        asking = threading.Thread(target=ask_and_lose)
        asking.start()
        time.sleep(1)
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 15)
        asking.join()

    def test_serves_again_after_it_was_killed(self):
        before = servers.lanes_groups()
        server = self.begin()
        self.assertEqual(ask(self.address, "GET", "/hello").status, 200)
        server.stop(signal.SIGKILL)
        server = self.begin()
        self.assertEqual(ask(self.address, "GET", "/hello").status, 200)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(servers.lanes_groups(), before)

    def test_says_what_is_wrong_with_its_settings(self):
        for words, said in ((["--functions", "/nowhere"], "/nowhere"), (["--listen", "nonsense"], "nonsense"),
                            (["--set", "usual.cpu=much"], "usual.cpu"), (["--set", "nothing=1"], "no such setting")):
            server = Server([Paths.bin / "wasmoor", "serve", "--functions", "/tmp", "--cache-dir", Paths.cache, *words])
            self.assertNotEqual(server.process.wait(timeout=30), 0)
            self.assertIn(said, server.log())
            server.folder.cleanup()


class WasmboxTest(unittest.TestCase):
    """The lines of WasmBox's own document."""

    def begin(self, **variables):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copy(Paths.guests / "hello.wasm", folder)
        shutil.copy(Paths.guests / "cat.wasm", folder)
        ports = [free_port() for _ in range(2)]
        self.address, self.health = (f"127.0.0.1:{port}" for port in ports)
        self.server = Server([Paths.bin / "wasmbox", "--functions", folder, "--cache-dir", Paths.cache],
                             {"WEBSERVER_HOST": "127.0.0.1", "WEBSERVER_PORT": str(ports[0]),
                              "HEALTHCHECK_HOST": "127.0.0.1", "HEALTHCHECK_PORT": str(ports[1]), "POD_UID": "pod-1",
                              "QP_PORT": str(free_port())} | variables)
        self.server.wait_for(self.address)

    def test_answers_as_wasmbox_does(self):
        self.begin()
        reply = ask(self.address, "GET", "/hello", "", {"cpu_quota": "500", "Memory-Request": "200"})
        self.assertEqual((reply.status, reply.text), (200, "WASM output: Hello from wasm!\n"))
        for field in ("cgroup-creation-time", "cgroup-assign-time", "execution-time", "num-current-requests"):
            self.assertRegex(reply.headers[field], r"^[0-9]+$")
        self.assertEqual(reply.headers["pod"], "pod-1")
        self.assertEqual(ask(self.health, "GET", "/ready").status, 200)
        self.assertEqual(ask(self.health, "GET", "/live").status, 200)
        self.assertEqual(self.server.stop(), 0)

    def test_gives_the_parameter_of_a_json_body_to_the_guest_and_any_other_body_as_it_is(self):
        self.begin()
        reply = ask(self.address, "POST", "/cat", "", {}, b'{"parameter": "a \\"b\\""}')
        self.assertEqual(reply.text, 'WASM output: a "b"')
        self.assertEqual(ask(self.address, "POST", "/cat", "", {}, b"{}").text, "WASM output: {}")
        self.assertEqual(ask(self.address, "POST", "/cat", "", {}, b"\0\1").body, b"WASM output: \0\1")
        self.assertEqual(self.server.stop(), 0)

    def test_serves_without_control_groups(self):
        self.begin(ENABLE_CGROUPS="false")
        self.assertEqual(ask(self.address, "GET", "/hello").status, 200)
        self.assertIn("by guests' own clocks", self.server.log())
        self.assertEqual(self.server.stop(), 0)

    def test_says_which_variable_is_wrong(self):
        for name, value in (("WEBSERVER_PORT", "many"), ("ENABLE_CGROUPS", "perhaps"), ("WASM_RUNTIME", "jvm"),
                            ("MEMORY_LIMIT", "-1")):
            server = Server([Paths.bin / "wasmbox", "--functions", "/tmp", "--cache-dir", Paths.cache], {name: value})
            self.assertEqual(server.process.wait(timeout=30), 2)
            self.assertIn(name, server.log())
            server.folder.cleanup()


if __name__ == "__main__":
    main("bin", "guests", "functions")
