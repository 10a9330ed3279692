"""The configuration that `make install` puts into share/wasmoor/podman.conf."""

import contextlib
import pathlib
import re
import shutil
import unittest

import stand

PICKS_BY_PLATFORM = (4, 4)


def podman():
    return stand.here.client


class ConfigurationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        installed = stand.install(podman().folder / "configured")
        # Where the user's own are, or everybody's.
        folder = pathlib.Path("/etc/containers") if podman().is_root else podman().folder / "home/.config/containers"
        cls.drop_ins = folder / "containers.conf.d"
        podman().command("mkdir", "-p", cls.drop_ins)
        cls.add("50-wasmoor.conf", (installed / "share/wasmoor/podman.conf").read_text())

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.drop_ins)

    @classmethod
    def add(cls, name, text):
        (cls.drop_ins / name).write_text(text)
        (cls.drop_ins / name).chmod(0o644)

    @contextlib.contextmanager
    def by_default(self):
        self.add("60-default.conf", '[engine]\nruntime = "wasmoor"\n')
        try:
            yield
        finally:
            (self.drop_ins / "60-default.conf").unlink()

    @staticmethod
    def run_plain(*words):
        """As somebody would type it."""
        return podman().try_do("run", "--rm", *podman().options(), *words, runtime=False)

    def test_the_runtime_has_a_name(self):
        done = self.run_plain("--runtime", "wasmoor", stand.WASM)
        self.assertEqual((done.stdout, done.returncode), ("Hello from wasm!\n", 0), done.stderr)

    def test_podman_reads_its_errors(self):
        done = self.run_plain("--runtime", "wasmoor", stand.NATIVE, "/nothing")
        self.assertEqual(done.returncode, 127)
        self.assertRegex(done.stderr, '^Error: wasmoor: exec: "/nothing": stat /nothing: [^:]*: OCI runtime attempted')

    def test_it_runs_all_containers_if_that_is_asked_for(self):
        with self.by_default():
            self.assertEqual(self.run_plain("--platform", "wasi/wasm", stand.WASM).stdout, "Hello from wasm!\n")
            self.assertEqual(self.run_plain(stand.NATIVE, "echo", "hello").stdout, "hello\n")
            info = podman().try_do("info", "--format", "{{.Host.OCIRuntime.Name}}", runtime=False)
            self.assertEqual(info.stdout, "wasmoor\n", info.stderr)

    def test_images_of_the_platform_are_run_by_it(self):
        version = re.search(r"(\d+)\.(\d+)", podman().do("--version"))
        if tuple(map(int, version.groups())) < PICKS_BY_PLATFORM:
            self.skipTest("podman picks no runtime by an image's platform before 4.4")
        done = self.run_plain("--platform", "wasi/wasm", stand.WASM)
        self.assertEqual((done.stdout, done.returncode), ("Hello from wasm!\n", 0), done.stderr)
