"""A server of functions as a process of its own, for tests; and what it leaves when it has ended."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 30


def until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not so after {PATIENCE} s: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lanes_groups():
    """The control groups that servers make for their threads, on either version of control groups."""
    return sorted(str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/wasmoor-lanes"))


class Server:
    """`words` after the executable; its log is a file. Ended with `stop`."""

    def __init__(self, words, environment=None):
        self.folder = tempfile.TemporaryDirectory()
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.out_path = pathlib.Path(self.folder.name) / "out"
        with open(self.log_path, "wb") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in words], stdout=out, stderr=log,
                                            env=os.environ | (environment or {}))

    def log(self):
        return self.log_path.read_text(errors="replace")

    def out(self):
        return self.out_path.read_text(errors="replace")

    def wait_for(self, address):
        host, port = address.rsplit(":", 1)

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"it has ended with {self.process.returncode}: {self.log()}")
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return True
            return False
        until(answers, f"somebody listens at {address}: {self.log()}")

    def threads(self):
        return {path.name: (path / "comm").read_text().strip()
                for path in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()}

    def cpu_seconds(self):
        """Of all its threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE)
        self.last_log = self.log()
        self.folder.cleanup()
        return status
