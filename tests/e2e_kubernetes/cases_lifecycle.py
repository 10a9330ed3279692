"""How pods begin, are looked after, and end."""

import re
import subprocess

from case import Case, read_number
from pods import execute, limits, mounted, native, shell, sidecar, wasm

SCRATCH = [{"name": "scratch", "emptyDir": {}}]
SHARED = {"volumeMounts": [mounted("scratch", "/scratch")]}
LONG = 100  # Seconds of grace that no test waits for.
MEBIBYTE = 1 << 20
QUICK = {"periodSeconds": 1, "timeoutSeconds": 5}


class EndingTest(Case):
    def test_a_sleeping_guest_ends_at_once_when_its_pod_is_deleted(self):
        pod = self.pod(wasm("main", "sleep"), terminationGracePeriodSeconds=LONG).wait_ready()
        self.assertLess(pod.delete(), LONG / 4)

    def test_a_looping_guest_ends_at_once_when_its_pod_is_deleted(self):
        pod = self.pod(wasm("main", "loop", resources={"limits": {"cpu": "200m"}}),
                       terminationGracePeriodSeconds=LONG).wait_ready()
        self.assertLess(pod.delete(), LONG / 4)

    def test_a_sidecar_ends_after_the_guest_and_hears_of_it(self):
        script = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
        pod = self.pod(wasm("main", "sleep"), initContainers=[sidecar(shell("sidecar", script))],
                       terminationGracePeriodSeconds=LONG).wait_ready()
        pod.wait_logs("sidecar", "ready")
        self.assertLess(pod.delete(), LONG / 4)

    def test_a_guest_as_sidecar_ends_when_the_others_have(self):
        pod = self.pod(shell("main", "sleep 2; echo done"), terminationGracePeriodSeconds=LONG,
                       initContainers=[sidecar(wasm("sidecar", "sleep"))])
        self.assertEqual(pod.wait_ended(), "Succeeded")
        self.assertIn(pod.ended("sidecar")["exitCode"], (0, 128 + 15))

    def test_a_hook_runs_after_the_start_and_one_before_the_stop(self):
        hooks = {"postStart": execute("/copy.wasm", "/etc/hosts", "/scratch/started"),
                 "preStop": execute("/copy.wasm", "/etc/hosts", "/scratch/stopped")}
        # It is told to end when the other has ended, and says what it sees then.
        watch = "trap 'ls /scratch; exit 0' TERM; echo watching; while :; do sleep 0.1; done"
        pod = self.pod(wasm("main", "sleep", lifecycle=hooks, **SHARED), volumes=SCRATCH,
                       initContainers=[sidecar(shell("watch", watch, **SHARED))],
                       terminationGracePeriodSeconds=LONG).wait_ready()
        self.assertEqual(pod.execute("watch", "ls", "/scratch").stdout, "started\n")
        following = self.follow(pod, "watch")
        self.assertEqual(following.stdout.readline(), "watching\n")
        self.assertLess(pod.delete(), LONG / 4)
        self.assertEqual(following.communicate(timeout=20)[0], "started\nstopped\n")

    def test_a_hook_that_fails_kills_the_container_and_says_why(self):
        pod = self.pod(wasm("main", "sleep", lifecycle={"postStart": execute("/exit42.wasm")}))
        self.assertIn(pod.wait_container_ended("main")["exitCode"], (128 + 15, 128 + 9))
        self.wait_for_event(pod, "FailedPostStartHook")

    def test_hooks_run_in_a_sidecar_too(self):
        pod = self.pod(wasm("main", "sleep"), volumes=SCRATCH, initContainers=[sidecar(shell(
            "sidecar", "while :; do sleep 0.1; done", **SHARED,
            lifecycle={"postStart": execute("touch", "/scratch/started")}))]).wait_ready()
        self.assertEqual(pod.execute("sidecar", "ls", "/scratch").stdout, "started\n")

    def follow(self, pod, name):
        return subprocess.Popen(self.api.command("logs", "-f", pod.name, "-c", name), stdout=subprocess.PIPE, text=True)


    def test_a_pod_goes_at_once_by_force_and_its_processes_go_with_it(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 1000),
                       terminationGracePeriodSeconds=LONG).wait_ready()
        pids = {*pod.processes("main"), *pod.processes("native"), *pod.shims()}
        done = self.api.kubectl("delete", "pod", pod.name, "--force", "--grace-period=0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.wait_until_gone(pids)


class RestartTest(Case):
    def test_a_guest_that_crashes_is_started_again_and_again(self):
        pod = self.pod(wasm("main", "exit42"), restartPolicy="Always")
        self.wait_for_event(pod, "BackOff")
        pod.wait("two restarts", lambda: pod.restarts("main") >= 2)
        self.assertEqual(pod.ended("main")["exitCode"], 42)

    def test_a_guest_that_is_killed_is_started_again_and_its_neighbour_is_not_touched(self):
        pod = self.pod(wasm("main", "sleep"), wasm("other", "sleep"), native("native", "sleep", 1000),
                       restartPolicy="Always").wait_ready()
        before = pod.identifiers()
        pod.kill("main")
        pod.wait("main is started again", lambda: pod.restarts("main") == 1 and pod.ready())
        self.assertEqual(pod.ended("main")["exitCode"], 128 + 9)
        for name in ("other", "native"):
            self.assertEqual(pod.identifiers()[name], before[name])


class ProbeTest(Case):
    def test_a_guest_is_ready_when_its_exec_probe_says_so(self):
        probe = {**execute("/cat.wasm", "/scratch/ready"), **QUICK}
        pod = self.pod(wasm("main", "sleep", readinessProbe=probe, **SHARED),
                       native("native", "sleep", 1000, **SHARED), volumes=SCRATCH)
        self.wait_for_event(pod, "Unhealthy")
        self.assertFalse(pod.ready())
        self.assertEqual(pod.execute("native", "touch", "/scratch/ready").returncode, 0)
        pod.wait_ready()
        self.assertEqual(pod.restarts("main"), 0)

    def test_a_guest_whose_exec_probe_fails_is_started_again(self):
        pod = self.pod(wasm("main", "sleep", livenessProbe={**execute("/exit42.wasm"), **QUICK}),
                       restartPolicy="Always")
        pod.wait("a restart", lambda: pod.restarts("main") >= 1)

    def test_exec_probes_run_in_a_sidecar_too(self):
        probes = {"startupProbe": {**execute("true"), **QUICK}, "readinessProbe": {**execute("true"), **QUICK},
                  "livenessProbe": {**execute("test", "!", "-e", "/scratch/ill"), **QUICK, "failureThreshold": 1}}
        pod = self.pod(wasm("main", "sleep"), volumes=SCRATCH, restartPolicy="Always",
                       initContainers=[sidecar(native("sidecar", "sleep", 1000, **probes, **SHARED))]).wait_ready()
        before = pod.identifiers()["main"]
        pod.execute("sidecar", "touch", "/scratch/ill")
        pod.wait("the sidecar is started again", lambda: pod.restarts("sidecar") >= 1)
        self.assertEqual(pod.identifiers()["main"], before)

    def test_a_probe_that_takes_too_long_fails_and_leaves_no_process(self):
        pod = self.pod(wasm("main", "sleep", readinessProbe={**execute("/sleep.wasm"), "periodSeconds": 1,
                                                             "timeoutSeconds": 1}))
        self.wait_for_event(pod, "Unhealthy")
        self.assertTrue(pod.runs("main"))
        self.wait("at most one probe at a time", lambda: len(pod.processes("main")) <= 2, 20)

    def test_http_and_tcp_probes_reach_a_pod(self):
        probes = {"readinessProbe": {"httpGet": {"path": "/hello.wasm", "port": 8080}, **QUICK},
                  "livenessProbe": {"tcpSocket": {"port": 8080}, **QUICK}}
        web = native("web", "httpd", "-f", "-p", "8080", "-h", "/", **probes)
        pod = self.pod(wasm("main", "sleep"), initContainers=[sidecar(web)]).wait_ready()
        self.assertEqual(pod.restarts("web"), 0)


class MemoryTest(Case):
    def assert_killed_by_oom(self, pod, name):
        ended = pod.wait_container_ended(name)
        self.assertEqual((ended["reason"], ended["exitCode"]), ("OOMKilled", 128 + 9))

    def test_a_sidecar_beyond_its_memory_is_OOMKilled(self):
        pod = self.pod(wasm("main", "sleep"),
                       native("greedy", "tail", "/dev/zero", resources=limits(memory="32Mi")))
        self.assert_killed_by_oom(pod, "greedy")
        self.assertTrue(pod.runs("main"))

    def test_a_guest_beyond_its_memory_is_OOMKilled(self):
        # By files in memory, which are counted for processes: the linear memory it may not grow that far.
        pod = self.pod(wasm("greedy", "copy", "/sieve.wasm", "/memory/file", 1024 * MEBIBYTE,
                            resources=limits(memory="48Mi"), volumeMounts=[mounted("memory", "/memory")]),
                       native("main", "sleep", 1000), annotations={"io.wasmoor.isolation": "process"},
                       volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}])
        self.assert_killed_by_oom(pod, "greedy")
        self.assertTrue(pod.runs("main"))

    def test_a_guest_that_grows_is_refused_or_OOMKilled_but_never_fails_without_a_reason(self):
        pod = self.pod(wasm("main", "grow", 1024, "touch", resources=limits(memory="64Mi")))
        ended = pod.wait_container_ended("main")
        if ended["reason"] == "Completed":
            pod.wait_logs("main", "grew by")
            self.assertLess(int(re.search(r"grew by (\d+) MiB", pod.logs("main"))[1]), 64)
        else:
            self.assertEqual((ended["reason"], ended["exitCode"]), ("OOMKilled", 128 + 9))


class ResourceTest(Case):
    def test_limits_reach_the_control_group_of_a_guest(self):
        pod = self.pod(wasm("main", "sleep", resources={"limits": {"cpu": "250m", "memory": "64Mi"},
                                                        "requests": {"cpu": "100m", "memory": "32Mi"}})).wait_ready()
        self.assertEqual(pod.memory_limit("main"), 64 * MEBIBYTE)
        cpu = pod.group("main", "cpu")
        self.assertEqual(read_number(cpu / "cpu.cfs_quota_us") * 4, read_number(cpu / "cpu.cfs_period_us"))
        self.assertEqual(read_number(cpu / "cpu.shares"), 102)

    def test_it_is_resized_in_place(self):
        resources = {"limits": {"cpu": "250m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
        pod = self.pod(wasm("main", "sleep", resources=resources), native("native", "sleep", 1000, resources=resources),
                       restartPolicy="Always").wait_ready()
        before = pod.identifiers()
        wanted = {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "200m", "memory": "64Mi"}}
        self.api.patch("Pod", pod.name, {"spec": {"containers": [
            {"name": name, "resources": wanted} for name in ("main", "native")]}}, "resize")
        for name in ("main", "native"):
            pod.wait(f"{name} has the new limit", lambda name=name: pod.memory_limit(name) == 128 * MEBIBYTE, 120)
            cpu = pod.group(name, "cpu")
            pod.wait(f"the group of {name} has the new quota", lambda cpu=cpu: read_number(
                cpu / "cpu.cfs_quota_us") * 2 == read_number(cpu / "cpu.cfs_period_us"))
            self.assertEqual(read_number(cpu / "cpu.shares"), 204)
            pod.wait(f"the API tells the limits of {name}", lambda name=name: pod.container(name).get(
                "resources", {}).get("limits") == wanted["limits"], 120)
        self.assertEqual(pod.identifiers(), before)

    def test_the_kubelets_summary_has_figures_of_it(self):
        pod = self.pod(wasm("main", "loop", resources=limits(cpu="200m", memory="64Mi")),
                       native("native", "sleep", 1000, resources=limits(cpu="100m", memory="64Mi"))).wait_ready()

        def figures():
            summary = self.api.call("GET", "api/v1/nodes/node/proxy/stats/summary")
            found = [entry for entry in summary["pods"] if entry["podRef"]["name"] == pod.name]
            containers = {entry["name"]: entry for entry in found[0].get("containers", [])} if found else {}
            if len(containers) < 2 or not all(entry.get("cpu", {}).get("usageNanoCores") and entry.get("memory")
                                              for entry in (found[0], containers["main"])):
                return None
            # What the network has carried, the kubelet looks for in the pause container.
            has_network = "network" in found[0] or not self.node.kind.has_pause
            return found[0]["cpu"]["usageCoreNanoSeconds"] > 10**8 and has_network and (found[0], containers)

        whole, containers = pod.wait("figures of both containers", figures, 90)
        self.assertLess(containers["main"]["cpu"]["usageNanoCores"], 4 * 10**8)
        for name in ("main", "native"):
            memory = containers[name]["memory"]
            self.assertTrue(0 < memory["workingSetBytes"] < 64 * MEBIBYTE, memory)
            self.assertTrue(0 < memory["availableBytes"] < 64 * MEBIBYTE, memory)
        self.assertGreater(containers["main"]["cpu"]["usageCoreNanoSeconds"], 10**8)
        if self.node.kind.has_pause:
            self.assertGreater(whole["network"]["rxBytes"] + whole["network"]["txBytes"], 0)
