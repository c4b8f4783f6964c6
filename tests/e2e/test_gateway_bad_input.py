#!/usr/bin/python3
"""Everything a client may do wrong to herald-gateway, and everything that may happen to its Redis meanwhile.

After each test the gateway serves as before, holds no descriptor more than before, and ends with 0.
"""

import contextlib
import itertools
import json
import pathlib
import resource
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import message, messages
from http_client import Client, Wire, head, in_parallel
from stand import SLOWNESS, Stand, wait_until
from tap import equal

PATIENCE = 8  # EXCHANGE_PATIENCE_MS, in seconds
MIB = 1 << 20
SLOW = ("--request-timeout", "1s", "--idle-timeout", "1s")


@contextlib.contextmanager
def served(*flags, stand_options=None, **options):
    """A stand with a gateway that must be as good as new when the block ends."""
    with Stand(**(stand_options or {})) as stand:
        gateway = stand.gateway(*flags, **options)
        before = settled_descriptors(stand, gateway)
        yield stand, gateway
        expect_as_new(stand, gateway, before)


def settled_descriptors(stand, gateway):
    """After a clerk has opened its connection to Redis for good: four at most do, whichever is free."""
    with Client(gateway.port, stand.token) as client:
        equal(client.get("/v1/status").status, 200, "status")
    return gateway.descriptors() + 3


def expect_as_new(stand, gateway, before):
    assert gateway.running, gateway.tails()
    stand.redis.resume()
    with Client(gateway.port, stand.token) as client:

        def accepts():
            return client.post("/v1/messages", message(9999)).status == 202

        wait_until(accepts, "the gateway to accept a message")
        counts = flow.counts(stand)
        assert flow.places(stand)["ready"] + flow.places(stand)["delayed"] == counts["accepted"], counts
        client.close()
    wait_until(lambda: gateway.descriptors() <= before, lambda: f"{gateway.descriptors()} descriptors, {before} before")
    equal(gateway.terminate(), 0, "exit status")


def body_of(index=1, **fields):
    return json.dumps(message(index, **fields)).encode()


def post_head(stand, *lines, path="/v1/messages", **more):
    return head("POST", path, stand.token, "Content-Type: application/json", *lines, **more)


def length(body):
    return f"Content-Length: {len(body)}"


def chunked(body, size=0):
    size = size or max(len(body), 1)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def ask(gateway, data):
    with Wire(gateway.port) as wire:
        return wire.send(data).answer()


def accepted(stand):
    return flow.count(stand, "accepted")


# --- bodies ---


def test_a_truncated_body_is_never_accepted():
    body = body_of()
    with served(*SLOW) as (stand, gateway):
        for cut in (0, 1, len(body) // 2, len(body) - 1):
            for ending in (Wire.half_close, Wire.reset, Wire.close):
                wire = Wire(gateway.port).send(post_head(stand, length(body)) + body[:cut])
                ending(wire)
                wire.close()
        for cut in (b"", b"20\r\n{", b"20\r\n" + b"{" * 32, b"20\r\n" + b"{" * 32 + b"\r\n0\r\n"):
            with Wire(gateway.port) as wire:
                wire.send(post_head(stand, "Transfer-Encoding: chunked") + cut).half_close()
        equal(accepted(stand), 0, "accepted")


def test_bodies_in_any_pieces_are_read_whole():
    body = body_of(7)
    with served() as (stand, gateway):
        for size in (1, 3, 4096):
            answer = ask(gateway, post_head(stand, "Transfer-Encoding: chunked") + chunked(body, size))
            equal((answer.status, answer.json["id"]), (202, "m7"), f"chunks of {size}")
        trailers = chunked(body)[:-2] + b"X-Trailer: 1\r\n\r\n"
        equal(ask(gateway, post_head(stand, "Transfer-Encoding: chunked") + trailers).status, 202, "with a trailer")
        extension = b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        equal(ask(gateway, post_head(stand, "Transfer-Encoding: Chunked") + extension).status, 202, "with an extension")
        with Wire(gateway.port) as wire:
            for byte in post_head(stand, length(body)) + body:
                wire.send(bytes([byte]))
            equal(wire.answer().status, 202, "byte by byte")
        equal(accepted(stand), 1, "accepted")


def test_what_is_too_large_is_refused_and_the_connection_stays_where_it_can():
    largest = b"[" + b" " * (MIB - len(body_of()) - 2) + body_of() + b"]"
    message_max = MIB - 65536  # ENVELOPE_MAX_BYTES: Herald must be able to add to it
    own = b" " * (message_max - len(body_of())) + body_of()
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        equal(client.post("/v1/messages", largest).status, 202, "1 MiB")
        answer = client.post("/v1/messages", largest + b" ")
        equal((answer.status, answer.code), (413, "body_too_large"), "a byte more")
        equal(client.get("/v1/status").status, 200, "on the same connection")
        answer = ask(gateway, post_head(stand, "Transfer-Encoding: chunked") + chunked(largest + b" ", 65536))
        equal((answer.status, answer.code), (413, "body_too_large"), "in chunks")
        # Who announces more than anybody will read hears it at once, and never with a yes.
        answer = ask(gateway, post_head(stand, "Content-Length: 99999999999"))
        equal((answer.status, answer.code, answer.headers["Connection"]), (413, "body_too_large", "close"), "100 GB")
        with Wire(gateway.port) as wire:
            wire.send(post_head(stand, "Transfer-Encoding: chunked"))
            with contextlib.suppress(OSError):
                for _ in range(40):
                    wire.send(b"100000\r\n" + b" " * MIB + b"\r\n")
                raise AssertionError("40 MiB in chunks were all read")
        answer = client.post("/v1/campaigns/c/pause", b"x")
        equal((answer.status, answer.code), (413, "body_too_large"), "a body where none is taken")
        equal(client.post("/v1/messages", own).status, 202, "the largest message by itself")
        answer = client.post("/v1/messages", b" " + own)
        equal((answer.status, answer.code), (400, "json_invalid"), "a byte more")
        equal(accepted(stand), 1, "accepted")


def test_bodies_that_are_not_JSON_say_where():
    bad = {
        b"": "there is nothing in it",
        b" \n": "there is nothing in it",
        b"{": "ends before it is complete",
        b'{"a":"\xff"}': "byte 6 is not UTF-8",
        b'{"a":"\xc0\x80"}': "byte 6 is not UTF-8",
        b"\xef\xbb\xbf{}": "byte 0",
        b"\xff\xfe{\x00}\x00": "byte 0",
        b'{"a":"\x00"}': "NUL byte at byte 6",
        b"[" * 40 + b"]" * 40: "nesting too deep",
        b'{"a":' * 40 + b"1" + b"}" * 40: "nest",
        b'[{"a":NaN}]': "byte 6",
        b"[1e999,": "ends before",
        b'{"a":99999999999999999999}': "out of range",
        b"{}{}": "something follows",
        b"[]]": "something follows",
        b'"text"': "must be an object",
        b"7": "must be an object",
        b"null": "null",
    }
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        for body, words in bad.items():
            answer = client.post("/v1/messages", body)
            equal((answer.status, answer.code), (400, "json_invalid"), f"{body[:40]}: {answer}")
            assert words in answer.json["detail"], (body[:40], answer)
        equal(accepted(stand), 0, "accepted")


def test_arrays_have_1_to_1000_messages():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        for count, status in ((0, 422), (1, 202), (1000, 202), (1001, 422)):
            answer = client.post("/v1/messages", messages(count))
            equal(answer.status, status, f"{count} messages: {answer}")
            if status == 422:
                equal(answer.code, "array_length", "problem")
        answer = client.post("/v1/messages", [None, 5, "x", [], True, {}, message(1)])
        equal((answer.status, answer.json["accepted"], answer.json["refused"]), (207, 1, 6), "anything in an array")
        equal([item.get("pointer") for item in answer.json["items"]],
              ["/0", "/1", "/2", "/3", "/4", "/5/payload", None], "pointers")


def test_types_and_encodings_that_are_not_taken_are_415():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        for kind in (None, "", "text/plain", "application/jsonx", "application", "multipart/form-data",
                     "application/x-www-form-urlencoded", "*/*", "x" * 500):
            answer = client.request("POST", "/v1/messages", None, {"Content-Type": kind, "Content-Length": "0"})
            equal((answer.status, answer.code), (415, "type_unsupported"), f"{kind}")
        for kind in ("application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json ;x"):
            answer = client.post("/v1/messages", message(), headers={"Content-Type": kind})
            equal(answer.status, 202, kind)
        for encoding in ("gzip", "deflate", "br", "gzip, identity", "x"):
            answer = client.post("/v1/messages", b"\x1f\x8b\x08\x00", headers={"Content-Encoding": encoding})
            equal((answer.status, answer.code), (415, "encoding_unsupported"), encoding)
        equal(client.post("/v1/messages", message(), headers={"Content-Encoding": "identity"}).status, 202, "identity")


# --- framing: where a request ends must be beyond doubt ---


def test_requests_in_doubt_are_refused_and_nothing_after_them_is_read():
    body = body_of()
    with served() as (stand, gateway):
        smuggled = post_head(stand, length(body)) + body
        doubtful = [
            (length(body), length(body)),
            (length(body), f"Content-Length: {len(body) + 30}"),
            (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", f"Content-Length: {len(body)}"),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: gzip",),
            ("Transfer-Encoding: gzip, chunked",),
            ("Transfer-Encoding: xchunked", length(body)),
            ("Transfer-Encoding: identity",),
            ("Transfer-Encoding:", length(body)),
            (f"Content-Length : {len(body)}",),
            (f"Content-Length\t: {len(body)}",),
            ("Transfer-Encoding : chunked", length(body)),
            (length(body), "Authorization: Bearer other-token-of-nobody-000"),
            (length(body), "Idempotency-Key: a", "Idempotency-Key: b"),
            (length(body), "Host: other"),
            (length(body), "Content-Type: text/plain"),
            (length(body), "Bad Name: 1"),
            (length(body), "Bad(Name): 1"),
        ]
        for lines in doubtful:
            with Wire(gateway.port) as wire:
                wire.send(post_head(stand, *lines) + body + smuggled)
                answer = wire.answer()
                assert answer is None or answer.status == 400, (lines, answer)
                if answer and answer.type:
                    equal((answer.code, answer.headers["Connection"]), ("request_malformed", "close"), f"{lines}")
                assert wire.answer() is None, f"something after {lines} was answered"
        for lines in ("Content-Length: -1", "Content-Length: +5", "Content-Length: 0x5", "Content-Length: 1 2",
                      "Content-Length: 99999999999999999999999", "Content-Length: a"):
            with Wire(gateway.port) as wire:
                rest = wire.send(post_head(stand, lines) + body + smuggled).rest()
                assert rest == b"" or rest.split()[1] in (b"400", b"413"), (lines, rest)
                assert b" 202 " not in rest, (lines, rest)
        for chunks in (b"zz\r\n", b"-1\r\n", b"0x5\r\nhello\r\n", b"ffffffffffffffffffff\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"\r\n"):
            with Wire(gateway.port) as wire:
                rest = wire.send(post_head(stand, "Transfer-Encoding: chunked") + chunks + smuggled).rest()
                assert b" 202 " not in rest, (chunks, rest)
        equal(accepted(stand), 0, "accepted")


def test_old_and_broken_versions_of_HTTP():
    with served() as (stand, gateway):
        answer = ask(gateway, head("GET", "/v1/status", stand.token, version="HTTP/1.0"))
        equal((answer.status, answer.headers["Connection"]), (200, "close"), "HTTP/1.0")
        for version, statuses in (("HTTP/2.0", {505}), ("HTTP/0.9", {400, 505}), ("HTTP/1.", {400, 505}),
                                  ("HTTP/1.1x", {400, 505}), ("XTTP/1.1", {400, 505}), ("", {400, 505})):
            with Wire(gateway.port) as wire:
                answer = wire.send(head("GET", "/v1/status", stand.token, version=version)).answer()
                assert answer is None or answer.status in statuses, (version, answer)
        for data in (b"GET /v1/status\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
                     b"\0" * 9000, b"\xff" * 9000, b"\r\n" * 9000, b" / \r\n\r\n", b"GET\r\n\r\n"):
            with Wire(gateway.port) as wire:
                with contextlib.suppress(OSError):
                    wire.send(data)
                with contextlib.suppress(OSError):
                    wire.half_close()
                rest = wire.rest()
                assert rest == b"" or int(rest.split()[1]) >= 400, (data[:40], rest)
        with Wire(gateway.port) as wire:  # HTTP/1.1 names its host
            equal(wire.send(b"GET /v1/status HTTP/1.1\r\n\r\n").answer().status, 400, "without Host")


def test_pipelined_requests_are_answered_in_their_order():
    with served() as (stand, gateway), Wire(gateway.port) as wire:
        bodies = [body_of(index) for index in range(30)]
        wire.send(b"".join(post_head(stand, length(body)) + body + head("GET", "/nowhere") for body in bodies))
        for index in range(30):
            answer = wire.answer()
            equal((answer.status, answer.json["id"]), (202, f"m{index}"), "in order")
            equal(wire.answer().status, 404, "the one between")
        equal(accepted(stand), 30, "accepted")


def test_who_asks_before_sending_is_told_before_sending():
    body = body_of()
    with served() as (stand, gateway):
        with Wire(gateway.port) as wire:
            wire.send(post_head(stand, length(body), "Expect: 100-continue"))
            equal(wire.answer().status, 100, "go on")
            equal(wire.send(body).answer().status, 202, "accepted")
        refusals = (
            (post_head(stand, "Content-Length: 2000000", "Expect: 100-continue"), 413),
            (head("POST", "/v1/messages", "wrong-token-00000000000000", length(body), "Expect: 100-continue"), 401),
            (head("POST", "/nowhere", stand.token, length(body), "Expect: 100-continue"), 404),
        )
        for request, status in refusals:
            with Wire(gateway.port) as wire:
                equal(wire.send(request).answer().status, status, "without a body")
                equal(wire.rest(), b"", "closed, since nobody knows whether the body comes")


# --- paths and headers ---


def test_paths_of_any_bytes():
    with served() as (stand, gateway):
        for path in ("/v1/status%00", "/v1/status%00x", "/%00", "/v1/messages/a%00b", "/v1/messages/%2e%2e%2fstatus",
                     "/v1/messages/a%2Fb", "/v1/messages/", "/v1/messages/a/b", "/v1/messages/%ff%fe", "/v1/messages/%",
                     "/v1/messages/%zz", "/v1/messages/" + "a" * 129, "/v1//status", "/v1/status/", "/../v1/status",
                     "/v1/STATUS", "//v1/status", "/v1/sta\x01tus", "/v1/sta\x7ftus", "/\xff\xfe", "/v1/campaigns//pause",
                     "*", "/v1/campaigns/{}", "/v1/campaigns/a/pause/", "/" + "%41" * 300):
            answer = ask(gateway, head("GET", path, stand.token))
            equal((answer.status, answer.code), (404, "not_found"), path[:50])
        answer = ask(gateway, head("GET", "/v1/messages/a%3Ab", stand.token))
        equal((answer.status, answer.code), (404, "message_unknown"), "an id with an escaped colon")
        for query in ("?", "?a", "?a=%00", "?%00=b", "?" + "&" * 20, "?a=%zz&=&&=%"):
            answer = ask(gateway, head("GET", "/v1/status" + query, stand.token))
            equal(answer.status, 200, query[:20])
        answer = ask(gateway, head("GET", "/v1/status?" + "&" * 2000, stand.token))
        assert answer is None or answer.status in (414, 431), answer


def test_what_is_accepted_is_answered_however_long_the_headers():
    """A message that is taken and a connection that closes without a word is a message that comes again."""
    with served() as (stand, gateway):
        statuses = []
        for width, size in itertools.product((40, 200), range(400, 4400, 50)):
            lines = [f"X-{number:03}: " + "y" * (width - 9) for number in range(size // width)]
            body = body_of(len(statuses) + 1)
            answer = ask_large(gateway, post_head(stand, *lines, length(body)) + body)
            statuses.append(answer.status if answer else None)
        equal(accepted(stand), statuses.count(202), f"each has its answer: {statuses}")
        assert statuses.count(202) > 40 and set(statuses) <= {202, 431, None}, statuses


def test_floods_of_headers_and_long_paths():
    with served() as (stand, gateway):
        for line, statuses in (("X: " + "a" * 20000, {431}), ("a" * 20000 + ": x", {431})):
            answer = ask_large(gateway, head("GET", "/v1/status", stand.token, line))
            assert answer is None or answer.status in statuses, answer
        many = [f"X-{index}: y" for index in range(5000)]
        answer = ask_large(gateway, head("GET", "/v1/status", stand.token, *many))
        assert answer is None or answer.status == 431, answer
        answer = ask_large(gateway, head("GET", "/" + "a" * 20000, stand.token))
        assert answer is None or answer.status in (414, 431), answer
        answer = ask_large(gateway, b"G" * 20000)
        assert answer is None or answer.status >= 400, answer
        answer = ask(gateway, head("GET", "/v1/status", stand.token, "X: " + "a" * 2500))
        equal(answer.status, 200, "2,500 bytes of headers are taken")
        with Wire(gateway.port) as wire:  # for ever: the server ends it
            wire.send(b"GET /v1/status HTTP/1.1\r\nHost: h\r\n")
            with contextlib.suppress(OSError):
                for _ in range(10000):
                    wire.send(b"X: " + b"a" * 1000 + b"\r\n")
                raise AssertionError("10 MB of headers were taken")


def ask_large(gateway, data):
    """None when the connection was reset: whoever sends more than is read may not hear the answer."""
    with Wire(gateway.port) as wire:
        try:
            return wire.send(data).answer()
        except (BrokenPipeError, ConnectionResetError):
            return None


def test_control_bytes_in_headers_do_no_harm():
    body = body_of(1, id=None)
    with served() as (stand, gateway):
        for byte in (0, 1, 7, 8, 11, 12, 27, 127, 128, 255):
            key = b"Idempotency-Key: a" + bytes([byte]) + b"b\r\n"
            request = post_head(stand, length(body))[:-2] + key + b"\r\n" + body
            with Wire(gateway.port) as wire:
                answer = wire.send(request).answer()
                assert answer is None or answer.status in (202, 400), (byte, answer)
            request = head("GET", "/v1/status", None)[:-2] + b"Authorization: Bearer " + bytes([byte]) * 40 + b"\r\n\r\n"
            with Wire(gateway.port) as wire:
                answer = wire.send(request).answer()
                assert answer is None or answer.status in (400, 401), (byte, answer)


def test_an_idempotency_key_has_1_to_256_bytes():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        for key, status in (("", 400), ("k" * 256, 202), ("k" * 257, 400), ("k" * 2000, 400), ("  k  ", 202)):
            answer = client.post("/v1/messages", message(), key=key)
            equal(answer.status, status, f"{len(key)} characters: {answer}")
            assert status == 202 or answer.code == "idempotency_key_invalid", answer
        item = message(2, idempotency_key="k" * 257)
        answer = client.post("/v1/messages", item)
        equal((answer.status, answer.json["pointer"]), (422, "/idempotency_key"), "an item's own")


def test_wrong_methods_are_405_and_say_which_are_right():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        for method, path, allow in itertools.chain(
            ((m, "/v1/messages", "POST") for m in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "post", "X" * 30)),
            ((m, "/v1/status", "GET") for m in ("POST", "PUT", "DELETE", "HEAD", "get")),
            ((m, "/v1/campaigns/c/pause", "POST") for m in ("GET", "PUT")),
        ):
            answer = client.request(method, path)
            equal((answer.status, answer.headers["Allow"]), (405, allow), f"{method} {path}")
            if method != "HEAD":
                equal(answer.code, "method_not_allowed", method)
        equal(ask(gateway, head("CONNECT", "h:80", stand.token)).status, 404, "CONNECT")
        answer = client.request("OPTIONS", "/v1/status")
        equal(answer.status, 403, "OPTIONS of no page")


# --- slow, idle, gone ---


def test_who_sends_a_byte_a_second_is_given_up():
    body = body_of()
    padding = b" " * 200
    with served(*SLOW) as (stand, gateway):
        slow = {
            "headers": (b"", head("GET", "/v1/status", stand.token, "X: " + "a" * 200)),
            "a body": (post_head(stand, "Content-Length: 900"), padding),
            "chunks": (post_head(stand, "Transfer-Encoding: chunked"), b"1\r\n \r\n" * 50),
            "a chunk's extension": (post_head(stand, "Transfer-Encoding: chunked"), b"1;" + b"x" * 200),
            "trailers": (post_head(stand, "Transfer-Encoding: chunked") + chunked(body)[:-2], b"X: " + b"x" * 200),
            "a refused body": (head("POST", "/v1/messages", None, "Content-Length: 900"), padding),
            "a body to nowhere": (head("POST", "/nowhere", None, "Content-Length: 900"), padding),
            "nothing at all": (b"", b""),
            "half a line": (b"GET /v1", b""),
            "nothing after a whole request": (head("GET", "/nowhere"), b""),
        }
        took = {}

        def drip(name):
            begun = time.monotonic()
            with Wire(gateway.port) as wire:
                wire.send(slow[name][0])
                if slow[name][0].startswith(b"GET /nowhere"):
                    equal(wire.answer().status, 404, name)
                closed = wire.send_slowly(slow[name][1], 0.1, until=20 * SLOWNESS)
                closed = closed or wire.is_closed(20 * SLOWNESS)
            took[name] = (closed, time.monotonic() - begun)

        in_parallel(drip, slow)
        for name, (closed, seconds) in took.items():
            assert closed, f"{name}: the server goes on reading"
            assert 0.9 < seconds < 6 * SLOWNESS, f"{name}: ended after {seconds:.1f} s"
        equal(accepted(stand), 0, "accepted")


def test_a_body_that_comes_slowly_but_well_is_taken():
    seconds = 2 * SLOWNESS
    with served("--request-timeout", f"{seconds}s") as (stand, gateway), Wire(gateway.port) as wire:
        body = b" " * (5000 * (seconds + 1)) + body_of()
        wire.send(post_head(stand, length(body)))
        for at in range(0, len(body), 500):
            assert not wire.is_closed(0.1), "closed although it brings more than 1 KiB a second"
            wire.send(body[at : at + 500])
        equal(wire.answer().status, 202, "accepted")


def test_who_does_not_fetch_the_answer_is_given_up():
    with served(*SLOW) as (stand, gateway):
        bad = [{"payload": {}}] * 1000
        body = json.dumps(bad).encode()
        with Wire(gateway.port) as wire:
            wire.socket.setsockopt(1, 8, 4096)  # SO_RCVBUF: little fits in between
            with contextlib.suppress(OSError):
                for _ in range(100):
                    wire.send(post_head(stand, length(body)) + body)
            wait_until(lambda: is_reset(wire), "the server to give up", 20)


def is_reset(wire):
    with contextlib.suppress(BlockingIOError):
        try:
            wire.socket.setblocking(False)
            wire.socket.send(b"x")
        except (BrokenPipeError, ConnectionResetError):
            return True
        finally:
            wire.socket.setblocking(True)
    return False


def test_clients_that_leave_before_the_answer_leave_nothing_behind():
    with served() as (stand, gateway):
        stand.redis.pause()
        for index in range(100):
            body = body_of(index)
            wire = Wire(gateway.port).send(post_head(stand, length(body)) + body)
            (wire.reset if index % 2 else wire.close)()
        for path in ("/v1/messages/m1", "/v1/campaigns/c", "/v1/status"):
            Wire(gateway.port).send(head("GET", path, stand.token)).reset()
        stand.redis.resume()
        with Client(gateway.port, stand.token) as client:
            wait_until(lambda: client.get("/v1/status").status == 200, "it to serve again")
        assert accepted(stand) <= 100


def test_what_a_client_asked_for_before_it_closed_its_own_side_is_done():
    with served() as (stand, gateway):
        for index in range(50):
            body = body_of(index)
            with Wire(gateway.port) as wire:
                answer = wire.send(post_head(stand, length(body)) + body).half_close().answer()
                assert answer is None or answer.status == 202, answer
        wait_until(lambda: accepted(stand) == 50, "all of them to be accepted")


# --- Redis ---


def expect_unavailable(answer, *codes):
    equal((answer.status, answer.type), (503, "application/problem+json"), f"{answer}")
    assert answer.code in codes, answer
    assert int(answer.headers["Retry-After"]) > 0, answer


def test_redis_away_is_said_at_once_and_what_was_accepted_is_kept():
    with served(stand_options={"appendfsync": "always"}) as (stand, gateway):
        with Client(gateway.port, stand.token) as client:
            said_yes = [client.post("/v1/messages", message(index)).json["id"] for index in range(20)]
            stand.redis.kill()
            asks = (
                lambda: client.post("/v1/messages", message(99)),
                lambda: client.post("/v1/messages", messages(3)),
                lambda: client.get("/v1/messages/m1"),
                lambda: client.get("/v1/campaigns/c"),
                lambda: client.post("/v1/campaigns/c/pause"),
                lambda: client.get("/v1/status"),
            )
            wait_until(lambda: asks[0]().status == 503, "the gateway to notice")
            for ask_once in asks:
                begun = time.monotonic()
                expect_unavailable(ask_once(), "redis_away")
                assert time.monotonic() - begun < 1 * SLOWNESS, "at once"
            equal(client.get("/nowhere").status, 404, "what needs no Redis")
            stand.redis.start()
            wait_until(lambda: client.post("/v1/messages", message(100)).status == 202, "Redis to be back")
        found = {json.loads(item)["id"] for item in stand.redis.call("LRANGE", flow.READY, 0, -1)}
        equal(found, {*said_yes, "m100"}, "on the list")


def test_a_paused_redis_is_waited_for_but_not_for_ever_and_who_was_told_no_is_not_served_later():
    with served("--threads", "1") as (stand, gateway):
        first = Client(gateway.port, stand.token)
        equal(first.post("/v1/messages", message(0)).status, 202, "before")
        stand.redis.pause()
        took = {}

        def post(index):
            begun = time.monotonic()
            with Client(gateway.port, stand.token) as client:
                answer = (client.get("/v1/status") if index == 50 else client.get("/v1/messages/m0") if index == 51
                          else client.post("/v1/messages", message(index, id=None)))
            took[index] = (time.monotonic() - begun, answer)

        in_parallel(post, range(1, 52))
        for index, (seconds, answer) in took.items():
            expect_unavailable(answer, "timeout", "redis_away")
            assert PATIENCE - 0.5 < seconds < PATIENCE + 3 * SLOWNESS, f"{index}: {seconds:.1f} s"
        stand.redis.resume()
        wait_until(lambda: first.post("/v1/messages", message(90)).status == 202, "Redis to be back")
        late = accepted(stand) - 2
        assert late < 49, f"{late} of 49 messages were accepted after no had been said"
        first.close()


def test_a_redis_that_restarts_loses_nothing_that_was_said_yes_to():
    with served(stand_options={"appendfsync": "always"}) as (stand, gateway):
        said_yes, stop = set(), threading.Event()

        def write(first):
            with Client(gateway.port, stand.token) as client:
                for index in itertools.count(first, 4):
                    if stop.is_set():
                        return
                    answer = client.post("/v1/messages", message(index))
                    if answer.status == 202:
                        said_yes.add(answer.json["id"])
                    else:
                        expect_unavailable(answer, "redis_away", "timeout")
                        stop.wait(0.01)

        threads = [threading.Thread(target=write, args=(first,), daemon=True) for first in range(4)]
        for thread in threads:
            thread.start()
        for ending in (stand.redis.kill, stand.redis.stop):
            before = len(said_yes)
            wait_until(lambda: len(said_yes) > before + 50, "50 to be accepted")
            ending()
            stand.redis.start()
        before = len(said_yes)
        wait_until(lambda: len(said_yes) > before + 50, "50 to be accepted after that")
        stop.set()
        for thread in threads:
            thread.join(30)
        found = [json.loads(item)["id"] for item in stand.redis.call("LRANGE", flow.READY, 0, -1)]
        equal(said_yes - set(found), set(), "accepted and gone")
        equal(len(found), len(set(found)), "each is there once")


def test_a_redis_that_refuses_is_503_and_takes_nothing():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        equal(client.post("/v1/messages", message(1)).status, 202, "before")
        ways = (
            (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
            (("CONFIG", "SET", "min-replicas-to-write", "3"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
            (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        )
        for spoil, mend in ways:
            stand.redis.call(*spoil)
            for _ in range(3):
                expect_unavailable(client.post("/v1/messages", message(2)), "redis_away")
            answer = client.post("/v1/messages", messages(3, 10))
            if answer.type == "application/problem+json":
                expect_unavailable(answer, "redis_away")
            else:
                equal((answer.status, answer.json["put_off"]), (503, 3), f"{answer}")
            stand.redis.call(*mend)
            equal(accepted(stand), 1, f"accepted after {spoil}")
            wait_until(lambda: client.get("/v1/messages/m1").status == 200, f"{mend} to be noticed")
        wait_until(lambda: client.post("/v1/messages", message(2)).status == 202, "it to accept again")


def test_keys_of_a_wrong_type_are_503_and_nothing_is_half_done():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        for name in ("ready", "counts", "audit", "delayed"):
            stand.redis.call("SET", flow.KEY + name, "x")
            expect_unavailable(client.post("/v1/messages", message(5)), "redis_refused", "redis_away")
            answer = client.post("/v1/messages", messages(2, 5))
            equal(answer.status, 503, f"{answer}")
            stand.redis.call("DEL", flow.KEY + name)
            equal(stand.redis.call("EXISTS", flow.READY), 0, f"pushed although {name} is a text")
        stand.redis.call("SET", flow.KEY + "message:m7", "x")
        expect_unavailable(client.get("/v1/messages/m7"), "redis_refused")
        stand.redis.call("SET", flow.KEY + "campaign:c", "x")
        expect_unavailable(client.get("/v1/campaigns/c"), "redis_refused", "redis_away")


def test_a_job_that_gave_up_waiting_is_not_answered_into_the_next():
    with served() as (stand, gateway), Client(gateway.port, stand.token) as client:
        stand.redis.pause()
        in_parallel(lambda path: expect_unavailable(once(stand, gateway, path), "timeout", "redis_away"),
                    ["/v1/status", "/v1/campaigns/a", "/v1/status", "/v1/campaigns/b", "/v1/status", "/v1/status"])
        stand.redis.kill()
        stand.redis.start()
        for _ in range(8):
            wait_until(lambda: client.get("/v1/status").status == 200, "it to serve again", 30)
            equal(client.get("/v1/campaigns/a").status, 404, "no such campaign")


def once(stand, gateway, path):
    with Client(gateway.port, stand.token) as client:
        return client.get(path)


# --- ten thousand ---


def test_ten_thousand_idle_connections_cost_little_and_hold_up_nobody():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    most = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    limit = 64 if SLOWNESS == 1 else 4096
    with served() as (stand, gateway):
        base, idle = gateway.memory_mib(), []
        try:
            for _ in range(most):
                idle.append(Wire(gateway.port))
            wait_until(lambda: gateway.descriptors() > most, "all to be taken")
            silent = gateway.memory_mib()
            expect_served(stand, gateway)
            for wire in idle:
                wire.send(head("GET", "/nowhere"))
                equal(wire.answer().status, 404, "a request on each")
            expect_served(stand, gateway)
            kept = gateway.memory_mib()
        finally:
            for wire in idle:
                wire.close()
        print(f"{most} connections: {base:.1f} MiB before, {silent:.1f} MiB silent, {kept:.1f} MiB after a request each")
        assert silent < limit and kept < limit, f"{base:.1f}, {silent:.1f}, {kept:.1f} MiB"


def expect_served(stand, gateway):
    with Client(gateway.port, stand.token) as client:
        times = []
        for index in range(200):
            begun = time.monotonic()
            equal(client.post("/v1/messages", message(index)).status, 202, "accepted")
            times.append(time.monotonic() - begun)
    assert sorted(times)[len(times) // 2] < 0.02 * SLOWNESS, f"half of them took longer than {sorted(times)[100]:.3f} s"


def test_above_max_connections_others_wait_and_are_served_when_there_is_room():
    with served("--max-connections", "8", "--threads", "1") as (stand, gateway):
        held = [Wire(gateway.port) for _ in range(9)]
        late = Wire(gateway.port).send(head("GET", "/nowhere"))
        assert not late.is_closed(0.3), "turned away"
        for wire in held:
            wire.close()
        equal(late.answer().status, 404, "served when there is room")
        late.close()


if __name__ == "__main__":
    tap.run(globals())
