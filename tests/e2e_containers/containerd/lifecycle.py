"""Containers of both kinds over their lives, whatever runtime containerd has them made by; and what tests have in common
that make some of their own."""

import re
import unittest

import stand  # First: it says where the others are.

import daemon
from stand import containerd


class ContainerTest(unittest.TestCase):
    """Has a container by its name, and others."""

    def setUp(self):
        self.name = re.sub(r"\W", "-", self.id().rpartition(".")[2]).lower()[:60]
        self.addCleanup(containerd().remove, self.name)

    def start(self, image, *words, options=(), name=""):
        """A container that goes on running."""
        if name:
            self.addCleanup(containerd().remove, name)
        containerd().run_detached(image, name or self.name, *words, options=options)

    def pid(self, name=""):
        return containerd().task(name or self.name)[0]


class Lifecycle:
    """What containers of both kinds can do. A class below says how each is made."""

    def name(self):
        """Of this test's container."""
        return re.sub(r"\W", "-", self.id().partition(".")[2]).lower()

    def start(self, *options):
        name = self.name()
        self.addCleanup(containerd().remove, name)
        containerd().run_detached(self.image, name, *self.sleeper, options=options)
        return name

    def kill(self, name, signal):
        containerd().ctr("task", "kill", "-s", signal, name)
        containerd().wait_for_status(name, "STOPPED")
        # It repeats the exit code, in a warning or as its own status.
        done = containerd().try_ctr("task", "delete", name)
        found = re.search(r"exit code (\d+)", done.stderr)
        return int(found[1]) if found else done.returncode

    def test_it_runs_to_its_end_with_its_output_and_exit_code(self):
        done = containerd().run(self.image, self.name(), *self.talker)
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)
        self.assertEqual(containerd().run(self.image, self.name(), *self.fails[0]).returncode, self.fails[1])

    def test_it_runs_however_it_is_shut_in(self):
        ways = [["--seccomp"], ["--read-only"], ["--net-host"]]
        if stand.here.which == "current":  # The older ctr forgets --runc-binary where it maps ids.
            ways.append(["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"])
        for options in ways:
            with self.subTest(options):
                done = containerd().run(self.image, self.name(), *self.talker, options=options)
                self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)

    def test_it_can_be_paused_and_resumed(self):
        name = self.start()
        containerd().ctr("task", "pause", name)
        self.assertEqual(containerd().status(name), "PAUSED")
        containerd().ctr("task", "resume", name)
        self.assertEqual(containerd().status(name), "RUNNING")

    def test_another_program_runs_in_it(self):
        name = self.start()
        done = containerd().execute(name, *self.talker)
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)
        done = containerd().execute(name, *self.fails[0])
        self.assertEqual(done.returncode, self.fails[1], done.stderr)
        self.assertEqual(containerd().status(name), "RUNNING")

    def test_a_program_in_it_can_be_killed_alone(self):
        name = self.start()
        containerd().ctr("task", "exec", "--detach", "--exec-id", "one", name, *self.sleeper)
        containerd().ctr("task", "kill", "--exec-id", "one", "-s", "KILL", name)
        self.assertEqual(containerd().status(name), "RUNNING")
        self.assertEqual(self.kill(name, "KILL"), 128 + 9)

    def test_its_metrics_are_those_of_its_control_group(self):
        name = self.start("--memory-limit", str(128 << 20))
        metrics = dict(re.findall(r"^(\S+) +(\d+)", containerd().ctr("task", "metrics", name), re.MULTILINE))
        self.assertEqual(int(metrics["memory.limit_in_bytes"]), 128 << 20)
        self.assertGreater(int(metrics["cpuacct.usage"]), 0)
        self.assertGreaterEqual(int(metrics["pids.current"]), 1)

    def test_its_processes_are_listed(self):
        name = self.start()
        listed = re.findall(r"^(\d+)", containerd().ctr("task", "ps", name), re.MULTILINE)
        self.assertIn(name, containerd().ctr("task", "ls"))
        self.assertRegex(containerd().ctr("task", "ls"), rf"{name} +{listed[0]} +RUNNING")

    def test_sigkill_ends_it_with_137(self):
        self.assertEqual(self.kill(self.start(), "KILL"), 128 + 9)

    def test_containerd_hears_of_each_step(self):
        events = daemon.Events(containerd(), stand.NATIVE)
        self.addCleanup(events.close)
        name = self.start()
        containerd().ctr("task", "exec", "--exec-id", "one", name, *self.talker)
        containerd().ctr("task", "pause", name)
        containerd().ctr("task", "resume", name)
        self.kill(name, "KILL")
        # The last, of the deletion, is lost now and then: the shim ends before it is sent.
        topics = ["create", "start", "exec-added", "exec-started", "exit", "paused", "resumed", "exit"]
        self.assertEqual(events.of_task(name, len(topics)), topics)

    def test_it_has_a_terminal_if_it_asks_for_one(self):
        words = containerd().run_words(self.image, self.name(), *self.terminal[0], options=("--rm", "--tty"))
        status, output = containerd().run_in_terminal(*words)
        self.assertEqual(status, 0, output)
        self.assertIn(self.terminal[1], output)

    def test_a_program_in_it_has_a_terminal_if_it_asks_for_one(self):
        name = self.start()
        words = ("task", "exec", "--tty", "--exec-id", "one", name, *self.terminal[0])
        status, output = containerd().run_in_terminal(*words)
        self.assertEqual(status, 0, output)
        self.assertIn(self.terminal[1], output)

    def test_a_program_that_is_not_there_is_named_and_leaves_no_task(self):
        done = containerd().run(self.image, self.name(), "/nothing")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nothing", done.stderr)
        self.assertEqual(containerd().status(self.name()), "")

    def test_several_run_at_once(self):
        running = [containerd().start(*containerd().run_words(self.image, f"{self.name()}-{i}", *self.talker,
                                                          options=("--rm",))) for i in range(6)]
        for child in running:
            output, _ = child.communicate(timeout=30)
            self.assertEqual(child.returncode, 0, output)


class NativeTest(Lifecycle, unittest.TestCase):
    image = stand.NATIVE
    talker, says = ("echo", "hello"), "hello\n"
    sleeper = ("sleep", "1000")
    fails = ("sh", "-c", "exit 42"), 42
    terminal = ("tty",), "/dev/pts/0"

    def test_what_is_typed_reaches_it(self):
        words = containerd().run_words(stand.NATIVE, self.name(), "sh", "-c", 'read word; echo "it was $word"',
                                     options=("--rm", "--tty"))
        self.assertIn("it was plugh", containerd().run_in_terminal(*words, typed=b"plugh\n")[1])

    def test_kill_all_ends_its_children_too(self):
        name = self.name()
        self.addCleanup(containerd().remove, name)
        containerd().run_detached(stand.NATIVE, name, "sh", "-c", "sleep 1000 & sleep 1001 & wait")
        containerd().ctr("task", "kill", "--all", "-s", "KILL", name)
        containerd().wait_for_status(name, "STOPPED")
        self.assertEqual([words for words in stand.apart.processes() if "sleep 100" in words], [])

    def test_running_out_of_memory_ends_it_and_is_told(self):
        events = daemon.Events(containerd(), stand.NATIVE)
        self.addCleanup(events.close)
        done = containerd().run(stand.NATIVE, self.name(), "tail", "/dev/zero", options=("--memory-limit", 16 << 20))
        self.assertEqual(done.returncode, 128 + 9, done.stderr)
        self.assertTrue(events.are_of(self.name(), "oom"))


class WasmTest(Lifecycle, unittest.TestCase):
    image = stand.WASM
    talker, says = ("/hello.wasm",), "Hello from wasm!\n"
    sleeper = ("/sleep.wasm",)
    fails = ("/exit42.wasm",), 42
    terminal = ("/terminal.wasm",), "stdin is a terminal"

    @classmethod
    def setUpClass(cls):
        if not stand.here.guests:
            raise unittest.SkipTest("no folder of guests was given")

    def test_the_images_own_entrypoint_runs(self):
        self.assertEqual(containerd().run(stand.WASM, self.name()).stdout, "Hello from wasm!\n")

    def test_it_has_the_arguments_and_the_environment_of_containerd(self):
        done = containerd().run(stand.WASM, self.name(), "/args.wasm", "one", "two", options=("--env", "COLOUR=blue"))
        self.assertIn("arg 1: one\narg 2: two\n", done.stdout)
        self.assertIn("env COLOUR=blue\n", done.stdout)

    def test_a_trap_is_status_134_and_named(self):
        done = containerd().run(stand.WASM, self.name(), "/trap.wasm")
        self.assertEqual(done.returncode, 134)
        self.assertIn("unreachable", done.stderr)

    def test_it_sees_its_memory_limit_and_goes_on(self):
        done = containerd().run(stand.WASM, self.name(), "/grow.wasm", 256, "touch",
                                options=("--memory-limit", 64 << 20))
        self.assertEqual(done.returncode, 0, done.stderr)
        grown = int(re.match(r"grew by (\d+) MiB", done.stdout)[1])
        self.assertTrue(0 < grown < 64, done.stdout)

    def test_sigterm_ends_it_blocked_or_looping(self):
        for guest in ("/sleep.wasm", "/loop.wasm"):
            with self.subTest(guest):
                name = self.name() + guest[1:5]
                self.addCleanup(containerd().remove, name)
                containerd().run_detached(stand.WASM, name, guest)
                self.assertEqual(self.kill(name, "TERM"), 128 + 15)
