"""What only the node's daemon does: guests that are threads of its hosts, next to programs that are processes."""

import os
import pathlib
import signal
import unittest

from case import Case
from node import processes
from pods import limits, native, sidecar, wasm


class HostTest(Case):
    def setUp(self):
        super().setUp()
        if not self.node.kind.has_daemon:
            raise unittest.SkipTest("only the node's daemon has guests that are threads")

    @staticmethod
    def process_of(thread):
        """The host that a thread is of."""
        for line in pathlib.Path(f"/proc/{thread}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("Tgid:"):
                return int(line.split()[1])
        raise AssertionError(f"{thread} has ended")


class ThreadTest(HostTest):
    def test_guests_of_several_pods_are_threads_of_one_process(self):
        made = [self.pod(wasm("one", "sleep"), wasm("two", "sleep"), ending=ending) for ending in ("first", "second")]
        threads = [pod.wait_ready().processes(name)[0] for pod in made for name in ("one", "two")]
        self.assertEqual(len(set(threads)), 4)
        self.assertEqual(len({self.process_of(thread) for thread in threads}), 1)
        self.assertNotIn(threads[0], processes())

    def test_a_guest_has_a_process_if_its_pod_says_so(self):
        pod = self.pod(wasm("main", "sleep"), annotations={"io.wasmoor.isolation": "process"}).wait_ready()
        self.assertFalse(pod.is_threads("main"))
        self.assertIn(pod.processes("main")[0], processes())
        self.assertEqual(pod.execute("main", "/hello.wasm").stdout, "Hello from wasm!\n")

    def test_a_native_sidecar_is_in_the_pods_network_of_a_guest_that_is_a_thread(self):
        pod = self.pod(wasm("main", "sleep"), initContainers=[sidecar(native("sidecar", "sleep", 1000))]).wait_ready()
        for kind in ("net", "uts", "ipc"):
            found = {os.readlink(f"/proc/{pod.processes(name)[0]}/ns/{kind}") for name in ("main", "sidecar")}
            self.assertEqual(len(found), 1, f"{kind}: {found}")

    def test_a_thread_runs_no_more_than_its_share(self):
        pod = self.pod(wasm("main", "loop", resources=limits(cpu="100m", memory="32Mi"))).wait_ready()

        def throttled():
            lines = (pod.group("main", "cpu") / "cpu.stat").read_text(encoding="ascii").splitlines()
            return dict(line.split() for line in lines)["nr_throttled"] != "0"
        pod.wait("it was held up", throttled)


class HostDeathTest(HostTest):
    ALONE = True

    def test_guests_start_again_when_their_host_is_killed_and_native_programs_are_not_touched(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 100003), restartPolicy="Always").wait_ready()
        before = pod.identifiers()["native"]
        os.kill(self.process_of(pod.processes("main")[0]), signal.SIGKILL)
        pod.wait("main is started again", lambda: pod.restarts("main") == 1 and pod.ready())
        self.assertEqual(pod.ended("main")["exitCode"], 128 + 9)
        self.assertEqual(pod.identifiers()["native"], before)
        self.assertEqual(pod.execute("main", "/hello.wasm").stdout, "Hello from wasm!\n")

    def test_a_stopped_daemon_ends_its_pods_and_they_come_back_with_it(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 100004), restartPolicy="Always").wait_ready()
        before, old = pod.identifiers(), {*pod.processes("main"), *pod.processes("native")}
        self.node.restart_daemon(signal.SIGTERM)
        pod.wait("both containers are new", lambda: pod.ready() and all(
            identifier != before[name][0] for name, (identifier, _) in pod.identifiers().items()), 120)
        self.wait_until_gone(old)
