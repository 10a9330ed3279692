"""The node's daemon under containerd and its ctr: containers of both kinds, over their lives.

    ctr_test.py debian|current SHIM GUESTS [TEST...]

`debian` is the machine's containerd, `current` that of tools/fetch-containerd. SHIM is the executable of the runtime
io.containerd.wasmtimed.v1, beside which the daemon's is; GUESTS the folder with compiled guests. Exit status 77: cannot
run here.
"""

import os
import pathlib
import signal

import containerd_case  # First: it says where the others are.

import apart
import daemon
import lifecycle
import stand
from containerd_case import host, setUpModule, start_host, tearDownModule  # noqa: F401
from played import GROUP, until
from running_daemon import USUAL
from stand import containerd

SLEEPS = ((stand.NATIVE, ("sleep", "1000")), (stand.WASM, ("/sleep.wasm",)))

def bundle(name):
    return next(pathlib.Path("/run/containerd/io.containerd.runtime.v2.task").glob(f"*/{name}"))


# Of this module, for whose tests the daemon is started.
class NativeTest(lifecycle.NativeTest):
    pass


class WasmTest(lifecycle.WasmTest):
    pass


class NodeTest(lifecycle.ContainerTest):
    def test_a_container_is_a_child_of_the_daemon_and_has_no_shim(self):
        for image, words in SLEEPS:
            with self.subTest(image):
                name = self.name + image[15:18]
                self.start(image, *words, name=name)
                status = pathlib.Path(f"/proc/{self.pid(name)}/status").read_text()
                self.assertIn(f"\nPPid:\t{host().pid}\n", status)
                self.assertEqual([words for words in apart.processes() if "containerd-shim" in words], [])

    def test_a_second_container_of_a_pod_is_in_its_sandbox(self):
        group = ("--annotation", f"{GROUP}={self.name}")
        self.start(stand.NATIVE, "sleep", "1000", options=group)
        self.start(stand.WASM, "/sleep.wasm", options=group, name=f"{self.name}-2")
        addresses = {(bundle(name) / "address").read_text() for name in (self.name, f"{self.name}-2")}
        self.assertEqual(len(addresses), 1)
        # One lives on when the other is gone.
        containerd().remove(self.name)
        self.assertEqual(containerd().status(f"{self.name}-2"), "RUNNING")
        containerd().remove(f"{self.name}-2")
        until(lambda: not any(self.name in one for one in host().sandboxes()), "the sandbox is gone")

    def test_without_the_daemon_a_start_says_how_it_is_started(self):
        host().stop()
        self.addCleanup(start_host)
        done = containerd().run(stand.WASM, self.name, "/hello.wasm")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("systemctl start containerd-wasmtimed", done.stderr)
        self.assertIn(str(USUAL), done.stderr)

    def test_a_daemon_that_ends_ends_its_containers_and_another_makes_new_ones(self):
        self.addCleanup(lambda: host().process.poll() is not None and start_host())
        for by in (signal.SIGTERM, signal.SIGKILL):
            for image, words in SLEEPS:
                with self.subTest(by=by, image=image):
                    name = f"{self.name}-{by}-{image[15:18]}"
                    self.start(image, *words, name=name)
                    pid = self.pid(name)
                    host().stop(by)
                    until(lambda: not containerd().status(name).startswith("RUNNING"), "containerd knows", 20)
                    # Who has no parent any more is this process's to reap.
                    until(lambda: apart.processes() and not os.path.exists(f"/proc/{pid}"), "its process is gone", 20)
                    start_host()
                    containerd().remove(name)
                    done = containerd().run(image, name, *(("/hello.wasm",) if image == stand.WASM else ("true",)))
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_upgrade_is_nothing_that_containerd_notices(self):
        names = [self.name + image[15:18] for image, _ in SLEEPS]
        for name, (image, words) in zip(names, SLEEPS):
            self.start(image, *words, name=name)
        pids = [self.pid(name) for name in names]
        events = daemon.Events(containerd(), stand.NATIVE)
        self.addCleanup(events.close)
        log = containerd().log()
        for _ in range(3):
            host().upgrade()
            self.assertEqual([self.pid(name) for name in names], pids)
            for name, words in zip(names, (("true",), ("/hello.wasm",))):
                self.assertEqual(containerd().try_ctr("task", "exec", "--exec-id", f"{name}-exec", name,
                                                      *words).returncode, 0)
        self.assertNotIn("disconnected", containerd().log()[len(log):])
        for name in names:
            containerd().ctr("task", "kill", "--signal", "SIGKILL", name)
            containerd().wait_for_status(name, "STOPPED")
            containerd().try_ctr("task", "delete", name)
            self.assertEqual(events.of_task(name, 11),
                             ["exec-added", "exec-started", "exit"] * 3 + ["exit", "delete"])

    def test_containers_are_found_again_by_a_containerd_that_is_started_again(self):
        for image, words in SLEEPS:
            with self.subTest(image):
                names = [f"{self.name}-{image[15:18]}-{what}" for what in ("stays", "ends")]
                for name in names:
                    self.start(image, *words, name=name)
                pids = [self.pid(name) for name in names]
                containerd().stop_daemon(signal.SIGKILL)
                # A guest's is a thread's, of a process of many.
                is_process = image == stand.NATIVE
                if is_process:
                    os.kill(pids[1], signal.SIGKILL)
                containerd().start_daemon()
                self.assertEqual(self.pid(names[0]), pids[0])
                self.assertEqual(containerd().status(names[0]), "RUNNING")
                if not is_process:
                    self.assertEqual(containerd().status(names[1]), "RUNNING")
                    containerd().ctr("task", "kill", "--signal", "SIGKILL", names[1])
                containerd().wait_for_status(names[1], "STOPPED")
                done = containerd().try_ctr("task", "delete", names[1])
                self.assertIn("137", done.stderr + str(done.returncode))

    def test_events_come_in_their_order(self):
        events = daemon.Events(containerd(), stand.NATIVE)
        self.addCleanup(events.close)
        containerd().run(stand.WASM, self.name, "/hello.wasm")
        self.assertEqual(events.of_task(self.name, 4), ["create", "start", "exit", "delete"])


if __name__ == "__main__":
    containerd_case.main(__doc__)
