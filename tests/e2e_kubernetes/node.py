"""The node on which the cases meet Kubernetes: namespaces, containerd, images, cluster, and what is left at the end."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"),
                *(str(ROOT / "tests" / "e2e_containers" / name) for name in ("containerd", "shim"))]

import apart  # noqa: E402
import daemon  # noqa: E402

import cluster  # noqa: E402
import node_images  # noqa: E402
import runtimes  # noqa: E402
from programs import Program, wait_for  # noqa: E402

SHIM_NAME = "containerd-shim-"
EMPTIED = ("/run", "/var/lib", "/var/log")  # Where programs of the node write that take no other place.
PEER = "runc"  # The runtime that ours is held against.

CONTAINERD = """version = 3
[plugins.'io.containerd.cri.v1.runtime']
  # For what is safer from OOM kills than containerd itself CAP_SYS_RESOURCE may be missing.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{plugins}']
  conf_dir = '{networks}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
"""


def be_apart():
    """Becomes a program in namespaces of its own, below a first process that reaps what others leave."""
    if apart.APART not in os.environ:
        os.environ[apart.APART] = "1"
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        words = apart.command("catatonit", "--", sys.executable, *sys.argv)
        os.execvp("unshare", ["unshare", "--net", "--ipc", "--uts", *words])


@dataclasses.dataclass
class Node:
    """What cases see of it. Its cgroup is above all pods."""

    build: pathlib.Path
    kind: runtimes.Kind
    scratch: pathlib.Path
    cgroup: str
    containerd: daemon.Containerd
    cluster: cluster.Cluster
    daemon: Program | None  # Of guests that are threads, if they are.

    @property
    def api(self):
        return self.cluster.api

    def restart_containerd(self, by=signal.SIGTERM):
        self.containerd.stop_daemon(by)
        self.containerd.start_daemon()

    def restart_daemon(self, by=signal.SIGKILL):
        self.daemon.stop(by)
        start_daemon(self.daemon)

    def handlers(self):
        return list(self.kind.handlers)


def start_daemon(program):
    program.start()
    served = (runtimes.MANAGER, runtimes.CONTROLLER)
    wait_for("the node's daemon serves", lambda: all(answers(path) for path in served), 30, [program])


def answers(path):
    """Whether anybody listens at a socket, which may be left of one who does no more."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(path) == 0


@contextlib.contextmanager
def running_daemon(build, kind, scratch):
    """The program, or None if pods of this kind need none."""
    if not kind.has_daemon:
        yield None
        return
    program = Program([build / "bin" / "containerd-wasmtimed"], scratch / "wasmtimed.log")
    try:
        start_daemon(program)
        yield program
    finally:
        program.stop()


@contextlib.contextmanager
def running(build, kind, kubernetes, containerd_folder, scratch, cgroup):
    """A Node, ready for pods."""
    apart.mount_memory(*EMPTIED)
    cluster.make_network()
    cluster.make_cgroup(cgroup)
    networks = scratch / "networks"
    cluster.write_cni(networks)
    config = (CONTAINERD + kind.tables).format(plugins=cluster.CNI_PLUGINS, networks=networks,
                                                 pause=node_images.PAUSE, binaries=build / "bin")
    # containerd finds the shim there, and the shim has a cache of modules that is empty at first.
    os.environ["PATH"] = f"{build / 'bin'}:{os.environ['PATH']}"
    os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
    with running_daemon(build, kind, scratch) as threads, daemon.Containerd(
            containerd_folder, scratch / "containerd", "k8s.io", build / "bin" / "wasmoor-runtime",
            config) as containerd:
        archives = [*node_images.make(scratch, build / "guests"), build / "images" / "wasmtest.tar"]
        if kind.is_ours:
            archives += node_images.make_artifacts(scratch, build)
        for archive in archives:
            containerd.import_image(archive)
        with cluster.Cluster(kubernetes, scratch / "cluster", cgroup) as started:
            node = Node(build, kind, scratch, cgroup, containerd, started, threads)
            for name in [*node.handlers(), PEER]:
                started.api.create({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
                                    "metadata": {"name": name}, "handler": name})
            wait_for("the default service account is there",
                     lambda: started.api.call("GET", "api/v1/namespaces/default/serviceaccounts")["items"], 60)
            yield node


def processes():
    """Those that are here: {pid: command line}; without what has ended and is not reaped."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # It may have ended meanwhile.
                words = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found[int(entry.name)] = words or (entry / "comm").read_text().strip()
    return found


def is_alive(pid):
    """A process or a thread, which no list of processes has."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for_quiet(node, before):
    """Gives what has been told to end a moment for it, and the shim's compilers time to end by themselves."""
    with contextlib.suppress(AssertionError):
        wait_for("only what was there is there", lambda: set(processes()) <= {*before, node.containerd.pid}, 60)


def pss(pid):
    """Bytes of memory, what is shared taken in proportion."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def links():
    """Names of the network's ends of pods."""
    done = subprocess.run(["ip", "-o", "link", "show", "type", "veth"], capture_output=True, text=True, check=True)
    return [line.split()[1] for line in done.stdout.splitlines()]


def left_on_the_node(node, before, mounts_before):
    """Once all pods are deleted and containerd has forgotten them; `before` are the pids that may stay."""
    left = [f"process: {words}" for pid, words in processes().items() if pid not in {*before, node.containerd.pid}]
    left += [f"mount: {point}" for point in apart.mount_points() if point not in mounts_before]
    left += [f"network namespace: {path}" for path in pathlib.Path("/run/netns").glob("*")]
    left += [f"network link: {name}" for name in links()]
    # containerd's own shim leaves its socket where it is killed.
    sockets = ["containerd/s/*"] if node.kind.is_ours else []
    for pattern in ("containerd/io.containerd.runtime.v2.task/*/*", "containerd/runc/*/[!.]*", "containerd/fifo/*",
                    "containerd/io.containerd.grpc.v1.cri/*/*", "wasmoor/containerd/*/[!.]*",
                    "wasmoor/wasmtimed/sandboxes/*/*", *sockets):
        left += [f"state: {path}" for path in pathlib.Path("/run").glob(pattern)]
    return left


def groups_left(cgroup):
    """Groups of containers and pods. Those of the kubelet's own classes stay; all are removed."""
    return [f"control group: {path}" for path in apart.remove_groups([cgroup])
            if path.name not in (cgroup, "kubepods", "besteffort", "burstable")]
