"""One measurement of one command, by the program `measure` (measure.cc says why it is one)."""

import dataclasses
import json
import os
import subprocess
from typing import Callable, Optional


class MeasureError(Exception):
    """A command that did not do what it is measured for."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A program with its arguments, which options of `measure` may stand before, and what must be done before each
    run of it."""

    argv: list
    environment: dict = dataclasses.field(default_factory=dict)
    before: Optional[Callable[[], None]] = None


class Measure:
    def __init__(self, program):
        self._program = str(program)

    def once(self, command):
        """Wall and CPU time and peak resident size of one run."""
        return self._run(command, [])

    def threads(self, command):
        """How many threads it has over its life, the first included."""
        return self._run(command, ["--threads"])["threads"]

    def many(self, command, at_once, times):
        """The wall time of `times` runs, `at_once` of them at any moment."""
        return self._run(command, ["--at-once", str(at_once), "--times", str(times)])

    def _run(self, command, options):
        if command.before:
            command.before()
        argv = [self._program, *options, *map(str, command.argv)]
        done = subprocess.run(argv, env={**os.environ, **command.environment}, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise MeasureError(f"{' '.join(argv)}: {done.stderr.strip()}")
        result = json.loads(done.stdout)
        if result["status"] != 0:
            raise MeasureError(f"{' '.join(argv)}: ended with {result['status']}: {done.stderr.strip()}")
        return result
