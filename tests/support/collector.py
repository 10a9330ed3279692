"""A collector of traces, to which others send by OTLP over HTTP."""

import http.server
import json
import threading


class Collector:
    """Used as a context manager. `spans` are those that it has got."""

    def __init__(self):
        collector = self
        self.spans, self.paths = [], set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # The name is http.server's.
                collector.take(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, path, body):
        self.paths.add(path)
        for resource in body["resourceSpans"]:
            self.spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
