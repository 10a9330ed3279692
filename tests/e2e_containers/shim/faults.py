"""What goes wrong with one container and hurts nobody else, whoever holds it: its pod's shim, or a node's daemon."""

import contextlib
import os
import signal
import subprocess

import alone
import apart
import played
import ttrpc
from played import CREATED, PAUSED, RUNNING, STOPPED, until


def fill(folder):
    """Takes all the room of its file system, but for empty files, and returns the file that has it."""
    path = folder / "filler"
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return path


class Living:
    """Words about a task's life, for the tests below and others."""

    def is_unknown(self, task):
        self.refuses(ttrpc.NOT_FOUND, task.state)

    def lives_and_dies(self, task):
        task.create()
        task.start()
        self.assertEqual(task.state(), RUNNING)
        task.kill(signal.SIGKILL)
        task.wait()
        task.delete()


class FaultTest(Living, alone.TaskTest):
    """Of whatever serves; a class below has it serve."""

    @staticmethod
    def done_or_refused(task, method, request, state):
        """Calls again, with a client that stays; True once the task's state is that."""
        with contextlib.suppress(ttrpc.Failure):
            task.client.call(played.TASK, method, request)
        try:
            return task.state() == state
        except ttrpc.Failure:  # While it is created there is none.
            return False

    def test_a_client_may_disconnect_in_every_call(self):
        requests = {
            "State": {}, "Create": {2: "BUNDLE"}, "Start": {}, "Pids": {}, "Stats": {}, "Pause": {}, "Resume": {},
            "Exec": {2: "e", 7: {1: "x", 2: '{"args":["/hello.wasm"],"cwd":"/","user":{"uid":0,"gid":0}}'}},
            "ResizePty": {3: 80, 4: 24}, "CloseIO": {3: 1}, "Update": {2: {1: "x", 2: "{}"}}, "Connect": {},
            "Checkpoint": {}, "Wait": {}, "Kill": {3: int(signal.SIGKILL)}, "Delete": {}, "Shutdown": {}}
        keeper = self.running(group=self.name)
        address = (keeper.bundle / "address").read_text()
        task = self.task(group=self.name, client=keeper.client)
        wanted = {"Create": CREATED, "Start": RUNNING, "Pause": PAUSED, "Resume": RUNNING, "Kill": STOPPED}
        for method, fields in requests.items():
            with self.subTest(method):
                request = {1: task.id} | {field: str(task.bundle) if value == "BUNDLE" else value
                                          for field, value in fields.items()}
                with ttrpc.Client(address) as client:
                    client.begin(played.TASK, method, request)
                # It is done or not; but not by halves, nor is anything else hurt.
                self.assertEqual(keeper.state(), RUNNING)
                if method in wanted:
                    until(lambda: self.done_or_refused(task, method, request, wanted[method]), method)
        with contextlib.suppress(ttrpc.Failure):
            task.delete()
        self.is_unknown(task)
        self.assertEqual(keeper.state(), RUNNING)

    def test_a_bundle_without_configuration_is_refused_in_a_sentence(self):
        task = self.task()
        (task.bundle / "config.json").unlink()
        self.says("config.json", task.create)
        self.is_unknown(task)

    def test_a_vanished_root_filesystem_is_refused_in_a_sentence(self):
        task = self.task(root="/nothing/there")
        self.says("/nothing/there", task.create)
        self.is_unknown(task)

    def test_a_root_filesystem_that_cannot_be_mounted_is_refused_and_left_unmounted(self):
        task = self.task()
        good = {1: "bind", 2: str(alone.shim.root), 4: ["rbind", "ro"]}
        bad = {1: "overlay", 2: "overlay", 4: ["lowerdir=/nothing/there"]}
        self.says("overlay", task.create, mounts=[good, bad])
        self.assertNotIn(str(task.bundle / "rootfs"), apart.mount_points())
        self.is_unknown(task)

    def test_a_refused_id_can_be_used_again(self):
        task = self.task()
        config = task.bundle / "config.json"
        kept = config.read_text()
        config.write_text("{")
        with self.assertRaises(ttrpc.Failure):
            task.create()
        config.write_text(kept)
        task.create()
        task.start()
        self.assertEqual(task.state(), RUNNING)

    def test_a_full_disk_in_the_bundle_poisons_nothing(self):
        task = self.task()
        config = (task.bundle / "config.json").read_text()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", task.bundle], check=True)
        try:
            (task.bundle / "rootfs").mkdir()
            (task.bundle / "config.json").write_text(config)
            filler = fill(task.bundle)
            try:
                self.lives_and_dies(task)
            except ttrpc.Failure as failure:
                self.assertIn("space", failure.message)
                self.is_unknown(task)
            filler.unlink()
            self.lives_and_dies(task)
        finally:
            subprocess.run(["umount", "-l", task.bundle], check=True)

    def test_output_that_nobody_reads_does_not_keep_a_task_from_its_end(self):
        task = self.task(["/bin/sh", "-c", "exec cat /dev/zero"])
        for name in ("out", "err"):
            os.mkfifo(task.bundle / name)
        task.create(stdout=task.bundle / "out", stderr=task.bundle / "err")
        task.start()
        task.kill(signal.SIGKILL)
        self.assertEqual(task.wait(), 128 + signal.SIGKILL)
        task.delete()

    def test_a_missing_fifo_is_refused_in_a_sentence(self):
        task = self.task()
        self.says("no-fifo", task.create, stdout=task.bundle / "no-fifo")
        self.is_unknown(task)
