"""The node's daemon on a machine with control groups v2 alone, by itself and as a service of systemd.

    daemon_test.py GUEST_MACHINE busybox|systemd BIN GUESTS [TEST...]

GUEST_MACHINE is tools/guest-machine, which boots the machine; BIN has the executables, GUESTS compiled guests. The tests
run in the machine, by this program again, and call the daemon's shim as containerd does.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[2]
INSIDE = "WASMOOR_IN_MACHINE"  # The init of the machine that this is in.
PROGRAMS = ("containerd-wasmtimed", "containerd-shim-wasmtimed-v1")
FOLDERS = ("tests/support", "tests/node", "tests/machine", "tests/e2e_containers/containerd", "tests/e2e_containers/shim")
PACKAGES = ("collections", "concurrent", "encodings", "importlib", "json", "re", "unittest", "urllib")
UNIT = "containerd-wasmtimed.service"
GROUPS = pathlib.Path("/sys/fs/cgroup")
SERVICE = f"/system.slice/{UNIT}"
MEBI = 1 << 20


def pack_python(path):
    """The standard library as far as these tests need it, compiled: a machine ten times slower would take long for it."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    with zipfile.PyZipFile(path, "w") as archive:
        archive.writepy(library)
        for name in PACKAGES:
            if (library / name).is_dir():
                archive.writepy(library / name)


def python_files(scratch):
    """[HERE:THERE], and the environment with which the interpreter finds itself there."""
    program = os.path.realpath(sys.executable)
    home = pathlib.Path(sys.base_prefix)
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    pack_python(scratch / "python.zip")
    dynamic = pathlib.Path(sysconfig.get_path("platstdlib")) / "lib-dynload"
    return program, [f"{program}:{program}", f"{scratch}/python.zip:{home}/lib/python{version}.zip",
                     f"{dynamic}:{dynamic}"], {"PYTHONHOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def boot(machine, init, programs, guests, words):
    unit = (ROOT / "deploy" / "systemd" / f"{UNIT}.in").read_text()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        interpreter, files, environment = python_files(scratch)
        (scratch / UNIT).write_text(unit.replace("@wasmtimed@", f"/usr/local/bin/{PROGRAMS[0]}"))
        files += [f"{scratch}/{UNIT}:/etc/systemd/system/{UNIT}"]
        files += [f"{programs}/{name}:/usr/local/bin/{name}" for name in PROGRAMS]
        files += [f"{guests}/{name}.wasm:/guests/{name}.wasm" for name in ("grow", "hello", "loop", "sleep")]
        files += [f"{ROOT}/{folder}:/wasmoor/{folder}" for folder in FOLDERS]
        command = [machine, "--init", init, "--memory", "1024", "--time-limit", "580"]
        for file in files:
            command += ["--file", file]
        for name, value in {**environment, INSIDE: init}.items():
            command += ["--env", f"{name}={value}"]
        there = f"/wasmoor/{HERE.relative_to(ROOT)}"
        done = subprocess.run([*command, "--", interpreter, "-B", there, *words], check=False)
    sys.exit(done.returncode)


if INSIDE not in os.environ:
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    boot(sys.argv[1], sys.argv[2], *(pathlib.Path(word).resolve() for word in sys.argv[3:5]), sys.argv[5:])

sys.path[:0] = [str(ROOT / "tests" / "node")]
import running_daemon  # noqa: E402  First: it says where the others are.

import played  # noqa: E402
import ttrpc  # noqa: E402
from played import until  # noqa: E402
from wire import decode  # noqa: E402

PATIENCE = 60  # Seconds: the machine is slow.
FOLDER = pathlib.Path("/tmp/played")
METRICS = "io.containerd.cgroups.v2.Metrics"


def make_shim():
    root = FOLDER / "root"
    for name in ("bin", "dev", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    (root / "bin" / "sleep").symlink_to("busybox")
    for guest in pathlib.Path("/guests").glob("*.wasm"):
        shutil.copy(guest, root)
    os.environ["WASMOOR_CACHE_DIR"] = str(FOLDER / "cache")
    ttrpc.answer_everything(FOLDER / "events")
    return played.Shim(f"/usr/local/bin/{PROGRAMS[1]}", FOLDER, root, "wasmoor-machine", FOLDER / "cache",
                       FOLDER / "events")


shim = make_shim()


def group_of(pid):
    """Of a process or a thread."""
    return pathlib.Path(f"/proc/{pid}/cgroup").read_text().partition("::")[2].strip()


def control(group, file):
    return (GROUPS / group.lstrip("/") / file).read_text().strip()


def systemctl(*words):
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip() + done.stderr.strip()


class DaemonTest(unittest.TestCase):
    """Some daemon serves; guests are threads of its hosts."""

    def setUp(self):
        self.name = re.sub(r"\W", "-", self.id().rpartition(".")[2])[:40]
        self.made = []

    def tearDown(self):
        for task in reversed(self.made):
            shim.command("delete", task.id, task.bundle, "-bundle", str(task.bundle))
            shutil.rmtree(task.bundle, ignore_errors=True)

    def task(self, *words, path="", **resources):
        identifier = f"{self.name}-{len(self.made)}"
        bundle = shim.bundle(identifier, words)
        config = json.loads((bundle / "config.json").read_text())
        config["linux"]["resources"] = resources
        config["linux"]["cgroupsPath"] = path or config["linux"]["cgroupsPath"]
        (bundle / "config.json").write_text(json.dumps(config))
        client = ttrpc.Client(shim.start(identifier, bundle), timeout=PATIENCE)
        self.addCleanup(client.__exit__)
        task = played.Task(client, identifier, bundle)
        self.made.append(task)
        return task

    def running(self, *words, **resources):
        """A task, and the number of its first thread or process."""
        task = self.task(*words, **resources)
        task.create()
        return task, task.start()

    def end(self, task):
        task.kill(signal.SIGKILL)
        self.assertEqual(task.wait(), 128 + signal.SIGKILL)
        task.delete()

    def metrics(self, task):
        """What containerd is told: the parts of the message, by their numbers."""
        told = decode(task.call("Stats")[1])
        self.assertTrue(told[1].decode().endswith(METRICS), told[1])
        return {number: decode(part) for number, part in decode(told[2]).items()}

    def held_up(self, task):
        """How often it had used its quota up."""
        return self.metrics(task)[2].get(5, 0)


class Guests:
    """Tests of what holds however the daemon was started."""

    def test_a_quota_is_kept_by_a_group_of_the_thread_alone(self):
        task, thread = self.running("/loop.wasm", cpu={"quota": 10000, "period": 100000, "shares": 512})
        group = group_of(thread)
        self.assertRegex(group, "/wasmoor:wasmoor-machine:")
        self.assertEqual(control(group, "cgroup.type"), "threaded")
        self.assertEqual(control(group, "cpu.max"), "10000 100000")
        self.assertEqual(control(group, "cpu.weight"), "20")
        self.assertEqual(control(group, "cgroup.threads"), str(thread))
        until(lambda: "nr_throttled 0\n" not in control(group, "cpu.stat") + "\n", "it is held up", PATIENCE)
        until(lambda: self.held_up(task) > 0, "containerd is told of it", PATIENCE)
        self.assertGreater(self.metrics(task)[2][1], 0)
        self.end(task)
        until(lambda: not (GROUPS / group.lstrip("/")).exists(), "the group is gone", PATIENCE)

    def test_a_quota_for_the_path_of_a_scope_is_kept_too(self):
        task, thread = self.running("/loop.wasm", path="machine.slice:wasmoor:spinner", cpu={"quota": 10000})
        self.assertEqual(control(group_of(thread), "cpu.max"), "10000 100000")
        self.end(task)

    def test_a_quota_is_changed_while_a_guest_runs(self):
        task, thread = self.running("/loop.wasm", cpu={"quota": 10000})
        resources = json.dumps({"cpu": {"quota": 50000, "period": 100000}})
        kind = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
        task.client.call(played.TASK, "Update", {1: task.id, 2: {1: kind, 2: resources}})
        until(lambda: control(group_of(thread), "cpu.max") == "50000 100000", "the quota is the new one", PATIENCE)
        self.end(task)

    def test_what_runs_beside_a_guest_is_in_its_group(self):
        task, thread = self.running("/sleep.wasm", cpu={"quota": 50000})
        task.add_exec("beside", ["/loop.wasm"])
        beside = task.start("beside")
        self.assertEqual(group_of(beside), group_of(thread))
        self.assertNotEqual(beside, thread)
        task.kill(signal.SIGKILL, "beside")
        task.wait("beside")
        task.delete("beside")
        self.end(task)

    def test_memory_is_limited_and_told(self):
        output = FOLDER / f"{self.name}.txt"
        task = self.task("/grow.wasm", "1000", memory={"limit": 24 * MEBI})
        task.create(stdout=f"file://{output}")
        task.start()
        self.assertEqual(task.wait(), 0)
        grown = int(re.search(r"grew by (\d+) MiB", output.read_text())[1])
        self.assertTrue(8 < grown < 24, grown)
        task.delete()
        sleeping, _ = self.running("/sleep.wasm", memory={"limit": 24 * MEBI})
        # Once it has begun.
        until(lambda: self.metrics(sleeping)[4].get(32), "its memory is counted", PATIENCE)
        memory = self.metrics(sleeping)[4]
        self.assertEqual(memory[33], 24 * MEBI)  # usage_limit
        self.assertTrue(0 < memory[32] < 24 * MEBI, memory)  # usage
        self.end(sleeping)

    def test_a_native_program_has_a_group_with_its_limits(self):
        task, pid = self.running("/bin/sleep", "1000", memory={"limit": 16 * MEBI}, pids={"limit": 12},
                                 cpu={"quota": 20000, "period": 100000})
        group = group_of(pid)
        self.assertTrue(group.startswith("/wasmoor-machine/"), group)
        for file, value in (("memory.max", str(16 * MEBI)), ("pids.max", "12"), ("cpu.max", "20000 100000")):
            self.assertEqual(control(group, file), value)
        self.end(task)
        self.assertFalse((GROUPS / group.lstrip("/")).exists())


class AloneTest(DaemonTest, Guests):
    """A daemon that this has started, where there is no systemd."""

    def setUp(self):
        super().setUp()
        self.daemon = running_daemon.Daemon(f"/usr/local/bin/{PROGRAMS[0]}", FOLDER / "log")
        self.addCleanup(self.daemon.stop)

    def tearDown(self):
        super().tearDown()
        self.daemon.stop()
        # Those above containers are whoever's who has named them.
        (GROUPS / "wasmoor-machine").is_dir() and (GROUPS / "wasmoor-machine").rmdir()
        self.assertEqual([str(path) for path in GROUPS.glob("**/wasmoor*")], [])


class Service(DaemonTest):
    """The service of deploy/systemd."""

    SETTINGS = ""

    def setUp(self):
        super().setUp()
        drop_in = pathlib.Path(f"/etc/systemd/system/{UNIT}.d/test.conf")
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text(f"[Unit]\nDefaultDependencies=no\n[Service]\nStandardError=file:{FOLDER}/log\n"
                           f"StandardOutput=file:{FOLDER}/log\nEnvironment=WASMOOR_CACHE_DIR={FOLDER}/cache\n{self.SETTINGS}")
        self.systemctl("daemon-reload")
        self.systemctl("start", UNIT)
        self.addCleanup(systemctl, "stop", UNIT)

    def tearDown(self):
        super().tearDown()
        self.systemctl("stop", UNIT)
        self.assertFalse((GROUPS / SERVICE.lstrip("/")).exists())
        (GROUPS / "wasmoor-machine").is_dir() and (GROUPS / "wasmoor-machine").rmdir()

    def systemctl(self, *words):
        status, said = systemctl(*words)
        self.assertEqual(status, 0, said + (FOLDER / "log").read_text() if (FOLDER / "log").exists() else said)
        return said

    def show(self, name):
        return self.systemctl("show", "-p", name, "--value", UNIT)


class ServiceTest(Service, Guests):
    def test_it_is_ready_once_it_serves_and_divides_its_group(self):
        self.assertEqual((self.show("ActiveState"), self.show("SubState")), ("active", "running"))
        self.assertTrue(running_daemon.USUAL.exists())
        self.assertRegex(self.show("StatusText"), ".")
        task, thread = self.running("/sleep.wasm", cpu={"quota": 50000})
        self.assertTrue(group_of(thread).startswith(f"{SERVICE}/wasmoor-guests/wasmoor:"), group_of(thread))
        self.assertEqual(group_of(self.show("MainPID")), f"{SERVICE}/wasmoor-daemon")
        self.assertEqual(control(SERVICE, "cgroup.procs"), "")
        self.end(task)

    def test_it_reads_its_settings_again_while_guests_run(self):
        task, thread = self.running("/sleep.wasm", cpu={"quota": 50000})
        before = self.show("MainPID")
        self.systemctl("reload", UNIT)
        self.assertEqual(self.show("MainPID"), before)
        self.assertEqual(task.state(), played.RUNNING)
        self.assertRegex(group_of(thread), "/wasmoor-guests/")
        self.end(task)

    def test_it_ends_what_it_holds_when_it_is_stopped(self):
        task, thread = self.running("/sleep.wasm", cpu={"quota": 50000})
        native, pid = self.running("/bin/sleep", "1000")
        self.systemctl("stop", UNIT)
        self.assertEqual(self.show("ActiveState"), "inactive")
        self.assertEqual(self.show("Result"), "success")
        for number in (thread, pid):
            self.assertFalse(pathlib.Path(f"/proc/{number}").exists())

    def test_one_that_is_killed_is_started_again_and_serves(self):
        self.running("/sleep.wasm", cpu={"quota": 50000})
        before = self.show("MainPID")
        os.kill(int(before), signal.SIGKILL)
        until(lambda: self.show("MainPID") not in ("0", before) and self.show("ActiveState") == "active",
              "it is there again", PATIENCE)
        task, thread = self.running("/sleep.wasm", cpu={"quota": 50000})
        self.assertRegex(group_of(thread), "/wasmoor-guests/wasmoor:", (FOLDER / "log").read_text())
        self.end(task)

    def test_a_group_that_another_has_left_divided_is_divided_again(self):
        self.systemctl("stop", UNIT)
        group = GROUPS / "system.slice" / f"{UNIT}"
        (group / "wasmoor-guests" / "wasmoor:old").mkdir(parents=True)
        for part in ("", "wasmoor-guests"):
            (group / part / "cgroup.subtree_control").write_text("+cpu")
        (group / "wasmoor-guests" / "wasmoor:old" / "cgroup.type").write_text("threaded")
        self.systemctl("start", UNIT)
        task, thread = self.running("/sleep.wasm", cpu={"quota": 50000})
        self.assertRegex(group_of(thread), "/wasmoor-guests/wasmoor:", (FOLDER / "log").read_text())
        self.end(task)


class WatchdogTest(Service):
    SETTINGS = "WatchdogSec=8\n"

    def test_one_that_hangs_is_ended_and_started_again(self):
        before = self.show("MainPID")
        os.kill(int(before), signal.SIGSTOP)
        until(lambda: self.show("NRestarts") == "1" and self.show("ActiveState") == "active",
              "it is there again", PATIENCE * 2)
        task, _ = self.running("/sleep.wasm")
        self.end(task)


class GivenSocketTest(Service):
    """A socket that systemd has opened."""

    def setUp(self):
        socket = pathlib.Path("/etc/systemd/system/containerd-wasmtimed.socket")
        socket.write_text("[Unit]\nDefaultDependencies=no\n[Socket]\nFileDescriptorName=manager\nSocketMode=0600\n"
                          f"ListenStream={running_daemon.USUAL}\n")
        self.addCleanup(socket.unlink)
        self.addCleanup(systemctl, "stop", socket.name)
        self.systemctl("daemon-reload")
        self.systemctl("start", socket.name)
        super().setUp()

    def test_who_asks_at_the_socket_while_it_restarts_is_answered(self):
        self.systemctl("stop", UNIT)
        self.assertTrue(running_daemon.USUAL.exists())
        task, _ = self.running("/sleep.wasm")
        self.assertEqual(self.show("ActiveState"), "active")
        self.end(task)


class ByClockTest(Service):
    """A service whose group is systemd's alone: threads can have none of their own."""

    SETTINGS = "Delegate=no\n"

    def test_a_quota_is_kept_by_the_guests_clock(self):
        task, thread = self.running("/loop.wasm", cpu={"quota": 10000, "period": 100000})
        self.assertEqual(group_of(thread), SERVICE)
        until(lambda: self.held_up(task) > 0, "it is held up", PATIENCE)
        self.assertIn("Delegate=yes", (FOLDER / "log").read_text())
        self.end(task)


# By the init of the machine.
SUITES = {"busybox": [AloneTest], "systemd": [ServiceTest, WatchdogTest, GivenSocketTest, ByClockTest]}

if __name__ == "__main__":
    words = sys.argv[1:]
    tests = [test for kind in SUITES[os.environ[INSIDE]]
             for test in unittest.defaultTestLoader.loadTestsFromTestCase(kind)
             if not words or any(word in test.id() for word in words)]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(tests))
    sys.exit(0 if result.wasSuccessful() else 1)
