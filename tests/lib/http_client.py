"""An HTTP client for the gateway's suites: whole requests over http.client, and bytes of any kind over a bare socket.

    client = Client(gateway.port, stand.token)
    answer = client.post("/v1/messages", message())
    assert answer.status == 202, answer
"""

import contextlib
import http.client
import json
import select
import socket
import threading
import time

from stand import SLOWNESS

TIMEOUT = 30 * SLOWNESS


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # by name, in any case
        self.body = body

    @property
    def type(self):
        return self.headers.get("Content-Type")

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise AssertionError(f"not JSON ({error}): {self!r}") from None

    @property
    def code(self):
        return self.json["code"]

    def __repr__(self):
        return f"Answer({self.status}, {dict(self.headers)}, {self.body[:600]!r})"


class Client:
    """One connection, opened when it is needed and again when the server has closed it between two requests."""

    def __init__(self, port, token=None, timeout=TIMEOUT):
        self.token = token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, key=None, headers=None):
        """`body`: bytes as they are, an iterator of them in chunks, anything else as JSON."""
        headers = dict(headers or {})
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.request("POST", path, body, headers)

    def request(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes) and not hasattr(body, "__next__"):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        headers = {name: value for name, value in headers.items() if value is not None}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except BaseException:  # never use a connection again that may have a part of an answer in it
            self.close()
            raise

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def head(method, path, token=None, *lines, version="HTTP/1.1"):
    """The beginning of a request as bytes, its empty line included."""
    lines = ["Host: h", *([f"Authorization: Bearer {token}"] if token else []), *lines]
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode("latin-1")


class Wire:
    """A bare connection: writes any bytes, reads answers one by one."""

    def __init__(self, port, timeout=TIMEOUT):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._unread = b""

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_slowly(self, data, pause, until=None):
        """One byte at a time until `until` seconds are over, or the other side has closed: True then."""
        deadline = time.monotonic() + until if until else None
        for at in range(len(data)):
            if self.is_closed(pause) or self._unread:
                return True
            if deadline and time.monotonic() > deadline:
                return False
            try:
                self.socket.send(data[at : at + 1])
            except OSError:
                return True
        return False

    def is_closed(self, seconds=0):
        """Whether the other side has closed it, after waiting for something to happen for so long. What it said is kept."""
        readable, _, _ = select.select([self.socket], [], [], seconds)
        if not readable:
            return False
        try:
            data = self.socket.recv(65536)
        except OSError:
            return True
        self._unread += data
        return data == b""

    def has_said(self, seconds=0):
        """Whether something of an answer is there, after waiting for it for so long."""
        self.is_closed(seconds)
        return self._unread != b""

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self):
        """The next answer; None when the connection was closed without one."""
        while b"\r\n\r\n" not in self._unread:
            if not self._read():
                assert not self._unread, f"half an answer: {self._unread!r}"
                return None
        top, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = http.client.HTTPMessage()
        for line in lines:
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        status = int(first.split()[1])
        size = 0 if status < 200 or status == 204 else int(headers["Content-Length"])
        while len(self._unread) < size:
            assert self._read(), f"half a body: {first} {self._unread!r}"
        body, self._unread = self._unread[:size], self._unread[size:]
        return Answer(status, headers, body)

    def rest(self):
        """All that comes until the other side closes."""
        while self._read():
            pass
        data, self._unread = self._unread, b""
        return data

    def _read(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self._unread += data
        return bool(data)

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves at once: the other side gets an error, not an end."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_parallel(function, items):
    """Runs it for each in a thread of its own; the first error is raised here."""
    errors = []

    def run(item):
        try:
            function(item)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(item,), daemon=True) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread of the test hangs"
    if errors:
        raise errors[0]
