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
from stand import containerd

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

    def serves(self, name, words):
        return PROGRAM in "".join(words[:1]) and name in words

    def test_the_shim_is_killed_at_any_moment(self):
        for names in self.each_moment("shim"):
            kill(pid for pid, words in self.processes_of(names[0]).items() if self.serves(names[0], words))

    def test_the_guest_is_killed_at_any_moment(self):
        for names in self.each_moment("guest"):
            kill(pid for pid, words in self.processes_of(names[0]).items() if not self.serves(names[0], words))

    def test_containerd_is_killed_at_any_moment(self):
        for _ in self.each_moment("containerd"):
            containerd().stop_daemon(signal.SIGKILL)
            containerd().start_daemon()


if __name__ == "__main__":
    stand.main(__doc__, shim=RUNTIME)
