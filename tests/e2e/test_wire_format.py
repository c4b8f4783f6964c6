#!/usr/bin/python3
"""docs/wire-format.md and docs/envelope.schema.json against the programs: the contract says what is, and all of it."""

import copy
import hashlib
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import jsonschema
import tap
from stand import BUILD, ROOT, Stand, wait_until
from tap import equal

DOCS = (ROOT / "docs" / "wire-format.md").read_text()
SCHEMA = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
AUDIT = json.loads((ROOT / "docs" / "audit.schema.json").read_text())
ENTRY = jsonschema.Draft202012Validator(AUDIT)
LINE = jsonschema.Draft202012Validator({"$ref": "#/$defs/line", "$defs": AUDIT["$defs"]})
READY = "herald:{default}:ready"
DEAD = "herald:{default}:dead:letters"
DELAYED = "herald:{default}:delayed"

SMS = {
    "fromAddress": "+13175550100",
    "toAddress": "+13175550199",
    "toAddressMessengerType": "sms",
    "textBody": "Hi",
}
WHATSAPP = {
    "channelType": "messaging:whatsapp",
    "from": {"address": "whatsapp:+15550001234"},
    "to": [{"address": "whatsapp:+15559998765"}],
    "content": {"type": "text", "text": "Hi"},
}
BOT = {"to": {"id": "c"}, "from": {"id": "b"}, "type": "text", "text": "Hi", "conversationId": "x-1"}
CONSENT = {"metadata": {"consentVerified": True}}
GONE = object()


def examples(*kinds):
    """The texts of the examples of these kinds, each beyond a comment that says what it is."""
    found = re.findall(r"<!-- example: (\w+) -->\n```json\n(.*?)\n```", DOCS, re.DOTALL)
    assert len(found) == DOCS.count("```json"), "an example has no comment that says what it is"
    return [text for kind, text in found if kind in kinds]


def errors(value):
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(value)]


def changed(base, pointer, value):
    """A copy of base with one member set, or taken out when value is GONE."""
    result = copy.deepcopy(base)
    *path, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
    place = result
    for part in path:
        place = place[part]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return result


def sms(pointer, value):
    return changed({"payload": SMS, **CONSENT}, pointer, value)


def whatsapp(pointer, value):
    return changed({"payload": WHATSAPP, **CONSENT}, pointer, value)


def bot(pointer, value):
    return changed({"payload": BOT}, pointer, value)


# What is refused, by which code, naming which field.
INVALID = [
    (sms("/v", 2), "version_unknown", "/v"),
    (sms("/id", "a b"), "field_invalid", "/id"),
    (sms("/id", 7), "field_invalid", "/id"),
    (sms("/route", "fax"), "route_unknown", "/route"),
    (sms("/route", 5), "route_unknown", "/route"),
    (sms("/route", "messaging"), "channel_unknown", "/payload/channelType"),
    (sms("/payload", GONE), "field_missing", "/payload"),
    (sms("/payload", "Hi"), "field_invalid", "/payload"),
    (sms("/payload", {"text": "Hi"}), "route_unknown", "/route"),
    (sms("/campaign", "x" * 65), "field_invalid", "/campaign"),
    (sms("/priority", "urgent"), "field_invalid", "/priority"),
    (sms("/on_unknown", "drop"), "field_invalid", "/on_unknown"),
    (sms("/send_at", "tomorrow"), "field_invalid", "/send_at"),
    (sms("/send_at", -1), "field_invalid", "/send_at"),
    (sms("/expires_at", True), "field_invalid", "/expires_at"),
    (sms("/idempotency_key", "k" * 257), "field_invalid", "/idempotency_key"),
    (sms("/callback_url", 1), "field_invalid", "/callback_url"),
    (sms("/labels", {"a": 1}), "field_invalid", "/labels"),
    (sms("/labels", []), "field_invalid", "/labels"),
    (sms("/origin", "https://genesys.cloud@bad.example"), "origin_forbidden", "/origin"),
    (sms("/origin", 1), "field_invalid", "/origin"),
    (sms("/metadata", GONE), "consent_missing", "/metadata/consentVerified"),
    (sms("/metadata/consentVerified", False), "consent_missing", "/metadata/consentVerified"),
    (sms("/metadata/consentVerified", "true"), "consent_missing", "/metadata/consentVerified"),
    (sms("/payload/metadata", {"consentVerified": False}), "consent_missing", "/metadata/consentVerified"),
    (sms("/metadata", 1), "field_invalid", "/metadata"),
    (sms("/herald", 1), "field_invalid", "/herald"),
    (sms("/herald", {"attempts": -1}), "field_invalid", "/herald/attempts"),
    (sms("/herald", {"history": [{}] * 21}), "field_invalid", "/herald/history"),
    (sms("/payload/toAddressMessengerType", "fax"), "channel_unknown", "/payload/toAddressMessengerType"),
    (sms("/payload/toAddress", "13175550199"), "address_invalid", "/payload/toAddress"),
    (sms("/payload/toAddress", GONE), "address_missing", "/payload/toAddress"),
    (sms("/payload/fromAddress", GONE), "from_missing", "/payload/fromAddress"),
    (sms("/payload/fromAddress", "Shop"), "from_invalid", "/payload/fromAddress"),
    (sms("/payload/textBody", GONE), "text_missing", "/payload/textBody"),
    (sms("/payload/textBody", 7), "field_invalid", "/payload/textBody"),
    (sms("/payload/textBody", "x" * 766), "text_too_long", "/payload/textBody"),
    (sms("/payload/textBody", "x" * 900_000), "text_too_long", "/payload/textBody"),
    (sms("/payload/textBody", "a\0b"), "text_invalid", "/payload/textBody"),
    (sms("/payload/textBody", "Hi {{name}}"), "placeholder_unresolved", "/payload/textBody"),
    (sms("/payload/messagingTemplate", "r"), "field_invalid", "/payload/messagingTemplate"),
    (
        {"payload": {**SMS, "toAddressMessengerType": "whatsapp", "toAddress": "13175550199"}, **CONSENT},
        "template_missing",
        "/payload/messagingTemplate/responseId",
    ),
    (
        {"payload": {"fromAddress": "d", "toAddressMessengerType": "webmessaging", "textBody": "Hi"}, **CONSENT},
        "address_missing",
        "/payload/externalContactId",
    ),
    (whatsapp("/payload/channelType", "messaging:fax"), "channel_unknown", "/payload/channelType"),
    (whatsapp("/payload/to", []), "address_missing", "/payload/to"),
    (whatsapp("/payload/to/0/address", "sms:+15559998765"), "address_invalid", "/payload/to/0/address"),
    (whatsapp("/payload/from/address", GONE), "from_missing", "/payload/from/address"),
    (whatsapp("/payload/content/text", "x" * 1601), "text_too_long", "/payload/content/text"),
    (whatsapp("/payload/content/type", "image"), "field_invalid", "/payload/content/type"),
    (bot("/payload/conversationId", GONE), "conversation_missing", "/payload/conversationId"),
    (bot("/payload/conversationId", "../x"), "field_invalid", "/payload/conversationId"),
    (bot("/payload/text", "<b>Hi</b>"), "html_forbidden", "/payload/text"),
    (bot("/payload/type", "card"), "field_missing", "/payload/cards"),
    (bot("/payload/cards", [{"title": "<i>"}]), "html_forbidden", "/payload/cards/0/title"),
    (bot("/payload/metadata", {"consentVerified": False}), "consent_missing", "/metadata/consentVerified"),
    ([], "json_invalid", None),
    ("Hi", "json_invalid", None),
]

# Bytes that are no JSON object: nothing for a schema.
BROKEN = [b"", b" ", b"Hi", b'{"payload":', b"{} {}", b'{"a":"\xff"}', b'{"a":"\0"}', b'{"a":1.}', b"[" * 100_000]


def dead_letters(stand):
    return flow.letters(stand.redis)


def test_every_example_fits_the_schema():
    texts = examples("envelope", "bare")
    assert len(texts) >= 9, len(texts)
    for text in texts:
        equal(errors(json.loads(text)), [], text)
    for text in examples("dead", "audit"):
        json.loads(text)


def test_every_example_is_accepted_by_the_worker_and_arrives():
    with Stand() as stand:
        sandbox = stand.sandbox()
        for number, text in enumerate(examples("envelope", "bare")):
            stand.redis.call("LPUSH", READY + ("", ":high", ":low")[number % 3], text)
        stand.worker().wait_ready()
        expected = len(examples("envelope", "bare"))
        wait_until(lambda: len(sandbox.ledger()) + len(dead_letters(stand)) >= expected, "every example to have an end")
        equal(dead_letters(stand), [], "dead letters")
        ids = {json.loads(text)["id"] for text in examples("envelope")}
        arrived = sandbox.ledger()
        equal(ids - {entry["request_id"] for entry in arrived}, set(), "ids that did not arrive")
        equal({entry["route"] for entry in arrived}, {"agentless", "messaging", "conversation"}, "routes")


def test_what_the_schema_refuses_is_a_dead_letter_that_names_the_field():
    for envelope, code, _ in INVALID:
        if code != "origin_forbidden" or not isinstance(envelope["origin"], str) or "@" in envelope["origin"]:
            assert errors(envelope), f"the schema takes {json.dumps(envelope)[:300]}"
    with Stand() as stand:
        sandbox = stand.sandbox()
        texts = [json.dumps(envelope) for envelope, _, _ in INVALID]
        for text in texts:
            stand.redis.call("LPUSH", READY, text)
        stand.worker("--threads", "1", "--in-flight", "1").wait_ready()
        wait_until(lambda: stand.redis.call("HLEN", DEAD) >= len(texts), "every message to be dead")
        letters = dead_letters(stand)
        actual = [(letter["reason"], letter.get("field")) for letter in letters]
        for (envelope, code, field), found in zip(INVALID, actual):
            equal(found, (code, field), json.dumps(envelope)[:300])
        equal(sandbox.ledger(), [], "ledger")


def test_bytes_that_are_no_json_are_kept_as_they_came_and_stop_nobody():
    with Stand() as stand:
        sandbox = stand.sandbox()
        for number, text in enumerate(BROKEN):
            stand.redis.call("LPUSH", READY, text)
            stand.redis.call("LPUSH", READY, json.dumps({"id": f"good-{number}", "payload": SMS, **CONSENT}))
        stand.worker().wait_ready()
        wait_until(lambda: len(sandbox.ledger()) >= len(BROKEN), "the good ones to arrive")
        wait_until(lambda: stand.redis.call("HLEN", DEAD) >= len(BROKEN), "the bad ones to be dead")
        letters = dead_letters(stand)
        equal({letter["reason"] for letter in letters}, {"json_invalid"}, "reasons")
        kept = {letter["raw"].encode() for letter in letters if "raw" in letter}
        equal(set(BROKEN) - kept, {b'{"a":"\xff"}'}, "not kept as text")
        assert any(letter.get("raw_base64") for letter in letters)


def test_a_deferred_envelope_fits_the_schema_and_keeps_what_herald_does_not_know():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {}, "times": 9, "do": "500"}])
        bare = {**WHATSAPP, "metadata": {"consentVerified": True, "x": [1, None]}}
        for message in ({"id": "m-1", "payload": SMS, "x-trace": {"a": [1.5, None]}, **CONSENT}, bare, BOT):
            stand.redis.call("LPUSH", READY, json.dumps(message))
        stand.worker("--retry-base", "1h", "--retry-cap", "1h").wait_ready()
        wait_until(lambda: stand.redis.call("ZCARD", DELAYED) >= 3, "the messages to be put off")
        written = [json.loads(text) for text in stand.redis.call("ZRANGE", DELAYED, 0, -1)]
        for envelope in written:
            equal(errors(envelope), [], json.dumps(envelope))
            equal(envelope["herald"]["attempts"], 1, "attempts")
            equal(envelope["herald"]["history"][0]["status"], 500, "status")
            documented(envelope["herald"], envelope["herald"]["history"][0])
        named = next(envelope for envelope in written if envelope["id"] == "m-1")
        equal(named["x-trace"], {"a": [1.5, None]}, "the unknown field")
        assert bare in [envelope["payload"] for envelope in written]


def documented(*values):
    """Fails unless a table of the docs names every member of the objects."""
    for value in values:
        equal(sorted(set(value) - names_in_tables()), [], "members that no table names")


def names_in_tables():
    rows = [line for line in DOCS.splitlines() if line.startswith("| ")]
    return set(re.findall(r"`([A-Za-z_0-9.]+)`", "\n".join(rows)))


def test_dead_letters_and_audit_entries_are_as_documented():
    shown = {name for text in examples("dead") for name in json.loads(text)}
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {}, "do": "500"}])
        held = {"id": "held", "campaign": "c", "on_unknown": "hold", "payload": SMS, **CONSENT}
        stand.redis.call("LPUSH", READY, json.dumps(held))
        worker = stand.worker("--threads", "1").wait_ready()
        wait_until(lambda: stand.redis.call("HLEN", DEAD) == 1, "the dead letter")
        stand.redis.call("LPUSH", READY, json.dumps({"id": "fine", "payload": SMS, **CONSENT}), "{}")
        wait_until(lambda: stand.redis.call("XLEN", "herald:{default}:audit") == 3, "three audit entries")
        worker.terminate()
        letters = dead_letters(stand)
        equal({letter["reason"] for letter in letters}, {"outcome_unknown", "field_missing"}, "reasons")
        documented(*letters, letters[0]["last"])
        assert shown <= names_in_tables(), shown
        entries = [json.loads(fields[1]) for _, fields in stand.redis.call("XRANGE", "herald:{default}:audit", "-", "+")]
        documented(*entries)
        equal([entry["outcome"] for entry in entries].count("sent"), 1, "sent")
        assert "555" not in "".join(entry.get("to", "") for entry in entries), entries
        documented(*(json.loads(text) for text in examples("audit")))
        for entry in entries + [json.loads(text) for text in examples("audit")]:
            ENTRY.validate(entry)


def test_the_line_of_the_docs_is_one_and_the_schemas_refuse_what_is_none():
    [text] = examples("line")
    line = json.loads(text)
    LINE.validate(line)
    ENTRY.validate(line["entry"])
    equal(line["sha256"], hashlib.sha256(text[:-77].encode()).hexdigest(), "sha256 of all but the last 77 bytes")
    documented(line)
    with Stand() as stand:
        equal(stand.herald("audit", "verify", stand.write("line.jsonl", text + "\n"), "--json").json["lines"], 1, "lines")
    for entry in ({}, {"at": 1}, {"at": 1, "what": "dance"}, {"at": 1, "what": "pause", "actor": "cli:a"}, {**line["entry"], "text": "x"},
                  {**line["entry"], "actor": "someone"}):
        assert not ENTRY.is_valid(entry), entry
    for changes in ({"seq": 0}, {"prev": "x"}, {"raw": ["e", ""]}, {"more": 1}):
        assert not LINE.is_valid({**line, **changes}), changes


def test_what_the_command_line_writes_fits_the_schema():
    if not (BUILD / "herald").exists():
        tap.skip("herald is not built")
    people = "to,name,language,consentVerified\n+13175550199,Ann,en,true\n+493012345678,Anja,de,true\n"
    template = {
        "name": "wire",
        "route": "agentless",
        "channel": "sms",
        "from": "+13175550100",
        "default_language": "en",
        "texts": {"en": "{{greeting}} {{name}}", "de": "{{greeting}} {{name}}"},
        "priority": "high",
        "on_unknown": "hold",
        "expires_after": "24h",
        "labels": {"team": "a"},
    }
    with Stand() as stand:
        lines = "".join(json.dumps(json.loads(text)) + "\n" for text in examples("envelope", "bare"))
        stand.herald("enqueue", "-", stdin=lines, check=True)
        path = stand.write("template.json", json.dumps(template))
        csv = stand.write("people.csv", people)
        stand.herald("campaign", "send", "--template", path, "--recipients", csv, check=True)
        written = [
            json.loads(text)
            for key in (READY, READY + ":high", READY + ":low")
            for text in stand.redis.call("LRANGE", key, 0, -1)
        ]
        equal(len(written), len(examples("envelope", "bare")) + 2, "written")
        for envelope in written:
            equal(errors(envelope), [], json.dumps(envelope))
            assert envelope["herald"]["accepted_at"] > 0
        equal(sum(envelope.get("campaign") == "wire" for envelope in written), 2, "of the campaign")


def properties(schema):
    """The names of all properties anywhere in the schema."""
    if isinstance(schema, list):
        return set().union(*map(properties, schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("properties", {}))
    return own.union(*(properties(value) for key, value in schema.items() if key not in ("const", "enum")))


def test_the_tables_name_every_field_of_the_schema():
    equal(sorted(properties(SCHEMA) - names_in_tables()), [], "fields of the schema that no table names")


def test_the_envelopes_table_and_the_schema_have_the_same_fields():
    table = DOCS.partition("## The envelope")[2].partition("###")[0]
    rows = set(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE))
    equal(rows, set(SCHEMA["$defs"]["envelope"]["properties"]), "fields")


def reasons_in_code():
    found = set()
    for path in [*ROOT.glob("common/*.c"), *ROOT.glob("worker/*.c")]:
        text = path.read_text()
        for call in re.findall(r"\brefuse\(\s*why\s*,([^,]*),", text):
            found.update(re.findall(r'"([a-z_]+)"', call))
        found.update(re.findall(r'\bbury(?:_untried)?\([^;"]*"([a-z_]+)"', text))
    return found


def test_the_reasons_table_and_the_code_have_the_same_codes():
    table = DOCS.partition("### Reasons")[2].partition("## ")[0]
    rows = re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)
    equal(len(rows), len(set(rows)), "codes named twice")
    equal(sorted(rows), sorted(reasons_in_code()), "codes")


if __name__ == "__main__":
    tap.run(globals())
