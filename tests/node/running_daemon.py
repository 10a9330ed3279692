"""The node's daemon, for tests: its process, its settings, and what it is asked."""

import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"),
                *(str(ROOT / "tests" / "e2e_containers" / name) for name in ("containerd", "shim"))]

import proc  # noqa: E402
import ttrpc  # noqa: E402
from played import until  # noqa: E402

MANAGER = "runwasi.services.sandbox.v1.Manager"
USUAL = pathlib.Path("/run/io.containerd.wasmwasi.v1/manager.sock")
STATE = pathlib.Path("/run/wasmoor/wasmtimed")


def beside(shim):
    """The executable of the daemon that a shim asks."""
    return pathlib.Path(shim).resolve().parent / "containerd-wasmtimed"


class Daemon:
    """`program` is the executable, `log` the file that it appends to. It serves when this has been made."""

    def __init__(self, program, log, *flags, listen=USUAL, environment=None, inherit=()):
        self.program, self.listen, self._log = program, pathlib.Path(listen), pathlib.Path(log)
        self._ends_with = 0
        self._begin = self._log.stat().st_size if self._log.exists() else 0
        with open(self._log, "ab") as file:
            self.process = subprocess.Popen(
                [program, *map(str, flags)], env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
                stdout=file, stderr=file, pass_fds=inherit)
        until(lambda: "serving at" in self.log() or self.process.poll() is not None, "the daemon serves")
        if self.process.poll() is not None:
            raise RuntimeError(f"the daemon ended: {self.log()}")

    @property
    def pid(self):
        return self.process.pid

    def hosts(self):
        """The processes in which its guests are threads."""
        return [pid for pid in proc.children(self.pid) if "host-guests" in proc.words(pid)]

    def log(self):
        """What this one has logged."""
        with open(self._log, errors="replace", encoding="utf-8") as file:
            file.seek(self._begin)
            return file.read()

    def stop(self, by=signal.SIGTERM):
        """Its exit status."""
        if self.process.poll() is None:
            self._ends_with = -by if by == signal.SIGKILL else 0
            self.process.send_signal(by)
        return self.process.wait(30)

    def has_ended_well(self):
        """It has ended, and because it was told to."""
        return self.process.poll() == self._ends_with

    def upgrade(self):
        """Its program goes on as it is installed now."""
        done = subprocess.run([self.program, "--upgrade", "--listen", self.listen], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=90, check=False)
        if done.returncode != 0 or self.process.poll() is not None:
            raise RuntimeError(f"the daemon is not upgraded: {done.stderr}{self.log()}")
        return done.stdout

    def ask(self, method, request):
        with ttrpc.Client(str(self.listen)) as client:
            return client.call(MANAGER, method, request)

    def sandboxes(self, state=STATE):
        """What is written down of those that there are."""
        return sorted(str(path.parent.relative_to(state / "sandboxes"))
                      for path in (state / "sandboxes").glob("*/*/sandbox.json"))
