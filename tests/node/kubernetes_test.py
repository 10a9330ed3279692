"""Pods that the node's daemon holds, through containerd's Kubernetes interface: with a pause container, by the shim's
sandbox service, and by the daemon's sandbox controller.

    kubernetes_test.py debian|current SHIM GUESTS [TEST...]

As ctr_test.py. Pods without a pause container need containerd 2.
"""

import signal
import unittest

import containerd_case  # First: it says where the others are.

import pods_test
import stand
from containerd_case import RUNTIME, host, setUpModule, start_host, tearDownModule  # noqa: F401
from played import until
from pods_test import PodTest, WASM_IMAGE, WithoutPauseTest, processes_of
from running_daemon import STATE

SANDBOXERS = {"wasmtimed": "podsandbox", "wasmtimed-sandbox": "shim", "wasmtimed-controller": "wasm"}
CONTROLLER = f"""[proxy_plugins.wasm]
  type = 'sandbox'
  address = '{STATE}/controller.sock'
"""


def configuration(which, _):
    return pods_test.configuration(which, RUNTIME, SANDBOXERS, "" if which == "debian" else CONTROLLER)


class HeldTest(PodTest):
    def setUp(self):
        # After the pod has been removed.
        self.addCleanup(lambda: until(lambda: not host().sandboxes(), "the sandbox is gone"))
        super().setUp()

    def test_a_wasm_container_runs_beside_an_ordinary_one_in_one_shim(self):
        self.pod.start("wasm", WASM_IMAGE, ["/sleep.wasm"])
        self.pod.start("native", stand.NATIVE, ["sleep", "1000"])
        self.assertEqual(processes_of("containerd-shim"), [])
        self.assertEqual(len(host().sandboxes()), 1)

    def test_the_pod_outlives_an_upgrade_of_the_daemon(self):
        wasm = self.pod.start("wasm", WASM_IMAGE, ["/sleep.wasm"])
        native = self.pod.start("native", stand.NATIVE, ["sleep", "1000"])
        for _ in range(2):
            host().upgrade()
            self.assertEqual(self.pod.execute(wasm, ["/hello.wasm"]), (0, "Hello from wasm!\n"))
            self.assertEqual(self.pod.execute(native, ["echo", "hello"]), (0, "hello\n"))
            self.assertTrue(self.pod.is_ready())
        for container in (wasm, native):
            self.pod.stop(container)
            self.assertIn(self.pod.exit_code(container), (128 + signal.SIGTERM, 128 + signal.SIGKILL))
        self.assertTrue(self.pod.is_ready())


class PauseTest(HeldTest, unittest.TestCase):
    handler = "wasmtimed"


class SandboxTest(HeldTest, WithoutPauseTest, unittest.TestCase):
    handler = "wasmtimed-sandbox"


class ControllerTest(HeldTest, WithoutPauseTest, unittest.TestCase):
    handler = "wasmtimed-controller"

    def test_a_pod_is_there_again_after_the_daemon_was_killed(self):
        containers = [self.pod.start("wasm", WASM_IMAGE, ["/sleep.wasm"]),
                      self.pod.start("native", stand.NATIVE, ["sleep", "1000"])]
        host().stop(signal.SIGKILL)
        start_host()
        for container in containers:
            self.assertIn(self.pod.exit_code(container), (128 + signal.SIGKILL, 255))
        # Who has no parent any more is this process's to reap, before the pod's namespace can end.
        until(lambda: not processes_of("sleep 1000"), "its process is gone")
        self.assertTrue(self.pod.is_ready())
        # As the kubelet does it: in the same pod.
        again = self.pod.start("again", WASM_IMAGE, ["/sleep.wasm"])
        self.assertEqual(self.pod.execute(again, ["/hello.wasm"]), (0, "Hello from wasm!\n"))


# Those that are written once are no tests of this module.
del PodTest, WithoutPauseTest, HeldTest

if __name__ == "__main__":
    stand.APPLETS += ("touch",)
    containerd_case.main(__doc__, namespace="k8s.io", config=configuration)
