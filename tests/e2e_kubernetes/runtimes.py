"""The ways in which wasm pods are run that the cases are tried with, by the name of the option --runtime."""

import dataclasses

MANAGER = "/run/io.containerd.wasmwasi.v1/manager.sock"  # Where the node's daemon is asked by its shim.
CONTROLLER = "/run/wasmoor/wasmtimed/controller.sock"  # And by containerd.
TABLE = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{}]\n"
WITHOUT_PAUSE = "wasmtime-sandbox"


@dataclasses.dataclass(frozen=True)
class Kind:
    """`tables` is what containerd's configuration has of it: there the runtime that the cases ask for is always called
    wasmtime, and WITHOUT_PAUSE one whose pods have no pause container."""

    tables: str
    handlers: tuple = ("wasmtime",)
    is_ours: bool = True  # No shim of containerd's own is used.
    has_daemon: bool = False  # Guests are threads of the node's daemon; there is no shim of a pod.
    has_pause: bool = True


def _table(handler, runtime_type, **settings):
    lines = {"runtime_type": runtime_type, "pod_annotations": ["io.wasmoor.*"], **settings}
    return TABLE.format(handler) + "".join(f"  {name} = {value!r}\n" for name, value in lines.items())


KINDS = {
    "wasmtime": Kind(
        _table("wasmtime", "io.containerd.wasmtime.v1") +
        _table(WITHOUT_PAUSE, "io.containerd.wasmtime.v1", sandboxer="shim"), ("wasmtime", WITHOUT_PAUSE)),
    # wasmoor-runtime below containerd's own shim.
    "oci": Kind(
        _table("wasmtime", "io.containerd.runc.v2") + TABLE.format("wasmtime.options") +
        "  BinaryName = '{binaries}/wasmoor-runtime'\n", is_ours=False),
    # The node's daemon, asked by its shim.
    "wasmtimed": Kind(
        _table("wasmtime", "io.containerd.wasmtimed.v1") +
        _table(WITHOUT_PAUSE, "io.containerd.wasmtimed.v1", sandboxer="shim"), ("wasmtime", WITHOUT_PAUSE),
        has_daemon=True),
    # The node's daemon, which is containerd's sandbox controller: nothing is executed for a pod.
    "controller": Kind(
        f"[proxy_plugins.wasm]\n  type = 'sandbox'\n  address = '{CONTROLLER}'\n" +
        _table("wasmtime", "io.containerd.wasmtimed.v1", sandboxer="wasm"), has_daemon=True, has_pause=False),
}
