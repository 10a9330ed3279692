"""containerd's runc shim with wasmoor-runtime in the place of runc: containers of both kinds, over their lives.

    containerd_test.py debian|current RUNTIME GUESTS [TEST...]

`debian` is the machine's containerd, `current` that of tools/fetch-containerd. GUESTS is the folder with compiled guests;
without one (`-`) no wasm container is tried, which suits other runtimes. Exit status 77: cannot run here.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(HERE)]

import apart  # noqa: E402
import daemon  # noqa: E402
import images  # noqa: E402

NATIVE, WASM = "test/busybox:1", "test/guests:1@wasi/wasm"
APPLETS = ("cat", "echo", "false", "sh", "sleep", "true", "tty")
GUESTS = ("args", "exit42", "hello", "loop", "sleep", "terminal", "trap")
containerd = None  # The one of this run.


class Lifecycle:
    """What containers of both kinds can do. A class below says how each is made."""

    def name(self):
        """Of this test's container."""
        return re.sub(r"\W", "-", self.id().partition(".")[2]).lower()

    def start(self, *options):
        name = self.name()
        self.addCleanup(self.remove, name)
        containerd.ctr(*containerd.run_words(self.image, name, *self.sleeper, options=("--detach", *options)))
        return name

    @staticmethod
    def remove(name):
        if containerd.status(name):
            containerd.try_ctr("task", "delete", "--force", name)
        containerd.try_ctr("container", "rm", name)

    def kill(self, name, signal):
        containerd.ctr("task", "kill", "-s", signal, name)
        containerd.wait_for_status(name, "STOPPED")
        # It repeats the exit code, in a warning or as its own status.
        done = containerd.try_ctr("task", "delete", name)
        found = re.search(r"exit code (\d+)", done.stderr)
        return int(found[1]) if found else done.returncode

    def test_it_runs_to_its_end_with_its_output_and_exit_code(self):
        done = containerd.run(self.image, self.name(), *self.talker)
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)
        self.assertEqual(containerd.run(self.image, self.name(), *self.fails[0]).returncode, self.fails[1])

    def test_it_can_be_paused_and_resumed(self):
        name = self.start()
        containerd.ctr("task", "pause", name)
        self.assertEqual(containerd.status(name), "PAUSED")
        containerd.ctr("task", "resume", name)
        self.assertEqual(containerd.status(name), "RUNNING")

    def test_another_program_runs_in_it(self):
        name = self.start()
        done = containerd.try_ctr("task", "exec", "--exec-id", "one", name, *self.talker)
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)
        done = containerd.try_ctr("task", "exec", "--exec-id", "two", name, *self.fails[0])
        self.assertEqual(done.returncode, self.fails[1], done.stderr)
        self.assertEqual(containerd.status(name), "RUNNING")

    def test_a_program_in_it_can_be_killed_alone(self):
        name = self.start()
        containerd.ctr("task", "exec", "--detach", "--exec-id", "one", name, *self.sleeper)
        containerd.ctr("task", "kill", "--exec-id", "one", "-s", "KILL", name)
        self.assertEqual(containerd.status(name), "RUNNING")
        self.assertEqual(self.kill(name, "KILL"), 128 + 9)

    def test_its_metrics_are_those_of_its_control_group(self):
        name = self.start("--memory-limit", str(128 << 20))
        metrics = dict(re.findall(r"^(\S+) +(\d+)", containerd.ctr("task", "metrics", name), re.MULTILINE))
        self.assertEqual(int(metrics["memory.limit_in_bytes"]), 128 << 20)
        self.assertGreater(int(metrics["cpuacct.usage"]), 0)
        self.assertGreaterEqual(int(metrics["pids.current"]), 1)

    def test_its_processes_are_listed(self):
        name = self.start()
        listed = re.findall(r"^(\d+)", containerd.ctr("task", "ps", name), re.MULTILINE)
        self.assertIn(name, containerd.ctr("task", "ls"))
        self.assertRegex(containerd.ctr("task", "ls"), rf"{name} +{listed[0]} +RUNNING")

    def test_sigkill_ends_it_with_137(self):
        self.assertEqual(self.kill(self.start(), "KILL"), 128 + 9)

    def test_containerd_hears_of_each_step(self):
        events = daemon.Events(containerd)
        self.addCleanup(events.close)
        name = self.start()
        containerd.ctr("task", "exec", "--exec-id", "one", name, *self.talker)
        containerd.ctr("task", "pause", name)
        containerd.ctr("task", "resume", name)
        self.kill(name, "KILL")
        # The last, of the deletion, is lost now and then: the shim ends before it is sent.
        topics = ["create", "start", "exec-added", "exec-started", "exit", "paused", "resumed", "exit"]
        self.assertEqual(events.of_task(name, len(topics)), topics)

    def test_it_has_a_terminal_if_it_asks_for_one(self):
        words = containerd.run_words(self.image, self.name(), *self.terminal[0], options=("--rm", "--tty"))
        status, output = containerd.run_in_terminal(*words)
        self.assertEqual(status, 0, output)
        self.assertIn(self.terminal[1], output)

    def test_a_program_in_it_has_a_terminal_if_it_asks_for_one(self):
        name = self.start()
        words = ("task", "exec", "--tty", "--exec-id", "one", name, *self.terminal[0])
        status, output = containerd.run_in_terminal(*words)
        self.assertEqual(status, 0, output)
        self.assertIn(self.terminal[1], output)

    def test_a_program_that_is_not_there_is_named_and_leaves_no_task(self):
        done = containerd.run(self.image, self.name(), "/nothing")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nothing", done.stderr)
        self.assertEqual(containerd.status(self.name()), "")

    def test_several_run_at_once(self):
        running = [containerd.start(*containerd.run_words(self.image, f"{self.name()}-{i}", *self.talker,
                                                          options=("--rm",))) for i in range(6)]
        for child in running:
            output, _ = child.communicate(timeout=30)
            self.assertEqual(child.returncode, 0, output)
            self.assertIn(self.says, output)


class NativeTest(Lifecycle, unittest.TestCase):
    image = NATIVE
    talker, says = ("echo", "hello"), "hello\n"
    sleeper = ("sleep", "1000")
    fails = ("sh", "-c", "exit 42"), 42
    terminal = ("tty",), "/dev/pts/0"

    def test_what_is_typed_reaches_it(self):
        words = containerd.run_words(NATIVE, self.name(), "sh", "-c", 'read word; echo "it was $word"',
                                     options=("--rm", "--tty"))
        self.assertIn("it was plugh", containerd.run_in_terminal(*words, typed=b"plugh\n")[1])

    def test_kill_all_ends_its_children_too(self):
        name = self.name()
        self.addCleanup(self.remove, name)
        script = "sleep 1000 & sleep 1001 & wait"
        containerd.ctr(*containerd.run_words(NATIVE, name, "sh", "-c", script, options=("--detach",)))
        containerd.ctr("task", "kill", "--all", "-s", "KILL", name)
        containerd.wait_for_status(name, "STOPPED")
        self.assertEqual([words for words in apart.processes() if "sleep 100" in words], [])


class WasmTest(Lifecycle, unittest.TestCase):
    image = WASM
    talker, says = ("/hello.wasm",), "Hello from wasm!\n"
    sleeper = ("/sleep.wasm",)
    fails = ("/exit42.wasm",), 42
    terminal = ("/terminal.wasm",), "stdin is a terminal"

    @classmethod
    def setUpClass(cls):
        if not guests:
            raise unittest.SkipTest("no folder of guests was given")

    def test_the_images_own_entrypoint_runs(self):
        self.assertEqual(containerd.run(WASM, self.name()).stdout, "Hello from wasm!\n")

    def test_it_has_the_arguments_and_the_environment_of_containerd(self):
        done = containerd.run(WASM, self.name(), "/args.wasm", "one", "two", options=("--env", "COLOUR=blue"))
        self.assertIn("arg 1: one\narg 2: two\n", done.stdout)
        self.assertIn("env COLOUR=blue\n", done.stdout)

    def test_a_trap_is_status_134_and_named(self):
        done = containerd.run(WASM, self.name(), "/trap.wasm")
        self.assertEqual(done.returncode, 134)
        self.assertIn("unreachable", done.stderr)

    def test_sigterm_ends_it_blocked_or_looping(self):
        for guest in ("/sleep.wasm", "/loop.wasm"):
            with self.subTest(guest):
                name = self.name() + guest[1:5]
                self.addCleanup(self.remove, name)
                containerd.ctr(*containerd.run_words(WASM, name, guest, options=("--detach",)))
                self.assertEqual(self.kill(name, "TERM"), 128 + 15)


def cannot_run(why):
    print(f"cannot test containerd here: {why}", file=sys.stderr)
    sys.exit(77)


def find_containerd(which):
    if which == "debian":
        there = shutil.which("containerd")
        if not there:
            cannot_run("no containerd is installed; Debian's package is called containerd")
        return pathlib.Path(there).parent
    done = subprocess.run([ROOT / "tools" / "fetch-containerd"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        cannot_run("tools/fetch-containerd cannot build it, the reason stands above")
    return pathlib.Path(done.stdout.strip())


def make_images(scratch):
    found = []
    busybox = shutil.which("busybox") or cannot_run("no busybox is installed; Debian's package is called busybox-static")
    found.append(scratch / "native.tar")
    images.write(found[-1], NATIVE, "linux/amd64", {"bin/busybox": busybox}, ["/bin/sh"],
                 [(f"bin/{name}", "busybox") for name in APPLETS])
    if guests:
        name, _, platform = WASM.partition("@")
        found.append(scratch / "wasm.tar")
        images.write(found[-1], name, platform, {f"{guest}.wasm": guests / f"{guest}.wasm" for guest in GUESTS},
                     ["/hello.wasm"])
    return found


def what_is_left(namespace, before):
    """After all containers are removed and containerd is stopped."""
    left = [f"process: {words}" for words in apart.processes_left()]
    left += [f"mount: {point}" for point in apart.mount_points() if point not in before]
    # The group named after the namespace is above the containers': whoever comes first makes it, and it stays.
    left += [f"control group: {path}" for path in apart.remove_groups([namespace]) if path.name != namespace]
    left += [f"state: {path}" for path in pathlib.Path("/run/containerd").glob(f"runc/{namespace}/*")]
    return left


def main():
    global containerd, guests
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    which, runtime, guests = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
    guests = None if guests == "-" else pathlib.Path(guests).resolve()
    if os.geteuid() != 0:
        cannot_run("it needs root")
    apart.be_apart()
    folder = find_containerd(which)
    namespace = f"wasmoor-{which}-{os.stat(runtime.parent).st_ino}"
    apart.remove_groups([namespace])  # Of a run that was cut off.
    with tempfile.TemporaryDirectory(prefix="wasmoor-containerd-") as scratch:
        scratch = pathlib.Path(scratch)
        apart.mount_memory("/run", scratch)
        before = apart.mount_points()
        with daemon.Containerd(folder, scratch, namespace, runtime) as containerd:
            for image in make_images(scratch):
                containerd.import_image(image)
            result = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], exit=False).result
        left = what_is_left(namespace, before)
        subprocess.run(["umount", scratch], check=True)
    print("\n".join(left), file=sys.stderr)
    sys.exit(0 if result.wasSuccessful() and not left else 1)


if __name__ == "__main__":
    main()
