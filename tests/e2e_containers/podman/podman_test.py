"""podman and buildah with wasmoor-runtime: containers of both kinds, over their lives, pods of them, and builds.

    podman_test.py root|user RUNTIME GUESTS [TEST...]

`user` is one without any rights. GUESTS is the folder with compiled guests. Exit status 77: cannot run here.
"""

import json
import pathlib
import re
import unittest

import stand
import terminal
from alone import AloneTest  # noqa: F401
from builds import BuildTest  # noqa: F401
from configuration import ConfigurationTest  # noqa: F401
from document import DocumentTest  # noqa: F401


def podman():
    return stand.here.client


def native(*words):
    return [stand.NATIVE, *words]


def wasm(program, *arguments, options=()):
    return [*options, "--entrypoint", f"/{program}.wasm", stand.WASM, *arguments]


class Lifecycle:
    """What containers of both kinds can do. A class below says how each is made."""

    def name(self):
        """Of this test's container."""
        return re.sub(r"\W", "-", self.id().partition(".")[2]).lower()

    def start(self, *words, options=()):
        name = self.name()
        self.addCleanup(podman().do, "rm", "--force", "--ignore", "--time", "0", name)
        podman().start(name, *(words or self.sleeper), options=options)
        return name

    @staticmethod
    def state(name):
        return podman().inspect(name, ".State.Status")

    @staticmethod
    def exit_code(name):
        return int(podman().do("wait", name))

    def test_it_runs_to_its_end_with_its_output_and_exit_code(self):
        done = podman().run(*self.talker)
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)
        self.assertEqual(podman().run(*self.fails[0]).returncode, self.fails[1])

    def test_what_is_piped_in_reaches_it(self):
        self.assertEqual(podman().run(*self.repeater, typed="plugh\n").stdout, "plugh\n")

    def test_its_output_is_kept(self):
        name = self.start(*self.talker)
        self.assertEqual(self.exit_code(name), 0)
        self.assertEqual(podman().do("logs", name), self.says.strip())

    def test_stop_ends_it_by_sigterm_and_start_runs_it_again(self):
        name = self.start(*self.polite[0])
        podman().wait_for_log(name, self.polite[1])
        podman().do("stop", "--time", "20", name)
        self.assertEqual(self.exit_code(name), self.polite[2])
        podman().do("start", name)
        self.assertEqual(self.state(name), "running")

    def test_kill_ends_it_with_137(self):
        name = self.start()
        podman().do("kill", name)
        self.assertEqual(self.exit_code(name), 128 + 9)

    def test_another_program_runs_in_it(self):
        name = self.start()
        done = podman().try_do("exec", name, *self.other)
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)
        self.assertEqual(podman().try_do("exec", name, *self.other_fails[0]).returncode, self.other_fails[1])

    def test_a_program_that_is_not_there_is_127(self):
        for done in (podman().run(*self.nothing), podman().try_do("exec", self.start(), "/nothing.wasm")):
            self.assertEqual(done.returncode, 127)
            self.assertIn("/nothing.wasm", done.stderr)

    def test_a_directory_is_no_program_which_is_126(self):
        for done in (podman().run(*self.directory), podman().try_do("exec", self.start(), "/etc")):
            self.assertEqual(done.returncode, 126, done.stderr)
            self.assertIn("/etc", done.stderr)

    def test_it_has_a_terminal_if_it_asks_for_one(self):
        status, output = podman().in_terminal("run", "--rm", "--interactive", "--tty", *podman().options(),
                                              *self.terminal[0])
        self.assertEqual(status, 0, output)
        self.assertIn(self.terminal[1], output)

    def test_a_program_in_it_has_a_terminal_if_it_asks_for_one(self):
        name = self.start()
        status, output = podman().in_terminal("exec", "--interactive", "--tty", name, *self.other_terminal)
        self.assertEqual(status, 0, output)
        self.assertIn(self.terminal[1], output)

    def test_podman_tells_what_runs_in_it_and_who_runs_it(self):
        name = self.start()
        self.assertRegex(podman().do("top", name, "pid", "args"), rf"\b1 +{self.shown_as}")
        self.assertEqual(podman().inspect(name, ".OCIRuntime"), podman().runtime)
        self.assertIn(name, podman().do("ps", "--format", "{{.Names}}"))

    def test_it_is_removed_while_it_runs(self):
        name = self.start()
        podman().do("rm", "--force", "--time", "0", name)
        self.assertNotIn(name, podman().do("ps", "--all", "--format", "{{.Names}}"))

    def test_it_cannot_be_saved(self):
        done = podman().try_do("container", "checkpoint", self.start())
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, "(?i)checkpoint")

    def test_it_sees_a_volume_that_it_may_only_read(self):
        folder = podman().folder / "volume"
        folder.mkdir(exist_ok=True)
        (folder / "file").write_text("in the volume\n")
        done = podman().run(*self.reader, options=("--volume", f"{folder}:/data:ro"))
        self.assertEqual((done.stdout, done.returncode), ("in the volume\n", 0), done.stderr)

    def test_it_runs_without_rights_as_another_user(self):
        done = podman().run(*self.talker, options=(
            "--user", "1000:1000", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--read-only"))
        self.assertEqual((done.stdout, done.returncode), (self.says, 0), done.stderr)


class NativeTest(Lifecycle, unittest.TestCase):
    talker, says = native("echo", "hello"), "hello\n"
    fails = native("sh", "-c", "exit 42"), 42
    repeater = native("cat")
    reader = native("cat", "/data/file")
    sleeper, shown_as = native("sleep", "1000"), "sleep 1000"
    polite = native("sh", "-c", 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'), "ready", 7
    other, other_fails = ("echo", "hello"), (("sh", "-c", "exit 9"), 9)
    nothing, directory = native("/nothing.wasm"), native("/etc")
    terminal, other_terminal = (native("tty"), "/dev/pts/0"), ("tty",)

    def status_of(self, field, *options):
        """A line of the container's own /proc/self/status."""
        done = podman().run(*native("grep", f"^{field}:", "/proc/self/status"), options=options)
        return done.stdout.partition(":")[2].strip()

    def test_its_terminal_has_the_size_of_the_callers(self):
        words = ("run", "--rm", "--interactive", "--tty", *podman().options(), *native("sh"))
        output = podman().in_terminal(*words, typed=b"sleep 0.2; stty size; exit\n")[1]
        self.assertIn(f"{terminal.ROWS} {terminal.COLUMNS}", output)

    def test_what_it_writes_to_a_volume_stays(self):
        volume = ("--volume", "wasmoor-kept:/data")
        self.assertEqual(podman().run(*native("sh", "-c", "echo word >/data/file"), options=volume).returncode, 0)
        self.assertEqual(podman().run(*native("cat", "/data/file"), options=volume).stdout, "word\n")

    def test_a_read_only_one_writes_to_its_tmp_alone(self):
        done = podman().run(*native("sh", "-c", "touch /tmp/here && touch /here"), options=("--read-only",))
        self.assertEqual(done.returncode, 1)
        self.assertIn("/here: Read-only file system", done.stderr)

    def test_it_runs_as_the_user_that_is_asked_for(self):
        done = podman().run(*native("id"), options=("--user", "12:34", "--group-add", "56"))
        self.assertRegex(done.stdout, r"uid=12 gid=34 groups=34,56")

    def test_capabilities_are_added_and_dropped(self):
        self.assertEqual(int(self.status_of("CapEff", "--cap-drop", "all"), 16), 0)
        self.assertEqual(int(self.status_of("CapEff", "--cap-drop", "all", "--cap-add", "net_raw"), 16), 1 << 13)

    def test_a_seccomp_profile_of_ones_own_holds(self):
        profile = podman().folder / "profile.json"
        rule = {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}
        profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
        profile.chmod(0o644)
        done = podman().run(*native("sh", "-c", "kill -0 1"), options=("--security-opt", f"seccomp={profile}"))
        self.assertIn("Permission denied", done.stderr)
        self.assertEqual(self.status_of("Seccomp", "--security-opt", "seccomp=unconfined"), "0")
        self.assertEqual(self.status_of("Seccomp"), "2")

    def test_an_init_reaps_what_it_leaves_behind(self):
        done = podman().run(*native("ps"), options=("--init",))
        self.assertRegex(done.stdout, r"(?m)^ +1 \S+ +/run/podman-init -- ps$")

    def test_its_health_is_asked_for(self):
        name = self.start(options=("--health-cmd", "test -e /tmp/well", "--health-interval", "disable"))
        self.assertEqual(podman().try_do("healthcheck", "run", name).returncode, 1)
        podman().do("exec", name, "touch", "/tmp/well")
        self.assertEqual(podman().try_do("healthcheck", "run", name).returncode, 0)

    def test_a_program_in_it_has_its_own_user_directory_and_environment(self):
        name = self.start()
        self.assertEqual(podman().do("exec", "--user", "5:6", "--workdir", "/tmp", "--env", "COLOUR=blue", name,
                                     "sh", "-c", "id -u; pwd; echo $COLOUR"), "5\n/tmp\nblue")

    def test_a_descriptor_is_handed_to_it(self):
        script = 'exec 3</etc/hostname; exec "$@"'
        words = podman().command_words("run", "--rm", *podman().options("--preserve-fds", "1"),
                                       *native("sh", "-c", "cat <&3"))
        done = podman().command("sh", "-c", script, "sh", *words)
        self.assertEqual(done.stdout, pathlib.Path("/etc/hostname").read_text(), done.stderr)

    def test_options_of_its_system_are_kept(self):
        options = ("--hostname", "elsewhere", "--tmpfs", "/small:size=1m", "--shm-size", "2m", "--oom-score-adj", "500",
                   "--ulimit", "nofile=100:100", "--ulimit", "nproc=1000:1000", "--sysctl", "net.ipv4.ip_forward=1")
        script = ("hostname; ulimit -n; cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_forward;"
                  "mount | grep -cE 'on /small .*size=1024k|on /dev/shm .*size=2048k'")
        done = podman().run(*native("sh", "-c", script), options=options)
        self.assertEqual(done.stdout.split(), ["elsewhere", "100", "500", "1", "2"], done.stderr)


class WasmTest(Lifecycle, unittest.TestCase):
    talker, says = wasm("hello"), "Hello from wasm!\n"
    fails = wasm("exit42"), 42
    repeater = wasm("cat")
    reader = wasm("cat", "/data/file")
    sleeper, shown_as = wasm("sleep"), "/sleep.wasm"
    polite = wasm("sleep"), "sleeping", 128 + 15
    other, other_fails = ("/hello.wasm",), (("/exit42.wasm",), 42)
    nothing, directory = wasm("nothing"), ["--entrypoint", "/etc", stand.WASM]
    terminal, other_terminal = (wasm("terminal"), "stdin is a terminal"), ("/terminal.wasm",)

    def test_the_images_own_entrypoint_runs(self):
        for platform in ((), ("--platform", "wasi/wasm")):
            self.assertEqual(podman().run(stand.WASM, options=platform).stdout, "Hello from wasm!\n")

    def test_it_has_the_arguments_and_the_environment_of_podman(self):
        done = podman().run(*wasm("args", "one", "two"), options=("--env", "COLOUR=blue"))
        self.assertIn("arg 1: one\narg 2: two\n", done.stdout)
        self.assertIn("env COLOUR=blue\n", done.stdout)

    def test_a_trap_is_status_134_and_named(self):
        done = podman().run(*wasm("trap"))
        self.assertEqual(done.returncode, 128 + 6)
        self.assertIn("unreachable", done.stderr)

    def test_a_loop_is_stopped_at_once(self):
        name = self.start(*wasm("loop"))
        podman().do("stop", "--time", "20", name)
        self.assertEqual(self.exit_code(name), 128 + 15)

    def test_a_wasm_program_tells_of_its_health(self):
        for guest, status in (("hello", 0), ("exit42", 1)):
            with self.subTest(guest):
                check = json.dumps([f"/{guest}.wasm", "argument"])
                name = self.start(options=("--health-cmd", check, "--health-interval", "disable"))
                self.assertEqual(podman().try_do("healthcheck", "run", name).returncode, status)
                podman().do("rm", "--force", "--time", "0", name)

    def test_a_shell_does_not_run_in_it(self):
        done = podman().try_do("exec", self.start(), "sh")
        self.assertEqual(done.returncode, 127)
        self.assertIn('"sh"', done.stderr)

    def test_an_annotation_for_a_program_that_is_none_says_what_is_wrong(self):
        done = podman().run(*native("true"), options=("--annotation", "run.oci.handler=wasm"))
        self.assertEqual(done.returncode, 126)
        self.assertRegex(done.stderr, "/bin/true: .* not WebAssembly")


class PodTest(unittest.TestCase):
    def test_a_pod_has_containers_of_both_kinds(self):
        podman().do("pod", "create", "--name", "both", *podman().options())
        self.addCleanup(podman().do, "pod", "rm", "--force", "--ignore", "--time", "0", "both")
        for name, words in (("sidecar", native("sleep", "1000")), ("program", wasm("sleep"))):
            podman().do("run", "--detach", "--pod", "both", "--name", name, *words)
        podman().wait_for_log("program", "sleeping")
        top = podman().do("pod", "top", "both", "args")
        self.assertIn("sleep 1000", top)
        self.assertIn("/sleep.wasm", top)
        self.assertEqual(podman().do("exec", "program", "/hello.wasm"), "Hello from wasm!")
        self.assertEqual(podman().do("exec", "sidecar", "hostname"), "both")
        self.assertEqual(podman().do("pod", "inspect", "--format", "{{.State}}", "both"), "Running")
        podman().do("pod", "stop", "--time", "1", "both")
        self.assertEqual(podman().inspect("program", ".State.ExitCode"), "143")
        podman().do("pod", "rm", "--force", "both")
        self.assertEqual(podman().do("ps", "--all", "--quiet", "--filter", "pod=both"), "")


class LimitsTest(unittest.TestCase):
    """Of root's containers: a user's have no control groups of their own where those are of version 1."""

    @classmethod
    def setUpClass(cls):
        if not podman().is_root:
            raise unittest.SkipTest("podman limits, pauses and measures no container of a user without cgroup v2")

    def start(self, name, *words, options=()):
        self.addCleanup(podman().do, "rm", "--force", "--ignore", "--time", "0", name)
        podman().start(name, *words, options=options)

    @staticmethod
    def memory_limit(name):
        """As the kernel has it, v1 or v2."""
        group = podman().inspect(name, ".State.CgroupPath")
        files = (f"/sys/fs/cgroup/memory{group}/memory.limit_in_bytes", f"/sys/fs/cgroup{group}/memory.max")
        return next(int(pathlib.Path(file).read_text()) for file in files if pathlib.Path(file).exists())

    def test_more_memory_than_is_allowed_ends_a_program_with_137(self):
        self.start("oom", *native("tail", "/dev/zero"), options=("--memory", "16m"))
        self.assertEqual(podman().do("wait", "oom"), "137")

    def test_a_guest_sees_its_memory_limit_and_goes_on(self):
        done = podman().run(*wasm("grow", "256", "touch"), options=("--memory", "64m"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(0 < int(re.match(r"grew by (\d+) MiB", done.stdout)[1]) < 64, done.stdout)

    def test_no_more_processes_start_than_are_allowed(self):
        script = "for i in 1 2 3 4 5 6; do sleep 1 & done; wait"
        done = podman().run(*native("sh", "-c", script), options=("--pids-limit", "4"))
        self.assertIn("can't fork", done.stderr)

    def test_more_time_than_is_allowed_is_waited_for(self):
        # Until the kernel has held it back once.
        script = "until grep -qs 'nr_throttled [1-9]' /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat; do :; done"
        self.assertEqual(podman().run(*native("sh", "-c", script), options=("--cpus", "0.2")).returncode, 0)

    def test_limits_change_while_it_runs(self):
        for name, words in (("native", native("sleep", "1000")), ("guest", wasm("sleep"))):
            with self.subTest(name):
                self.start(name, *words, options=("--memory", "64m"))
                self.assertEqual(self.memory_limit(name), 64 << 20)
                podman().do("update", "--memory", "96m", name)
                self.assertEqual(self.memory_limit(name), 96 << 20)

    def test_what_it_uses_is_measured(self):
        for name, words in (("native", native("sleep", "1000")), ("guest", wasm("sleep"))):
            with self.subTest(name):
                self.start(name, *words, options=("--memory", "64m"))
                stats = podman().stats(name)
                self.assertRegex(stats["mem_usage"], r"^[1-9].* / 67\.11MB$")
                self.assertEqual(stats["pids"], "1")

    def test_what_is_paused_stands_still(self):
        for name, words in (("native", native("sleep", "1000")), ("guest", wasm("loop"))):
            with self.subTest(name):
                self.start(name, *words)
                podman().do("pause", name)
                self.assertEqual(podman().inspect(name, ".State.Status"), "paused")
                used = podman().stats(name)["cpu_time"]
                self.assertEqual(podman().stats(name)["cpu_time"], used)
                podman().do("unpause", name)
                self.assertEqual(podman().inspect(name, ".State.Status"), "running")


if __name__ == "__main__":
    stand.main(__doc__)
