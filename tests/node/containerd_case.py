"""What tests of the node's daemon have in common that ask it through containerd: one daemon beside it, for all tests of a
module that has this one's setUpModule and tearDownModule as its own."""

import sys

import running_daemon  # First: it says where the others are.

import stand

RUNTIME = "io.containerd.wasmtimed.v1"

_host = None


def host():
    """The daemon that serves now, or did last."""
    return _host


def start_host():
    global _host
    _host = running_daemon.Daemon(running_daemon.beside(sys.argv[2]), stand.here.scratch / "wasmtimed.log")


def setUpModule():
    start_host()


def tearDownModule():
    # containerd has what is left of each task removed when nobody serves it any more.
    _host.stop()
    if not _host.has_ended_well():
        raise AssertionError(f"the daemon ended with {_host.process.returncode}: {_host.log()[-3000:]}")


def main(usage, **more):
    stand.main(usage, shim=RUNTIME, **more)
