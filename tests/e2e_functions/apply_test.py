#!/usr/bin/python3
"""The manifests of deploy/wasmbox as `kubectl apply` gives them to a real API server that has Knative's and KEDA's kinds.

    apply_test.py [TEST...]

There is no node: pods are made, and wait for one. It needs root and the programs of tools/fetch-kubernetes. Exit
status: 77 if it cannot run here.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e_kubernetes"))
sys.dont_write_bytecode = True
import node as node_module  # First: it says where the others are.

import apart
import cluster
from programs import wait_for

MANIFESTS = ROOT / "deploy" / "wasmbox"
OF_THE_FORK = ("concurrentResourceRequest", "queueDepthResourceUnits", "resourceUtilizationThreshold")
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: strict
  labels:
    # Nothing is let in that is not held to the strictest standard.
    pod-security.kubernetes.io/enforce: restricted
"""


class ControlPlane(cluster.Cluster):
    """A cluster without a node."""

    def __enter__(self):
        try:
            self._write_files()
            self._start_control_plane()
            wait_for("namespaces have accounts", lambda: "default" in self.get("serviceaccounts"), 60,
                     self.programs.values())
        except BaseException:
            self.stop()
            raise
        return self

    def get(self, *words):
        return self.api.kubectl("get", *words, "-o", "name").stdout


class Tests(unittest.TestCase):
    here = definitions = None

    def kubectl(self, *words, typed=None):
        return self.here.api.kubectl(*words, typed=typed)

    def good(self, *words, typed=None):
        done = self.kubectl(*words, typed=typed)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def apply(self, name, *options, typed=None):
        """Forgotten again at the end of the test."""
        done = self.kubectl("apply", *options, "-f", "-" if typed else MANIFESTS / name, typed=typed)
        if done.returncode == 0:
            where = [word for word in options if word.startswith("-n")]
            self.addCleanup(self.kubectl, "delete", "--ignore-not-found", *where, "-f", MANIFESTS / name)
        return done

    def value(self, what, path, *words):
        return self.good("get", what, *words, "-o", f"jsonpath={path}")

    def wait(self, what, condition):
        return wait_for(what, condition, 60, self.here.programs.values(), pause=0.2)

    def test_the_volume_of_control_groups_is_bound_to_its_claim_only(self):
        for name in ("pv.yaml", "pvc.yaml", "functions-pvc.yaml"):
            done = self.apply(name, "--validate=strict")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.wait("the claim has its volume",
                  lambda: self.value("pvc/wasmbox-cgroups-pvc", "{.status.phase}") == "Bound")
        self.assertEqual(self.value("pv/wasmbox-cgroups", "{.spec.claimRef.name}"), "wasmbox-cgroups-pvc")
        self.assertEqual(self.value("pvc/wasmws-wasm-pvc", "{.status.phase}"), "Pending")

    def test_the_deployment_makes_pods_where_only_restricted_ones_may_be(self):
        self.good("apply", "-f", "-", typed=NAMESPACE)
        for name in ("functions-pvc.yaml", "deployment.yaml", "hpa.yaml", "networkpolicy.yaml"):
            done = self.apply(name, "--validate=strict", "-nstrict")
            # A warning would be on standard error.
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.wait("the pod is there", lambda: self.value("pods", "{.items[*].metadata.name}", "-nstrict"))
        spec = "{.items[0].spec."
        self.assertEqual(self.value("pods", spec + "containers[0].securityContext.capabilities.drop}", "-nstrict"), '["ALL"]')
        self.assertEqual(self.value("pods", spec + "securityContext.runAsUser}", "-nstrict"), "65532")
        self.assertNotIn("violates PodSecurity", self.good("get", "events", "-nstrict"))

    def test_hpa_metrics_takes_the_place_of_hpa(self):
        for name in ("hpa.yaml", "hpa-metrics.yaml"):
            self.assertEqual(self.apply(name, "--validate=strict").returncode, 0)
        self.assertEqual(self.value("hpa", "{.items[*].spec.metrics[*].type}"), "Resource Pods")

    def define(self, name, change=lambda text: text):
        text = change((self.definitions / name).read_text())
        # Too large for the note that a client's apply leaves.
        self.good("apply", "--server-side", "--force-conflicts", "-f", "-", typed=text)
        self.good("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")

    def test_keda_takes_its_object(self):
        self.define("keda-scaledobject.yaml")
        done = self.apply("keda.yaml", "--validate=strict")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_knative_takes_ksvc_standalone_strictly(self):
        self.define("knative-service.yaml")
        done = self.apply("ksvc-standalone.yaml", "--validate=strict")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_plain_knative_refuses_ksvc_or_drops_the_forks_fields_if_it_is_told_to(self):
        self.define("knative-service.yaml")
        done = self.apply("ksvc.yaml")
        self.assertNotEqual(done.returncode, 0)
        for field in OF_THE_FORK:
            self.assertIn(f'unknown field "spec.template.spec.{field}"', done.stderr)
        done = self.apply("ksvc.yaml", "--validate=warn")
        self.assertEqual(done.returncode, 0, done.stderr)
        for field in OF_THE_FORK:
            self.assertIn(f'Warning: unknown field "spec.template.spec.{field}"', done.stderr)
            self.assertEqual(self.value("ksvc/wasmbox", "{.spec.template.spec." + field + "}"), "")

    def test_a_knative_that_has_the_forks_fields_takes_ksvc_strictly_and_keeps_them(self):
        import yaml

        def with_fields(text):
            definition = yaml.safe_load(text)
            schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            revision = schema["properties"]["spec"]["properties"]["template"]["properties"]["spec"]["properties"]
            revision.update({field: {"type": "integer", "format": "int64"} for field in OF_THE_FORK})
            return yaml.safe_dump(definition)

        self.define("knative-service.yaml", with_fields)
        self.wait("the fields are known", lambda: not (done := self.apply("ksvc.yaml", "--validate=strict")).returncode
                  and not done.stderr)
        self.assertEqual([self.value("ksvc/wasmbox", "{.spec.template.spec." + field + "}") for field in OF_THE_FORK],
                         ["8000", "16000", "10000"])


def cannot_run(why):
    print(f"cannot apply manifests here: {why}", file=sys.stderr)
    sys.exit(77)


def fetch(tool):
    done = subprocess.run([ROOT / "tools" / tool], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        cannot_run(f"tools/{tool} cannot build it, the reason stands above")
    return pathlib.Path(done.stdout.strip())


def main():
    if os.geteuid() != 0:
        cannot_run("it needs root")
    Tests.definitions = fetch("fetch-kubeconform") / "definitions"
    programs = fetch("fetch-kubernetes")
    node_module.be_apart()
    with tempfile.TemporaryDirectory() as scratch:
        apart.mount_memory(scratch)
        try:
            cluster.make_network()
            with ControlPlane(programs, pathlib.Path(scratch) / "cluster", "none") as Tests.here:
                ended = unittest.main(argv=[sys.argv[0], *sys.argv[1:]], exit=False)
        finally:
            subprocess.run(["umount", "--lazy", scratch], check=False)
    sys.exit(0 if ended.result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
