"""A client of ttrpc, one call after another or many at once on a connection (containerd/ttrpc, PROTOCOL.md)."""

import socket
import struct

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
            length, answered, kind, _ = HEADER.unpack(self._read(HEADER.size))
            data = self._read(length)
            if kind == RESPONSE:
                self._answers[answered] = data
        answer = decode(self._answers.pop(stream))
        status = decode(answer.get(1, b""))
        if status.get(1, 0) != 0:
            raise Failure(status[1], status.get(2, b"").decode())
        return decode(answer.get(2, b""))

    def call(self, service, method, request):
        return self.finish(self.begin(service, method, request))

    def _read(self, length):
        data = b""
        while len(data) < length:
            got = self._socket.recv(length - len(data))
            if not got:
                raise ConnectionError("the shim has closed the connection")
            data += got
        return data
