"""The stand on which tests meet podman and buildah of this machine: a user, images, and what is left at the end."""

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "support"), str(HERE)]

import apart  # noqa: E402
import client  # noqa: E402

NATIVE, WASM = "localhost/busybox:1", "localhost/guests:1"
GUESTS = ("args", "cat", "exit42", "grow", "hello", "list", "loop", "sleep", "terminal", "trap")
PROGRAMS = ("podman", "buildah", "conmon", "busybox", "newuidmap")
# Whoever it is that has no rights: only in an /etc that only these tests see.
USER, ID, FIRST_SUBORDINATE, SUBORDINATES = "wasmoor-podman", 64017, 2_100_000_000, 65536

OTHERS_CGROUP = "libpod_parent"  # Above the containers of everybody on this machine.

NATIVE_FILE = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "mkdir", "-p", "/tmp", "/etc"]
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENV PATH=/bin
CMD ["/bin/sh"]
"""
WASM_FILE = """FROM scratch
COPY *.wasm /
ENTRYPOINT ["/hello.wasm"]
"""


@dataclasses.dataclass(frozen=True)
class Stand:
    """Of one run: `client` calls podman and buildah, `runtime` and `guests` are where it may read them."""

    client: client.Client
    runtime: pathlib.Path
    guests: pathlib.Path
    build: pathlib.Path  # What CMake calls so: the runtime's.
    scratch: pathlib.Path


here = None  # The one of this run.


def cannot_run(why):
    print(f"cannot test podman here: {why}", file=sys.stderr)
    sys.exit(77)


@contextlib.contextmanager
def private_system(scratch):
    """What this process and those it starts write to `scratch` and where podman keeps things ends here."""
    mounted = [scratch]
    apart.mount_memory("/run", "/dev/shm", scratch)
    os.chmod("/dev/shm", 0o1777)
    for folder in ("/etc", "/var"):
        upper, work = (scratch / f"{kind}-{folder[1:]}" for kind in ("changed", "work"))
        upper.mkdir()
        work.mkdir()
        subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}",
                        "overlay", folder], check=True)
        mounted.append(folder)
    try:
        yield
    finally:
        for folder in reversed(mounted):
            subprocess.run(["umount", "--lazy", folder], check=True)


def make_user():
    with open("/etc/passwd", "a") as passwd, open("/etc/group", "a") as group:
        passwd.write(f"{USER}:x:{ID}:{ID}::/nonexistent:/bin/false\n")
        group.write(f"{USER}:x:{ID}:\n")
    for name in ("subuid", "subgid"):
        pathlib.Path("/etc", name).write_text(f"{USER}:{FIRST_SUBORDINATE}:{SUBORDINATES}\n")
    return pwd.getpwnam(USER)


def copy_for_all(sources, folder):
    """Where everybody may read them, whoever owns the build."""
    folder.mkdir()
    for source in sources:
        shutil.copy(source, folder)
    return folder


def install(folder):
    """What this build would install there for podman."""
    subprocess.run(["cmake", "--install", here.build / "deploy", "--prefix", folder], check=True,
                   stdout=subprocess.DEVNULL)
    copy_for_all([here.runtime], folder / "bin")
    return folder


def make_images(podman, scratch, guests):
    native = copy_for_all([shutil.which("busybox")], scratch / "native")
    (native / "Containerfile").write_text(NATIVE_FILE)
    podman.do("buildah", "build", "--quiet", "--runtime", podman.runtime, "--network", "none", "--tag", NATIVE, native)
    wasm = copy_for_all([guests / f"{name}.wasm" for name in GUESTS], scratch / "wasm")
    (wasm / "Containerfile").write_text(WASM_FILE)
    podman.do("build", "--quiet", "--platform", "wasi/wasm", "--tag", WASM, wasm)
    return wasm


def what_is_left(before, cgroup, client_folder):
    left = [f"process: {words}" for words in apart.processes_left()]
    # Some podmans make their storage a mount.
    storage = str(pathlib.Path(client_folder, "root", "overlay"))
    left += [f"mount: {point}" for point in apart.mount_points() if point not in before and point != storage]
    # What is above the containers' is podman's. It leaves its own behind, and pods' where it knows no hierarchy.
    left += [f"control group: {path}" for path in apart.remove_groups([cgroup]) if path.name.startswith("libpod-")]
    states = [*pathlib.Path("/run/wasmoor").glob("[!.]*"), *(client_folder / "runtime/wasmoor").glob("[!.]*")]
    return left + [f"state: {path}" for path in states]


def run_tests(scratch, who, runtime, guests, cgroup):
    """Those of the main module. Whether they passed, and what they left behind."""
    global here
    user = make_user() if who == "user" else None
    before, groups_before = apart.mount_points(), apart.groups([OTHERS_CGROUP])
    folder = scratch / "home"
    folder.mkdir()
    copied = copy_for_all([runtime], scratch / "bin") / runtime.name
    podman = client.Client(folder, copied, user, cgroup)
    here = Stand(podman, copied, make_images(podman, scratch, guests), runtime.parent.parent, scratch)
    result = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], exit=False).result
    podman.remove_all()
    left = what_is_left(before, cgroup, folder)
    # Of podman where it is told nothing: whatever else there was stays.
    for path in reversed(apart.groups([OTHERS_CGROUP])):
        if path not in groups_before:
            path.rmdir()
    return result.wasSuccessful(), left


def main(usage):
    if len(sys.argv) < 4 or sys.argv[1] not in ("root", "user"):
        sys.exit(usage)
    who, runtime, guests = sys.argv[1], *(pathlib.Path(path).resolve() for path in sys.argv[2:4])
    if os.geteuid() != 0:
        cannot_run("it needs root")
    for program in PROGRAMS:
        if not shutil.which(program):
            cannot_run(f"there is no {program}; see tools/install-dependencies")
    apart.be_apart()
    # One of this build's own, by which a later run finds what one that was cut off has left.
    cgroup = f"wasmoor-podman-{who}-{os.stat(runtime.parent).st_ino}"
    apart.remove_groups([cgroup])
    with tempfile.TemporaryDirectory(prefix="wasmoor-podman-") as scratch, private_system(pathlib.Path(scratch)):
        passed, left = run_tests(pathlib.Path(scratch), who, runtime, guests, cgroup)
    print("\n".join(left), file=sys.stderr)
    sys.exit(0 if passed and not left else 1)
