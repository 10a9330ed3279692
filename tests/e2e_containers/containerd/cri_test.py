"""Pods through containerd's Kubernetes interface, with the configuration that docs/containerd-runc.md tells to write.

    cri_test.py debian|current RUNTIME GUESTS [TEST...]

As containerd_test.py, but GUESTS may not be missing.
"""

import re
import time
import unittest

import stand

try:
    import cri
except ImportError:
    stand.cannot_run("Python has no grpc; Debian's package is called python3-grpcio")

DOCUMENT = stand.ROOT / "docs" / "containerd-runc.md"
DOCUMENTED = "/usr/local/bin/wasmoor-runtime"


def documented_configuration(which, runtime):
    blocks = re.findall(r"^```toml\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    ours = [block for block in blocks if block.startswith(f"version = {stand.VERSION[which]}\n")]
    if len(ours) != 1 or DOCUMENTED not in ours[0]:
        raise AssertionError(f"{DOCUMENT} has no configuration of version {stand.VERSION[which]} that names {DOCUMENTED}")
    return ours[0].replace(DOCUMENTED, str(runtime)) + stand.FOR_PODS[which]


class PodTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runtime = cri.Runtime("/run/containerd/containerd.sock")
        cls.addClassCleanup(cls.runtime.close)

    def setUp(self):
        self.name = re.sub(r"\W", "-", self.id().rpartition(".")[2])
        self.logs = stand.here.scratch / self.name
        self.pod = self.runtime.run_pod(self.name, "wasmoor", self.logs, f"/{stand.here.cgroup}")
        self.addCleanup(self.pod.remove)

    def log(self, container):
        """What a container has printed: each line follows its time, stream and a tag. It may come after the end."""
        end = time.monotonic() + 5
        while not (text := (self.logs / f"{container}.log").read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        return [line.split(" ", 3)[3] for line in text.splitlines()]

    def test_a_wasm_container_runs_beside_an_ordinary_one(self):
        wasm = self.pod.start("wasm", stand.WASM.partition("@")[0], ["/hello.wasm"])
        native = self.pod.start("native", stand.NATIVE, ["sh", "-c", "echo hello; exit 3"])
        self.assertEqual(self.pod.exit_code(wasm), 0)
        self.assertEqual(self.pod.exit_code(native), 3)
        self.assertEqual((self.log("wasm"), self.log("native")), (["Hello from wasm!"], ["hello"]))

    def test_programs_run_in_containers_of_both_kinds(self):
        wasm = self.pod.start("wasm", stand.WASM.partition("@")[0], ["/sleep.wasm"])
        native = self.pod.start("native", stand.NATIVE, ["sleep", "1000"])
        self.assertEqual(self.pod.execute(wasm, ["/hello.wasm"]), (0, "Hello from wasm!\n"))
        self.assertEqual(self.pod.execute(wasm, ["/exit42.wasm"]), (42, ""))
        self.assertEqual(self.pod.execute(native, ["echo", "hello"]), (0, "hello\n"))

    def test_stopping_a_wasm_container_is_a_sigterm(self):
        container = self.pod.start("sleeper", stand.WASM.partition("@")[0], ["/sleep.wasm"])
        self.pod.stop(container)
        self.assertEqual(self.pod.exit_code(container), 128 + 15)


if __name__ == "__main__":
    stand.main(__doc__, namespace="k8s.io", config=documented_configuration)
