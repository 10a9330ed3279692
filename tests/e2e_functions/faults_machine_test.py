"""What becomes of `wasmoor serve` where the machine fails it: volumes, control groups, disks, descriptors, threads.

    faults_machine_test.py BIN GUESTS [TEST...]

BIN is a folder with wasmoor, GUESTS that of the guests of tests. Mounts are made in namespaces of the servers alone.
"""

import collections
import contextlib
import http.client
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from case import Paths, main, metric, proc
from checks import ask
from server import PATIENCE, Group, Server, free_port, until

HELLO = "Hello from wasm!\n"


def own_mounts(command, *program):
    """A command that runs this one first, in a mount namespace of its own, and becomes the program there."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{command}\nexec "$@"', "sh", *program]


class MachineCase(unittest.TestCase):
    """Servers that the tests start by themselves."""

    GUESTS = ("hello", "loop", "sleep", "cat")

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("it needs root")

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.functions = self.folder / "functions"
        self.functions.mkdir()
        for name in self.GUESTS:
            shutil.copy(Paths.guests / f"{name}.wasm", self.functions)
        self.cache = Paths.cache
        self.group = Group(self.id().rpartition(".")[2])
        self.addCleanup(self.group.remove)
        self.address, self.health = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.server = None

    def start(self, *words, first=None, **more):
        """`first` is a command, as `own_mounts` takes it."""
        program = [Paths.bin / "wasmoor", "serve", "--functions", self.functions, "--listen", self.address, "--health",
                   self.health, "--cache-dir", self.cache, *words]
        self.server = Server(own_mounts(first, *program) if first else program, group=self.group, **more)
        self.addCleanup(self.server.stop, signal.SIGKILL)

    def serve(self, *words, **more):
        self.start(*words, **more)
        self.server.wait_for(self.address)

    def inside(self, command):
        """In the server's mount namespace."""
        subprocess.run(["nsenter", "--mount", f"--target={self.server.process.pid}", "sh", "-ec", command], check=True)

    def ask(self, path, query="", seconds=None, quota=None):
        """Status 0: it broke off; None: nothing came in time, or nobody took it."""
        fields = {} if seconds is None else {"Request-Timeout": seconds}
        fields |= {} if quota is None else {"cpu_quota": quota}
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request("GET", f"{path}?{query}", headers={name: str(value) for name, value in fields.items()})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except http.client.HTTPException:
            return 0, ""
        except OSError:
            return None, ""
        finally:
            connection.close()

    def metric(self, name):
        return metric(self.health, f"wasmoor_function_{name}")

    def begin(self, count, path, **fields):
        """So many requests at once; their statuses come into the list that is returned, with the threads."""
        statuses = []
        asking = [threading.Thread(target=lambda: statuses.append(self.ask(path, **fields)[0])) for _ in range(count)]
        for one in asking:
            one.start()
        return asking, statuses

    def end(self):
        """As it should."""
        self.assertEqual(self.server.stop(), 0, self.server.last_log)
        self.assertEqual(self.group.below(), [])

    def said(self, words):
        return [line for line in self.server.log().splitlines() if words in line]


class VolumeTest(MachineCase):
    def test_a_volume_that_is_away_takes_nothing_along_and_is_told_of(self):
        volume = self.folder / "volume"
        self.functions.rename(volume)
        self.functions.mkdir()
        self.serve(first=f"mount --bind {volume} {self.functions}")
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        running, statuses = self.begin(2, "/sleep", query="3000")
        until(lambda: self.metric("running") == 2, "they run")
        self.inside(f"umount --lazy {self.functions}")
        until(lambda: ask(self.health, "GET", "/ready").status == 503, "it is not ready")
        self.assertIn(str(self.functions), ask(self.health, "GET", "/ready").text)
        self.assertEqual(ask(self.health, "GET", "/live").status, 200)
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        # What was in no memory cannot be had now; that it is not there is not said.
        self.assertEqual(self.ask("/cat")[0], 503)
        self.assertEqual(self.ask("/new")[0], 503)
        for one in running:
            one.join()
        self.assertEqual(statuses, [200, 200])
        self.assertEqual(len(self.said("the directory of functions is away")), 1, self.server.log())
        shutil.copy(Paths.guests / "hello.wasm", volume / "new.wasm")
        (volume / "loop.wasm").unlink()
        self.inside(f"mount --bind {volume} {self.functions}")
        until(lambda: ask(self.health, "GET", "/ready").status == 200, "it is ready again")
        until(lambda: self.ask("/new") == (200, HELLO), "what has come meanwhile is served")
        self.assertEqual(self.ask("/cat"), (200, ""))
        self.assertEqual(self.ask("/loop")[0], 404)
        self.assertEqual(len(self.said("the directory of functions is back")), 1, self.server.log())
        self.end()

    def test_an_empty_volume_in_the_place_of_another_is_none(self):
        volume = self.folder / "volume"
        self.functions.rename(volume)
        self.functions.mkdir()
        self.serve(first=f"mount --bind {volume} {self.functions}")
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        self.inside(f"mount -t tmpfs -o size=1m tmpfs {self.functions}\n"
                    f"cp {volume}/hello.wasm {self.functions}/other.wasm")
        until(lambda: self.ask("/other") == (200, HELLO), "what is on the other volume is served")
        until(lambda: self.ask("/hello")[0] == 404, "what is not is gone")
        self.end()


class ControlGroupsTest(MachineCase):
    def setUp(self):
        super().setUp()
        if not self.group.path:
            self.skipTest("it needs a hierarchy of CPU groups of version 1 that can be written")

    def use(self, most):
        """Four guests that may use a tenth of a CPU each use no more than so many CPUs, and hold nobody up."""
        began, used = time.monotonic(), self.server.cpu_seconds()
        asking, statuses = self.begin(4, "/loop", quota=100, seconds=3)
        until(lambda: self.metric("threads_taken") == 4, "each has a thread of its own")
        self.check_answers_beside(asking)
        for one in asking:
            one.join()
        self.assertEqual(statuses, [0] * 4)
        self.assertLess((self.server.cpu_seconds() - used) / (time.monotonic() - began), most)

    def check_answers_beside(self, asking):
        """Others are answered before any of these has ended."""
        for _ in range(4):
            self.assertEqual(self.ask("/hello"), (200, HELLO))
        self.assertTrue(all(one.is_alive() for one in asking), "who asks for little waits for those who take long")

    READ_ONLY = "mount --bind /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu && mount -o remount,bind,ro /sys/fs/cgroup/cpu"

    def test_where_none_can_be_written_the_clock_is_taken_and_that_is_said(self):
        self.serve(first=self.READ_ONLY)
        self.ask("/hello")
        self.assertIn("by guests' own clocks, since", self.server.log())
        self.assertIn("Read-only file system", self.server.log())
        self.use(0.6)
        self.end()

    def test_where_they_are_required_it_does_not_start_without(self):
        self.start("--control-groups", "required", first=self.READ_ONLY)
        self.assertGreater(self.server.process.wait(PATIENCE), 0)
        self.assertIn("control groups are required", self.server.log())
        self.assertIn("Read-only file system", self.server.log())

    def check_goes_on(self):
        """More guests than there are threads so far, so that some are to be made."""
        self.use(0.6)
        asking, statuses = self.begin(20, "/sleep", quota=100, seconds=3)
        until(lambda: self.metric("running") == 20, "they run")
        self.check_answers_beside(asking)
        for one in asking:
            one.join()
        self.assertEqual(set(statuses) - {0, 504}, set())
        self.assertTrue(self.said("control group"), self.server.log())
        self.assertLess(len(self.said("control group")), 10, self.server.log())

    def test_where_they_become_read_only_it_goes_on(self):
        self.serve()
        self.ask("/hello")
        self.server.stop()
        self.serve(first="true")
        self.ask("/hello")
        self.inside(self.READ_ONLY)
        self.check_goes_on()
        self.assertEqual(self.server.stop(), 0)

    def test_where_they_vanish_it_goes_on(self):
        self.serve()
        self.ask("/hello")
        for seat in reversed(self.group.below()):
            for thread in (seat / "tasks").read_text().split():
                (self.group.path / "tasks").write_text(thread)
            seat.rmdir()
        self.check_goes_on()
        self.end()

    def test_where_they_are_unmounted_it_goes_on(self):
        self.serve(first="true")
        self.ask("/hello")
        self.inside("umount --lazy /sys/fs/cgroup/cpu")
        self.check_goes_on()
        self.assertEqual(self.server.stop(), 0)

    def test_two_servers_in_one_group_leave_each_other_alone(self):
        self.serve()
        self.ask("/hello")
        self.ask("/loop", seconds=1)
        other = Server([Paths.bin / "wasmoor", "serve", "--functions", self.functions, "--listen",
                        f"127.0.0.1:{free_port()}", "--cache-dir", self.cache], group=self.group)
        self.addCleanup(other.stop, signal.SIGKILL)
        until(lambda: "CPU limits are kept by control groups" in other.log(), "it has groups")
        time.sleep(0.5)
        self.use(0.6)
        self.assertEqual(other.stop(), 0)
        self.use(0.6)
        self.end()


class KillTest(MachineCase):
    GUESTS = (*MachineCase.GUESTS, "descriptors", "web-component")

    def test_one_that_was_killed_under_load_is_followed_by_another(self):
        self.cache = self.folder / "cache"
        for generation in range(3):
            self.serve()
            # It serves as soon as it listens.
            self.assertEqual(self.ask("/hello"), (200, HELLO))
            if self.group.path:
                # The groups of the one before are gone, and each has a thread of this one.
                lanes = [path for path in self.group.below() if path.name.startswith("lane")]
                members = [(path / "tasks").read_text().split() for path in lanes]
                self.assertLessEqual({one for all_in in members for one in all_in}, set(self.server.threads()))
                self.assertTrue(all(members), members)
            loading, replies = threading.Event(), collections.Counter()

            def load(path, fields, loading=loading, replies=replies):
                while not loading.is_set():
                    replies[path, self.ask(path, **fields)] += 1
            clients = [threading.Thread(target=load, args=one) for one in
                       [("/hello", {"quota": 100}), ("/hello", {"quota": 500}), ("/descriptors", {}),
                        ("/web-component/", {}), ("/loop", {"quota": 100, "seconds": 1}), ("/sleep", {"seconds": 1})]]
            for one in clients:
                one.start()
            until(lambda r=replies: sum(r.values()) > 200, "there is load")
            # It has something to compile as well, and is not through.
            shutil.copy(Paths.guests / "sortlines.wasm", self.functions / f"large{generation}.wasm")
            time.sleep(0.2)
            self.server.stop(signal.SIGKILL)
            loading.set()
            for one in clients:
                one.join()
            until(lambda: not proc.children(os.getpid()), "its compilers have ended")
            wrong = [reply for (path, reply) in replies if reply[0] not in (None, 0, 200, 504)]
            self.assertEqual(wrong, [])
        self.serve()
        self.assertIn("exited with status", self.ask("/large0")[1])  # It is run: it needs a directory.
        self.end()
        # Nothing half done stays in the cache, but for the lock of who was at it.
        names = [path.name for path in self.cache.iterdir()]
        self.assertEqual([name for name in names if not re.fullmatch(r"hashes|[0-9a-f]+-[0-9a-f]+(\.lock)?", name)], [])


class DiskTest(MachineCase):
    GUESTS = (*MachineCase.GUESTS, "web-component")

    def test_a_cache_that_is_full_is_told_of_and_served_from_when_there_is_room(self):
        place = self.folder / "small"
        place.mkdir()
        self.cache = place / "modules"
        self.serve(first=f"mount -t tmpfs -o size=128k tmpfs {place}")
        # What goes in is served; what does not says why, each time it is asked for, and in the log once.
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        for _ in range(3):
            status, text = self.ask("/web-component/")
            self.assertEqual(status, 503)
            self.assertIn("No space left on device", text)
        self.assertEqual(len(self.said("No space left on device")), 1)
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        self.inside(f"mount -o remount,size=20m {place}")
        until(lambda: self.ask("/web-component/")[0] == 200, "there is room")
        self.end()

    def test_a_cache_that_is_taken_away_leaves_what_is_in_memory(self):
        self.cache = self.folder / "modules"
        self.serve()
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        shutil.rmtree(self.cache)
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        status, text = self.ask("/cat")
        self.assertIn(status, (200, 503), text)
        self.end()

    def test_a_cache_that_cannot_be_written_is_named(self):
        self.start("--cache-dir", "/proc/modules")
        self.assertGreater(self.server.process.wait(PATIENCE), 0)
        self.assertIn("/proc/modules", self.server.log())


class DescriptorsTest(MachineCase):
    @staticmethod
    def limit(count):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    def test_with_few_it_says_so_or_serves(self):
        for count in (3, 5, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80):
            self.start(prepare=self.limit(count))
            answers = []

            def has_ended_or_serves(answers=answers):
                answers.append(self.ask("/hello"))
                return answers[-1][0] is not None or self.server.process.poll() is not None
            until(has_ended_or_serves, f"with {count} it says so or serves")
            if answers[-1][0] is not None:
                status, text = answers[-1]
                self.assertTrue((status, text) == (200, HELLO) or (status == 503 and text), (count, status, text))
                self.assertEqual(self.server.stop(), 0, count)
            else:
                self.assertGreater(self.server.stop(), 0, f"with {count} it was killed: {self.server.last_log}")
                self.assertIn("Too many open files", self.server.last_log, count)

    def test_when_clients_have_all_of_them_it_goes_on_when_they_have_left(self):
        self.serve(prepare=self.limit(80))
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        used = self.server.cpu_seconds()
        with contextlib.ExitStack() as clients:
            for _ in range(200):
                clients.enter_context(socket.create_connection(("127.0.0.1", int(self.address.rsplit(":",
                                                                                                     1)[1])), PATIENCE))
            until(lambda: self.server.descriptors() >= 78, "it has no more")
            time.sleep(1)
            # It waits, and does not try again and again.
            self.assertLess(self.server.cpu_seconds() - used, 0.5)
        for path in ("/hello", "/cat"):
            until(lambda p=path: self.ask(p)[0] == 200, f"{path} is served again")
        asking, statuses = self.begin(10, "/sleep", seconds=1)
        for one in asking:
            one.join()
        self.assertLessEqual(set(statuses), {0, 504})
        self.assertLess(len(self.server.log().splitlines()), 40, self.server.log())
        self.end()


class ThreadsTest(MachineCase):
    """As where a container may have so many processes and threads only."""

    def setUp(self):
        super().setUp()
        self.limits = pathlib.Path(f"/sys/fs/cgroup/pids/functions-test-{os.getpid()}")
        try:
            self.limits.mkdir()
        except OSError as error:
            self.skipTest(f"it needs a hierarchy of the controller pids of version 1: {error}")
        self.addCleanup(lambda: until(self.remove, "its group is empty"))

    def remove(self):
        with contextlib.suppress(OSError):
            self.limits.rmdir()
            return True

    def most(self, count):
        (self.limits / "pids.max").write_text(str(count))

    def enter(self):
        (self.limits / "tasks").write_text("0")

    def test_with_too_few_it_does_not_start_and_says_so(self):
        self.most(4)
        self.start(prepare=self.enter)
        self.assertGreater(self.server.process.wait(PATIENCE), 0)
        self.assertIn("pids.max", self.server.log())
        self.server.stop()

    def test_with_few_more_than_it_has_it_answers_everybody(self):
        self.most("max")
        self.serve(prepare=self.enter)
        self.ask("/hello")
        self.ask("/sleep", seconds=1)
        self.most(len(self.server.threads()) + 1)
        asking, statuses = self.begin(20, "/sleep", seconds=3)
        time.sleep(0.5)
        for _ in range(5):
            status, _ = self.ask("/hello", seconds=20)
            self.assertIn(status, (200, 429, 503, 504))
        for one in asking:
            one.join()
        self.assertLessEqual(set(statuses), {0, 429, 503, 504})
        self.most("max")
        until(lambda: self.metric("running") == 0, "nothing runs")
        self.assertEqual(self.ask("/hello"), (200, HELLO))
        self.end()


if __name__ == "__main__":
    main("bin", "guests")
