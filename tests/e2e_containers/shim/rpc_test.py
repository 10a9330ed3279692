"""What a shim of containerd's promises its clients, asked without containerd.

    rpc_test.py SHIM GUESTS [TEST...]

SHIM is the executable, GUESTS the folder with compiled guests. With WASMOOR_LONG_TESTS=1 in the environment, what is
repeated is repeated a thousand times. Exit status 77: cannot run here.
"""

import contextlib
import os
import pathlib
import shutil
import signal

import alone  # First: it says where the others are.

import apart
import faults
import played
import ttrpc
from alone import SLEEP
from played import CREATED, PAUSED, RUNNING, STOPPED, until
from proc import descriptors, memory

LONG = "WASMOOR_LONG_TESTS" in os.environ
MANY = 1000 if LONG else 40
GUESTS = ("hello", "sleep", "exit42", "trap", "library", "args", "cat", "loop", "hello-component", "calc-component")

shim = None  # The one of this run.


def setUpModule():
    global shim
    shim = alone.shim


class ShimTest(alone.TaskTest):
    def tearDown(self):
        for server in shim.servers():
            os.kill(server, signal.SIGKILL)
        until(lambda: not shim.servers(), "the shims have ended")
        self.remove_made()
        self.nothing_runs()

    @staticmethod
    def server(task):
        """The shim's process."""
        return task.call("Connect")[1]

    def output(self, task):
        """Exit status, output and errors of a task run to its end."""
        files = {name: task.bundle / name for name in ("stdout", "stderr")}
        task.create(**{name: f"file://{path}" for name, path in files.items()})
        task.start()
        status = task.wait()
        return status, *(path.read_text() for path in files.values())

    def pod(self, count, words=SLEEP):
        """Tasks in one shim; a sandbox is the first."""
        first = self.running(group=self.name)
        tasks = [first]
        for _ in range(count - 1):
            task = self.task(words, group=self.name, client=first.client)
            task.create()
            task.start()
            tasks.append(task)
        return tasks


class LifeTest(ShimTest):
    def test_a_task_has_a_state_between_create_and_delete_and_none_else(self):
        task = self.task(SLEEP)
        message = self.refuses(ttrpc.NOT_FOUND, task.state)
        self.assertIn(task.id, message)
        pid = task.create()
        self.assertGreater(pid, 1)
        self.assertEqual(task.state(), CREATED)
        self.assertEqual(task.start(), pid)
        self.assertEqual(task.state(), RUNNING)
        task.call("Pause")
        self.assertEqual(task.state(), PAUSED)
        task.call("Resume")
        self.assertEqual(task.state(), RUNNING)
        task.kill(signal.SIGTERM)
        self.assertEqual(task.wait(), 128 + signal.SIGTERM)
        self.assertEqual(task.state(), STOPPED)
        self.assertEqual(task.delete(), 128 + signal.SIGTERM)
        self.refuses(ttrpc.NOT_FOUND, task.state)

    def test_what_was_never_started_can_be_deleted(self):
        task = self.task(SLEEP)
        pid = task.create()
        task.delete()
        self.refuses(ttrpc.NOT_FOUND, task.state)
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_a_second_create_is_refused_and_the_first_goes_on(self):
        task = self.running()
        self.refuses(ttrpc.ALREADY_EXISTS, task.create)
        self.assertEqual(task.state(), RUNNING)

    def test_a_second_start_is_refused_and_the_first_goes_on(self):
        task = self.running()
        self.refuses(ttrpc.FAILED_PRECONDITION, task.start)
        self.assertEqual(task.state(), RUNNING)

    def test_what_runs_cannot_be_deleted(self):
        task = self.running()
        self.refuses(ttrpc.FAILED_PRECONDITION, task.delete)
        self.assertEqual(task.state(), RUNNING)

    def test_what_is_killed_before_its_start_has_ended(self):
        task = self.task(SLEEP)
        task.create()
        task.kill(signal.SIGKILL)
        self.assertEqual(task.wait(), 128 + signal.SIGKILL)
        self.assertEqual(task.state(), STOPPED)
        self.refuses(ttrpc.FAILED_PRECONDITION, task.start)
        self.assertEqual(task.delete(), 128 + signal.SIGKILL)

    def test_what_has_ended_cannot_be_killed(self):
        task = self.running()
        task.kill(signal.SIGKILL)
        task.wait()
        self.assertIn("finished", self.refuses(ttrpc.NOT_FOUND, task.kill, signal.SIGKILL))

    def test_many_wait_for_one_end(self):
        task = self.running()
        clients = [self.connect(shim.start(task.id, task.bundle)) for _ in range(8)]
        waiting = [(client, client.begin(played.TASK, "Wait", {1: task.id})) for client in clients for _ in range(4)]
        task.kill(signal.SIGINT)
        self.assertEqual({client.finish(stream)[1] for client, stream in waiting}, {128 + signal.SIGINT})

    def test_ids_may_have_64_digits_and_be_the_same_in_two_namespaces(self):
        identifier = "0123456789abcdef" * 4
        one, other = (self.running(identifier=identifier, namespace=name) for name in ("one", "other"))
        one.kill(signal.SIGKILL)
        self.assertEqual(one.wait(), 128 + signal.SIGKILL)
        self.assertEqual(other.state(), RUNNING)

    def test_a_program_runs_beside_the_first(self):
        wasm, native = self.running(), self.running(("/bin/sleep", "1000"))
        for task, words, status, text in (
                (wasm, ("/hello.wasm",), 0, "Hello from wasm!\n"), (wasm, ("/exit42.wasm",), 42, ""),
                (native, ("/bin/sh", "-c", "echo native; exit 3"), 3, "native\n")):
            with self.subTest(words):
                log = task.bundle / "exec.log"
                task.add_exec("e1", words, f"file://{log}")
                self.refuses(ttrpc.ALREADY_EXISTS, task.add_exec, "e1", words)
                self.assertEqual(task.state("e1"), CREATED)
                task.start("e1")
                self.assertEqual(task.wait("e1"), status)
                self.assertEqual(task.delete("e1"), status)
                self.refuses(ttrpc.NOT_FOUND, task.state, "e1")
                self.assertEqual(log.read_text(), text)
                log.unlink()

    def test_a_program_that_was_never_started_can_be_deleted(self):
        task = self.running()
        task.add_exec("e1", ["/hello.wasm"])
        task.delete("e1")
        self.refuses(ttrpc.NOT_FOUND, task.state, "e1")

    def test_what_it_cannot_do_is_unimplemented(self):
        task = self.running()
        self.refuses(ttrpc.UNIMPLEMENTED, task.call, "Checkpoint")
        self.refuses(ttrpc.UNIMPLEMENTED, task.call, "Nonsense")
        self.refuses(ttrpc.UNIMPLEMENTED, task.client.call, "no.such.Service", "State", {1: task.id})

    def test_both_versions_of_the_service_are_the_same(self):
        task = self.running()
        answers = [task.client.call(f"containerd.task.v{version}.Task", "State", {1: task.id}) for version in (2, 3)]
        self.assertEqual(answers[0], answers[1])

    def test_connect_tells_the_processes(self):
        task = self.running()
        answer = task.call("Connect")
        self.assertEqual([answer[1]], shim.servers())
        self.assertEqual(answer[2], task.call("State")[3])
        self.assertIn(str(answer[2]).encode(), pathlib.Path(f"/proc/{answer[2]}/stat").read_bytes())

    def test_a_shim_goes_when_it_is_shut_down_with_nothing_left_and_not_before(self):
        task = self.running()
        server = self.server(task)
        task.call("Shutdown")
        self.assertEqual(task.state(), RUNNING)
        task.kill(signal.SIGKILL)
        task.wait()
        task.delete()
        with contextlib.suppress(ConnectionError):  # It may be gone before it has answered.
            task.call("Shutdown")
        until(lambda: not pathlib.Path(f"/proc/{server}/exe").exists(), "the shim has ended", 15)

    def test_a_shim_that_nobody_knows_of_goes_by_itself(self):
        identifier, bundle = self.bundle(SLEEP)
        shim.start(identifier, bundle)
        self.assertEqual(len(shim.servers()), 1)
        until(lambda: not shim.servers(), "the shim has ended", 30)


class ProgramTest(ShimTest):
    def test_exit_codes_and_output_are_the_guests(self):
        self.assertEqual(self.output(self.task(["/hello.wasm"])), (0, "Hello from wasm!\n", ""))
        self.assertEqual(self.output(self.task(["/exit42.wasm"]))[0], 42)
        self.assertEqual(self.output(self.task(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"])),
                         (7, "out\n", "err\n"))

    def test_components_run_too(self):
        self.assertEqual(self.output(self.task(["/hello-component.wasm"])), (0, "Hello from wasm!\n", ""))

    def test_a_trap_is_134_with_its_backtrace(self):
        status, out, err = self.output(self.task(["/trap.wasm"]))
        self.assertEqual((status, out), (134, "about to trap at depth 3\n"))
        self.assertIn("unreachable", err)
        self.assertIn("innermost", err)

    def test_an_export_is_called_by_its_name(self):
        status, out, err = self.output(self.task(["/library.wasm#answer"]))
        self.assertEqual((status, out), (0, "42\n"), err)

    def test_what_cannot_run_fails_when_it_is_created_and_leaves_nothing(self):
        for word, said in (("/nothing.wasm", "/nothing.wasm"), ("/broken.wasm", "/broken.wasm"),
                           ("/bin/nothing", "/bin/nothing")):
            with self.subTest(word):
                task = self.task([word])
                with self.assertRaises(ttrpc.Failure) as failed:
                    task.create()
                self.assertIn(said, failed.exception.message)
                self.refuses(ttrpc.NOT_FOUND, task.state)

    def test_the_default_devices_are_there(self):
        listed = self.output(self.task(["/bin/sh", "-c", "ls /dev"]))[1].split()
        self.assertLessEqual({"full", "null", "random", "tty", "urandom", "zero"}, set(listed))

    def test_a_module_is_compiled_once(self):
        def entries():
            return {path: path.stat().st_ctime_ns for path in pathlib.Path(shim.cache).rglob("*")
                    if path.is_file() and path.stat().st_size > 1000}
        self.assertEqual(self.output(self.task(["/args.wasm"]))[0], 0)
        first = entries()
        self.assertTrue(first)
        self.assertEqual(self.output(self.task(["/args.wasm"]))[0], 0)
        self.assertEqual(entries(), first)
        for path in first:
            path.unlink()
        self.assertEqual(self.output(self.task(["/args.wasm"]))[0], 0)
        self.assertTrue(entries())

    def test_input_ends_when_the_client_and_the_shim_have_closed_it(self):
        for words in (["/bin/cat"], ["/cat.wasm"]):
            with self.subTest(words):
                task = self.task(words)
                fifo, log = task.bundle / "stdin", task.bundle / "log"
                os.mkfifo(fifo)
                task.create(stdin=fifo, stdout=f"file://{log}")
                task.start()
                for line in ("one\n", "two\n"):
                    fifo.write_text(line)  # A client that goes again.
                until(lambda: log.exists() and log.read_text() == "one\ntwo\n", "it has read both")
                task.call("CloseIO", f3=1)
                self.assertEqual(task.wait(), 0)


class PodTest(ShimTest):
    def test_twenty_containers_live_in_one_shim_and_each_dies_alone(self):
        tasks = self.pod(20)
        addresses = {(task.bundle / "address").read_text() for task in tasks}
        self.assertEqual(len(addresses), 1)
        tasks[7].kill(signal.SIGKILL)
        self.assertEqual(tasks[7].wait(), 128 + signal.SIGKILL)
        states = [task.state() for task in tasks]
        self.assertEqual(states, [RUNNING] * 7 + [STOPPED] + [RUNNING] * 12)

    def test_containers_one_after_another_leave_a_shim_as_it_was(self):
        first, other = self.pod(2)
        server, log = self.server(first), first.bundle / "log.txt"
        other.kill(signal.SIGKILL)
        other.wait()
        other.delete()

        def play(count):
            for _ in range(count):
                task = played.Task(first.client, other.id, other.bundle)
                task.create(stdout=f"file://{log}")
                task.start()
                task.add_exec("e", ["/hello.wasm"])
                task.start("e")
                task.wait("e")
                task.delete("e")
                task.kill(signal.SIGKILL)
                task.wait()
                task.delete()
        play(max(10, MANY // 2))
        before = descriptors(server), memory(server)
        play(MANY)
        self.assertEqual(descriptors(server), before[0])
        self.assertLess(memory(server) - before[1], 400)

    def test_pods_one_after_another_leave_the_machine_as_it_was(self):
        def count():
            return (len(apart.mount_points()), len(apart.groups([shim.cgroup])), len(apart.processes()),
                    descriptors(os.getpid()), sorted(os.listdir("/run")))
        before = None
        for round_ in range((MANY if LONG else 10) + 1):
            bundle = shim.bundle("pod", ["/hello.wasm"])
            with ttrpc.Client(shim.start("pod", bundle)) as client:
                task = played.Task(client, "pod", bundle)
                task.create()
                server = self.server(task)
                task.start()
                self.assertEqual(task.wait(), 0)
                task.delete()
                with contextlib.suppress(ConnectionError):
                    task.call("Shutdown")
            until(lambda: not os.path.exists(f"/proc/{server}/exe"), "the shim has ended", 15)
            self.assertEqual(shim.command("delete", "pod", bundle, "-bundle", bundle).returncode, 0)
            shutil.rmtree(bundle)
            if round_ == 0:
                before = count()
        self.assertEqual(count(), before)


class FaultTest(ShimTest, faults.FaultTest):
    def test_a_shim_that_is_killed_leaves_nothing_that_delete_does_not_remove(self):
        tasks = self.pod(3)
        server = self.server(tasks[0])
        os.kill(server, signal.SIGKILL)
        for task in tasks:
            done = shim.command("delete", task.id, task.bundle, "-bundle", task.bundle)
            self.assertEqual(done.returncode, 0, done.stderr)
            answer = ttrpc.decode(done.stdout)
            self.assertEqual(answer.get(2), 128 + signal.SIGKILL, answer)
            self.assertIn(3, answer)
        until(lambda: not apart.processes(), "no process is left", 3)


if __name__ == "__main__":
    alone.main(__doc__, "shim-rpc", GUESTS, ("cat", "echo", "ls", "sh", "sleep"))
