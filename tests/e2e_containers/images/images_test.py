"""Images that `wasmoor image build` makes, as containerd and skopeo take them; and the test image, as `make load` gives it.

    images_test.py debian|current RUNTIME GUESTS [TEST...]

As containerd_test.py, but GUESTS may not be missing. The executable wasmoor is beside RUNTIME, and the folder images, with
what `make build` has made, beside that folder. Exit status 77: cannot run here.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "containerd")]
import stand  # noqa: E402
from stand import containerd  # noqa: E402

BIN = pathlib.Path(sys.argv[2]).resolve().parent if len(sys.argv) > 2 else None
HELLO = "Hello from wasm!\n"
COMPONENT_LAYER = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"


class ImageTest(unittest.TestCase):
    def setUp(self):
        self.name = re.sub(r"\W", "-", self.id().rpartition(".")[2])
        self.tag = f"docker.io/images/{self.name.replace('_', '-')}:1"
        self.archive = stand.here.scratch / f"{self.name}.tar"

    def build(self, guest, *options, arguments=()):
        """Its path; the image is called self.tag."""
        wasm = stand.here.guests / f"{guest}.wasm"
        subprocess.run([BIN / "wasmoor", "image", "build", "--quiet", "--output", self.archive, "--tag", self.tag,
                        *options, wasm, *arguments], check=True)
        return self.archive

    def run_it(self, *words, options=()):
        return containerd().run(self.tag, self.name, *words, options=options)



class RootfsTest(ImageTest):
    def test_an_image_of_a_file_runs(self):
        # Without any option that an image of another kind would need.
        containerd().ctr("images", "import", self.build("hello"))
        done = self.run_it()
        self.assertEqual((done.stdout, done.returncode), (HELLO, 0), done.stderr)

    def test_one_of_another_platform_needs_no_option_to_run(self):
        for platform in ("wasi/wasm", "linux/arm64"):
            with self.subTest(platform):
                containerd().ctr("images", "import", self.build("hello", "--platform", platform))
                done = self.run_it()
                self.assertEqual((done.stdout, done.returncode), (HELLO, 0), done.stderr)

    def test_an_image_of_several_platforms_runs(self):
        archive = self.build("hello", "--platform", "linux/arm64", "--platform", "linux/amd64", "--platform", "wasi/wasm")
        containerd().ctr("images", "import", archive)
        done = self.run_it()
        self.assertEqual((done.stdout, done.returncode), (HELLO, 0), done.stderr)

    def test_what_the_options_say_is_what_the_container_has(self):
        archive = self.build("args", "--env", "COLOUR=blue", "--workdir", "/work", "--user", "1000:1000",
                             "--entrypoint", "/opt/tools/args.wasm", "--compression", "none", arguments=["one", "two"])
        containerd().ctr("images", "import", archive)
        done = self.run_it()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("arg 0: /opt/tools/args.wasm\narg 1: one\narg 2: two\n", done.stdout)
        self.assertIn("env COLOUR=blue\n", done.stdout)
        # What ctr is told takes the place of the image's entrypoint and arguments both.
        done = self.run_it("/opt/tools/args.wasm", "three")
        self.assertIn("arg 1: three\n", done.stdout)
        self.assertNotIn("arg 2", done.stdout)

    def test_other_files_are_in_it(self):
        folder = stand.here.scratch / "files"
        (folder / "deep" / "deeper").mkdir(parents=True)
        (folder / "deep" / "deeper" / "note").write_text("a note\n")
        containerd().ctr("images", "import", self.build("cat", "--file", f"{folder}:/data"))
        done = self.run_it("/cat.wasm", "/data/deep/deeper/note")
        self.assertEqual((done.stdout, done.returncode), ("a note\n", 0), done.stderr)

    def test_it_comes_through_a_pipe(self):
        with subprocess.Popen([BIN / "wasmoor", "image", "build", "--quiet", "--output", "-", "--tag", self.tag,
                               stand.here.guests / "hello.wasm"], stdout=subprocess.PIPE) as builder:
            imported = subprocess.run(containerd()._command(["images", "import", "-"]), stdin=builder.stdout,
                                      capture_output=True, check=False)
        self.assertEqual((builder.returncode, imported.returncode), (0, 0), imported.stderr)
        self.assertEqual(self.run_it().stdout, HELLO)


class ArtifactTest(ImageTest):
    def stored(self):
        """What containerd has of the image: its manifest."""
        listed = containerd().ctr("images", "ls", f"name=={self.tag}")
        digest = re.search(r"sha256:[0-9a-f]{64}", listed)[0]
        return json.loads(containerd().ctr("content", "get", digest))

    def test_its_layers_are_stored_as_they_are(self):
        unpacked = ["--no-unpack"] if stand.here.which == "debian" else []
        for options in ([], ["--config-type", "application/vnd.wasm.config.v0+json"],
                        ["--layer-type", "application/vnd.wasm.content.layer.v1+wasm"]):
            with self.subTest(options):
                containerd().ctr("images", "import", *unpacked, self.build("hello", "--form", "artifact", *options))
                layer, = self.stored()["layers"]
                self.assertEqual(layer["size"], (stand.here.guests / "hello.wasm").stat().st_size)
                self.assertIn("wasm", layer["mediaType"])

    def test_the_newer_containerd_makes_containers_of_it(self):
        if stand.here.which == "debian":
            self.skipTest("containerd before 1.7.7 unpacks every layer, and knows no unpacking of this kind")
        containerd().ctr("images", "import", self.build("hello", "--form", "artifact"))
        # An OCI runtime has the root filesystem only, which is empty: so far, and no further, it goes with one.
        self.assertIn('exec: "/hello.wasm"', self.run_it().stderr)


class TestImageTest(ImageTest):
    """docker.io/library/wasmtest:latest"""

    program = "/wasmtest.wasm"

    @classmethod
    def setUpClass(cls):
        daemon = containerd()
        environment = {**daemon._environment, "CONTAINERD_NAMESPACE": daemon._namespace}
        cls.archive_of_build = BIN.parent / "images" / "wasmtest.tar"
        done = subprocess.run([stand.ROOT / "tools" / "load-image", cls.archive_of_build], env=environment,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"namespace {daemon._namespace}" in done.stdout, done.stdout

    def setUp(self):
        super().setUp()
        self.tag = "docker.io/library/wasmtest:latest"

    def test_it_knows_its_commands(self):
        self.assertEqual(self.run_it().stdout, HELLO)
        for words, expected in (([], (HELLO, 0)), (["echo", "one", "two"], ("one two\n", 0)), (["exit", "3"], ("", 3)),
                                (["sleep", "0"], ("", 0)), (["write", "/file", "text"], ("", 0)),
                                (["write", "/no/such/file", "text"], ("", 1)), (["exit", "300"], ("", 2)),
                                (["nonsense"], ("", 2))):
            with self.subTest(words):
                done = self.run_it(self.program, *words)
                self.assertEqual((done.stdout, done.returncode), expected, done.stderr)

    def test_its_daemon_says_that_it_lives_until_it_is_stopped(self):
        self.addCleanup(containerd().remove, self.name)
        child = containerd().start(*containerd().run_words(self.tag, self.name, self.program, "daemon"))
        self.addCleanup(child.stdout.close)
        # The newer ctr has a warning before.
        lines = iter(child.stdout.readline, "")
        self.assertIn("wasmtest: alive for 0 s\n", lines)
        self.assertEqual(next(lines), "wasmtest: alive for 1 s\n")
        containerd().ctr("task", "kill", "-s", "TERM", self.name)
        child.communicate(timeout=20)
        self.assertEqual(child.returncode, 128 + 15)


class OtherToolsTest(ImageTest):
    def setUp(self):
        super().setUp()
        if not shutil.which("skopeo"):
            self.skipTest("no skopeo is installed; Debian's package is called so")

    def skopeo(self, *words):
        done = subprocess.run(["skopeo", *map(str, words)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_skopeo_reads_and_copies_it(self):
        for options in ([], ["--compression", "none"], ["--form", "artifact"]):
            with self.subTest(options):
                archive = self.build("hello", *options)
                seen = json.loads(self.skopeo("inspect", f"oci-archive:{archive}"))
                self.assertEqual(seen["Created"], "1970-01-01T00:00:00Z")
                if not options:
                    self.skopeo("copy", "--insecure-policy", f"oci-archive:{archive}",
                                f"dir:{stand.here.scratch / 'copy'}")


class LoadTest(ImageTest):
    def test_what_is_missing_is_said_in_a_sentence(self):
        environment = {**containerd()._environment, "CONTAINERD_ADDRESS": "/run/nowhere.sock"}
        for environment, sentence in ((environment, "no containerd answers at /run/nowhere.sock"),
                                      ({**environment, "PATH": "/nowhere"}, "no ctr in PATH")):
            done = subprocess.run(["/bin/sh", stand.ROOT / "tools" / "load-image", self.archive], env=environment,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr)


if __name__ == "__main__":
    stand.main(__doc__)
