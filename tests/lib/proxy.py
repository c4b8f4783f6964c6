"""A TCP proxy for the damage that happens between two healthy programs: connections cut, answers lost, silence.

    with Proxy(("127.0.0.1", redis.port)) as proxy:
        stand.worker(env={"HERALD_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0"})
        proxy.cut()           # every connection ends with a reset
        proxy.set(HOLE)       # connections stay, nothing passes either way: a black hole
        proxy.set(DEAF)       # requests pass, their answers do not
        proxy.set(SHUT)       # everything is cut and new connections are reset at once
        proxy.set(OPEN)       # what waited passes
"""

import contextlib
import queue
import selectors
import socket
import struct
import threading

OPEN, HOLE, DEAF, SHUT = "open", "hole", "deaf", "shut"
CHUNK = 1 << 16
MOST_BUFFERED = 1 << 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Side:
    """One end of a link: its socket, and what is still to be written to it."""

    def __init__(self, connection, is_client):
        self.socket = connection
        self.is_client = is_client
        self.other = None
        self.pending = bytearray()
        self.events = 0
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Proxy:
    """One thread does all the work; the methods hand their wishes to it and return when they are carried out."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._mode = OPEN
        self._sides = set()
        self._wishes = queue.Queue()
        self._bell, self._ear = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._ear, selectors.EVENT_READ, self._hear)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def set(self, mode):
        self._ask(lambda: self._set(mode))

    def cut(self):
        """Ends every connection with a reset; what was on its way is lost. New ones are served."""
        self._ask(self._cut)

    def close(self):
        if self._thread.is_alive():
            self._ask(self._end)
            self._thread.join()

    # --- in the thread ---

    def _run(self):
        while not self._ended:
            for key, events in self._selector.select():
                if isinstance(key.data, Side):
                    self._serve(key.data, events)
                else:
                    key.data()
        self._selector.close()
        for connection in (self._listener, self._bell, self._ear):
            connection.close()

    def _ask(self, wish):
        done = threading.Event()
        self._wishes.put((wish, done))
        self._bell.send(b"!")
        done.wait(10)

    def _hear(self):
        self._ear.recv(CHUNK)
        while not self._wishes.empty():
            wish, done = self._wishes.get()
            wish()
            done.set()

    def _set(self, mode):
        self._mode = mode
        if mode == SHUT:
            self._cut()
        for side in list(self._sides):
            self._listen(side)

    def _cut(self):
        for side in list(self._sides):
            self._drop(side)

    def _end(self):
        self._cut()
        self._ended = True

    def _accept(self):
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if self._mode == SHUT:
            return reset(connection)
        try:
            beyond = socket.create_connection(self._target, timeout=1)
        except OSError:  # nobody is there, which a client without a proxy would see as a refusal
            return reset(connection)
        client, server = Side(connection, True), Side(beyond, False)
        client.other, server.other = server, client
        for side in (client, server):
            self._sides.add(side)
            self._listen(side)
        return None

    def _passes(self, side):
        """Whether what this side says reaches the other now."""
        return self._mode == OPEN or (self._mode == DEAF and side.is_client)

    def _listen(self, side):
        has_room = len(side.other.pending) < MOST_BUFFERED
        events = selectors.EVENT_READ if self._passes(side) and has_room else 0
        if side.pending and self._passes(side.other):
            events |= selectors.EVENT_WRITE
        if events == side.events:
            return
        if not side.events:
            self._selector.register(side.socket, events, side)
        elif not events:
            self._selector.unregister(side.socket)
        else:
            self._selector.modify(side.socket, events, side)
        side.events = events

    def _serve(self, side, events):
        if side not in self._sides:
            return  # dropped by what was served before it in this turn
        try:
            if events & selectors.EVENT_WRITE:
                self._write(side)
            if events & selectors.EVENT_READ:
                data = side.socket.recv(CHUNK)
                if not data:
                    return self._finish(side)
                side.other.pending += data
                self._write(side.other)
        except BlockingIOError:
            pass
        except OSError:
            return self._drop(side)
        self._listen(side)
        self._listen(side.other)
        return None

    def _write(self, side):
        with contextlib.suppress(BlockingIOError):
            while side.pending:
                del side.pending[: side.socket.send(side.pending[:CHUNK])]

    def _finish(self, side):
        """This side said its last word: the other gets what there is, and that is the end for both."""
        with contextlib.suppress(OSError):
            self._write(side.other)
        self._forget(side)
        side.socket.close()
        side.other.socket.close()

    def _drop(self, side):
        self._forget(side)
        reset(side.socket)
        reset(side.other.socket)

    def _forget(self, side):
        for one in (side, side.other):
            self._sides.discard(one)
            if one.events:
                self._selector.unregister(one.socket)
                one.events = 0


def reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
