"""What clients of `wasmoor serve` do wrong, by accident and on purpose: names, fields, bodies, pipelines, and leaving.

    faults_http_test.py BIN GUESTS [TEST...]

BIN is a folder with wasmoor, GUESTS that of the guests of tests.
"""

import contextlib
import fcntl
import re
import shutil
import socket
import struct
import subprocess
import termios
import threading
import time

from case import Case, Paths, main
from checks import ask
from server import PATIENCE, free_port, until

OUTSIDE = "Hello from wasm!"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"


class Answers:
    """What a server has answered on one connection until it closed it: [(status, fields, body)], of whole answers.

    `rest` is what follows the last of these, and `interim` the statuses of those that only announce another.
    """

    def __init__(self, text):
        self.all, self.interim, self.rest = [], [], text
        while self.take():
            pass

    def take(self):
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d\d\d) [^\r\n]*", line)
        if not end or not match:
            return False
        fields = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
        if match[1].startswith("1"):
            self.interim.append(int(match[1]))
            self.rest = rest
            return True
        body, rest = self.chunks(rest) if "transfer-encoding" in fields else (
            rest[:int(fields["content-length"])], rest[int(fields["content-length"]):])
        if body is None or len(body) < int(fields.get("content-length", 0)):
            return False
        self.all.append((int(match[1]), fields, body))
        self.rest = rest
        return True

    @staticmethod
    def chunks(rest):
        body = b""
        while True:
            size, end, rest = rest.partition(b"\r\n")
            if not end:
                return None, b""
            size = int(size, 16)
            if size == 0:
                return (body, rest[2:]) if rest.startswith(b"\r\n") else (None, b"")
            body += rest[:size]
            rest = rest[size + 2:]

    def statuses(self):
        return [status for status, _, _ in self.all]


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def is_there(client):
    """Whether all that was sent has been acknowledged."""
    left, = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))
    return left == 0


def read_to_end(client):
    text = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(1 << 16):
            text += part
    return text


def send_what_goes(client, text):
    """A server need not wait for the end of what it refuses."""
    with contextlib.suppress(OSError):
        client.sendall(text)


def exchange(address, text):
    """All that is answered, where the server ends the connection by itself."""
    with connect(address) as client:
        send_what_goes(client, text)
        return Answers(read_to_end(client))


def request(method, path, *fields, body=b""):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: a", *fields, "", ""]).encode() + body


def last(path="/hello"):
    """One that ends its connection."""
    return request("GET", path, "connection: close")


class NamesTest(Case):
    """Nothing outside of the directory is reached by a name."""

    GUESTS = ("hello", "cat")

    @classmethod
    def prepare(cls):
        outside = cls.folder / "outside"
        outside.mkdir()
        for name in ("outside", "absolute"):
            shutil.copy(Paths.guests / "hello.wasm", cls.folder / f"{name}.wasm")
        shutil.copy(Paths.guests / "hello.wasm", outside / "hello.wasm")
        (cls.functions / "up.wasm").symlink_to("../outside.wasm")
        (cls.functions / "absolute.wasm").symlink_to(cls.folder / "absolute.wasm")
        (cls.functions / "passwd.wasm").symlink_to("/etc/passwd")
        (cls.functions / "away").symlink_to("../outside")
        (cls.functions / "round.wasm").symlink_to("round.wasm")
        (cls.functions / "team").mkdir()
        shutil.copy(Paths.guests / "hello.wasm", cls.functions / "team" / "own.wasm")
        (cls.functions / "team" / "above.wasm").symlink_to("../cat.wasm")
        (cls.functions / ".hidden.wasm").write_bytes((Paths.guests / "hello.wasm").read_bytes())
        (cls.functions / "folder.wasm").mkdir()
        (cls.functions / "secret.toml").write_text("# SECRET\n")

    def test_no_name_leads_outside(self):
        names = ["/..", "/../outside", "/../outside.wasm", "/%2e%2e/outside", "/%2E%2e%2foutside", "/..%2foutside.wasm",
                 "/.%2e/outside", "/%252e%252e/outside", "/..%5coutside", "/..%c0%afoutside", "/team/../../outside",
                 "/team/%2e%2e/hello", "/team/..%2f..%2foutside", "/hello%00", "/hello%00.wasm", "/outside%00/hello",
                 "/./outside", "//etc/passwd", "/%2fetc%2fpasswd", "/up", "/up.wasm", "/absolute", "/passwd",
                 "/away/hello", "/round", "/team/above", "/.hidden", "/.hidden.wasm", "/folder", "/secret.toml",
                 "/secret", "/hello.toml", "/%zz", "/hello%", "/hello%2", "/", "/?..", "*", "http://a",
                 "http://a/../outside", "/" + "x" * 300, "/" + "a/" * 300, "/%ff%fe",
                 "/\u00e4".encode().decode("latin-1"), "/hello.wasm.wasm"]
        for name in names:
            with self.subTest(name=name):
                text = f"GET {name} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode("latin-1")
                answers = exchange(self.address, text)
                (status, _, body), = answers.all
                self.assertIn(status, (400, 404, 500, 503))
                for secret in (OUTSIDE.encode(), b"SECRET", b"root:", str(self.folder).encode()):
                    self.assertNotIn(secret, body)
        # A byte that cannot be in a request line.
        self.assertEqual(exchange(self.address, b"GET /hello\0 HTTP/1.1\r\nhost: a\r\n\r\n").statuses(), [400])
        self.assertEqual(exchange(self.address, last()).statuses(), [200])
        self.assertEqual(exchange(self.address, last("/team/own")).statuses(), [200])

    def test_what_follows_a_name_stays_what_it_is(self):
        self.assertEqual(exchange(self.address, last("/hello/../outside")).statuses(), [400])
        self.assertEqual(exchange(self.address, last("/hello/a/b")).statuses(), [200])


class FieldsTest(Case):
    """What a request may ask for."""

    GUESTS = ("hello",)

    def test_a_limit_that_is_none_is_refused_and_the_connection_goes_on(self):
        values = ["NaN", "nan", "-nan", "inf", "Infinity", "-1", "-0", "+5", "0", "00", "", " ", "\t", "1e3", "1.5",
                  "0x10", "5 5", "5,5", "5;5", "five", "1_000", "18446744073709551616", "9" * 400, "-" + "9" * 400,
                  "\u0661".encode().decode("latin-1"), "5\u00a0".encode().decode("latin-1"), "\"5\"", "5m"]
        for name in ("cpu_quota", "Memory-Request", "Request-Timeout"):
            for value in values:
                with self.subTest(name=name, value=value):
                    text = request("GET", "/hello", f"{name}: {value}".encode("latin-1").decode("latin-1"))
                    answers = exchange(self.address, text.decode().encode("latin-1") + last())
                    self.assertEqual(answers.statuses(), [400, 200])
                    self.assertIn(name.lower().encode(), answers.all[0][2])

    def test_what_is_more_than_there_is_is_refused_at_once(self):
        for field in ("cpu_quota: 1000001", "cpu_quota: 1000000000000", "memory-request: 1000000000",
                      "memory-request: 1000000000000"):
            answers = exchange(self.address, request("GET", "/hello", field) + last())
            self.assertEqual(answers.statuses(), [400, 200], field)
            self.assertRegex(answers.all[0][2].decode(), r"a request may have \d+")

    def test_a_time_that_is_too_long_is_as_long_as_may_be(self):
        self.assertEqual(self.ask("/hello", headers={"Request-Timeout": "1000000000"}).status, 200)

    def test_a_limit_that_is_said_twice_is_refused(self):
        for name in ("cpu_quota", "CPU_QUOTA", "Memory-Request", "Request-Timeout"):
            for first, second in (("100", "100"), ("100", "200"), ("100", ""), ("", "")):
                text = request("GET", "/hello", f"{name.lower()}: {first}", f"{name}: {second}")
                answers = exchange(self.address, text + last())
                self.assertEqual(answers.statuses(), [400, 200], (name, first, second))

    def test_nothing_is_promised_to_what_was_refused(self):
        self.ask("/hello", headers={"Memory-Request": "NaN"})
        self.idle()


class ShapesTest(Case):
    """Where two readers could see two requests, there is one answer, and nothing after it."""

    GUESTS = ("hello", "cat")

    @classmethod
    def prepare(cls):
        for name in ("smuggled", "seen"):
            shutil.copy(Paths.guests / "hello.wasm", cls.functions / f"{name}.wasm")

    def setUp(self):
        self.assertEqual(self.ask("/hello").status, 200)  # It is warm.

    def tearDown(self):
        # Counts are told from time to time.
        before = self.answered("hello")
        self.ask("/hello")
        until(lambda: self.answered("hello") > before, "what has ended is counted")
        self.assertEqual(self.answered("smuggled"), 0)

    def answered(self, name):
        return self.metric(f'wasmoor_function_requests_total{{tenant="",function="{name}",end="ok"}}')

    def test_what_would_be_smuggled_would_be_seen(self):
        exchange(self.address, SMUGGLED.replace(b"smuggled", b"seen") + last())
        until(lambda: self.answered("seen") == 1, "it is counted")

    def check_refused(self, text):
        with self.subTest(text=text[:200]):
            answers = exchange(self.address, text)
            self.assertEqual((len(answers.all), answers.rest), (1, b""))
            status, said, _ = answers.all[0]
            self.assertIn(status, (400, 408, 413, 431, 501, 505))
            self.assertEqual(said.get("connection"), "close")

    def post(self, *fields, body=b""):
        return request("POST", "/cat", *fields, body=body)

    def test_lengths_that_disagree(self):
        size = len(SMUGGLED)
        for fields in (("content-length: 4", "transfer-encoding: chunked"),
                       ("transfer-encoding: chunked", "content-length: 4"),
                       ("content-length: 0", f"content-length: {size}"),
                       (f"content-length: {size}", "content-length: 0"), ("content-length: 5", "content-length: 5"),
                       ("content-length: 5, 5",), ("content-length: +5",), ("content-length: -1",),
                       ("content-length: 0x5",), ("content-length: 5 5",), ("content-length: ",),
                       ("content-length: 5;a=b",), ("content-length: 18446744073709551616",), ("content-length : 5",),
                       ("content-length\t: 5",), ("content-length: 5\0",), ("content-length: \x0b5",),
                       ("transfer-encoding: xchunked",), ("transfer-encoding: chunked, identity",),
                       ("transfer-encoding: identity, chunked",), ("transfer-encoding: gzip, chunked",),
                       ("transfer-encoding: chunked, chunked",), ("transfer-encoding: chunked",) * 2,
                       ("transfer-encoding : chunked",), ("transfer-encoding:\x0bchunked",),
                       ("transfer-encoding: \"chunked\"",), ("transfer-encoding: chunked;a",),
                       ("transfer-encoding: identity",), ("transfer-encoding:",), ("transfer-encoding: ,chunked",),
                       ("transfer-encoding", "x: chunked")):
            self.check_refused(self.post(*fields, body=b"0\r\n\r\n" + SMUGGLED))
        self.check_refused(b"POST /cat HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED)

    def test_lines_that_do_not_end_as_lines_do(self):
        for head in ("GET /hello HTTP/1.1\nhost: a\n\n", "GET /hello HTTP/1.1\r\nhost: a\n\n",
                     "GET /hello HTTP/1.1\rhost: a\r\r", "GET /hello HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\r\nx: y\r\n\tz\r\n\r\n", "GET /hello HTTP/1.1\r\n host: a\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\r\nx: y\0z\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\r\n: y\r\n\r\n", "GET /hello HTTP/1.1\r\nhost: a\r\nx\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "GET  /hello HTTP/1.1\r\nhost: a\r\n\r\n",
                     "GET /hello HTTP/1.1 \r\nhost: a\r\n\r\n", "GET /hello\r\n\r\n",
                     "GET /hello HTTP/1.2\r\nhost: a\r\n\r\n", "GET /hello HTTP/1.1, HTTP/1.1\r\nhost: a\r\n\r\n",
                     "GET /hel lo HTTP/1.1\r\nhost: a\r\n\r\n", "\x16\x03\x01\x02\0\x01\0\r\n\r\n",
                     "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "\r\n\r\n \r\n\r\n"):
            self.check_refused(head.encode("latin-1") + SMUGGLED)

    def test_chunks_that_are_none(self):
        for body in (b"0x3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n",
                     b" 3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabc0\r\n\r\n",
                     b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nabc\n0\r\n\r\n", b"\r\nabc\r\n0\r\n\r\n",
                     b"g\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nabc", b"10000000000000000\r\nabc\r\n0\r\n\r\n",
                     b"3;a\nb\r\nabc\r\n0\r\n\r\n", b"3;\0\r\nabc\r\n0\r\n\r\n", b"3,3\r\nabc\r\n0\r\n\r\n", b"0\n\n",
                     b"0\r\nx: y\n\r\n\r\n", b"0\r\n x: y\r\n\r\n", b"0\r\nx : y\r\n\r\n",
                     b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n", b"1;" + b"e" * 100_000 + b"\r\na\r\n0\r\n\r\n",
                     b"0\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", b"9" * 5000):
            self.check_refused(self.post("transfer-encoding: chunked", body=body + SMUGGLED))

    def test_a_body_that_looks_like_a_request_is_a_body(self):
        for text in (self.post(f"content-length: {len(SMUGGLED)}", "connection: close", body=SMUGGLED),
                     self.post("transfer-encoding: chunked", "connection: close",
                               body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED))):
            answers = exchange(self.address, text)
            self.assertEqual([(status, body) for status, _, body in answers.all], [(200, SMUGGLED)])

    def test_nothing_follows_what_ends_the_connection(self):
        for text in (request("GET", "/hello", "connection: close"), request("GET", "/hello", "connection: x, Close"),
                     b"GET /hello HTTP/1.0\r\n\r\n"):
            self.assertEqual(exchange(self.address, text + SMUGGLED).statuses(), [200])

    def test_a_pipeline_is_answered_in_its_order_and_as_far_as_it_goes(self):
        body = b"first"
        text = (request("GET", "/hello") + request("POST", "/cat", "content-length: 5", body=body) +
                request("POST", "/cat", "transfer-encoding: chunked", body=b"3\r\nabc\r\n0\r\nx: y\r\n\r\n") +
                # A body that nobody reads is no request.
                request("POST", "/hello", f"content-length: {len(SMUGGLED)}",
                        body=SMUGGLED) + request("GET", "/nobody"))
        hello = b"Hello from wasm!\n"
        want = [(200, hello), (200, body), (200, b"abc"), (200, hello), (404, b"no function 'nobody'\n")]
        answers = exchange(self.address, text + last())
        self.assertEqual([(status, said) for status, _, said in answers.all], want + [(200, hello)])
        # The last one is half there, and never whole; and one that comes in two halves.
        for half in (b"GET /smug", b"GET /smuggled HTTP/1.1\r\nhost: a\r\n", b"POST /smuggled HTTP/1.1\r\ncontent-len"):
            with connect(self.address) as client:
                client.sendall(text + half)
                came = b""
                while len(Answers(came).all) < len(want):
                    came += client.recv(1 << 16)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(len(Answers(came + read_to_end(client)).all), len(want))
        with connect(self.address) as client:
            client.sendall(request("GET", "/hello") + last()[:20])
            time.sleep(0.2)
            client.sendall(last()[20:])
            self.assertEqual(Answers(read_to_end(client)).statuses(), [200, 200])

    def test_thousands_in_one_pipeline_are_all_answered(self):
        count = 5000
        with connect(self.address) as client:
            sending = threading.Thread(target=client.sendall, args=(request("GET", "/hello") * count + last(),))
            sending.start()
            self.assertEqual(Answers(read_to_end(client)).statuses(), [200] * (count + 1))
            sending.join()


class BodiesTest(Case):
    WORDS = ("--set", "maxima.body=1MiB")
    GUESTS = ("hello", "cat", "web-component")
    MOST = 1 << 20

    @classmethod
    def prepare(cls):
        shutil.copy(Paths.guests / "cat.wasm", cls.functions / "little.wasm")
        (cls.functions / "little.toml").write_text('[limits]\nbody = "1KiB"\n')

    def setUp(self):
        for name in ("hello", "cat", "little", "web-component"):
            self.assertEqual(self.ask(f"/{name}").status, 200)

    def test_as_much_as_may_be_is_taken(self):
        body = b"x" * self.MOST
        for path in ("/cat", "/web-component/echo"):
            self.assertEqual(exchange(self.address, request("POST", path, f"content-length: {self.MOST}",
                                                            "connection: close", body=body)).all[0][2], body)
        self.assertEqual(self.ask("/little", "POST", body=b"x" * 1024).status, 200)

    def test_a_length_that_is_too_large_is_refused_before_the_body(self):
        for path, size in (("/cat", self.MOST + 1), ("/hello", self.MOST + 1), ("/web-component/count", self.MOST + 1),
                           ("/little", 1025), ("/cat", 10 ** 15)):
            for field in ("x: y", "expect: 100-continue"):
                answers = exchange(self.address, request("POST", path, f"content-length: {size}", field))
                self.assertEqual((answers.statuses(), answers.interim), ([413], []), (path, field))
        self.assertEqual(self.ask("/hello").status, 200)

    def test_a_body_that_grows_too_large_is_not_taken(self):
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for path, chunks in (("/cat", 17), ("/little", 1)):
            text = request("POST", path, "transfer-encoding: chunked", body=chunk * chunks + b"0\r\n\r\n" + SMUGGLED)
            with connect(self.address) as client:
                sending = threading.Thread(target=send_what_goes, args=(client, text))
                sending.start()
                answers = Answers(read_to_end(client))
                sending.join()
            # It may have begun to answer, and then breaks off.
            self.assertIn(answers.statuses(), ([413], []), path)
        self.idle()


class SlowTest(Case):
    """Clients that take their time cost others nothing, and have an end."""

    GUESTS = ("hello", "cat", "pour", "web-component")

    def test_who_is_slow_is_ended_and_others_are_served(self):
        for path in ("/hello", "/cat", "/web-component/count"):
            self.ask(path, "POST", body=b"x")  # They are warm.
        wanted = {}  # The statuses that may be told to each.

        def begin(text, piece, *statuses):
            client = connect(self.address)
            self.addCleanup(client.close)
            client.sendall(text)
            wanted[client] = (piece, statuses)
        soon = "request-timeout: 2"
        for _ in range(20):
            begin(b"GET /hello HTTP/1.1\r\nhost: a\r\n", b"x: y\r\n", 408)
            begin(b"G", b"", 408)
        for path in ("/cat", "/hello", "/web-component/count"):
            begin(request("POST", path, soon, "content-length: 100000"), b"x", 408, 504)
            begin(request("POST", path, soon, "transfer-encoding: chunked"), b"1\r\nx\r\n", 408, 504)
            begin(request("POST", path, soon, "content-length: 100000", body=b"x" * 500), b"", 408, 504)
            begin(request("POST", path, soon, "transfer-encoding: chunked", body=b"5\r\nab"), b"", 408, 504)
        # They get so far as to have a guest, which waits for more.
        for path in ("/cat", "/web-component/count"):
            begin(request("POST", path, soon, "content-length: 1000000", body=b"x" * 500_000), b"x", 408, 504, 0)
        ended = {}
        end = time.monotonic() + PATIENCE
        while len(ended) < len(wanted) and time.monotonic() < end:
            began = time.monotonic()
            self.assertEqual(self.ask("/hello").status, 200)
            self.assertLess(time.monotonic() - began, 10)
            for client, (piece, _) in wanted.items():
                if client in ended:
                    continue
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    with contextlib.suppress(ConnectionError):
                        client.send(piece)
                    ended[client] = self.told(client)
            time.sleep(0.3)
        for client, (piece, statuses) in wanted.items():
            self.assertIn(ended.get(client, "it was not ended"), statuses, piece)
        self.idle()

    @staticmethod
    def told(client):
        """Of one that is closed: the status it was told; 0: none, or an answer that broke off."""
        client.recv(1, socket.MSG_PEEK)
        client.setblocking(True)
        answers = Answers(read_to_end(client))
        return answers.all[0][0] if answers.all else 0

    def test_who_does_not_read_holds_its_own_guest_only(self):
        with contextlib.ExitStack() as clients:
            for _ in range(5):
                client = clients.enter_context(connect(self.address))
                client.sendall(request("GET", "/pour", "request-timeout: 3"))
            until(lambda: self.metric("wasmoor_function_running") == 5, "they run")
            self.assertEqual(self.ask("/hello").status, 200)
            until(lambda: self.metric("wasmoor_function_running") == 0, "their time is over")


class LeavingTest(Case):
    """A client that leaves takes its guest along, wherever that is, and leaves nothing."""

    GUESTS = ("hello", "cat", "loop", "sleep", "pour", "hoard", "web-component")

    @classmethod
    def prepare(cls):
        # It takes connections, and says nothing.
        cls.silent = cls.enterClassContext(socket.create_server(("127.0.0.1", free_port())))
        silent = "{}:{}".format(*cls.silent.getsockname())
        (cls.functions / "web-component.toml").write_text(f'[outgoing]\nallow = ["{silent}"]\n')
        cls.fetch = f"/web-component/fetch/{silent}/"
        cls.WORDS = ("--set", f"grant.outgoing={silent}", "--memory", "200MiB", "--set", "usual.memory=20MiB")

    def setUp(self):
        for path in ("/hello", "/cat", "/web-component/"):
            self.assertEqual(self.ask(path).status, 200)
        self.idle()

    def leave(self, text, more=b"", runs=True, reads=0):
        """Sends this, waits until its guest runs, and leaves, once with a goodbye and once without."""
        for linger in (None, struct.pack("ii", 1, 0)):
            with connect(self.address) as client:
                client.sendall(text + more)
                if runs:
                    until(lambda: self.metric("wasmoor_function_running") == 1, f"{text[:100]} runs")
                # A goodbye comes after what was sent before: that has to be there, if not read.
                until(lambda c=client: is_there(c), "what was sent has arrived")
                left = reads
                while left > 0:
                    left -= len(client.recv(left))
                if linger:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.idle(text[:100])

    def test_before_its_request_is_whole(self):
        whole = request("POST", "/cat", "content-length: 100000")
        for text in (b"", b"P", b"POST /cat", whole[:-2], whole, whole + b"x" * 5000,
                     request("POST", "/cat", "transfer-encoding: chunked", body=b"5\r\nab"),
                     request("POST", "/cat", "expect: 100-continue", "content-length: 5"), b"PRI * HTTP/2.0\r\n\r\nSM"):
            self.leave(text, runs=False)

    def test_while_its_guest_runs_or_waits(self):
        for text in (request("GET", "/loop"), request("GET", "/sleep"), request("GET", "/hoard?hold"),
                     # It waits for more of its input.
                     request("POST", "/cat", "transfer-encoding: chunked",
                             body=b"80000\r\n" + b"x" * 0x80000 + b"\r\n"),
                     request("POST", "/web-component/count", "content-length: 2000000", body=b"x" * 0x80000),
                     request("GET", "/web-component/sleep/60000"), request("GET", "/web-component/spin"),
                     request("GET", self.fetch)):
            self.leave(text)

    def test_while_the_response_streams(self):
        for path in ("/pour", "/web-component/big/10000000"):
            self.leave(request("GET", path))
            self.leave(request("GET", path), reads=1_000_000)

    def test_with_much_that_was_not_read(self):
        for path in ("/loop", "/sleep", "/web-component/spin", "/web-component/sleep/60000"):
            self.leave(request("POST", path, "content-length: 2000000"), more=b"x" * 350_000)
        for path in ("/loop", "/web-component/sleep/60000"):
            self.leave(request("GET", path), more=request("GET", "/hello") * 2500)

    def test_while_it_waits_for_others(self):
        most = request("GET", "/sleep", "memory-request: 200")
        with connect(self.address) as first:
            first.sendall(most)
            until(lambda: self.metric("wasmoor_function_running") == 1, "it runs")
            for text in (most, request("POST", "/cat", "memory-request: 200", "content-length: 5", body=b"abcde")):
                with connect(self.address) as second:
                    second.sendall(text)
                    until(lambda: self.metric("wasmoor_function_queue") == 1, "another waits")
                until(lambda: self.metric("wasmoor_function_queue") == 0, "nobody waits")
        self.idle()

    def test_a_stream_of_http2(self):
        if shutil.which("curl") is None:
            self.skipTest("there is no curl")
        for path in ("/loop", "/sleep", "/web-component/sleep/60000", "/pour"):
            with subprocess.Popen(["curl", "-s", "--http2-prior-knowledge", f"http://{self.address}{path}"],
                                  stdout=subprocess.DEVNULL) as client:
                until(lambda: self.metric("wasmoor_function_running") == 1, f"{path} runs")
                client.kill()
            self.idle()

    @classmethod
    def start(cls):
        super().start()
        for path in ("/hello", "/cat", "/loop", "/web-component/", "/web-component/sleep/1"):
            ask(cls.address, "GET", path, "", {"Request-Timeout": "100ms"})
        cls.at_first = (len(cls.server.threads()), cls.server.descriptors())
        cls.held = cls.server.holdings()

    @classmethod
    def tearDownClass(cls):
        """Who served all that has what it had before, in the end."""
        def is_as_before():
            return len(cls.server.threads()) <= cls.at_first[0] and cls.server.descriptors() <= cls.at_first[1]
        until(is_as_before, lambda: f"it holds {cls.held}, and not {cls.server.holdings()}")
        super().tearDownClass()


if __name__ == "__main__":
    main("bin", "guests")
