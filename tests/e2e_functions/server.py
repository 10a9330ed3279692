"""A server of functions as a process of its own, for tests; and what it leaves when it has ended."""

import atexit
import collections
import contextlib
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 30


def until(holds, what, patience=PATIENCE):
    """`what` is a sentence, or makes one when it is needed."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not so after {patience} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """A control group of CPU time that a server is started in, so that the groups it makes are among no others.

    Of control groups v1, where a group may have both processes and groups in it; `path` is None where there are none.
    """

    def __init__(self, name):
        self.path = None
        own = re.search(r"^\d+:(?:\w+,)*cpu(?:,\w+)*:(.*)$", pathlib.Path("/proc/self/cgroup").read_text(), re.M)
        if own:
            path = pathlib.Path("/sys/fs/cgroup/cpu" + own[1].rstrip("/")) / f"functions-test-{os.getpid()}-{name}"
            with contextlib.suppress(OSError):
                path.mkdir()
                self.path = path
        atexit.register(self.remove)

    def enter(self):
        """The calling process is here from now on."""
        if self.path:
            (self.path / "tasks").write_text("0")

    def below(self):
        """What servers have made in it; what is in one of them comes after it."""
        return sorted(path for path in self.path.glob("**/*") if path.is_dir()) if self.path else []

    def remove(self):
        for path in reversed([self.path, *self.below()] if self.path else []):
            with contextlib.suppress(OSError):
                path.rmdir()
        self.path = None


@functools.cache
def shared_group():
    """That of all servers which are given none of their own."""
    return Group("all")


def lanes_groups():
    """The control groups that servers make for their threads."""
    if shared_group().path:
        return [str(path) for path in shared_group().below()]
    return sorted(str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/wasmoor-lanes*"))


class Server:
    """`words` after the executable; its log is a file. `prepare` is called in its process first. Ended with `stop`."""

    def __init__(self, words, environment=None, group=None, prepare=lambda: None):
        self.folder = tempfile.TemporaryDirectory()
        self.group = group or shared_group()
        self.last_log = None  # Once it has been stopped.
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.out_path = pathlib.Path(self.folder.name) / "out"
        with open(self.log_path, "wb") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in words], stdout=out, stderr=log,
                                            env=os.environ | (environment or {}),
                                            preexec_fn=lambda: (self.group.enter(), prepare()))

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

    def holdings(self):
        """Its threads and descriptors, as text."""
        kinds = collections.Counter()
        for path in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                kinds[re.sub(r"\d+", "N", os.readlink(path))] += 1
        return f"{sorted(self.threads().values())}, {dict(kinds)}"

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
        if self.last_log is None:
            self.last_log = self.log()
            self.folder.cleanup()
        return status
