"""The configurations of deploy/containerd, with the shim: pods of the runtime that they name, and what its own file says.

    configuration_test.py debian|current SHIM GUESTS [TEST...]

As containerd_test.py, with the executable of the shim in the place of RUNTIME.
"""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "containerd"))
import stand  # First: it says where the others are.

try:
    import cri
except ImportError:
    stand.cannot_run("Python has no grpc; Debian's package is called python3-grpcio")

DEPLOYED = stand.ROOT / "deploy" / "containerd"
SETTINGS = "/etc/wasmoor/wasmtime.toml"
# Names files that tests write, below the /run that is theirs alone.
OTHER_SETTINGS = "/run/{}.toml"
FILE = {"debian": "containerd-1.toml", "current": "containerd-2.toml"}
WASM_IMAGE = stand.WASM.partition("@")[0]


def deployed(which, _):
    """As it is, and its runtime twice more with files of the tests."""
    text = (DEPLOYED / FILE[which]).read_text()
    table = text[text.index("[plugins", text.index("runtimes.runc]") + 1):]
    if SETTINGS not in table:
        raise AssertionError(f"{FILE[which]} does not name {SETTINGS}")
    others = [re.sub(r"\bruntimes\.wasmtime\b", f"runtimes.{name}", table).replace(
        SETTINGS, OTHER_SETTINGS.format(name)) for name in ("all", "wrong")]
    return "\n".join([text.replace(SETTINGS, str(DEPLOYED / "wasmtime.toml")), *others, stand.FOR_PODS[which]])


class ConfigurationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runtime = cri.Runtime("/run/containerd/containerd.sock")
        cls.addClassCleanup(cls.runtime.close)

    def pod(self, handler):
        pod = self.runtime.run_pod(handler, handler, stand.here.scratch / handler, f"/{stand.here.cgroup}")
        self.addCleanup(pod.remove)
        return pod

    def test_pods_of_its_runtime_run_guests_and_native_programs(self):
        pod = self.pod("wasmtime")
        self.assertEqual(pod.exit_code(pod.start("wasm", WASM_IMAGE, ["/exit42.wasm"])), 42)
        self.assertEqual(pod.exit_code(pod.start("native", stand.NATIVE, ["sh", "-c", "exit 3"])), 3)

    def test_every_setting_that_its_file_shows_is_one(self):
        text = (DEPLOYED / "wasmtime.toml").read_text()
        # But those of which this machine has not what they need.
        shown = re.sub(r"^#(?=[a-z_]+ = )(?!systemd_cgroup|shim_cgroup|cache_directory)", "", text, flags=re.MULTILINE)
        self.assertGreater(len(re.findall(r"^[a-z_]+ = ", shown, re.MULTILINE)), 5)
        pathlib.Path(OTHER_SETTINGS.format("all")).write_text(shown)
        pod = self.pod("all")
        self.assertEqual(pod.exit_code(pod.start("wasm", WASM_IMAGE, ["/exit42.wasm"])), 42)

    def test_a_setting_that_there_is_not_is_named_with_its_line(self):
        pathlib.Path(OTHER_SETTINGS.format("wrong")).write_text("log_level = 'info'\nnonsense = 1\n")
        with self.assertRaises(cri.grpc.RpcError) as failed:
            self.pod("wrong")
        self.assertIn("/run/wrong.toml:2: nonsense: there is no such setting", failed.exception.details())


if __name__ == "__main__":
    stand.main(__doc__, namespace="k8s.io", config=deployed, shim="io.containerd.wasmtime.v1")
