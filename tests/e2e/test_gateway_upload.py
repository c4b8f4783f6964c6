#!/usr/bin/python3
"""herald-gateway: streams of lines, personalisation on the server, the upload of campaigns."""

import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, READY
from http_client import Client, Wire, head
from stand import SLOWNESS, Stand, program, wait_until
from tap import equal

LINES = "application/x-ndjson"
CSV = "text/csv"
STREAMED = 200_000 if SLOWNESS == 1 else 20_000
BOUNDARY = "------------between"
FORM = f"multipart/form-data; boundary={BOUNDARY}"

TEMPLATE = {
    "name": "ready",
    "channel": "sms",
    "from": "+13175550100",
    "default_language": "en",
    "texts": {"en": "Hello {{name|friend}}, order {{order}}", "fr": "Bonjour {{name|}}, {{order}}"},
    "expires_after": "2h",
    "labels": {"team": "north"},
}


def number(index):
    return f"+1317{index:07}"


def message(index, **changes):
    return {**flow.message(index), "id": None, "idempotency_key": f"key-{index}", **changes}


def line(index, **changes):
    return json.dumps(message(index, **changes)).encode() + b"\n"


def asked(**changes):
    """A message that is to be made of a template."""
    whole = {
        "template": "ready",
        "to": "+13175550199",
        "variables": {"name": "Ann", "order": 12},
        "consentVerified": True,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def post(stand, gateway, path, body, kind="application/json", **headers):
    with Client(gateway.port, stand.token, timeout=90 * SLOWNESS) as client:
        body = body.encode() if isinstance(body, str) else body
        return client.post(path, body, headers={"Content-Type": kind, **headers})


def stream(stand, gateway, body, **headers):
    return post(stand, gateway, "/v1/messages", body, LINES, **headers)


def results(answer):
    return [json.loads(text) for text in answer.body.splitlines()]


def begin(stand, gateway, path, kind, length):
    """The headers of a request; its body is the caller's."""
    wire = Wire(gateway.port, timeout=90 * SLOWNESS)
    return wire.send(head("POST", path, stand.token, f"Content-Type: {kind}", f"Content-Length: {length}"))


def waiting(stand):
    return stand.redis.call("LLEN", READY)


def enqueued(stand):
    """Oldest first."""
    return [json.loads(text) for text in reversed(stand.redis.call("LRANGE", READY, 0, -1))]


def expect_each_once(stand, count):
    ids = [envelope["idempotency_key"] for envelope in enqueued(stand)]
    equal((len(ids), len(set(ids))), (count, count), "messages, different ones")


def resident(process, what="VmHWM"):
    """Bytes, the highest so far."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition(f"{what}:")[2].split()[0]) << 10


def with_templates(stand, *flags, **files):
    folder = stand.path("templates")
    folder.mkdir(exist_ok=True)
    for name, content in {"ready": TEMPLATE, **files}.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return stand.gateway("--templates", folder, *flags)


# --- streams of lines ---


def test_each_line_has_its_result_in_the_order_of_the_lines():
    body = b"\xef\xbb\xbf" + line(1).replace(b"\n", b"\r\n") + b"\n  \t\r\n" + b"{nonsense\n"
    body += line(2, priority="urgent") + line(3, metadata=None) + json.dumps(flow.payload(4)).encode() + b"\n"
    body += line(5).strip()
    with Stand() as stand:
        answer = stream(stand, stand.gateway(), body)
        equal((answer.status, answer.headers["Content-Type"]), (207, LINES), "status, type")
        told = [(item["line"], item["status"], item.get("code"), item.get("pointer")) for item in results(answer)]
        expected = [
            (1, "accepted", None, None),
            (4, "refused", "json_invalid", None),
            (5, "refused", "field_invalid", "/priority"),
            (6, "refused", "consent_missing", "/metadata/consentVerified"),
            (7, "refused", "consent_missing", "/metadata/consentVerified"),
            (8, "accepted", None, None),
        ]
        equal(told, expected, "results")
        ids = [item["id"] for item in results(answer) if item["status"] == "accepted"]
        equal([envelope["id"] for envelope in enqueued(stand)], ids, "ids on the list")


def test_the_bytes_may_be_cut_anywhere():
    body = b"\xef\xbb\xbf" + line(1).replace(b"\n", b"\r\n") + b"{}\n\n" + line(2).strip()
    with Stand() as stand:
        gateway = stand.gateway()
        with begin(stand, gateway, "/v1/messages", LINES, len(body)) as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in body:
                wire.send(bytes([byte]))
            answer = wire.answer()
        equal([(item["line"], item["status"]) for item in results(answer)],
              [(1, "accepted"), (2, "refused"), (4, "accepted")], "results")
        chunked = stream(stand, gateway, (body[at : at + 7] for at in range(0, len(body), 7)))
        equal([item.get("id") for item in results(chunked)], [item.get("id") for item in results(answer)], "again, in chunks")


def test_all_accepted_none_accepted_and_nothing_there_have_their_own_status():
    with Stand() as stand:
        gateway = stand.gateway()
        equal(stream(stand, gateway, line(1) + line(2)).status, 202, "all")
        equal(post(stand, gateway, "/v1/messages", line(3), "application/jsonl").status, 202, "another name")
        equal(post(stand, gateway, "/v1/messages", line(4), "application/x-jsonlines; x=y").status, 202, "a third")
        equal(stream(stand, gateway, b"{}\n[]\n").status, 422, "none")
        for nothing in (b"", b"\n\r\n \n"):
            answer = stream(stand, gateway, nothing)
            equal((answer.status, answer.json["code"]), (422, "lines_missing"), repr(nothing))
        equal(waiting(stand), 4, "messages")


def test_a_line_that_is_too_long_is_refused_and_skipped_to_its_end():
    with Stand() as stand:
        gateway = stand.gateway()
        long = b'{"x":"' + b"y" * 3_000_000 + b'"}\n'
        answer = stream(stand, gateway, line(1) + long + line(2) + long.strip())
        equal([item["status"] for item in results(answer)], ["accepted", "refused", "accepted", "refused"], "results")
        assert "983040 bytes" in results(answer)[1]["detail"], results(answer)[1]


def test_a_requests_key_is_the_key_of_each_of_its_lines():
    def keyless(index):
        return line(index, idempotency_key=None)

    with Stand() as stand:
        gateway = stand.gateway()
        body = b"".join(keyless(index) for index in range(100))
        first = stream(stand, gateway, body, **{"Idempotency-Key": "batch"})
        again = stream(stand, gateway, body, **{"Idempotency-Key": "batch"})
        equal((first.status, again.status), (202, 202), "status")
        equal((first.headers["Idempotency-Replayed"], again.headers["Idempotency-Replayed"]), (None, "true"), "replayed")
        equal(again.body, first.body, "the first answer again")
        other = stream(stand, gateway, keyless(0) + keyless(7), **{"Idempotency-Key": "batch"})
        equal([item.get("code") for item in results(other)], [None, "idempotency_key_reused"], "another line")
        equal(waiting(stand), 100, "messages")


def test_a_connection_that_breaks_leaves_no_half_line_behind():
    with Stand() as stand:
        gateway = stand.gateway("--threads", "1")
        for cut in (line(3)[:40], line(3).strip()):  # in the middle; and whole, but nobody knows that it is
            stand.redis.call("FLUSHALL")
            body = line(1) + line(2) + cut
            connection = begin(stand, gateway, "/v1/messages", LINES, len(body) + 1)
            connection.send(body)
            wait_until(lambda: waiting(stand) == 2, "the whole lines to be accepted")
            connection.close()
            equal(stream(stand, gateway, line(4)).status, 202, "the next request")
            equal([e["idempotency_key"] for e in enqueued(stand)], ["key-1", "key-2", "key-4"], "messages")


def test_a_long_stream_takes_little_memory():
    with Stand(appendonly=False) as stand:
        gateway = stand.gateway()
        before = resident(gateway)

        def body():
            for first in range(0, STREAMED, 500):
                yield b"".join(line(index) for index in range(first, first + 500))

        answer = stream(stand, gateway, body())
        equal((answer.status, len(results(answer)), waiting(stand)), (202, STREAMED, STREAMED), "status, results, messages")
        if SLOWNESS == 1:
            assert resident(gateway) - before < 16 << 20, f"{before} bytes became {resident(gateway)}"


def test_a_restart_of_Redis_in_the_middle_of_a_stream_is_told_line_by_line():
    count = 20_000

    def body(stand):
        for first in range(0, count, 500):
            if first == count // 2:
                stand.redis.restart()
            yield b"".join(line(index) for index in range(first, first + 500))

    with Stand(appendfsync="always") as stand:
        gateway = stand.gateway()
        answer = stream(stand, gateway, body(stand))
        told = results(answer)
        equal([item["line"] for item in told], list(range(1, count + 1)), "lines")
        equal({item.get("code") for item in told} - {None, "redis_away"}, set(), "codes")
        said_yes = {item["id"] for item in told if item["status"] == "accepted"}
        assert said_yes <= {envelope["id"] for envelope in enqueued(stand)}, "said yes to what is not there"
        assert len(said_yes) > count // 2, f"only {len(said_yes)} were accepted"
        again = stream(stand, gateway, b"".join(line(index) for index in range(count)))
        equal(again.status, 202, "the same again")
        expect_each_once(stand, count)


def test_a_Redis_that_is_silent_for_too_long_puts_off_the_rest_of_a_stream():
    count = 3000
    body = b"".join(line(index) for index in range(count))
    with Stand() as stand:
        gateway = stand.gateway()
        stand.redis.pause()
        answer = stream(stand, gateway, body)
        stand.redis.resume()
        equal((answer.status, answer.headers["Retry-After"]), (503, "2"), "status")
        equal([(item["line"], item["code"]) for item in results(answer)],
              [(index + 1, "redis_away") for index in range(count)], "results")
        wait_until(lambda: stream(stand, gateway, body).status == 202, "Redis to be back for the gateway")
        expect_each_once(stand, count)


def test_too_many_streams_at_once_are_turned_away():
    with Stand() as stand:
        gateway = stand.gateway()
        one = line(1)
        with contextlib.ExitStack() as stack:
            opened = []

            def is_full():
                """One more is opened each time, because the stream that asks may have taken the place of one of them."""
                opened.append(stack.enter_context(begin(stand, gateway, "/v1/messages", LINES, len(one))))
                return len(opened) >= 32 and stream(stand, gateway, one).status == 503

            wait_until(is_full, "the next stream to be turned away")
            busy = stream(stand, gateway, one)
            equal((busy.status, busy.json["code"]), (503, "busy"), "one too many")
            assert busy.headers["Retry-After"]
            opened[0].send(one)
            equal(opened[0].answer().status, 202, "the first of them")
            wait_until(lambda: stream(stand, gateway, one).status == 202, "room for the next stream")


def test_results_that_cannot_be_kept_are_said_with_what_was_accepted():
    body = b"".join(line(index) for index in range(5000))
    with Stand() as stand:
        gateway = stand.gateway("--max-upload", "100000")
        answer = stream(stand, gateway, body)
        equal((answer.status, answer.json["code"]), (507, "spool_full"), repr(answer))
        assert f" {waiting(stand)} were accepted" in answer.json["detail"], answer
        assert 0 < waiting(stand) < 5000, waiting(stand)
        nowhere = stand.gateway("--spool-dir", "/nonexistent", env={"HERALD_MAX_UPLOAD": "100000"})
        nowhere.wait_for("uploads and streams will be refused")
        assert "/nonexistent (--spool-dir): No such file or directory" in nowhere.log(), nowhere.log()
        answer = stream(stand, nowhere, body)
        equal((answer.status, answer.json["code"]), (507, "spool_full"), repr(answer))
        assert "--spool-dir" in answer.json["detail"]


def test_lines_beyond_the_backlog_are_put_off():
    with Stand() as stand:
        gateway = stand.gateway("--max-backlog", "10")
        answer = stream(stand, gateway, b"".join(line(index) for index in range(12)))
        equal([item.get("code") for item in results(answer)], [None] * 10 + ["backlog_full"] * 2, "codes")
        equal((answer.status, answer.headers["Retry-After"]), (207, "30"), "status")
        csv = people(3)
        answer = post(stand, gateway, upload_path(template=json.dumps(TEMPLATE)), csv, CSV)
        equal((answer.status, answer.json["code"], answer.headers["Retry-After"]), (503, "backlog_full", "30"), "upload")
        equal(waiting(stand), 10, "messages")


# --- templates ---


def test_a_message_is_made_of_a_template():
    whatsapp = {"channel": "whatsapp", "from": "line-1", "responseId": "r-1", "bodyParameters": ["{{name}}"]}
    cases = [
        ({}, {"textBody": "Hello Ann, order 12", "toAddress": "+13175550199"}, {"labels": {"team": "north", "template": "ready"}}),
        ({"language": "fr"}, {"textBody": "Bonjour Ann, 12"}, {}),
        ({"language": "pt"}, {"textBody": "Hello Ann, order 12"}, {}),
        ({"to": "+33612345678"}, {"textBody": "Bonjour Ann, 12"}, {}),
        ({"variables": {"order": 1.5, "name": None}}, {"textBody": "Hello friend, order 1.5"}, {}),
        ({"variables": {"order": "{{name}}", "name": True}}, {"textBody": "Hello true, order {{name}}"}, None),
        ({"from": "+13175550111"}, {"fromAddress": "+13175550111"}, {}),
        ({"template": {**TEMPLATE, "texts": {"en": "Inline"}}}, {"textBody": "Inline"}, {}),
        ({"template": "whatsapp", "to": "+13175550101"},
         {"messagingTemplate": {"responseId": "r-1", "bodyParameters": [{"id": "1", "value": "Ann"}]}}, {}),
        ({"route": "messaging"}, {"content": {"type": "text", "text": "Hello Ann, order 12"}}, {"route": "messaging"}),
        ({"labels": {"x": "y"}, "campaign": "c", "id": "mine", "expires_at": 4102444800000},
         {}, {"labels": {"x": "y"}, "campaign": "c", "id": "mine", "expires_at": 4102444800000}),
        ({"consentVerified": None, "metadata": {"consentVerified": True, "x": 1}}, {},
         {"metadata": {"consentVerified": True, "x": 1}}),
        ({"metadata": {"x": 1}, "x-trace": [1]}, {},
         {"metadata": {"x": 1, "consentVerified": True}, "x-trace": [1]}),
    ]
    with Stand() as stand:
        gateway = with_templates(stand, whatsapp=whatsapp)
        for changes, payload, envelope in cases:
            if envelope is None:
                answer = post(stand, gateway, "/v1/messages", asked(**changes))
                equal((answer.status, answer.json["code"]), (422, "placeholder_unresolved"), repr(changes))
                continue
            stand.redis.call("FLUSHALL")
            answer = post(stand, gateway, "/v1/messages", asked(**changes))
            equal(answer.status, 202, f"{changes}: {answer}")
            [found] = enqueued(stand)
            equal({name: found["payload"][name] for name in payload}, payload, repr(changes))
            equal({name: found[name] for name in envelope}, envelope, repr(changes))
            equal(found["id"], answer.json["id"], "id")
            own = {"template", "to", "variables", "language", "from", "consentVerified"}
            assert not own & set(found), found


def test_what_is_wrong_with_a_message_to_be_made_is_said_with_its_place():
    cases = [
        ({"template": "none"}, "template_unknown", "/template"),
        ({"template": "../ready"}, "template_unknown", "/template"),
        ({"template": 1}, "field_invalid", "/template"),
        ({"template": {**TEMPLATE, "channel": "pigeon"}}, "template_invalid", "/template"),
        ({"template": {**TEMPLATE, "texts": {"en": "{{"}}}, "template_invalid", "/template"),
        ({"to": None}, "field_missing", "/to"),
        ({"to": 12}, "field_invalid", "/to"),
        ({"to": "12"}, "address_invalid", "/to"),
        ({"consentVerified": None}, "consent_missing", "/consentVerified"),
        ({"consentVerified": "true"}, "consent_missing", "/consentVerified"),
        ({"metadata": {"consentVerified": False}}, "consent_missing", "/consentVerified"),
        ({"consentVerified": None, "metadata": {"consentVerified": False}}, "consent_missing",
         "/metadata/consentVerified"),
        ({"metadata": 5}, "field_invalid", "/metadata"),
        ({"variables": []}, "field_invalid", "/variables"),
        ({"variables": {"order": 1, "a~/b": {}}}, "field_invalid", "/variables/a~0~1b"),
        ({"variables": {"order": "x\0"}}, "field_invalid", "/variables/order"),
        ({"variables": {}}, "placeholder_unresolved", "/variables/order"),
        ({"variables": {"order": "x" * 800}}, "text_too_long", "/template"),
        ({"language": 3}, "field_invalid", "/language"),
        ({"from": "shop"}, "field_invalid", "/from"),
        ({"from": []}, "field_invalid", "/from"),
        ({"route": "pigeon"}, "field_invalid", "/route"),
        ({"send_at": "soon"}, "field_invalid", "/send_at"),
        ({"campaign": "a b"}, "field_invalid", "/campaign"),
        ({"labels": []}, "field_invalid", "/labels"),
    ]
    with Stand() as stand:
        gateway = with_templates(stand)
        for changes, code, pointer in cases:
            answer = post(stand, gateway, "/v1/messages", asked(**changes))
            equal((answer.status, answer.json["code"], answer.json.get("pointer")), (422, code, pointer), repr(changes))
        items = post(stand, gateway, "/v1/messages", [asked(), asked(to="1")]).json["items"]
        equal([item.get("pointer") for item in items], [None, "/1/to"], "in an array")
        body = b"".join(json.dumps(asked(to=to)).encode() + b"\n" for to in ("1", number(1)))
        told = results(stream(stand, gateway, body))
        equal([item.get("pointer") for item in told], ["/to", None], "in lines")


def test_the_same_message_to_be_made_again_is_accepted_once():
    with Stand() as stand:
        gateway = with_templates(stand)
        first = post(stand, gateway, "/v1/messages", asked(idempotency_key="k"))
        (stand.path("templates") / "ready.json").write_text(json.dumps({**TEMPLATE, "texts": {"en": "{{order}}"}}))
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("templates read again")
        again = post(stand, gateway, "/v1/messages", asked(idempotency_key="k"))
        equal((again.status, again.json), (202, first.json), "the same, although the template is another one")
        other = post(stand, gateway, "/v1/messages", asked(idempotency_key="k", variables={"order": 13}))
        equal((other.status, other.json["code"]), (422, "idempotency_key_reused"), "another message")
        equal(waiting(stand), 1, "messages")


def test_templates_are_read_again_on_SIGHUP_and_the_old_ones_stay_when_one_is_wrong():
    with Stand() as stand:
        gateway = with_templates(stand)
        folder = stand.path("templates")

        def text():
            stand.redis.call("FLUSHALL")
            equal(post(stand, gateway, "/v1/messages", asked()).status, 202, "status")
            return enqueued(stand)[0]["payload"]["textBody"]

        equal(text(), "Hello Ann, order 12", "before")
        (folder / "ready.json").write_text("{")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("the old ones stay")
        equal(text(), "Hello Ann, order 12", "the old one")
        (folder / "ready.json").write_text(json.dumps({**TEMPLATE, "texts": {"en": "New {{order}}"}}))
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("templates read again")
        equal(text(), "New 12", "the new one")


def test_a_template_that_cannot_be_used_ends_the_start():
    cases = {
        "ready": ("{", "ready.json"),
        "no-channel": (json.dumps({"texts": {"en": "x"}}), "'channel' is missing"),
        "bad-sender": (json.dumps({**TEMPLATE, "from": "shop"}), "sent from a number"),
        "bad name": (json.dumps(TEMPLATE), "letters, digits"),
    }
    with Stand() as stand:
        for index, (name, (content, reason)) in enumerate(cases.items()):
            folder = stand.path(f"folder-{index}")
            folder.mkdir()
            (folder / f"{name}.json").write_text(content)
            expect_no_start(stand, folder, reason)
        expect_no_start(stand, stand.path("nowhere"), "cannot open")


def expect_no_start(stand, folder, reason):
    command = [program("herald-gateway"), "--listen", "127.0.0.1:0", "--templates", folder]
    done = subprocess.run(command, env=stand.environment(), capture_output=True, timeout=30 * SLOWNESS)
    equal(done.returncode, 2, f"exit status with {folder}")
    assert reason in done.stderr.decode(), done.stderr


# --- campaigns ---


def people(count, first=0):
    return "to,name,order,consentVerified\n" + "".join(
        f"{number(index)},Ann,{index},true\n" for index in range(first, first + count)
    )


def upload_path(**query):
    return "/v1/campaigns?" + urllib.parse.urlencode({"campaign": "spring", "template": "ready", **query})


def form(*parts, is_whole=True):
    """Parts are (name, content) or (name, content, type)."""
    body = b""
    for name, content, *kind in parts:
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        body += f'; filename="x"\r\nContent-Type: {kind[0]}'.encode() if kind else b""
        body += b"\r\n\r\n" + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if is_whole else b"")


def test_an_upload_is_what_the_command_would_have_sent():
    with Stand() as stand:
        gateway = with_templates(stand)
        answer = post(stand, gateway, upload_path(), people(1000), CSV)
        equal((answer.status, answer.json["accepted"], answer.json["refused_rows"]), (202, 1000, []), repr(answer))
        uploaded = enqueued(stand)
        again = post(stand, gateway, upload_path(), people(1000), CSV)
        equal((again.status, again.json["accepted"], again.json["duplicates"]), (202, 0, 1000), "the same again")
        template, rows = stand.path("templates") / "ready.json", stand.write("people.csv", people(1000))
        command = ("campaign", "send", "--template", template, "--recipients", rows, "--json", "--campaign")
        result = stand.herald(*command, "spring", check=True).json
        equal((result["accepted"], result["duplicates"]), (0, 1000), "the command, after it")
        equal(set(answer.json), set(result) | {"refused_rows"}, "the members of the answer")
        stand.redis.call("FLUSHALL")
        stand.herald(*command, "spring", check=True)

        def bare(envelopes):
            """Without what is chance or time, and in an order that does not depend on which batch came first."""
            kept = [{name: envelope[name] for name in envelope if name not in ("id", "herald", "expires_at")}
                    for envelope in envelopes]
            return sorted(kept, key=lambda envelope: envelope["payload"]["toAddress"])

        equal(bare(enqueued(stand)), bare(uploaded), "messages")


def test_the_trace_of_an_upload_is_that_of_its_messages():
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    later = trace.replace("00-", "cc-", 1)
    cases = [("same", trace, trace), ("later", later + "-" + "x" * 2000, later), ("wrong", trace.upper(), None), ("none", None, None)]
    with Stand() as stand:
        gateway = with_templates(stand)
        for campaign, header, expected in cases:
            headers = {"traceparent": header} if header else {}
            equal(post(stand, gateway, upload_path(campaign=campaign), people(2), CSV, **headers).status, 202, campaign)
            found = [envelope.get("traceparent") for envelope in enqueued(stand) if envelope["campaign"] == campaign]
            equal(found, [expected] * 2, f"traces of {campaign}")


def test_refused_rows_are_told_and_the_others_are_accepted():
    rows = people(2) + "12,Ann,1,true\n" + f"{number(5)},Ann,,true\n{number(6)},Ann,6,no\n"
    rows += "".join(f"{index},Ann,1,true\n" for index in range(200))
    with Stand() as stand:
        gateway = with_templates(stand)
        answer = post(stand, gateway, upload_path(), rows, CSV)
        equal((answer.status, answer.json["accepted"], answer.json["refused"]), (207, 2, 203), repr(answer))
        shown = answer.json["refused_rows"]
        equal(len(shown), 100, "rows shown")
        equal([(row["line"], row["column"], row["code"]) for row in shown[:3]],
              [(4, "to", "address_invalid"), (5, "order", "placeholder_unresolved"),
               (6, "consentVerified", "consent_missing")], "rows")
        assert all(row["detail"] for row in shown)
        none = post(stand, gateway, upload_path(), "to,name,order,consentVerified\n1,Ann,1,true\n", CSV)
        equal((none.status, none.json["accepted"], none.json["refused"]), (422, 0, 1), "none")
        equal(waiting(stand), 2, "messages")


def test_recipients_may_be_lines_of_JSON_and_everything_may_be_in_a_form():
    lines = "".join(json.dumps({"to": number(i), "order": i, "consentVerified": True}) + "\n" for i in range(20))
    with Stand() as stand:
        gateway = with_templates(stand)
        equal(post(stand, gateway, upload_path(campaign="lines"), lines, LINES).json["accepted"], 20, "lines")
        inline = json.dumps({**TEMPLATE, "name": "inline"})
        for kind in (LINES, "application/octet-stream"):
            body = form(("campaign", kind[:11].replace("/", "-") + kind[-5:]), ("recipients", lines, kind), ("template", inline))
            answer = post(stand, gateway, "/v1/campaigns", body, FORM)
            equal((answer.status, answer.json["accepted"]), (202, 20), f"{kind}: {answer}")
        body = form(("template", "ready"), ("from", "+13175550111"), ("route", "messaging"), ("key", "order"),
                    ("send_at", "2100-01-01T00:00:00Z"), ("recipients", people(5), CSV))
        answer = post(stand, gateway, "/v1/campaigns", (body[at : at + 100] for at in range(0, len(body), 100)), FORM)
        equal(answer.status, 202, repr(answer))
        equal((answer.json["campaign"], answer.json["accepted"]), ("ready", 5), "campaign, accepted")
        [first, *_] = stand.redis.call("ZRANGE", KEY + "delayed", 0, -1)
        envelope = json.loads(first)
        equal((envelope["route"], envelope["payload"]["from"]["address"], envelope["send_at"]),
              ("messaging", "+13175550111", 4102444800000), "the fields of the form")


def test_recipients_that_cannot_be_read_to_their_end_are_told_with_what_was_accepted():
    broken = "".join(f'"{index}" x,Ann,1,true\n' for index in range(1100))  # more than are worth reading on
    with Stand() as stand:
        answer = post(stand, with_templates(stand), upload_path(), people(3) + broken, CSV)
        equal((answer.status, answer.json["accepted"]), (207, 3), repr(answer))
        equal(answer.json["problem"]["code"], "recipients_invalid", "problem")
        equal(waiting(stand), 3, "messages")


def test_what_is_wrong_with_an_upload_is_said_with_its_place():
    good = people(3)
    cases = [
        (upload_path(template="none"), good, CSV, 422, "template_unknown", "/template"),
        (upload_path(template="{"), good, CSV, 422, "template_invalid", "/template"),
        (upload_path(template=""), good, CSV, 422, "field_missing", "/template"),
        (upload_path(campaign="a b"), good, CSV, 422, "field_invalid", "/campaign"),
        (upload_path(campaign="x" * 300), good, CSV, 422, "field_invalid", "/campaign"),
        (upload_path(**{"from": "shop"}), good, CSV, 422, "template_invalid", "/from"),
        (upload_path(route="pigeon"), good, CSV, 422, "template_invalid", "/route"),
        (upload_path(send_at="soon"), good, CSV, 422, "field_invalid", "/send_at"),
        (upload_path(key="none"), good, CSV, 422, "column_missing", "/recipients"),
        (upload_path(), "to,name\n", CSV, 422, "column_missing", "/recipients"),
        (upload_path(), "to,order,name,consentVerified\n", CSV, 422, "recipients_empty", "/recipients"),
        (upload_path(), "", CSV, 422, "recipients_invalid", "/recipients"),
        (upload_path(), "PK\x03\x04", CSV, 422, "recipients_invalid", "/recipients"),
        (upload_path(), good, "text/plain", 415, "type_unsupported", None),
        (upload_path(), good, "multipart/form-data", 415, "type_unsupported", None),
        (upload_path(), good * 2000, CSV, 413, "body_too_large", None),
        (upload_path(), iter([good.encode() * 2000]), CSV, 413, "body_too_large", None),
        ("/v1/campaigns", form(("recipients", good, CSV)), FORM, 422, "field_missing", "/template"),
        ("/v1/campaigns", form(("template", "ready")), FORM, 422, "field_missing", "/recipients"),
        ("/v1/campaigns", form(("pigeon", "x")), FORM, 422, "field_unknown", None),
        ("/v1/campaigns", form(("key", "x"), ("key", "y")), FORM, 422, "field_repeated", "/key"),
        (upload_path(), form(("template", "x")), FORM, 422, "field_repeated", "/template"),
        ("/v1/campaigns", form(("template", b"rea\0dy"), ("recipients", good)), FORM, 422, "field_invalid", "/template"),
        ("/v1/campaigns", form(("template", "ready"), ("recipients", good), is_whole=False), FORM, 400, "form_invalid",
         None),
    ]
    with Stand() as stand:
        gateway = with_templates(stand, "--max-upload", "100000")
        for path, body, kind, status, code, pointer in cases:
            answer = post(stand, gateway, path, body, kind)
            what = f"{path} {kind} {answer}"
            equal((answer.status, answer.json["code"], answer.json.get("pointer")), (status, code, pointer), what)
        equal(waiting(stand), 0, "messages")


def test_nothing_of_an_upload_that_breaks_off_is_enqueued():
    with Stand() as stand:
        gateway = with_templates(stand, "--threads", "1")
        body = people(1000).encode()
        connection = begin(stand, gateway, upload_path(), CSV, len(body) + 1)
        connection.send(body)
        connection.close()
        answer = post(stand, gateway, upload_path(campaign="next"), people(1), CSV)
        equal((answer.status, waiting(stand)), (202, 1), "only what came whole")
        assert not stand.redis.call("EXISTS", KEY + "campaign:spring")


def test_a_client_that_goes_away_after_its_upload_does_not_end_it():
    with Stand() as stand:
        gateway = with_templates(stand)
        body = people(5000).encode()
        stand.redis.pause()
        connection = begin(stand, gateway, upload_path(), CSV, len(body))
        connection.send(body)
        stand.redis.resume()
        connection.close()
        wait_until(lambda: waiting(stand) == 5000, "all of them to be enqueued")


def test_long_uploads_leave_clerks_for_short_questions():
    with Stand() as stand:
        gateway = with_templates(stand)
        post(stand, gateway, upload_path(), people(1), CSV)
        body = people(100_000 if SLOWNESS == 1 else 10_000).encode()
        uploads = []
        for index in range(6):
            uploads.append(begin(stand, gateway, upload_path(campaign=f"c{index}"), CSV, len(body)))
            uploads[-1].send(body)
        with Client(gateway.port, stand.token) as client:
            equal(client.get("/v1/campaigns/spring").status, 200, "a question meanwhile")
        equal([upload.answer().status for upload in uploads], [202] * 6, "uploads")


def test_an_upload_is_ended_with_the_gateway_and_again_brings_the_rest():
    count = 200_000 if SLOWNESS == 1 else 100_000
    with Stand() as stand:
        gateway = with_templates(stand, "--drain", "0s")
        body = people(count).encode()
        connection = begin(stand, gateway, upload_path(), CSV, len(body))
        connection.send(body)
        wait_until(lambda: waiting(stand) > 0, "the run to have begun")
        equal(gateway.terminate(), 0, "exit status")
        connection.close()
        left = settled_count(stand)
        assert left < count, "the run was over before it could be ended"
        answer = post(stand, with_templates(stand), upload_path(), body, CSV)
        equal((answer.json["accepted"], answer.json["duplicates"]), (count - left, left), "accepted, before")
        equal(waiting(stand), count, "messages")


def test_an_upload_while_Redis_is_away_is_answered_503_with_what_was_done():
    count = 200_000 if SLOWNESS == 1 else 20_000
    with Stand() as stand:
        gateway = with_templates(stand)
        body = people(count).encode()
        connection = begin(stand, gateway, upload_path(), CSV, len(body))
        connection.send(body)
        wait_until(lambda: waiting(stand) > 0, "the run to have begun")
        stand.redis.stop()
        answer = connection.answer()
        equal((answer.status, answer.json["code"]), (503, "redis_away"), repr(answer))
        result = answer.json["result"]
        assert 0 < result["accepted"] < count, result
        stand.redis.start()
        again = wait_until(lambda: uploaded(stand, gateway, body), "Redis to be back for the gateway")
        equal(again.json["accepted"] + again.json["duplicates"], count, "again")
        equal(waiting(stand), count, "messages")


def settled_count(stand):
    """What Redis was sent before its client went is carried out, if it was not yet, before anything new: twice the same."""
    before = None
    while before != waiting(stand):
        before = waiting(stand)
        stand.herald("status", check=True)
    return before


def uploaded(stand, gateway, body):
    answer = post(stand, gateway, upload_path(), body, CSV)
    return answer if answer.status == 202 else None


if __name__ == "__main__":
    tap.run(globals())
