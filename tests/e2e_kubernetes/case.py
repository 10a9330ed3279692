"""What cases are made of: a pod that one can ask and wait for, and a test case that says what it saw."""

import json
import os
import pathlib
import re
import signal
import time
import unittest

import api
import cluster
import cri
import node as node_module
import pods
import ttrpc
from programs import wait_for
from wire import decode

LINE = 800  # Characters of what is shown of a failure.
TASKS = pathlib.Path("/run/containerd/io.containerd.runtime.v2.task/k8s.io")  # A folder for each.
PATIENCE = 60  # Seconds, on a busy machine, for what takes the kubelet two.


class Pod:
    """One of the cluster, by name."""

    def __init__(self, node, name):
        self.node = node
        self.name = name

    def seen(self):
        return self.node.api.get("Pod", self.name)

    def status(self):
        return (self.seen() or {}).get("status", {})

    def phase(self):
        return self.status().get("phase", "")

    def uid(self):
        return self.seen()["metadata"]["uid"]

    def address(self):
        return self.status()["podIP"]

    def container(self, name):
        """Its status; empty if there is none yet."""
        status = self.status()
        for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            for found in status.get(kind, []):
                if found["name"] == name:
                    return found
        return {}

    def identifier(self, name):
        """containerd's, of a container."""
        return self.container(name).get("containerID", "").rpartition("/")[2]

    def identifiers(self):
        status = self.status()
        return {found["name"]: (found["containerID"], found["restartCount"])
                for kind in ("containerStatuses", "initContainerStatuses") for found in status.get(kind, [])}

    def restarts(self, name):
        return self.container(name).get("restartCount", 0)

    def ended(self, name):
        """How a container ended, the last time; None if it has not."""
        found = self.container(name)
        return found.get("state", {}).get("terminated") or found.get("lastState", {}).get("terminated")

    def runs(self, name):
        return "running" in self.container(name).get("state", {})

    def ready(self):
        return any(c["type"] == "Ready" and c["status"] == "True" for c in self.status().get("conditions", []))

    def wait(self, what, condition, seconds=PATIENCE):
        return wait_for(f"pod {self.name}: {what}", condition, seconds, self.node.cluster.programs.values(), pause=0.2)

    def wait_ready(self):
        self.wait("ready", self.ready)
        return self

    def wait_ended(self):
        """Its phase: Succeeded or Failed."""
        return self.wait("ended", lambda: self.phase() in ("Succeeded", "Failed") and self.phase())

    def wait_container_ended(self, name):
        return self.wait(f"container {name} has ended", lambda: self.ended(name))

    def wait_running(self, name):
        self.wait(f"container {name} runs", lambda: self.runs(name))
        return self

    def logs(self, name, *options):
        done = self.node.api.kubectl("logs", self.name, "-c", name, *options)
        if done.returncode != 0:
            raise AssertionError(f"kubectl logs {self.name} -c {name}: {done.stderr}")
        return done.stdout

    def wait_logs(self, name, pattern):
        """Once they have it: a line may come a moment after the container's end."""
        return self.wait(f"{pattern!r} in the logs of {name}", lambda: re.search(pattern, self.logs(name)))

    def execute(self, name, *command, typed=None, options=()):
        """What `kubectl exec` does."""
        return self.node.api.kubectl("exec", self.name, "-c", name, *options, "--", *command, typed=typed)

    def delete(self, grace=None):
        """Seconds until it is gone."""
        before = time.monotonic()
        self.node.api.delete("Pod", self.name, grace)
        self.wait("gone", lambda: self.seen() is None, PATIENCE * 2)
        return time.monotonic() - before

    def groups(self, name, controller="memory"):
        """The control group of a container, or of the whole pod if `name` is empty; a list of one."""
        ending = self.identifier(name) if name else f"pod{self.uid()}"
        # Others come and go meanwhile, which os.walk bears.
        top = cluster.CGROUPS / controller / self.node.cgroup
        return [pathlib.Path(path) for path, _, _ in os.walk(top) if path.endswith(f"/{ending}")]

    def group(self, name, controller="memory"):
        found = self.groups(name, controller)
        if len(found) != 1:
            raise AssertionError(f"pod {self.name}: container '{name}' has {len(found)} groups of {controller}")
        return found[0]

    def processes(self, name):
        """Pids in a container's group; of a guest that is threads, their numbers."""
        in_threads = self.is_threads(name)
        group = self.group(name, "cpu") if in_threads else self.group(name)
        return [int(pid) for pid in (group / ("tasks" if in_threads else "cgroup.procs")).read_text().split()]

    def first_process(self, name):
        """The container's own: those of probes come later and go."""
        return min(self.processes(name))

    def is_threads(self, name):
        """Whether a container has only the groups that threads can have."""
        return self.node.kind.has_daemon and not self.groups(name)

    def memory_limit(self, name):
        """Of a container, as its runtime measures it."""
        told = self.node.containerd.ctr("tasks", "metrics", self.identifier(name))
        return int(re.search(r"(?m)^memory\.limit_in_bytes\s+(\d+)", told)[1])

    def kill(self, name):
        """Ends a container's program as somebody beside Kubernetes does, with SIGKILL; also while containerd is away."""
        task = self.identifier(name)
        bootstrap = json.loads((TASKS / task / "bootstrap.json").read_text())
        with ttrpc.Client(bootstrap["address"]) as client:
            client.call("containerd.task.v3.Task", "Kill", {1: task, 3: signal.SIGKILL})

    def shims(self):
        """Pids of the shims that serve it: its sandbox or a container of it stands in their command lines."""
        known = [self.sandbox(), *(identifier.rpartition("/")[2] for identifier, _ in self.identifiers().values())]
        return [pid for pid, words in node_module.processes().items()
                if node_module.SHIM_NAME in words.split(" ")[0] and any(one in words for one in known if one)]

    def sandbox(self):
        """containerd's identifier of the pod."""
        runtime = cri.Runtime("/run/containerd/containerd.sock")
        try:
            found = runtime.call("ListPodSandbox", {1: {3: {1: "io.kubernetes.pod.uid", 2: self.uid()}}})
        finally:
            runtime.close()
        return decode(found[1])[1].decode() if 1 in found else ""


class Case(unittest.TestCase):
    """The tests of a class may run at once with those of others, unless ALONE: then nothing else runs."""

    ALONE = False
    node = None  # The node.Node of this run.

    def setUp(self):
        self._made = []

    @property
    def api(self):
        return self.node.api

    def wait_until_gone(self, pids):
        """Of processes and threads."""
        self.wait("nothing of it runs", lambda: not [pid for pid in pids if node_module.is_alive(pid)], 20)

    def name(self, ending=""):
        """For an object of this test."""
        words = self.id().rpartition(".test_")[2].replace("_", "-").lower()
        return words[:40].strip("-") + (f"-{ending}" if ending else "")

    def make(self, item):
        self._made.append((item["kind"], item["metadata"]["name"]))
        self.addCleanup(self.api.delete, item["kind"], item["metadata"]["name"])
        self.api.create(item)
        return item["metadata"]["name"]

    def pod(self, *containers, ending="", **more):
        return Pod(self.node, self.make(pods.pod(self.name(ending), *containers, **more)))

    def pods_of(self, selector):
        return [Pod(self.node, item["metadata"]["name"]) for item in self.api.list("Pod", selector)]

    def wait(self, what, condition, seconds=PATIENCE):
        return wait_for(what, condition, seconds, self.node.cluster.programs.values(), pause=0.2)

    def wait_for_start_error(self, pod, word):
        """What `kubectl describe` says, once it tells why a container has not started, with `word`."""
        pod.wait("it cannot start", lambda: pod.container("main").get("state", {}).get("terminated", {}).get("reason")
                 == "StartError")
        return self.wait(f"'{word}' in what kubectl describes", lambda: word in (
            described := self.api.kubectl("describe", "pod", pod.name).stdout) and described)

    def wait_for_event(self, pod, word):
        pod.wait(f"an event with '{word}'", lambda: any(word in event for event in self.api.events(pod.name)))

    def what_it_saw(self):
        """Of the pods of this test, for whoever reads that it failed."""
        names = [name for kind, name in self._made if kind == "Pod"]
        others = [name for kind, name in self._made if kind in ("Deployment", "Job", "StatefulSet")]
        try:
            names += [item["metadata"]["name"] for item in self.api.list("Pod")
                      if any(item["metadata"]["name"].startswith(f"{other}-") for other in others)][:3]
            return "\n".join(self._describe(Pod(self.node, name)) for name in names)
        except (api.Refused, OSError) as error:
            return f"(cannot ask the API server: {error})"

    @staticmethod
    def _describe(pod):
        status = pod.status()
        out = [f"  pod {pod.name}: {status.get('phase', 'gone')} {status.get('reason', '')}"]
        for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
            for found in status.get(kind, []):
                out.append(f"    {found['name']}: now {found['state']}, before {found.get('lastState')}, "
                           f"{found['restartCount']} restarts")
                done = pod.node.api.kubectl("logs", pod.name, "-c", found["name"], "--tail", 5)
                out += [f"      | {line}" for line in (done.stdout or done.stderr).splitlines()]
        told = [re.sub(r"[0-9a-f]{64}", "ID", event) for event in pod.node.api.events(pod.name)]
        out += [f"    event {event}" for event in list(dict.fromkeys(told))[-6:]]
        return "\n".join(line[:LINE] for line in out)


def read_number(path):
    return int(pathlib.Path(path).read_text())
