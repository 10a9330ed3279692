"""What the functions of examples/functions answer, checked for real: by other people's programs, or by arithmetic.

A suite is a class that inherits FunctionChecks and unittest.TestCase, and says in `invoke` how a function is called; of a
server that is `return ask(address, method, f"/{name}{path}", query, headers, body)`. Where `notes` are kept and their
token are for the suite to grant.
"""

import dataclasses
import gzip
import hashlib
import http.client
import json
import random
import re
import shutil
import subprocess
import tempfile
import time
import zlib

import pictures

INVOICE = {
    "number": "A-17", "date": "2031-02-03", "currency": "EUR", "from": ["Müller & Søn"], "to": ["(nobody) \\ no one"],
    "items": [{"text": f"Thing number {number}, which is described at some length so that its text needs two lines",
               "quantity": number, "price": 101} for number in range(1, 61)],
    "note": "Paid.",
}


@dataclasses.dataclass
class Reply:
    """Names of headers are in small letters."""

    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()


def ask(address, method, path, query="", headers=None, body=b""):
    """A server at HOST:PORT, by HTTP; a connection for each request."""
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(method, f"{path}?{query}" if query else path, body or None, headers or {})
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


def words_of(*command, typed):
    """What a program prints that must not fail."""
    done = subprocess.run(command, input=typed, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class FunctionChecks:
    # The directory that the function `notes` keeps its notes in, and its secret.
    notes = None
    token = "s3cr3t of the notes"

    def invoke(self, name, method="GET", path="", query="", headers=None, body=b""):
        """Returns a Reply. `path` is what follows the name, and begins with a slash if there is any."""
        raise NotImplementedError

    def need(self, *programs):
        for program in programs:
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")

    def good(self, name, kind, **request):
        reply = self.invoke(name, **request)
        self.assertEqual(reply.status, 200, reply.body[:500])
        self.assertEqual(reply.headers.get("content-type"), kind)
        return reply

    def refused(self, name, word, status=400, **request):
        reply = self.invoke(name, **request)
        self.assertEqual(reply.status, status, reply.body[:500])
        self.assertIn(word, reply.text)

    # hello, env, echo

    def test_hello_says_so(self):
        reply = self.invoke("hello")
        self.assertEqual((reply.status, reply.body), (200, b"Hello from wasm!\n"))

    def test_env_shows_the_variables_and_the_arguments_of_a_request(self):
        reply = self.good("env", "text/plain; charset=utf-8", method="POST", path="/a/b", query="one=1&two",
                          headers={"Content-Type": "x/y", "X-Colour": "green"}, body=b"12345")
        lines = reply.text.splitlines()
        for line in ("REQUEST_METHOD=POST", "PATH_INFO=/a/b", "QUERY_STRING=one=1&two", "SCRIPT_NAME=/env",
                     "CONTENT_TYPE=x/y", "CONTENT_LENGTH=5", "HTTP_X_COLOUR=green", "GATEWAY_INTERFACE=CGI/1.1",
                     "argument 1: one=1", "argument 2: two", "the body has 5 bytes"):
            self.assertIn(line, lines)

    def test_env_answers_with_the_status_that_it_is_told(self):
        self.assertEqual(self.invoke("env", query="status=404+Not+Found").status, 404)

    def test_echo_gives_each_byte_back_as_what_it_was(self):
        body = random.Random(1).randbytes(300_000)
        reply = self.good("echo", "application/x-noise", method="POST", body=body,
                          headers={"Content-Type": "application/x-noise"})
        self.assertEqual(reply.body, body)

    def test_echo_of_header_lines_and_of_nothing_is_just_that(self):
        for body in (b"Status: 404 Not Found\nContent-Type: text/html\n\nno", b""):
            reply = self.good("echo", "text/plain", method="POST", body=body, headers={"Content-Type": "text/plain"})
            self.assertEqual(reply.body, body)

    # pdf

    def pdf(self, **request):
        """The text of it as a reader shows it."""
        self.need("qpdf", "pdftotext")
        with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
            file.write(self.good("pdf", "application/pdf", **request).body)
            file.flush()
            # Its status is 3 for a warning.
            self.assertIn(b"No syntax or stream encoding errors", words_of("qpdf", "--check", file.name, typed=None))
            return words_of("pdftotext", "-layout", file.name, "-", typed=None).decode()

    def test_pdf_makes_a_sample(self):
        text = self.pdf()
        self.assertIn("Invoice 2031-0042", text)
        self.assertRegex(text, r"Total EUR +271\.88\n")

    def test_pdf_has_all_items_their_sum_and_other_peoples_letters_on_several_pages(self):
        text = self.pdf(method="POST", body=json.dumps(INVOICE).encode())
        for number in range(1, 61):
            self.assertRegex(text, rf"Thing number {number},.* {number} +1\.01 +{number * 101 / 100:.2f}\n")
        self.assertRegex(text, r"Total EUR +1,848\.30\n")
        self.assertIn("Müller & Søn", text)
        self.assertIn("(nobody) \\ no one", text)
        self.assertRegex(text, r"3 ?/ ?3")
        self.assertEqual(text.count("\f"), 3)

    def test_pdf_refuses_what_is_no_invoice(self):
        for body in (b"", b"{", b"[]", b'{"items": []}', b'{"items": [{"quantity": -1}]}',
                     b'{"items": [{"quantity": 1e300}]}', b'{"items": [{"text": "' + b"x" * 300 + b'"}]}'):
            with self.subTest(body=body[:50]):
                self.refused("pdf", "", method="POST", body=body)

    # blur

    def test_blur_of_a_png_spreads_as_wide_as_it_is_told(self):
        # A white square on black: far from its edges nothing changes, its edges become slopes.
        width, height, edge = 96, 64, 32
        square = [[255 if edge <= x < 64 else 0 for x in range(width)] for _ in range(height)]
        spread = {}
        for sigma in (2, 5):
            reply = self.good("blur", "image/png", method="POST", query=f"sigma={sigma}",
                              body=pictures.png(square))
            rows = pictures.read_png(reply.body)
            self.assertEqual((len(rows), len(rows[0])), (height, width))
            line = rows[height // 2]
            self.assertLess(line[4], 8)
            self.assertGreater(line[48], 240)
            self.assertAlmostEqual((line[edge - 1] + line[edge]) / 2, 127.5, delta=12)
            slope = line[8:48]
            self.assertEqual(slope, sorted(slope))
            # The light is spread, and not lost.
            self.assertAlmostEqual(sum(line), sum(square[0]), delta=0.03 * sum(square[0]))
            spread[sigma] = sum(16 < value < 240 for value in slope)
        self.assertGreater(spread[5], spread[2] * 1.5)

    def test_blur_reads_jpeg(self):
        rows = pictures.read_png(self.good("blur", "image/png", method="POST", query="sigma=1",
                                           body=pictures.JPEG).body)
        self.assertEqual((len(rows), len(rows[0])), (8, 8))
        for value in (value for row in rows for value in row):
            self.assertAlmostEqual(value, pictures.JPEG_GREY, delta=3)

    def test_blur_refuses_what_is_no_picture_and_makes_no_sense(self):
        picture = pictures.png([[0]])
        for body, query in ((b"", ""), (b"GIF89a", ""), (picture[:40], ""), (picture, "sigma=NaN"),
                            (picture, "sigma=1e9"), (picture, "sigma=-1"), (picture, "sigma="), (pictures.png_head(60000, 60000), "")):
            with self.subTest(body=body[:20], query=query):
                self.refused("blur", "", method="POST", query=query, body=body)

    # compress

    def document(self):
        dice = random.Random(2)
        return json.dumps([{"id": number, "name": dice.choice(("moor", "bog", "fen")), "depth": dice.random()}
                           for number in range(2000)]).encode()

    def test_compress_makes_what_others_inflate_to_the_same_bytes(self):
        self.need("zstd")
        document = self.document()
        for name, kind, inflate in (
                ("", "gzip", gzip.decompress), ("format=gzip&level=9", "gzip", gzip.decompress),
                ("format=zlib&level=1", "zlib", zlib.decompress),
                ("format=deflate", "octet-stream", lambda packed: zlib.decompress(packed, -zlib.MAX_WBITS)),
                ("format=zstd", "zstd", lambda packed: words_of("zstd", "-dc", typed=packed))):
            with self.subTest(query=name):
                reply = self.good("compress", f"application/{kind}", method="POST", query=name, body=document)
                self.assertEqual(inflate(reply.body), document)
                self.assertEqual(reply.headers["x-original-length"], str(len(document)))
                ratio = len(document) / len(reply.body)
                self.assertAlmostEqual(float(reply.headers["x-compression-ratio"]), ratio, places=1)
                self.assertGreater(ratio, 2)

    def test_compress_refuses_what_is_no_json_and_makes_no_sense(self):
        self.refused("compress", "no JSON", method="POST", body=b'{"a": 1')
        self.refused("compress", "no JSON", method="POST", body=b"[" * 100_000)
        for query in ("format=rar", "level=0", "level=10", "level=x", "size=3"):
            self.refused("compress", query.partition("=")[0] if "size" not in query else "the query has",
                         method="POST", query=query, body=b"{}")

    # rsa

    def test_rsa_makes_keys_that_openssl_takes_and_that_differ(self):
        self.need("openssl")
        seen = set()
        for query, bits in (("", 2048), ("bits=3072", 3072), ("", 2048)):
            reply = self.good("rsa", "application/x-pem-file", query=query)
            private, public = re.findall(r"-----BEGIN .+?-----END [A-Z ]+-----\n", reply.text, re.DOTALL)
            shown = words_of("openssl", "pkey", "-check", "-noout", "-text", typed=private.encode()).decode()
            self.assertIn("Key is valid", shown)
            self.assertIn(f"({bits} bit", shown)
            self.assertEqual(words_of("openssl", "pkey", "-pubout", typed=private.encode()).decode(), public)
            seen.add(private)
        self.assertEqual(len(seen), 3)

    def test_rsa_signs(self):
        self.need("openssl")
        blocks = self.good("rsa", "application/x-pem-file").text
        with tempfile.TemporaryDirectory() as folder:
            for name in ("key.pem", "text"):
                with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                    file.write(blocks)
            words_of("openssl", "dgst", "-sha256", "-sign", f"{folder}/key.pem", "-out", f"{folder}/signature",
                     f"{folder}/text", typed=None)
            public = blocks[blocks.index("-----BEGIN PUBLIC KEY-----"):]
            with open(f"{folder}/public.pem", "w", encoding="ascii") as file:
                file.write(public)
            self.assertEqual(words_of("openssl", "dgst", "-sha256", "-verify", f"{folder}/public.pem", "-signature",
                                      f"{folder}/signature", f"{folder}/text", typed=None), b"Verified OK\n")

    def test_rsa_refuses_sizes_that_are_too_small_too_large_and_odd(self):
        for bits in ("512", "1024", "16384", "2049", "-1", "x", "99999999999999999999"):
            self.refused("rsa", "bits", query=f"bits={bits}")

    # scrypt

    def test_scrypt_derives_the_keys_that_openssls_does(self):
        for log_n, r, p, length, salt in ((14, 8, 1, 32, "00ff"), (10, 8, 4, 64, "a5" * 32), (4, 1, 1, 16, "01")):
            with self.subTest(log_n=log_n):
                reply = self.good("scrypt", "application/json", method="POST", body="pässword".encode(),
                                  query=f"log_n={log_n}&r={r}&p={p}&length={length}&salt={salt}")
                key = hashlib.scrypt("pässword".encode(), salt=bytes.fromhex(salt), n=1 << log_n, r=r, p=p,
                                     dklen=length, maxmem=1 << 28).hex()
                self.assertEqual(json.loads(reply.body), {"log_n": log_n, "r": r, "p": p, "salt": salt, "key": key})

    def test_scrypt_makes_another_salt_each_time(self):
        replies = [self.good("scrypt", "application/json", method="POST", query="log_n=2", body=b"x") for _ in range(3)]
        salts = {json.loads(reply.body)["salt"] for reply in replies}
        self.assertEqual(len(salts), 3)

    def test_scrypt_refuses_parameters_that_take_too_much(self):
        for query in ("log_n=20&r=8", "log_n=0", "log_n=64", "r=0", "p=17", "length=0", "salt=0", "salt=zz",
                      "salt=" + "00" * 65, "N=3"):
            with self.subTest(query=query):
                self.refused("scrypt", "", method="POST", query=query, body=b"x")
        self.refused("scrypt", "log_n, r: together", method="POST", query="log_n=17&r=8", body=b"x")

    # notes: a directory and a secret

    def test_notes_are_kept_listed_and_replaced(self):
        allowed = {"Authorization": f"Bearer {self.token}"}
        self.assertEqual(self.invoke("notes").text, "")
        for body in (b"first", b"second, which is longer", b""):
            self.assertEqual(self.invoke("notes", "POST", "/one", headers=allowed, body=body).status, 201)
            self.assertEqual((self.notes / "one").read_bytes(), body)
            self.assertEqual(self.good("notes", "text/plain; charset=utf-8", path="/one").body, body)
        self.assertEqual(self.invoke("notes", "POST", "/two.txt", headers=allowed, body=b"2").status, 201)
        self.assertEqual(sorted(self.invoke("notes").text.split()), ["one", "two.txt"])
        self.assertEqual(sorted(path.name for path in self.notes.iterdir()), ["one", "two.txt"])

    def test_notes_are_written_only_with_the_secret(self):
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}, {"Authorization": self.token},
                        {"Authorization": "Bearer "}):
            self.refused("notes", "Authorization", 403, method="POST", path="/x", headers=headers, body=b"x")
        self.assertFalse((self.notes / "x").exists())

    def test_notes_are_nowhere_but_in_their_directory(self):
        (self.notes.parent / "secret").write_text("SECRET")
        (self.notes / "link").symlink_to("../secret")
        allowed = {"Authorization": f"Bearer {self.token}"}
        self.refused("notes", "no note", 404, path="/absent")
        for path in ("/../secret", "/.hidden", "/a/b", "/" + "x" * 65):
            reply = self.invoke("notes", path=path)
            self.assertIn(reply.status, (400, 404), path)
            self.assertNotIn("SECRET", reply.text)
        reply = self.invoke("notes", path="/link")
        self.assertEqual(reply.status, 500)
        self.assertNotIn("SECRET", reply.text)
        self.refused("notes", "at most", 413, method="POST", path="/big", headers=allowed, body=b"x" * ((1 << 20) + 1))
        (self.notes / "link").unlink()

    # stream: a component

    def test_stream_answers_in_capital_letters(self):
        body = b"peat " * 20_000
        reply = self.good("stream", "text/plain; charset=utf-8", method="POST", path="/upper", body=body)
        self.assertEqual(reply.body, body.upper())

    def test_stream_ticks(self):
        began = time.monotonic()
        reply = self.good("stream", "text/plain; charset=utf-8", path="/ticks", query="3")
        self.assertEqual(reply.text, "tick 1\ntick 2\ntick 3\n")
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_stream_refuses_what_it_does_not_know(self):
        self.refused("stream", "how many", path="/ticks", query="-1")
        self.refused("stream", "POST upper", 404, path="/")
