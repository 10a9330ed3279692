"""Pods that the shim holds, through containerd's Kubernetes interface: with a pause container, and without.

    pods_test.py debian|current SHIM GUESTS [TEST...]

As ctr_test.py. Pods without a pause container (`sandboxer = "shim"`) need containerd 2.
"""

import os
import pathlib
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "containerd"))
import stand  # First: it says where the others are.

import apart
from played import until

try:
    import cri
except ImportError:
    stand.cannot_run("Python has no grpc; Debian's package is called python3-grpcio")

RUNTIME = "io.containerd.wasmtime.v1"
PROGRAM = "containerd-shim-wasmtime-v1"
WASM_IMAGE = stand.WASM.partition("@")[0]


def configuration(which, runtime, sandboxers, more=""):
    """Of a containerd that has pods of `runtime`. The names of their handlers are those of `sandboxers`, which says who
    makes the pods of each: "podsandbox" is the pause container, besides which the older containerd knows nothing."""
    if which == "debian":
        runtimes = {"runc": "io.containerd.runc.v2"} | {
            name: runtime for name, sandboxer in sandboxers.items() if sandboxer == "podsandbox"}
        tables = [f"""[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
  runtime_type = "{kind}"
""" for name, kind in runtimes.items()]
    else:
        tables = [f"""[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{name}]
  runtime_type = '{runtime}'
  sandboxer = '{sandboxer}'
""" for name, sandboxer in sandboxers.items()]
    return "".join([f"version = {stand.VERSION[which]}\n", more, stand.FOR_PODS[which], *tables])


def processes_of(word):
    return [words for words in apart.processes() if word in words]


class PodTest:
    """What pods of both kinds can do; a class below names the handler."""

    @classmethod
    def setUpClass(cls):
        cls.runtime = cri.Runtime("/run/containerd/containerd.sock")
        cls.addClassCleanup(cls.runtime.close)

    def setUp(self):
        self.name = re.sub(r"\W", "-", f"{self.handler}-{self.id().rpartition('.')[2]}")[:60]
        self.logs = stand.here.scratch / self.name
        self.pod = self.runtime.run_pod(self.name, self.handler, self.logs, f"/{stand.here.cgroup}")
        self.addCleanup(self.pod.remove)

    def log(self, container, lines=1):
        """What a container has printed: each line follows its time, stream and a tag."""
        def read():
            path = self.logs / f"{container}.log"
            text = path.read_text() if path.exists() else ""
            return text if text.count("\n") >= lines else ""
        return [line.split(" ", 3)[3] for line in until(
            read, f"{container} has printed {lines} lines; in {self.logs} is {self.logged()}").splitlines()]

    def logged(self):
        return {path.name: path.read_text() for path in self.logs.glob("*.log")}

    def test_a_wasm_container_runs_beside_an_ordinary_one_in_one_shim(self):
        wasm = self.pod.start("wasm", WASM_IMAGE, ["/sleep.wasm"])
        native = self.pod.start("native", stand.NATIVE, ["sleep", "1000"])
        self.assertEqual(len(processes_of(PROGRAM)), 1)
        for container in (wasm, native):
            self.pod.stop(container)
            self.assertIn(self.pod.exit_code(container), (128 + signal.SIGTERM, 128 + signal.SIGKILL))

    def test_output_and_exit_codes_are_known(self):
        wasm = self.pod.start("wasm", WASM_IMAGE, ["/hello.wasm"])
        native = self.pod.start("native", stand.NATIVE, ["sh", "-c", "echo hello; exit 3"])
        trap = self.pod.start("trap", WASM_IMAGE, ["/trap.wasm"])
        self.assertEqual([self.pod.exit_code(each) for each in (wasm, native, trap)], [0, 3, 134])
        self.assertEqual((self.log("wasm"), self.log("native")), (["Hello from wasm!"], ["hello"]))
        self.assertIn("innermost", "\n".join(self.log("trap", 3)))

    def test_programs_run_in_containers_of_both_kinds(self):
        wasm = self.pod.start("wasm", WASM_IMAGE, ["/sleep.wasm"])
        native = self.pod.start("native", stand.NATIVE, ["sleep", "1000"])
        self.assertEqual(self.pod.execute(wasm, ["/hello.wasm"]), (0, "Hello from wasm!\n"))
        self.assertEqual(self.pod.execute(wasm, ["/exit42.wasm"]), (42, ""))
        self.assertEqual(self.pod.execute(native, ["echo", "hello"]), (0, "hello\n"))

    def test_names_are_resolved_as_the_pod_says(self):
        native = self.pod.start("native", stand.NATIVE, ["sleep", "1000"])
        self.assertEqual(self.pod.execute(native, ["cat", "/etc/resolv.conf"]), (
            0, "search default.svc.test svc.test\nnameserver 10.0.0.10\nnameserver 10.0.0.11\noptions ndots:5\n"))
        self.assertEqual(self.pod.execute(native, ["cat", "/etc/hostname"]), (0, f"{os.uname().nodename}\n"))

    def test_containers_live_and_die_apart(self):
        one, other = (self.pod.start(name, WASM_IMAGE, ["/sleep.wasm"]) for name in ("one", "other"))
        self.pod.stop(one)
        self.assertEqual(self.pod.exit_code(one), 128 + signal.SIGTERM)
        self.assertEqual(self.pod.execute(other, ["/hello.wasm"])[0], 0)

    def test_an_image_that_cannot_run_says_why(self):
        with self.assertRaises(cri.grpc.RpcError) as failed:
            self.pod.start("wasm", WASM_IMAGE, ["/nothing.wasm"])
        self.assertIn("/nothing.wasm", failed.exception.details())

    def test_the_pod_outlives_containerd(self):
        wasm = self.pod.start("wasm", WASM_IMAGE, ["/sleep.wasm"])
        native = self.pod.start("native", stand.NATIVE, [
            "sh", "-c", "until test -e /tmp/go; do sleep 0.02; done; echo went; sleep 1000"])
        tasks = sorted(stand.here.containerd.ctr("task", "ls", "-q").split())
        stand.here.containerd.stop_daemon(signal.SIGKILL)
        stand.here.containerd.start_daemon()
        self.assertEqual(sorted(stand.here.containerd.ctr("task", "ls", "-q").split()), tasks)
        until(lambda: self.execute_when_ready(native, ["touch", "/tmp/go"]), "the native container is found")
        self.assertEqual(self.log("native"), ["went"])
        self.assertEqual(self.pod.execute(wasm, ["/hello.wasm"]), (0, "Hello from wasm!\n"))

    def execute_when_ready(self, container, words):
        try:
            return self.pod.execute(container, words) == (0, "")
        except cri.grpc.RpcError:
            time.sleep(0.1)
            return False


class PauseTest(PodTest, unittest.TestCase):
    handler = "wasmtime"


class WithoutPauseTest(PodTest):
    """Of a pod that containerd's sandbox API has made."""

    @classmethod
    def setUpClass(cls):
        if stand.here.which == "debian":
            raise unittest.SkipTest("containerd 1.6 has no sandbox API")
        super().setUpClass()

    def test_there_is_no_pause_container(self):
        self.assertEqual(processes_of("sleep 100000"), [])


class SandboxTest(WithoutPauseTest, unittest.TestCase):
    handler = "wasmtime-sandbox"

    def test_there_is_one_shim(self):
        self.assertEqual(len(processes_of(PROGRAM)), 1)


class LeftoverTest(unittest.TestCase):
    def test_pods_one_after_another_leave_the_machine_as_it_was(self):
        runtime = cri.Runtime("/run/containerd/containerd.sock")
        self.addCleanup(runtime.close)
        handlers = ["wasmtime"] if stand.here.which == "debian" else ["wasmtime", "wasmtime-sandbox"]
        count = 1000 if "WASMOOR_LONG_TESTS" in os.environ else 6

        def remains():
            return (len(apart.mount_points()), len(apart.groups([stand.here.cgroup])), len(apart.processes()),
                    len(list(pathlib.Path("/run/containerd/s").iterdir())))
        before = None
        for number in range(count):
            pod = runtime.run_pod(f"after-{number}", handlers[number % len(handlers)], stand.here.scratch / "after",
                                  f"/{stand.here.cgroup}")
            container = pod.start("wasm", WASM_IMAGE, ["/hello.wasm"])
            self.assertEqual(pod.exit_code(container), 0)
            pod.remove()
            if number == 1:
                before = remains()
        until(lambda: remains() == before, f"{before} remain, as at first: {remains()}")


if __name__ == "__main__":
    stand.APPLETS += ("touch",)
    stand.main(__doc__, namespace="k8s.io", shim=RUNTIME, config=lambda which, _: configuration(
        which, RUNTIME, {"wasmtime": "podsandbox", "wasmtime-sandbox": "shim"}))
