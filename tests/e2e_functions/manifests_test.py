"""The manifests of deploy/: their fields by Kubernetes', Knative's and KEDA's own descriptions, what Knative's webhook
would say of them, and what they promise of their pods.

    manifests_test.py KNATIVE_VALIDATION [TEST...]

KNATIVE_VALIDATION is what peer/ is built into.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCHEMA = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
FEATURES = DEPLOY / "wasmbox" / "config-features.yaml"  # A patch, and no object.
CLAIM = "kubernetes.podspec-persistent-volume-claim"
OF_THE_FORK = ("concurrentResourceRequest", "queueDepthResourceUnits", "resourceUtilizationThreshold")
LEAST_PRIVILEGE = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
WEB, HEALTH = 8095, 8086


def cannot_run(why):
    print(f"cannot check manifests here: {why}", file=sys.stderr)
    sys.exit(77)


try:
    import yaml
except ImportError:
    cannot_run("Python has no yaml; Debian's package is called python3-yaml")


def manifests():
    return sorted(set(DEPLOY.glob("*/*.yaml")) - {FEATURES})


def read(name):
    return list(yaml.safe_load_all((DEPLOY / "wasmbox" / name).read_text()))


def pod_specs():
    """Of all that make pods of wasmbox."""
    for name in ("deployment.yaml", "ksvc.yaml", "ksvc-standalone.yaml"):
        yield name, read(name)[0]["spec"]["template"]["spec"]


class Tests(unittest.TestCase):
    validation = tools = None

    def kubeconform(self, *paths, schemas=None):
        """What it finds, by the file and the object's name."""
        done = subprocess.run([self.tools / "kubeconform", "-strict", "-output", "json", "-schema-location",
                               f"{schemas or self.tools / 'schemas'}/{SCHEMA}", *paths],
                              capture_output=True, text=True, check=False)
        return {(pathlib.Path(one["filename"]).name, one["name"]): one["msg"]
                for one in json.loads(done.stdout)["resources"] if one["status"] != "statusValid"}

    def knative(self, text, *features):
        if not self.validation.exists():
            self.skipTest("Knative's validation could not be built: " +
                          self.validation.with_suffix(".missing").read_text())
        done = subprocess.run([self.validation, *features], input=text, capture_output=True, text=True, check=False)
        return done.stderr

    def test_every_field_is_one_of_its_kind(self):
        found = self.kubeconform(*manifests())
        self.assertEqual(set(found), {("ksvc.yaml", "wasmbox")}, found)
        for field in OF_THE_FORK:
            self.assertIn(field, found["ksvc.yaml", "wasmbox"])

    def test_what_knative_does_not_know_of_ksvc_is_three_numbers_of_the_fork(self):
        with tempfile.TemporaryDirectory() as folder:
            name = "serving.knative.dev_service_v1.json"
            schema = json.loads((self.tools / "schemas" / name).read_text())
            revision = schema["properties"]["spec"]["properties"]["template"]["properties"]["spec"]
            for field in OF_THE_FORK:
                self.assertNotIn(field, revision["properties"])
                revision["properties"][field] = {"type": "integer"}
            (pathlib.Path(folder) / name).write_text(json.dumps(schema))
            self.assertEqual(self.kubeconform(DEPLOY / "wasmbox" / "ksvc.yaml", schemas=folder), {})

    def test_a_field_that_is_misspelt_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, right, wrong in (("deployment.yaml", "readOnlyRootFilesystem", "readOnlyRootFileSystem"),
                                       ("ksvc-standalone.yaml", "timeoutSeconds", "timeOutSeconds"),
                                       ("keda.yaml", "pollingInterval", "pollInterval")):
                copy = pathlib.Path(folder) / name
                copy.write_text((DEPLOY / "wasmbox" / name).read_text().replace(right, wrong))
                found = self.kubeconform(copy)
                self.assertIn(wrong, "".join(found.values()), found)

    def test_knative_takes_ksvc_standalone_once_it_may_have_volumes(self):
        text = (DEPLOY / "wasmbox" / "ksvc-standalone.yaml").read_text()
        self.assertEqual(self.knative(text, CLAIM), "")
        self.assertIn("Persistent volume claim support is disabled", self.knative(text))

    def test_knative_itself_refuses_of_ksvc_what_is_the_forks_and_nothing_else(self):
        features = yaml.safe_load(FEATURES.read_text())["data"]
        self.assertEqual(set(features.values()), {"enabled"})
        text = (DEPLOY / "wasmbox" / "ksvc.yaml").read_text()
        self.assertIn(f'unknown field "{OF_THE_FORK[0]}"', self.knative(text, *features))
        known = "".join(line for line in text.splitlines(keepends=True)
                        if line.strip().partition(":")[0] not in OF_THE_FORK)
        self.assertEqual(self.knative(known, *features).splitlines(),
                         ["invalid value: memory: spec.template.metadata.annotations.autoscaling.knative.dev/metric"])
        self.assertEqual(self.knative(known.replace('metric: "memory"', 'metric: "concurrency"'), *features), "")

    def test_config_features_names_features_that_there_are(self):
        text = (DEPLOY / "wasmbox" / "ksvc-standalone.yaml").read_text()
        for feature in yaml.safe_load(FEATURES.read_text())["data"]:
            # One that is misspelt would change nothing; one that is right changes what is said of what needs it.
            needs = {
                CLAIM: text,
                "kubernetes.podspec-persistent-volume-write": text.replace("readOnly: true", "readOnly: false"),
                "kubernetes.podspec-fieldref": text.replace('value: "false"',
                                                            "valueFrom: {fieldRef: {fieldPath: metadata.uid}}"),
            }
            self.assertNotEqual(self.knative(needs[feature], *({CLAIM} - {feature})), "", feature)
            self.assertEqual(self.knative(needs[feature], CLAIM, feature), "", feature)

    def test_pods_have_the_least_privilege(self):
        for name, pod in pod_specs():
            with self.subTest(manifest=name):
                container, = pod["containers"]
                security = {**pod.get("securityContext", {}), **container["securityContext"]}
                self.assertEqual({key: security.get(key) for key in LEAST_PRIVILEGE}, LEAST_PRIVILEGE)
                self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertEqual(pod["automountServiceAccountToken"], False)
                self.assertEqual(pod["enableServiceLinks"], False)
                # Only who writes control groups is root.
                has_groups = any(mount["mountPath"] == "/data" for mount in container["volumeMounts"])
                self.assertEqual(security["runAsNonRoot"], not has_groups)
                self.assertEqual(security["runAsUser"], 0 if has_groups else 65532)
                self.assertEqual(has_groups, name == "ksvc.yaml")
                for key in ("hostNetwork", "hostPID", "hostIPC"):
                    self.assertNotIn(key, pod)

    def test_functions_are_read_only_and_compiled_code_is_the_servers_own(self):
        for name, pod in pod_specs():
            with self.subTest(manifest=name):
                container, = pod["containers"]
                mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
                volumes = {volume["name"]: volume for volume in pod["volumes"]}
                self.assertEqual(set(volumes), {mount["name"] for mount in mounts.values()})
                functions = volumes[mounts["/functions"]["name"]]["persistentVolumeClaim"]
                self.assertEqual((functions, mounts["/functions"]["readOnly"]),
                                 ({"claimName": "wasmws-wasm-pvc", "readOnly": True}, True))
                self.assertIn("sizeLimit", volumes[mounts["/cache"]["name"]]["emptyDir"])
                # The volume itself is everybody's in the pod (mode 0777): the folder is one that the server makes.
                cache = pathlib.PurePath(self.variables(container)["WASMOOR_CACHE_DIR"])
                self.assertEqual(cache.parent, pathlib.PurePath("/cache"))

    @staticmethod
    def variables(container):
        return {variable["name"]: variable.get("value") for variable in container["env"]}

    def test_ports_probes_and_variables_agree(self):
        for name, pod in pod_specs():
            with self.subTest(manifest=name):
                container, = pod["containers"]
                told = self.variables(container)
                ports = {port.get("name"): port["containerPort"] for port in container["ports"]}
                self.assertIn(WEB, ports.values())
                self.assertEqual((told["WEBSERVER_PORT"], told["HEALTHCHECK_PORT"]), (str(WEB), str(HEALTH)))
                for probe, path in (("readinessProbe", "/ready"), ("livenessProbe", "/live")):
                    asked = container[probe]["httpGet"]
                    self.assertEqual((ports.get(asked["port"], asked["port"]), asked["path"]), (HEALTH, path))
                # What requests can ask for fits into the container, and leaves room for the server.
                limit = container["resources"]["limits"]["memory"]
                self.assertTrue(limit.endswith("Gi"))
                self.assertLess(int(told["MEMORY_LIMIT"]) * 10**6, int(limit[:-2]) * 2**30 * 0.9)

    def test_the_deployment_drains(self):
        pod = read("deployment.yaml")[0]["spec"]["template"]["spec"]
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], pause + 25)

    def test_autoscalers_ask_for_metrics_that_there_are(self):
        told = "".join(path.read_text() for path in (ROOT / "src" / "function").rglob("*.cc"))
        for name in ("hpa-metrics.yaml", "keda.yaml"):
            names = re.findall(r"wasmoor_\w+", (DEPLOY / "wasmbox" / name).read_text())
            self.assertTrue(names)
            for metric in names:
                self.assertIn(f'"{metric}"', told)

    def test_what_refers_to_another_finds_it(self):
        deployment, service, budget = read("deployment.yaml")
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        policies = read("networkpolicy.yaml")
        selectors = [deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"],
                     budget["spec"]["selector"]["matchLabels"], policies[0]["spec"]["podSelector"]["matchLabels"]]
        for selector in selectors:
            self.assertLessEqual(selector.items(), labels)
        for name in ("hpa.yaml", "hpa-metrics.yaml", "keda.yaml"):
            self.assertEqual(read(name)[0]["spec"]["scaleTargetRef"]["name"], deployment["metadata"]["name"])
        for name in ("ksvc.yaml", "ksvc-standalone.yaml"):
            self.assertEqual(policies[1]["spec"]["podSelector"]["matchLabels"],
                             {"serving.knative.dev/service": read(name)[0]["metadata"]["name"]})
        volume, = read("pv.yaml")
        claim, = read("pvc.yaml")
        self.assertEqual(claim["spec"]["volumeName"], volume["metadata"]["name"])
        self.assertEqual(volume["spec"]["claimRef"]["name"], claim["metadata"]["name"])
        self.assertEqual(volume["spec"]["storageClassName"], claim["spec"]["storageClassName"])
        claims = {claim["metadata"]["name"], read("functions-pvc.yaml")[0]["metadata"]["name"]}
        for _, pod in pod_specs():
            for one in pod["volumes"]:
                if "persistentVolumeClaim" in one:
                    self.assertIn(one["persistentVolumeClaim"]["claimName"], claims)


if __name__ == "__main__":
    Tests.validation = pathlib.Path(sys.argv[1]).resolve()
    fetched = subprocess.run([ROOT / "tools" / "fetch-kubeconform"], stdout=subprocess.PIPE, text=True, check=False)
    if fetched.returncode != 0:
        if os.environ.get("CI"):
            sys.exit(1)
        cannot_run("tools/fetch-kubeconform cannot build it, the reason stands above")
    Tests.tools = pathlib.Path(fetched.stdout.strip())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
