#!/usr/bin/python3
"""herald enqueue: envelopes and bare payloads, a line each, checked and put on the list."""

import contextlib
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, READY, message, messages
from stand import SLOWNESS, Stand, program, wait_until
from tap import equal

OUTBOUND_TUTORIAL = {
    "channelType": "messaging:whatsapp",
    "from": {"address": "whatsapp:+15550001234", "provider": "whatsapp", "channelType": "messaging:whatsapp"},
    "to": [{"address": "whatsapp:+15559998765"}],
    "content": {"type": "text", "text": "Hello Ann, your order 7 is ready."},
    "metadata": {"consentVerified": True, "campaignId": "camp_789"},
}
BOT_TUTORIAL = {
    "conversationId": "c0ffee00-1111-2222-3333-444455556666",
    "to": {"id": "participant-1"},
    "from": {"id": "bot-1"},
    "type": "text",
    "text": "How can I help?",
}
BOT_CARD = {**BOT_TUTORIAL, "type": "card", "cards": [{"title": "Order 7", "subtitle": "ready"}]}
BOT_REPLY = {**BOT_TUTORIAL, "type": "quickReply", "quickReplies": [{"label": "Yes", "payload": "yes"}]}
AGENTLESS = message(1)["payload"]


def lines(*items):
    """One line each: JSON of an object, or text as it is."""
    return "".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in items)


def enqueue(stand, *items, flags=(), **more):
    return stand.herald("enqueue", stand.write("messages.jsonl", lines(*items)), *flags, **more)


def enqueue_json(stand, *items, flags=(), **more):
    return enqueue(stand, *items, flags=("--json", *flags), **more).json


def on_list(stand, priority="normal"):
    """The envelopes on a list, in the order in which they were enqueued."""
    return [json.loads(item) for item in reversed(stand.redis.call("LRANGE", flow.LISTS[priority], 0, -1))]


def rejects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def refused(stand):
    """(line, field, code) of each refused line."""
    found = rejects(stand.path("messages.jsonl.rejects.jsonl"))
    return [(e["rejected_line"], e["rejected_column"], e["rejected_reason"].partition(":")[0]) for e in found]


@contextlib.contextmanager
def running(stand, *arguments):
    """herald with its standard input open, in the stand's folder; it never outlives the block."""
    process = subprocess.Popen(
        [program("herald"), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=stand.environment(),
        cwd=stand.folder,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


# --- what is accepted ---


def test_the_bare_payloads_of_both_tutorials_and_an_envelope_arrive_at_Genesys():
    with Stand() as stand:
        sandbox = stand.sandbox("--keep-texts")
        stand.worker()
        enqueue(stand, OUTBOUND_TUTORIAL, BOT_TUTORIAL, BOT_CARD, BOT_REPLY, message(1), check=True)
        stand.wait_drained()
        found = sorted((entry["route"], entry["to"]) for entry in sandbox.ledger())
        expected = [("agentless", flow.number(1)), *[("conversation", "participant-1")] * 3,
                    ("messaging", "whatsapp:+15559998765")]
        equal(found, expected, "ledger")
        equal(flow.expect_sum(stand, 5)["sent"], 5, "sent")


def test_a_bare_payload_is_given_an_id_and_every_default():
    with Stand() as stand:
        enqueue(stand, OUTBOUND_TUTORIAL, check=True)
        [envelope] = on_list(stand)
        equal((envelope["v"], envelope["payload"]), (1, OUTBOUND_TUTORIAL), "version, payload")
        equal(len(envelope["id"]), 36, "length of the id")
        assert abs(envelope["herald"]["accepted_at"] / 1000 - time.time()) < 60 * SLOWNESS, envelope


def test_fields_that_herald_does_not_know_are_kept():
    with Stand() as stand:
        known = message(1, labels={"a": "b"}, callback_url="https://example.com", my_own={"deep": [1, 2.5, None]})
        enqueue(stand, known, check=True)
        [envelope] = on_list(stand)
        equal({field: envelope[field] for field in known}, known, "envelope")


def test_messages_go_where_send_at_and_priority_say():
    now = int(time.time() * 1000)
    with Stand() as stand:
        later = [message(1, send_at=now + 3600_000), message(2, send_at="2099-01-01T00:00:00+01:00", priority="high")]
        enqueue(stand, *later, message(3, priority="high"), message(4, priority="low"), message(5),
                message(6, send_at="2020-01-01T00:00:00Z"), check=True)
        found = stand.redis.call("ZRANGE", KEY + "delayed", 0, -1, "WITHSCORES")
        due = {json.loads(item)["id"]: int(score) for item, score in zip(found[::2], found[1::2])}
        equal(due, {"m1": now + 3600_000, "m2": 4070905200000}, "delayed")
        ids = {priority: [envelope["id"] for envelope in on_list(stand, priority)] for priority in flow.LISTS}
        equal(ids, {"high": ["m3"], "normal": ["m5", "m6"], "low": ["m4"]}, "lists")
        flow.expect_sum(stand, 6)


def test_campaigns_may_be_mixed_in_one_file():
    names = ["a", "b", "", "a", "b", ""] * 20
    items = [message(index, **({"campaign": name} if name else {})) for index, name in enumerate(names)]
    with Stand() as stand:
        found = enqueue_json(stand, *items, check=True)
        equal((found["accepted"], found["duplicates"]), (120, 0), "accepted, duplicates")
        equal(sorted(envelope["id"] for envelope in on_list(stand)), sorted(item["id"] for item in items), "ids")
        for name in "ab":
            counters = stand.herald("campaign", "status", name, "--json", check=True).json["counters"]
            equal(counters["accepted"], 40, f"accepted by campaign {name}")


def test_a_byte_order_mark_CRLF_blank_lines_and_a_last_line_without_end_are_fine():
    text = "\ufeff" + json.dumps(message(1)) + "\r\n\r\n \n" + json.dumps(message(2)) + "\r\n" + json.dumps(message(3))
    with Stand() as stand:
        stand.herald("enqueue", stand.write("messages.jsonl", text), check=True)
        equal([envelope["id"] for envelope in on_list(stand)], ["m1", "m2", "m3"], "ids")


def test_lines_come_from_standard_input_with_or_without_a_dash():
    with Stand() as stand:
        stand.herald("enqueue", stdin=lines(message(1)), check=True)
        stand.herald("enqueue", "-", stdin=lines(message(2)), check=True)
        equal([envelope["id"] for envelope in on_list(stand)], ["m1", "m2"], "ids")


def test_an_empty_file_is_no_message_and_no_failure():
    with Stand() as stand:
        equal(enqueue_json(stand, check=True)["rows"], 0, "rows")


# --- once ---


def test_an_id_or_an_idempotency_key_is_accepted_once():
    with Stand() as stand:
        found = enqueue_json(stand, message(1), message(1), message(2), check=True)
        equal((found["accepted"], found["duplicates"]), (2, 1), "by id")
        keyed = [message(index, idempotency_key=key) for index, key in ((3, "x"), (4, "x"), (5, "y"))]
        found = enqueue_json(stand, *keyed, check=True)
        equal((found["accepted"], found["duplicates"]), (2, 1), "by key")
        found = enqueue_json(stand, message(1), *keyed, check=True)
        equal((found["accepted"], found["duplicates"]), (0, 4), "in a later run")
        found = enqueue_json(stand, message(1, campaign="other"), check=True)
        equal(found["accepted"], 1, "the same id in a campaign")
        equal([envelope["id"] for envelope in on_list(stand)], ["m1", "m2", "m3", "m5", "m1"], "ids")


def test_an_empty_idempotency_key_makes_nobody_a_duplicate():
    with Stand() as stand:
        found = enqueue_json(stand, *messages(3, idempotency_key=""), check=True)
        equal((found["accepted"], found["duplicates"]), (3, 0), "accepted, duplicates")


def test_lines_without_id_and_key_are_messages_of_their_own():
    with Stand() as stand:
        found = enqueue_json(stand, BOT_TUTORIAL, BOT_TUTORIAL, check=True)
        equal((found["accepted"], found["duplicates"]), (2, 0), "accepted, duplicates")


def test_a_forged_herald_member_is_replaced():
    forged = {"accepted_at": 1, "attempts": 7, "unknowns": 5, "forbidden": 3, "deferrals": 9, "redelivered": 2,
              "ticket": "t", "history": [{"at": 1, "outcome": "sent"}], "more": True}
    with Stand() as stand:
        enqueue(stand, message(1, herald=forged), check=True)
        [envelope] = on_list(stand)
        equal(sorted(envelope["herald"]), ["accepted_at", "ticket"], "members")
        assert envelope["herald"]["accepted_at"] > 1_600_000_000_000 and envelope["herald"]["ticket"] != "t", envelope


# --- refused lines ---


def without(item, *names):
    return {name: value for name, value in item.items() if name not in names}


def changed(**payload):
    return message(1, payload=payload)


def bot(**changes):
    return {name: value for name, value in {**BOT_TUTORIAL, **changes}.items() if value is not None}


def outbound(**changes):
    return {**OUTBOUND_TUTORIAL, **changes}


CONSENT = "/metadata/consentVerified"
TITLE = "/payload/cards/{}/title"
DEEP = "[" * 1000 + "]" * 1000
BAD_LINES = [
    ("not JSON", "hello", "", "json_invalid"),
    ("cut short", '{"payload":', "", "json_invalid"),
    ("two values", "{} {}", "", "json_invalid"),
    ("an array", "[1,2]", "", "json_invalid"),
    ("a text", '"x"', "", "json_invalid"),
    ("null", "null", "", "json_invalid"),
    ("an empty object", "{}", "/payload", "field_missing"),
    ("deep nesting", DEEP, "", "json_invalid"),
    ("deep nesting inside", '{"payload":' + DEEP + "}", "", "json_invalid"),
    ("a number out of range", '{"send_at":99999999999999999999999}', "", "json_invalid"),
    ("an unescaped control character", '{"id":"a\tb"}', "", "json_invalid"),
    ("a payload that is text", {"payload": "x"}, "/payload", "field_invalid"),
    ("a payload that is nothing we know", {"payload": {"a": 1}}, "/route", "route_unknown"),
    ("an unknown route", message(1, route="pigeon"), "/route", "route_unknown"),
    ("a route that is a number", message(1, route=7), "/route", "route_unknown"),
    ("an unknown version", message(1, v=2), "/v", "version_unknown"),
    ("a version that is text", message(1, v="1"), "/v", "version_unknown"),
    ("an id with blanks", message(1, id="a b"), "/id", "field_invalid"),
    ("an id that is a number", message(1, id=7), "/id", "field_invalid"),
    ("an id that is too long", message(1, id="x" * 129), "/id", "field_invalid"),
    ("a campaign with blanks", message(1, campaign="a b"), "/campaign", "field_invalid"),
    ("an unknown priority", message(1, priority="urgent"), "/priority", "field_invalid"),
    ("an unknown policy", message(1, on_unknown="panic"), "/on_unknown", "field_invalid"),
    ("a time that is none", message(1, send_at="tomorrow"), "/send_at", "field_invalid"),
    ("a time before 1970", message(1, expires_at=-1), "/expires_at", "field_invalid"),
    ("a time beyond all clocks", message(1, expires_at=2**60), "/expires_at", "field_invalid"),
    ("a key that is a number", message(1, idempotency_key=7), "/idempotency_key", "field_invalid"),
    ("a key that is too long", message(1, idempotency_key="x" * 257), "/idempotency_key", "field_invalid"),
    ("labels that are a list", message(1, labels=[]), "/labels", "field_invalid"),
    ("a label that is a number", message(1, labels={"a": 1}), "/labels", "field_invalid"),
    ("metadata that is text", message(1, metadata="yes"), "/metadata", "field_invalid"),
    ("a forged herald member of the wrong kind", message(1, herald=[]), "/herald", "field_invalid"),
    ("forged attempts of the wrong kind", message(1, herald={"attempts": "7"}), "/herald/attempts", "field_invalid"),
    ("no consent", without(message(1), "metadata"), CONSENT, "consent_missing"),
    ("consent refused", message(1, metadata={"consentVerified": False}), CONSENT, "consent_missing"),
    ("consent as text", message(1, metadata={"consentVerified": "true"}), CONSENT, "consent_missing"),
    ("a forbidden origin", message(1, origin="https://evil.example.net"), "/origin", "origin_forbidden"),
    ("an unknown channel", changed(toAddressMessengerType="fax"), "/payload/toAddressMessengerType", "channel_unknown"),
    ("no address", changed(toAddress=None), "/payload/toAddress", "address_missing"),
    ("no number", changed(toAddress="Ann"), "/payload/toAddress", "address_invalid"),
    ("no sender", changed(fromAddress=None), "/payload/fromAddress", "from_missing"),
    ("a sender that is no number", changed(fromAddress="shop"), "/payload/fromAddress", "from_invalid"),
    ("no text", changed(textBody=None), "/payload/textBody", "text_missing"),
    ("a text that is a number", changed(textBody=7), "/payload/textBody", "field_invalid"),
    ("a NUL in the text", changed(textBody="a\0b"), "/payload/textBody", "text_invalid"),
    ("a text that is too long", changed(textBody="x" * 766), "/payload/textBody", "text_too_long"),
    ("a placeholder", changed(textBody="Hi {{name}}"), "/payload/textBody", "placeholder_unresolved"),
    ("WhatsApp without template", changed(toAddressMessengerType="whatsapp", toAddress="13175550101"),
     "/payload/messagingTemplate/responseId", "template_missing"),
    ("outbound: an unknown channel", outbound(channelType="messaging:fax"), "/payload/channelType", "channel_unknown"),
    ("outbound: nobody", outbound(to=[]), "/payload/to", "address_missing"),
    ("outbound: two people", outbound(to=[{"address": "whatsapp:+15559998765"}] * 2), "/payload/to", "address_invalid"),
    ("outbound: another channel's address", outbound(to=[{"address": "facebook:77"}]), "/payload/to/0/address",
     "address_invalid"),
    ("outbound: no sender", without(OUTBOUND_TUTORIAL, "from"), "/payload/from/address", "from_missing"),
    ("outbound: no consent", without(OUTBOUND_TUTORIAL, "metadata"), CONSENT, "consent_missing"),
    ("outbound: a long text", outbound(content={"text": "x" * 1601}), "/payload/content/text", "text_too_long"),
    ("bot: no conversation", bot(conversationId=None), "/payload/conversationId", "conversation_missing"),
    ("bot: a path for a conversation", bot(conversationId="../x"), "/payload/conversationId", "field_invalid"),
    ("bot: an unknown type", bot(type="video"), "/payload/type", "field_invalid"),
    ("bot: a script", bot(text="<script>x</script>"), "/payload/text", "html_forbidden"),
    ("bot: no text", bot(text=None), "/payload/text", "text_missing"),
    ("bot: a long text", bot(text="x" * 4097), "/payload/text", "text_too_long"),
    ("bot: no card", bot(type="card"), "/payload/cards", "field_missing"),
    ("bot: a card without title", bot(type="card", cards=[{"title": "a"}, {}]), TITLE.format(1), "field_missing"),
    ("bot: HTML in a title", bot(type="card", cards=[{"title": "<b>x</b>"}]), TITLE.format(0), "html_forbidden"),
    ("bot: a reply without label", bot(type="quickReply", quickReplies=[{}]), "/payload/quickReplies/0/label",
     "field_missing"),
]


def test_each_kind_of_bad_line_is_refused_with_line_pointer_and_reason_and_stops_no_other():
    items, expected = [], []
    for index, (_, item, pointer, code) in enumerate(BAD_LINES):
        items += [message(index + 100), item]
        expected.append((2 * index + 2, pointer, code))
    with Stand() as stand:
        result = enqueue(stand, *items)
        equal(result.status, 3, result.describe())
        for (about, *_), actual, wanted in zip(BAD_LINES, refused(stand), expected):
            equal(actual, wanted, about)
        equal(len(refused(stand)), len(expected), "refused lines")
        equal([e["id"] for e in on_list(stand)], [f"m{index + 100}" for index in range(len(BAD_LINES))], "the others")
        equal(stand.path("messages.jsonl.rejects.jsonl").stat().st_mode & 0o777, 0o600, "mode of the rejects file")


def test_bytes_that_are_no_text_refuse_their_line():
    bad = [b'{"id":"\xff\xfe"}', b'{"id":"a\0b"}', b"\0", b'{"id":"\xc0\xaf"}', b"\x1b[31m"]
    good = json.dumps(message(1)).encode()
    with Stand() as stand:
        path = stand.write("messages.jsonl", b"\n".join([*bad, good]) + b"\n")
        result = stand.herald("enqueue", path)
        equal(result.status, 3, result.describe())
        equal(refused(stand), [(line, "", "json_invalid") for line in range(1, len(bad) + 1)], "refused")
        equal([envelope["id"] for envelope in on_list(stand)], ["m1"], "ids")


def test_a_line_over_256_KiB_is_refused_and_the_next_one_is_read():
    sizes = [256 * 1024 + 1, 1024 * 1024, 3 * 1024 * 1024]
    items = []
    for index, size in enumerate(sizes):
        items += [json.dumps(changed(textBody="x" * size)), message(index + 2)]
    with Stand() as stand:
        equal(enqueue(stand, *items).status, 3, "status")
        equal(refused(stand), [(line, "", "json_invalid") for line in (1, 3, 5)], "refused")
        assert stand.path("messages.jsonl.rejects.jsonl").stat().st_size < 4096, "only its beginning is kept"
        equal([envelope["id"] for envelope in on_list(stand)], ["m2", "m3", "m4"], "ids")


def test_the_corrected_rejects_file_sends_just_those_without_what_was_added():
    with Stand() as stand:
        envelope, bare = message(1, priority="urgent"), bot(text="<b>x</b>")
        equal(enqueue(stand, envelope, bare, message(2)).status, 3, "status")
        path = stand.path("messages.jsonl.rejects.jsonl")
        first, second = rejects(path)
        equal(without(first, "rejected_line", "rejected_column", "rejected_reason"), envelope, "what was refused")
        stand.redis.call("DEL", READY)
        path.write_text(lines({**first, "priority": "low"}, {**second, "text": "x"}))
        stand.herald("enqueue", path, check=True)
        [corrected], [wrapped] = on_list(stand, "low"), on_list(stand)
        equal(without(corrected, "herald"), {**envelope, "priority": "low"}, "the envelope")
        equal(wrapped["payload"], bot(text="x"), "the payload")


def test_a_rejects_file_that_is_there_keeps_what_a_person_corrected_in_it():
    with Stand() as stand:
        path = stand.write("messages.jsonl", lines(message(1), "bad"))
        first = stand.write("messages.jsonl.rejects.jsonl", "hours of work\n")
        equal(stand.herald("enqueue", path).status, 3, "status")
        equal(first.read_text(), "hours of work\n", "the corrected file")
        [entry] = rejects(stand.path("messages.jsonl.rejects.2.jsonl"))
        equal((entry["rejected_line"], entry["rejected_raw"]), (2, "bad"), "rejects")


def test_the_rejects_file_never_overwrites_what_is_being_read():
    with Stand() as stand:
        path = stand.write("enqueue.rejects.jsonl", lines(message(1), "bad"))
        with path.open() as stdin:
            done = subprocess.run([program("herald"), "enqueue"], stdin=stdin, cwd=stand.folder, capture_output=True,
                                  text=True, env=stand.environment(), timeout=60)
        equal(done.returncode, 2, done.stderr)
        assert "would overwrite" in done.stderr, done.stderr
        equal(path.read_text(), lines(message(1), "bad"), "the file")
        equal(stand.herald("enqueue", path, "--rejects", path).status, 2, "status with the flag")
        equal(stand.redis.call("KEYS", "herald:*"), [], "keys in Redis")


def test_refused_lines_of_standard_input_go_where_the_command_runs():
    with Stand() as stand, running(stand, "enqueue") as process:
        process.communicate(b"bad\n", timeout=30 * SLOWNESS)
        equal(process.returncode, 3, "status")
        [entry] = rejects(stand.path("enqueue.rejects.jsonl"))
        equal((entry["rejected_line"], entry["rejected_raw"]), (1, "bad"), "rejects")


# --- the command ---


def test_a_dry_run_checks_and_enqueues_nothing():
    with Stand() as stand:
        nowhere = {"HERALD_REDIS_URL": "redis://127.0.0.1:1/0"}
        result = enqueue(stand, message(1), "bad", flags=("--dry-run",), env=nowhere)
        equal(result.status, 3, result.describe())
        assert "nothing enqueued" in result.out, result.out
        equal(refused(stand), [(2, "", "json_invalid")], "refused")
        equal(stand.redis.call("KEYS", "herald:*"), [], "keys in Redis")


def test_the_JSON_report_has_stable_fields():
    with Stand() as stand:
        found = enqueue_json(stand, message(1), message(1), "bad")
        rest = {"campaign": None, "dry_run": False, "rows": 3, "valid": 2, "accepted": 1, "duplicates": 1, "refused": 1,
                "reasons": {"json_invalid": 1}, "languages": {}}
        equal({name: found[name] for name in rest}, rest, "report")
        equal(set(found) - set(rest), {"rejects_file", "seconds", "rows_per_second"}, "other fields")


def test_wrong_use_is_status_2_an_unreadable_file_1_and_no_redis_4():
    with Stand() as stand:
        path = stand.write("messages.jsonl", lines(message(1)))
        cases = [
            ((path, "more"), 2, "one word too many"),
            (("--nonsense",), 2, "nonsense"),
            ((stand.path("gone.jsonl"),), 1, "gone.jsonl"),
            ((stand.folder,), 1, str(stand.folder)),
            ((path, "--redis", "redis://127.0.0.1:1/0"), 4, "cannot reach Redis"),
            ((path, "--redis", "nowhere"), 2, "--redis"),
        ]
        for arguments, status, words in cases:
            result = stand.herald("enqueue", *arguments)
            equal(result.status, status, result.describe())
            assert result.err.startswith("herald: ") and words in result.err.splitlines()[0], result.describe()
        equal(stand.redis.call("KEYS", "herald:*"), [], "keys in Redis")


def test_when_redis_dies_half_way_the_status_is_4_and_running_again_completes_without_doubles():
    text = lines(*messages(4000)).encode()
    half = len(lines(*messages(2000)))
    with Stand(appendfsync="always") as stand:
        with running(stand, "enqueue") as process:
            process.stdin.write(text[:half])
            process.stdin.flush()
            wait_until(lambda: stand.redis.call("LLEN", READY) >= 400, "the first messages to be enqueued")
            stand.redis.kill()
            _, err = process.communicate(text[half:], timeout=60 * SLOWNESS)
        equal(process.returncode, 4, err)
        assert b"run the same command again" in err, err
        stand.redis.start()
        found = stand.herald("enqueue", "--json", stdin=text, check=True).json
        equal(found["accepted"] + found["duplicates"], 4000, "second run")
        equal(sorted(e["id"] for e in on_list(stand)), sorted(f"m{index}" for index in range(1, 4001)), "each id once")


def test_what_a_wrong_kind_of_key_in_redis_refuses_is_a_failure_that_is_told():
    with Stand() as stand:
        stand.redis.call("SET", READY, "not a list")
        result = enqueue(stand, message(1), message(2, campaign="a"))
        equal(result.status, 1, result.describe())
        assert "Redis refused" in result.err, result.err
        stand.redis.call("DEL", READY)
        enqueue(stand, message(1), message(2, campaign="a"), check=True)
        equal([envelope["id"] for envelope in on_list(stand)], ["m1", "m2"], "after the key is gone")


if __name__ == "__main__":
    tap.run(globals())
