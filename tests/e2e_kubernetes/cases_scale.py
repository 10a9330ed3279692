"""Deployments: many pods, up and down, and what they cost."""

from case import Case
from node import processes
from pods import deployment, native, sidecar, wasm

MANY = 10


class DeploymentTest(Case):
    def ready(self, name):
        return self.api.get("Deployment", name)["status"].get("readyReplicas", 0)

    def scale(self, name, replicas):
        done = self.api.kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")
        self.assertEqual(done.returncode, 0, done.stderr)
        if replicas:
            self.wait(f"{replicas} replicas are ready", lambda: self.ready(name) == replicas, 120)
        self.wait(f"only {replicas} pods are there", lambda: len(self.pods_of(f"app={name}")) == replicas, 120)

    def test_three_replicas_with_a_sidecar_each_then_ten_then_none(self):
        name = self.make(deployment(self.name(), 3, wasm("main", "sleep"),
                                    initContainers=[sidecar(native("sidecar", "sleep", 100000))]))
        done = self.api.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for pod in self.pods_of(f"app={name}"):
            self.assertEqual(pod.logs("main"), "sleeping\n")
            self.assertEqual(pod.execute("sidecar", "echo", "hello").stdout, "hello\n")
        self.scale(name, MANY)
        made = self.pods_of(f"app={name}")
        self.assertEqual([pod.name for pod in made if any(count for _, count in pod.identifiers().values())], [])
        sandboxes = [pod.sandbox() for pod in made]
        self.scale(name, 0)
        self.wait("no process of them is left", lambda: not [
            words for words in processes().values() if any(one in words for one in sandboxes)], 20)

    def test_a_new_version_takes_the_place_of_the_old_one(self):
        name = self.make(deployment(self.name(), 3, wasm("main", "sleep", env=[{"name": "VERSION", "value": "1"}])))
        self.wait("3 replicas are ready", lambda: self.ready(name) == 3, 120)
        done = self.api.kubectl("set", "env", f"deployment/{name}", "VERSION=2")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.api.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.wait("only the new pods are there", lambda: len(self.pods_of(f"app={name}")) == 3)
        for pod in self.pods_of(f"app={name}"):
            self.assertIn("env VERSION=2\n", pod.execute("main", "/args.wasm").stdout)

    def test_guests_and_native_programs_share_a_pod_many_times(self):
        name = self.make(deployment(self.name(), 4, wasm("one", "sleep"), wasm("two", "sleep"),
                                    native("three", "sleep", 100000)))
        self.wait("4 replicas are ready", lambda: self.ready(name) == 4, 120)
        pod = self.pods_of(f"app={name}")[0]
        self.assertEqual(len(pod.shims()), 0 if self.node.kind.has_daemon else 1,
                         "one shim serves all containers of a pod, and the daemon those of all pods")
