"""Components of wasi:http that were granted directories.

    files_test.py BIN GUESTS [TEST...]
"""

import os
import shutil
import threading
import time

from case import Case, Paths, main
from server import until


class FilesCase(Case):
    GUESTS = ("hello",)
    MODE = "thread"

    @classmethod
    def prepare(cls):
        cls.data = cls.folder / "data"
        (cls.functions / "acme").mkdir()
        for name in ("own", "shared"):
            (cls.data / name).mkdir(parents=True)
        (cls.data / "secret").write_text("not to be read")
        (cls.data / "shared" / "given").write_text("from outside")
        for name, more in (("files", ""), ("kept", "[reuse]\nrequests = 100\n")):
            shutil.copy(Paths.guests / "web-component.wasm", cls.functions / "acme" / f"{name}.wasm")
            (cls.functions / "acme" / f"{name}.toml").write_text(
                f'[[directories]]\nhost = "{cls.data}/own"\nguest = "/own"\naccess = "read-write"\n'
                f'[[directories]]\nhost = "{cls.data}/shared"\nguest = "/shared"\n{more}')
        shutil.copy(Paths.guests / "web-component.wasm", cls.functions / "acme" / "none.wasm")
        settings = cls.folder / "settings.toml"
        settings.write_text(f'[grant]\ndirectories = ["{cls.data}/own:rw", "{cls.data}/shared"]\n')
        cls.WORDS = ("--isolate", cls.MODE, "--config", settings)

    def of(self, path, name="files", **more):
        return self.ask(f"/acme/{name}{path}", **more)

    def threads(self):
        """Of the server and its workers that run a guest of their own now."""
        return self.metric("wasmoor_function_running")


class Checks:
    def test_reads_and_writes_what_was_granted(self):
        self.assertEqual(self.of("/read/shared/given").text, "from outside")
        body = os.urandom(3 << 20)
        self.assertEqual(self.of("/write/own/big", method="POST", body=body).status, 200)
        self.assertEqual((self.data / "own" / "big").read_bytes(), body)
        self.assertEqual(self.of("/read/own/big").body, body)
        self.assertIn("big", self.of("/list/own").text.split())
        self.assertEqual(self.of("/list/shared").text.split().count("given"), 1)

    def test_reaches_nothing_else(self):
        (self.data / "own" / "out").unlink(missing_ok=True)
        (self.data / "own" / "out").symlink_to("../secret")
        for path in ("/read/secret", "/read/own/../secret", "/read/own/out", "/read/etc/passwd", "/read/shared/../secret",
                     "/read/own/absent"):
            self.assertIn(self.of(path).status, (400, 404), path)
        self.assertEqual(self.of("/write/shared/new", method="POST", body=b"x").status, 403)
        self.assertFalse((self.data / "shared" / "new").exists())
        self.assertEqual(self.of("/read/own/big", name="none").status, 404)

    def test_does_all_else_as_others_do(self):
        self.assertEqual(self.of("/").text, "Hello from wasi:http!\n")
        body = os.urandom(1 << 20)
        self.assertEqual(self.of("/echo", method="POST", body=body).body, body)
        self.assertEqual(len(self.of("/big/4096").body), 4 << 20)
        self.assertEqual(self.of("/sleep/50").text, "slept\n")
        for path in ("/trap", "/error", "/nothing", "/exit"):
            self.assertIn(self.of(path).status, (500, 502), path)
        self.assertIn(self.of("/break-off").status, (0, 500))

    def test_many_at_once(self):
        texts = []
        threads = [threading.Thread(target=lambda: texts.append(self.of("/read/shared/given").text)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(texts, ["from outside"] * 40)

    def test_an_instance_may_serve_several_of_them(self):
        self.assertEqual([int(self.of("/visits", name="kept").text) for _ in range(3)], [1, 2, 3])
        self.assertEqual(self.of("/read/shared/given", name="kept").text, "from outside")
        self.assertEqual(int(self.of("/visits", name="kept").text), 5)

    def test_ends_in_time_whatever_it_waits_for(self):
        fifo = self.data / "own" / "fifo"
        if not fifo.exists():
            os.mkfifo(fifo)
        for path in ("/spin", "/sleep/60000", "/read/own/fifo"):
            begun = time.monotonic()
            self.assertEqual(self.of(path, headers={"Request-Timeout": "500ms"}).status, 504, path)
            self.assertLess(time.monotonic() - begun, 10, path)
        until(lambda: self.threads() == 0, "no guest is left")

    def test_ends_when_its_client_leaves(self):
        self.leave("/acme/files/sleep/60000")
        until(lambda: self.threads() == 0, "no guest is left")


class ThreadTest(FilesCase, Checks):
    pass


class ProcessTest(FilesCase, Checks):
    MODE = "process"


if __name__ == "__main__":
    main("bin", "guests")
