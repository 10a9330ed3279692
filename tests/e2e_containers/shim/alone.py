"""The stand on which a shim is met without containerd: namespaces, a root filesystem, and what is left at the end."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "containerd"))
import stand  # noqa: E402  First: it says where the others are.

import apart  # noqa: E402
import played  # noqa: E402
import ttrpc  # noqa: E402

SLEEP = ("/sleep.wasm",)

shim = None  # The one of this run.


class TaskTest(unittest.TestCase):
    """Has tasks, each in a bundle that goes with the test."""

    def setUp(self):
        self.name = re.sub(r"\W", "-", self.id().rpartition(".")[2])[:60]
        self.made = []

    def remove_made(self):
        for identifier, bundle, namespace in reversed(self.made):
            bundle.mkdir(parents=True, exist_ok=True)  # A test may have removed it.
            shim.command("delete", identifier, bundle, "-bundle", str(bundle), namespace=namespace)
            shutil.rmtree(bundle, ignore_errors=True)

    def nothing_runs(self):
        left = apart.processes_left()
        apart.kill_others()
        self.assertEqual(left, [])

    def bundle(self, words=SLEEP, identifier="", namespace="played", **options):
        identifier = identifier or f"{self.name}-{len(self.made)}"
        bundle = shim.bundle(identifier, words, namespace=namespace, **options)
        self.made.append((identifier, bundle, namespace))
        return identifier, bundle

    def connect(self, address):
        client = ttrpc.Client(address)
        self.addCleanup(client.__exit__)
        return client

    def task(self, words=SLEEP, identifier="", client=None, namespace="played", **options):
        """A task that is not created yet, and the server that will have it."""
        identifier, bundle = self.bundle(words, identifier, namespace, **options)
        address = shim.start(identifier, bundle, namespace)
        return played.Task(client or self.connect(address), identifier, bundle)

    def running(self, words=SLEEP, **options):
        task = self.task(words, **options)
        task.create()
        task.start()
        return task

    def refuses(self, code, call, *words, **fields):
        with self.assertRaises(ttrpc.Failure) as failed:
            call(*words, **fields)
        self.assertEqual(failed.exception.code, code, failed.exception)
        return failed.exception.message

    def says(self, text, call, *words, **fields):
        """A failure, of whatever code."""
        with self.assertRaises(ttrpc.Failure) as failed:
            call(*words, **fields)
        self.assertIn(text, failed.exception.message)


def make_root(root, guests, names, applets, busybox):
    for name in ("bin", "dev", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    for applet in applets:
        (root / "bin" / applet).symlink_to("busybox")
    for guest in names:
        shutil.copy(guests / f"{guest}.wasm", root)
    (root / "broken.wasm").write_bytes(b"\0asm\1\0\0\0broken")


def main(usage, name, guests, applets=("sleep",)):
    """Runs the tests of the main module on a shim that is its first argument, with guests of the folder that is its
    second. `name` is unlike that of any other program of tests."""
    global shim
    if len(sys.argv) < 3:
        sys.exit(usage)
    program, folder = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    if os.geteuid() != 0:
        stand.cannot_run("it needs root")
    busybox = shutil.which("busybox") or stand.cannot_run("no busybox is installed")
    apart.be_apart()
    # One of this build's own, by which a later run finds what one that was cut off has left.
    cgroup = f"wasmoor-{name}-{os.stat(program.parent).st_ino}"
    apart.remove_groups([cgroup])
    with tempfile.TemporaryDirectory(prefix=f"wasmoor-{name}-") as scratch:
        scratch = pathlib.Path(scratch)
        apart.mount_memory("/run", scratch)
        before = apart.mount_points()
        make_root(scratch / "root", folder, guests, applets, busybox)
        ttrpc.answer_everything(scratch / "events")
        os.environ["WASMOOR_CACHE_DIR"] = str(scratch / "cache")
        shim = played.Shim(program, scratch, scratch / "root", cgroup, scratch / "cache", scratch / "events")
        result = unittest.main(argv=[sys.argv[0], *sys.argv[3:]], exit=False).result
        left = stand.what_is_left(cgroup, before)
        subprocess.run(["umount", "--lazy", scratch], check=True)
    print("\n".join(left), file=sys.stderr)
    sys.exit(0 if result.wasSuccessful() and not left else 1)
