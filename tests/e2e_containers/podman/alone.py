"""wasmoor-runtime as a user without rights calls it, without podman."""

import json
import pathlib
import shutil
import unittest

import stand


def runtime(*words):
    return stand.here.client.command(stand.here.runtime, *words)


def status_of_runtime(*words):
    """Of a call whose container has the caller's streams and outlives it."""
    return stand.here.client.command("sh", "-c", '"$@" >/dev/null 2>&1', "sh", stand.here.runtime, *words).returncode


class AloneTest(unittest.TestCase):
    """Of a user: what it does for root has tests of its own."""

    @classmethod
    def setUpClass(cls):
        if stand.here.client.is_root:
            raise unittest.SkipTest("it is for users without rights")
        cls.bundle = stand.here.scratch / "bundle"
        (cls.bundle / "rootfs/bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), cls.bundle / "rootfs/bin/sh")
        shutil.copy(stand.here.guests / "hello.wasm", cls.bundle / "rootfs")
        for path in (cls.bundle, *cls.bundle.rglob("*")):
            shutil.chown(path, stand.ID, stand.ID)

    def make_bundle(self, *words):
        config = self.bundle / "config.json"
        config.unlink(missing_ok=True)
        made = runtime("spec", "--rootless", "--bundle", self.bundle)
        self.assertEqual(made.returncode, 0, made.stderr)
        spec = json.loads(config.read_text())
        spec["process"].update(terminal=False, args=list(words))
        return spec

    def run_it(self, spec):
        (self.bundle / "config.json").write_text(json.dumps(spec))
        return runtime("run", "--bundle", self.bundle, "one")

    def test_it_runs_containers_of_both_kinds(self):
        for words, says in ((("/bin/sh", "-c", "echo hello"), "hello\n"), (("/hello.wasm",), "Hello from wasm!\n")):
            done = self.run_it(self.make_bundle(*words))
            self.assertEqual((done.stdout, done.returncode), (says, 0), done.stderr)

    def test_subordinate_numbers_are_mapped_by_newuidmap(self):
        spec = self.make_bundle("/bin/sh", "-c", "while read -r line; do echo $line; done </proc/self/uid_map")
        for kind in ("uidMappings", "gidMappings"):
            spec["linux"][kind].append({"containerID": 1, "hostID": stand.FIRST_SUBORDINATE, "size": 1000})
        self.assertEqual(self.run_it(spec).stdout, f"0 {stand.ID} 1\n1 {stand.FIRST_SUBORDINATE} 1000\n")

    def test_it_lives_from_create_to_delete(self):
        (self.bundle / "config.json").write_text(json.dumps(self.make_bundle("/bin/sh", "-c", "exit 3")))
        for words in (("create", "--bundle", self.bundle, "one"), ("start", "one"), ("delete", "--force", "one")):
            self.assertEqual(status_of_runtime(*words), 0, words)
        self.assertEqual(json.loads(runtime("list", "--format", "json").stdout or "[]") or [], [])

    def test_what_it_keeps_is_in_the_users_own_directory(self):
        (self.bundle / "config.json").write_text(json.dumps(self.make_bundle("/bin/sh")))
        self.assertEqual(status_of_runtime("create", "--bundle", self.bundle, "one"), 0)
        kept = pathlib.Path(stand.here.client.environment["XDG_RUNTIME_DIR"], "wasmoor/one")
        self.assertTrue(kept.is_dir())
        self.assertEqual(runtime("delete", "--force", "one").returncode, 0)
        self.assertFalse(kept.exists())

    def test_a_limit_that_cannot_be_kept_is_an_error(self):
        spec = self.make_bundle("/bin/sh")
        spec["linux"]["resources"] = {"memory": {"limit": 64 << 20}}
        done = self.run_it(spec)
        self.assertEqual(done.returncode, 1)
        self.assertIn("linux.resources", done.stderr)
