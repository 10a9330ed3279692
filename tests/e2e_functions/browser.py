"""A headless Chromium for tests, driven by its DevTools protocol over a pipe: no port, and no library.

What a page could do wrong is written down as it happens: messages of its console, exceptions, dialogs, what its policy
has forbidden and what could not be loaded.
"""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 60


def executable():
    """None where there is no Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page. Ended with `close`, which leaves nothing of it."""

    def __init__(self, width=1440, height=900):
        self.folder = tempfile.TemporaryDirectory()
        words = [executable(), "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu",
                 "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                 "--disable-breakpad", "--disable-crash-reporter", "--force-color-profile=srgb",
                 "--hide-scrollbars", f"--window-size={width},{height}", f"--user-data-dir={self.folder.name}/profile",
                 # What is not on this machine is not there.
                 "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
        if os.geteuid() == 0:
            words.append("--no-sandbox")
        # The pipe is its descriptors 3 and 4 (--remote-debugging-pipe).
        there, self.to = os.pipe()
        self.back, here = os.pipe()

        def arrange():
            high = [os.dup(there), os.dup(here)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
        home = {"HOME": self.folder.name, "XDG_CONFIG_HOME": self.folder.name, "XDG_CACHE_HOME": self.folder.name}
        with open(pathlib.Path(self.folder.name) / "log", "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, preexec_fn=arrange, start_new_session=True,
                                            close_fds=False, env=os.environ | home)
        os.close(there)
        os.close(here)
        os.set_blocking(self.back, False)
        self.unread = b""
        self.number = 0
        self.session = None
        self.loaded = set()  # Numbers of documents.
        self.wrong = []  # Sentences.
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", {"enabled": True})
        self.size(width, height)

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.session = None
            self.call("Browser.close")
        os.close(self.to)
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # Where the tests are who takes care of orphans, its own children are theirs now.
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-self.process.pid, 0)
        os.close(self.back)
        self.folder.cleanup()

    # ---- The protocol.

    def call(self, method, parameters=None):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters or {}}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        number = self.number
        while True:
            got = self.read(PATIENCE)
            if got is None:
                raise AssertionError(f"no answer to {method}: {self.log()}")
            if got.get("id") == number:
                if "error" in got:
                    raise AssertionError(f"{method}: {got['error']['message']}")
                return got["result"]
            self.hear(got)

    def log(self):
        return (pathlib.Path(self.folder.name) / "log").read_text(errors="replace")[-2000:]

    def read(self, patience):
        """The next message; None if none comes."""
        end = time.monotonic() + patience
        while b"\0" not in self.unread:
            try:
                part = os.read(self.back, 1 << 20)
            except BlockingIOError:
                if time.monotonic() > end:
                    return None
                time.sleep(0.005)
                continue
            if not part:
                raise AssertionError(f"the browser has ended: {self.log()}")
            self.unread += part
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def hear(self, event):
        method, told = event.get("method", ""), event.get("params", {})
        if method == "Page.lifecycleEvent" and told["name"] == "load":
            self.loaded.add(told["loaderId"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.wrong.append(f"console: {[one.get('value') for one in told['args']]}")
        elif method == "Runtime.exceptionThrown":
            self.wrong.append(f"exception: {told['exceptionDetails']}")
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.wrong.append(f"log: {told['entry']['text']} {told['entry'].get('url', '')}")
        # How a browser comes from one site to the next is not the page's.
        elif method == "Audits.issueAdded" and told["issue"]["code"] != "BounceTrackingIssue":
            self.wrong.append(f"issue: {told['issue']}")
        elif method == "Page.javascriptDialogOpening":
            self.wrong.append(f"dialog: {told['message']}")
            self.call("Page.handleJavaScriptDialog", {"accept": False})

    def settle(self, seconds):
        """Hears what comes meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if (event := self.read(left)) is not None:
                self.hear(event)

    # ---- The page.

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        """"light" or "dark"."""
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def script(self, on):
        self.call("Emulation.setScriptExecutionDisabled", {"value": not on})

    def go(self, url):
        answer = self.call("Page.navigate", {"url": url})
        if "errorText" in answer:
            raise AssertionError(f"{url}: {answer['errorText']}")
        end = time.monotonic() + PATIENCE
        while answer["loaderId"] not in self.loaded:
            if time.monotonic() > end:
                raise AssertionError(f"{url} is not loaded")
            self.settle(0.05)

    def ask(self, expression):
        """What it is in the page, as a value."""
        got = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True,
                                             "allowUnsafeEvalBlockedByCSP": False})
        if "exceptionDetails" in got:
            raise AssertionError(f"{expression}: {got['exceptionDetails']}")
        return got["result"].get("value")

    def until(self, expression, patience=PATIENCE):
        """Waits until it is true in the page, also in one that is about to be another."""
        end = time.monotonic() + patience
        while True:
            try:
                value = self.ask(expression)
            except AssertionError as error:
                value, why = None, error
            else:
                why = None
            if value:
                return value
            if time.monotonic() > end:
                text = self.ask("document.body.innerText")
                raise AssertionError(f"not so after {patience} s: {expression}\n{text}") from why
            self.settle(0.05)

    def click(self, selector):
        """As somebody does who points at it."""
        place = self.ask(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", {"type": kind, "x": place[0], "y": place[1], "button": "left",
                                                   "clickCount": 1})

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})

    def type(self, selector, text):
        self.ask(f"document.querySelector({json.dumps(selector)}).select()")
        self.ask(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", {"text": text})

    def picture(self, path):
        data = self.call("Page.captureScreenshot", {"format": "png"})["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))
