"""What is left of containers of which something is killed at any moment: the shim, the guest, or containerd.

    kill_test.py debian|current SHIM GUESTS [TEST...]

As ctr_test.py. With WASMOOR_LONG_TESTS=1 in the environment there are 50 moments for each, else a few.
"""

import contextlib
import os
import pathlib
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "containerd"))
import stand  # First: it says where the others are.

import killing
from killing import containerd

RUNTIME = "io.containerd.wasmtime.v1"
PROGRAM = "containerd-shim-wasmtime-v1"


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class KillTest(killing.KillTest):
    def tearDown(self):
        # Whoever kills a `start` before it has a shim leaves its socket's name, which the next of that pod takes.
        for path in pathlib.Path("/run/containerd/s").glob("*"):
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()

    def processes_of(self, name):
        """A container's shim, and what is in its control group."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # It has ended meanwhile.
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                groups = (entry / "cgroup").read_text()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and (f"/{name}\n" in groups or (PROGRAM in words[0] and name in words)):
                    found[int(entry.name)] = words
        return found

    def test_the_shim_is_killed_at_any_moment(self):
        for names in self.each_moment("shim"):
            kill(pid for pid, words in self.processes_of(names[0]).items() if PROGRAM in words[0])

    def test_the_guest_is_killed_at_any_moment(self):
        for names in self.each_moment("guest"):
            kill(pid for pid, words in self.processes_of(names[0]).items() if PROGRAM not in words[0])

    def test_containerd_is_killed_at_any_moment(self):
        for _ in self.each_moment("containerd"):
            containerd().stop_daemon(signal.SIGKILL)
            containerd().start_daemon()


if __name__ == "__main__":
    stand.main(__doc__, shim=RUNTIME)
