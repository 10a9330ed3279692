"""Traces: spans of requests at a collector that speaks OTLP over HTTP, and the parent that a guest is told.

    traces_test.py BIN GUESTS FUNCTIONS [TEST...]
"""

import re
import shutil

from case import Case, Paths, main
from server import Server, free_port, until
from collector import Collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class TracesTest(Case):
    GUESTS = ("hello", "exit42", "sleep")

    @classmethod
    def prepare(cls):
        shutil.copy(Paths.functions / "env.wasm", cls.functions)
        cls.collector = cls.enterClassContext(Collector())

    @classmethod
    def start(cls):
        cls.address, cls.health = (f"127.0.0.1:{free_port()}" for _ in range(2))
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": cls.collector.endpoint,
                       "OTEL_BSP_SCHEDULE_DELAY": "50"}
        cls.server = Server([Paths.bin / "wasmoor", "serve", "--functions", cls.functions, "--listen", cls.address,
                             "--health", cls.health, "--cache-dir", Paths.cache], environment)
        cls.server.wait_for(cls.address)

    def of_trace(self, trace):
        return {span["name"]: span for span in list(self.collector.spans) if span["traceId"] == trace}

    def spans(self, trace, count=2):
        until(lambda: len(self.of_trace(trace)) >= count, "the collector has its spans")
        return self.of_trace(trace)

    def test_a_request_is_a_span_of_the_trace_that_it_came_with(self):
        reply = self.ask("/env", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        spans = self.spans(TRACE)
        whole, run = spans["GET /env"], spans["run"]
        self.assertEqual((whole["parentSpanId"], whole["kind"]), (PARENT, 2))
        self.assertEqual(run["parentSpanId"], whole["spanId"])
        values = {one["key"]: one["value"] for one in whole["attributes"]}
        self.assertEqual(values["http.response.status_code"], {"intValue": "200"})
        self.assertEqual(values["http.route"], {"stringValue": "/env"})
        # Its guest's own requests are children of its run.
        self.assertIn(f"HTTP_TRACEPARENT=00-{TRACE}-{run['spanId']}-01", reply.text)
        self.assertEqual(reply.text.count("TRACEPARENT"), 1)

    def test_a_trace_that_is_not_sampled_is_not_told_of_and_carried_on(self):
        other = TRACE.replace("4", "5")
        reply = self.ask("/env", headers={"traceparent": f"00-{other}-{PARENT}-00"})
        self.assertRegex(reply.text, f"HTTP_TRACEPARENT=00-{other}-[0-9a-f]{{16}}-00")
        self.ask("/hello", headers={"traceparent": f"00-{TRACE[::-1]}-{PARENT}-01"})
        self.spans(TRACE[::-1])
        self.assertEqual(self.of_trace(other), {})

    def test_one_that_came_with_none_begins_a_trace(self):
        told = re.search("HTTP_TRACEPARENT=00-([0-9a-f]{32})-([0-9a-f]{16})-01", self.ask("/env").text)
        self.assertNotIn("parentSpanId", self.spans(told[1])["GET /env"])

    def test_a_failure_is_told(self):
        trace = "a" * 32
        self.ask("/exit42", headers={"traceparent": f"00-{trace}-{PARENT}-01"})
        status = self.spans(trace)["GET /exit42"]["status"]
        self.assertEqual(status["code"], 2)
        self.assertIn("status 42", status["message"])

    def test_what_ran_when_the_server_was_ended_is_told_too(self):
        trace = "b" * 32
        self.ask("/hello", headers={"traceparent": f"00-{trace}-{PARENT}-01"})
        self.server.stop()
        self.assertEqual(len(self.of_trace(trace)), 2)
        type(self).start()


class ToldTest(Case):
    @classmethod
    def prepare(cls):
        shutil.copy(Paths.functions / "env.wasm", cls.functions)

    def test_who_asks_is_told(self):
        self.assertIn("REMOTE_ADDR=127.0.0.1\n", self.ask("/env").text)

    def test_a_parent_is_carried_through_where_nothing_is_traced(self):
        parent = f"00-{TRACE}-{PARENT}-01"
        self.assertIn(f"HTTP_TRACEPARENT={parent}\n", self.ask("/env", headers={"traceparent": parent}).text)


if __name__ == "__main__":
    main("bin", "guests", "functions")
