"""Tests in which something is killed at any moment: what containerd says of containers afterwards, and what is left.

With WASMOOR_LONG_TESTS=1 in the environment there are 50 moments for each, else a few.
"""

import contextlib
import os
import pathlib
import random
import re
import time
import unittest

import stand  # First: it says where the others are.

import apart
import proc
from played import until
from stand import containerd

LONG = "WASMOOR_LONG_TESTS" in os.environ
LATEST = 0.25  # Seconds after the beginning of `ctr run`, in which it has usually started.
KINDS = ((stand.WASM, ("/sleep.wasm",)), (stand.NATIVE, ("sleep", "1000")))


class KillTest(unittest.TestCase):
    """A class below knows who serves a container, and what else may be left of it."""

    moments = 50 if LONG else 8
    at_once = 1  # Containers that are being made at each moment.

    def setUp(self):
        self.seed = random.randrange(1 << 32)
        self.random = random.Random(self.seed)

    def serves(self, name, words):
        """Whether that is the command line of who serves the container and nothing else."""
        return False

    def processes_of(self, name):
        """{pid: command line} of what is in a container's control group, and of who serves it."""
        found = {}
        for pid in proc.pids():
            with contextlib.suppress(OSError):  # It has ended meanwhile.
                words, groups = proc.words(pid), pathlib.Path(f"/proc/{pid}/cgroup").read_text()
                if (f"/{name}\n" in groups or self.serves(name, words)) and proc.state_and_parent(pid)[0] not in ("", "Z"):
                    found[pid] = words
        return found

    def options_of(self, number):
        """More options of ctr for one of the containers of a moment."""
        return ()

    def is_alive(self, name, pid):
        return pid in self.processes_of(name)

    def works(self, number):
        """After each moment."""

    def each_moment(self, what):
        """At each, the names of the containers that are being made: then it is for the caller to kill something."""
        every = []
        for number in range(self.moments):
            after = self.random.uniform(0, LATEST)
            names = [f"kill-{what}-{number}-{one}" for one in range(self.at_once)]
            every += names
            with self.subTest(names[0], after=after, seed=self.seed):
                clients = []
                for one, name in enumerate(names):
                    image, words = KINDS[(number + one) % len(KINDS)]
                    clients.append(containerd().start(*containerd().run_words(
                        image, name, *words, options=("--detach", *self.options_of(one)))))
                time.sleep(after)
                yield names
                for client in clients:
                    client.communicate(timeout=30)
                for name in names:
                    self.settles(name)
                self.works(number)
        # A bundle that containerd had made and not yet told anybody of is found at its next start.
        containerd().stop_daemon()
        containerd().start_daemon()
        until(lambda: not self.remains(every), f"nothing is left: {self.remains(every)}")

    def view(self, name):
        """What containerd says of a container's task: pid and state."""
        listed = containerd().try_ctr("task", "ls")
        found = re.search(rf"^{name}\s+(\d+)\s+(\w+)", listed.stdout, re.MULTILINE)
        return (int(found[1]), found[2]) if found else (0, "")

    def agrees(self, name):
        """Whether that is so. The pid of a task that nobody serves any more may be gone from the answer."""
        pid, state = self.view(name)
        alive = bool(pid) and self.is_alive(name, pid)
        return alive if state in ("RUNNING", "CREATED", "PAUSED") else not alive

    def settles(self, name):
        until(lambda: self.agrees(name), f"containerd's view of {name} is right: {self.view(name)}, there are "
              f"{self.processes_of(name)}")
        if self.view(name)[1]:
            containerd().try_ctr("task", "delete", "--force", name)
        containerd().try_ctr("container", "rm", name)
        until(lambda: not self.view(name)[1], f"{name} is gone from containerd")
        # A shim that nobody knows of any more goes by itself.
        until(lambda: not self.processes_of(name), f"no process of {name} is left: {self.processes_of(name)}", 50)

    def remains(self, names):
        left = [point for point in apart.mount_points() if set(names) & set(point.split("/"))]
        left += [str(group) for group in apart.groups([stand.here.cgroup]) if group.name in names]
        return left + [str(path) for path in pathlib.Path("/run").glob("*/*/*/*") if path.name in names]
