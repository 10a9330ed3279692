"""Namespaces for a test, and what is left of it: for tests in Python that have programs make mounts and containers."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

CGROUPS = pathlib.Path("/sys/fs/cgroup")
PATIENCE = 2  # Seconds for what was killed to be gone.
APART = "WASMOOR_TEST_APART"  # Set in the environment of a program that is apart.


def command(*program):
    """A command that runs `program` as the first process of pid and mount namespaces of its own.

    What it starts and mounts ends with it, and it with whoever starts it.
    """
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
            "--kill-child", "--mount-proc", *map(str, program)]


def be_apart(reaped=False):
    """Becomes a first process as above, if this one is none yet; or one below it, where that reaps what others leave."""
    if APART not in os.environ:
        os.environ[APART] = "1"
        reaper = ("catatonit", "--") if reaped else ()
        again = command(*reaper, sys.executable, "-B", *sys.argv)
        os.execvp(again[0], again)


def mount_memory(*folders):
    """An empty file system for each, that nothing else uses and that no one need empty."""
    for folder in folders:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)


def mount_points():
    return [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]


def processes():
    """Command lines of all but this process, once those that have ended are reaped."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):  # It may have ended meanwhile.
                words = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
                found.append(words or (entry / "comm").read_text().strip())
    return found


def processes_left():
    """Those of `processes` that stay."""
    end = time.monotonic() + PATIENCE
    while (left := processes()) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def kill_others():
    """All but this process, which has to be apart."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        if int(entry.name) != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
    processes_left()


def groups(names):
    """Control groups below any whose name contains one of `names`, and it; those above come before those below."""
    return [path for path in (pathlib.Path(path) for path, _, _ in os.walk(CGROUPS))
            if any(name in part for part in path.relative_to(CGROUPS).parts for name in names)]


def remove_groups(names):
    """Removes those that are empty, and returns all that there were."""
    found = groups(names)
    for path in reversed(found):
        with contextlib.suppress(OSError):
            path.rmdir()
    return found
