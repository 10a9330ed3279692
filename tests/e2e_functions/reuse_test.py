"""Functions whose manifest asks that an instance serves several requests.

    reuse_test.py BIN GUESTS [TEST...]
"""

import shutil
import threading

from case import Case, Paths, main
from server import until

USUAL = "[reuse]\nrequests = 5\nidle = \"1h\"\n"
MANIFESTS = {"fresh": "", "usual": USUAL, "other": USUAL, "new": USUAL, "brief": "[reuse]\nrequests = 1000\nidle = \"1s\"\n",
             "long": "[reuse]\nrequests = 1000000\nidle = \"1h\"\n"}


class ReuseCase(Case):
    GUESTS = ()
    FOLDER = "."

    @classmethod
    def prepare(cls):
        (cls.functions / cls.FOLDER).mkdir(exist_ok=True)
        for name, text in MANIFESTS.items():
            cls.write(name, text)

    @classmethod
    def write(cls, name, text):
        place = cls.functions / cls.FOLDER / name
        place.with_suffix(".toml").write_text(text)
        if not place.with_suffix(".wasm").exists():
            shutil.copy(Paths.guests / "web-component.wasm", place.with_suffix(".wasm"))

    def path(self, name, path):
        return f"/{self.FOLDER}/{name}{path}".replace("/./", "/")

    def of(self, name, path, **more):
        reply = self.ask(self.path(name, path), **more)
        # Of one that takes long the answer is there before its instance is.
        until(lambda: self.metric("wasmoor_function_running") == 0, "it has ended")
        return reply

    def visits(self, name, **more):
        return int(self.of(name, "/visits", **more).text)

    def setUp(self):
        # What tests before have left serves no more: a fresh one is had when there is no other.
        for name in MANIFESTS:
            while self.visits(name) > 1:
                self.of(name, "/trap")
            self.of(name, "/trap")


class Checks:
    def test_nothing_is_reused_unless_it_is_asked_for(self):
        self.assertEqual([self.visits("fresh") for _ in range(3)], [1, 1, 1])

    def test_an_instance_serves_as_many_requests_as_its_manifest_says(self):
        self.assertEqual([self.visits("usual") for _ in range(12)], [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2])

    def test_functions_have_instances_of_their_own(self):
        self.assertEqual([self.visits("usual"), self.visits("usual"), self.visits("other")], [1, 2, 1])

    def test_no_two_requests_have_one_at_once(self):
        threads = [threading.Thread(target=self.ask, args=(self.path("long", "/sleep/300"),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: self.metric("wasmoor_function_running") >= 4, "all run")
        self.assertEqual(self.ask(self.path("long", "/visits")).text, "1\n")
        for thread in threads:
            thread.join()
        self.assertEqual(self.visits("long"), 2)

    def test_one_that_fails_serves_no_more(self):
        for path in ("/trap", "/trap-midway", "/exit", "/error", "/nothing", "/break-off", "/leave-open", "/length/10"):
            self.assertEqual([self.visits("long"), self.visits("long")], [1, 2])
            reply = self.of("long", path)
            self.assertIn(reply.status, (0, 200, 500, 502), path)
            self.assertEqual(self.visits("long"), 1, path)
            self.of("long", "/trap")

    def test_one_whose_client_leaves_serves_no_more(self):
        self.assertEqual(self.visits("long"), 1)
        self.leave(self.path("long", "/sleep/20000"))
        self.assertEqual(self.visits("long"), 1)

    def test_bodies_go_both_ways_each_time(self):
        for size in (0, 1, 100_000, 2_000_000):
            body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            self.assertEqual(self.of("long", "/echo", method="POST", body=body).body, body)
        self.assertEqual(len(self.of("long", "/big/4096").body), 4 << 20)
        self.assertEqual(self.visits("long"), 6)

    def test_what_it_has_is_within_each_request_s_limit(self):
        self.assertEqual(self.of("long", "/hoard/8").status, 200)
        self.assertEqual(self.visits("long", headers={"Memory-Request": "32"}), 2)
        # It has more than this request may have.
        self.assertEqual(self.visits("long", headers={"Memory-Request": "4"}), 1)

    def test_a_limit_holds_over_all_requests_of_an_instance(self):
        limit = {"Memory-Request": "16"}
        statuses = [self.of("long", "/hoard/4", headers=limit).status for _ in range(6)]
        self.assertEqual(statuses[:2], [200, 200])
        self.assertIn(507, statuses)

    def test_what_the_host_keeps_for_it_is_bounded_too(self):
        self.assertEqual(self.of("long", "/make-fields/50").status, 200)
        statuses = {self.of("long", "/make-fields/200").status for _ in range(6)}
        self.assertIn(500, statuses)
        self.assertEqual(self.of("fresh", "/make-fields/2000").status, 500)

    def test_another_version_of_the_function_begins_anew(self):
        self.assertEqual([self.visits("new"), self.visits("new")], [1, 2])
        self.write("new", USUAL.replace("5", "7"))
        until(lambda: self.visits("new") == 7, "as many as its new manifest says")


class ThreadTest(ReuseCase, Checks):
    def test_its_use_is_told(self):
        reused = self.metric("wasmoor_function_reused_total")
        replies = [self.of("usual", "/visits") for _ in range(3)]
        self.assertGreaterEqual(self.metric("wasmoor_function_reused_total"), reused + 2)
        self.assertGreaterEqual(self.metric("wasmoor_function_idle_instances"), 1)
        self.assertGreater(self.metric("wasmoor_function_idle_memory_bytes"), 65536)
        for reply in replies:
            self.assertGreater(int(reply.headers["wasmoor-memory"]), 65536, reply.headers)

    def test_one_that_waits_too_long_ends(self):
        self.assertEqual(self.visits("brief"), 1)
        until(lambda: self.visits("long") and self.metric("wasmoor_function_idle_instances") == 1, "the other has ended")
        self.assertEqual(self.visits("brief"), 1)

    def test_idle_ones_make_room_for_others(self):
        before = self.metric("wasmoor_function_idle_crowded_out_total")
        for name in ("usual", "other", "long"):
            self.assertEqual(self.of(name, "/hoard/7").status, 200)
        self.assertGreater(self.metric("wasmoor_function_idle_crowded_out_total"), before)
        self.assertLessEqual(self.metric("wasmoor_function_idle_memory_bytes"), 16 << 20)
        self.assertEqual([self.visits("usual"), self.visits("long")], [1, 2])

    def test_a_program_cannot_be_reused(self):
        shutil.copy(Paths.guests / "hello.wasm", self.functions)
        (self.functions / "hello.toml").write_text(USUAL)
        until(lambda: "[reuse]" in self.ask("/hello").text + self.server.log(), "why is told")
        self.assertGreaterEqual(self.ask("/hello").status, 500)


class ProcessTest(ReuseCase, Checks):
    WORDS = ("--isolate", "process", "--set", "idle_memory=64MiB")
    FOLDER = "acme"


if __name__ == "__main__":
    main("bin", "guests")
