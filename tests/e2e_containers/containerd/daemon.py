"""A containerd that nothing else uses, and its client `ctr`."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import terminal

NO_CRI = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'


class Containerd:
    """`folder` holds the executables, `root` what it stores. Its sockets and state are where they always are: below
    /run, which the caller has mounted for itself. `runtime` is what runc's shim is to call, or, with `shim`, which is its
    name in containerd, a shim's executable. Used as a context manager."""

    def __init__(self, folder, root, namespace, runtime, config=NO_CRI, shim=None):
        self._folder = pathlib.Path(folder)
        shims = f":{pathlib.Path(runtime).parent}" if shim else ""
        self._environment = {**os.environ, "PATH": f"{folder}{shims}:{os.environ['PATH']}"}
        self._root = pathlib.Path(root)
        self._namespace = namespace
        self._runtime = ("--runtime", shim) if shim else (
            "--runtime", "io.containerd.runc.v2", "--runc-binary", str(runtime))
        self._config = config
        self._log = self._root / "log"

    def __enter__(self):
        self._root.mkdir(exist_ok=True)
        (self._root / "config.toml").write_text(self._config)
        self.start_daemon()
        return self

    def start_daemon(self):
        with open(self._log, "ab") as log:
            self._daemon = subprocess.Popen(
                [self._folder / "containerd", "--config", self._root / "config.toml", "--root", self._root / "root"],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self._wait_until_it_answers()

    @property
    def pid(self):
        return self._daemon.pid

    def stop_daemon(self, by=signal.SIGTERM):
        """What it has started lives on, and is found again by the next."""
        self._daemon.send_signal(by)
        self._daemon.wait(20)

    def import_image(self, path):
        # The newer ctr by itself leaves images of other platforms packed.
        local = ["--local"] if "--local" in self.ctr("images", "import", "--help") else []
        self.ctr("images", "import", *local, "--all-platforms", path)

    def __exit__(self, *_):
        self.stop_daemon()

    def _wait_until_it_answers(self):
        end = time.monotonic() + 30
        while self.try_ctr("version").returncode != 0:
            if self._daemon.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"containerd did not start:\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def log(self):
        return self._log.read_text(errors="replace")

    def _command(self, words):
        return [self._folder / "ctr", "-n", self._namespace, *map(str, words)]

    def try_ctr(self, *words, timeout=30):
        return subprocess.run(self._command(words), env=self._environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=timeout)

    def ctr(self, *words):
        """What it prints; it has to succeed."""
        done = self.try_ctr(*words)
        if done.returncode != 0:
            raise AssertionError(f"ctr {' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}"
                                 f"{done.stderr}\n{self.log()[-2000:]}")
        return done.stdout

    def start(self, *words):
        """A ctr that goes on running."""
        return subprocess.Popen(self._command(words), env=self._environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run_words(self, image, name, *words, options=()):
        platform = image.partition("@")[2]
        return ("run", *self._runtime, *(("--platform", platform) if platform else ()), *options,
                image.partition("@")[0], name, *words)

    def run(self, image, name, *words, options=()):
        """Runs a container to its end; `image` is NAME or NAME@PLATFORM."""
        return self._until_heard(lambda _: self.run_words(image, name, *words, options=("--rm", *options)))

    def run_detached(self, image, name, *words, options=()):
        """Starts a container that goes on running."""
        self.ctr(*self.run_words(image, name, *words, options=("--detach", *options)))

    def remove(self, name):
        """A container with its task, whichever of them there is."""
        if self.status(name):
            self.try_ctr("task", "delete", "--force", name)
        self.try_ctr("container", "rm", name)

    def execute(self, name, *words):
        """Runs another program in a container to its end."""
        return self._until_heard(lambda attempt: ("task", "exec", "--exec-id", f"e{attempt}", name, *words))

    def _until_heard(self, words):
        """The older ctr loses the output of one short program in some hundred on a busy machine, whatever runs it."""
        for attempt in range(3):
            done = self.try_ctr(*words(attempt))
            if done.stdout or done.returncode != 0:
                break
        return done

    def run_in_terminal(self, *words, typed=b""):
        """What `ctr words...` prints to a terminal, on which `typed` is typed."""
        return terminal.run(self._command(words), self._environment, typed)

    def task(self, name):
        """The pid and the status of a task, which is RUNNING, PAUSED, STOPPED; 0 and "" if there is none."""
        found = re.search(rf"^{re.escape(name)}\s+(\d+)\s+(\w+)", self.ctr("task", "ls"), re.MULTILINE)
        return (int(found[1]), found[2]) if found else (0, "")

    def status(self, name):
        return self.task(name)[1]

    def wait_for_status(self, name, status):
        end = time.monotonic() + 10
        while (now := self.status(name)) != status:
            if time.monotonic() > end:
                raise AssertionError(f"{name} is {now or 'gone'}, not {status}")
            time.sleep(0.02)


class Events:
    """The topics of what containerd tells, from when the object was made; `image` is one that it has."""

    def __init__(self, daemon, image):
        self._child = daemon.start("events")
        self._lines = []
        self._reader = threading.Thread(target=lambda: self._lines.extend(self._child.stdout), daemon=True)
        self._reader.start()
        # Nothing says that it has subscribed, but that it hears.
        end = time.monotonic() + 10
        while not self._lines and time.monotonic() < end:
            daemon.ctr("images", "label", image, f"heard-at={time.monotonic()}")
            time.sleep(0.02)

    def of_task(self, name, count):
        """The first `count` topics of a container's task, less their common beginning."""
        end = time.monotonic() + 10
        while len(topics := self._topics(name)) < count and time.monotonic() < end:
            time.sleep(0.02)
        return topics[:count]

    def are_of(self, name, topic):
        """Whether there is, or soon is, one of this topic."""
        end = time.monotonic() + 10
        while topic not in self._topics(name) and time.monotonic() < end:
            time.sleep(0.02)
        return topic in self._topics(name)

    def _topics(self, name):
        return [found[1] for line in self._lines
                if f'"{name}"' in line and (found := re.search(r" /tasks/([a-z-]+)", line))]

    def close(self):
        self._child.kill()
        self._child.wait()
        self._reader.join()
        self._child.stdout.close()
