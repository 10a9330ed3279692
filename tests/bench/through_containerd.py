"""Shims under a real containerd: what its clients get of each. Needs root, and to be apart with a /run of its own."""

import contextlib
import json
import os
import subprocess
import sys

import shims
from measuring import Command
from workloads import Workload

NATIVE, WASM, WASM_PLATFORM = "docker.io/bench/native:1", "docker.io/bench/wasm:1", "wasi/wasm"


def import_harness(root):
    """The containerd that tests start (tests/e2e_containers/containerd)."""
    sys.path += [str(root / "tests" / "e2e_containers" / "containerd"), str(root / "tests" / "support")]
    import daemon
    import images
    return daemon, images


class Stand:
    def __init__(self, folder, player):
        self._ctr = folder / "ctr"
        self._player = player

    def _image(self, shim):
        return (WASM, WASM_PLATFORM) if shim.is_wasm else (NATIVE, "linux/amd64")

    def play(self, shim, count, parallel):
        image, platform = self._image(shim)
        words = [self._player, "client", "--namespace", shims.GROUPS, "--cgroups", shims.GROUPS, "--runtime", shim.runtime,
                 "--image", image, "--platform", platform, "--tasks", count, "--parallel", parallel,
                 "--expect", shims.GREETING]
        done = subprocess.run(list(map(str, words)), text=True, capture_output=True, check=False)
        if not done.stdout.strip():
            raise shims.ShimError(f"{shim.name}: {done.stderr.strip()}")
        report = json.loads(done.stdout.splitlines()[-1])
        if report["failed"]:
            raise shims.ShimError(f"{shim.name}: {report['failures']}")
        return report

    def ctr_run(self, shim):
        """`ctr run --rm` of a hello that is there."""
        image, platform = self._image(shim)
        return Command([self._ctr, "-n", shims.GROUPS, "run", "--rm", "--runtime", shim.runtime, "--platform", platform,
                        image, f"hello-{shim.name}"])


@contextlib.contextmanager
def serving(root, build, folder, there, scratch):
    """A containerd with both images, from the `folder` of its executables."""
    daemon, images = import_harness(root)
    os.environ["PATH"] = ":".join([*(str(shim.program.parent) for shim in there), os.environ["PATH"]])
    os.environ["WASMOOR_CACHE_DIR"] = str(scratch / "shim-modules")
    hello = scratch / "shims-root" / "bin" / "hello"
    archives = [scratch / "native.tar", scratch / "wasm.tar"]
    images.write(archives[0], NATIVE, "linux/amd64", {"bin/hello": hello}, ["/bin/hello"])
    images.write(archives[1], WASM, WASM_PLATFORM, {"hello.wasm": build / "guests" / "hello.wasm"}, ["/hello.wasm"])
    with daemon.Containerd(folder, scratch / "containerd", shims.GROUPS, "runc") as server:
        for archive in archives:
            server.import_image(archive)
        yield Stand(folder, build / "bench" / "player")


def tasks(stand, there, sizes, table, say):
    for parallel, count in sizes.tasks.items():
        if parallel > 8:
            continue
        workload = f"containerd-tasks-{parallel}"
        say(f"containerd: {workload}")

        def sample(shim, _turn, workload=workload, parallel=parallel, count=count):
            shims.add_report(table, workload, shim, stand.play(shim, count, parallel))

        shims.in_turn(there, sizes.rounds, sample, say)


def ctr_runs(stand, there, sizes):
    return Workload("ctr-run", {shim.name: stand.ctr_run(shim) for shim in there}, 4 * sizes.rounds + 1)
