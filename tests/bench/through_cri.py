"""Pods by containerd's Kubernetes interface: with a pause container under shims, with none where the daemon is
containerd's sandbox controller. Needs root, and to be apart with a /run of its own."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import contest
import shims
import through_containerd

NAMESPACE = "k8s.io"
PAUSE = "docker.io/bench/pause:1"
SOCKET = "/run/containerd/containerd.sock"
CONTROLLER = "/run/wasmoor/wasmtimed/controller.sock"
CONFIG = f"""version = 3
[proxy_plugins.wasm]
  type = 'sandbox'
  address = '{CONTROLLER}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE}'
"""
PYTHONS = [sys.executable, "/usr/bin/python3"]  # Debian's own has the gRPC that it packages.


@dataclasses.dataclass(frozen=True)
class Handler:
    """How containerd is told to hold pods."""

    name: str
    shim: shims.Shim
    sandboxer: str = "podsandbox"

    def config(self):
        return (f"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{self.name}]\n"
                f"  runtime_type = '{self.shim.runtime}'\n  sandboxer = '{self.sandboxer}'\n")


def handlers(there):
    """The one that a goal is about has the shim's name."""
    for shim in there:
        if shim.manager:
            yield Handler(shim.name, shim, "wasm")
            yield Handler(f"{shim.name}-by-shim", shim)
        else:
            yield Handler(shim.name, shim)
            if shim.name in contest.OURS:
                yield Handler(f"{shim.name}-without-pause", shim, "shim")


class Client:
    def __init__(self, process):
        self._process = process
        self._made = 0

    def start(self, handler):
        """Nanoseconds until a pod's one container runs."""
        self._made += 1
        image = through_containerd.WASM if handler.shim.is_wasm else through_containerd.NATIVE
        words = [f"pod-{self._made}", handler.name, image, handler.shim.words("sleep")]
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the client has ended"}')
        if not isinstance(answer, int):
            raise shims.ShimError(f"{handler.name}: {answer['error']}")
        return answer


def _python():
    """One that has gRPC, or None."""
    return next((one for one in PYTHONS if subprocess.run(
        [one, "-c", "import grpc"], stderr=subprocess.DEVNULL, check=False).returncode == 0), None)


@contextlib.contextmanager
def serving(root, build, folder, all_of_them, scratch):
    """A client of a containerd that knows the handlers; None where there is no gRPC for it. The daemon serves."""
    python = _python()
    if python is None:
        yield None
        return
    daemon, images = through_containerd.import_harness(root)
    os.environ["PATH"] = ":".join([*(str(one.shim.program.parent) for one in all_of_them), os.environ["PATH"]])
    os.environ["WASMOOR_CACHE_DIR"] = str(scratch / "shim-modules")
    files = {"bin/busybox": pathlib.Path("/bin/busybox")}
    links = [("bin/sleep", "busybox")]
    guests = {f"{name}.wasm": build / "guests" / f"{name}.wasm" for name in ("hello", "sleep")}
    archives = {PAUSE: ("linux/amd64", files, ["/bin/sleep", "100000"], links),
                through_containerd.NATIVE: ("linux/amd64", files, ["/bin/sleep", "100000"], links),
                through_containerd.WASM: (through_containerd.WASM_PLATFORM, guests, ["/sleep.wasm"], [])}
    config = CONFIG + "".join(one.config() for one in all_of_them)
    harness = root / "tests" / "e2e_containers" / "containerd"
    with daemon.Containerd(folder, scratch / "containerd-pods", NAMESPACE, "runc", config) as server:
        for number, (name, (platform, content, entry, symlinks)) in enumerate(archives.items()):
            archive = scratch / f"pods-{number}.tar"
            images.write(archive, name, platform, content, entry, symlinks)
            server.import_image(archive)
        with subprocess.Popen([python, "-B", pathlib.Path(__file__).with_name("pod_client.py"), harness, SOCKET,
                               scratch / "pod-logs", f"/{shims.GROUPS}"], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            yield Client(process)
            process.stdin.close()


def pods(client, all_of_them, sizes, table, say):
    if client is None:
        say("node: no Python with gRPC (Debian's python3-grpcio): pods by containerd are not measured")
        return
    say("node: pods by containerd")
    # The first of each has an image to unpack and a module to compile.
    shims.in_turn(all_of_them, 1, lambda handler, _: client.start(handler), say)
    shims.in_turn(all_of_them, sizes.pods, lambda handler, _: table.add(
        "cri-pod", handler.name, "wall", client.start(handler)), say)
