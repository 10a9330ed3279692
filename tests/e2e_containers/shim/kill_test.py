"""What is left of containers of which something is killed at any moment: the shim, the guest, or containerd.

    kill_test.py debian|current SHIM GUESTS [TEST...]

As ctr_test.py. With WASMOOR_LONG_TESTS=1 in the environment there are 50 moments for each, else a few.
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "containerd"))
import stand  # First: it says where the others are.

import apart
from played import until

RUNTIME = "io.containerd.wasmtime.v1"
PROGRAM = "containerd-shim-wasmtime-v1"
MOMENTS = 50 if "WASMOOR_LONG_TESTS" in os.environ else 8
LATEST = 0.25  # Seconds after the beginning of `ctr run`, in which it has usually started.
KINDS = ((stand.WASM, ("/sleep.wasm",)), (stand.NATIVE, ("sleep", "1000")))


def containerd():
    return stand.here.containerd


def processes_of(name):
    """{pid: command line} of a container's shim and of what is in its control group."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            groups = (entry / "cgroup").read_text()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and (f"/{name}\n" in groups or (PROGRAM in words[0] and name in words)):
                found[int(entry.name)] = words
    return found


class KillTest(unittest.TestCase):
    def setUp(self):
        self.seed = random.randrange(1 << 32)
        self.random = random.Random(self.seed)

    def moments(self, what):
        for number in range(MOMENTS):
            image, words = KINDS[number % len(KINDS)]
            after = self.random.uniform(0, LATEST)
            name = f"kill-{what}-{number}"
            with self.subTest(name, image=image, after=after, seed=self.seed):
                client = containerd().start(*containerd().run_words(image, name, *words, options=("--detach",)))
                time.sleep(after)
                yield name
                client.communicate(timeout=30)
                self.settles(name)
        # A bundle that containerd had made and not yet told anybody of is found at its next start.
        containerd().stop_daemon()
        containerd().start_daemon()
        names = [f"kill-{what}-{number}" for number in range(MOMENTS)]
        until(lambda: not self.remains(names), f"nothing is left: {self.remains(names)}")

    def view(self, name):
        """What containerd says of a container's task: pid and state."""
        listed = containerd().try_ctr("task", "ls")
        found = re.search(rf"^{name}\s+(\d+)\s+(\w+)", listed.stdout, re.MULTILINE)
        return (int(found[1]), found[2]) if found else (0, "")

    def agrees(self, name):
        """Whether that is so. The pid of a task whose shim has died may be gone from the answer."""
        pid, state = self.view(name)
        alive = bool(pid) and pathlib.Path(f"/proc/{pid}/cmdline").exists() and pid in processes_of(name)
        return alive if state in ("RUNNING", "CREATED", "PAUSED") else not alive

    def settles(self, name):
        until(lambda: self.agrees(name), f"containerd's view of {name} is right: {self.view(name)}, there are "
              f"{processes_of(name)}")
        if self.view(name)[1]:
            containerd().try_ctr("task", "delete", "--force", name)
        containerd().try_ctr("container", "rm", name)
        until(lambda: not self.view(name)[1], f"{name} is gone from containerd")
        # A shim that nobody knows of any more goes by itself.
        until(lambda: not processes_of(name), f"no process of {name} is left: {processes_of(name)}", 50)

    @staticmethod
    def remains(names):
        left = [point for point in apart.mount_points() if set(names) & set(point.split("/"))]
        left += [str(group) for group in apart.groups([stand.here.cgroup]) if group.name in names]
        return left + [str(path) for path in pathlib.Path("/run").glob("*/*/*/*") if path.name in names]

    def test_the_shim_is_killed_at_any_moment(self):
        for name in self.moments("shim"):
            shims = [pid for pid, words in processes_of(name).items() if PROGRAM in words[0]]
            for pid in shims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def test_the_guest_is_killed_at_any_moment(self):
        for name in self.moments("guest"):
            guests = [pid for pid, words in processes_of(name).items() if PROGRAM not in words[0]]
            for pid in guests:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def test_containerd_is_killed_at_any_moment(self):
        for _ in self.moments("containerd"):
            containerd().stop_daemon(signal.SIGKILL)
            containerd().start_daemon()


if __name__ == "__main__":
    stand.main(__doc__, shim=RUNTIME)
