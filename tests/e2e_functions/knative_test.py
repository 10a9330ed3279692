"""wasmbox behind Knative's real queue-proxy, each with the variables that Knative gives it.

    knative_test.py BIN GUESTS FUNCTIONS [TEST...]

BIN is a folder with wasmoor and wasmbox, GUESTS that of the guests of tests, FUNCTIONS that of examples/functions. The
ports of both are fixed: each class is a process with a network of its own, and all run at once, since a queue-proxy
takes half a minute to end.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import case
from case import Paths
from checks import ask
from queue_proxy import (ADMIN, ALONE, HERE, POD_ID, Hearer, QueueProxy, be_alone, container_variables,
                         declared_variables, drop, hang, hear, talk_nonsense, template)
from server import Server, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEB, HEALTH = f"{HERE}:8095", f"{HERE}:8086"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Pod(unittest.TestCase):
    """A pod of deploy/wasmbox: its server and its queue-proxy."""

    MANIFEST = "ksvc.yaml"
    HTTP2 = False
    SPEC = {}  # In the place of what the manifest says.
    VARIABLES = {}
    FUNCTIONS = ("hello", "cat", "sleep", "loop", "args", "web-component")

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.functions = cls.folder / "functions"
        cls.functions.mkdir()
        for name in cls.FUNCTIONS:
            shutil.copy(Paths.guests / f"{name}.wasm", cls.functions)
        if (stream := Paths.functions / "stream.wasm").exists():
            shutil.copy(stream, cls.functions)
        cls.revision = template(cls.MANIFEST)
        cls.revision["spec"] |= cls.SPEC
        cls.proxy = cls.server = None
        cls.addClassCleanup(cls.end)
        cls.start()

    @classmethod
    def start(cls):
        cls.start_server()
        cls.start_proxy()
        until(cls.proxy.is_ready, "the queue-proxy finds the server ready")

    @classmethod
    def start_server(cls):
        variables = declared_variables(cls.revision) | container_variables(8095)
        cls.server = Server([Paths.bin / "wasmbox", "--functions", cls.functions],
                            variables | {"WASMOOR_CACHE_DIR": str(Paths.cache)} | cls.VARIABLES)
        cls.server.wait_for(WEB)

    @classmethod
    def start_proxy(cls):
        cls.proxy = QueueProxy(Paths.queue_proxy, cls.revision, cls.HTTP2)

    @classmethod
    def end(cls):
        if cls.proxy is not None:
            cls.proxy.process.stop(signal.SIGKILL)  # It would drain for half a minute.
        if cls.server is not None:
            assert cls.server.stop() == 0, cls.server.last_log

    def ask(self, path, method="GET", headers=None, body=b"", query=""):
        return ask(self.proxy.address, method, path, query, headers, body)

    def curl(self, path, *words):
        """What came, and by which version of HTTP, with its status."""
        if shutil.which("curl") is None:
            self.skipTest("there is no curl")
        version = "--http2-prior-knowledge" if self.HTTP2 else "--http1.1"
        done = subprocess.run(["curl", "-sS", version, *words, "-w", "%{stderr}%{http_version} %{http_code}",
                               f"http://{self.proxy.address}{path}"], capture_output=True, check=True, timeout=60)
        return done.stdout, done.stderr.decode()

    def metric(self, name):
        return case.metric(HEALTH, f"wasmoor_function_{name}")


class RequestsTest(Pod):
    PREFIX = "WASM output: "
    VERSION = "1.1"

    def test_answers_come_through(self):
        reply = self.ask("/hello", headers={"cpu_quota": "250", "Memory-Request": "64"})
        self.assertEqual((reply.status, reply.text), (200, f"{self.PREFIX}Hello from wasm!\n"))
        self.assertEqual(self.ask("/nobody").status, 404)
        self.assertEqual(self.ask("/hello", headers={"cpu_quota": "NaN"}).status, 400)

    def test_fields_pass_both_ways(self):
        reply = self.ask("/args", headers={"traceparent": TRACE, "X-Asked": "by me"}, query="a=1")
        self.assertIn(f"env HTTP_TRACEPARENT={TRACE}\n", reply.text)
        self.assertIn("env HTTP_X_ASKED=by me\n", reply.text)
        self.assertIn("env QUERY_STRING=a=1\n", reply.text)
        self.assertRegex(reply.headers["server-timing"], "^queue;dur=")
        self.assertIn("wasmoor-memory", reply.headers)
        if self.PREFIX:
            self.assertRegex(reply.headers["execution-time"], "^[0-9]+$")
            self.assertEqual(reply.headers["pod"], POD_ID)

    def test_large_bodies_pass_both_ways_at_once(self):
        body = self.folder / "body"
        body.write_bytes(os.urandom(1 << 20) * 20)
        want = self.PREFIX.encode() + body.read_bytes()
        for encoding in ("Transfer-Encoding:", "Transfer-Encoding: chunked"):
            out, told = self.curl("/cat", "-H", encoding, "-H", "Expect:", "--data-binary", f"@{body}")
            self.assertEqual((out == want, told), (True, f"{self.VERSION} 200"), encoding)
            out, told = self.curl("/web-component/echo", "-H", encoding, "--data-binary", f"@{body}")
            self.assertEqual((out == body.read_bytes(), told), (True, f"{self.VERSION} 200"), encoding)

    def test_a_response_streams(self):
        for path, first, last in (("/sleep?2500", b"sleeping", b"awake"), ("/stream/ticks?20", b"tick 1", b"tick 20")):
            if path.startswith("/stream") and not (self.functions / "stream.wasm").exists():
                continue
            with socket.create_connection((HERE, self.proxy.port)) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                came = b""
                while first not in came:
                    came += client.recv(1 << 16)
                self.assertNotIn(last, came, path)
                while last not in came:
                    came += client.recv(1 << 16)

    def test_the_queue_proxy_counts_what_runs_and_what_has_run(self):
        before = self.proxy.counted(200)
        asking = [threading.Thread(target=self.ask, args=("/sleep",), kwargs={"query": "3000"}) for _ in range(3)]
        for one in asking:
            one.start()
        until(lambda: self.metric("running") == 3, "the server runs three")
        until(lambda: self.proxy.report().at_once == 3, "the autoscaler is told of three")
        for one in asking:
            one.join()
        until(lambda: self.proxy.report().at_once == 0, "the autoscaler is told of none")
        # Each report is of one second.
        reports = {}

        def reported(count):
            report = self.proxy.report()
            reports[report.uptime] = report.requests
            return sum(reports.values()) >= count
        until(lambda: not reported(0) or self.proxy.report().requests == 0, "those before are told of")
        reports.clear()
        for _ in range(40):
            self.assertEqual(self.ask("/hello").status, 200)
            reported(0)
        until(lambda: reported(40), "the autoscaler is told of forty")
        self.assertEqual(sum(reports.values()), 40)
        until(lambda: self.proxy.counted(200) == before + 43, "all are counted")

    def test_what_the_server_refuses_is_told_to_the_client(self):
        # 8000 MB are for all together, by the manifest.
        reply = self.ask("/hello", headers={"Memory-Request": "8001"})
        self.assertEqual(reply.status, 400)
        self.assertIn("memory-request", reply.text)


class PlainRequestsTest(RequestsTest):
    """The same of `wasmoor serve`."""

    PREFIX = ""

    @classmethod
    def start_server(cls):
        cls.server = Server([Paths.bin / "wasmoor", "serve", "--functions", cls.functions, "--listen", ":8095",
                             "--health", ":8086", "--memory", "8GB", "--cache-dir", Paths.cache])
        cls.server.wait_for(WEB)


class Http2RequestsTest(Pod):
    """A revision whose port is called h2c, of the manifest for plain Knative."""

    MANIFEST = "ksvc-standalone.yaml"
    HTTP2 = True
    SMALL = ("-H", "Memory-Request: 8", "-H", "cpu_quota: 40")  # Of which there is room for two hundred at once.

    def h2load(self, path, *words):
        if shutil.which("h2load") is None:
            self.skipTest("there is no h2load")
        return subprocess.Popen(["h2load", *self.SMALL, *words, f"http://{self.proxy.address}{path}"],
                                stdout=subprocess.PIPE, text=True)

    def test_answers_come_through(self):
        self.assertEqual(self.curl("/hello"), (b"WASM output: Hello from wasm!\n", "2 200"))
        self.assertEqual(self.curl("/nobody")[1], "2 404")

    def test_large_bodies_pass_both_ways_at_once(self):
        body = self.folder / "body"
        body.write_bytes(os.urandom(1 << 20) * 20)
        out, told = self.curl("/cat", "--data-binary", f"@{body}")
        self.assertEqual((out == b"WASM output: " + body.read_bytes(), told), (True, "2 200"))

    def test_the_server_is_spoken_to_in_http2_too(self):
        with self.h2load("/sleep?1500", "-c20", "-n20") as load:
            until(lambda: self.metric("running") == 20, "twenty requests run")
            self.assertEqual(self.connections(8095), 1)
            self.assertIn("20 succeeded, 0 failed", load.communicate()[0])

    @staticmethod
    def connections(port):
        """To the server, as far as they are established."""
        rows = [line.split() for name in ("tcp", "tcp6")
                for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)

    def test_much_at_once(self):
        with self.h2load("/hello", "-c10", "-m20", "-n3000") as load:
            self.assertIn("3000 succeeded, 0 failed, 0 errored", load.communicate()[0])

    def test_a_client_that_leaves_ends_its_guest(self):
        with subprocess.Popen(["curl", "-s", "--http2-prior-knowledge", f"http://{self.proxy.address}/loop"],
                              stdout=subprocess.DEVNULL) as client:
            until(lambda: self.metric("running") == 1, "it runs")
            client.kill()
        until(lambda: self.metric("running") == 0, "it has ended")


class ReadinessTest(Pod):
    VARIABLES = {"MEMORY_LIMIT": "100", "READINESS_UTILIZATION_TRESHOLD": "0.5", "READINESS_WINDOW": "1"}

    @classmethod
    def start(cls):
        pass

    def test_the_queue_proxy_is_ready_as_long_as_the_server_is(self):
        cls = type(self)
        cls.start_proxy()
        self.assertFalse(self.proxy.is_ready())
        cls.start_server()
        until(self.proxy.is_ready, "the server is there")
        # Too much is promised.
        asking = threading.Thread(target=self.ask, args=("/sleep", "GET", {"Memory-Request": "90"}, b"", "4000"))
        asking.start()
        until(lambda: not self.proxy.is_ready(), "90 of 100 MB are promised")
        asking.join()
        until(self.proxy.is_ready, "they are not any more")
        # The volume is away. What is in memory is served on.
        self.assertEqual(self.ask("/hello").status, 200)
        self.functions.rename(self.folder / "elsewhere")
        until(lambda: not self.proxy.is_ready(), "the functions are away")
        self.assertEqual(self.ask("/hello").status, 200)
        (self.folder / "elsewhere").rename(self.functions)
        until(self.proxy.is_ready, "they are back")
        # One that was killed, and has come back.
        self.server.stop(signal.SIGKILL)
        self.assertFalse(self.proxy.is_ready())
        cls.start_server()
        until(self.proxy.is_ready, "another one is there")
        self.assertEqual(self.ask("/hello").status, 200)


class DrainTest(Pod):
    """The end of a pod: the queue-proxy is told to end, and the server's preStop hook waits for that."""

    def test_no_request_is_lost_at_the_end_of_a_pod(self):
        statuses, loading = [], threading.Event()
        loading.set()

        def load(path, query):
            while loading.is_set():
                statuses.append(self.ask(path, query=query).status)
        clients = [threading.Thread(target=load, args=one) for one in
                   [("/hello", "")] * 3 + [("/sleep", "700"), ("/args", ""), ("/web-component/sleep/300", "")]]
        for one in clients:
            one.start()
        until(lambda: len(statuses) > 100, "there is load")
        hook = []
        waiting = threading.Thread(target=lambda: hook.append(ask(f"{HERE}:{ADMIN}", "GET", "/wait-for-drain").status))
        waiting.start()
        self.proxy.process.process.send_signal(signal.SIGTERM)
        until(lambda: not self.proxy.is_ready(), "the queue-proxy is not ready any more")
        # It takes a while until nobody is sent there any more.
        so_far = len(statuses)
        until(lambda: len(statuses) > so_far + 300, "there is load still")
        loading.clear()
        for one in clients:
            one.join()
        waiting.join()
        self.assertEqual(hook, [200])
        self.assertEqual(self.proxy.process.process.wait(timeout=60), 0, self.proxy.process.log())
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(set(statuses), {200})


class EndTest(Pod):
    """The server's own end, while the queue-proxy goes on: as when its container alone is started again."""

    def test_what_runs_at_sigterm_is_answered(self):
        replies = []

        def sleep(path, query):
            replies.append(self.ask(path, query=query))
        asking = [threading.Thread(target=sleep, args=one) for one in
                  [("/sleep", "2000")] * 10 + [("/web-component/sleep/2000", "")] * 3]
        for one in asking:
            one.start()
        until(lambda: self.metric("running") == 13, "they run")
        self.server.process.send_signal(signal.SIGTERM)
        until(lambda: not self.proxy.is_ready(), "it is not ready any more")
        for one in asking:
            one.join()
        self.assertEqual([reply.status for reply in replies], [200] * 13)
        self.assertEqual(sum(reply.text == "WASM output: sleeping\nawake\n" for reply in replies), 10)
        self.assertEqual(self.server.stop(), 0)
        # Nobody is there; then somebody is again.
        self.assertEqual(self.ask("/hello").status, 502)
        self.start_server()
        until(self.proxy.is_ready, "it is there again")
        self.assertEqual(self.ask("/hello").status, 200)


class TimeoutTest(Pod):
    """A revision whose requests have two seconds, and a server that would give them more."""

    SPEC = {"timeoutSeconds": 2}

    def check_ended(self, path, **request):
        before = self.abandoned(path)
        reply = self.ask(path, **request)
        self.assertEqual((reply.status, reply.text), (504, "request timeout"))
        until(lambda: self.metric("running") == 0, f"the guest of {path} is ended")
        until(lambda: self.abandoned(path) == before + 1, f"{path} is counted as abandoned")

    def abandoned(self, path):
        name = path.split("/")[1]
        return self.metric(f'requests_total{{tenant="",function="{name}",end="abandoned"}}')

    def test_a_guest_ends_with_its_request(self):
        for path in ("/web-component/sleep/60000", "/web-component/spin"):
            self.check_ended(path)

    def test_a_guest_that_has_not_read_its_body_ends_with_its_request(self):
        self.check_ended("/web-component/sleep/60000", method="POST", body=b"x" * 350_000)

    def test_a_response_that_has_begun_may_take_longer(self):
        # Of Knative's three limits this one is for its beginning.
        reply = self.ask("/sleep", query="4000")
        self.assertEqual(reply.text, "WASM output: sleeping\nawake\n")


class ConcurrencyTest(Pod):
    """A revision whose containers take two requests at a time: the queue-proxy holds the others back."""

    SPEC = {"containerConcurrency": 2}

    def test_the_server_sees_no_more_at_once(self):
        statuses, seen = [], []
        asking = [threading.Thread(target=lambda: statuses.append(self.ask("/sleep", query="400").status))
                  for _ in range(8)]
        for one in asking:
            one.start()
        while any(one.is_alive() for one in asking):
            seen.append(self.metric("running"))
        self.assertEqual((statuses, max(seen)), ([200] * 8, 2))


class ReportsTest(Pod):
    """WasmBox's reports, where its own queue-proxy would hear them, and where nobody or somebody else does."""

    VARIABLES = {"RETRY_DELAY_SEC": "0", "REPORTING_PERIOD_MS": "50", "METRICS_COLLECTION_WINDOW": "5"}

    @classmethod
    def start(cls):
        pass

    def setUp(self):
        self.start_server()
        self.addCleanup(self.server.stop)

    def said(self):
        return [line for line in self.server.log().splitlines() if "knative: " in line]

    def last_said(self):
        return "".join(self.said()[-1:])

    def check_serves(self):
        for _ in range(20):
            self.assertEqual(ask(WEB, "GET", "/hello").status, 200)
        self.assertEqual(ask(HEALTH, "GET", "/ready").status, 200)

    def listen(self, treat):
        hearer = Hearer(treat)
        self.addCleanup(hearer.close)
        return hearer

    def test_knatives_own_queue_proxy_hears_none_and_that_is_said_once(self):
        self.start_proxy()
        self.addCleanup(self.proxy.process.stop, signal.SIGKILL)
        until(self.proxy.is_ready, "it is ready without")
        until(self.said, "it is told")
        self.check_serves()
        time.sleep(1)  # Some tries more.
        self.assertEqual(len(self.said()), 1, self.said())
        self.assertIn("there is no queue-proxy at 127.0.0.1:9096", self.said()[0])
        self.assertIn("everything else works without one", self.said()[0])
        self.assertEqual(self.ask("/hello").status, 200)

    def test_reports_tell_what_is_in_use(self):
        hearer = self.listen(hear)
        until(lambda: hearer.cores and hearer.cores[-1] < 0.05, "nothing is in use")
        with socket.create_connection((HERE, 8095)) as client:
            client.sendall(b"GET /loop HTTP/1.1\r\nhost: a\r\ncpu_quota: 900\r\n\r\n")
            until(lambda: hearer.cores[-1] > 0.1, "a guest that spins is seen")
        until(lambda: hearer.cores[-1] < 0.05, "that it has ended is seen")
        self.assertLess(max(hearer.cores), os.cpu_count() + 0.5)

    def test_one_that_is_started_again_is_told_again(self):
        hearer = self.listen(hear)
        until(lambda: len(hearer.cores) > 30, "reports come")
        until(lambda: "is told every 50 ms" in self.last_said(), "that it is there is told")
        hearer.close()
        until(lambda: "is lost" in self.last_said(), "that it is gone is told")
        self.check_serves()
        hearer = self.listen(hear)
        until(lambda: len(hearer.cores) > 10, "reports come again")
        self.assertEqual(len(hearer.connections), 1)

    def test_one_that_hangs_or_talks_nonsense_hurts_nobody(self):
        for treat in (hang, talk_nonsense, drop):
            with self.subTest(treat=treat.__name__):
                hearer = self.listen(treat)
                until(lambda h=hearer: h.connections, "it is asked")
                self.check_serves()
                hearer.close()
        descriptors = self.server.descriptors()
        hearer = self.listen(hear)
        until(lambda: len(hearer.cores) > 5, "a real one is told after that")
        self.assertLessEqual(self.server.descriptors(), descriptors + 1)
        self.assertLess(len(self.said()), 6, self.said())


def cannot_run(why):
    print(f"cannot run Knative's queue-proxy here: {why}", file=sys.stderr)
    sys.exit(77)


def fetch():
    fetched = subprocess.run([ROOT / "tools" / "fetch-queue-proxy"], stdout=subprocess.PIPE, text=True, check=False)
    if fetched.returncode != 0:
        if os.environ.get("CI"):
            sys.exit(1)
        cannot_run("tools/fetch-queue-proxy cannot build it, the reason stands above")
    return pathlib.Path(fetched.stdout.strip()) / "queue"


def run_all_at_once():
    names = [one.__name__ for one in Pod.__subclasses__() + RequestsTest.__subclasses__()]
    running = {name: subprocess.Popen([sys.executable, "-B", *sys.argv, name], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True) for name in names}
    failed = False
    for name, process in running.items():
        print(f"{name}\n{process.communicate()[0]}", flush=True)
        failed = failed or process.returncode != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        import yaml  # noqa: F401
    except ImportError:
        cannot_run("Python has no yaml; Debian's package is called python3-yaml")
    Paths.queue_proxy = fetch()
    if subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
        cannot_run("it needs network namespaces")
    if len(sys.argv) == 4 and ALONE not in os.environ:
        run_all_at_once()
    be_alone()
    case.main("bin", "guests", "functions")
