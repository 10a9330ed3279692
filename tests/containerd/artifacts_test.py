"""Artifacts of WebAssembly in a real containerd, found as a shim finds them; and events that it is told of.

    artifacts_test.py debian|current ASK_CONTAINERD - [test names...]
"""

import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e_containers" / "containerd"), str(HERE)]

import stand  # noqa: E402

try:
    import cri  # noqa: E402
    import grpc  # noqa: E402
except ImportError:
    stand.cannot_run("Python has no gRPC here; Debian's package is called python3-grpcio")
import archive  # noqa: E402
import daemon  # noqa: E402

NAMESPACE = "artifacts"
GRPC, TTRPC = "/run/containerd/containerd.sock", "/run/containerd/containerd.sock.ttrpc"
ASK = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
MODULE = b"\0asm\1\0\0\0"
KINDS = ("application/wasm", "application/vnd.wasm.content.layer.v1+wasm",
         "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm")


def module(size, mark):
    """Not to be mixed up with another."""
    return MODULE + mark.encode() + bytes(range(256)) * (size // 256)


class Artifacts(unittest.TestCase):
    def setUp(self):
        self._images = archive.Archive()
        self._name = f"docker.io/test/{self.id().rpartition('.')[2].lower()}:1"
        self._kept = stand.here.scratch / f"kept-{self.id()}"

    def _import(self, target, without=()):
        path = stand.here.scratch / "image.tar"
        self._images.add(self._name, target)
        self._images.write(path, without)
        containerd = stand.here.containerd
        local = ["--local"] if "--local" in containerd.ctr("images", "import", "--help") else []
        return containerd.try_ctr("images", "import", *local, "--all-platforms", "--no-unpack", path)

    def _container(self, image):
        """The record of a container, which needs nothing else of containerd."""
        name = f"c-{self.id().rpartition('.')[2]}"
        with grpc.insecure_channel(f"unix://{GRPC}") as channel:
            create = channel.unary_unary("/containerd.services.containers.v1.Containers/Create", cri.encode, bytes)
            record = {1: name, 3: image, 4: {1: "io.containerd.wasmtime.v1"}, 5: {1: "types/spec", 2: "{}"}}
            create({1: record}, metadata=(("containerd-namespace", NAMESPACE),), timeout=20)
        self.addCleanup(stand.here.containerd.try_ctr, "containers", "delete", name)
        return name

    def _ask(self, container, entrypoint="/app.wasm", address=GRPC):
        return subprocess.run([ASK, "artifact", address, NAMESPACE, container, entrypoint, self._kept],
                              capture_output=True, text=True, timeout=60, check=False)

    def _find(self, layer, entrypoint="/app.wasm", container=None):
        """That it finds the module of a layer."""
        done = self._ask(container or self._container(self._name), entrypoint)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        title = layer.get("annotations", {}).get(archive.TITLE, layer["digest"])
        self.assertEqual(done.stdout, f"{layer['digest']} {layer['size']} {self._name} ({title})\n")

    def _refuses(self, code, *words):
        done = self._ask(self._container(self._name))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith(f"{code}: "), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_finds_modules_of_every_kind_of_layer_and_configuration(self):
        for number, kind in enumerate(KINDS):
            for config in (archive.OCI_CONFIG, "application/vnd.wasm.config.v0+json"):
                self._images = archive.Archive()
                self._name = f"docker.io/test/kind{number}-{len(config)}:1"
                layer = self._images.blob(kind, module(1000 + number, config))
                self.assertEqual(self._import(self._images.artifact([layer], config)).returncode, 0)
                with self.subTest(kind=kind, config=config):
                    container = self._container(self._name)
                    self._find(layer, container=container)
                    stand.here.containerd.ctr("containers", "delete", container)

    def test_finds_a_module_of_many_megabytes_and_keeps_it(self):
        layer = self._images.blob(KINDS[0], module(20_000_000, "large"))
        self._import(self._images.artifact([layer]))
        container = self._container(self._name)
        self._find(layer, container=container)
        # What it has it does not ask for.
        stand.here.containerd.ctr("content", "rm", layer["digest"])
        self._find(layer, container=container)

    def test_chooses_the_layer_that_the_entrypoint_names(self):
        layers = [self._images.blob(KINDS[0], module(100, name), annotations={archive.TITLE: name})
                  for name in ("one.wasm", "bin/two.wasm")]
        self._import(self._images.artifact(layers))
        container = self._container(self._name)
        self._find(layers[1], "/bin/two.wasm#main", container)
        self._find(layers[0], "/other.wasm", container)

    def test_chooses_the_platform_of_wasm_in_an_index(self):
        native = self._images.artifact([self._images.blob("application/vnd.oci.image.layer.v1.tar", b"no tar")],
                                       platform=("linux", "amd64"))
        layer = self._images.blob(KINDS[0], module(100, "index"))
        self._import(self._images.index([(native, ("linux", "amd64")),
                                         (self._images.artifact([layer], platform=("wasi", "wasm")), ("wasi", "wasm"))]))
        self._find(layer)

    def test_says_which_platforms_an_image_has_instead(self):
        layer = self._images.blob("application/vnd.oci.image.layer.v1.tar", b"no tar")
        self._import(self._images.index([(self._images.artifact([layer], platform=("linux", "amd64")),
                                          ("linux", "amd64"))]))
        self._refuses("not_found", self._name, "linux/amd64")

    def test_says_what_layers_there_are_instead(self):
        layer = self._images.blob("application/vnd.oci.image.layer.v1.tar", b"no tar")
        self._import(self._images.artifact([layer]))
        self._refuses("not_found", self._name, "no layer of WebAssembly", "image.layer.v1.tar")

    def test_refuses_precompiled_code(self):
        code = b"\x7fELF\2\1\1\xc8" + bytes(1000)
        self._import(self._images.artifact([self._images.blob(KINDS[0], code)]))
        self._refuses("invalid_argument", self._name, "never loaded from an image")

    def test_says_what_content_is_missing(self):
        layer = self._images.blob(KINDS[0], module(100, "missing"))
        self._import(self._images.artifact([layer]))
        stand.here.containerd.ctr("content", "rm", layer["digest"])
        self._refuses("failed_precondition", layer["digest"], "pull the image again")

    def test_refuses_content_that_was_changed(self):
        layer = self._images.blob(KINDS[0], module(100, "changed"))
        self._import(self._images.artifact([layer]))
        found = [path for path in stand.here.scratch.rglob(layer["digest"].partition(":")[2]) if "kept" not in str(path)]
        self.assertEqual(len(found), 1)
        found[0].chmod(0o600)
        found[0].write_bytes(module(100, "chanced"))
        self._refuses("invalid_argument", layer["digest"], "other content than its name says")

    def test_says_that_a_container_or_its_image_is_gone(self):
        done = self._ask("nobody")
        self.assertIn("nobody", done.stderr)
        self.assertTrue(done.stderr.startswith("not_found: "), done.stderr)
        self._refuses("failed_precondition", self._name, "no image of that name")

    def test_says_that_containerd_does_not_answer(self):
        done = self._ask("c", address="/run/containerd/nobody.sock")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/run/containerd/nobody.sock", done.stderr)


class EventsTest(unittest.TestCase):
    def test_containerd_hears_of_every_event_in_order(self):
        image = stand.NATIVE
        events = daemon.Events(stand.here.containerd, image)
        self.addCleanup(events.close)
        done = subprocess.run([ASK, "publish", TTRPC, NAMESPACE, "told", "100"], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(events.of_task("told", 300), ["start", "oom", "exit"] * 100)


if __name__ == "__main__":
    stand.main(__doc__, NAMESPACE)
