"""A client of ttrpc, one call after another or many at once on a connection (containerd/ttrpc, PROTOCOL.md)."""

import contextlib
import socket
import struct
import threading

from wire import decode, encode

HEADER = struct.Struct(">IIBB")
REQUEST, RESPONSE = 1, 2

# google.rpc.Code
NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, UNIMPLEMENTED = 5, 6, 9, 12


class Failure(Exception):
    """What a call was answered with that failed."""

    def __init__(self, code, message):
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message


def read_exactly(connection, length):
    data = b""
    while len(data) < length:
        got = connection.recv(length - len(data))
        if not got:
            raise ConnectionError("the connection is closed")
        data += got
    return data


def answer_everything(path):
    """Serves at a path for good, in threads: each request is answered with an empty message."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while True:
                length, stream, _, _ = HEADER.unpack(read_exactly(connection, HEADER.size))
                read_exactly(connection, length)
                connection.sendall(HEADER.pack(0, stream, RESPONSE, 0))

    def accept():
        while True:
            threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


class Client:
    """Used as a context manager. Messages are those of wire.py."""

    def __init__(self, address, timeout=20):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(address.removeprefix("unix://"))
        self._next = 1
        self._answers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def begin(self, service, method, request):
        """Sends a request; the value is what `finish` takes."""
        stream, self._next = self._next, self._next + 2
        data = encode({1: service, 2: method, 3: request})
        self._socket.sendall(HEADER.pack(len(data), stream, REQUEST, 0) + data)
        return stream

    def finish(self, stream):
        """The answer, whenever it comes; Failure if it is one."""
        while stream not in self._answers:
            length, answered, kind, _ = HEADER.unpack(read_exactly(self._socket, HEADER.size))
            data = read_exactly(self._socket, length)
            if kind == RESPONSE:
                self._answers[answered] = data
        answer = decode(self._answers.pop(stream))
        status = decode(answer.get(1, b""))
        if status.get(1, 0) != 0:
            raise Failure(status[1], status.get(2, b"").decode())
        return decode(answer.get(2, b""))

    def call(self, service, method, request):
        return self.finish(self.begin(service, method, request))
