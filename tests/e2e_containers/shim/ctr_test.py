"""The shim under containerd and its ctr: containers of both kinds, over their lives.

    ctr_test.py debian|current SHIM GUESTS [TEST...]

`debian` is the machine's containerd, `current` that of tools/fetch-containerd. SHIM is the executable, GUESTS the folder
with compiled guests. Exit status 77: cannot run here.
"""

import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "containerd"))
import stand  # First: it says where the others are.

import daemon
import lifecycle
import tls
from lifecycle import NativeTest, WasmTest  # noqa: F401
from played import until
from stand import containerd

RUNTIME = "io.containerd.wasmtime.v1"
PIPE = 65536  # Bytes that one holds (pipe(7)).
LOGGER = """#!/bin/sh
# Arguments: "folder" and where.
echo "$CONTAINER_NAMESPACE $CONTAINER_ID $$" >> "$2/who"
exec 5>&-
cat <&4 >> "$2/err" &
cat <&3 >> "$2/out"
wait
"""


class ShimTest(lifecycle.ContainerTest):
    def setUp(self):
        super().setUp()
        self.folder = stand.here.scratch / self.name
        self.folder.mkdir()

    def logger(self):
        """The URI of one that writes files into the test's folder."""
        path = self.folder / "logger"
        path.write_text(LOGGER)
        path.chmod(0o700)
        return f"binary://{path}?folder={self.folder}"

    def attach(self, says):
        """A client, until the container says that to it."""
        with containerd().start("task", "attach", self.name) as client:
            while (line := client.stdout.readline()) != says:
                self.assertIn("level=warning", line)
            client.kill()

    def file(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""


class StreamTest(ShimTest):
    def test_output_goes_to_a_file(self):
        for image, words, says in ((stand.NATIVE, ("sh", "-c", "echo out; echo err >&2"), "out\nerr\n"),
                                   (stand.WASM, ("/hello.wasm",), "Hello from wasm!\n")):
            with self.subTest(image):
                log = self.folder / "below" / "log"
                containerd().ctr(*containerd().run_words(image, self.name, *words,
                                                         options=("--rm", "--log-uri", f"file://{log}")))
                self.assertEqual(log.read_text(), says)
                log.unlink()

    def test_output_goes_to_a_logger_that_knows_whose_it_is(self):
        for image, words, says in ((stand.NATIVE, ("sh", "-c", "echo out; echo err >&2"), ("out\n", "err\n")),
                                   (stand.WASM, ("/hello.wasm",), ("Hello from wasm!\n", ""))):
            with self.subTest(image):
                containerd().ctr(*containerd().run_words(image, self.name, *words,
                                                         options=("--rm", "--log-uri", self.logger())))
                until(lambda: (self.file("out"), self.file("err")) == says, f"{says} is logged")
                self.assertRegex(self.file("who"), rf"^{stand.here.cgroup} {self.name} \d+\n$")
                for name in ("out", "err", "who"):
                    (self.folder / name).unlink()

    def test_a_logger_that_is_not_there_is_named_and_leaves_no_task(self):
        done = containerd().try_ctr(*containerd().run_words(
            stand.WASM, self.name, "/hello.wasm", options=("--rm", "--log-uri", "binary:///no/logger")))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/no/logger", done.stderr)
        self.assertEqual(containerd().status(self.name), "")

    def test_a_logger_that_dies_is_replaced_and_the_container_lives(self):
        script = "while :; do echo tick; sleep 0.05; done"
        self.start(stand.NATIVE, "sh", "-c", script, options=("--log-uri", self.logger()))
        for deaths in (1, 2):
            count = self.file("out").count("tick")
            until(lambda: self.file("out").count("tick") > count, "the logger works")
            os.kill(int(self.file("who").split()[-1]), signal.SIGKILL)
            until(lambda: self.file("who").count("\n") > deaths, "another logger has started")
        self.assertEqual(containerd().status(self.name), "RUNNING")

    def test_clients_attach_one_after_another_and_none_holds_it_up(self):
        self.start(stand.NATIVE, "sh", "-c", "while :; do echo tick; sleep 0.02; done")
        for _ in range(3):
            self.attach("tick\n")
        self.assertEqual(containerd().status(self.name), "RUNNING")

    def test_a_wasm_container_without_any_reader_writes_on_and_is_stopped(self):
        self.start(stand.WASM, "/cat.wasm", "/dev/zero")
        written = pathlib.Path(f"/proc/{self.pid()}/io")  # proc(5)
        until(lambda: int(re.search(r"wchar: (\d+)", written.read_text())[1]) >= PIPE, "it has filled its FIFO")
        self.assertEqual(containerd().status(self.name), "RUNNING")
        containerd().ctr("task", "kill", "-s", "KILL", self.name)
        containerd().wait_for_status(self.name, "STOPPED")

    def test_all_lines_arrive_before_the_end(self):
        done = containerd().run(stand.NATIVE, self.name, "seq", "1", "100000")
        self.assertEqual(done.stdout, "".join(f"{i}\n" for i in range(1, 100001)))


class ProgramTest(ShimTest):
    def test_an_export_is_called_by_its_name(self):
        done = containerd().run(stand.WASM, self.name, "/library.wasm#answer")
        self.assertEqual((done.returncode, done.stdout), (0, "42\n"), done.stderr)

    def test_a_trap_says_where_it_was(self):
        done = containerd().run(stand.WASM, self.name, "/trap.wasm")
        self.assertEqual(done.returncode, 134)
        self.assertIn("innermost", done.stderr)

    def test_components_run(self):
        done = containerd().run(stand.WASM, self.name, "/hello-component.wasm")
        self.assertEqual((done.returncode, done.stdout), (0, "Hello from wasm!\n"), done.stderr)

    def test_what_is_not_wasm_fails_before_it_starts(self):
        events = daemon.Events(containerd(), stand.NATIVE)
        self.addCleanup(events.close)
        broken = self.folder / "broken.wasm"
        broken.write_bytes(b"\0asm\1\0\0\0broken")
        mount = f"type=bind,src={broken},dst=/broken.wasm,options=rbind:ro"
        done = containerd().run(stand.WASM, self.name, "/broken.wasm", options=("--mount", mount))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/broken.wasm", done.stderr)
        self.assertNotIn("start", events.of_task(self.name, 2))

    def settings(self, text):
        """Options of ctr: the runtime's file of settings."""
        path = self.folder / "settings.toml"
        path.write_text(text)
        return "--runtime-config-path", str(path)

    def test_an_operator_bounds_guests(self):
        options = self.settings('[guest]\nmemory = "16MiB"\n')
        done = containerd().run(stand.WASM, self.name, "/grow.wasm", options=options)
        self.assertRegex(done.stdout, "^grew by 1[45] MiB", done.stderr)

    def test_a_server_asks_whom_it_may_and_trusts(self):
        certificate, context = tls.make(self.folder, "localhost")
        with tls.serving(context) as other, socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
            free.close()
            options = (*self.settings(f'[http]\naddress = "{address}"\noutgoing = ["localhost:{other}"]\n'),
                       "--net-host", "--env", "SSL_CERT_FILE=/ca.crt",
                       "--mount", f"type=bind,src={certificate},dst=/ca.crt,options=rbind:ro")
            self.start(stand.WASM, "/web-component.wasm", options=options)

            def fetch(what):
                with contextlib.suppress(ConnectionRefusedError), contextlib.closing(
                        http.client.HTTPConnection(address, timeout=20)) as client:
                    client.request("GET", what)
                    answer = client.getresponse()
                    return answer.status, answer.read()
                return None

            until(lambda: fetch("/"), "the component serves")
            self.assertEqual(fetch(f"/fetch-tls/localhost:{other}/"), (200, b"trusted\n"))
            self.assertEqual(fetch(f"/fetch-tls/127.0.0.1:{other}/"), (502, b"failed: 15\n"))  # Denied.

    def test_cpu_and_memory_are_limited(self):
        for image, words in ((stand.NATIVE, ("sleep", "1000")), (stand.WASM, ("/sleep.wasm",))):
            with self.subTest(image):
                name = self.name + image[15:18]
                self.start(image, *words, options=("--cpus", "0.5", "--memory-limit", str(64 << 20)), name=name)
                group = {}
                for line in pathlib.Path(f"/proc/{self.pid(name)}/cgroup").read_text().splitlines():
                    _, controllers, path = line.split(":", 2)
                    group |= dict.fromkeys(controllers.split(","), path)
                cpu = pathlib.Path(f"/sys/fs/cgroup/cpu{group['cpu']}")
                quota, period = (int((cpu / f"cpu.cfs_{what}_us").read_text()) for what in ("quota", "period"))
                self.assertEqual(quota / period, 0.5)
                memory = pathlib.Path(f"/sys/fs/cgroup/memory{group['memory']}/memory.limit_in_bytes")
                self.assertEqual(int(memory.read_text()), 64 << 20)


class RestartTest(ShimTest):
    """containerd comes and goes; containers stay, and it knows of them."""

    @contextlib.contextmanager
    def away(self, by):
        containerd().stop_daemon(by)
        yield
        containerd().start_daemon()

    def test_containers_are_found_again_and_their_ends_are_known(self):
        for image, words in ((stand.NATIVE, ("sleep", "1000")), (stand.WASM, ("/sleep.wasm",))):
            for by in (signal.SIGTERM, signal.SIGKILL):
                with self.subTest(image=image, by=by):
                    names = [f"{self.name}-{what}" for what in ("stays", "ends")]
                    for name in names:
                        self.start(image, *words, name=name)
                    pids = [self.pid(name) for name in names]
                    with self.away(by):
                        os.kill(pids[1], signal.SIGKILL)
                    self.assertEqual(self.pid(names[0]), pids[0])
                    self.assertEqual(containerd().status(names[0]), "RUNNING")
                    containerd().wait_for_status(names[1], "STOPPED")
                    done = containerd().try_ctr("task", "delete", names[1])
                    self.assertIn("137", done.stderr + str(done.returncode))
                    # And it can be worked with as before.
                    done = containerd().execute(names[0], *(("/hello.wasm",) if image == stand.WASM else ("true",)))
                    self.assertEqual(done.returncode, 0, done.stderr)
                    for name in names:
                        containerd().remove(name)

    def test_what_a_container_wrote_meanwhile_is_not_lost(self):
        script = "cd /tmp; until test -e go; do sleep 0.02; done; echo written meanwhile; echo >written; sleep 1000"
        self.start(stand.NATIVE, "sh", "-c", script)
        place = pathlib.Path(f"/proc/{self.pid()}/root", "tmp")
        with self.away(signal.SIGKILL):
            (place / "go").touch()
            until((place / "written").exists, "it has written")
        self.attach("written meanwhile\n")


if __name__ == "__main__":
    stand.APPLETS += ("seq", "ls")
    stand.GUESTS += ("library", "hello-component", "web-component", "cat")
    stand.main(__doc__, shim=RUNTIME)
