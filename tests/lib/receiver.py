"""A receiver of webhooks: keeps what it gets and answers as it is told."""

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import sys
import threading

import stand


class Delivery:
    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def is_signed_with(self, secret):
        digest = hmac.new(secret.encode(), self.body, hashlib.sha256).digest()
        return self.headers.get("X-Hub-Signature-256") == "sha256=" + base64.b64encode(digest).decode()


class Receiver:
    """with Receiver() as receiver: ... `answers` are the statuses of the next requests, then always 200. An answer may
    be an Event instead: the request waits until it is set and gets none. Or a function, which is handed the handler and
    answers itself. `always` is what comes after them. `port` 0: any.
    `tls`: files of a certificate and its key."""

    def __init__(self, *answers, always=200, port=0, tls=None):
        self._answers = list(answers)
        self._always = always
        self._deliveries = []
        self._lock = threading.Lock()
        self._hanging = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver._take(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):  # who called us was killed
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake is the handler's: one that never comes must not keep others from being accepted.
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        for event in self._hanging:
            event.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def deliveries(self):
        with self._lock:
            return list(self._deliveries)

    def answer(self, *answers):
        """What the next requests are answered with, after what was asked for before."""
        with self._lock:
            self._answers += answers

    def answer_always(self, answer):
        """What comes after the answers that were asked for; those that hang are let go without one."""
        with self._lock:
            self._always = answer
            for event in self._hanging:
                event.set()

    def wait(self, count, seconds=15):
        """The deliveries, once there are so many."""
        stand.wait_until(
            lambda: len(self.deliveries) >= count, lambda: f"{count} deliveries; {len(self.deliveries)} came", seconds
        )
        return self.deliveries

    def _take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self._deliveries.append(Delivery(handler.path, handler.headers, body))
            answer = self._answers.pop(0) if self._answers else self._always
            if isinstance(answer, threading.Event):
                self._hanging.append(answer)
        if isinstance(answer, threading.Event):
            answer.wait()
            handler.close_connection = True
            return
        if callable(answer):
            handler.close_connection = True
            answer(handler)
            return
        handler.send_response(answer)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
