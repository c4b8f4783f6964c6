"""A Redis client of one page: commands, pipelines, errors raised. Bulk replies are bytes, statuses are str."""

import socket

TIMEOUT = 10


class RedisError(Exception):
    """An error reply: the command was refused."""


class Client:
    """Connects when first used, and again when the server has been away.

    A command during which the connection breaks is not sent again: it may have been carried out, and a test must see
    that. The next command connects anew.
    """

    def __init__(self, address, password=None, timeout=TIMEOUT):
        """address: the path of a unix socket, or (host, port)."""
        self.address = address
        self.password = password
        self.timeout = timeout
        self._socket = None
        self._replies = None

    def call(self, *arguments):
        return self.pipeline([arguments])[0]

    def pipeline(self, commands):
        """The replies to all the commands, sent at once; the first error reply is raised after all were read."""
        commands = list(commands)
        self._connect()
        replies = self._exchange(commands)
        for command, reply in zip(commands, replies):
            if isinstance(reply, RedisError):
                raise RedisError(f"{command[0]}: {reply}")
        return replies

    def close(self):
        if self._socket:
            self._replies.close()
            self._socket.close()
        self._socket = self._replies = None

    def _connect(self):
        if self._socket and self._has_ended():
            self.close()
        if self._socket:
            return
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        self._socket, self._replies = connection, connection.makefile("rb")
        if self.password:
            self._authenticate()

    def _authenticate(self):
        reply = self._exchange([("AUTH", self.password)])[0]
        if isinstance(reply, RedisError):
            self.close()
            raise reply

    def _has_ended(self):
        """Between commands nothing is due to arrive, so something to read is the end of the connection."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
            return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(self.timeout)

    def _exchange(self, commands):
        try:
            self._socket.sendall(b"".join(encode(command) for command in commands))
            return [self._read() for _ in commands]
        except BaseException:  # an interrupted exchange leaves replies behind: never use this connection again
            self.close()
            raise

    def _read(self):
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._read_bulk(int(rest))
        if kind == b"*":
            return None if int(rest) < 0 else [self._read() for _ in range(int(rest))]
        raise ConnectionError(f"not a RESP2 reply: {line!r}")

    def _read_bulk(self, length):
        if length < 0:
            return None
        data = self._replies.read(length + 2)
        if len(data) != length + 2:
            raise ConnectionError("Redis closed the connection in a reply")
        return data[:-2]


def encode(command):
    parts = [_bytes(argument) for argument in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _bytes(argument):
    return argument if isinstance(argument, bytes) else str(argument).encode()
