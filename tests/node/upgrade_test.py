"""An upgrade of the node's daemon while it works: another program goes on in its place, and nobody notices.

    upgrade_test.py SHIM GUESTS [TEST...]

SHIM is the executable containerd-shim-wasmtimed-v1, beside which the daemon's is; GUESTS the folder with compiled
guests. Exit status 77: cannot run here.
"""

import json
import os
import shutil
import signal
import socket
import threading

import daemon_case  # First: it says where the others are.

import alone
import played
import ttrpc
from played import until

GUESTS = ("sleep", "exit42")


class UpgradeTest(daemon_case.DaemonTest):
    def upgraded(self, daemon):
        """What the command says. The daemon's process is the same, and its program is another one's execution."""
        before = daemon.log().count("goes on at")
        said = daemon.upgrade()
        self.assertIn(f"process {daemon.pid}: ", said)
        self.assertEqual(daemon.log().count("goes on at"), before + 1)
        return said

    def test_guests_and_programs_run_on_and_connections_stay(self):
        daemon = self.serve()
        tasks = {"guest": self.running(["/sleep.wasm"]), "program": self.running(["/bin/sleep", "1000"])}
        pids = {name: task.call("State")[3] for name, task in tasks.items()}
        for times in range(1, 4):
            self.assertIn("2 sandboxes", self.upgraded(daemon))
            for name, task in tasks.items():
                with self.subTest(name, times=times):
                    # By the connection of before.
                    state = task.call("State")
                    self.assertEqual((state[3], state[4]), (pids[name], played.RUNNING))
        for name, task in tasks.items():
            with self.subTest(name):
                task.kill(signal.SIGKILL)
                self.assertEqual(task.wait(), 137)
                self.assertEqual(task.delete(), 137)

    def test_who_waits_hears_of_an_end_that_comes_later(self):
        daemon = self.serve()
        for words in (["/sleep.wasm"], ["/bin/sleep", "1000"]):
            with self.subTest(words):
                task = self.running(words)
                stream = task.client.begin(played.TASK, "Wait", {1: task.id})
                self.upgraded(daemon)
                task.kill(signal.SIGKILL)
                self.assertEqual(task.client.finish(stream).get(1), 137)
                task.delete()

    def test_an_end_before_an_upgrade_is_known_after_it(self):
        daemon = self.serve()
        for words in (["/exit42.wasm"], ["/bin/sh", "-c", "exit 42"]):
            with self.subTest(words):
                task = self.running(words)
                self.assertEqual(task.wait(), 42)
                self.upgraded(daemon)
                self.assertEqual(task.state(), played.STOPPED)
                self.assertEqual(task.wait(), 42)
                self.assertEqual(task.delete(), 42)

    def test_new_containers_have_another_host_and_the_old_one_ends_with_its_last_guest(self):
        daemon = self.serve()
        old = self.running(["/sleep.wasm"], group=self.name)
        hosts = set(daemon.hosts())
        self.assertEqual(len(hosts), 1)
        self.upgraded(daemon)
        new = self.running(["/sleep.wasm"], group=self.name)
        self.assertEqual(len(daemon.hosts()), 2)
        # In a container of before a second guest starts where the first one is.
        old.add_exec("second", ["/exit42.wasm"])
        old.start("second")
        self.assertEqual(old.wait("second"), 42)
        self.assertEqual(old.delete("second"), 42)
        old.kill(signal.SIGKILL)
        old.wait()
        old.delete()
        until(lambda: not hosts & set(daemon.hosts()), "the old host ends")
        self.assertEqual(new.state(), played.RUNNING)

    def test_a_deadline_ends_the_guests_of_before(self):
        config = self.folder / "wasmtimed.toml"
        config.write_text("upgrade_deadline = 1\n")
        daemon = self.serve("--config", config)
        guest, program = self.running(["/sleep.wasm"]), self.running(["/bin/sleep", "1000"])
        self.upgraded(daemon)
        self.assertEqual(guest.wait(), 137)
        self.assertIn("is of an earlier version, and its time is up", daemon.log())
        self.assertEqual(program.state(), played.RUNNING)

    def test_execs_go_on_whether_they_are_started_or_not(self):
        daemon = self.serve()
        for words, second in ((["/sleep.wasm"], ["/exit42.wasm"]), (["/bin/sleep", "1000"], ["/bin/sh", "-c", "exit 42"])):
            with self.subTest(words):
                task = self.running(words)
                task.add_exec("running", words)
                task.start("running")
                task.add_exec("waiting", second)
                self.upgraded(daemon)
                self.assertEqual(task.state("running"), played.RUNNING)
                self.assertEqual(task.state("waiting"), played.CREATED)
                task.start("waiting")
                self.assertEqual(task.wait("waiting"), 42)
                task.kill(signal.SIGKILL, "running")
                self.assertEqual(task.wait("running"), 137)
                for name in ("running", "waiting"):
                    task.delete(name)

    def test_streams_go_on_a_terminal_too(self):
        daemon = self.serve()
        said, typed = self.folder / "said", self.folder / "typed"
        for path in (said, typed):
            os.mkfifo(path)
        identifier, bundle = self.bundle(["/bin/cat"])
        config = json.loads((bundle / "config.json").read_text())
        config["process"]["terminal"] = True
        (bundle / "config.json").write_text(json.dumps(config))
        with ttrpc.Client(alone.shim.start(identifier, bundle)) as client:
            task = played.Task(client, identifier, bundle)
            task.create(stdin=typed, stdout=said, terminal=True)
            task.start()
            out = os.open(said, os.O_RDONLY | os.O_NONBLOCK)
            into = os.open(typed, os.O_WRONLY)
            try:
                for word in (b"before", b"after"):
                    os.write(into, word + b"\n")
                    heard = bytearray()

                    def hears():
                        try:
                            heard.extend(os.read(out, 4096))
                        except BlockingIOError:
                            pass
                        return heard.count(word) >= 2  # Its echo, and what cat says.
                    until(hears, f"{word} is echoed")
                    if word == b"before":
                        self.upgraded(daemon)
            finally:
                os.close(out)
                os.close(into)
            task.kill(signal.SIGKILL)
            task.wait()
            task.delete()

    def test_a_file_gets_all_that_is_written_over_several_upgrades(self):
        daemon = self.serve()
        log = self.folder / "out.log"
        words = ["/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"]
        identifier, bundle = self.bundle(words)
        with ttrpc.Client(alone.shim.start(identifier, bundle)) as client:
            task = played.Task(client, identifier, bundle)
            task.create(stdout=f"file://{log}")
            task.start()
            for _ in range(2):
                self.upgraded(daemon)
            self.assertEqual(task.wait(), 0)
            self.assertEqual(log.read_text(), "".join(f"line {i}\n" for i in range(3000)))
            task.delete()

    def test_nothing_is_lost_under_load(self):
        daemon = self.serve()
        stop, failures, done = threading.Event(), [], []

        def work(number):
            while not stop.is_set():
                try:
                    status = self.playing(["/exit42.wasm"], f"{number}-{len(done)}")
                    if status != 42:
                        failures.append(f"ended with {status}")
                    done.append(1)
                except Exception as error:  # Whatever it is, it is a task that failed.
                    failures.append(repr(error))
        workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(8):
                seen = len(done)
                until(lambda seen=seen: len(done) > seen + 3 or failures, "tasks run", 30)
                self.upgraded(daemon)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        self.assertEqual(failures, [])

    def playing(self, words, name):
        """The status of a task at the end of its life."""
        identifier, bundle = self.bundle(words, name)
        with ttrpc.Client(alone.shim.start(identifier, bundle)) as client:
            task = played.Task(client, identifier, bundle)
            task.create()
            task.start()
            status = task.wait()
            task.delete()
            return status

    def test_a_program_that_cannot_go_on_changes_nothing(self):
        program = self.folder / "containerd-wasmtimed"
        shutil.copy2(daemon_case.daemon_program(), program)
        daemon = self.serve(program=program)
        task = self.running(["/sleep.wasm"])
        for name, content, said in (("a program that fails", "#!/bin/sh\nexit 3\n", "status 3"),
                                    ("one that is another", "#!/bin/sh\necho hello\n", "cannot go on"),
                                    ("no program", "garbage", "containerd-wasmtimed"), ("none", None, "containerd-wasmtimed")):
            with self.subTest(name):
                program.unlink(missing_ok=True)
                if content is not None:
                    program.write_text(content)
                    program.chmod(0o755)
                self.assertIn(said, self.fails("--upgrade"))
                self.assertEqual(task.state(), played.RUNNING)
        program.unlink(missing_ok=True)
        shutil.copy2(daemon_case.daemon_program(), program)
        self.upgraded(daemon)
        self.assertEqual(task.state(), played.RUNNING)

    def test_settings_that_are_wrong_by_now_are_found_before(self):
        config = self.folder / "wasmtimed.toml"
        config.write_text("")
        self.serve("--config", config)
        task = self.running(["/sleep.wasm"])
        config.write_text("log.level = 'loud'\n")
        self.assertIn("--check", self.fails("--upgrade"))
        self.assertEqual(task.state(), played.RUNNING)
        self.assertIn("log.level", self.fails("--config", config, "--check"))

    def test_half_a_request_and_garbage_are_taken_along(self):
        daemon = self.serve()
        identifier, bundle = self.bundle(["/sleep.wasm"])
        address = alone.shim.start(identifier, bundle)
        task = played.Task(self.connect(address), identifier, bundle)
        task.create()
        task.start()
        whole = ttrpc.encode({1: played.TASK, 2: "State", 3: {1: task.id}})
        frame = ttrpc.HEADER.pack(len(whole), 1, ttrpc.REQUEST, 0) + whole
        with socket.socket(socket.AF_UNIX) as half:
            half.connect(address.removeprefix("unix://"))
            half.sendall(frame[:len(frame) // 2])
            with socket.socket(socket.AF_UNIX) as garbage:
                garbage.connect(address.removeprefix("unix://"))
                garbage.sendall(b"\xff" * 64)
                self.upgraded(daemon)
            half.sendall(frame[len(frame) // 2:])
            half.settimeout(10)
            self.assertGreater(len(half.recv(4096)), ttrpc.HEADER.size)
        self.assertEqual(task.state(), played.RUNNING)

    def test_without_a_daemon_it_says_so(self):
        self.assertRegex(self.fails("--upgrade"), "no daemon answers at .*manager.sock")


if __name__ == "__main__":
    alone.main(__doc__, "upgrade", GUESTS, ("sleep", "sh", "cat", "echo"))
