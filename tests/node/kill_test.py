"""What is left of containers that the node's daemon holds when something is killed at any moment, while others are made
beside them: the daemon, the host of its guests, a container, or containerd.

    kill_test.py debian|current SHIM GUESTS [TEST...]

As ctr_test.py. With WASMOOR_LONG_TESTS=1 in the environment there are 50 moments for each, else a few.
"""

import contextlib
import os
import pathlib
import signal

import containerd_case  # First: it says where the others are.

import killing
import proc
import stand
from containerd_case import host, setUpModule, start_host, tearDownModule  # noqa: F401
from played import GROUP, until
from running_daemon import STATE
from stand import containerd


class KillTest(killing.KillTest):
    moments = 50 if killing.LONG else 4
    at_once = 6

    def setUp(self):
        super().setUp()
        self.groups = 0

    def options_of(self, number):
        # Two of six, one of each kind, are in one pod.
        return ("--annotation", f"{GROUP}=kill-pod-{self.groups}") if number < 2 else ()

    def is_alive(self, name, pid):
        # A guest's is the number of a thread.
        return pathlib.Path(f"/proc/{pid}/stat").exists()

    def works(self, number):
        self.groups += 1
        for image, words in ((stand.WASM, ("/hello.wasm",)), (stand.NATIVE, ("echo", "hello"))):
            self.runs(image, f"kill-next-{number}-{image[15:18]}", words)
        # One that a killed containerd has forgotten before it used it goes after three looks of ten seconds.
        until(lambda: not host().sandboxes(), "no sandbox is left", 45)

    def runs(self, image, name, words):
        """A containerd that was killed itself may fail once: a snapshot that it has not noted down is in the way."""
        done = containerd().run(image, name, *words)
        if "failed to rename" in done.stderr:
            done = containerd().run(image, f"{name}-again", *words)
        self.assertEqual(done.returncode, 0, done.stderr)

    def remains(self, names):
        left = super().remains(names)
        left += [str(path) for path in (STATE / "s").glob("*")]
        # The daemon, its host, and nothing else of a container's.
        hosts = host().hosts()
        left += [str(pid) for pid in proc.children(host().pid) if pid not in hosts]
        return left

    def test_the_daemon_is_killed_at_any_moment(self):
        for _ in self.each_moment("daemon"):
            host().stop(signal.SIGKILL)
            start_host()

    def test_the_host_of_guests_is_killed_at_any_moment(self):
        for _ in self.each_moment("host"):
            # One that has died a moment ago may have no successor yet.
            for pid in until(host().hosts, "there is a host"):
                os.kill(pid, signal.SIGKILL)
        self.assertIsNone(host().process.poll())

    def test_a_container_is_killed_at_any_moment(self):
        for names in self.each_moment("container"):
            for name in names:
                pid, _ = self.view(name)
                # A guest is no process: there its whole host would be killed.
                if pid in proc.children(host().pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                elif pid:
                    containerd().try_ctr("task", "kill", "--signal", "SIGKILL", name)
        self.assertIsNone(host().process.poll())

    def test_containerd_is_killed_at_any_moment(self):
        for _ in self.each_moment("containerd"):
            containerd().stop_daemon(signal.SIGKILL)
            containerd().start_daemon()
        self.assertIsNone(host().process.poll())


if __name__ == "__main__":
    containerd_case.main(__doc__)
