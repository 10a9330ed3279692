"""The operator's page of a server of functions, in a real browser.

    page_test.py BIN GUESTS PICTURE [TEST...]

BIN is a folder with wasmoor, GUESTS that of the guests of tests; PICTURE is where a picture of the page is left. Ends
with status 77 where there is no Chromium.
"""

import http.client
import http.server
import json
import shutil
import sys
import threading
import time

import browser as browsers
from browser import Browser
from case import Case, Paths, main
from checks import ask
from server import free_port, until

TEXT = "<script>alert(1)</script>\"'><img/src=x/onerror=alert(2)><svg/onload=alert(3)>&lt;"


def leb(number):
    """As WebAssembly writes unsigned numbers."""
    text = b""
    while True:
        number, low = number >> 7, number & 0x7f
        text += bytes([low | (0x80 if number else 0)])
        if not number:
            return text


def module_that_traps_in(name):
    """A command whose _start calls a function of that name, which traps."""
    def section(number, content):
        return bytes([number]) + leb(len(content)) + content

    def word(text):
        return leb(len(text.encode())) + text.encode()

    names = b"\x02" + b"\x00" + word(name) + b"\x01" + word("_start")
    parts = (
        section(1, b"\x01\x60\x00\x00"),  # One type: nothing, and nothing back.
        section(3, b"\x02\x00\x00"),
        section(5, b"\x01\x00\x01"),
        section(7, b"\x02" + word("_start") + b"\x00\x01" + word("memory") + b"\x02\x00"),
        section(10, b"\x02" + b"\x03\x00\x00\x0b" + b"\x04\x00\x10\x00\x0b"),
        section(0, word("name") + b"\x01" + leb(len(names)) + names))
    return b"\0asm\1\0\0\0" + b"".join(parts)


class PageCase(Case):
    @classmethod
    def start(cls):
        cls.admin = f"127.0.0.1:{free_port()}"
        cls.WORDS = (*cls.WORDS, "--admin", cls.admin)
        super().start()
        cls.server.wait_for(cls.admin)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        super().tearDownClass()

    def setUp(self):
        self.browser.wrong.clear()

    def go(self, path="/"):
        self.browser.go(f"http://{self.admin}{path}")

    def cell(self, function, title):
        """Of the functions' table, what stands in the column of that title; as an expression."""
        return f"""(() => {{
            const heads = [...document.querySelectorAll("thead tr:last-child > *")].map((one) => one.innerText.trim());
            const row = document.querySelector('tr[data-key="{function}"]');
            return row?.children[heads.findIndex((one) => one.split(" ")[0] === "{title}")]?.innerText ?? "";
        }})()"""

    def fine(self):
        """Nothing has gone wrong in the page."""
        self.browser.settle(0.3)
        self.assertEqual(self.browser.wrong, [])


class PageTest(PageCase):
    @classmethod
    def prepare(cls):
        for tenant, names in (("acme", ("hello", "cat", "trap")), ("moor", ("hello", "sieve"))):
            (cls.functions / tenant).mkdir()
            for name in names:
                shutil.copy(Paths.guests / f"{name}.wasm", cls.functions / tenant)
        (cls.functions / "evil.wasm").write_bytes(module_that_traps_in(TEXT))
        shutil.copy(Paths.guests / "hello.wasm", cls.functions / "greedy.wasm")
        (cls.functions / "greedy.toml").write_text(f"[run]\nreply = '''{TEXT}'''\n")
        shutil.copy(Paths.guests / "hello.wasm", cls.functions / "<img src=x onerror=alert(1)>.wasm")

    def load(self, *paths, pause=0.01):
        """Asks for them again and again until the test is over."""
        ends = threading.Event()

        def run():
            while not ends.wait(pause):
                for path in paths:
                    self.ask(path)
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ends.set)

    def raw(self, target):
        """With a target as no client would write it."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.putrequest("GET", target)
        connection.endheaders()
        connection.getresponse().read()
        connection.close()

    # ---- What is shown

    def test_shows_functions_and_tenants(self):
        self.go()
        for name in ("hello", "acme/hello", "moor/sieve"):
            shown = self.browser.ask(f"""document.querySelector('tr[data-key="{name}"] th a').innerText""")
            self.assertEqual(shown, name)
        self.go("/tenants")
        names = self.browser.ask("[...document.querySelectorAll('tbody th')].map((one) => one.innerText)")
        self.assertEqual(sorted(names), ["(none)", "acme", "moor"])
        self.fine()

    def test_shows_rates_that_change_by_themselves(self):
        self.go()
        self.browser.ask("window.mark = 1")
        before = self.browser.ask(self.cell("moor/hello", "requests"))
        self.load("/moor/hello")
        self.browser.until(f"parseFloat({self.cell('moor/hello', 'req/s')}) > 1")
        self.browser.until(f"{self.cell('moor/hello', 'requests')} !== {json.dumps(before)}")
        self.browser.until(f"{self.cell('moor/hello', 'p99')}.endsWith('s')")
        self.browser.until("parseFloat(document.querySelector('.tile b').innerText) > 1")
        self.assertEqual(self.browser.ask("window.mark"), 1, "the page was loaded again")
        self.fine()

    def test_shows_a_function_that_appears_and_one_that_goes(self):
        self.go("/?sort=name")
        self.put("appears", (Paths.guests / "hello.wasm").read_bytes())
        self.browser.until("document.querySelector('tr[data-key=\"appears\"]') !== null")
        (self.functions / "appears.wasm").unlink()
        self.browser.until("document.querySelector('tr[data-key=\"appears\"]') === null")
        self.fine()

    def test_shows_why_a_function_is_broken(self):
        self.put("garbage", b"garbage")
        self.ask("/garbage")
        self.go("/?state=broken")
        self.browser.until("document.querySelector('tr[data-key=\"garbage\"] .problem')?.innerText.includes('neither')")
        self.go("/function?name=garbage")
        self.browser.until("document.querySelector('.why')?.innerText.includes('neither')")
        self.fine()

    def test_shows_the_backtrace_of_what_failed(self):
        self.go("/failures")
        self.ask("/acme/trap", query="a=1")
        self.browser.until("""[...document.querySelectorAll(".failures li")].some((one) =>
            one.innerText.includes("acme/trap") && one.innerText.includes("GET /acme/trap?a=1") &&
            one.querySelector("pre")?.innerText.match(/innermost.*middle.*outermost/s))""")
        self.go("/function?name=acme/trap")
        self.assertIn("innermost", self.browser.ask("document.querySelector('.failures pre').innerText"))
        self.fine()

    def test_finds_and_sorts(self):
        self.go()
        self.browser.type("input[name=q]", "HELLO")
        self.browser.click(".search button")
        self.browser.until("document.querySelectorAll('tbody tr').length === 3")
        self.browser.click("thead th a")
        self.browser.until("document.querySelector('th[aria-sort]').innerText.startsWith('Function')")
        names = self.browser.ask("[...document.querySelectorAll('tbody tr')].map((one) => one.dataset.key)")
        self.assertEqual(names, ["acme/hello", "hello", "moor/hello"])
        self.browser.until("document.querySelector('input[name=q]').value === 'HELLO'")
        self.fine()

    def test_waits_while_it_is_told_to(self):
        self.go()
        self.browser.click("#pause")
        self.browser.until("document.getElementById('told').innerText.startsWith('paused')")
        self.browser.click("#pause")
        self.browser.until("document.getElementById('told').innerText.startsWith('live')")
        self.fine()

    def test_shows_all_without_script(self):
        self.browser.script(False)
        self.addCleanup(self.browser.script, True)
        self.go()
        text = self.browser.ask("document.body.innerText")
        self.assertIn("acme/hello", text)
        self.assertIn("invoked by the page's script", text)
        self.assertEqual(self.browser.ask("getComputedStyle(document.querySelector('[data-call]')).display"), "none")

    def test_tells_machines_the_same(self):
        self.ask("/acme/hello")
        until(lambda: self.status("q=acme/hello")["rows"][0]["requests"] > 0, "the request is counted")
        self.assertEqual(self.status("view=tenants&q=acme")["rows"][0]["functions"], 3)
        self.assertTrue(self.status("")["server"]["ready"])

    def status(self, query):
        return json.loads(ask(self.admin, "GET", "/status.json", query).text)

    # ---- Calls

    def reply(self):
        """What the page shows of it, once it is there."""
        self.browser.until("document.getElementById('call-status').innerText.startsWith('Status')")
        return self.browser.ask("""["call-status", "call-usage", "call-got-fields", "call-output"].map((id) =>
            document.getElementById(id).textContent)""")

    def test_invokes_a_function_by_one_click(self):
        self.go()
        self.browser.click("[data-call='/acme/hello']")
        status, usage, fields, body = self.reply()
        self.assertEqual((status, body), ("Status 200", "Hello from wasm!\n"))
        self.assertRegex(usage, r"took[0-9.]+ ms.*CPU[0-9.]+ ms.*memory[0-9.]+ MiB")
        self.assertIn("content-type: text/plain", fields)
        self.fine()

    def test_invokes_with_all_that_a_request_has(self):
        self.go("/function?name=cat")
        self.browser.click("[data-call='/cat']")
        self.reply()
        self.browser.click("#call-more summary")
        self.browser.ask("document.getElementById('call-method').value = 'POST'")
        self.browser.type("#call-target", "/cat/é ö%20")
        self.browser.type("#call-fields", "X-One: 1\nRequest-Timeout: 20")
        self.browser.type("#call-body", "grüße\n")
        self.browser.click("#call-send")
        self.browser.until("document.getElementById('call-output').textContent === 'grüße\\n'")
        self.assertEqual(self.reply()[0], "Status 200")
        self.browser.type("#call-fields", "Request-Timeout: NaN")
        self.browser.click("#call-send")
        self.browser.until("document.getElementById('call-status').innerText === 'Status 400'")
        self.browser.type("#call-fields", "Connection: close")
        self.browser.click("#call-send")
        self.browser.until("document.getElementById('call-status').innerText.includes('leave it out')")
        self.browser.wrong = [one for one in self.browser.wrong if "400 (Bad Request)" not in one]
        self.fine()

    def test_shows_how_a_function_that_is_invoked_fails(self):
        self.go()
        self.browser.click("[data-call='/exit42']")
        status, _, fields, _ = self.reply()
        self.assertEqual(status, "Status 500")
        self.assertIn("exited with status 42", fields)
        self.fine()

    def test_shows_bytes_that_are_no_text(self):
        self.go()
        self.browser.click("[data-call='/cat']")
        self.reply()
        self.browser.ask("""(() => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array([0, 255, 65])], "bytes"));
            document.getElementById("call-file").files = files.files;
            document.getElementById("call-method").value = "POST";
        })()""")
        self.browser.click("#call-send")
        self.browser.until("document.getElementById('call-output').textContent.startsWith('000000  00 ff 41')")
        self.browser.until("document.getElementById('call-save').href.startsWith('blob:')")
        self.fine()

    def test_cuts_off_what_has_no_end(self):
        self.go()
        self.browser.click("[data-call='/pour']")
        self.browser.until("document.getElementById('call-status').innerText.includes('was cut after 1048576 bytes')")
        self.idle()
        self.fine()

    def test_ends_a_function_when_its_dialog_is_closed(self):
        self.go()
        self.browser.click("[data-call='/loop']")
        until(lambda: self.metric("wasmoor_function_running") > 0, "it runs")
        self.browser.click("#call-close")
        self.idle()
        self.fine()

    # ---- Hostile names and clients

    def test_runs_nothing_that_a_tenant_or_a_client_has_written(self):
        self.ask("/greedy")
        for target in (f"/evil/{TEXT}", f"/evil?{TEXT}", f"/{TEXT}"):
            self.raw(target)
        until(lambda: TEXT in json.dumps(self.status("view=failures")).replace('\\"', '"'), "it is told of")
        for path in ("/", "/?state=broken", "/tenants", "/failures", "/function?name=evil", "/function?name=greedy",
                     f"/?q={TEXT}&tenant={TEXT}&state={TEXT}&sort={TEXT}", f"/function?name={TEXT}",
                     f"/failures?name={TEXT}"):
            self.go(path)
            self.browser.until("document.getElementById('told').innerText.startsWith('live')")
            others = "document.querySelectorAll('script:not([src]), img, svg[onload]').length"
            self.assertEqual(self.browser.ask(others), 0)
            self.browser.settle(1.5)
            self.fine()
        self.go("/function?name=evil")
        self.assertIn(TEXT, self.browser.ask("document.querySelector('.failures pre').innerText"))
        self.assertIn(TEXT, self.browser.ask("document.querySelector('.what code').innerText"))

    def test_runs_nothing_of_a_reply(self):
        self.go()
        self.browser.click("[data-call='/cat']")
        self.reply()
        self.browser.ask("document.getElementById('call-method').value = 'POST'")
        body = f"Content-Type: text/html\nX-Evil: {TEXT}\n\n{TEXT}"
        self.browser.click("#call-more summary")
        self.browser.type("#call-body", body)
        self.browser.click("#call-send")
        self.browser.until(f"document.getElementById('call-output').textContent === {json.dumps(TEXT)}")
        self.assertIn(TEXT, self.reply()[2])
        self.fine()

    def test_has_a_policy_that_would_stop_what_is_not_its_own(self):
        self.go()
        for script in ("document.body.innerHTML = '<b>'", "eval('1')",
                       "document.createElement('script').text = 'alert(1)'"):
            with self.assertRaises(AssertionError, msg=script):
                self.browser.ask(script)
        self.browser.ask("""new Promise((done) => {
            const picture = new Image();
            picture.onerror = picture.onload = done;
            picture.src = "http://127.0.0.1:1/";
        })""")
        self.browser.settle(0.5)
        self.assertTrue(any("Content Security Policy" in one for one in self.browser.wrong), self.browser.wrong)

    def test_calls_nothing_for_pages_of_others(self):
        calls = self.metric('wasmoor_function_requests_total{tenant="moor",function="moor/hello",end="ok"}')
        with others_server() as port:
            for host in (f"127.0.0.1:{port}", f"evil.test:{port}"):
                self.browser.go(f"http://{host}/")
                call = json.dumps('{"method":"GET","target":"/moor/hello"}\n')
                for options in ("mode: 'no-cors'", "headers: {'wasmoor-page': 'call'}",
                                "mode: 'no-cors', headers: {'wasmoor-page': 'call'}"):
                    told = self.browser.ask(f"""
                        fetch("http://{self.admin}/invoke", {{method: "POST", body: {call}, {options}}})
                            .then((reply) => reply.type, () => "refused")""")
                    self.assertIn(told, ("opaque", "refused"), options)
                told = self.browser.ask(f"""
                    fetch("http://{self.admin}/status.json").then((reply) => reply.text(), () => "refused")""")
                self.assertEqual(told, "refused")
                self.browser.ask(f"""(() => {{
                    const form = document.createElement("form");
                    form.action = "http://{self.admin}/invoke";
                    form.method = "post";
                    form.enctype = "text/plain";
                    const field = document.createElement("input");
                    field.name = {call};
                    form.append(field);
                    document.body.append(form);
                    form.submit();
                }})()""")
                self.browser.until("document.body?.innerText.includes(\"a call has the field\")")
        self.ask("/acme/hello")
        time.sleep(1.5)  # Counts are about a second old.
        self.assertEqual(
            self.metric('wasmoor_function_requests_total{tenant="moor",function="moor/hello",end="ok"}'), calls)

    def test_is_in_no_frame_of_others(self):
        with others_server() as port:
            self.browser.go(f"http://127.0.0.1:{port}/frame?http://{self.admin}/")
            self.browser.settle(0.5)
            self.assertTrue(any("frame" in one for one in self.browser.wrong), self.browser.wrong)

    def test_is_not_shown_under_a_name_of_somebody_elses(self):
        port = self.admin.rsplit(":", 1)[1]
        self.browser.go(f"http://evil.test:{port}/")
        self.assertIn("admin_hosts", self.browser.ask("document.body.innerText"))
        self.browser.go(f"http://localhost:{port}/")
        self.assertIn("acme/hello", self.browser.ask("document.body.innerText"))

    # ---- For who wants to see it

    def test_has_its_picture_taken(self):
        self.load("/hello", pause=0.002)
        self.load("/acme/hello", "/acme/cat", pause=0.02)
        self.load("/moor/sieve", "/acme/trap", "/exit42", pause=0.5)
        self.go()
        end = time.monotonic() + 12
        while time.monotonic() < end:
            self.browser.settle(0.5)
        for scheme in ("dark", "light"):
            self.browser.scheme(scheme)
            self.browser.settle(0.3)
            dark = Paths.picture.with_stem(f"{Paths.picture.stem}-dark")
            self.browser.picture(dark if scheme == "dark" else Paths.picture)
        self.assertTrue(self.browser.ask("document.getElementById('told').innerText.startsWith('live')"))
        self.assertLessEqual(self.browser.ask("document.querySelector('.scroll').scrollWidth"),
                             self.browser.ask("document.querySelector('.scroll').clientWidth") + 1)
        self.fine()


class NamedTest(PageCase):
    """Of a server whose page has a name."""

    WORDS = ("--set", "admin_hosts=ops.test")

    def test_is_shown_under_the_names_that_it_was_given(self):
        self.browser.go(f"http://ops.test:{self.admin.rsplit(':', 1)[1]}/")
        self.browser.click("[data-call='/hello']")
        self.browser.until("document.getElementById('call-output').textContent === 'Hello from wasm!\\n'")
        self.fine()


class NewsTest(PageCase):
    def test_keeps_what_its_user_does_while_there_is_more_to_show(self):
        self.go()
        self.browser.type("input[name=q]", "tra")
        self.assertFalse(self.browser.ask("document.querySelector('.latest') !== null"))
        self.ask("/trap")
        self.browser.until("document.querySelector('.latest')?.innerText.includes('it trapped')")
        self.assertEqual(self.browser.ask("[document.activeElement.name, document.activeElement.value]"), ["q", "tra"])
        self.browser.click("#pause")
        self.browser.until("document.getElementById('told').innerText.startsWith('paused')")
        self.fine()


class EndTest(PageCase):
    def test_says_that_the_server_is_gone(self):
        self.go()
        self.browser.click("[data-call='/loop']")
        until(lambda: self.metric("wasmoor_function_running") > 0, "it runs")
        self.assertEqual(self.server.stop(), 0)
        self.browser.until("document.getElementById('call-status').innerText.includes('did not answer')")
        self.browser.until("document.getElementById('told').innerText.startsWith('no answer since')")


class others_server:
    """A page of somebody else's, at any path; at "/frame?URL" with that in a frame."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, url = self.path.partition("?")
                frame = f"<iframe src='{url}'></iframe>" if path == "/frame" else ""
                page = f"<!DOCTYPE html><link rel=icon href=data:><body>Others{frame}</body>".encode()
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever).start()
        return self.server.server_port

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    if browsers.executable() is None:
        print("there is no Chromium: apt-get install chromium", file=sys.stderr)
        sys.exit(77)
    main("bin", "guests", "picture")
