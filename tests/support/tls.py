"""Servers with TLS, and their certificates."""

import contextlib
import http.server
import pathlib
import ssl
import subprocess
import threading


def make(folder, name):
    """A server of this name that vouches for itself: its certificate's file, and what it serves with."""
    certificate, key = (pathlib.Path(folder) / f"{name}.{kind}" for kind in ("crt", "key"))
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName={kind}:{name}", "-addext", "basicConstraints=critical,CA:FALSE"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Of clients that do not trust it."""


def greet(_):
    return b"trusted\n"


def _handler(tell):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = tell(self)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def serving(context=None, tell=greet):
    """On a port of this machine's loopback device, which is the value; without a context, without TLS. What is answered
    to a request, `tell` says."""
    server = Server(("127.0.0.1", 0), _handler(tell))
    if context:
        # Shaken hands are each connection's own thread's.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
