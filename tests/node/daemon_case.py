"""What tests of the node's daemon have in common that ask it without containerd: daemons, tasks, and what is left."""

import subprocess

import running_daemon  # First: it says where the others are.

import alone
import ttrpc
from running_daemon import STATE, USUAL

NOT_FOUND = ttrpc.NOT_FOUND


def daemon_program():
    return running_daemon.beside(alone.shim.program)


class DaemonTest(alone.TaskTest):
    def setUp(self):
        super().setUp()
        self.folder = alone.shim.folder / self.name
        self.folder.mkdir()
        self.daemons = []

    def tearDown(self):
        for daemon in self.daemons:
            daemon.stop()
        self.remove_made()
        self.nothing_runs()
        self.assertEqual([daemon.log()[-3000:] for daemon in self.daemons if not daemon.has_ended_well()], [])
        self.assertEqual([str(path) for path in [*(STATE / "s").glob("*"), *(STATE / "sandboxes").glob("*/*"),
                                                 *STATE.glob("*.sock"), *USUAL.parent.glob("*")]], [])

    def serve(self, *flags, program=None, **more):
        daemon = running_daemon.Daemon(program or daemon_program(), self.folder / "log", *flags, **more)
        self.daemons.append(daemon)
        return daemon

    def fails(self, *flags):
        """What a daemon's program says that fails: one sentence."""
        done = subprocess.run([daemon_program(), *map(str, flags)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def delete(self, task, namespace="played"):
        """The status that `shim delete` tells."""
        done = alone.shim.command("delete", task.id, task.bundle, namespace=namespace)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = ttrpc.decode(done.stdout)
        self.assertIn(3, answer)
        return answer.get(2, 0)

    def start_fails(self):
        identifier, bundle = self.bundle()
        done = alone.shim.command("start", identifier, bundle)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        return done.stderr.decode()
