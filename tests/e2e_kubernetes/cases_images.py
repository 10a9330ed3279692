"""What only our shim does: images that are a program and nothing else, pods without a pause image."""

import unittest

from case import Case
from runtimes import WITHOUT_PAUSE
from pods import artifact, execute, mounted, native, shell, sidecar, wasm

SCRATCH = [{"name": "scratch", "emptyDir": {}}]
SHARED = {"volumeMounts": [mounted("scratch", "/scratch")]}


class ArtifactTest(Case):
    def setUp(self):
        super().setUp()
        if not self.node.kind.is_ours:
            raise unittest.SkipTest("only our shim knows images without a file system")

    def assert_runs(self, container, says):
        pod = self.pod(container)
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", says)

    def test_an_artifact_runs(self):
        self.assert_runs(artifact("main", "docker.io/test/artifact:1"), "arg 0: ")

    def test_an_artifact_with_the_layer_of_the_CNCF_runs(self):
        self.assert_runs(artifact("main", "docker.io/test/content:1"), "arg 0: ")

    def test_an_artifact_that_is_a_component_runs(self):
        self.assert_runs(artifact("main", "docker.io/test/component:1"), "^Hello from wasm!\n$")

    def test_an_artifact_with_the_configuration_of_the_CNCF_runs(self):
        self.assert_runs(artifact("main", "docker.io/test/configured:1", "/args.wasm", "one"), "arg 1: one\n")

    def test_an_artifact_has_arguments_variables_and_volumes(self):
        container = artifact("main", "docker.io/test/artifact:1", "/args.wasm", "one", **SHARED,
                             env=[{"name": "COLOUR", "value": "blue"}])
        pod = self.pod(container, volumes=SCRATCH)
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", r"arg 1: one\n(.*\n)*env COLOUR=blue\n")


class SandboxTest(Case):
    """Pods that our shim or the node's daemon is itself: `sandboxer = "shim"`."""

    CLASS = {"runtimeClassName": WITHOUT_PAUSE}

    def setUp(self):
        super().setUp()
        if WITHOUT_PAUSE not in self.node.handlers():
            raise unittest.SkipTest("only our shim is a sandbox without a pause image")

    def test_a_pod_without_a_pause_image_runs_guests_and_native_programs(self):
        pod = self.pod(wasm("main", "hello"), wasm("fails", "exit42"), native("native", "echo", "hello"), **self.CLASS)
        self.assertEqual(pod.wait_ended(), "Failed")
        self.assertEqual([pod.ended(name)["exitCode"] for name in ("main", "fails", "native")], [0, 42, 0])
        pod.wait_logs("main", "^Hello from wasm!\n$")
        pod.wait_logs("native", "^hello\n$")

    def test_a_pod_without_a_pause_image_is_probed_entered_and_ended(self):
        pod = self.pod(
            wasm("main", "sleep", readinessProbe={**execute("/hello.wasm"), "periodSeconds": 1, "timeoutSeconds": 5}),
            initContainers=[sidecar(shell("sidecar", "while :; do sleep 0.1; done"))],
            terminationGracePeriodSeconds=20, **self.CLASS).wait_ready()
        self.assertEqual(pod.execute("main", "/hello.wasm").stdout, "Hello from wasm!\n")
        self.assertEqual(pod.execute("sidecar", "echo", "hello").stdout, "hello\n")
        self.assertTrue(pod.address().startswith("10.99."))
        pod.delete()

    def test_guests_of_a_pod_without_a_pause_image_are_started_again(self):
        pod = self.pod(wasm("main", "exit42"), wasm("other", "sleep"), restartPolicy="Always", **self.CLASS)
        pod.wait("two restarts", lambda: pod.restarts("main") >= 2)
        self.assertEqual(pod.restarts("other"), 0)
