"""Runs cases, several at a time, and prints a line for each as it ends."""

import concurrent.futures
import io
import pathlib
import threading
import time
import traceback
import unittest

HERE = str(pathlib.Path(__file__).resolve().parent)
AT_ONCE = 6  # The kubelet waits far more than it works.


class Outcome(unittest.TestResult):
    """Of one test."""

    word = "ok"
    text = ""

    def _fail(self, error):
        self.word = "FAILED"
        kind, value, trace = error
        # The lines of the case and of what it calls here; not those of unittest below.
        places = [f"{pathlib.Path(frame.filename).name}:{frame.lineno}: {frame.line}\n"
                  for frame in traceback.extract_tb(trace) if HERE in frame.filename]
        self.text += "".join([*places, *traceback.format_exception_only(kind, value)])

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(err)
        self._see(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(err)
        self._see(test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.word, self.text = "skipped", reason

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._fail(err)

    def _see(self, test):
        # Asked before the test's objects go.
        if hasattr(test, "what_it_saw"):
            self.text += test.what_it_saw()


def sentence(test):
    return test.id().rpartition(".test_")[2].replace("_", " ")


class Runner:
    """`report` is called with each line."""

    def __init__(self, report=print):
        self._report = report
        self._lock = threading.Lock()
        self.counts = {"ok": 0, "FAILED": 0, "skipped": 0}
        self.failed = []

    def run(self, tests):
        """Those that run at once, then those that have to be alone. Returns whether none failed."""
        tests = list(tests)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._run_one, [test for test in tests if not test.ALONE]))
        for test in tests:
            if test.ALONE:
                self._run_one(test)
        return not self.counts["FAILED"]

    def _run_one(self, test):
        outcome = Outcome()
        began = time.monotonic()
        test.run(outcome)
        out = io.StringIO()
        print(f"{outcome.word:7} {time.monotonic() - began:5.1f} s  {sentence(test)}", file=out, end="")
        if outcome.text:
            print("".join(f"\n    {line}" for line in outcome.text.rstrip().splitlines()), file=out, end="")
        with self._lock:
            self.counts[outcome.word] += 1
            if outcome.word == "FAILED":
                self.failed.append(sentence(test))
            self._report(out.getvalue())


def tests_in(modules, words=()):
    """All tests of the modules whose sentence or class has one of `words`; all if there are none."""
    found = []
    for module in modules:
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            found += [test for test in suite
                      if not words or any(word in test.id() or word in sentence(test) for word in words)]
    return found
