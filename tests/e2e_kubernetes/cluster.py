"""A Kubernetes of one node: etcd, the control plane and a kubelet over a containerd, all of them on this machine.

Everything listens in the network namespace of whoever starts it, on ADDRESS or on the loopback. There is no proxy, no
name server and no way out of it.
"""

import json
import os
import pathlib
import secrets
import subprocess

import api
from programs import Program, wait_for

NODE = "node"
ADDRESS = "192.168.77.1"
PODS = "10.99.0.0/24"
CNI_PLUGINS = pathlib.Path("/usr/lib/cni")  # Debian's containernetworking-plugins.
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio", "systemd")
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def make_network():
    """What a node has: a loopback and an address. Pods get a bridge of their own."""
    for words in (["link", "set", "lo", "up"], ["link", "add", "node0", "type", "bridge"],
                  ["addr", "add", f"{ADDRESS}/24", "dev", "node0"], ["link", "set", "node0", "up"]):
        subprocess.run(["ip", *words], check=True)


def make_cgroup(name):
    """A group above everything that the kubelet makes. It has to be there in every hierarchy."""
    for controller in CONTROLLERS:
        if (CGROUPS / controller).is_dir():
            (CGROUPS / controller / name).mkdir(exist_ok=True)
    for setting in ("cpuset.cpus", "cpuset.mems"):  # A group of cpuset begins with none, cpuset(7).
        there = CGROUPS / "cpuset" / setting
        if there.exists():
            (CGROUPS / "cpuset" / name / setting).write_text(there.read_text())


def write_cni(folder):
    folder.mkdir(parents=True)
    (folder / "10-pods.conflist").write_text(json.dumps({
        "cniVersion": "0.4.0", "name": "pods", "plugins": [{
            "type": "bridge", "bridge": "pods0", "isGateway": True, "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}))


class Cluster:
    """`binaries` is the folder of tools/fetch-kubernetes, `scratch` a folder for keys, data and logs, `cgroup` the
    name of a group that is there. Used as a context manager, over a containerd that runs."""

    def __init__(self, binaries, scratch, cgroup):
        self._binaries = binaries
        self._scratch = scratch
        self._cgroup = cgroup
        self._token = secrets.token_hex(16)
        self.url = f"https://{ADDRESS}:6443"
        self.programs = {}
        self._kubeconfig = scratch / "kubeconfig"
        self.api = api.Api(self.url, self._token, binaries / "kubectl", self._kubeconfig)

    def __enter__(self):
        try:
            self._write_files()
            self._start_control_plane()
            self.kubelet = self._start("kubelet", "kubelet", "--config", self._kubelet_settings(), "--kubeconfig",
                                       self._kubeconfig, "--hostname-override", NODE, "--node-ip", ADDRESS,
                                       "--root-dir", self._scratch / "kubelet")
            wait_for("the node is ready", self._is_ready, 120, self.programs.values())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for program in reversed(self.programs.values()):
            program.stop()

    def _start(self, name, *command):
        program = Program([self._binaries / command[0], *command[1:]], self._scratch / f"{name}.log")
        self.programs[name] = program.start()
        return program

    def _write_files(self):
        self._scratch.mkdir()
        subprocess.run(["openssl", "genrsa", "-out", self._scratch / "accounts.key", "2048"], check=True,
                       capture_output=True)
        (self._scratch / "tokens").write_text(f'{self._token},everyone,1,"system:masters"\n')
        self._kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "everyone", "user": {"token": self._token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "everyone"}}]}))

    def _start_control_plane(self):
        key = self._scratch / "accounts.key"
        certificates = self._scratch / "certificates"
        self._start("etcd", "etcd", "--data-dir", self._scratch / "etcd", "--unsafe-no-fsync", "--log-level", "warn")
        self._start(
            "apiserver", "kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379", "--secure-port", "6443",
            "--advertise-address", ADDRESS, "--cert-dir", certificates, "--service-cluster-ip-range", "10.97.0.0/24",
            "--token-auth-file", self._scratch / "tokens", "--authorization-mode", "AlwaysAllow",
            "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
            "--service-account-signing-key-file", key, "--allow-privileged", "--endpoint-reconciler-type", "none",
            # By the node's name it would ask a name server, for kubectl logs and exec.
            "--kubelet-preferred-address-types", "InternalIP")
        wait_for("the API server is ready", self._answers, 120, self.programs.values())
        self._start("controllers", "kube-controller-manager", "--kubeconfig", self._kubeconfig,
                    "--service-account-private-key-file", key, "--root-ca-file", certificates / "apiserver.crt",
                    "--leader-elect=false")
        self._start("scheduler", "kube-scheduler", "--kubeconfig", self._kubeconfig, "--leader-elect=false")

    def _kubelet_settings(self):
        path = self._scratch / "kubelet.json"
        path.write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self._cgroup}", "failCgroupV1": False,
            "failSwapOn": False, "makeIPTablesUtilChains": False, "resolvConf": "", "oomScoreAdj": 0,
            # The disk is memory here, and its figures are no reason to evict anyone.
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%",
                             "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100,
            # Less than its usual minutes, as tests wait for restarts; more than it takes to look again.
            "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
            "eventRecordQPS": 200, "eventBurst": 400, "kubeAPIQPS": 200, "kubeAPIBurst": 400,
        }))
        return path

    def _answers(self):
        try:
            return self.api.call("GET", "readyz") == "ok" and self.api.get("Node", NODE) is None
        except api.Refused:
            return False

    def _is_ready(self):
        node = self.api.get("Node", NODE) or {}
        ready = [c["status"] for c in node.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
        return ready == ["True"]

    def allocatable(self):
        return self.api.get("Node", NODE)["status"]["allocatable"]

    def logs(self):
        """Of all programs: {name: path}."""
        return {name: program.log for name, program in self.programs.items()}


def require_tools():
    """What is missing on this machine, or an empty text."""
    if os.geteuid() != 0:
        return "it needs root"
    if not (CNI_PLUGINS / "bridge").exists():
        return "no CNI plugins are installed; Debian's package is called containernetworking-plugins"
    return ""
