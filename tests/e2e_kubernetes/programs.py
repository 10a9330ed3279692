"""Long-running programs of the node, each with a log of its own."""

import signal
import subprocess
import time


class Program:
    """Runs `command`; what it prints goes to the end of the file `log`."""

    def __init__(self, command, log, environment=None):
        self._command = [str(word) for word in command]
        self._environment = environment
        self.log = log
        self._child = None

    @property
    def name(self):
        return self.log.stem

    def start(self):
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=subprocess.STDOUT)
        return self

    @property
    def pid(self):
        return self._child.pid

    def stop(self, by=signal.SIGTERM):
        """Waits until it has ended. One that lingers is killed."""
        if self._child is None:
            return
        self._child.send_signal(by)
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def check(self):
        if self._child is not None and self._child.poll() is not None:
            raise RuntimeError(f"{self.name} ended with status {self._child.returncode}:\n{self.last_words()}")

    def last_words(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_for(what, condition, seconds, programs=(), pause=0.1):
    """The first true value of `condition()`. Ends early if one of `programs` does."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        for program in programs:
            program.check()
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(pause)
    return value
