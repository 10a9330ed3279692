"""podman and buildah as somebody calls them whose storage, state and containers nobody else has."""

import json
import os
import re
import subprocess
import time

import terminal

PATIENCE = 30


class Client:
    """Calls both with `runtime`, an OCI runtime's path or configured name. `folder` holds all that they keep; `user` is
    who calls them, a pwd.struct_passwd, or None for root; `cgroup` is above all of root's containers."""

    def __init__(self, folder, runtime, user, cgroup):
        self.folder = folder
        self.runtime = str(runtime)
        self.is_root = user is None
        self.ids = (0, 0) if user is None else (user.pw_uid, user.pw_gid)
        self._cgroup = cgroup
        self._become = [] if user is None else [
            "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
                            "XDG_RUNTIME_DIR": str(folder / "runtime"), "TERM": "dumb"}
        os.chown(folder, *self.ids)
        for name in ("home", "tmp", "runtime"):
            (folder / name).mkdir(mode=0o700)
            os.chown(folder / name, *self.ids)

    def places(self, program):
        """The options that say where podman and buildah keep things."""
        state = ["--tmpdir", f"{self.folder}/libpod"] if program == "podman" else []
        return ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/runroot", "--storage-driver", "overlay",
                *state]

    def command_words(self, *words, runtime=True):
        """What `do` and others run, less the change to the user."""
        if words[0] == "buildah":
            engine, words = ["buildah", *self.places("buildah")], words[1:]
        else:
            # PID 1 here is no systemd, and no journal listens.
            engine = ["podman", *self.places("podman"), "--cgroup-manager", "cgroupfs", "--events-backend", "file",
                      *(["--runtime", self.runtime] if runtime else [])]
        return [*engine, *map(str, words)]

    def _command(self, words, runtime=True):
        return [*self._become, *self.command_words(*words, runtime=runtime)]

    def command(self, *words):
        """Any command, as this user."""
        return self._try([*self._become, *map(str, words)])

    def _try(self, command, typed="", environment=None, timeout=PATIENCE):
        given = {"input": typed} if typed else {"stdin": subprocess.DEVNULL}
        return subprocess.run(command, env={**self.environment, **(environment or {})}, cwd=self.folder, text=True,
                              capture_output=True, check=False, timeout=timeout, **given)

    def try_do(self, *words, typed="", environment=None, runtime=True):
        """`podman words...`, or `buildah ...` if that is the first word."""
        return self._try(self._command(words, runtime), typed, environment)

    def do(self, *words, typed=""):
        """What it prints, without spaces around; it has to succeed."""
        done = self.try_do(*words, typed=typed)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def in_terminal(self, *words, typed=b""):
        """Its exit status, and what it prints to a terminal on which `typed` is typed."""
        return terminal.run(self._command(words), {**os.environ, **self.environment}, typed)

    def options(self, *options):
        """Of `run` and `create`: without a network, which needs none of what is tested here."""
        return ["--network", "none", *(["--cgroup-parent", self._cgroup] if self.is_root else []), *map(str, options)]

    def run(self, *words, options=(), typed=""):
        """Runs a container to its end; `words` are its image, and what runs."""
        interactive = ["--interactive"] if typed else []
        return self.try_do("run", "--rm", *interactive, *self.options(*options), *words, typed=typed)

    def start(self, name, *words, options=()):
        self.do("run", "--detach", "--name", name, *self.options(*options), *words)

    def inspect(self, name, field):
        return self.do("inspect", "--format", "{{" + field + "}}", name)

    def stats(self, name):
        return json.loads(self.do("stats", "--no-stream", "--format", "json", name))[0]

    def wait_for_log(self, name, pattern):
        """Until what a container has printed has it."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.do("logs", name)):
            if time.monotonic() > end:
                raise AssertionError(f"{name} does not say {pattern!r}, but {self.do('logs', name)!r}")
            time.sleep(0.05)

    def remove_all(self):
        """All that there is, and the process that keeps a user's namespaces."""
        for words in (("pod", "rm", "--all", "--force", "--time", "0"), ("rm", "--all", "--force", "--time", "0"),
                      ("buildah", "rm", "--all"), ("volume", "rm", "--all", "--force"), ("system", "migrate")):
            done = self.try_do(*words)
            if done.returncode != 0:
                raise AssertionError(f"{' '.join(words)}: {done.stderr}")
