"""How people reach into pods: exec, attach, terminals, ports, debugging containers, the processes of each other."""

import contextlib
import http.client
import re
import subprocess
import unittest

import terminal

from case import Case
from pods import limits, native, shell, sidecar, wasm

LONG = 100  # Seconds of grace that no test waits for.


class ExecTest(Case):
    def test_another_guest_runs_in_the_container_of_one(self):
        pod = self.pod(wasm("main", "sleep"), restartPolicy="Always").wait_ready()
        done = pod.execute("main", "/hello.wasm")
        self.assertEqual((done.stdout, done.returncode), ("Hello from wasm!\n", 0), done.stderr)
        self.assertEqual(pod.execute("main", "/exit42.wasm").returncode, 42)
        self.assertIn("arg 1: one\n", pod.execute("main", "/args.wasm", "one").stdout)
        self.assertEqual(pod.execute("main", "/trap.wasm").returncode, 134)
        self.assertNotEqual(pod.execute("main", "/nothing.wasm").returncode, 0)
        self.assertEqual(pod.restarts("main"), 0)

    def test_a_program_runs_in_the_sidecar_of_a_guest(self):
        pod = self.pod(wasm("main", "sleep"), initContainers=[sidecar(native("sidecar", "sleep", 1000))]).wait_ready()
        done = pod.execute("sidecar", "sh", "-c", "echo hello; exit 3")
        self.assertEqual((done.stdout, done.returncode), ("hello\n", 3), done.stderr)

    def test_what_is_given_to_it_comes_back(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 1000)).wait_ready()
        text = "".join(f"line {number}\n" for number in range(5000))
        for name, program in (("main", "/cat.wasm"), ("native", "cat")):
            done = pod.execute(name, program, typed=text, options=("-i",))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout == text, f"{name}: {len(done.stdout)} of {len(text)} characters came back")

    def test_it_has_a_terminal_if_it_asks_for_one(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 1000)).wait_ready()
        for name, program, says in (("main", "/terminal.wasm", "stdin is a terminal"), ("native", "tty", "/dev/pts/")):
            words = self.api.command("exec", "-it", pod.name, "-c", name, "--", program)
            status, output = terminal.run(words, {"TERM": "xterm", "PATH": "/bin:/usr/bin"})
            self.assertIn(says, output)
            self.assertEqual(status, 0, output)

    def test_many_at_once_in_one_container(self):
        pod = self.pod(wasm("main", "sleep")).wait_ready()
        children = [subprocess.Popen(self.api.command("exec", pod.name, "--", "/args.wasm", number), text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE) for number in range(6)]
        outputs = [child.communicate(timeout=60) for child in children]
        for number, (child, (output, errors)) in enumerate(zip(children, outputs)):
            self.assertEqual(child.returncode, 0, errors)
            self.assertIn(f"arg 1: {number}\n", output)


class TerminalTest(Case):
    def test_a_guest_has_a_terminal_if_its_pod_says_so(self):
        pod = self.pod(wasm("main", "terminal", tty=True, stdin=True))
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", "stdout is a terminal")

    def test_a_native_container_has_a_terminal_if_its_pod_says_so(self):
        pod = self.pod(native("main", "tty", tty=True, stdin=True))
        self.assertEqual(pod.wait_ended(), "Succeeded")
        pod.wait_logs("main", "/dev/pts/0|/dev/console")


class AttachTest(Case):
    def test_what_is_typed_reaches_a_guest(self):
        pod = self.pod(wasm("main", "read", stdin=True, stdinOnce=True)).wait_running("main")
        done = self.api.kubectl("attach", "-i", pod.name, "-c", "main", typed="plugh\n")
        self.assertIn("read 6 bytes", done.stdout + pod.wait_logs("main", "read 6 bytes")[0], done.stderr)
        self.assertEqual(pod.wait_ended(), "Succeeded")

    def test_what_is_typed_reaches_a_native_container(self):
        pod = self.pod(shell("main", "read word; echo it was $word", stdin=True, stdinOnce=True)).wait_running("main")
        done = self.api.kubectl("attach", "-i", pod.name, "-c", "main", typed="plugh\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        pod.wait_logs("main", "it was plugh")
        self.assertEqual(pod.wait_ended(), "Succeeded")

    def test_what_a_guest_prints_is_seen(self):
        pod = self.pod(wasm("main", "cat", stdin=True, stdinOnce=True)).wait_running("main")
        done = self.api.kubectl("attach", "-i", pod.name, "-c", "main", typed="one\ntwo\n")
        self.assertIn("one\ntwo\n", done.stdout, done.stderr)

    def test_a_terminal_is_attached(self):
        pod = self.pod(wasm("main", "read", stdin=True, tty=True)).wait_running("main")
        words = self.api.command("attach", "-it", pod.name, "-c", "main")
        _, output = terminal.run(words, {"TERM": "xterm", "PATH": "/bin:/usr/bin"}, typed=b"plugh\n")
        self.assertIn("read 6 bytes", output + pod.wait_logs("main", "read 6 bytes")[0])


class NetworkTest(Case):
    @contextlib.contextmanager
    def forwarded(self, pod, port):
        """A port here that leads to one of the pod."""
        child = subprocess.Popen(self.api.command("port-forward", pod.name, f":{port}"), stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        try:
            line = child.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            self.assertTrue(found, line)
            yield int(found[1])
        finally:
            child.kill()
            child.communicate()

    def get(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def test_a_port_of_a_sidecar_is_forwarded(self):
        # Ready is who listens.
        web = native("web", "httpd", "-f", "-p", "8080", "-h", "/") | {
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
        pod = self.pod(wasm("main", "sleep"), web).wait_ready()
        with self.forwarded(pod, 8080) as port:
            self.assertEqual(self.get(port, "/hello.wasm")[1][:4], b"\0asm")
            self.assertEqual(self.get(port, "/nothing")[0], 404)

    def test_a_component_that_serves_http_is_probed_and_forwarded_to_and_ends_at_once(self):
        probes = {kind: {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5}
                  for kind, path in (("readinessProbe", "/"), ("livenessProbe", "/status/204"))}
        pod = self.pod(wasm("main", "web-component", **probes, resources=limits(cpu="500m", memory="128Mi"), env=[
            {"name": "WASMTIME_HTTP_PROXY_SOCKET_ADDR", "value": "0.0.0.0:8080"}]),
            terminationGracePeriodSeconds=LONG, restartPolicy="Always").wait_ready()
        with self.forwarded(pod, 8080) as port:
            status, body = self.get(port, "/")
            self.assertEqual((status, body.strip()), (200, b"Hello from wasi:http!"))
            self.assertEqual(self.get(port, "/status/404")[0], 404)
        self.assertEqual(pod.restarts("main"), 0)
        self.assertLess(pod.delete(), LONG / 4)

    def test_a_component_whose_http_probe_fails_is_started_again(self):
        pod = self.pod(wasm("main", "web-component", livenessProbe={
            "httpGet": {"path": "/status/500", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5}, env=[
            {"name": "WASMTIME_HTTP_PROXY_SOCKET_ADDR", "value": "0.0.0.0:8080"}]), restartPolicy="Always")
        pod.wait("a restart", lambda: pod.restarts("main") >= 1)

    def test_pods_reach_each_other(self):
        web = self.pod(wasm("main", "sleep"), native("web", "httpd", "-f", "-p", "8080", "-h", "/"), ending="web")
        web.wait_ready()
        look = f"wget -q -O - http://{web.address()}:8080/hello.wasm | grep asm"
        pod = self.pod(wasm("main", "sleep"), shell("look", look), ending="look")
        self.assertEqual(pod.wait_container_ended("look")["exitCode"], 0)


class ProcessesTest(Case):
    def test_processes_are_shared_where_the_pod_says_so(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 1234), shareProcessNamespace=True,
                       restartPolicy="Always").wait_ready()
        listed = pod.execute("native", "ps").stdout
        self.assertRegex(listed, r"(?m)^ +1 .*/pause$" if self.node.kind.has_pause else r"(?m)^ +1 .*wasmoor-pod")
        self.assertRegex(listed, "sleep 1234")
        self.assertRegex(listed, "sleep\\.wasm")
        guest = re.search(r"(?m)^ *(\d+) .*sleep\.wasm", listed)[1]
        self.assertEqual(pod.execute("native", "kill", guest).returncode, 0)
        pod.wait("the guest is started again", lambda: pod.restarts("main") == 1)
        self.assertEqual(pod.ended("main")["exitCode"], 128 + 15)

    def test_processes_are_apart_otherwise(self):
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 1234)).wait_ready()
        listed = pod.execute("native", "ps").stdout
        self.assertRegex(listed, r"(?m)^ +1 .*sleep 1234$")
        self.assertNotIn("wasm", listed)

    def debug(self, pod, **more):
        self.api.patch("Pod", pod.name, {"spec": {"ephemeralContainers": [{**native("debug", "ps"), **more}]}},
                       "ephemeralcontainers")

    def test_a_debugging_container_sees_no_process_of_the_node_where_the_guest_is_a_thread(self):
        if not self.node.kind.has_daemon:
            raise unittest.SkipTest("guests are processes")
        for more in ({}, {"tty": True, "stdin": True}):
            pod = self.pod(wasm("main", "sleep"), ending="terminal" if more else "plain").wait_ready()
            self.debug(pod, targetContainerName="main", **more)
            pod.wait("it does not start", lambda pod=pod: "io.wasmoor.isolation" in str(pod.container("debug")))
            self.assertEqual(self.api.kubectl("logs", pod.name, "-c", "debug").stdout, "")
            self.assertTrue(pod.ready())

    def test_a_debugging_container_without_a_target_joins_a_pod(self):
        pod = self.pod(wasm("main", "sleep")).wait_ready()
        before = pod.identifiers()
        self.debug(pod)
        self.assertEqual(pod.wait_container_ended("debug")["exitCode"], 0)
        pod.wait_logs("debug", r"(?m)^ +1 .*ps$")
        self.assertEqual(pod.identifiers(), before)

    def test_a_debugging_container_joins_a_running_guest(self):
        pod = self.pod(wasm("main", "sleep"), annotations={"io.wasmoor.isolation": "process"}).wait_ready()
        before = pod.identifiers()
        self.debug(pod, targetContainerName="main")
        self.assertEqual(pod.wait_container_ended("debug")["exitCode"], 0)
        pod.wait_logs("debug", r"(?m)^ +1 .*sleep\.wasm")
        self.assertEqual(pod.identifiers(), before)

    def test_root_in_a_pod_is_nobody_outside_where_the_pod_says_so(self):
        node = self.api.get("Node", "node")
        features = {entry["name"]: entry.get("features", {}) for entry in node["status"].get("runtimeHandlers", [])}
        if not features.get("wasmtime", {}).get("userNamespaces"):
            raise unittest.SkipTest(f"the runtime tells containerd of no user namespaces: {features}")
        pod = self.pod(wasm("main", "sleep"), native("native", "sleep", 1000), hostUsers=False).wait_ready()
        for name in ("main", "native"):
            with open(f"/proc/{pod.processes(name)[0]}/uid_map", encoding="ascii") as file:
                self.assertNotEqual(file.read().split()[1], "0")
