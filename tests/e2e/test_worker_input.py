#!/usr/bin/python3
"""Whatever bytes are on a list: each bad item ends as a dead letter that names the field, and no good one waits for it."""

import base64
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, messages, push
from stand import SLOWNESS, Stand
from tap import equal

CONSENT = {"metadata": {"consentVerified": True}}

# The tutorials' payloads as they are pushed there: alone, without an envelope.
TUTORIAL_MESSAGING = {
    "channelType": "messaging:whatsapp",
    "from": {"address": "whatsapp:+15551230001", "provider": "whatsapp", "channelType": "messaging:whatsapp"},
    "to": [{"address": "whatsapp:+15559998765"}],
    "content": {"type": "text", "text": "Hello from the tutorial"},
    "metadata": {"consentVerified": True, "campaignId": "camp_789"},
}
TUTORIAL_BOT = {
    "conversationId": "conversation-id-789",
    "to": {"id": "customer-1"},
    "from": {"id": "bot-1"},
    "type": "card",
    "text": "Pick one",
    "cards": [{"title": "First", "description": "The first"}],
}

# item, the reason of its dead letter, the field that it names
BAD = [
    (b"", "json_invalid", None),
    (b" ", "json_invalid", None),
    (b"{", "json_invalid", None),
    (b"not json", "json_invalid", None),
    (b"null", "json_invalid", None),
    (b"42", "json_invalid", None),
    (b'"text"', "json_invalid", None),
    (b"[]", "json_invalid", None),
    (b"{}", "field_missing", "/payload"),
    (b'{"a":1}{"b":2}', "json_invalid", None),
    (b'{"v":1,"payload":{"textBody":"a\0b"}}', "json_invalid", None),
    (b"\0\0\0", "json_invalid", None),
    (b"\xff\xfe\xfd", "json_invalid", None),
    (json.dumps(message(1)).encode().replace(b"shipped", b"\xc3\x28"), "json_invalid", None),
    (b"[" * 100000, "json_invalid", None),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000, "json_invalid", None),
    (b'{"v":1e999,"payload":{}}', None, None),
    (b'{"v":99999999999999999999,"payload":{}}', "json_invalid", None),
    (message(1, v=2), "version_unknown", "/v"),
    (message(1, v="1"), "version_unknown", "/v"),
    (message(1, id="a b"), "field_invalid", "/id"),
    (message(1, id=7), "field_invalid", "/id"),
    (message(1, id="x" * 5000), "field_invalid", "/id"),
    (message(1, campaign=["a"]), "field_invalid", "/campaign"),
    (message(1, priority="urgent"), "field_invalid", "/priority"),
    (message(1, on_unknown="maybe"), "field_invalid", "/on_unknown"),
    (message(1, send_at="tomorrow"), "field_invalid", "/send_at"),
    (message(1, send_at=-5), "field_invalid", "/send_at"),
    (message(1, expires_at=1.5), "field_invalid", "/expires_at"),
    (message(1, labels=[1]), "field_invalid", "/labels"),
    (message(1, metadata="yes"), "field_invalid", "/metadata"),
    (message(1, metadata={}), "consent_missing", "/metadata/consentVerified"),
    (message(1, metadata={"consentVerified": "true"}), "consent_missing", "/metadata/consentVerified"),
    (message(1, metadata={"consentVerified": False}), "consent_missing", "/metadata/consentVerified"),
    (message(1, route="pigeon"), "route_unknown", "/route"),
    (message(1, herald="mine"), "field_invalid", "/herald"),
    (message(1, herald={"attempts": -1}), "field_invalid", "/herald/attempts"),
    (message(1, herald={"history": {}}), "field_invalid", "/herald/history"),
    ({**message(1), "payload": "text"}, "field_invalid", "/payload"),
    ({**message(1), "payload": {}}, "route_unknown", "/route"),
    (message(1, payload={"toAddress": None}), None, "/payload/toAddress"),
    (message(1, payload={"toAddress": "not a number"}), None, "/payload/toAddress"),
    (message(1, payload={"toAddress": 13175550199}), None, "/payload/toAddress"),
    (message(1, payload={"fromAddress": None}), None, "/payload/fromAddress"),
    (message(1, payload={"toAddressMessengerType": "carrier"}), "channel_unknown", "/payload/toAddressMessengerType"),
    (message(1, payload={"textBody": "x" * 766}), "text_too_long", "/payload/textBody"),
    (message(1, payload={"textBody": "x" * 900000}), "text_too_long", "/payload/textBody"),
    (message(1, payload={"textBody": "Hello {{name}}"}), None, "/payload/textBody"),
    (message(1, payload={"textBody": ["a"]}), "field_invalid", "/payload/textBody"),
    (message(1, payload={"textBody": "x" * 1100000}), "json_invalid", None),
    (b"x" * 3000000, "json_invalid", None),
    ({**TUTORIAL_MESSAGING, "channelType": "messaging:fax"}, "channel_unknown", "/payload/channelType"),
    ({**TUTORIAL_MESSAGING, "metadata": {}}, "consent_missing", "/metadata/consentVerified"),
    ({"v": 1, "payload": TUTORIAL_BOT, "origin": "https://evil.example"}, "origin_forbidden", "/origin"),
    ({**TUTORIAL_BOT, "conversationId": "../../x"}, "field_invalid", "/payload/conversationId"),
    ({**TUTORIAL_BOT, "text": "<script>alert(1)</script>"}, None, "/payload/text"),
    ({**TUTORIAL_BOT, "cards": [{"description": "no title"}]}, "field_missing", "/payload/cards/0/title"),
]


def content_of(letter):
    """The bytes or the envelope that a dead letter keeps."""
    if "raw_base64" in letter:
        return base64.b64decode(letter["raw_base64"])
    return letter["raw"].encode() if "raw" in letter else letter["envelope"]


def test_each_bad_item_ends_as_a_dead_letter_that_names_the_field_while_good_ones_among_them_are_sent():
    with Stand() as stand:
        sandbox = stand.sandbox()
        good = 0
        for item, _, _ in BAD:
            good += 1
            push(stand, item, message(1000 + good))
        worker = stand.worker(*QUICK)
        total = len(BAD) + good
        flow.wait_settled(stand, total, seconds=60)
        found = flow.expect_sum(stand, total)
        equal((found["dead"], found["sent"]), (len(BAD), good), "dead, sent")
        equal(flow.count(stand, "accepted"), total, "accepted")
        equal(len({entry["request_id"] for entry in sandbox.ledger()}), good, "messages in the ledger")
        assert worker.running


def test_a_dead_letter_keeps_what_it_is_about_and_says_why():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker("--threads", "1", "--in-flight", "1")
        wrong = []
        for at, (item, reason, field) in enumerate(BAD, 1):
            push(stand, item)
            flow.wait_dead(stand, at, seconds=30)
            letter = flow.letters(stand.redis)[-1]
            if reason and letter["reason"] != reason or field and letter.get("field") != field or not letter.get("detail"):
                wrong.append((str(item)[:80], letter["reason"], letter.get("field"), letter.get("detail")))
            kept = content_of(letter)
            if isinstance(item, bytes) and isinstance(kept, bytes):
                equal(kept[:200], item[:200], "the bytes kept")
                equal(len(kept), len(item), "how many bytes are kept")
        assert not wrong, "\n".join(map(str, wrong))
        assert worker.running


def test_an_item_that_is_larger_than_any_message_ends_as_a_dead_letter_too():
    with Stand() as stand:
        stand.sandbox()
        push(stand, b"y" * (12 << 20), b"\xff" * (9 << 20), message(1))
        worker = stand.worker("--threads", "1")
        flow.wait_settled(stand, 3, seconds=60)
        flow.wait_sent(stand, 1)
        letters = list(flow.dead(stand).values())
        equal([letter["reason"] for letter in letters], ["json_invalid"] * 2, "reasons")
        equal(sorted(letter["raw_size"] for letter in letters), [9 << 20, 12 << 20], "true sizes")
        assert all(len(content_of(letter)) > 1 << 20 for letter in letters), "too little of them is kept"
        assert worker.running


def test_the_bare_payload_of_each_tutorial_is_sent_as_it_stands():
    with Stand() as stand:
        sandbox = stand.sandbox("--keep-texts")
        push(stand, TUTORIAL_MESSAGING, TUTORIAL_BOT, {**flow.payload(3), **CONSENT})
        stand.worker()
        flow.wait_settled(stand, 3)
        equal(flow.dead(stand), {}, "dead letters")
        entries = {entry["route"]: entry for entry in sandbox.ledger()}
        equal(sorted(entries), ["agentless", "conversation", "messaging"], "routes")
        equal(entries["messaging"]["text"], "Hello from the tutorial", "text")


def test_fields_that_Herald_does_not_know_are_kept_through_a_retry_and_into_the_dead_letter():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "500", "times": 0}])
        push(stand, message(1, x_department={"cost": [1, 2.5, None]}, labels={"team": "blue"}))
        stand.worker("--max-attempts", "2", *QUICK)
        envelope = flow.wait_dead(stand)["m1"]["envelope"]
        equal(envelope["x_department"], {"cost": [1, 2.5, None]}, "the unknown field")
        equal(envelope["labels"], {"team": "blue"}, "labels")


def test_ten_thousand_bad_items_hold_up_nobody():
    with Stand() as stand:
        stand.sandbox()
        push(stand, *[b"junk %d" % index for index in range(10000)], message(1))
        worker = stand.worker("--threads", "2")
        flow.wait_sent(stand, 1, seconds=20)
        flow.wait_dead(stand, 10000, seconds=30)
        flow.expect_sum(stand, 10001)
        assert flow.cpu_seconds(worker) < 10 * SLOWNESS


def test_two_messages_that_are_alike_to_the_byte_are_two_messages():
    with Stand() as stand:
        sandbox = stand.sandbox()
        item = json.dumps(message(1, send_at=1)).encode()
        sandbox.script([{"do": "503", "times": 40}])
        push(stand, *[item] * 40)
        for _ in range(2):
            stand.worker("--breaker-failures", "32", *QUICK)
        flow.wait_sent(stand, 40, seconds=30)
        flow.expect_sum(stand, 40)
        equal(len(sandbox.ledger()), 40, "messages in the ledger")


if __name__ == "__main__":
    tap.run(globals())
