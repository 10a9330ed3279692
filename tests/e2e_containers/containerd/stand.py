"""The stand on which tests meet a containerd of their own: images, namespaces, and what is left at the end."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(HERE)]

import apart  # noqa: E402
import daemon  # noqa: E402
import images  # noqa: E402

# Names in the form that pods know, and a platform if it is not this machine's.
NATIVE, WASM = "docker.io/test/busybox:1", "docker.io/test/guests:1@wasi/wasm"
PAUSE = "docker.io/test/pause:1"
APPLETS = ("cat", "echo", "false", "sh", "sleep", "tail", "true", "tty")
GUESTS = ("args", "exit42", "grow", "hello", "loop", "sleep", "terminal", "trap")

VERSION = {"debian": 2, "current": 3}  # Of the format of a containerd's configuration.
# What a configuration needs besides, on a machine for tests: an image for pods that is there, and no process made
# safer from OOM kills than containerd itself is, for which CAP_SYS_RESOURCE may be missing.
FOR_PODS = {
    "debian": f"""
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
""",
    "current": f"""
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE}'
"""}


@dataclasses.dataclass(frozen=True)
class Stand:
    """Of one run: `containerd`, `which` it is, serves; `cgroup` is above all containers; `scratch` goes at the end."""

    which: str
    containerd: daemon.Containerd
    guests: pathlib.Path
    scratch: pathlib.Path
    cgroup: str


here = None  # The one of this run.


def containerd():
    return here.containerd


def cannot_run(why):
    print(f"cannot test containerd here: {why}", file=sys.stderr)
    sys.exit(77)


def find_containerd(which):
    if which == "debian":
        there = shutil.which("containerd")
        if not there:
            cannot_run("no containerd is installed; Debian's package is called containerd")
        return pathlib.Path(there).parent
    done = subprocess.run([ROOT / "tools" / "fetch-containerd"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        cannot_run("tools/fetch-containerd cannot build it, the reason stands above")
    return pathlib.Path(done.stdout.strip())


def make_images(scratch, guests):
    """Archives."""
    busybox = shutil.which("busybox")
    if not busybox:
        cannot_run("no busybox is installed; Debian's package is called busybox-static")
    links = [(f"bin/{name}", "busybox") for name in APPLETS]
    made = []
    for name, entrypoint in ((NATIVE, ["/bin/sh"]), (PAUSE, ["/bin/sleep", "100000"])):
        made.append(scratch / f"{len(made)}.tar")
        images.write(made[-1], name, "linux/amd64", {"bin/busybox": busybox}, entrypoint, links)
    if guests:
        name, _, platform = WASM.partition("@")
        made.append(scratch / "wasm.tar")
        images.write(made[-1], name, platform, {f"{guest}.wasm": guests / f"{guest}.wasm" for guest in GUESTS},
                     ["/hello.wasm"])
    return made


def what_is_left(cgroup, before):
    """After all containers are removed and containerd is stopped."""
    left = [f"process: {words}" for words in apart.processes_left()]
    left += [f"mount: {point}" for point in apart.mount_points() if point not in before]
    # The group itself is above the containers': whoever comes first makes it, and it stays.
    left += [f"control group: {path}" for path in apart.remove_groups([cgroup]) if path.name != cgroup]
    # No container's name begins with a dot: that is a cache.
    left += [f"state: {path}" for pattern in (
        "containerd/runc/*/[!.]*", "containerd/s/*", "containerd/io.containerd.runtime.v2.task/*/*",
        "wasmoor/containerd/*/[!.]*", "wasmoor/wasmtimed/s/*", "wasmoor/wasmtimed/sandboxes/*/*",
        "wasmoor/wasmtimed/*.sock", "io.containerd.wasmwasi.v1/*") for path in pathlib.Path("/run").glob(pattern)]
    return left


def main(usage, namespace="", config=None, shim=None):
    """Runs the tests of the main module, in the `namespace` of a containerd. `config` makes its configuration, of
    which containerd it is and the path of the runtime, which is the executable of `shim`, if that is given."""
    global here
    if len(sys.argv) < 4:
        sys.exit(usage)
    which, runtime = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    guests = None if sys.argv[3] == "-" else pathlib.Path(sys.argv[3]).resolve()
    if os.geteuid() != 0:
        cannot_run("it needs root")
    apart.be_apart()
    folder = find_containerd(which)
    # One of this build's own, by which a later run finds what one that was cut off has left.
    cgroup = f"wasmoor-{pathlib.Path(sys.argv[0]).stem}-{which}-{os.stat(runtime.parent).st_ino}"
    apart.remove_groups([cgroup])
    with tempfile.TemporaryDirectory(prefix="wasmoor-containerd-") as scratch:
        scratch = pathlib.Path(scratch)
        apart.mount_memory("/run", scratch)
        before = apart.mount_points()
        with daemon.Containerd(folder, scratch, namespace or cgroup, runtime,
                               config(which, runtime) if config else daemon.NO_CRI, shim) as containerd:
            for image in make_images(scratch, guests):
                containerd.import_image(image)
            here = Stand(which, containerd, guests, scratch, cgroup)
            result = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], exit=False).result
        left = what_is_left(cgroup, before)
        subprocess.run(["umount", scratch], check=True)
    print("\n".join(left), file=sys.stderr)
    sys.exit(0 if result.wasSuccessful() and not left else 1)
