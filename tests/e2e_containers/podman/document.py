"""The commands that docs/podman.md shows."""

import os
import pathlib
import re
import shutil
import unittest

import stand

DOCUMENT = pathlib.Path(__file__).resolve().parents[3] / "docs" / "podman.md"
# Sections whose commands are for one of them alone.
FOR_ROOT, FOR_USERS = {"Install"}, {"Install for one user", "Without root and podman"}
# What a machine with systemd, a network and control groups that crun takes would not need.
SYSTEM = """[containers]
netns = "none"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "wasmoor"
"""


def sessions(text):
    """What is typed, and what it prints if that is shown, in order: (section, command, output)."""
    section, found = "", []
    for heading, block in re.findall(r"^## (.*)$|^```console\n([^`]*)^```$", text, re.MULTILINE):
        section = heading or section
        for words in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command = re.match(r"(?:.*\\\n)*.*\n", words)[0]
            found.append((section, command.strip(), words[len(command):]))
    assert found, "no command is found in the document"
    return found


class DocumentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = stand.here.client
        cls.installed = stand.install(cls.client.folder / "usr-local")
        cls.folder = cls.client.folder / "work"
        (cls.folder / "rootfs/bin").mkdir(parents=True)
        for applet in ("sh", "id"):
            shutil.copy(shutil.which("busybox"), cls.folder / "rootfs/bin" / applet)
        for guest in stand.GUESTS:
            shutil.copy(stand.here.guests / f"{guest}.wasm", cls.folder)
        text = DOCUMENT.read_text()
        cls.folder.joinpath("Containerfile").write_text(re.search(r"```Dockerfile\n(.*?)```", text, re.DOTALL)[1])
        for path in (cls.folder, *cls.folder.rglob("*")):
            os.chown(path, *cls.client.ids)
        cls.sessions = sessions(text)
        home = pathlib.Path("/etc/containers") if cls.client.is_root else cls.client.folder / "home/.config/containers"
        cls.drop_ins = home / "containers.conf.d"
        cls.client.command("mkdir", "-p", cls.drop_ins)
        (cls.drop_ins / "10-system.conf").write_text(SYSTEM)
        cls.doors = cls.make_doors()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.drop_ins)

    @classmethod
    def make_doors(cls):
        """A folder of commands that are the documents', with the storage of these tests."""
        folder = cls.client.folder / "doors"
        folder.mkdir()
        for name in ("podman", "buildah"):
            words = [shutil.which(name), *cls.client.places(name)]
            (folder / name).write_text(f"#!/bin/sh\nexec {' '.join(words)} \"$@\"\n")
        (folder / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        for path in folder.iterdir():
            path.chmod(0o755)
        return folder

    def type_in(self, command):
        path = f"{self.doors}:{self.installed}/bin:{os.environ['PATH']}"
        script = f"cd {self.folder}; PATH={path}; set -o pipefail; {command.replace('/usr/local', str(self.installed))}"
        return self.client.command("bash", "-c", script)

    def test_every_command_does_what_it_shows(self):
        skipped = FOR_USERS if self.client.is_root else FOR_ROOT
        for section, command, output in self.sessions:
            if section in skipped:
                continue
            with self.subTest(command):
                done = self.type_in(command)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout, output or done.stdout, done.stderr)
