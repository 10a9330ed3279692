"""What the kernel tells of a process (proc(5)), for tests in Python."""

import contextlib
import os
import pathlib
import re


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """Of a process, for itself alone, in KiB."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(found) for found in re.findall(r"^Private_\w+:\s+(\d+)", rollup, re.MULTILINE))


def pids():
    return [int(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*")]


def words(pid):
    """Its command line; none of one that has ended."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        return text.removesuffix("\0").split("\0")
    return []


def state_and_parent(pid):
    """Its state is "Z" once it has ended, and "" once it is reaped."""
    with contextlib.suppress(OSError):
        # Its name stands before them, in which there may be anything.
        state, parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return state, int(parent)
    return "", 0


def children(pid):
    """Those that have not ended. The kernel's own list of them leaves some out while others end."""
    found = []
    for other in pids():
        state, parent = state_and_parent(other)
        if parent == pid and state not in ("", "Z"):
            found.append(other)
    return found
