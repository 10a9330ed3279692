"""What a wasm program gets from its pod, and what the pod tells of it."""

import re
import subprocess

from case import Case, Pod
from pods import config_map, job, mounted, native, secret, shell, wasm

SCRATCH = [{"name": "scratch", "emptyDir": {}}]


class ProgramTest(Case):
    def job_pod(self, name):
        return Pod(self.node, self.wait("the job has a pod", lambda: self.api.list("Pod", f"job-name={name}"))[0]
                   ["metadata"]["name"])

    def job_status(self, name, condition):
        conditions = self.api.get("Job", name)["status"].get("conditions", [])
        return any(found["type"] == condition and found["status"] == "True" for found in conditions)

    def test_a_wasm_job_runs_to_its_end_with_its_output(self):
        name = self.make(job(self.name(), wasm("main", "hello")))
        self.wait("the job is complete", lambda: self.job_status(name, "Complete"))
        pod = self.job_pod(name)
        self.assertEqual(pod.phase(), "Succeeded")
        self.assertEqual(pod.ended("main")["reason"], "Completed")
        pod.wait_logs("main", "^Hello from wasm!\n$")

    def test_a_job_that_fails_has_its_exit_code(self):
        name = self.make(job(self.name(), wasm("main", "exit42")))
        self.wait("the job has failed", lambda: self.job_status(name, "Failed"))
        ended = self.job_pod(name).ended("main")
        self.assertEqual((ended["exitCode"], ended["reason"]), (42, "Error"))

    def test_a_jobs_deadline_ends_a_sleeping_guest(self):
        name = self.make(job(self.name(), wasm("main", "sleep"), terminationGracePeriodSeconds=60,
                             settings={"activeDeadlineSeconds": 3}))
        self.wait("the job has failed", lambda: self.job_status(name, "Failed"), 30)
        self.wait("its pod is gone", lambda: not self.api.list("Pod", f"job-name={name}"), 30)

    def test_a_component_runs_as_a_module_does(self):
        pod = self.pod(wasm("main", "hello-component"))
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", "^Hello from wasm!\n$")

    def test_a_module_in_an_image_of_this_platform_runs(self):
        pod = self.pod(native("main", "/hello.wasm"))
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", "^Hello from wasm!\n$")

    def test_arguments_and_variables_reach_it_from_everywhere(self):
        self.make(config_map(self.name("map"), colour="blue"))
        self.make(secret(self.name("secret"), word="plugh"))
        pod = self.pod(wasm("main", "args", "one", "two words", "$(PLACE)", env=[
            {"name": "PLACE", "value": "here"},
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": self.name("map"), "key": "colour"}}},
            {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": self.name("secret"), "key": "word"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ], envFrom=[{"configMapRef": {"name": self.name("map")}, "prefix": "FROM_"}]))
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", "env POD=")
        lines = pod.logs("main").splitlines()
        self.assertEqual(lines[:4], ["arg 0: /args.wasm", "arg 1: one", "arg 2: two words", "arg 3: here"])
        for line in ("env PLACE=here", "env COLOUR=blue", "env WORD=plugh", f"env POD={pod.name}",
                     "env FROM_colour=blue", f"env HOSTNAME={pod.name}"):
            self.assertIn(line, lines)

    def test_volumes_of_each_kind_are_read(self):
        self.make(config_map(self.name("map"), colour="blue\n"))
        self.make(secret(self.name("secret"), word="plugh\n"))
        account = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
        pod = self.pod(
            wasm("main", "cat", "/map/colour", "/secret/word", "/about/name", account, "/one", volumeMounts=[
                mounted("map", "/map"), mounted("secret", "/secret", readOnly=True), mounted("about", "/about"),
                mounted("map", "/one", subPath="colour")]),
            volumes=[{"name": "map", "configMap": {"name": self.name("map")}},
                     {"name": "secret", "secret": {"secretName": self.name("secret")}},
                     {"name": "about", "downwardAPI": {"items": [
                         {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}])
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", f"^blue\nplugh\n{pod.name}default")
        self.assertTrue(pod.logs("main").endswith("defaultblue\n"), pod.logs("main"))

    def test_a_change_of_a_configuration_is_seen_without_a_restart(self):
        self.make(config_map(self.name("map"), colour="blue"))
        pod = self.pod(wasm("main", "sleep", volumeMounts=[mounted("map", "/map")]),
                       volumes=[{"name": "map", "configMap": {"name": self.name("map")}}]).wait_ready()
        self.assertEqual(pod.execute("main", "/cat.wasm", "/map/colour").stdout, "blue")
        self.api.patch("ConfigMap", self.name("map"), {"data": {"colour": "green"}})
        # Any change of a pod has the kubelet look after its volumes at once.
        self.api.patch("Pod", pod.name, {"metadata": {"annotations": {"look": "now"}}})
        self.wait("the new value", lambda: pod.execute("main", "/cat.wasm", "/map/colour").stdout == "green", 120)

    def test_init_containers_of_both_kinds_come_first_and_in_order(self):
        shared = {"volumeMounts": [mounted("scratch", "/scratch")]}
        pod = self.pod(shell("last", "cat /scratch/copy; echo last", **shared), volumes=SCRATCH, initContainers=[
            shell("native", "echo written natively > /scratch/text", **shared),
            wasm("wasm", "copy", "/scratch/text", "/scratch/copy", **shared)])
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("last", "^written natively\nlast\n$")
        self.assertIn("17 bytes", pod.logs("wasm"))

    def test_an_init_container_that_fails_keeps_the_others_from_running(self):
        pod = self.pod(wasm("main", "hello"), initContainers=[wasm("first", "exit42")])
        self.assertEqual(pod.wait_ended(), "Failed")
        self.assertEqual(pod.ended("first")["exitCode"], 42)
        self.assertIn("waiting", pod.container("main")["state"])

    def test_containers_of_a_pod_live_and_die_on_their_own(self):
        pod = self.pod(wasm("short", "hello"), wasm("fails", "exit42"), wasm("long", "sleep"),
                       native("idle", "sleep", 1000), shell("brief", "exit 3"))
        codes = {name: pod.wait_container_ended(name)["exitCode"] for name in ("short", "fails", "brief")}
        self.assertEqual(codes, {"short": 0, "fails": 42, "brief": 3})
        pod.wait_running("long").wait_running("idle")
        self.assertLess(pod.delete(), 25)

    def test_containers_share_a_network_and_a_host_name(self):
        pod = self.pod(wasm("main", "cat", "/etc/hostname", "/etc/hosts"))
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", rf"^{pod.name}\n(.*\n)*{re.escape(pod.address())}\s+{pod.name}")

    def test_names_are_asked_of_the_pods_servers(self):
        pod = self.pod(wasm("main", "cat", "/etc/resolv.conf"), native("native", "cat", "/etc/resolv.conf"),
                       dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.7"], "searches": ["a.test"]})
        self.assertEqual(pod.wait_ended(), "Succeeded")
        for name in ("main", "native"):
            pod.wait_logs(name, r"(?s)(search a\.test.*)?nameserver 192\.0\.2\.7")

    def test_a_message_at_its_end_is_seen(self):
        self.make(config_map(self.name("map"), text="what it was about"))
        pod = self.pod(wasm("main", "copy", "/map/text", "/dev/termination-log",
                            volumeMounts=[mounted("map", "/map")]),
                       volumes=[{"name": "map", "configMap": {"name": self.name("map")}}])
        self.assertEqual(pod.wait_ended(), "Succeeded")
        self.assertEqual(pod.ended("main")["message"], "what it was about")

    def test_a_trap_is_134_and_told_in_the_logs(self):
        pod = self.pod(wasm("main", "trap", terminationMessagePolicy="FallbackToLogsOnError"))
        self.assertEqual(pod.wait_ended(), "Failed")
        pod.wait_logs("main", "unreachable")
        for word in ("about to trap at depth 3", "innermost", "outermost"):
            pod.wait_logs("main", word)  # One stream may be behind the other.
        self.assertEqual(pod.ended("main")["exitCode"], 134)
        self.assertIn("unreachable", pod.ended("main")["message"])

    def test_an_invalid_module_is_told_by_kubectl_describe(self):
        pod = self.pod(wasm("main", "broken"))
        self.assertRegex(self.wait_for_start_error(pod, "broken.wasm"), r"(?i)broken\.wasm.*WebAssembly")

    def test_a_program_that_is_not_there_is_named_by_kubectl_describe(self):
        pod = self.pod(wasm("main", "nothing"))
        self.assertRegex(self.wait_for_start_error(pod, "nothing.wasm"), "(?i)nothing\\.wasm.*no such file")

    def test_what_it_may_not_is_refused_as_elsewhere(self):
        strict = {"runAsUser": 1234, "runAsGroup": 2345, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
                  "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                  "seccompProfile": {"type": "RuntimeDefault"}}
        self.make(config_map(self.name("map"), text="some text\n"))
        shared = [mounted("map", "/map"), mounted("scratch", "/scratch")]
        pod = self.pod(wasm("main", "copy", "/map/text", "/scratch/copy", volumeMounts=shared, securityContext=strict),
                       wasm("refused", "copy", "/map/text", "/copy", volumeMounts=shared, securityContext=strict),
                       securityContext={"fsGroup": 3456},
                       volumes=[*SCRATCH, {"name": "map", "configMap": {"name": self.name("map")}}])
        self.assertEqual(pod.wait_ended(), "Failed")
        self.assertEqual(pod.ended("main")["exitCode"], 0, pod.logs("main"))
        self.assertEqual(pod.ended("refused")["exitCode"], 1)
        pod.wait_logs("refused", "/copy: Read-only file system")

    def test_files_that_it_makes_belong_to_its_user(self):
        owner = {"runAsUser": 1234, "runAsGroup": 2345}
        shared = [mounted("scratch", "/scratch")]
        pod = self.pod(shell("look", "stat -c '%u %g' /scratch/copy", volumeMounts=shared), volumes=SCRATCH,
                       securityContext={"fsGroup": 3456}, initContainers=[
                           wasm("make", "copy", "/etc/hosts", "/scratch/copy", volumeMounts=shared,
                                securityContext=owner)])
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("look", "^1234 3456\n$")  # A volume's folder hands its group down.

    def test_a_pod_in_the_hosts_network_has_its_address(self):
        pod = self.pod(wasm("main", "sleep"), hostNetwork=True).wait_ready()
        self.assertEqual(pod.address(), pod.status()["hostIP"])


class OutputTest(Case):
    def test_no_line_of_a_long_output_is_lost(self):
        lines = [f"line {number} of many, and none of them may be lost" for number in range(12000)]
        self.make(config_map(self.name("map"), text="\n".join(lines) + "\n"))
        pod = self.pod(wasm("main", "cat", "/map/text", "/map/text", volumeMounts=[mounted("map", "/map")]),
                       volumes=[{"name": "map", "configMap": {"name": self.name("map")}}])
        self.assertEqual(pod.wait_ended(), "Succeeded")
        self.wait("all lines", lambda: pod.logs("main").splitlines() == lines * 2, 20)

    def test_logs_are_followed_until_the_end(self):
        pod = self.pod(wasm("main", "read", stdin=True, stdinOnce=True)).wait_running("main")
        following = subprocess.Popen(self.api.command("logs", "-f", pod.name), stdout=subprocess.PIPE, text=True)
        self.assertEqual(following.stdout.readline(), "reading\n")
        self.api.kubectl("attach", "-i", pod.name, typed="plugh\n")
        rest, _ = following.communicate(timeout=60)
        self.assertEqual((rest, following.returncode), ("read 6 bytes\n", 0))

    def test_logs_of_the_run_before_are_kept(self):
        pod = self.pod(wasm("main", "trap"), restartPolicy="Always")
        pod.wait("a restart", lambda: pod.restarts("main") >= 1)
        # Now and then the one before has gone by the time it is asked for.
        self.wait("what it said before", lambda: "about to trap" in self.api.kubectl(
            "logs", pod.name, "--previous").stdout, 20)
