"""What container runtimes are measured with. Needs root, and to be apart (support/apart.py)."""

import contextlib
import pathlib
import subprocess

import bundles
import runtimes
from measuring import Command
from workloads import Workload

HELLO = pathlib.Path(__file__).resolve().parent.parent / "guests" / "c" / "hello.c"
UNIFIED = "/sys/fs/cgroup/unified"  # crun refuses control groups of v1 with those of v2 beside them.
# The letters that `measure` has for the namespaces of bundles.config and bundles.like_podman.
PLAIN, LIKE_PODMAN = "mpiu", "mpiun"


def isolate():
    """The mounts that comparing needs. They end with this process's mount namespace."""
    subprocess.run(["umount", UNIFIED], check=False, stderr=subprocess.DEVNULL)


class Stand:
    """The runtimes, and the bundles that they run."""

    def __init__(self, build, wasmtime, measure, scratch):
        self._measure = measure
        self._scratch = scratch
        self._files = scratch / "root"
        bundles.make_root(self._files, build, HELLO, wasmtime)
        self.all = runtimes.find(build, scratch)
        self.true = self._bundle("true", ["/bin/true"])
        self.hello = self._bundle("hello", ["/bin/hello"])
        self.wasm_hello = self._bundle("wasm-hello", ["/hello.wasm"])
        self.sleep = self._bundle("sleep", ["/bin/sleep", "1000"])
        self.wasm_sleep = self._bundle("wasm-sleep", ["/sleep.wasm"])
        # A container whose files are an image's finds nothing in its cache, each time anew.
        self.wasmtime = self._bundle("wasmtime", ["/bin/wasmtime", "run", "-Ccache=n", "/hello.wasm"])
        self.wasmtime_precompiled = self._bundle("wasmtime-precompiled",
                                                 ["/bin/wasmtime", "run", "--allow-precompiled", "/hello.cwasm"])
        self.like_podman = None
        if bundles.SECCOMP.exists():
            self.like_podman = bundles.make(scratch / "like-podman",
                                            bundles.like_podman(self._files, ["/bin/true"]))

    def _bundle(self, name, words):
        return bundles.make(self._scratch / name, bundles.config(self._files, words))

    def named(self, name):
        return next((one for one in self.all if one.name == name), None)

    def warm(self):
        """Fills the caches of modules, filters and files: every bundle is run once."""
        for bundle in (self.true, self.hello, self.wasm_hello, self.like_podman):
            if bundle:
                self._measure.once(self.all[0].run(bundle))
        with self.all[0].running(self.wasm_sleep):
            pass

    def kernel(self, namespaces, *words):
        """What the kernel needs for it, without any runtime."""
        return Command(["--namespaces", namespaces, *words])


def _with_wasm(stand, how):
    """A wasm hello here, a native one there, and the command wasmtime in a container of runc's."""
    commands = {}
    for one in stand.all:
        is_ours = one is stand.all[0]
        commands[one.name] = getattr(one, how)(stand.wasm_hello if is_ours else stand.hello)
        if is_ours:
            commands["wasmoor-native"] = getattr(one, how)(stand.hello)
    runc = stand.named("runc")
    if runc:
        commands["runc-wasmtime"] = getattr(runc, how)(stand.wasmtime)
        commands["runc-wasmtime-precompiled"] = getattr(runc, how)(stand.wasmtime_precompiled)
    return commands


def _cycles(stand, sizes):
    true = {one.name: one.run(stand.true) for one in stand.all}
    true["kernel"] = stand.kernel(PLAIN, "/bin/busybox", "true")
    yield Workload("container-true", true, sizes.container_rounds)
    yield Workload("container-true-steps", {one.name: one.cycle(stand.true) for one in stand.all},
                   sizes.container_rounds)
    yield Workload("container-true-8-at-once", {one.name: one.run_many(stand.true) for one in stand.all},
                   sizes.container_batches, at_once=8, times=sizes.containers)
    yield Workload("container-hello", _with_wasm(stand, "run"), sizes.container_rounds)
    yield Workload("container-hello-steps", _with_wasm(stand, "cycle"), sizes.container_rounds)
    if stand.like_podman:
        podman = {one.name: one.cycle(stand.like_podman) for one in stand.all}
        podman["kernel"] = stand.kernel(LIKE_PODMAN, "/bin/busybox", "true")
        yield Workload("container-like-podman-steps", podman, sizes.container_rounds)


def _in_running(stand, sizes):
    ours = stand.all[0]
    with contextlib.ExitStack() as stack:
        names = {one: stack.enter_context(one.running(stand.sleep)) for one in stand.all}
        execute = {one.name: one.execute(name, "/bin/true") for one, name in names.items()}
        wasm = stack.enter_context(ours.running(stand.wasm_sleep))
        execute["wasmoor-wasm"] = ours.execute(wasm, "/hello.wasm")
        yield Workload("container-exec", execute, sizes.container_rounds)
        yield Workload("container-state", {one.name: one.state(name) for one, name in names.items()},
                       sizes.container_rounds)


def all_of(stand, sizes):
    yield Workload("runtime-version", {one.name: one.version() for one in stand.all}, sizes.container_rounds)
    yield from _cycles(stand, sizes)
    yield from _in_running(stand, sizes)
