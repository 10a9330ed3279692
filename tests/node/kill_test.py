"""What is left of containers that the node's daemon holds when something is killed at any moment, while others are made
beside them: the daemon, the host of its guests, a container, or containerd.

    kill_test.py debian|current SHIM GUESTS [TEST...]

As ctr_test.py. With WASMOOR_LONG_TESTS=1 in the environment there are 50 moments for each, else a few.
"""

import contextlib
import os
import pathlib
import signal
import sys
import unittest

import running_daemon  # First: it says where the others are.

import apart
import killing
import stand
from killing import containerd
from played import GROUP, until

RUNTIME = "io.containerd.wasmtimed.v1"

host = None  # The daemon of this run.


def start_daemon():
    global host
    host = running_daemon.Daemon(pathlib.Path(sys.argv[2]).resolve().parent / "containerd-wasmtimed",
                                 stand.here.scratch / "wasmtimed.log")


def setUpModule():
    start_daemon()


def tearDownModule():
    if host.process.poll() is not None:
        print(f"the daemon ended with {host.process.returncode}: {host.log()[-3000:]}", file=sys.stderr)
    host.stop()


def processes_below(pid):
    """Its children."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            name, _, rest = entry.read_text().rpartition(")")
            state, parent = rest.split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(name.split()[0]))
    return found


def hosts():
    """The processes in which guests are threads."""
    found = []
    for pid in processes_below(host.pid):
        with contextlib.suppress(OSError):
            if b"\0host-guests\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


class KillTest(killing.KillTest):
    moments = 50 if killing.LONG else 4
    at_once = 6

    def setUp(self):
        super().setUp()
        self.groups = 0

    def options_of(self, number):
        # Two of six, one of each kind, are in one pod.
        return ("--annotation", f"{GROUP}=kill-pod-{self.groups}") if number < 2 else ()

    def processes_of(self, name):
        """What is in a container's control group."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"/{name}\n" in (entry / "cgroup").read_text():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes()
        return found

    def is_alive(self, name, pid):
        # A guest's is the number of a thread.
        return pathlib.Path(f"/proc/{pid}/stat").exists()

    def works(self, number):
        self.groups += 1
        for image, words in ((stand.WASM, ("/hello.wasm",)), (stand.NATIVE, ("echo", "hello"))):
            self.runs(image, f"kill-next-{number}-{image[15:18]}", words)
        # One that a killed containerd has forgotten before it used it goes after three looks of ten seconds.
        until(lambda: not host.sandboxes(), "no sandbox is left", 45)

    def runs(self, image, name, words):
        """A containerd that was killed itself may fail once: a snapshot that it has not noted down is in the way."""
        done = containerd().run(image, name, *words)
        if "failed to rename" in done.stderr:
            done = containerd().run(image, f"{name}-again", *words)
        self.assertEqual(done.returncode, 0, done.stderr)

    def remains(self, names):
        left = super().remains(names)
        left += [str(path) for path in (running_daemon.STATE / "s").glob("*")]
        # The daemon, its host, and nothing else of a container's.
        left += [str(pid) for pid in processes_below(host.pid) if pid not in hosts()]
        return left

    def test_the_daemon_is_killed_at_any_moment(self):
        for _ in self.each_moment("daemon"):
            host.stop(signal.SIGKILL)
            start_daemon()

    def test_the_host_of_guests_is_killed_at_any_moment(self):
        daemon = host.pid
        for _ in self.each_moment("host"):
            # One that has died a moment ago may have no successor yet.
            for pid in until(hosts, "there is a host"):
                os.kill(pid, signal.SIGKILL)
        self.assertEqual((host.pid, host.process.poll()), (daemon, None))

    def test_a_container_is_killed_at_any_moment(self):
        daemon = host.pid
        for names in self.each_moment("container"):
            for name in names:
                pid, _ = self.view(name)
                # A guest is no process: there its whole host would be killed.
                if pid and pid in processes_below(host.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                elif pid:
                    containerd().try_ctr("task", "kill", "--signal", "SIGKILL", name)
        self.assertEqual((host.pid, host.process.poll()), (daemon, None))

    def test_containerd_is_killed_at_any_moment(self):
        daemon = host.pid
        for _ in self.each_moment("containerd"):
            containerd().stop_daemon(signal.SIGKILL)
            containerd().start_daemon()
        self.assertEqual((host.pid, host.process.poll()), (daemon, None))


if __name__ == "__main__":
    stand.main(__doc__, shim=RUNTIME)
