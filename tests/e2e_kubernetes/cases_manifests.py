"""The manifests of deploy/kubernetes, as docs/kubernetes.md has them applied."""

import pathlib

from case import Case, Pod
import node_images

MANIFESTS = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"


class ManifestsTest(Case):
    def apply(self, name, *options):
        # What a registry has, this node has by another name.
        text = (MANIFESTS / name).read_text().replace("docker.io/library/busybox:1.36", node_images.NATIVE)
        done = self.api.kubectl("apply", "--validate=strict", *options, "-f", "-", typed=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return text

    def remove(self, text):
        self.api.kubectl("delete", "--wait=true", "-f", "-", typed=text, timeout=120)

    def pods_of_app(self, selector):
        return [pod for pod in self.pods_of(selector) if not pod.seen()["metadata"].get("deletionTimestamp")]

    def test_the_job_of_the_documents_prints_its_words(self):
        self.addCleanup(self.remove, self.apply("job.yaml"))
        self._made.append(("Job", "wasmtest"))
        done = self.api.kubectl("wait", "--for=condition=complete", "--timeout=100s", "job/wasmtest", timeout=110)
        self.assertEqual(done.returncode, 0, done.stderr)
        pod, = self.pods_of("job-name=wasmtest")
        pod.wait_logs("wasmtest", "^one two\n$")

    def test_the_deployment_of_the_documents_is_rolled_out_and_answers(self):
        self.addCleanup(self.remove, self.apply("deployment.yaml"))
        self._made.append(("Deployment", "wasmtest"))
        done = self.api.kubectl("rollout", "status", "deployment/wasmtest", "--timeout=100s", timeout=110)
        self.assertEqual(done.returncode, 0, done.stderr)
        pods = self.pods_of_app("app=wasmtest")
        self.assertEqual(len(pods), 3)
        pod = Pod(self.node, pods[0].name)
        pod.wait_logs("daemon", "^wasmtest: alive for 0 s\n")
        done = pod.execute("daemon", "/wasmtest.wasm", "echo", "from inside")
        self.assertEqual((done.stdout, done.returncode), ("from inside\n", 0), done.stderr)
        self.assertRegex(pod.execute("web", "cat", "/shared/now").stdout, r"^\d")
        self.assertEqual(pod.restarts("daemon"), 0)

    def test_the_other_manifests_of_the_documents_are_accepted(self):
        for name in ("runtimeclass.yaml", "http.yaml"):
            self.apply(name, "--dry-run=server")
