"""What the node's daemon and its shim promise, asked without containerd.

    daemon_test.py SHIM GUESTS [TEST...]

SHIM is the executable containerd-shim-wasmtimed-v1, beside which the daemon's is; GUESTS the folder with compiled
guests. Exit status 77: cannot run here.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading

import running_daemon  # First: it says where the others are.

import alone
import apart
import daemon_case
import played
import ttrpc
from collector import Collector
from daemon_case import NOT_FOUND
from played import until
from proc import descriptors
from running_daemon import USUAL

GUESTS = ("hello", "sleep", "exit42", "grow")
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

shim = None  # The one of this run.


def setUpModule():
    global shim
    shim = alone.shim


class TracedClient(ttrpc.Client):
    """Says whose span its calls are below, as containerd does."""

    def __init__(self, address, traceparent):
        super().__init__(address)
        self._traceparent = traceparent

    def begin(self, service, method, request):
        stream, self._next = self._next, self._next + 2
        metadata = {1: "traceparent", 2: self._traceparent}
        data = ttrpc.encode({1: service, 2: method, 3: request, 5: metadata})
        self._socket.sendall(ttrpc.HEADER.pack(len(data), stream, ttrpc.REQUEST, 0) + data)
        return stream


def get(where, path):
    """The status and the body of a page: `where` is "ADDRESS:PORT" or the path of a socket."""
    connection = http.client.HTTPConnection(where if ":" in where else "localhost", timeout=20)
    if ":" not in where:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        connection.sock.connect(where)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class ObserveTest(daemon_case.DaemonTest):
    def observed(self, **more):
        self.where = str(self.folder / "observe.sock")
        return self.serve("--observe", self.where, **more)

    def metric(self, series):
        """The value of a series; none if it is not there."""
        status, page = get(self.where, "/metrics")
        self.assertEqual(status, 200)
        values = [line.rpartition(" ")[2] for line in page.splitlines() if line.rpartition(" ")[0] == series]
        self.assertLessEqual(len(values), 1)
        return float(values[0]) if values else None

    def test_the_page_tells_what_the_node_holds_and_what_became_of_it(self):
        self.observed()
        self.assertEqual(self.metric("wasmoor_node_sandboxes"), 0)
        self.running(group=self.name)
        ended = self.running(["/exit42.wasm"], group=self.name)
        self.assertEqual(ended.wait(), 42)
        with self.assertRaises(ttrpc.Failure):
            ended.create()
        for series, value in {
                "wasmoor_node_sandboxes": 1, "wasmoor_node_connections": 2,
                'wasmoor_node_containers{state="running"}': 1, 'wasmoor_node_containers{state="stopped"}': 1,
                "wasmoor_host_guests": 2, "wasmoor_host_processes": 1,
                "wasmoor_node_tasks_created_total": 2, 'wasmoor_node_tasks_started_total{kind="task"}': 2,
                'wasmoor_node_exits_total{kind="task",class="failure"}': 1,
                'wasmoor_ttrpc_calls_total{method="Create",code="ok"}': 2,
                'wasmoor_ttrpc_calls_total{method="Create",code="already_exists"}': 1,
                'wasmoor_ttrpc_calls_total{method="Wait",code="ok"}': 1,
                "wasmoor_node_task_start_seconds_count": 2,
                'wasmoor_ttrpc_call_seconds_count{method="Start"}': 2,
                'wasmoor_process_threads{process="daemon"}': 1}.items():
            with self.subTest(series):
                self.assertEqual(self.metric(series), value)
        for process in ("daemon", "hosts"):
            self.assertGreater(self.metric(f'wasmoor_process_resident_memory_bytes{{process="{process}"}}'), 1 << 20)

    def test_it_is_observed_at_all_places_and_by_nobody_unless_it_is_told_so(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        path = self.folder / "observe.sock"
        config = self.folder / "wasmtimed.toml"
        config.write_text(f'observe = ["{address}", "{path}"]\n')
        daemon = self.serve("--config", config)
        for where in (address, str(path)):
            self.assertEqual([get(where, page)[0] for page in ("/healthz", "/readyz", "/metrics", "/other")],
                             [200, 200, 200, 404])
        config.write_text("")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "observe is off only after a restart" in daemon.log(), "it says that it is observed still")
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(path.exists())
        self.serve("--config", config)
        with self.assertRaises(ConnectionRefusedError):
            get(address, "/healthz")

    def test_a_place_that_cannot_be_had_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.assertRegex(self.fails("--observe", address), f"metrics and health: .*{address}")
        self.assertIn("--observe: must be ADDRESS:PORT", self.fails("--observe", "relative.sock"))
        config = self.folder / "wasmtimed.toml"
        config.write_text("observe = 9464\n")
        self.assertIn(":1: observe: must be a string or a list of strings", self.fails("--config", config))

    def test_calls_are_spans_below_containerds_and_arrive_before_it_ends(self):
        trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        with Collector() as collector:
            daemon = self.serve(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                                             "OTEL_BSP_SCHEDULE_DELAY": "3600000"})
            identifier, bundle = self.bundle()
            with TracedClient(shim.start(identifier, bundle), f"00-{trace}-{parent}-01") as client:
                task = played.Task(client, identifier, bundle)
                task.create()
                task.start()
                with self.assertRaises(ttrpc.Failure):
                    task.start()
            self.assertEqual(collector.spans, [])
            self.assertEqual(daemon.stop(), 0)
        self.assertEqual(collector.paths, {"/v1/traces"})
        spans = [span for span in collector.spans if span["traceId"] == trace]
        self.assertEqual([span["name"].rpartition("/")[2] for span in spans], ["Create", "Start", "Start"])
        self.assertEqual({span["parentSpanId"] for span in spans}, {parent})
        self.assertEqual([span.get("status", {}).get("code", 0) for span in spans], [0, 0, 2])

    def test_spans_arrive_before_another_program_goes_on_in_its_place(self):
        with Collector() as collector:
            daemon = self.serve(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                                             "OTEL_BSP_SCHEDULE_DELAY": "3600000"})
            task = self.running(["/sleep.wasm"])
            self.assertEqual(collector.spans, [])
            daemon.upgrade()
            self.assertIn("Start", [span["name"].rpartition("/")[2] for span in collector.spans])
            task.kill(signal.SIGKILL)
            before = len(collector.spans)
            self.assertEqual(daemon.stop(), 0)
            self.assertGreater(len(collector.spans), before)

    def test_it_is_not_ready_while_it_ends_and_ends_without_a_collector_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as hanging:
            daemon = self.observed(environment={
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hanging.getsockname()[1]}"})
            self.running()
            self.assertEqual(get(self.where, "/readyz")[0], 200)
            daemon.process.send_signal(signal.SIGTERM)
            until(lambda: get(self.where, "/readyz")[0] == 503, "it is not ready")
            self.assertIn("ending", get(self.where, "/readyz")[1])
            self.assertEqual(daemon.stop(0), 0)


class SandboxTest(daemon_case.DaemonTest):
    def test_a_task_runs_and_its_sandbox_goes_with_it(self):
        daemon = self.serve()
        task = self.running(["/exit42.wasm"])
        self.assertEqual(task.wait(), 42)
        self.assertEqual(daemon.sandboxes(), [f"played/{task.id}"])
        self.assertEqual(task.delete(), 42)
        task.call("Shutdown")
        until(lambda: not daemon.sandboxes(), "the sandbox is gone")

    def test_a_pods_containers_are_in_one_sandbox(self):
        daemon = self.serve()
        tasks = [self.running(group=self.name) for _ in range(10)]
        self.assertEqual(daemon.sandboxes(), [f"played/{self.name}"])
        self.assertEqual(len({(task.bundle / "address").read_text() for task in tasks}), 1)

    def test_a_new_limit_of_memory_holds_for_what_is_beside_the_first_guest_too(self):
        self.serve()
        task = self.running(["/sleep.wasm"])
        for name, limit in (("more", 64), ("less", 24)):
            resources = json.dumps({"memory": {"limit": limit << 20}})
            task.client.call(played.TASK, "Update", {1: task.id, 2: {1: RESOURCES, 2: resources}})
            output = self.folder / name
            task.add_exec(name, ["/grow.wasm", "1000"], f"file://{output}")
            task.start(name)
            self.assertEqual(task.wait(name), 0)
            grown = int(re.search(r"grew by (\d+) MiB", output.read_text())[1])
            self.assertTrue(limit // 2 < grown < limit, (grown, limit))
            task.delete(name)

    def test_two_namespaces_have_the_same_ids(self):
        daemon = self.serve()
        one = self.running(identifier="same", namespace="one")
        other = self.running(identifier="same", namespace="other")
        self.assertEqual(daemon.sandboxes(), ["one/same", "other/same"])
        self.assertEqual(self.delete(one, "one"), 137)
        self.assertEqual(other.state(), played.RUNNING)

    def test_delete_tells_how_a_container_ended(self):
        self.serve()
        task = self.running(["/exit42.wasm"])
        task.wait()
        self.assertEqual(self.delete(task), 42)
        with self.assertRaises(ttrpc.Failure) as failed:
            task.state()
        self.assertEqual(failed.exception.code, NOT_FOUND)
        # Once more it is nobody's, and no error.
        self.assertEqual(self.delete(task), 42)

    def test_containers_have_no_descriptor_of_the_daemons(self):
        self.serve()
        self.running()
        task = self.running(["/bin/sleep", "1000"])
        for entry in pathlib.Path(f"/proc/{task.call('Connect')[2]}/fd").iterdir():
            self.assertNotRegex(os.readlink(entry), r"^(socket|anon_inode)")

    def test_a_restart_after_sigkill_leaves_nothing_and_tells_the_truth(self):
        first = self.serve()
        runs = [self.running(), self.running(["/bin/sleep", "1000"])]
        ended = self.running(["/exit42.wasm"])
        ended.wait()
        first.stop(signal.SIGKILL)
        second = self.serve()
        self.assertIn("the daemon that held it has ended", second.log())
        self.assertEqual(second.sandboxes(), [])
        self.assertEqual([self.delete(task) for task in (*runs, ended)], [137, 137, 42])
        self.assertEqual(self.running(["/exit42.wasm"]).wait(), 42)

    def test_its_end_ends_containers_and_their_exits_stay_known(self):
        daemon = self.serve()
        tasks = [self.running(), self.running(["/bin/sleep", "1000"])]
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("what runs in 2 sandboxes is killed", daemon.log())
        self.assertFalse(USUAL.exists())
        until(lambda: not [words for words in apart.processes() if "sleep" in words], "nothing runs")
        self.assertEqual([self.delete(task) for task in tasks], [137, 137])


class ShimTest(daemon_case.DaemonTest):
    def test_without_a_daemon_it_says_how_it_is_started(self):
        said = self.start_fails()
        self.assertIn("systemctl start containerd-wasmtimed", said)
        self.assertIn(str(USUAL), said)

    def test_a_daemon_that_hangs_is_given_up_before_containerd_gives_up(self):
        USUAL.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as hanging:
            hanging.bind(str(USUAL))
            hanging.listen()
            try:
                self.assertIn("containerd-wasmtimed", self.start_fails())
            finally:
                USUAL.unlink()

    def test_options_say_where_the_daemon_is(self):
        listen = self.folder / "m.sock"
        daemon = self.serve("--listen", listen, listen=listen)
        identifier, bundle = self.bundle(["/exit42.wasm"])
        options = {1: "runtimeoptions.v1.Options", 2: {3: f'[daemon]\naddress = "{listen}"\n'}}
        words = [shim.program, "-namespace", "played", "-address", "/nobody.sock", "-id", identifier, "start"]
        done = subprocess.run(words, cwd=bundle, input=ttrpc.encode(options), capture_output=True, check=False,
                              timeout=20, env={**os.environ, "TTRPC_ADDRESS": str(shim.folder / "events")})
        self.assertEqual(done.returncode, 0, done.stderr)
        # An older containerd reads the address alone.
        self.assertRegex(done.stdout, rb"^unix:///run/wasmoor/wasmtimed/s/[0-9a-f]{32}$")
        client = ttrpc.Client(done.stdout.decode())
        self.addCleanup(client.__exit__)
        task = played.Task(client, identifier, bundle)
        task.create()
        self.assertEqual(daemon.sandboxes(), [f"played/{identifier}"])
        # containerd gives no options to delete.
        self.assertEqual(self.delete(task), 137)
        with self.assertRaises(ttrpc.Failure):
            task.state()

    def test_info_and_version(self):
        done = subprocess.run([shim.program, "-info"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        self.assertEqual(ttrpc.decode(done.stdout)[1], b"io.containerd.wasmtimed.v1")
        done = subprocess.run([shim.program, "-v"], capture_output=True, check=True)
        self.assertIn(b"Version:", done.stdout)


class OperatorTest(daemon_case.DaemonTest):
    def test_garbage_on_its_socket_disturbs_nobody(self):
        daemon = self.serve()
        before = descriptors(daemon.pid)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\xff" * 100, b"\0\0\0\4\0\0\0\1\1\0abcd"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(USUAL))
                with contextlib.suppress(BrokenPipeError):
                    client.sendall(garbage)
                self.assertTrue(daemon.ask("Create", {1: "ns", 2: "pod", 4: "/"})[1])
        until(lambda: descriptors(daemon.pid) <= before + 4, "their descriptors are closed")

    def test_a_second_daemon_is_refused(self):
        self.serve()
        self.assertIn("another daemon serves the sandboxes", self.fails())
        self.assertIn("another process serves at", self.fails("--state", self.folder / "other"))
        self.assertIn("give this one another socket with --controller",
                      self.fails("--state", self.folder / "other", "--listen", self.folder / "m"))

    def test_a_socket_whose_path_is_too_long_is_refused(self):
        for flag in ("--listen", "--state"):
            self.assertIn("106", self.fails(flag, "/" + "x" * 107))

    def test_settings_are_checked_with_their_line(self):
        path = self.folder / "wasmtimed.toml"
        for text, says in (('listen = "/a"\nlisen = "/b"\n', ":2: lisen: there is no such setting"),
                           ("[sandbox]\n\nguest.memory = 0\n", ":3: sandbox.guest.memory: must be a size"),
                           ("[log]\nlevel = 3\n", ":2: log.level: must be a string"),
                           ("listen = [\n", "wasmtimed.toml:"), ('listen = "relative"', "must be an absolute path")):
            path.write_text(text)
            self.assertIn(says, self.fails("--config", path))
        self.assertIn("/none.toml", self.fails("--config", "/none.toml"))

    def test_sighup_reads_the_settings_again_and_a_broken_file_changes_nothing(self):
        path = self.folder / "wasmtimed.toml"
        path.write_text('[log]\nlevel = "info"\n')
        daemon = self.serve("--config", path)
        path.write_text('[log]\nlevel = "debug"\nformat = "json"\n')
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: '"msg":"the settings are read again"' in daemon.log(), "it has read them")
        path.write_text("[log]\nlevel = 3\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: f"the settings stay as they were: {path}:2: log.level" in daemon.log(), "it has refused them")
        daemon.ask("Create", {1: "ns", 2: "pod", 4: "/"})
        self.assertRegex(daemon.log(), r'"level":"debug","msg":"served at [^"]*","ns":"ns","pod":"pod"')

    def test_it_tells_who_started_it(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                name = f"@{self.name}" if abstract else str(self.folder / "notify")
                manager.bind(name.replace("@", "\0"))
                manager.settimeout(20)
                daemon = self.serve(environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"})
                self.assertRegex(manager.recv(4096), rb"^READY=1\nSTATUS=")
                for _ in range(2):
                    self.assertRegex(manager.recv(4096), rb"^WATCHDOG=1\n")
                daemon.process.send_signal(signal.SIGHUP)
                heard = b""
                while b"RELOADING=1\nMONOTONIC_USEC=" not in heard or b"READY=1" not in heard:
                    heard += manager.recv(4096)
                daemon.process.send_signal(signal.SIGTERM)
                while b"STOPPING=1" not in heard:
                    heard += manager.recv(4096)
                daemon.stop()

    def test_a_socket_that_is_open_already_is_served(self):
        listen = self.folder / "given.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(listen))
            listening.listen()
            # LISTEN_PID is that of the shell, which becomes the daemon.
            wrapper = self.folder / "wrapper"
            wrapper.write_text(f'#!/bin/sh\nexec 3<&{listening.fileno()}\n'
                               f'LISTEN_PID=$$ LISTEN_FDS=1 exec {daemon_case.daemon_program()} "$@"\n')
            wrapper.chmod(0o700)
            daemon = self.serve(program=wrapper, listen=listen, inherit=(listening.fileno(),))
        self.assertTrue(daemon.ask("Create", {1: "ns", 2: "pod", 4: "/"})[1])
        self.assertFalse(USUAL.exists())

    def test_it_takes_as_many_descriptors_as_it_may(self):
        daemon = self.serve()
        soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)

    def test_many_ask_at_once(self):
        daemon = self.serve()
        answers = []

        def ask(number):
            answers.append(daemon.ask("Create", {1: "ns", 2: f"pod{number % 20}", 4: "/"})[1])
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(answers), len(set(answers))), (60, 20))


if __name__ == "__main__":
    alone.main(__doc__, "node", GUESTS)
