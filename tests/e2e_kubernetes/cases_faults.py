"""What breaks under running pods: containerd, the kubelet, a shim, and what may not come of it."""

import contextlib
import os
import signal
import time

from case import Case
from node import processes
from pods import execute, native, sidecar, wasm

SETTLING = 6  # Seconds in which the kubelet would have noticed what it should not.


class FaultTest(Case):
    ALONE = True

    def several(self):
        """Pods of all kinds, ready."""
        made = [
            self.pod(wasm("main", "sleep"), restartPolicy="Always", ending="plain"),
            self.pod(wasm("main", "sleep"), initContainers=[sidecar(native("sidecar", "sleep", 100000))],
                     restartPolicy="Always", ending="sidecar"),
            self.pod(wasm("main", "sleep", livenessProbe={**execute("/hello.wasm"), "periodSeconds": 1,
                                                          "timeoutSeconds": 10, "failureThreshold": 5}),
                     restartPolicy="Always", ending="probed"),
        ]
        return [pod.wait_ready() for pod in made]

    def assert_untouched(self, made, before, pids):
        time.sleep(SETTLING)
        for pod, known in zip(made, before):
            self.assertEqual(pod.identifiers(), known)
            pod.wait_ready()
            self.assertEqual(pod.execute("main", "/hello.wasm").stdout, "Hello from wasm!\n")
        self.assertEqual([pod.first_process("main") for pod in made], pids)
        for pod in made:
            self.assertIn("sleeping\n", pod.logs("main"))
            self.assertLess(pod.delete(), 25)

    def restart_containerd_under(self, made, by):
        before, pids = [pod.identifiers() for pod in made], [pod.first_process("main") for pod in made]
        self.node.restart_containerd(by)
        self.assert_untouched(made, before, pids)

    def test_containerd_restarts_under_running_pods(self):
        self.restart_containerd_under(self.several(), signal.SIGTERM)

    def test_containerd_is_killed_under_running_pods(self):
        self.restart_containerd_under(self.several(), signal.SIGKILL)

    def test_the_kubelet_restarts_under_running_pods(self):
        made = self.several()
        before, pids = [pod.identifiers() for pod in made], [pod.first_process("main") for pod in made]
        self.node.cluster.kubelet.stop()
        self.node.cluster.kubelet.start()
        self.assert_untouched(made, before, pids)

    def test_a_guest_that_ended_while_containerd_was_away_is_seen(self):
        pod = self.pod(wasm("main", "sleep"), wasm("other", "sleep"), restartPolicy="Always").wait_ready()
        before = pod.identifiers()["other"]
        self.node.containerd.stop_daemon()
        pod.kill("main")
        self.node.containerd.start_daemon()
        pod.wait("main is started again", lambda: pod.restarts("main") == 1 and pod.ready(), 120)
        # 255 is what containerd says where it has seen no end, as under its own shim.
        self.assertIn(pod.ended("main")["exitCode"], (128 + 9, 255))
        self.assertEqual(pod.identifiers()["other"], before)

    def kill_what_holds(self, pod):
        """The pod's shims; or the daemon, which is started again, as systemd does."""
        if self.node.daemon:
            self.node.restart_daemon()
        for shim in pod.shims():
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim, signal.SIGKILL)

    def test_a_pod_recovers_from_the_death_of_what_holds_it_and_nothing_of_the_old_one_remains(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 100001), restartPolicy="Always").wait_ready()
        old = {*pod.shims(), *pod.processes("main"), *pod.processes("native")}
        before, sandbox = pod.identifiers(), pod.sandbox()
        self.assertEqual(bool(pod.shims()), not self.node.daemon)
        self.kill_what_holds(pod)
        pod.wait("both containers are new", lambda: pod.ready() and all(
            identifier != before[name][0] for name, (identifier, _) in pod.identifiers().items()), 120)
        self.wait_until_gone(old)
        self.assertEqual([words for words in processes().values() if sandbox in words], [])
        self.assertEqual(pod.execute("main", "/hello.wasm").stdout, "Hello from wasm!\n")

    def test_a_pod_can_be_deleted_when_what_held_it_is_gone(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 100002), restartPolicy="Always").wait_ready()
        old = {*pod.shims(), *pod.processes("main"), *pod.processes("native")}
        self.api.delete("Pod", pod.name)
        self.kill_what_holds(pod)
        pod.wait("gone", lambda: pod.seen() is None, 120)
        self.wait_until_gone(old)
