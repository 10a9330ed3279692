"""`wasmoor serve --isolate process`: tenants' functions in processes of their own.

    isolate_test.py BIN GUESTS [TEST...]
"""

import contextlib
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
from case import Case, Paths, main, metric
from checks import ask
from server import Server, free_port, until

import proc  # noqa: E402  (case.py has put it on the path.)

WORD = "run-functions"
TENANTS = ("acme", "blue")


def workers_of(server):
    """The processes that functions run in, by whose they are: "acme/" of a tenant, "hello" of a function without."""
    found = {}
    for pid in proc.children(server.process.pid):
        words = proc.words(pid)
        if WORD in words:
            found.setdefault(words[-1], []).append(pid)
    return found


def status_of(pid):
    """What /proc/PID/status says, by its names."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ProcessCase(Case):
    WORDS = ("--isolate", "process")
    GUESTS = ("hello", "loop", "exit42", "trap", "cat", "hoard", "sleep", "pour", "web-component", "flood")

    @classmethod
    def prepare(cls):
        for tenant in TENANTS:
            (cls.functions / tenant).mkdir()
            for name in cls.GUESTS:
                shutil.copy(Paths.guests / f"{name}.wasm", cls.functions / tenant)

    def worker(self, key):
        """The one process of that key, once something has run there."""
        found = workers_of(self.server).get(key, [])
        self.assertEqual(len(found), 1, workers_of(self.server))
        return found[0]


class PlacesTest(ProcessCase):
    def test_says_which_mode_is_in_force(self):
        until(lambda: "functions run in processes of their own" in self.server.log(), "it is told of")

    def test_runs_each_tenant_in_a_process_of_its_own(self):
        for tenant in TENANTS:
            self.assertEqual(self.ask(f"/{tenant}/hello").text, "Hello from wasm!\n")
            self.assertEqual(self.ask(f"/{tenant}/cat", "POST", body=b"x").text, "x")
        self.assertEqual(self.ask("/hello").status, 200)
        self.assertEqual(self.ask("/cat", "POST", body=b"x").text, "x")
        pids = [self.worker(key) for key in ("acme/", "blue/", "hello", "cat")]
        self.assertEqual(len(set(pids)), len(pids))
        self.assertGreaterEqual(self.metric("wasmoor_function_workers"), 4)

    def test_leaves_a_worker_no_right(self):
        self.ask("/acme/hello")
        pid = self.worker("acme/")
        status = status_of(pid)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16), 0)
        self.assertEqual(os.getsid(pid), pid)
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            of_thread = status_of(f"{pid}/task/{task.name}")
            self.assertEqual(of_thread["Seccomp"], "2", of_thread["Name"])
            self.assertEqual(int(of_thread["CapEff"], 16), 0, of_thread["Name"])
        self.assertEqual(pathlib.Path(f"/proc/{pid}/environ").read_bytes(), b"")
        # Nothing but sockets, a pipe to the server, code, and what event loops and control groups are made of.
        for one in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(one)
                self.assertTrue(target.startswith(("socket:", "pipe:", "anon_inode:", "/dev/null", "/proc/",
                                                   "/sys/fs/cgroup/", str(Paths.cache))), target)


class RunsTest(ProcessCase):
    def test_says_how_guests_fail(self):
        self.assertIn("status 42", self.ask("/acme/exit42").headers["wasmoor-error"])
        reply = self.ask("/acme/trap")
        self.assertEqual(reply.status, 500)
        self.assertIn("unreachable", reply.headers["wasmoor-error"])
        until(lambda: "backtrace" in self.server.out(), "it is told of")
        self.assertRegex(self.server.out(), r"trap[^\n]*0x[0-9a-f]+")

    def test_carries_bodies_both_ways_whole(self):
        for size in (0, 1, 4096, 300_000, 3_000_000):
            body = os.urandom(size)
            self.assertEqual(self.ask("/acme/cat", "POST", body=body).body, body)
            self.assertEqual(self.ask("/acme/web-component/echo", "POST", body=body).body, body)
        self.assertEqual(len(self.ask("/acme/web-component/big/4096").body), 4 << 20)

    def test_streams_while_the_client_still_sends(self):
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), 30) as client:
            client.sendall(b"POST /acme/web-component/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            # As much as is read before a guest begins.
            client.sendall(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
            for text in (b"first", b"second", b"third"):
                client.sendall(b"%x\r\n%s\r\n" % (len(text), text))
                heard = b""
                while text not in heard:
                    part = client.recv(65536)
                    self.assertTrue(part, heard[-1000:])
                    heard = heard[-1000:] + part
            client.sendall(b"0\r\n\r\n")

    def test_answers_for_components(self):
        self.assertEqual(self.ask("/acme/web-component/status/418").status, 418)
        self.assertEqual(self.ask("/acme/web-component/").text, "Hello from wasi:http!\n")
        self.assertIn("x-mine=7", self.ask("/acme/web-component/fields", headers={"x-mine": "7"}).text)
        for path in ("error", "nothing", "trap", "break-off", "length/10"):
            self.assertGreaterEqual(self.ask(f"/acme/web-component/{path}").status, 500, path)

    def test_gives_a_program_its_arguments_and_variables(self):
        self.put("acme/args", (Paths.guests / "args.wasm").read_bytes())
        reply = self.ask("/acme/args", query="a=1&b", headers={"X-Mine": "7"})
        self.assertEqual(reply.status, 200)
        self.assertIn("a=1", reply.text)

    def test_passes_on_what_guests_say_to_standard_error(self):
        self.ask("/acme/web-component/log")
        until(lambda: "acme/web-component: " in self.server.log(), "it is told of")

    def test_streams_what_a_guest_writes_without_end(self):
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), 30) as client:
            client.sendall(b"GET /acme/pour HTTP/1.1\r\nhost: a\r\n\r\n")
            read = 0
            while read < 5_000_000:
                read += len(client.recv(1 << 20))
        self.idle("it")

    def test_ends_a_guest_whose_client_leaves(self):
        for path in ("loop", "sleep", "pour", "web-component/sleep/60000", "web-component/spin"):
            self.leave(f"/acme/{path}")
        self.leave("/acme/cat", b"x" * 0x80000)

    def test_ends_a_guest_whose_time_is_over(self):
        for path in ("loop", "sleep", "web-component/sleep/60000", "web-component/spin"):
            reply = self.ask(f"/acme/{path}", headers={"Request-Timeout": "300ms"})
            self.assertIn(reply.status, (504, 0), path)
        self.idle("them")

    def test_limits_memory_to_what_was_asked_for(self):
        few = self.ask("/acme/hoard", headers={"Memory-Request": "4"})
        many = self.ask("/acme/hoard", headers={"Memory-Request": "64"})
        self.assertLessEqual(int(few.headers["wasmoor-memory"]), 4 << 20)
        self.assertGreater(int(many.headers["wasmoor-memory"]), 4 << 20)
        self.assertLessEqual(int(many.headers["wasmoor-memory"]), 64 << 20)
        self.assertIn("refused memory", few.headers["wasmoor-error"])

    def test_gives_a_request_no_more_than_its_share_of_a_cpu(self):
        self.ask("/acme/hello")
        pid = self.worker("acme/")
        began, used = time.monotonic(), cpu_seconds(pid)
        self.ask("/acme/loop", headers={"cpu_quota": "200", "Request-Timeout": "4"})
        used, took = cpu_seconds(pid) - used, time.monotonic() - began
        self.assertLess(used / took, 0.3)
        self.assertGreater(used, 0)

    def test_serves_what_replaces_a_file(self):
        self.put("acme/changing", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/acme/changing").status, 200)
        self.put("acme/changing", (Paths.guests / "exit42.wasm").read_bytes())
        until(lambda: self.ask("/acme/changing").status == 500, "the new one is served")
        (self.functions / "acme" / "changing.wasm").unlink()
        until(lambda: self.ask("/acme/changing").status == 404, "it is gone")

    def test_serves_a_function_while_better_code_of_it_comes(self):
        # Big enough for baseline code, which is replaced while it is asked for.
        content = (Paths.guests / "gohello.wasm").read_bytes()
        for i in range(3):
            # A custom section (WebAssembly Core 5.5.3) makes another module of it each time.
            self.put(f"acme/big{i}", content + b"\0\x03\x01x" + bytes([ord("a") + i + len(self.WORDS)]))
            for _ in range(20):
                self.assertEqual(self.ask(f"/acme/big{i}").status, 200)
                time.sleep(0.05)

    def test_serves_many_at_once(self):
        def many():
            connection = http.client.HTTPConnection(self.address, timeout=60)
            for i in range(100):
                connection.request("POST", "/acme/cat" if i % 2 else "/blue/web-component/echo", f"number {i}")
                statuses.append(connection.getresponse().read() == f"number {i}".encode())
            connection.close()
        statuses = []
        asking = [threading.Thread(target=many) for _ in range(8)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        self.assertEqual(statuses, [True] * 800)


class ClockRunsTest(RunsTest):
    """The same where no control group sees to limits."""

    WORDS = (*ProcessCase.WORDS, "--control-groups", "off")


class DeathTest(ProcessCase):
    def test_ends_only_what_ran_in_a_process_that_dies(self):
        self.ask("/acme/hello"), self.ask("/blue/hello")
        acme, blue = self.worker("acme/"), self.worker("blue/")
        died = self.metric("wasmoor_function_workers_died_total")
        replies = {"acme": [], "blue": []}

        def sleep(tenant, path, timeout):
            headers = {"Request-Timeout": timeout, "cpu_quota": "100"}
            replies[tenant].append(self.ask(f"/{tenant}/{path}", headers=headers))
        asking = [threading.Thread(target=sleep, args=("acme", "loop", "60")) for _ in range(3)]
        asking.append(threading.Thread(target=sleep, args=("blue", "web-component/sleep/2500", "60")))
        for one in asking:
            one.start()
        until(lambda: self.metric("wasmoor_function_running") == 4, "all of them run")
        time.sleep(0.2)
        os.kill(acme, signal.SIGKILL)
        self.assertEqual(self.ask("/blue/hello").status, 200)
        for one in asking[:3]:
            one.join()
        # What comes once it is known to be gone has another one.
        self.assertEqual(self.ask("/acme/hello").status, 200)
        asking[3].join()
        self.assertEqual([reply.status for reply in replies["acme"]], [500] * 3)
        self.assertIn(f"the process that it ran in ({acme}) has ended", replies["acme"][0].headers["wasmoor-error"])
        self.assertEqual([reply.status for reply in replies["blue"]], [200])
        self.assertEqual(self.worker("blue/"), blue)
        self.assertNotEqual(self.worker("acme/"), acme)
        until(lambda: self.metric("wasmoor_function_workers_died_total") == died + 1, "it is counted")
        until(lambda: f"worker {acme} of tenant acme was ended by signal 9" in self.server.log(), "it is told of")

    def test_comes_back_however_often_it_dies(self):
        for _ in range(4):
            # One that comes before the server knows of the end has come to the one that is gone.
            until(lambda: self.ask("/acme/hello").status == 200, "there is one")
            pid = self.worker("acme/")
            os.kill(pid, signal.SIGKILL)
            until(lambda: pid not in proc.children(self.server.process.pid), "it is gone")
        until(lambda: self.ask("/acme/hello").status == 200, "there is one")

    def test_ends_a_worker_that_is_stopped_and_does_not_end_its_guests(self):
        self.ask("/acme/hello")
        pid = self.worker("acme/")
        os.kill(pid, signal.SIGSTOP)
        reply = self.ask("/acme/hello", headers={"Request-Timeout": "300ms"})
        self.assertEqual(reply.status, 500)
        self.assertIn("does not end a guest", reply.headers["wasmoor-error"])
        until(lambda: self.ask("/acme/hello").status == 200, "another one has its place")


class GrantsTest(ProcessCase):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.data = cls.folder / "data"
        for tenant in TENANTS:
            (cls.data / tenant).mkdir(parents=True)
            text = f'[[directories]]\nhost = "{cls.data}/{tenant}"\nguest = "."\naccess = "read-write"\n'
            shutil.copy(Paths.guests / "files.wasm", cls.functions / tenant)
            (cls.functions / tenant / "files.toml").write_text(text)
        cls.WORDS = (*ProcessCase.WORDS, "--set", f"grant.directories={cls.data}/{{tenant}}:rw")

    def test_reaches_the_directories_that_are_granted(self):
        # The first one is started before anybody needs a directory.
        self.assertEqual(self.ask("/acme/hello").status, 200)
        without = self.worker("acme/")
        for tenant in TENANTS:
            reply = self.ask(f"/{tenant}/files")
            self.assertEqual(reply.status, 200, reply.text)
            self.assertIn("files: all ok", reply.text)
        until(lambda: without not in proc.children(self.server.process.pid), "the one that may not is gone")
        self.assertEqual(self.ask("/acme/hello").status, 200)
        self.worker("acme/")


class PlacesAreFewTest(ProcessCase):
    WORDS = (*ProcessCase.WORDS, "--set", "workers=1", "--set", "worker_idle=2s")

    def test_takes_turns_and_ends_what_is_idle(self):
        for _ in range(3):
            for tenant in TENANTS:
                self.assertEqual(self.ask(f"/{tenant}/hello").status, 200)
                self.assertLessEqual(sum(len(pids) for pids in workers_of(self.server).values()), 1)
        until(lambda: not workers_of(self.server), "the last one has ended")
        self.assertEqual(self.metric("wasmoor_function_workers_died_total"), 0)
        self.assertEqual(self.ask("/acme/hello").status, 200)

    def test_gives_a_place_that_is_at_work_to_who_waits_when_its_runs_have_ended(self):
        replies = []
        asking = threading.Thread(target=lambda: replies.append(
            self.ask("/acme/web-component/sleep/1000")))
        asking.start()
        until(lambda: self.metric("wasmoor_function_running") > 0, "it runs")
        self.assertEqual(self.ask("/blue/hello").status, 200)
        asking.join()
        self.assertEqual(replies[0].status, 200)


class MemoryTest(ProcessCase):
    WORDS = (*ProcessCase.WORDS, "--memory", "64MiB")

    def test_limits_the_whole_process_and_leaves_its_guests_what_they_may_have(self):
        for path, status in (("hello", 200), ("web-component/", 200), ("cat", 200), ("hoard", 500)):
            reply = self.ask(f"/acme/{path}", "POST", {"Memory-Request": "60"}, b"x")
            self.assertEqual(reply.status, status, reply.text)
        self.assertGreater(int(reply.headers["wasmoor-memory"]), 50 << 20)
        limits = pathlib.Path(f"/proc/{self.worker('acme/')}/limits").read_text()
        self.assertRegex(limits, r"Max data size +[0-9]+ ")


class ManifestTest(ProcessCase):
    WORDS = ()

    def test_gives_a_process_to_the_function_that_asks_for_one(self):
        until(lambda: "functions run in this process" in self.server.log(), "it is told of")
        (self.functions / "blue" / "apart.toml").write_text('[run]\nisolate = "process"\n')
        self.put("blue/apart", (Paths.guests / "hello.wasm").read_bytes())
        self.assertEqual(self.ask("/blue/hello").status, 200)
        self.assertEqual(workers_of(self.server), {})
        self.assertEqual(self.ask("/blue/apart").text, "Hello from wasm!\n")
        self.worker("blue/")

    def test_refuses_a_mode_that_is_none(self):
        (self.functions / "wrong.toml").write_text('[run]\nisolate = "planet"\n')
        self.put("wrong", (Paths.guests / "hello.wasm").read_bytes())
        self.assertIn("thread or process", self.ask("/wrong").text)


class EndTest(unittest.TestCase):
    def begin(self, *words):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("hello", "sleep", "loop"):
            shutil.copy(Paths.guests / f"{name}.wasm", folder)
        self.address, self.health = (f"127.0.0.1:{free_port()}" for _ in range(2))
        server = Server([Paths.bin / "wasmoor", "serve", "--functions", folder, "--listen", self.address,
                         "--health", self.health, "--cache-dir", Paths.cache, "--isolate", "process", *words])
        server.wait_for(self.address)
        self.assertEqual(ask(self.address, "GET", "/hello").status, 200)
        return server

    def test_lets_what_runs_end_when_it_is_told_to(self):
        before = servers.lanes_groups()
        server = self.begin()
        statuses = []
        asking = threading.Thread(target=lambda: statuses.append(
            ask(self.address, "GET", "/loop", "", {"Request-Timeout": "900ms", "cpu_quota": "100"}).status))
        asking.start()
        until(lambda: metric(self.health, "wasmoor_function_running") > 0, "it runs")
        pids = [pid for pids in workers_of(server).values() for pid in pids]
        self.assertTrue(pids)
        self.assertEqual(server.stop(), 0, server.last_log)
        asking.join()
        self.assertEqual(statuses, [504])
        self.assertFalse([pid for pid in pids if proc.words(pid)])
        self.assertEqual(servers.lanes_groups(), before)

    def test_leaves_no_worker_when_it_is_killed(self):
        server = self.begin()
        pids = [pid for pids in workers_of(server).values() for pid in pids]
        self.assertTrue(pids)
        server.stop(signal.SIGKILL)
        # They are this process's to reap then.
        until(lambda: all(proc.state_and_parent(pid)[0] in ("", "Z") for pid in pids), "they have ended")
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        # The next one removes what is left of their control groups.
        server = self.begin()
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    main("bin", "guests")
