"""What goes wrong around the node's daemon, and hurts nobody but whoever caused it; asked without containerd.

    faults_test.py SHIM GUESTS [TEST...]

As daemon_test.py. With WASMOOR_LONG_TESTS=1 in the environment, what is repeated is repeated ten times as often.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile

import running_daemon  # First: it says where the others are.

import alone
import daemon_case
import faults
import played
import ttrpc
from alone import SLEEP
from played import RUNNING, until
from proc import descriptors, memory, threads
from running_daemon import MANAGER, STATE, USUAL

GUESTS = ("cat", "exit42", "hello", "sleep")
LONG = "WASMOOR_LONG_TESTS" in os.environ
KILLED = 128 + signal.SIGKILL
NATIVE = ("/bin/sleep", "1000")
LONGEST_BUNDLE = 4000  # Letters of its path: PATH_MAX (4096, path_resolution(7)) less those of what is in it.


class HeldTest(daemon_case.DaemonTest):
    """One daemon serves, and a task that has nothing to do with the fault."""

    def setUp(self):
        super().setUp()
        self.daemon = self.serve()
        self.other = self.running(namespace="other")
        self.host, = self.daemon.hosts()  # Guests of all namespaces are in one.

    def tearDown(self):
        try:
            self.assertEqual(self.other.state(), RUNNING)
            self.assertIsNone(self.daemon.process.poll())
        finally:
            super().tearDown()

    def place(self):
        """A folder whose path leaves room for those of sockets."""
        path = pathlib.Path(tempfile.mkdtemp(prefix="d", dir=alone.shim.folder))
        self.addCleanup(shutil.rmtree, path)
        return path

    def works(self):
        """Another task does, from its beginning to its end."""
        for words, status in ((["/exit42.wasm"], 42), (["/bin/sh", "-c", "exit 3"], 3)):
            task = self.running(words)
            self.assertEqual(task.wait(), status)
            self.assertEqual(task.delete(), status)
            task.call("Shutdown")


class ContainerFaultTest(HeldTest, faults.FaultTest):
    def test_a_create_that_fails_at_any_stage_is_tried_again_with_the_same_id(self):
        def broken(config):
            config["process"]["args"] = ["/broken.wasm"]

        def absent(config):
            config["process"]["args"] = ["/nothing.wasm"]

        def no_source(config):
            config["mounts"].append({"destination": "/tmp", "type": "bind", "source": "/nothing/there",
                                     "options": ["rbind"]})

        def no_namespace(config):
            config["linux"]["namespaces"].append({"type": "network", "path": "/nothing/net"})

        def no_folder(config):
            config["process"]["cwd"] = "/nothing"
            config["process"]["user"] = {"uid": 1, "gid": 1}

        def no_filter(config):
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_NOTHING"}

        for words in (SLEEP, NATIVE):
            task = self.task(words)
            path = task.bundle / "config.json"
            sound = path.read_text()
            for fault in (broken, absent, no_source, no_namespace, no_folder, no_filter):
                if fault in (broken, no_folder) and words == NATIVE:
                    continue  # That is wasm, and a folder is made there.
                with self.subTest(fault.__name__, words=words):
                    config = json.loads(sound)
                    fault(config)
                    path.write_text(json.dumps(config))
                    if fault is no_folder:
                        with contextlib.suppress(ttrpc.Failure):
                            task.create()
                            task.delete()
                    else:
                        with self.assertRaises(ttrpc.Failure) as failed:
                            task.create()
                        self.assertGreater(len(failed.exception.message), 10)
                    self.is_unknown(task)
                    path.write_text(sound)
                    self.lives_and_dies(task)
        until(lambda: threads(self.host) <= 3, f"their threads are gone: {threads(self.host)}")

    def test_a_guest_writes_to_a_fifo_that_nobody_reads_and_is_stopped(self):
        task = self.task(["/cat.wasm", "/dev/zero"])
        os.mkfifo(task.bundle / "out")
        task.create(stdout=task.bundle / "out")
        task.start()
        self.works()
        self.assertEqual(task.state(), RUNNING)
        task.kill(signal.SIGTERM)
        self.assertEqual(task.wait(), 128 + signal.SIGTERM)
        task.delete()

    def test_a_fifo_in_the_place_of_a_file_holds_nobody_up(self):
        for name in ("fifo.wasm", "bin/fifo"):
            with self.subTest(name):
                fifo = alone.shim.root / name
                os.mkfifo(fifo, 0o755)
                self.addCleanup(fifo.unlink)
                task = self.task([f"/{name}"])
                # In whatever words; but answered, as everybody else is.
                with contextlib.suppress(ttrpc.Failure):
                    task.create()
                    task.kill(signal.SIGKILL)
                    task.wait()
                    task.delete()
                self.works()

    def test_a_bundle_that_is_gone_before_the_delete_is_no_hindrance(self):
        for words in (SLEEP, NATIVE):
            with self.subTest(words):
                task = self.running(words)
                shutil.rmtree(task.bundle)
                task.kill(signal.SIGKILL)
                self.assertEqual(task.wait(), KILLED)
                self.assertEqual(task.delete(), KILLED)
                self.is_unknown(task)

    def test_starts_as_fast_as_they_come_leave_the_host_as_it_was(self):
        keeper = self.running(group=self.name)

        def play(count, at_once=50):
            """Crash loops: each task is created, started, waited for and deleted."""
            names = [f"crashes-{number}" for number in range(at_once)]
            for _ in range(count // at_once):
                for method, fields in (("Create", {2: str(keeper.bundle)}), ("Start", {}), ("Wait", {}),
                                       ("Delete", {})):
                    asked = [keeper.client.begin(played.TASK, method, {1: name, **fields}) for name in names]
                    for one in asked:
                        keeper.client.finish(one)

        config = json.loads((keeper.bundle / "config.json").read_text())
        config["process"]["args"] = ["/exit42.wasm"]
        (keeper.bundle / "config.json").write_text(json.dumps(config))

        def settled():
            until(lambda: threads(self.host) <= 4, f"their threads are gone: {threads(self.host)}")
            return descriptors(self.daemon.pid) + descriptors(self.host)
        play(500)
        before, used = settled(), memory(self.daemon.pid) + memory(self.host)
        play(10_000 if LONG else 2_000)
        self.assertLessEqual(settled(), before + 4)
        self.assertEqual(threads(self.daemon.pid), 1)
        self.assertLess(memory(self.daemon.pid) + memory(self.host) - used, 8 << 10)
        self.assertEqual(keeper.state(), RUNNING)
        self.works()


class NameTest(HeldTest):
    def test_two_namespaces_have_pods_containers_and_programs_of_the_same_ids(self):
        ours, theirs = ([self.running(words, identifier=f"same-{number}", group="same-0", namespace=space)
                         for number, words in enumerate((SLEEP, NATIVE))] for space in ("one", "two"))
        for task in (*ours, *theirs):
            task.add_exec("e", ["/hello.wasm"] if task.id == "same-0" else ["/bin/sleep", "1000"])
        self.assertEqual(self.daemon.sandboxes()[:1] + self.daemon.sandboxes()[2:], ["one/same-0", "two/same-0"])
        ours[0].start("e")
        self.assertEqual(ours[0].wait("e"), 0)
        ours[1].kill(signal.SIGKILL)
        self.assertEqual(ours[1].wait(), KILLED)
        self.assertEqual([task.state() for task in theirs], [RUNNING, RUNNING])
        self.assertEqual([task.state("e") for task in theirs], [played.CREATED, played.CREATED])
        for task in ours:
            self.assertEqual(self.delete(task, "one"), KILLED)
        self.assertEqual([task.state() for task in theirs], [RUNNING, RUNNING])
        theirs[0].start("e")
        self.assertEqual(theirs[0].wait("e"), 0)

    def test_a_bundles_path_may_be_longer_than_a_sockets(self):
        folder = alone.shim.folder
        self.addCleanup(setattr, alone.shim, "folder", folder)
        for length in (106, 107, 108, 109, 1000, LONGEST_BUNDLE):
            for words in (SLEEP, NATIVE):
                with self.subTest(length, words=words):
                    identifier = f"long-{len(self.made)}"
                    # FOLDER/state/NAMESPACE/ID, and so many letters in all.
                    missing = length - len(f"{self.folder}//state/played/{identifier}")
                    parts = [("x" * 200)] * (missing // 201) + ["y" * (missing % 201)]
                    alone.shim.folder = self.folder / "/".join(part for part in parts if part)
                    alone.shim.folder.mkdir(parents=True, exist_ok=True)
                    identifier, bundle = self.bundle(words, identifier)
                    self.assertIn(len(str(bundle)), (length, length - 1))
                    task = played.Task(self.connect(alone.shim.start(identifier, bundle)), identifier, bundle)
                    os.mkfifo(bundle / "out")
                    task.create(stdout=bundle / "out")
                    task.start()
                    self.assertEqual(task.state(), RUNNING)
                    self.assertEqual(self.delete(task), KILLED)

    def test_a_state_directory_may_be_as_long_as_a_sockets_path_lets_it(self):
        place = self.place()
        # STATE/s/NAME
        longest = place / ("z" * (106 - 32 - len("/s/") - len(f"{place}/")))
        listen = place / "m"
        flags = ("--listen", listen, "--controller", place / "c")
        daemon = self.serve("--state", longest, *flags, listen=listen)
        path = daemon.ask("Create", {1: "ns", 2: "pod", 4: "/"})[1].decode()
        self.assertEqual(len(path), 106)
        ttrpc.Client(path).__exit__()
        daemon.stop()
        self.assertIn("106", self.fails("--state", f"{longest}z", *flags))

    def test_names_that_are_no_names_are_refused(self):
        before = self.daemon.sandboxes()
        for name in ("", ".", "..", "../x", "/", "a/b", "a\0b", "x" * 300):
            for request in ({1: name, 2: "pod", 4: "/"}, {1: "ns", 2: name, 4: "/"}):
                with self.subTest(request=request):
                    with self.assertRaises(ttrpc.Failure) as failed:
                        self.daemon.ask("Create", request)
                    self.assertTrue(failed.exception.message.isprintable(), failed.exception.message)
        for folder in ("", "relative", "/nothing/there", str(USUAL)):
            with self.subTest(folder), self.assertRaises(ttrpc.Failure):
                self.daemon.ask("Create", {1: "ns", 2: "pod", 4: folder})
        self.assertEqual(self.daemon.sandboxes(), before)


class ClientTest(HeldTest):
    """Clients that speak garbage, half a sentence, or too much; to the manager, and to a sandbox."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(self.name)  # The same every time.
        self.before = descriptors(self.daemon.pid)

    def tearDown(self):
        try:
            until(lambda: descriptors(self.daemon.pid) <= self.before, "what they had of the daemon is closed")
        finally:
            super().tearDown()

    def sockets(self):
        return str(USUAL), (self.other.bundle / "address").read_text().removeprefix("unix://"), \
            str(STATE / "controller.sock")

    def speak(self, path, words):
        """A client that says so, and stays."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(path)
        client.settimeout(1)
        with contextlib.suppress(OSError):  # It may be hung up on.
            client.sendall(words)
        return client

    def test_garbage_is_hung_up_on_or_ignored(self):
        kinds = [self.random.randbytes(self.random.randrange(1, 5000)) for _ in range(50)]
        kinds += [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500, b"\0" * 4096,
                  ttrpc.HEADER.pack(0xffffffff, 1, ttrpc.REQUEST, 0) + b"x" * 4096,
                  ttrpc.HEADER.pack(16, 1, ttrpc.REQUEST, 0) + b"\xff" * 16,
                  ttrpc.HEADER.pack(0, 2, ttrpc.REQUEST, 0), ttrpc.HEADER.pack(0, 1, ttrpc.RESPONSE, 0),
                  ttrpc.HEADER.pack(0, 1, 77, 0xff)]
        for path in self.sockets():
            for words in kinds:
                self.speak(path, words).close()
        self.assertEqual(self.other.state(), RUNNING)
        self.works()

    def test_half_a_frame_holds_nobody_up(self):
        whole = self.frame("Connect", {1: "other", 2: self.other.id})
        halves = []
        for path in self.sockets():
            halves += [self.speak(path, whole[:length]) for length in (1, 9, 10, 11, len(whole) // 2, len(whole) - 1)]
        self.works()
        for half in halves:
            half.close()
        # The rest of a frame that comes late is as good as any.
        late = self.speak(str(USUAL), whole[:20])
        self.works()
        late.sendall(whole[20:])
        late.settimeout(20)
        self.assertGreater(len(late.recv(4096)), ttrpc.HEADER.size)
        late.close()

    def test_huge_frames_are_refused_and_not_kept(self):
        used = memory(self.daemon.pid)
        for length in (4 << 20, (4 << 20) + 1, 64 << 20):
            client = self.speak(str(USUAL), b"")
            client.settimeout(20)
            with contextlib.suppress(OSError):
                client.sendall(ttrpc.HEADER.pack(length, 1, ttrpc.REQUEST, 0))
                for _ in range(length >> 20):
                    client.sendall(b"\xff" * (1 << 20))
            client.close()
            self.works()
        self.assertLess(memory(self.daemon.pid) - used, 16 << 10)

    def test_clients_that_hang_up_within_a_call_leave_nothing(self):
        for number in range(60):
            method = ("Create", "Connect", "Delete")[number % 3]
            self.speak(str(USUAL), self.frame(method, {1: "gone", 2: f"pod{number % 7}", 4: "/"})).close()
        self.works()
        for number in range(7):
            with contextlib.suppress(ttrpc.Failure):
                self.daemon.ask("Delete", {1: "gone", 2: f"pod{number}"})
        until(lambda: not any("gone/" in one for one in self.daemon.sandboxes()), "their sandboxes are gone")

    def test_hundreds_that_say_nothing_are_no_hindrance(self):
        silent = [self.speak(path, b"") for path in self.sockets() for _ in range(200)]
        self.works()
        for one in silent:
            one.close()

    @staticmethod
    def frame(method, request):
        data = ttrpc.encode({1: MANAGER, 2: method, 3: request})
        return ttrpc.HEADER.pack(len(data), 1, ttrpc.REQUEST, 0) + data


class DiskTest(HeldTest, faults.Living):
    @contextlib.contextmanager
    def full(self, folder):
        """A file system without room."""
        fillers = [faults.fill(folder)]
        with contextlib.suppress(OSError):
            for number in range(100_000):
                path = folder / f"filler{number}"
                path.touch()
                fillers.append(path)
        try:
            yield
        finally:
            for path in fillers:
                path.unlink()

    def test_a_full_state_directory_is_told_of_and_room_is_enough_again(self):
        place = self.place()
        state, listen = place / "s", place / "m"
        state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", state], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=True)
        daemon = self.serve("--state", state, "--listen", listen, "--controller", place / "c", listen=listen)
        held = daemon.ask("Create", {1: "ns", 2: "held", 4: "/"})[1].decode()
        with self.full(state):
            for number in range(3):
                with self.assertRaises(ttrpc.Failure) as failed:
                    daemon.ask("Create", {1: "ns", 2: f"pod{number}", 4: "/"})
                self.assertIn("space", failed.exception.message)
            self.assertEqual(daemon.sandboxes(state), ["ns/held"])
            ttrpc.Client(held).__exit__()
        for number in range(3):
            ttrpc.Client(daemon.ask("Create", {1: "ns", 2: f"pod{number}", 4: "/"})[1].decode()).__exit__()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual([path.name for path in state.glob("*/[!.]*")], [])

    def test_where_all_that_is_kept_is_full_nothing_breaks(self):
        for words in (SLEEP, NATIVE):
            with self.subTest(words):
                task = self.task(words)
                subprocess.run(["mount", "-o", "remount,size=1m", "/run"], check=True)
                try:
                    with self.full(pathlib.Path("/run")):
                        for _ in range(3):
                            try:
                                self.lives_and_dies(task)
                            except ttrpc.Failure as failure:
                                self.assertIn("space", failure.message)
                        self.assertEqual(self.other.state(), RUNNING)
                finally:
                    subprocess.run(["mount", "-o", "remount,size=50%", "/run"], check=True)
                self.is_unknown(task)
                self.lives_and_dies(task)


class VanishTest(HeldTest):
    def test_a_state_directory_that_is_gone_hurts_no_container_that_runs(self):
        task = self.running(NATIVE)
        for path in STATE.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for one in (task, self.other):
            self.assertEqual(one.state(), RUNNING)
        done = alone.shim.command("start", *self.bundle())
        # Another may be made or not; if not, in one sentence.
        if done.returncode != 0:
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        task.kill(signal.SIGKILL)
        self.assertEqual(task.wait(), KILLED)
        self.assertEqual(task.delete(), KILLED)
        self.assertEqual(self.other.state(), RUNNING)
        self.daemon.stop()
        self.daemon = self.serve()
        self.assertEqual(self.delete(self.other, "other"), KILLED)
        self.other = self.running(namespace="other")
        self.works()

    def test_a_sandbox_whose_socket_is_gone_can_be_deleted_and_made_again(self):
        task = self.running()
        pathlib.Path((task.bundle / "address").read_text().removeprefix("unix://")).unlink()
        self.assertEqual(task.state(), RUNNING)
        task.client.__exit__()
        self.assertEqual(self.delete(task), KILLED)
        until(lambda: not any(task.id in one for one in self.daemon.sandboxes()), "its sandbox is gone")
        self.works()

    def test_without_its_socket_it_says_how_to_have_one(self):
        USUAL.unlink()
        self.assertIn("systemctl start containerd-wasmtimed", self.start_fails())
        self.daemon.stop()
        self.daemon = self.serve()
        self.assertEqual(self.delete(self.other, "other"), KILLED)
        self.other = self.running(namespace="other")

    def test_settings_that_are_gone_or_no_file_stay_as_they_were(self):
        place = self.place()
        path, listen = place / "wasmtimed.toml", place / "m"
        path.write_text('[log]\nlevel = "debug"\n')
        daemon = self.serve("--config", path, "--listen", listen, "--state", place / "s", "--controller", place / "c",
                            listen=listen)
        for number, change in enumerate((lambda: None, path.mkdir, lambda: os.mkfifo(path),
                                         lambda: path.symlink_to(path))):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            change()
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: daemon.log().count("the settings stay as they were: ") > number,
                  f"it has refused them: {daemon.log()[-500:]}")
            self.assertTrue(daemon.ask("Create", {1: "ns", 2: f"pod{number}", 4: "/"})[1])
        self.assertEqual(daemon.stop(), 0)


class HostTest(HeldTest):
    """The process in which guests are threads."""

    def test_orders_that_are_none_are_ignored(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.random = random.Random(self.name)
        with ours, theirs:
            ours.settimeout(20)
            place = theirs.fileno()

            def give():
                os.dup2(place, 3)
            host = subprocess.Popen([daemon_case.daemon_program(), "host-guests"], stdin=subprocess.DEVNULL,
                                    preexec_fn=give, pass_fds=(3,), close_fds=True)
            self.addCleanup(host.wait)
            self.addCleanup(host.kill)
            theirs.close()
            for order in self.orders():
                ours.sendall(order)
            # It still does what it is told: there is no such bundle.
            ours.sendall(ttrpc.encode({1: 999_999, 2: {1: "x", 2: "/nothing/there"}}))
            while 999_999 != (note := ttrpc.decode(ours.recv(1 << 16))).get(1):
                pass
            self.assertIn(3, note)
            self.assertIsNone(host.poll())

    def orders(self):
        sound = [ttrpc.encode({1: number, what: body}) for number in (1, 2, 77) for what, body in
                 ((4, {}), (5, {1: 9}), (6, {}), (7, {}), (8, {1: 5}), (9, {}), (10, {}), (11, {}))]
        sound += [ttrpc.encode({1: 1, 2: {1: "a", 2: "/nothing", 4: {1: 1}, 6: 1}}),
                  ttrpc.encode({1: 1, 2: {1: "a", 2: "/nothing", 4: {1: 1}, 6: 1}}),
                  ttrpc.encode({1: 2, 3: {1: 1, 2: "/a.wasm", 4: "/"}}), ttrpc.encode({1: 2, 3: {1: 2}})]
        yield from sound
        for _ in range(300):
            order = bytearray(self.random.choice(sound))
            for _ in range(self.random.randrange(4)):
                order[self.random.randrange(len(order))] = self.random.randrange(256)
            yield bytes(order[:self.random.randrange(1, len(order) + 1)])
        for _ in range(100):
            yield self.random.randbytes(self.random.randrange(1, 300))


if __name__ == "__main__":
    alone.main(__doc__, "node-faults", GUESTS, ("cat", "sh", "sleep"))
