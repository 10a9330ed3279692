"""The image that tools/build-wasmbox-image makes: what is in it, that it is the same each time, and that it starts.

    image_test.py EXECUTABLE [TEST...]
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST = 25 << 20
USER = 65532


def build(executable, archive, umask=0o022):
    return subprocess.run([ROOT / "tools" / "build-wasmbox-image", executable, archive], capture_output=True, text=True,
                          check=False, umask=umask)


class Tests(unittest.TestCase):
    executable = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.scratch.chmod(0o755)
        cls.archive = cls.scratch / "made" / "image.tar"
        done = build(cls.executable, cls.archive)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.said = done.stdout
        cls.layout = cls.scratch / "layout"
        with tarfile.open(cls.archive) as archive:
            archive.extractall(cls.layout, filter="data")
        index = json.loads((cls.layout / "index.json").read_text())
        cls.manifest = json.loads(cls.blob(index["manifests"][0]["digest"]).read_text())
        cls.config = json.loads(cls.blob(cls.manifest["config"]["digest"]).read_text())

    @classmethod
    def blob(cls, digest):
        return cls.layout / "blobs" / digest.replace(":", "/")

    def files(self):
        layer, = self.manifest["layers"]
        with tarfile.open(self.blob(layer["digest"])) as files:
            return {file.name.rstrip("/"): file for file in files.getmembers()}

    def test_it_is_small_and_says_how_small(self):
        size = self.archive.stat().st_size
        self.assertLess(size, MOST)
        self.assertLess(sum(file.size for file in self.files().values()), MOST)
        self.assertIn(f"{size} bytes", self.said)
        print(self.said, end="", file=sys.stderr)

    def test_it_has_one_program_and_two_empty_folders(self):
        files = self.files()
        self.assertEqual(set(files), {"usr", "usr/bin", "usr/bin/wasmbox", "functions", "cache"})
        for name, file in files.items():
            owner = USER if name == "cache" else 0
            self.assertEqual((file.uid, file.gid, file.mode & 0o7022, file.mtime), (owner, owner, 0, 0), name)

    def test_it_is_not_root_and_says_where_it_listens(self):
        config = self.config["config"]
        self.assertEqual((config["User"], config["Entrypoint"], config["WorkingDir"], config["StopSignal"]),
                         (f"{USER}:{USER}", ["/usr/bin/wasmbox"], "/", "SIGTERM"))
        self.assertEqual(set(config["ExposedPorts"]), {"8095/tcp", "8086/tcp"})
        told = dict(one.split("=", 1) for one in config["Env"])
        self.assertEqual((told["WEBSERVER_PORT"], told["HEALTHCHECK_PORT"]), ("8095", "8086"))
        self.assertNotIn("Labels", config)

    def test_the_same_program_makes_the_same_image(self):
        again = self.scratch / "again.tar"
        done = build(self.executable, again, umask=0o077)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(again.read_bytes(), self.archive.read_bytes())

    def test_its_program_starts_where_nothing_else_is(self):
        if os.geteuid() != 0:
            self.skipTest("only root may change the root directory")
        tree = self.scratch / "tree"
        layer, = self.manifest["layers"]
        with tarfile.open(self.blob(layer["digest"])) as files:
            files.extractall(tree, filter="fully_trusted")
        done = subprocess.run(["chroot", f"--userspec={USER}:{USER}", tree, "/usr/bin/wasmbox", "--version"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")

    def test_skopeo_reads_it(self):
        if not shutil.which("skopeo"):
            self.skipTest("skopeo is not installed")
        done = subprocess.run(["skopeo", "inspect", f"oci-archive:{self.archive}"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["Os"], "linux")

    def test_what_cannot_run_in_it_is_refused(self):
        shell = self.scratch / "sh"
        shutil.copy("/bin/sh", shell)
        for executable, why in ((shell, "shared libraries"), (self.scratch / "absent", "is no executable")):
            archive = self.scratch / "refused.tar"
            done = build(executable, archive)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)
            self.assertFalse(archive.exists())

    def test_manifests_run_it_as_it_is(self):
        """Its folders, user and ports are those of deploy/wasmbox."""
        for path in (ROOT / "deploy" / "wasmbox" / name for name in ("deployment.yaml", "ksvc-standalone.yaml")):
            text = path.read_text()
            for expected in (f"runAsUser: {USER}", "mountPath: /functions", "mountPath: /cache", "containerPort: 8095"):
                self.assertIn(expected, text)
            self.assertEqual(re.findall(r"value: (/cache/.+)", text), ["/cache/modules"])


if __name__ == "__main__":
    if not shutil.which("buildah"):
        print("cannot build images here: there is no buildah", file=sys.stderr)
        sys.exit(77)
    Tests.executable = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
