"""The machine that other tests run in: what comes back from it, and that nothing is left of it.

guest_machine_test.py GUEST_MACHINE
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

TOOL = None


def machines(mark):
    """The machines that run now with `mark` on their kernel's command line."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].startswith(b"qemu") and any(mark.encode() in word for word in words):
            found.append(process.name)
    return found


class GuestMachineTest(unittest.TestCase):
    def test_brings_back_output_status_and_files_of_a_system_with_groups_v2_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            sent, back = os.path.join(folder, "sent"), os.path.join(folder, "back")
            pathlib.Path(sent).write_bytes(bytes(range(256)) * 300)
            done = subprocess.run(
                [TOOL, "--file", f"{sent}:/there/sent", "--fetch", f"/tmp/copy:{back}", "--env", "WORD=a 'b'", "--",
                 "sh", "-c", 'cp /there/sent /tmp/copy; echo "$WORD"; cat /proc/self/cgroup; exit 42'],
                stdout=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 42)
            self.assertEqual(done.stdout, "a 'b'\n0::/machine\n")
            self.assertEqual(pathlib.Path(back).read_bytes(), pathlib.Path(sent).read_bytes())

    def test_ends_when_its_time_is_over(self):
        mark = f"wasmoor.limit={os.getpid()}"
        done = subprocess.run([TOOL, "--time-limit", "0.5", "--kernel-arguments", mark, "--", "sleep", "1000"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 124)
        self.assertIn("ended after 0.5 s", done.stderr)
        self.assertEqual(machines(mark), [])

    def test_is_gone_when_its_program_is_killed(self):
        mark = f"wasmoor.killed={os.getpid()}"
        program = subprocess.Popen([TOOL, "--kernel-arguments", mark, "--", "sleep", "1000"])
        end = time.monotonic() + 30
        while not machines(mark) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(len(machines(mark)), 1)
        program.kill()
        program.wait()
        end = time.monotonic() + 10
        while machines(mark) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(machines(mark), [])

    def test_says_what_is_missing(self):
        done = subprocess.run([TOOL, "--file", "/no/such/file", "--", "true"], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 125)
        self.assertIn("/no/such/file does not exist", done.stderr)


if __name__ == "__main__":
    TOOL = sys.argv.pop(1)
    unittest.main()
