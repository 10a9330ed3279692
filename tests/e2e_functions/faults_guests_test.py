"""What functions of `wasmoor serve` do wrong, and what is done to their files while they run.

    faults_guests_test.py BIN GUESTS [TEST...]

BIN is a folder with wasmoor, GUESTS that of the guests of tests.
"""

import collections
import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from case import Case, Paths, main, metric
from server import PATIENCE, free_port, until

NEW = "0: stream\n1: stream\n2: stream\n"  # What `descriptors` says, in the place of `hello`.
NATIVE = pathlib.Path("/bin/true")
# A file may hold a module's text as well. It tells of itself on its standard error, for ever.
SHOUT = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "I am still here, and will be for ever and ever and ever and ev\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 63))
    (loop $again
      (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $again))))
"""


def seconds(count, **more):
    return {"Request-Timeout": str(count)} | more


def send_without_end(client):
    """As long as somebody takes it."""
    with contextlib.suppress(OSError):
        while True:
            client.sendall(b"400\r\n" + b"x" * 0x400 + b"\r\n")
            time.sleep(0.001)


class HostileTest(Case):
    """What a guest does is told of it, and hurts nobody else."""

    GUESTS = ("hello", "loop", "sleep", "trap", "trap_debug", "exit42", "abort", "divide", "raise", "recurse", "hoard",
              "pour", "cat", "start_trap", "big_memory", "missing_import", "wrong_type", "unstable", "threads",
              "library", "takeover", "flood", "escape", "calc-component",
              "hello-component", "web-component")

    def tearDown(self):
        self.assertEqual(self.ask("/hello").text, "Hello from wasm!\n")
        self.idle()

    def test_how_it_failed_is_said(self):
        for path, said in (("/trap", "unreachable"), ("/trap_debug", "unreachable"), ("/abort", "unreachable"),
                           ("/exit42", "status 42"), ("/divide", "divide by zero"), ("/raise", "signal 6"),
                           ("/recurse", "stack"), ("/start_trap", "unreachable"), ("/hoard", "refused memory"),
                           ("/takeover", "status"), ("/escape", "status"),
                           ("/web-component/trap", "unreachable"), ("/web-component/exit", "exited"),
                           ("/web-component/error", "error"), ("/web-component/nothing", "without a response")):
            reply = self.ask(path, headers=seconds(3, **{"Memory-Request": "16"}))
            self.assertIn(reply.status, (500, 502), path)
            self.assertIn(said, reply.headers["wasmoor-error"], path)

    def test_a_response_that_breaks_off_is_seen_to(self):
        self.assertEqual(self.ask("/web-component/trap-midway").status, 0)
        for path in ("length/10", "break-off"):
            reply = self.ask(f"/web-component/{path}")
            self.assertEqual(reply.status, 500, path)
            self.assertIn("broke its response off", reply.headers["wasmoor-error"], path)

    def test_what_cannot_be_run_says_why(self):
        for path, status, said in (
                ("/missing_import", 503, "env.open_the_door"), ("/wrong_type", 503, "fd_write"),
                ("/unstable", 503, "wasi_unstable"), ("/threads", 500, "threads"), ("/big_memory", 503, "memory"),
                ("/hello-component", 503, "wasi:http"), ("/library", 404, "exports answer"),
                ("/calc-component", 404, "exports add")):
            for _ in range(2):
                reply = self.ask(path)
                self.assertEqual(reply.status, status, path)
                self.assertIn(said, reply.text, path)

    def test_its_time_has_an_end_whatever_it_does(self):
        statuses = collections.defaultdict(set)

        def run(path, quota):
            statuses[path].add(self.ask(path, headers=seconds(1, cpu_quota=quota, **{"Memory-Request": "32"})).status)
        asking = [threading.Thread(target=run, args=(path, quota)) for quota in ("1", "100", "1000") for path in
                  ("/loop", "/sleep", "/pour", "/hoard?hold", "/web-component/spin", "/web-component/sleep/60000")]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        for path, all_of_them in statuses.items():
            self.assertLessEqual(all_of_them, {0, 504}, path)

    def test_one_that_reads_without_end_has_an_end(self):
        for path in ("/cat", "/web-component/count"):
            host, port = self.address.split(":")
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
                client.sendall(f"POST {path} HTTP/1.1\r\nhost: a\r\nrequest-timeout: 1\r\n"
                               "transfer-encoding: chunked\r\n\r\n".encode())
                sending = threading.Thread(target=send_without_end, args=(client,))
                sending.start()
                with contextlib.suppress(ConnectionResetError):
                    while client.recv(1 << 16):
                        pass
                sending.join()
            self.idle(path)

    def test_one_that_works_on_after_its_answer_has_an_end(self):
        self.assertEqual(self.ask("/web-component/work-on", headers=seconds(2)).text, "answered\n")

    def test_many_that_fail_at_once_are_each_their_own(self):
        statuses = collections.Counter()

        def fail(path):
            for _ in range(30):
                statuses[path, self.ask(path, headers=seconds(5, **{"Memory-Request": "16"})).status] += 1
        failing = [threading.Thread(target=fail, args=(path,)) for path in ("/trap", "/exit42", "/recurse", "/hello",
                                                                            "/hoard")]
        for one in failing:
            one.start()
        for one in failing:
            one.join()
        self.assertEqual(statuses, {("/trap", 500): 30, ("/exit42", 500): 30, ("/recurse", 500): 30,
                                    ("/hello", 200): 30, ("/hoard", 500): 30})


class FloodTest(Case):
    """More slow requests at once than there may be guests: others are served in their turn, or told to come again."""

    WORDS = ("--set", "guests=4", "--set", "queue.requests=12", "--set", "usual.memory=8MiB", "--set", "usual.cpu=50")
    GUESTS = ("hello", "web-component")
    PATHS = ("/flood/sleep", "/flood/loop", "/web-component/sleep/60000")

    @classmethod
    def prepare(cls):
        for tenant, names in (("flood", ("sleep", "loop")), ("calm", ("hello",))):
            (cls.functions / tenant).mkdir()
            for name in names:
                shutil.copy(Paths.guests / f"{name}.wasm", cls.functions / tenant)

    def test_nobody_is_kept_out_for_ever_and_nothing_hangs(self):
        self.assertEqual(self.ask("/calm/hello").status, 200)
        self.idle()
        replies = collections.defaultdict(collections.Counter)

        def flood(path):
            for _ in range(3):
                reply = self.ask(path, headers=seconds(1))
                replies[path][reply.status] += 1
                if reply.status == 429:
                    self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)
                    time.sleep(0.1)
        flooding = [threading.Thread(target=flood, args=(self.PATHS[i % len(self.PATHS)],)) for i in range(48)]
        for one in flooding:
            one.start()
        until(lambda: self.metric("wasmoor_function_queue") >= 8, "it is full")
        calm = collections.Counter()
        while any(one.is_alive() for one in flooding):
            reply = self.ask("/calm/hello", headers=seconds(20))
            self.assertIn(reply.status, (200, 429))
            calm[reply.status] += 1
            self.assertLessEqual(self.metric("wasmoor_function_running"), 4)
            self.assertLessEqual(self.metric("wasmoor_function_queue"), 12)
        for one in flooding:
            one.join()
        # A tenant of its own has its turn beside one that floods.
        self.assertGreater(calm[200], 0)
        for path in self.PATHS:
            self.assertLessEqual(set(replies[path]), {0, 429, 504}, path)
        self.idle()
        self.assertEqual(self.ask("/flood/sleep", query="1").status, 200)
        # What was made for the flood goes again.
        until(lambda: self.metric("wasmoor_function_threads") <= 8, "threads are as before")


class FloodByClockTest(FloodTest):
    WORDS = (*FloodTest.WORDS, "--control-groups", "off")


class FloodApartTest(FloodTest):
    """Of functions with a directory, each of whose guests has a thread made for it."""

    PATHS = ("/flood/sleep", "/flood/loop")

    @classmethod
    def prepare(cls):
        super().prepare()
        shared = cls.folder / "shared"
        shared.mkdir()
        manifest = f'[[directories]]\nhost = "{shared}"\nguest = "/shared"\n'
        for name in ("sleep", "loop"):
            (cls.functions / "flood" / f"{name}.toml").write_text(manifest)
        cls.WORDS = (*FloodTest.WORDS, "--set", f"grant.directories={shared}")


class ReplacedTest(Case):
    """Files of functions change while requests run."""

    GUESTS = ("hello", "sleep")

    def setUp(self):
        self.put("hello", (Paths.guests / "hello.wasm").read_bytes())
        until(lambda: self.ask("/hello").text == "Hello from wasm!\n", "it is what it was")
        self.loading = threading.Event()
        self.replies = collections.Counter()
        self.clients = [threading.Thread(target=self.load) for _ in range(3)]
        for one in self.clients:
            one.start()

    def load(self):
        while not self.loading.is_set():
            reply = self.ask("/hello")
            self.replies[reply.status, reply.text] += 1

    def told(self):
        return sum(line.startswith("wasmoor serve: function hello: ") for line in self.server.log().splitlines())

    def stop_load(self):
        self.loading.set()
        for one in self.clients:
            one.join()

    def tearDown(self):
        self.stop_load()
        self.idle()

    def precompiled(self):
        """An entry of the cache: the engine's code, as it is loaded from there."""
        entries = [path for path in Paths.cache.iterdir() if path.name != "hashes"]
        return max(entries, key=lambda path: path.stat().st_size).read_bytes()

    def test_what_is_no_module_takes_no_place_and_is_told_of_once(self):
        hello = (Paths.guests / "hello.wasm").read_bytes()
        entry = self.precompiled()
        for content in (b"garbage", hello[:2000], hello[:-1], b"", b"\0asm\1\0\0\0half", b"\0asm\x0d\0\1\0half", entry,
                        entry[entry.find(b"\x7fELF"):], NATIVE.read_bytes(), b"\0" * 10_000):
            before, served = self.told(), sum(self.replies.values())
            self.put("hello", content)
            until(lambda b=before: self.told() > b, f"{content[:20]} is told of")
            until(lambda s=served: sum(self.replies.values()) > s + 50, "requests go on")
            self.assertEqual(self.told(), before + 1, self.server.log())
        self.stop_load()
        self.assertEqual(set(self.replies), {(200, "Hello from wasm!\n")})

    def test_what_was_never_a_module_is_refused_with_the_reason(self):
        entry = self.precompiled()
        for content, said in ((b"garbage", "neither"), (b"", "empty"), (b"\0asm\1\0\0\0half", "parse"),
                              (entry, "precompiled"), (entry[entry.find(b"\x7fELF"):], "precompiled"),
                              (NATIVE.read_bytes(), "native")):
            self.put("new", content)
            until(lambda s=said: s in self.ask("/new").text, f"the answer says {said}")
            self.assertGreaterEqual(self.ask("/new").status, 500)
        self.put("new", (Paths.guests / "hello.wasm").read_bytes())
        until(lambda: self.ask("/new").status == 200, "it is served once it is one")

    def test_a_request_has_the_old_one_or_the_new_one(self):
        new = (Paths.guests / "descriptors.wasm").read_bytes()
        for content in (new, (Paths.guests / "hello.wasm").read_bytes()) * 3:
            self.put("hello", content)
            want = "Hello from wasm!\n" if content != new else NEW
            until(lambda w=want: self.ask("/hello").text == w, "the new one is served")
        self.stop_load()
        self.assertLessEqual(set(self.replies), {(200, "Hello from wasm!\n"), (200, NEW)})

    def test_one_that_is_written_in_its_place_is_served_when_it_is_whole(self):
        new = (Paths.guests / "descriptors.wasm").read_bytes()
        with open(self.functions / "hello.wasm", "wb", buffering=0) as file:
            for at in range(0, len(new), len(new) // 8):
                file.write(new[at:at + len(new) // 8])
                time.sleep(0.15)
        until(lambda: (200, NEW) in self.replies, "the new one is served")
        self.stop_load()
        self.assertEqual(set(self.replies), {(200, "Hello from wasm!\n"), (200, NEW)})

    def test_a_guest_that_runs_stays_what_it_was(self):
        replies = []
        self.put("passing", (Paths.guests / "sleep.wasm").read_bytes())
        self.assertEqual(self.ask("/passing", query="1").status, 200)
        asking = [threading.Thread(target=lambda: replies.append(self.ask("/passing", query="3000"))) for _ in range(3)]
        for one in asking:
            one.start()
        until(lambda: self.metric("wasmoor_function_threads_taken") >= 3, "they run")
        self.put("passing", (Paths.guests / "hello.wasm").read_bytes())
        until(lambda: self.ask("/passing", headers=seconds(1)).body == b"Hello from wasm!\n", "it is replaced")
        (self.functions / "passing.wasm").unlink()
        until(lambda: self.ask("/passing").status == 404, "it is gone")
        for one in asking:
            one.join()
        self.assertEqual([(reply.status, reply.text) for reply in replies], [(200, "sleeping\nawake\n")] * 3)


class LogTest(unittest.TestCase):
    """Somebody takes what the server says, as long as all is well."""

    def begin(self, **streams):
        self.folder = Paths.cache.parent / "log-test"
        self.folder.mkdir()
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copy(Paths.guests / "hello.wasm", self.folder)
        shutil.copy(Paths.guests / "exit42.wasm", self.folder)
        (self.folder / "shout.wasm").write_text(SHOUT)
        self.address, self.health = (f"127.0.0.1:{free_port()}" for _ in range(2))
        words = [Paths.bin / "wasmoor", "serve", "--functions", self.folder, "--listen", self.address, "--health",
                 self.health, "--cache-dir", Paths.cache]
        self.process = subprocess.Popen([str(word) for word in words],
                                        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        until(lambda: self.answers("/hello"), "it serves")

    def answers(self, path, headers=None):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request("GET", path, headers=headers or {})
            return connection.getresponse().read()
        except OSError:
            return None
        except http.client.HTTPException:
            return b""  # It broke off.
        finally:
            connection.close()

    def check_serves_and_ends(self):
        for _ in range(8):
            self.assertEqual(self.answers("/hello"), b"Hello from wasm!\n")
        until(lambda: metric(self.health, "wasmoor_function_running") == 0, "nothing runs")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=PATIENCE), 0)

    def test_a_log_that_nobody_reads_stops_nobody(self):
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        self.addCleanup(os.close, writes)
        self.begin(stderr=writes)
        self.assertIsNotNone(self.answers("/shout", seconds(2)))
        self.check_serves_and_ends()

    def test_an_access_log_that_nobody_reads_stops_nobody(self):
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        self.addCleanup(os.close, writes)
        self.begin(stdout=writes)
        for _ in range(400):
            self.assertIsNotNone(self.answers("/exit42"))
        self.check_serves_and_ends()

    def test_a_log_that_is_closed_or_full_stops_nobody(self):
        reads, writes = os.pipe()
        with open("/dev/full", "wb") as full:
            self.begin(stdout=full, stderr=writes)
        os.close(writes)
        os.close(reads)
        for _ in range(10):
            self.assertIsNotNone(self.answers("/exit42"))
        self.assertIsNotNone(self.answers("/shout", seconds(1)))
        self.check_serves_and_ends()


if __name__ == "__main__":
    main("bin", "guests")
