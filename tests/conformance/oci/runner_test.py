"""What the runner makes of outcomes, with ready ones, and what it finds that made-up programs leave."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import verdict  # noqa: E402
from verdict import Excuse, Outcome  # noqa: E402


class OutcomeTest(unittest.TestCase):
    def test_it_passes_with_status_0_and_no_failure_among_its_lines(self):
        self.assertTrue(Outcome("a", 0, "ok 1 - this\nok 2 - that\n1..2\n").passed)
        self.assertTrue(Outcome("a", 0, "").passed)

    def test_a_failure_or_a_status_or_none_is_no_pass(self):
        self.assertFalse(Outcome("a", 0, "ok 1 - this\nnot ok 2 - that\n").passed)
        self.assertFalse(Outcome("a", 1, "ok 1 - this\n").passed)
        self.assertFalse(Outcome("a", "not finished after 60 s", "").passed)

    def test_a_failure_that_a_diagnosis_quotes_is_none(self):
        self.assertTrue(Outcome("a", 0, 'ok 1 - this\n  ---\n  not ok 7 - quoted\n  ...\n').passed)

    def test_the_reason_is_the_first_failure_or_else_the_last_line(self):
        self.assertEqual(Outcome("a", 1, "ok 1\nnot ok 2 - that\nnot ok 3\nbye\n").why(), "not ok 2 - that")
        self.assertEqual(Outcome("a", 1, "ok 1\nno such file\n\n").why(), "status 1: no such file")
        self.assertEqual(Outcome("a", "not run", "").why(), "status not run: no output")


class CompareTest(unittest.TestCase):
    good, bad = Outcome("good", 0, ""), Outcome("bad", 1, "oh")

    def wrong(self, outcomes, excuses, facts=(), complete=True):
        return verdict.compare(outcomes, excuses, facts, complete)

    def test_all_as_expected_is_nothing_to_say(self):
        self.assertEqual(self.wrong([self.good, self.bad], {"bad": Excuse("old kernel")}), [])

    def test_a_failure_without_an_excuse_is_wrong(self):
        self.assertEqual(self.wrong([self.bad], {}), ["bad failed: status 1: oh"])

    def test_a_pass_in_spite_of_an_excuse_is_wrong(self):
        self.assertEqual(self.wrong([self.good], {"good": Excuse("old kernel")}),
                         ["good passed, but is expected not to: old kernel"])

    def test_where_the_machine_has_what_an_excuse_misses_both_are_right(self):
        for outcome in (self.good, self.bad):
            excuses = {outcome.program: Excuse("no disk", unless="disk")}
            self.assertEqual(self.wrong([outcome], excuses, facts={"disk"}), [])
        self.assertNotEqual(self.wrong([self.good], {"good": Excuse("no disk", unless="disk")}), [])

    def test_what_is_left_behind_is_wrong_even_of_a_pass(self):
        outcome = Outcome("good", 0, "", left=tuple(f"mount: /{i}" for i in range(5)))
        self.assertEqual(self.wrong([outcome], {}),
                         ["good left behind mount: /0, mount: /1, mount: /2 and 2 more"])

    def test_an_excuse_for_no_program_is_wrong_if_all_were_run(self):
        self.assertEqual(len(self.wrong([self.good], {"gone": Excuse("old kernel")})), 1)
        self.assertEqual(self.wrong([self.good], {"gone": Excuse("old kernel")}, complete=False), [])


class ExcusesTest(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            return verdict.read_excuses(file.name)

    def test_a_line_is_a_name_and_a_reason_and_may_have_a_condition(self):
        self.assertEqual(self.read("# why\n\na: one: two\nb (disk): three\n"),
                         {"a": Excuse("one: two"), "b": Excuse("three", "disk")})

    def test_a_name_without_a_reason_or_a_second_time_is_refused(self):
        for text in ("a\n", "a:\n", "a: one\na: two\n", "a (): one\n"):
            with self.subTest(text), self.assertRaises(ValueError):
                self.read(text)

    def test_ours_are_16(self):
        self.assertEqual(len(verdict.read_excuses(pathlib.Path(__file__).with_name("cannot_pass.txt"))), 16)


@unittest.skipUnless(os.geteuid() == 0, "needs root: programs run in namespaces of their own")
class RunTest(unittest.TestCase):
    """Programs of two lines, with a runtime whose every command is `true`."""

    programs = {
        "good": "echo ok 1",
        "hangs": "echo ok 1; sleep 100",
        "leaves_file": "mkdir -p /run/fake/box; touch /run/fake/box/state",
        "leaves_group": '"$RUNTIME" create 00000000-0000-4000-8000-00000000000a\n'
                        "mkdir /sys/fs/cgroup/pids/00000000-0000-4000-8000-00000000000a",
        "leaves_mount": "mkdir $TMPDIR/at; mount -t tmpfs none $TMPDIR/at",
        "leaves_process": "setsid sleep 98 &",
        "uses_its_runtime": '"$RUNTIME" create a && [ -w "$TMPDIR" ] && [ -e programs/good ]',
    }

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            suite = pathlib.Path(folder)
            (suite / "programs").mkdir()
            for name, script in cls.programs.items():
                (suite / "programs" / name).write_text(f"#!/bin/sh\n{script}\n")
                (suite / "programs" / name).chmod(0o755)
            run = pathlib.Path(__file__).with_name("run")
            done = subprocess.run([sys.executable, "-B", run, "--json", "--seconds", "1", "--suite", suite,
                                   "--runtime", "/bin/true", "--any"], capture_output=True, text=True, check=False)
        if done.returncode == 77:
            raise unittest.SkipTest(done.stderr)
        cls.outcomes = {outcome["program"]: outcome for outcome in json.loads(done.stdout)["programs"]}

    def test_programs_run_where_they_find_their_files_and_the_runtime(self):
        for name in ("good", "uses_its_runtime"):
            with self.subTest(name):
                self.assertTrue(self.outcomes[name]["passed"], self.outcomes[name])
                self.assertEqual(self.outcomes[name]["left"], [])

    def test_one_that_hangs_is_ended_and_has_not_passed(self):
        self.assertFalse(self.outcomes["hangs"]["passed"])
        self.assertEqual(self.outcomes["hangs"]["status"], "not finished after 1 s")

    def test_what_is_left_is_found(self):
        for name, left in (("leaves_file", "file: /run/fake/box/state"), ("leaves_process", "process: sleep 98"),
                           ("leaves_group", "control group: /sys/fs/cgroup/pids/00000000-0000-"),
                           ("leaves_mount", "mount: ")):
            with self.subTest(name):
                self.assertIn(left, "\n".join(self.outcomes[name]["left"]))

    def test_what_was_left_is_gone(self):
        self.assertFalse(os.path.exists("/sys/fs/cgroup/pids/00000000-0000-4000-8000-00000000000a"))


if __name__ == "__main__":
    unittest.main()
