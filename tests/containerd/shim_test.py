"""The shim runs images that are artifacts of WebAssembly, and says why it does not.

    shim_test.py current SHIM GUESTS [TEST...]

Under today's containerd only: Debian's is too old to make a container of an image that unpacks to nothing.
"""

import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e_containers" / "containerd"), str(HERE)]

import stand  # noqa: E402  First: it says where the others are.
import apart  # noqa: E402
import archive  # noqa: E402

RUNTIME = "io.containerd.wasmtime.v1"
COMPONENT = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"
WASM = "application/wasm"
PLATFORM = ("wasip1", "wasm")


def setUpModule():
    # What the shim keeps of images.
    apart.mount_memory("/var/cache")
    unittest.addModuleCleanup(subprocess.run, ["umount", "--lazy", "/var/cache"], check=True)


class ShimTest(unittest.TestCase):
    def setUp(self):
        self.name = self.id().rpartition(".")[2].replace("_", "-")[:60]
        self.image = f"docker.io/artifacts/{self.name}:1"
        self.images = archive.Archive()
        self.addCleanup(self.remove)

    def remove(self):
        if stand.here.containerd.status(self.name):
            stand.here.containerd.try_ctr("task", "delete", "--force", self.name)
        stand.here.containerd.try_ctr("container", "rm", self.name)

    def guest(self, name, kind=WASM, **more):
        return self.images.blob(kind, (stand.here.guests / f"{name}.wasm").read_bytes(), **more)

    def load(self, *layers):
        path = stand.here.scratch / "artifact.tar"
        self.images.add(self.image, self.images.artifact(list(layers), platform=PLATFORM))
        self.images.write(path)
        stand.here.containerd.import_image(path)

    def run_it(self, *words):
        return stand.here.containerd.run(f"{self.image}@{'/'.join(PLATFORM)}", self.name, *words)

    def refused(self, *sentences):
        done = self.run_it()
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        for sentence in sentences:
            self.assertIn(sentence, done.stderr)

    def test_a_module_runs_again_and_again(self):
        layer = self.guest("hello")
        self.load(layer)
        for _ in range(3):
            done = self.run_it()
            self.assertEqual((done.stdout, done.returncode), ("Hello from wasm!\n", 0), done.stderr)
        # Out of what is kept.
        stand.here.containerd.ctr("content", "rm", layer["digest"])
        done = self.run_it()
        self.assertEqual((done.stdout, done.returncode), ("Hello from wasm!\n", 0), done.stderr)

    def test_a_component_runs(self):
        self.load(self.guest("hello-component", COMPONENT))
        done = self.run_it()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ello", done.stdout)

    def test_the_command_chooses_a_layer_and_has_its_arguments(self):
        self.load(self.guest("hello", annotations={archive.TITLE: "hello.wasm"}),
                  self.guest("args", annotations={archive.TITLE: "bin/args.wasm"}))
        done = self.run_it("/bin/args.wasm", "one")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("arg 0: /bin/args.wasm\narg 1: one\n", done.stdout)

    def test_the_status_of_a_guest_is_its_containers(self):
        self.load(self.guest("exit42"))
        self.assertEqual(self.run_it().returncode, 42)

    def test_a_running_one_ends_by_a_signal(self):
        self.load(self.guest("sleep"))
        containerd = stand.here.containerd
        containerd.ctr(*containerd.run_words(f"{self.image}@{'/'.join(PLATFORM)}", self.name, options=("--detach",)))
        self.assertEqual(containerd.status(self.name), "RUNNING")
        containerd.ctr("task", "kill", "--signal", "SIGTERM", self.name)
        containerd.wait_for_status(self.name, "STOPPED")

    def test_native_and_precompiled_code_is_refused(self):
        self.load(self.images.blob(WASM, pathlib.Path("/bin/true").read_bytes()))
        self.refused(self.image, "never loaded from an image")

    def test_what_is_not_valid_is_refused(self):
        self.load(self.images.blob(WASM, b"\0asm\1\0\0\0\1\5nonsense"))
        self.refused("app.wasm")

    def test_an_image_without_a_module_says_what_it_has(self):
        self.load(self.images.blob("application/x-something", b"something"))
        self.refused("/app.wasm", "No such file or directory", "no layer of WebAssembly", "application/x-something")

    def test_missing_content_is_named(self):
        layer = self.images.blob(WASM, b"\0asm\1\0\0\0" + self.name.encode())
        self.load(layer)
        stand.here.containerd.ctr("content", "rm", layer["digest"])
        self.refused(layer["digest"], "pull the image again")


if __name__ == "__main__":
    stand.main(__doc__, shim=RUNTIME)
