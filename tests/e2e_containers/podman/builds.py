"""Images that buildah builds with wasmoor-runtime, and its containers."""

import os
import pathlib
import tempfile
import unittest

import stand


def podman():
    return stand.here.client


class BuildTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Without a word about how, buildah runs a user's steps in no runtime.
        cls.how = ("--runtime", podman().runtime, "--isolation", "oci", "--network", "none")

    def build(self, text, *words):
        with tempfile.TemporaryDirectory(dir=stand.here.scratch) as folder:
            os.chmod(folder, 0o755)
            pathlib.Path(folder, "Containerfile").write_text(text)
            return podman().try_do("buildah", "build", *self.how, *words, folder)

    def container(self, image):
        name = podman().do("buildah", "from", image)
        self.addCleanup(podman().do, "buildah", "rm", name)
        return name

    def test_the_steps_of_a_build_run(self):
        done = self.build(f"FROM {stand.NATIVE}\nRUN echo built >/word\nUSER 7:8\nRUN id\n"
                          'RUN --mount=type=tmpfs,target=/there ["/bin/mount"]\n', "--tag", "built:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("uid=7 gid=8", done.stdout)
        self.assertRegex(done.stdout, "on /there type tmpfs")
        self.assertEqual(podman().run("localhost/built:1", "cat", "/word").stdout, "built\n")

    def test_steps_of_a_build_are_wasm_programs(self):
        done = self.build(f'FROM {stand.WASM}\nRUN ["/hello.wasm"]\nENV COLOUR=blue\nRUN ["/args.wasm", "one"]\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Hello from wasm!\n", done.stdout)
        self.assertIn("arg 1: one\n", done.stdout)
        self.assertIn("env COLOUR=blue\n", done.stdout)

    def test_a_step_that_fails_ends_the_build_with_its_status(self):
        for image, step in ((stand.NATIVE, '["/bin/sh", "-c", "exit 42"]'), (stand.WASM, '["/exit42.wasm"]')):
            with self.subTest(image):
                done = self.build(f"FROM {image}\nRUN {step}\nRUN [\"/never\"]\n")
                self.assertEqual(done.returncode, 42)
                self.assertNotIn("never", done.stdout)

    def test_programs_run_in_its_containers(self):
        name = self.container(stand.NATIVE)
        done = podman().try_do("buildah", "run", *self.how, "--user", "3:4", name, "sh", "-c", "id -u; exit 5")
        self.assertEqual((done.stdout, done.returncode), ("3\n", 5), done.stderr)
        done = podman().try_do("buildah", "run", *self.how, name, "/nothing")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('exec: "/nothing"', done.stderr)

    def test_wasm_programs_run_in_its_containers(self):
        name = self.container(stand.WASM)
        done = podman().try_do("buildah", "run", *self.how, name, "/hello.wasm")
        self.assertEqual((done.stdout, done.returncode), ("Hello from wasm!\n", 0), done.stderr)

    def test_a_program_in_its_containers_has_a_terminal(self):
        name = self.container(stand.NATIVE)
        status, output = podman().in_terminal("buildah", "run", "--tty", *self.how, name, "tty")
        self.assertEqual(status, 0, output)
        self.assertIn("/dev/pts/0", output)
