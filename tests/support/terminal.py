"""Programs on a pseudo-terminal of their own."""

import contextlib
import os
import pty
import select
import termios
import time

ROWS, COLUMNS = 24, 80
PATIENCE = 20  # Seconds for a program to end.


def run(command, environment, typed=b""):
    """The exit status of a program, and what it prints to a terminal on which `typed` is typed."""
    child, terminal = pty.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.execvpe(command[0], command, environment)
        os._exit(127)
    termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
    os.write(terminal, typed)
    output = _read_until_closed(terminal)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output


def _read_until_closed(terminal):
    output = b""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                got = os.read(terminal, 4096)
            except OSError:  # EIO: no one has it open any more, pty(7).
                break
            output += got
    return output.decode(errors="replace")
