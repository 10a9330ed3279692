"""What the runner makes of figures, with ready ones: nothing is measured here."""

import json
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bundles  # noqa: E402
import contest  # noqa: E402
import curves  # noqa: E402
import density  # noqa: E402
import figures  # noqa: E402
import functions  # noqa: E402
import functions_isolation  # noqa: E402
import functions_load  # noqa: E402
import functions_servers  # noqa: E402
import functions_soak  # noqa: E402
import goals  # noqa: E402
import inside  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import shims  # noqa: E402
import soak  # noqa: E402
import through_cri  # noqa: E402
import units  # noqa: E402
from measuring import Command, MeasureError  # noqa: E402
from workloads import Workload  # noqa: E402


def table_of(**contenders):
    table = figures.Table()
    for contender, samples in contenders.items():
        for sample in samples:
            table.add("hello", contender, "wall", sample)
    return table


class SeriesTest(unittest.TestCase):
    def test_one_outlier_moves_neither_the_median_nor_the_spread_much(self):
        series = figures.Series((10, 11, 10, 12, 1000, 11, 10))
        self.assertEqual(series.median, 11)
        self.assertLess(series.spread, 0.1)

    def test_one_sample_has_no_spread(self):
        series = figures.Series((7,))
        self.assertEqual((series.median, series.lower, series.upper, series.spread), (7, 7, 7, 0))

    def test_what_was_not_measured_is_not_there(self):
        self.assertIsNone(figures.Table().get("hello", "wasmoor", "wall"))


class GoalTest(unittest.TestCase):
    at_most = goals.Goal("half", 0.5, goals.Side("hello", "a"), goals.Side("hello", "b"))
    at_least = goals.Goal("thrice", 3, goals.Side("hello", "a"), goals.Side("hello", "b"), goals.AT_LEAST)

    def verdict(self, goal, table):
        return goals.judge(table, [goal])[0][1:]

    def test_a_ratio_is_one_of_medians(self):
        table = table_of(a=[1, 2, 900], b=[4, 4, 4])
        self.assertEqual(self.verdict(self.at_most, table), (0.5, "met"))

    def test_a_goal_of_so_many_times_as_fast_is_ours_below_theirs(self):
        self.assertEqual(self.verdict(self.at_least, table_of(a=[10], b=[29])), (2.9, "missed"))
        self.assertEqual(self.verdict(self.at_least, table_of(a=[10], b=[30])), (3, "met"))

    def test_a_goal_of_a_rate_is_ours_over_theirs(self):
        table = figures.Table()
        table.add("at-once", "a", "rate", 90)
        table.add("at-once", "b", "rate", 30)
        goal = goals.Goal("rate", 3, goals.Side("at-once", "a", "rate"), goals.Side("at-once", "b", "rate"),
                          goals.AT_LEAST)
        self.assertEqual(self.verdict(goal, table), (3, "met"))

    def test_a_goal_of_wall_time_has_a_ratio_of_cpu_times_beside_it(self):
        table = table_of(a=[1], b=[4])
        self.assertIsNone(self.at_most.value_by_cpu(table))
        table.add("hello", "a", "cpu", 3)
        table.add("hello", "b", "cpu", 4)
        self.assertEqual(self.at_most.value_by_cpu(table), 0.75)

    def test_a_goal_without_a_peer_is_not_met_by_absence(self):
        self.assertEqual(self.verdict(self.at_most, table_of(a=[1])), (None, "not measured"))

    def test_every_goal_names_workloads_apart(self):
        titles = [goal.title for goal in goals.GOALS]
        self.assertEqual(len(titles), len(set(titles)))


class ContestTest(unittest.TestCase):
    class Measure:
        """Says what it was asked to run."""

        def __init__(self, crashes=""):
            self.ran = []
            self.crashes = crashes

        def once(self, command):
            self.ran.append(command.argv[0])
            if command.argv[0] == self.crashes:
                raise MeasureError("ended with 139")
            return {"wall_ns": 5, "user_us": 2, "system_us": 1, "peak_kib": 3, "background_us": 0}

        def threads(self, command):
            self.ran.append(f"threads of {command.argv[0]}")
            return 4

        def many(self, _command, at_once, times):
            return {"wall_ns": 2_000_000_000, "times": times * at_once}

    def run_it(self, crashes="", names="abc", **options):
        measure, table = self.Measure(crashes), figures.Table()
        commands = {name: Command([name]) for name in names}
        self.said = []
        contest.run(Workload("hello", commands, **options), measure, table, self.said.append)
        return measure.ran, table

    def test_contenders_take_turns_and_each_begins_once(self):
        ran, _ = self.run_it(rounds=3)
        self.assertEqual("".join(ran), "abcbcacab")

    def test_one_that_takes_long_sits_out_the_later_rounds(self):
        ran, _ = self.run_it(rounds=3, at_most={"b": 1})
        self.assertEqual("".join(ran), "abccaca")

    def test_sizes_and_times_are_kept_in_bytes_and_nanoseconds(self):
        _, table = self.run_it(rounds=1)
        self.assertEqual(table.get("hello", "a", "peak").median, 3072)
        self.assertEqual(table.get("hello", "a", "cpu").median, 3000)

    def test_a_rate_is_runs_by_wall_time(self):
        _, table = self.run_it(rounds=1, at_once=1, times=10)
        self.assertEqual(table.get("hello", "a", "rate").median, 5)

    def test_threads_are_counted_once(self):
        ran, table = self.run_it(rounds=2, count_threads=True)
        self.assertEqual([name for name in ran if name.startswith("threads")],
                         ["threads of a", "threads of b", "threads of c"])
        self.assertEqual(table.get("hello", "c", "threads").samples, (4,))

    def test_a_peer_that_crashes_is_left_out_and_named(self):
        ran, table = self.run_it(rounds=3, crashes="b")
        self.assertEqual("".join(ran), "abccaca")
        self.assertIsNone(table.get("hello", "b", "wall"))
        self.assertRegex(self.said[0], "hello: b is left out from round 1 on: ended with 139")
        self.assertEqual(len(self.said), 1)

    def test_one_of_ours_crashing_is_the_end(self):
        with self.assertRaises(MeasureError):
            self.run_it(rounds=1, names=["wasmoor", "peer"], crashes="wasmoor")


class InsideTest(unittest.TestCase):
    @staticmethod
    def text(name, **more):
        entry = {"name": name, "run_name": name, "run_type": "iteration", "real_time": 2.0, "cpu_time": 1.5,
                 "time_unit": "ms"}
        return json.dumps({"benchmarks": [{**entry, **more}]})

    def test_a_name_is_told_from_how_it_was_run(self):
        table = figures.Table()
        inside.read(self.text("files/list/wasmtime/iterations:1/repeats:1/real_time"), table)
        self.assertEqual(table.get("files/list", "wasmtime", "wall").median, 2e6)
        inside.read(self.text("fresh_instance/hello/wasmoor/process_time/real_time/threads:2"), table)
        self.assertEqual(table.get("fresh_instance/hello/threads:2", "wasmoor", "cpu").median, 1.5e6)

    def test_aggregates_are_not_samples(self):
        table = figures.Table()
        inside.read(self.text("a/b/wasmoor", run_type="aggregate"), table)
        self.assertEqual(table.keys(), [])

    def test_a_name_without_a_contender_is_an_error(self):
        with self.assertRaises(RuntimeError):
            inside.read(self.text("startup/quick"), figures.Table())


class BundlesTest(unittest.TestCase):
    def test_a_profile_keeps_what_is_for_this_machine_and_these_capabilities(self):
        def rule(name, **conditions):
            return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [], **conditions}

        profile = {
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
            "syscalls": [
                rule("read"), rule("arch_prctl", includes={"arches": ["amd64"]}),
                rule("breakpoint", includes={"arches": ["arm"]}), rule("chroot", includes={"caps": ["CAP_SYS_CHROOT"]}),
                rule("reboot", includes={"caps": ["CAP_SYS_BOOT"]}),
                rule("socket", excludes={"caps": ["CAP_SYS_ADMIN"]}),
                rule("setns", excludes={"caps": ["CAP_SYS_CHROOT"]})],
        }
        with tempfile.NamedTemporaryFile("w+") as file:
            json.dump(profile, file)
            file.flush()
            made = bundles.seccomp(pathlib.Path(file.name))
        self.assertEqual([entry["names"][0] for entry in made["syscalls"]], ["read", "arch_prctl", "chroot", "socket"])
        self.assertEqual(made["architectures"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
        self.assertEqual(made["defaultErrnoRet"], 38)


class ShimsTest(unittest.TestCase):
    ours, peer = (shims.Shim(name, "", pathlib.Path(), True) for name in ("wasmoor", "runwasi"))

    def play(self, fails, rounds=2):
        self.ran, self.said = [], []

        def sample(shim, _turn):
            self.ran.append(shim.name)
            if shim.name == fails:
                raise shims.ShimError("it hangs")

        shims.in_turn([self.ours, self.peer], rounds, sample, self.said.append)
        return self.ran

    def test_shims_take_turns(self):
        self.assertEqual(self.play(fails=""), ["wasmoor", "runwasi", "runwasi", "wasmoor"])

    def test_a_peer_that_fails_is_left_out_and_named(self):
        self.assertEqual(self.play(fails="runwasi"), ["wasmoor", "runwasi", "wasmoor"])
        self.assertEqual(self.said, ["runwasi is left out from round 1 on: it hangs"])

    def test_ours_failing_is_the_end(self):
        with self.assertRaises(shims.ShimError):
            self.play(fails="wasmoor")

    def test_a_report_is_a_rate_and_the_times_of_calls(self):
        table = figures.Table()
        shims.add_report(table, "tasks", self.ours, {
            "tasks_per_second": 250.0, "failed": 0, "tasks_with_wrong_events": 1, "left_mounted": 0,
            "times": {"create": {"median_ns": 2_000_000, "p99_ns": 9_000_000}}})
        self.assertEqual(table.get("tasks", "wasmoor", "rate").median, 250)
        self.assertRegex(report.calls_text(table), r"tasks +create +2\.00 ms \(9\.00 ms\)")
        self.assertRegex(report.figures_text(table), r"disorder +1 ")
        self.assertNotIn("failures", report.figures_text(table))

    def test_an_unseen_module_differs_by_a_custom_section_at_its_end(self):
        with tempfile.TemporaryDirectory() as folder:
            module, *unseen = (pathlib.Path(folder, name) for name in ("module", "a", "b"))
            module.write_bytes(b"\0asm\1\0\0\0")
            for one in unseen:
                shims.make_unseen(module, one)
            first, second = (one.read_bytes() for one in unseen)
        self.assertNotEqual(first, second)
        self.assertEqual(first[:8], b"\0asm\1\0\0\0")
        self.assertEqual((first[8], first[9]), (0, len(first) - 10))


class NodeTest(unittest.TestCase):
    @staticmethod
    def held(**contenders):
        table = figures.Table()
        for contender, points in contenders.items():
            for held, taken in points:
                table.add(density.workload(held), contender, "pss", taken)
        return table

    def test_a_curve_goes_by_number_and_not_by_when_it_was_measured(self):
        table = self.held(wasmtimed=[(10, 60), (1, 50), (5000, 900)], runc=[(0, 1)])
        self.assertEqual(density.curves(table, "pss"), [("wasmtimed", [(1, 50), (10, 60), (5000, 900)])])

    def test_curves_are_svg_with_a_dot_for_each_point_inside_its_panel(self):
        points = [("wasmtimed", [(1, 5e6), (5000, 3e8)]), ("runc", [(1, 1e7)])]
        root = xml.etree.ElementTree.fromstring(curves.svg([("PSS", "pss", points), ("nothing", "up", [])], "held"))
        space = "{http://www.w3.org/2000/svg}"
        dots = [dot for dot in root.iter(space + "circle") if dot.find(space + "title") is not None]
        self.assertEqual([dot.find(space + "title").text for dot in dots],
                         ["wasmtimed, 1: 4.77 MiB", "wasmtimed, 5,000: 286 MiB", "runc, 1: 9.54 MiB"])
        for dot in dots:
            self.assertTrue(curves.LEFT <= float(dot.get("cx")) <= curves.WIDTH)
            self.assertTrue(curves.TOP <= float(dot.get("cy")) <= curves.HEIGHT - curves.BOTTOM)

    def test_nothing_held_is_no_picture(self):
        self.assertIsNone(curves.svg([("PSS", "pss", density.curves(figures.Table(), "pss"))], "held"))

    def test_what_a_goal_is_about_is_the_daemon_as_sandbox_controller_and_shims_with_a_pause_container(self):
        ours, runc = (shims.Shim(name, f"of {name}", pathlib.Path(), name == "wasmoor") for name in ("wasmoor", "runc"))
        daemon = shims.Shim("wasmtimed", "of wasmtimed", pathlib.Path(), True, "/run/socket")
        self.assertEqual({one.name: one.sandboxer for one in through_cri.handlers([daemon, ours, runc])}, {
            "wasmtimed": "wasm", "wasmtimed-by-shim": "podsandbox", "wasmoor": "podsandbox",
            "wasmoor-without-pause": "shim", "runc": "podsandbox"})

    def test_a_soak_is_as_long_as_the_environment_says(self):
        self.assertEqual(soak.full({}), soak.FULL)
        million = soak.full({soak.TASKS: "1000000"})
        self.assertEqual((million.tasks, million.tasks // million.batch), (1_000_000, soak.MOST))


class FunctionsTest(unittest.TestCase):
    WRK = """Running 3s test @ http://127.0.0.1:8090/hello
      Latency     1.38ms    1.58ms  14.00ms   89.41%
         50%  512.00us
         99%    4.02ms
      46270 requests in 3.01s, 10.63MB read
    {}Requests/sec:  15346.99
    """

    def test_wrk_tells_a_rate_and_times(self):
        told = functions_load.parse_wrk(self.WRK.format(""))
        self.assertEqual((told.requests, told.rate, told.p50, told.p99), (46270, 15346.99, 512e3, 4.02e6))

    def test_answers_that_are_none_are_no_rate(self):
        told = functions_load.parse_wrk(self.WRK.format("Non-2xx or 3xx responses: 7\n"))
        with tempfile.NamedTemporaryFile() as log:
            server = functions_servers.Server("peer", None, "", pathlib.Path(log.name))
            with self.assertRaisesRegex(functions_servers.ServerError, "^peer: hello: Non-2xx or 3xx responses: 7;"):
                functions_load.add(figures.Table(), "hello", server, told)

    def test_a_server_that_answers_nobody_has_no_times(self):
        told = functions_load.parse_wrk("50%  0.00us\n 99%  0.00us\n 0 requests in 3.01s\nRequests/sec:      0.00\n")
        self.assertEqual((told.rate, told.p99), (0, None))

    def test_h2load_tells_a_rate_or_what_failed(self):
        text = ("finished in 3.00s, 35528.33 req/s, 1.5MB/s\nrequests: 106585 total, 106585 started, 106585 done, {0} "
                "succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: {0} 2xx, 0 3xx, 0 4xx, 0 5xx\n")
        self.assertEqual(functions_load.parse_h2load(text.format(106585)).rate, 35528.33)
        with self.assertRaises(functions_servers.ServerError):
            functions_load.parse_h2load(text.format(106584))

    def test_a_quota_is_held_to_the_worst_second(self):
        second, window = 10**9, functions_isolation.WINDOW
        used, taken = [], 0
        for look in range(3 * window + 1):
            used.append((look * second // window, taken))
            taken += second // window // (4 if look < 2 * window else 5)  # The last second is a fifth, not a fourth.
        self.assertAlmostEqual(functions_isolation.worst(used[:2 * window + 1], 250), 0, places=3)
        self.assertAlmostEqual(functions_isolation.worst(used, 250), 0.2, places=3)

    def test_requests_of_the_soak_are_a_hundred(self):
        self.assertEqual(sum(count for count, _ in functions_soak.KINDS), 100)

    def test_the_table_has_a_line_for_each_contender_and_for_who_cannot_be_had(self):
        table = figures.Table()
        for name, rate in (("wasmoor", 60_000), ("go", 70_000)):
            table.add("functions-hello", name, "rate", rate)
            table.add("functions-hello", name, "cpu", 12_340)
        text = report.functions_text(table)
        self.assertRegex(text, r"hello +wasmoor +60,000 runs/s +12\.3 us")
        self.assertRegex(text, r"hello +WasmBox +not to be had")
        self.assertNotIn("wasmoor", report.figures_text(table))
        self.assertEqual(report.functions_text(figures.Table()), "")

    def test_a_goal_of_one_side_is_told_in_its_unit(self):
        table = table_of(a=[1_500_000])
        goal = goals.Goal("first byte in ms", 2, goals.Side("hello", "a"), per=goals.MS)
        self.assertEqual(goals.judge(table, [goal]), [(goal, 1.5, "met")])

    def test_a_quick_run_is_no_longer_in_anything(self):
        for name in functions.Sizes.__dataclass_fields__:
            self.assertLessEqual(getattr(functions.QUICK, name), getattr(functions.FULL, name), name)


class OutputTest(unittest.TestCase):
    table = table_of(wasmoor=[1_500_000, 1_600_000], node=[40_000_000])

    def test_units_suit_the_size(self):
        self.assertEqual(units.text_of("wall", 1_500_000), "1.50 ms")
        self.assertEqual(units.text_of("peak", 3 << 20), "3.00 MiB")
        self.assertEqual(units.text_of("threads", 1), "1")
        self.assertEqual(units.text_of("rate", 1234.5), "1,234 runs/s")

    def test_the_tables_name_what_they_show(self):
        self.assertIn("1.55 ms", report.figures_text(self.table))
        goal = goals.Goal("fast", 0.5, goals.Side("hello", "wasmoor"), goals.Side("hello", "node"))
        text = report.goals_text(self.table, goals.judge(self.table, [goal]))
        self.assertRegex(text, r"fast +0\.04 +- +<= 0\.5 +met")

    def test_the_cost_of_epoch_checks_is_in_percent(self):
        table = figures.Table()
        table.add("epochs/sieve", "without", "cpu", 100)
        table.add("epochs/sieve", "with", "cpu", 115)
        self.assertIn("+15%", report.epochs_text(table))

    def test_the_json_has_every_sample(self):
        out = json.loads(json.dumps(report.to_json(self.table, goals.judge(self.table), {"cpus": 2})))
        self.assertEqual(out["figures"][0]["samples"], [1_500_000, 1_600_000])
        self.assertEqual(out["machine"], {"cpus": 2})

    def test_the_picture_is_svg_with_a_dot_for_each_contender_inside_its_frame(self):
        root = xml.etree.ElementTree.fromstring(plot.svg(self.table))
        space = "{http://www.w3.org/2000/svg}"
        self.assertEqual(root.tag, space + "svg")
        dots = [dot for dot in root.iter(space + "circle") if dot.find(space + "title") is not None]
        self.assertEqual(len(dots), 2)
        for dot in dots:
            self.assertTrue(0 <= float(dot.get("cx")) <= plot.WIDTH)
        self.assertLess(float(dots[0].get("cx")), float(dots[1].get("cx")))

    def test_nothing_measured_is_no_picture(self):
        self.assertIsNone(plot.svg(figures.Table()))


if __name__ == "__main__":
    unittest.main()
