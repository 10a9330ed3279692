"""What the outcome of a validation program means, and how outcomes compare with what is expected."""

import dataclasses
import pathlib
import re
from typing import Union


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Of one program: its exit status, or a sentence why it has none; its output; what the runtime left behind."""

    program: str
    status: Union[int, str]
    output: str
    left: tuple = ()
    seconds: float = 0.0

    @property
    def passed(self):
        return self.status == 0 and not self.failures

    @property
    def failures(self):
        """The lines of the Test Anything Protocol that say so. Indented ones are quoted in a diagnosis."""
        return re.findall(r"^not ok\b.*", self.output, re.MULTILINE)

    def why(self):
        """One line on a program that has not passed."""
        if self.failures:
            return self.failures[0]
        last = [line for line in self.output.splitlines() if line.strip()]
        return f"status {self.status}: {last[-1] if last else 'no output'}"


@dataclasses.dataclass(frozen=True)
class Excuse:
    """Why a program cannot pass. Where the machine has `unless`, it may."""

    reason: str
    unless: str = ""


def read_excuses(path):
    """Lines 'name: reason' or 'name (unless): reason', and '#' before comments, as {name: Excuse}."""
    excuses = {}
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\w+)(?: \((\w+)\))?: (.+)", line)
        if not match or match[1] in excuses:
            raise ValueError(f"{path}:{number}: '{line}' is not a line 'name: reason' for one more program")
        excuses[match[1]] = Excuse(match[3], match[2] or "")
    return excuses


def compare(outcomes, excuses, facts, complete):
    """Sentences on everything that is not as expected. `facts`: what the machine has; `complete`: every program ran."""
    wrong = []
    for outcome in outcomes:
        excuse = excuses.get(outcome.program)
        if outcome.passed and excuse and excuse.unless not in facts:
            wrong.append(f"{outcome.program} passed, but is expected not to: {excuse.reason}")
        if not outcome.passed and not excuse:
            wrong.append(f"{outcome.program} failed: {outcome.why()}")
        if outcome.left:
            more = f" and {len(outcome.left) - 3} more" if len(outcome.left) > 3 else ""
            wrong.append(f"{outcome.program} left behind {', '.join(outcome.left[:3])}{more}")
    if complete:
        names = {outcome.program for outcome in outcomes}
        wrong += [f"{name} is expected not to pass, but is no program of the suite"
                  for name in sorted(set(excuses) - names)]
    return wrong
