#!/usr/bin/python3
"""herald campaign send: from a file of people to messages on the list, and what stands in its way."""

import collections
import contextlib
import csv
import datetime
import io
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, READY
from stand import SLOWNESS, Stand, peak_megabytes, program, wait_until
from tap import equal

HEADER = "to,name,date,consentVerified\n"
TEXTS = {
    "en": "{{greeting}} {{name|friend}}, see you on {{date}}.",
    "es": "{{greeting}} {{name|amigo}}, hasta el {{date}}.",
    "fr": "{{greeting}} {{name|}}, le {{date}}.",
    "de": "{{greeting}} {{ name | Gast }}, bis zum {{date}}.",
}
NO_COLUMN = ""


def number(index):
    return f"+1317{index:07}"


def template(stand, filename="template.json", /, **changes):
    """A template in the stand's folder; a change to None takes the field out."""
    fields = {
        "name": "visit",
        "channel": "sms",
        "from": "+13175550100",
        "default_language": "en",
        "greetings": {"de": "Guten Tag"},
        "texts": TEXTS,
        **changes,
    }
    return stand.write(filename, json.dumps({field: value for field, value in fields.items() if value is not None}))


def plain(stand, **changes):
    """A template that needs nothing but an address."""
    return template(stand, texts={"en": "Hello {{name|friend}}"}, **changes)


def row(index, name="Ann", date="May 1", consent="true"):
    return f"{number(index)},{name},{date},{consent}\n"


def people(count, first=0):
    return HEADER + "".join(row(index) for index in range(first, first + count))


def send(stand, recipients, *flags, using=None, ending="csv", **more):
    """Sends the people in this text or these bytes; `using` is the template."""
    path = stand.write(f"people.{ending}", recipients)
    using = using or template(stand)
    return stand.herald("campaign", "send", "--template", using, "--recipients", path, *flags, **more)


def send_json(stand, recipients, *flags, **more):
    return send(stand, recipients, "--json", *flags, **more).json


def enqueued(stand, priority="normal"):
    """The envelopes on a ready list, in the order in which they were enqueued."""
    return [json.loads(item) for item in reversed(stand.redis.call("LRANGE", flow.LISTS[priority], 0, -1))]


def payloads(stand):
    return [envelope["payload"] for envelope in enqueued(stand)]


def texts(stand):
    return {payload["toAddress"]: payload["textBody"] for payload in payloads(stand)}


def take(stand):
    """What is on the list, which is then as empty as before."""
    found = texts(stand)
    stand.redis.call("FLUSHALL")
    return found


def expect_nothing_enqueued(stand):
    equal(stand.redis.call("KEYS", "herald:*"), [], "keys in Redis")


def expect_each_once(stand, count):
    found = collections.Counter(payload["toAddress"] for payload in payloads(stand))
    equal(len(found), count, "people with a message")
    equal([to for to, times in found.items() if times > 1], [], "people with more than one")
    equal(len({envelope["id"] for envelope in enqueued(stand)}), count, "different ids")
    equal(flow.count(stand, "accepted"), count, "counted as accepted")


def rejected(path, delimiter=","):
    """(line, column, code) of each row of a rejects file."""
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode()), delimiter=delimiter))
    equal(rows[0][:3], ["rejected_line", "rejected_column", "rejected_reason"], "first columns of the rejects file")
    return [(int(line), column, reason.partition(":")[0]) for line, column, reason, *_ in rows[1:]]


def expect_refusal(result, status, *words):
    """An exit status and one sentence, which begins with the program's name and has these words."""
    equal(result.status, status, result.describe())
    lines = result.err.splitlines()
    assert lines and lines[0].startswith("herald: "), result.describe()
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"
    return lines


@contextlib.contextmanager
def running(stand, *arguments, **more):
    """herald with its standard input open; it never outlives the block."""
    process = subprocess.Popen(
        [program("herald"), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=more.get("stdout", subprocess.PIPE),
        stderr=more.get("stderr", subprocess.PIPE),
        env=stand.environment(more.get("env")),
        cwd=stand.folder,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def feed(process, text):
    process.stdin.write(text.encode())
    process.stdin.flush()


def length(stand):
    return stand.redis.call("LLEN", READY)


# --- the whole way ---


def test_people_in_four_languages_get_their_text_each_once():
    text = (
        "to,name,date,language,consentVerified\n"
        "+13175550101,Ann,May 1,,true\n"  # +1 names no one language: the template's default
        "+34915550102,Óscar,1 de mayo,,TRUE\n"  # +34 does
        "+13175550103,Zoé,1er mai,fr-CA,yes\n"  # the column goes before the number
        "+49305550104,,1. Mai,,1\n"  # own greeting; default of the name
        "+34915550105,Ana,May 5,pt-BR,true\n"  # a language that the template has not
        "+13175550106,,1. Mai,de_AT,true\n"
        "+34915550107,Eva,May 7,en,true\n"
    )
    expected = {
        "+13175550101": "Hello Ann, see you on May 1.",
        "+34915550102": "Hola Óscar, hasta el 1 de mayo.",
        "+13175550103": "Bonjour Zoé, le 1er mai.",
        "+49305550104": "Guten Tag Gast, bis zum 1. Mai.",
        "+34915550105": "Hello Ana, see you on May 5.",
        "+13175550106": "Guten Tag Gast, bis zum 1. Mai.",
        "+34915550107": "Hello Eva, see you on May 7.",
    }
    with Stand() as stand:
        sandbox = stand.sandbox("--keep-texts")
        stand.worker()
        result = send(stand, text, "--wait", check=True)
        equal({entry["to"]: entry["text"] for entry in sandbox.ledger()}, expected, "ledger")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        flow.expect_sum(stand, len(expected))
        assert re.search(r"accepted +7\n", result.out) and re.search(r"in de +2\n", result.out), result.out
        counts = stand.herald("campaign", "status", "visit", "--json", check=True).json
        equal((counts["left"], counts["counters"]["sent"]), (0, 7), "campaign status")


def test_wait_ends_when_each_message_is_settled_the_dead_ones_too():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {"to": number(1)}, "times": 0, "do": "400", "code": "x", "message": "no"}])
        stand.worker()
        send(stand, people(50), "--wait", check=True)
        places = flow.places(stand)
        equal((places["sent"], places["dead"], places["ready"]), (49, 1, 0), "sent, dead, ready")
        send(stand, people(50), "--wait", check=True)  # nothing new: all are settled already


def test_an_approved_WhatsApp_template_goes_out_with_its_parameters():
    with Stand() as stand:
        stand.sandbox()
        using = template(stand, channel="whatsapp", texts=None, greetings=None, responseId="r-1",
                         bodyParameters=["{{greeting}} {{name|friend}}", "{{date}}"])
        send(stand, people(1), using=using, check=True)
        [payload] = payloads(stand)
        parameters = [{"id": "1", "value": "Hello Ann"}, {"id": "2", "value": "May 1"}]
        equal(payload["messagingTemplate"], {"responseId": "r-1", "bodyParameters": parameters}, "template")
        equal(payload["toAddress"], number(0)[1:], "a WhatsApp number on the wire")
        assert "textBody" not in payload
        stand.worker()
        send(stand, people(1), "--wait", using=using, check=True)
        equal([entry["channel"] for entry in stand.genesys.ledger()], ["whatsapp"], "ledger")


def test_a_dry_run_shows_what_an_approved_template_is_filled_with():
    with Stand() as stand:
        using = template(stand, channel="whatsapp", texts=None, greetings=None, responseId="r-1",
                         bodyParameters=["{{name|friend}}", "{{date}}"])
        result = send(stand, people(1), "--dry-run", using=using, check=True)
        assert "r-1" in result.out and "Ann" in result.out and "May 1" in result.out, result.out


def test_whatsapp_facebook_and_web_go_by_the_messaging_route():
    cases = {
        "whatsapp": ("+15550001234", "+15559998765", "whatsapp:+15559998765"),
        "facebook": ("page", "1234567890", "facebook:1234567890"),
        "web": ("site", "visitor-1", "web:visitor-1"),
    }
    with Stand() as stand:
        sandbox = stand.sandbox("--keep-texts")
        stand.worker()
        for channel, (sender, to, on_the_wire) in cases.items():
            using = plain(stand, channel=channel, route="messaging", name=channel, **{"from": sender})
            send(stand, f"to,consent\n{to},true\n", "--wait", using=using, check=True)
            entry = sandbox.ledger()[-1]
            equal((entry["route"], entry["to"], entry["text"]), ("messaging", on_the_wire, "Hello friend"), channel)
        flow.expect_sum(stand, 3)


def test_facebook_goes_by_messaging_without_being_told_and_the_flags_go_before_the_template():
    with Stand() as stand:
        using = plain(stand, channel="facebook", **{"from": "page"})
        send(stand, "to,consent\n12345678,true\n", using=using, check=True)
        equal([envelope["route"] for envelope in enqueued(stand)], ["messaging"], "route")
        stand.redis.call("FLUSHALL")
        send(stand, "to,consent\n+13175550101,true\n", "--route", "messaging", "--from", "+13175550999",
             "--campaign", "other", using=plain(stand), check=True)
        [envelope] = enqueued(stand)
        equal((envelope["route"], envelope["campaign"]), ("messaging", "other"), "route, campaign")
        equal(envelope["payload"]["from"]["address"], "+13175550999", "from")


def test_the_envelope_carries_what_the_template_says():
    with Stand() as stand:
        using = plain(stand, on_unknown="hold", priority="low", expires_after="2h", labels={"team": "north"},
                      callback_url="https://example.com/done", origin="https://example.com/page")
        send(stand, people(2), using=using, check=True)
        envelope, other = enqueued(stand, "low")
        expected = {"v": 1, "route": "agentless", "campaign": "visit", "on_unknown": "hold", "priority": "low",
                    "labels": {"team": "north", "template": "visit"}, "callback_url": "https://example.com/done",
                    "origin": "https://example.com/page", "metadata": {"consentVerified": True}}
        equal({field: envelope[field] for field in expected}, expected, "envelope")
        equal(envelope["expires_at"] - envelope["herald"]["accepted_at"], 2 * 3600 * 1000, "life")
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", envelope["id"])
        assert envelope["id"] != other["id"]


def test_send_at_puts_the_messages_among_the_delayed_until_then():
    with Stand() as stand:
        at = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
        send(stand, people(3), "--send-at", at.isoformat(), using=plain(stand, expires_after="1h"), check=True)
        items = stand.redis.call("ZRANGE", KEY + "delayed", 0, -1, "WITHSCORES")
        due = int(at.timestamp() * 1000)
        equal([int(score) for score in items[1::2]], [due] * 3, "due times")
        equal(length(stand), 0, "ready")
        envelope = json.loads(items[0])
        equal((envelope["send_at"], envelope["expires_at"] - due), (due, 3600 * 1000), "send_at, life after it")
        flow.expect_sum(stand, 3)
        send(stand, people(1, first=9), "--send-at", "2020-01-01T00:00:00Z", using=plain(stand), check=True)
        equal(length(stand), 1, "a time that is over is now")


def test_a_high_priority_campaign_goes_on_the_high_list():
    with Stand() as stand:
        send(stand, people(2), using=plain(stand, priority="high"), check=True)
        equal([envelope["priority"] for envelope in enqueued(stand, "high")], ["high", "high"], "priorities")
        equal(length(stand), 0, "normal list")


# --- what a file may look like ---

CSV_FORMS = [
    ("plain", b"to,name,consent\n+13175550101,Ann,true\n", "Ann"),
    ("a byte order mark and CRLF", b"\xef\xbb\xbfto,name,consent\r\n+13175550101,Ann,true\r\n", "Ann"),
    ("CR alone", b"to,name,consent\r+13175550101,Ann,true\r", "Ann"),
    ("no line end at the end", b"to,name,consent\n+13175550101,Ann,true", "Ann"),
    ("semicolons", b"to;name;consent\n+13175550101;Ann, Dr;true\n", "Ann, Dr"),
    ("tabs", b"to\tname\tconsent\n+13175550101\tAnn, Dr\ttrue\n", "Ann, Dr"),
    ("a comma in quotes", b'to,name,consent\n+13175550101,"Ann, Dr",true\n', "Ann, Dr"),
    ("a quote written twice", b'to,name,consent\n+13175550101,"Ann ""Mia""",true\n', 'Ann "Mia"'),
    ("a line break in quotes", b'to,name,consent\n+13175550101,"Ann\nMia",true\n', "Ann\nMia"),
    ("CRLF in quotes", b'to,name,consent\r\n+13175550101,"Ann\r\nMia",true\r\n', "Ann\r\nMia"),
    ("blank lines", b"\n\nto,name,consent\n\n+13175550101,Ann,true\n\n\n", "Ann"),
    ("blanks around values", b"to , name ,consent\n +13175550101 , Ann , true \n", "Ann"),
    ("quoted names of columns", b'"to","name","consent"\n"+13175550101","Ann","true"\n', "Ann"),
    ("other columns between", b"id,name,x,consent,to\n7,Ann,,true,+13175550101\n", "Ann"),
    ("an address with its channel", b"to,name,consent\nsms:+13175550101,Ann,true\n", "Ann"),
    ("any script", "to,name,consent\n+13175550101,Ann 李 🎉,true\n".encode(), "Ann 李 🎉"),
    ("a placeholder's braces, half", b"to,name,consent\n+13175550101,{{Ann,true\n", "{{Ann"),
]


def test_CSV_is_read_in_every_form_that_spreadsheets_write():
    with Stand() as stand:
        for about, content, name in CSV_FORMS:
            result = send(stand, content, using=plain(stand))
            equal(result.status, 0, f"{about}: {result.describe()}")
            equal(take(stand), {"+13175550101": f"Hello {name}"}, about)


def test_CSV_is_read_from_standard_input():
    with Stand() as stand:
        for flags in ((), ("--recipients", "-")):
            text = 'to,name,consent\n+13175550101,"Ann\nMia",true\n'
            stand.herald("campaign", "send", "--template", plain(stand), *flags, stdin=text, check=True)
            equal(take(stand), {"+13175550101": "Hello Ann\nMia"}, f"with {flags}")


JSON_LINES = (
    '{"to": "+13175550101", "name": "Ann", "consentVerified": true}\n'
    '{"consentVerified": "true", "name": 42, "to": "+13175550102", "more": null}\r\n'
    "\n"
    '{"to": "+13175550103", "name": null, "consentVerified": true, "extra": 1.50}\n'
    '{"to": "+13175550104", "name": "a\\u00e9\\nb", "consentVerified": true}'
)
JSON_TEXTS = {
    "+13175550101": "Hello Ann",
    "+13175550102": "Hello 42",
    "+13175550103": "Hello friend",
    "+13175550104": "Hello aé\nb",
}


def test_JSON_lines_are_read_from_a_file_and_from_standard_input():
    with Stand() as stand:
        send(stand, JSON_LINES, using=plain(stand), ending="jsonl", check=True)
        equal(take(stand), JSON_TEXTS, "from a file")
        send(stand, JSON_LINES, "--format", "jsonl", using=plain(stand), ending="txt", check=True)
        equal(take(stand), JSON_TEXTS, "from a file, told by the flag")
        stand.herald("campaign", "send", "--template", plain(stand), stdin=JSON_LINES, check=True)
        equal(take(stand), JSON_TEXTS, "from standard input, told by its first byte")


def test_a_header_alone_is_a_campaign_of_nobody():
    with Stand() as stand:
        equal(send(stand, HEADER, "--json", check=True).json["rows"], 0, "rows")
        equal(length(stand), 0, "messages")


# --- refused rows ---

LONG = "x" * 800
REFUSED_ROWS = [
    (",Ann,May 1,true", "to", "address_missing"),
    ("0317555,Ann,May 1,true", "to", "address_invalid"),
    ("+1317555010x,Ann,May 1,true", "to", "address_invalid"),
    ("+1234567890123456,Ann,May 1,true", "to", "address_invalid"),
    ("whatsapp:+13175559901,Ann,May 1,true", "to", "address_invalid"),
    ("+13175559902,Ann,May 1,false", "consentVerified", "consent_missing"),
    ("+13175559903,Ann,May 1,", "consentVerified", "consent_missing"),
    ("+13175559904,Ann,May 1,maybe", "consentVerified", "consent_missing"),
    ("+13175559905,Ann,,true", "date", "placeholder_unresolved"),
    (f"+13175559906,{LONG},May 1,true", NO_COLUMN, "text_too_long"),
    ("+13175559907,{{other}},May 1,true", NO_COLUMN, "placeholder_unresolved"),
    ("+13175559908,Ann", NO_COLUMN, "row_malformed"),
    ("+13175559909,Ann,May 1,true,more", NO_COLUMN, "row_malformed"),
    (f"+13175559910,{'李' * 340},May 1,true", NO_COLUMN, "text_too_long"),  # 6 parts in UCS-2
]


def test_each_refused_row_is_in_the_rejects_file_with_line_column_and_reason():
    lines, expected = [], []
    for index, (text, column, code) in enumerate(REFUSED_ROWS):
        lines += [row(index), text + "\n"]  # a good one before each
        expected.append((2 * index + 3, column, code))
    with Stand() as stand:
        result = send(stand, HEADER + "".join(lines), "--rejects", stand.path("bad.csv"))
        equal(result.status, 3, result.describe())
        equal(rejected(stand.path("bad.csv")), expected, "rejects")
        equal(sorted(texts(stand)), [number(index) for index in range(len(REFUSED_ROWS))], "the others")
        equal(stand.path("bad.csv").stat().st_mode & 0o777, 0o600, "mode of the rejects file")
        for code, times in collections.Counter(code for _, _, code in expected).items():
            assert re.search(rf"  {code} +{times}\n", result.out), result.out
        assert str(stand.path("bad.csv")) in result.out, result.out


def test_bytes_that_are_no_text_refuse_their_row_and_no_other():
    bad = [
        (b"+13175559901,A\xffnn,May 1,true", "name"),
        (b"+13175559902,A\0nn,May 1,true", "name"),
        (b"+13175559903,A\xc0\xafnn,May 1,true", "name"),  # an overlong slash
        (b"+13175559904,A\xed\xa0\x80nn,May 1,true", "name"),  # half of a surrogate pair
        (b"+13175559905," + b"x" * 70000 + b",May 1,true", "name"),
        (b"+13175559906," + b"x" * 300000 + b",May 1,true", NO_COLUMN),
        (b'+13175559907,A"nn,May 1,true', "name"),
        (b'+13175559908,"Ann,May 1,true', "name"),
    ]
    content = HEADER.encode()
    for index, (line, _) in enumerate(bad):
        content += line + b"\n" + row(index).encode()
    with Stand() as stand:
        result = send(stand, content)
        equal(result.status, 3, result.describe())
        equal(sorted(texts(stand)), [number(index) for index in range(len(bad))], "the others")
        raw = stand.path("people.csv.rejects.csv").read_bytes().split(b"\n")[1:-1]
        places = [tuple(line.split(b",")[:3]) for line in raw]
        equal([int(line) for line, _, _ in places], [2 * index + 2 for index in range(len(bad))], "lines")
        equal([column.decode().strip('"') for _, column, _ in places], [column for _, column in bad], "columns")
        assert all(reason.startswith(b'"row_malformed: ') for _, _, reason in places), places


def test_a_refused_row_names_the_column_as_the_file_does():
    with Stand() as stand:
        send(stand, "address,consent\n031,true\n+13175550101,no\n", using=plain(stand))
        expected = [(2, "address", "address_invalid"), (3, "consent", "consent_missing")]
        equal(rejected(stand.path("people.csv.rejects.csv")), expected, "rejects")


def test_the_corrected_rejects_file_sends_just_those():
    text = HEADER + row(1) + "0317,Bob,May 2,true\n" + row(3) + '+13175550104,"Cy, Dr",May 4,no\n'
    with Stand() as stand:
        equal(send(stand, text).status, 3, "status")
        rejects = stand.path("people.csv.rejects.csv")
        corrected = rejects.read_text().replace("0317,", number(2) + ",").replace(",no\n", ",true\n")
        equal(corrected.splitlines()[0], "rejected_line,rejected_column,rejected_reason," + HEADER.strip(), "header")
        rejects.write_text(corrected)
        stand.redis.call("DEL", READY)
        using = template(stand)
        again = stand.herald("campaign", "send", "--template", using, "--recipients", rejects, check=True)
        expected = {number(2): "Hello Bob, see you on May 2.", "+13175550104": "Hello Cy, Dr, see you on May 4."}
        equal(texts(stand), expected, again.describe())


def test_a_row_that_is_refused_again_keeps_its_first_reason_beside_the_new_one():
    with Stand() as stand:
        send(stand, HEADER.replace(",", ";") + "031;Ann;May 1;true\n")
        first = stand.path("people.csv.rejects.csv")
        equal(rejected(first, ";"), [(2, "to", "address_invalid")], "rejects")
        using = template(stand)
        result = stand.herald("campaign", "send", "--template", using, "--recipients", first)
        equal(result.status, 3, result.describe())
        header, line = stand.path("people.csv.rejects.csv.rejects.csv").read_text().splitlines()
        assert header.startswith("rejected_line_2;rejected_column_2;rejected_reason_2;rejected_line;"), header
        assert line.startswith('2;"to";"address_invalid: ') and line.endswith(";031;Ann;May 1;true"), line


def test_refused_JSON_lines_come_back_as_JSON_lines():
    lines = [
        '{"to":"031","name":"Ann","consentVerified":true}',
        '{"to":"+13175550101","consentVerified":true}',
        "not JSON",
        '{"to":"+13175550102"}',
        "[1]",
        '{"to":{"a":1},"consentVerified":true}',
    ]
    with Stand() as stand:
        equal(send(stand, "\n".join(lines), using=plain(stand), ending="jsonl").status, 3, "status")
        rejects = stand.path("people.jsonl.rejects.jsonl")
        found = [json.loads(line) for line in rejects.read_text().splitlines()]
        equal([(entry["rejected_line"], entry["rejected_column"]) for entry in found],
              [(1, "to"), (3, ""), (4, "consentVerified"), (5, ""), (6, "to")], "lines, columns")
        equal((found[0]["to"], found[1]["rejected_raw"]), ("031", "not JSON"), "what was there")
        corrected = [{**found[0], "to": number(1)}, {**found[2], "consentVerified": True}]
        rejects.write_text("\n".join(map(json.dumps, corrected)))
        stand.redis.call("DEL", READY)
        stand.herald("campaign", "send", "--template", plain(stand), "--recipients", rejects, check=True)
        equal(sorted(texts(stand)), [number(1), "+13175550102"], "sent after correction")


def test_the_rejects_file_never_overwrites_what_is_being_read():
    with Stand() as stand:
        text = people(3) + "031,Ann,May 1,true\n"
        path = stand.write("people.csv", text)
        os.symlink(path, stand.path("link.csv"))
        for name in ("people.csv", "link.csv"):
            result = send(stand, text, "--rejects", stand.path(name))
            expect_refusal(result, 2, "would overwrite", name)
        expect_refusal(send(stand, text, "--rejects", template(stand)), 2, "would overwrite", "template.json")
        with path.open() as stdin:
            command = [program("herald"), "campaign", "send", "--template", template(stand), "--rejects", path]
            done = subprocess.run(command, stdin=stdin, env=stand.environment(), capture_output=True, timeout=60)
        equal(done.returncode, 2, done.stderr)
        equal(path.read_text(), text, "the file")
        expect_nothing_enqueued(stand)


def test_refused_rows_of_standard_input_go_to_a_file_named_after_the_campaign():
    with Stand() as stand, running(stand, "campaign", "send", "--template", template(stand)) as process:
        process.communicate((HEADER + "031,Ann,May 1,true\n").encode(), timeout=30 * SLOWNESS)
        equal(process.returncode, 3, "status")
        equal(rejected(stand.path("visit.rejects.csv")), [(2, "to", "address_invalid")], "rejects")


def test_a_rejects_file_that_is_there_keeps_what_a_person_corrected_in_it():
    with Stand() as stand:
        bad = people(1) + "031,Ann,May 1,true\n"
        equal(send(stand, bad).status, 3, "status")
        first = stand.path("people.csv.rejects.csv")
        first.write_text("hours of work\n")
        for number in (2, 3):
            result = send_json(stand, bad)
            path = stand.path(f"people.csv.rejects.{number}.csv")
            equal(result["rejects_file"], str(path), "rejects file")
            equal(rejected(path), [(3, "to", "address_invalid")], "rejects")
            equal(path.stat().st_mode & 0o777, 0o600, "mode of the rejects file")
        equal(first.read_text(), "hours of work\n", "the corrected file")
        equal(send(stand, bad, "--rejects", first).status, 3, "status")
        equal(rejected(first), [(3, "to", "address_invalid")], "a file that was asked for by name is overwritten")


def test_a_rejects_file_that_cannot_be_written_stops_the_run_and_says_so():
    with Stand() as stand:
        result = send(stand, people(2) + "031,Ann,May 1,true\n", "--rejects", stand.path("no/such/folder.csv"))
        lines = expect_refusal(result, 1, "cannot write the rejects file", "folder.csv", "No such file")
        assert "run the same command again" in lines[1], lines
        result = send(stand, people(4) + "031,Ann,May 1,true\n", "--rejects", "/dev/full")
        expect_refusal(result, 1, "cannot write the rejects file", "No space left")
        send(stand, people(4), check=True)
        expect_each_once(stand, 4)


def test_a_report_that_cannot_be_written_is_a_failure():
    with Stand() as stand, open("/dev/full", "w") as full:
        path = stand.write("people.csv", people(2))
        command = [program("herald"), "campaign", "send", "--template", template(stand), "--recipients", path]
        done = subprocess.run(command, stdout=full, env=stand.environment(), timeout=60)
        equal(done.returncode, 1, "status")
        expect_each_once(stand, 2)


# --- nobody twice ---


def test_the_same_campaign_sent_twice_enqueues_nobody_twice():
    with Stand() as stand:
        first = send_json(stand, people(500), check=True)
        equal((first["accepted"], first["duplicates"]), (500, 0), "first run")
        second = send_json(stand, people(501), check=True)
        equal((second["accepted"], second["duplicates"]), (1, 500), "second run, with one more")
        expect_each_once(stand, 501)
        other = send_json(stand, people(501), "--campaign", "another", check=True)
        equal((other["accepted"], other["duplicates"]), (501, 0), "another campaign")


def test_a_run_killed_half_way_is_completed_by_running_it_again():
    with Stand() as stand:
        command = ("campaign", "send", "--template", template(stand), "--recipients", "-")
        with running(stand, *command) as process:
            feed(process, people(3000))
            wait_until(lambda: length(stand) >= 1000, "the first messages to be enqueued")
            process.kill()
        result = send_json(stand, people(5000), check=True)
        assert 2000 <= result["accepted"] <= 4000, result  # what was on the wire when it died may have arrived
        equal(result["accepted"] + result["duplicates"], 5000, "people of the second run")
        expect_each_once(stand, 5000)


def test_an_address_that_is_in_the_file_twice_gets_one_message_however_it_is_written():
    text = "to,name,consent\n+13175550101,Ann,true\n13175550101,Bob,true\nsms:+13175550101,Cy,true\n"
    with Stand() as stand:
        result = send_json(stand, text, using=plain(stand), check=True)
        equal((result["accepted"], result["duplicates"]), (1, 2), "accepted, duplicates")
        equal(texts(stand), {"+13175550101": "Hello Ann"}, "the first one")


def test_with_a_key_column_an_address_gets_a_message_for_each_key():
    text = "to,name,order,consent\n+13175550101,Ann,A1,true\n+13175550101,Ann,A2,true\n+13175550101,Ann,A1,true\n"
    with Stand() as stand:
        result = send_json(stand, text, "--key", "order", using=plain(stand), check=True)
        equal((result["accepted"], result["duplicates"]), (2, 1), "accepted, duplicates")
        result = send(stand, text + "+13175550102,Bob,,true\n", "--key", "order", using=plain(stand))
        equal(result.status, 3, "status with an empty key")
        equal(rejected(stand.path("people.csv.rejects.csv")), [(5, "order", "key_missing")], "rejects")
        equal(length(stand), 2, "messages")


# --- wrong use ---

TEXT = {"en": "Hi"}
WRONG_TEMPLATES = [
    ({"texts": {"en": "Hi {{name, you"}}, "the text for en", "column 4", "never closed"),
    ({"texts": {"en": "Hi {{}}"}}, "no name"),
    ({"tetxs": TEXT}, "'tetxs' is not known", "'texts'"),
    ({"texts": None}, "'texts' is missing"),
    ({"texts": {"en": 7}}, "'texts' for en"),
    ({"channel": "pigeon"}, "channel `pigeon`"),
    ({"channel": None}, "'channel' is missing"),
    ({"route": "conversation"}, "route `conversation`"),
    ({"from": None}, "no sender"),
    ({"from": "5550100"}, "sent from a number"),
    ({"from": "shop"}, "sent from a number"),
    ({"channel": "facebook", "route": "agentless"}, "facebook does not go by this route"),
    ({"channel": "whatsapp", "texts": TEXT}, "approved template"),
    ({"priority": "urgent"}, "priority must be"),
    ({"on_unknown": "panic"}, "on_unknown must be"),
    ({"expires_after": "soon"}, "expires_after must be"),
    ({"expires_after": "99999999999d"}, "expires_after must be"),
    ({"origin": "https://evil.example.net"}, "origin"),
    ({"labels": {"a": 1}}, "label 'a'"),
    ({"labels": {"a" * 129: "b"}}, "label"),
    ({"labels": {"a": "b" * 70000}}, "labels have at most"),
    ({"name": "two words"}, "campaign's name"),
    ({"name": None}, "needs a name"),
    ({"default_language": "it"}, "'default_language' is 'it'"),
]


def test_a_template_that_cannot_be_used_is_refused_at_the_start_and_nothing_is_enqueued():
    with Stand() as stand:
        for changes, *words in WRONG_TEMPLATES:
            result = send(stand, people(3), using=template(stand, **changes))
            lines = expect_refusal(result, 2, *words)
            equal(len(lines), 1, f"lines about {changes}")
        using = stand.write("template.json", '{"name": "x",}')
        expect_refusal(send(stand, people(3), using=using), 2, "template.json", "not JSON")
        expect_nothing_enqueued(stand)


WRONG_FILES = [
    ("no header", "+13175550101,Ann,May 1,true\n", "no column `to`", "first line"),
    ("no address", "name,date,consent\nAnn,x,true\n", "no column `to`"),
    ("no consent", "to,name,date\n+13175550101,Ann,x\n", "no column `consentVerified`"),
    ("a variable without its column", "to,name,consent\n+13175550101,Ann,true\n", "no column `date`"),
    ("nothing in it", "", "nothing in it"),
    ("blank lines only", "\n \n", "nothing in it"),
    ("a column twice", "to,date,to,consent\n", "two columns"),
    ("a column without a name", "to,,date,consent\n", "column 2"),
    ("a broken header", '"to,date\n', "broken quote"),
    ("UTF-16", "to,date\n".encode("utf-16"), "UTF-16"),
    ("a spreadsheet", b"PK\x03\x04\x14\x00", "spreadsheet"),
    ("too many columns", ",".join(f"c{index}" for index in range(300)), "300 columns"),
    ("one endless line", "x" * 300000, "256 KiB"),
]


def test_a_file_of_people_that_cannot_be_used_is_refused_at_the_start_and_nothing_is_enqueued():
    with Stand() as stand:
        for about, content, *words in WRONG_FILES:
            lines = expect_refusal(send(stand, content), 2, *words)
            equal(len(lines), 1, f"lines about {about}")
        result = send(stand, people(1), "--key", "order")
        expect_refusal(result, 2, "no column `order`", "--key")
        expect_nothing_enqueued(stand)


def test_a_file_that_cannot_be_read_is_named_and_the_status_is_1():
    with Stand() as stand:
        using = template(stand)
        command = ("campaign", "send", "--template", using, "--recipients")
        expect_refusal(stand.herald(*command, stand.path("gone.csv")), 1, "gone.csv", "No such file")
        expect_refusal(stand.herald(*command, stand.folder), 1, str(stand.folder), "directory")
        expect_refusal(send(stand, people(1), using=stand.path("gone.json")), 1, "gone.json", "No such file")
        expect_nothing_enqueued(stand)


def test_wrong_flags_and_words_are_wrong_use():
    with Stand() as stand:
        path = stand.write("people.csv", people(1))
        using = ("--template", template(stand))
        cases = [
            (("--recipients", path), "--template"),
            ((*using, path), "one word too many", "people.csv"),
            ((*using, "--recipients", path, "--nonsense"), "nonsense"),
            ((*using, "--recipients", path, "--format", "xml"), "--format"),
            ((*using, "--recipients", path, "--send-at", "tomorrow"), "--send-at", "2026-01-15T10:30:00Z"),
            ((*using, "--recipients", path, "--route", "conversation"), "--route"),
            ((*using, "--recipients", path, "--campaign", "a b"), "campaign's name"),
            ((*using, "--recipients", path, "--campaign", "x" * 65), "campaign's name"),
            (("--template", "-", "--recipients", path), "must be a file"),
            ((*using, "--recipients", path, "--org", "a:b"), "--org"),
            ((*using, "--recipients", path, "--redis", "http://localhost"), "--redis"),
        ]
        for arguments, *words in cases:
            expect_refusal(stand.herald("campaign", "send", *arguments), 2, *words)
        expect_nothing_enqueued(stand)


# --- dry run, cost, machine form ---


def test_a_dry_run_shows_three_examples_per_language_and_enqueues_nothing():
    rows = "".join(f"+3491555{index:04},Ana{index},May {index},true\n" for index in range(5))
    with Stand() as stand:
        text = people(5) + rows + "031,Ann,May 1,true\n"
        result = send(stand, text, "--dry-run")
        equal(result.status, 3, "status")
        for words in (r"would be sent +10\n", r"would be refused +1\n", r"SMS segments +10\n"):
            assert re.search(words, result.out), result.out
        equal(result.out.count("Hello Ann, see you on May 1."), 3, "English examples")
        equal(re.findall(r"Hola (Ana\d)", result.out), ["Ana0", "Ana1", "Ana2"], "Spanish examples")
        assert number(0) not in result.out, "addresses are masked"
        equal(rejected(stand.path("people.csv.rejects.csv")), [(12, "to", "address_invalid")], "rejects")
        expect_nothing_enqueued(stand)
        found = send_json(stand, text, "--dry-run")
        equal((found["dry_run"], found["valid"], found["refused"]), (True, 10, 1), "the same as JSON")
        equal([len(found["languages"][tag]["examples"]) for tag in ("en", "es")], [3, 3], "examples")
        assert "accepted" not in found, found


def test_a_dry_run_needs_no_redis():
    with Stand() as stand:
        result = send(stand, people(2), "--dry-run", env={"HERALD_REDIS_URL": "redis://127.0.0.1:1/0"})
        equal(result.status, 0, result.describe())


def test_the_cost_of_SMS_is_counted_in_encodings_and_segments():
    names = ["x" * 154, "x" * 155, "€" * 77 + "x", "李" * 64, "李" * 65, "ö"]  # behind "Hello ", 6 characters
    segments = [1, 2, 2, 1, 2, 1]  # € takes two septets: 6 + 154 + 1
    rows = "".join(f"{number(index)},{name},x,true\n" for index, name in enumerate(names))
    with Stand() as stand:
        found = send_json(stand, HEADER + rows, using=plain(stand), check=True)
        equal(found["sms"], {"segments": sum(segments), "gsm7": 4, "ucs2": 2}, "cost")
        web = plain(stand, channel="open", **{"from": "deployment"})
        assert "sms" not in send_json(stand, HEADER + "someone,,x,true\n", using=web, check=True)


def test_the_JSON_report_has_stable_fields():
    with Stand() as stand:
        found = send_json(stand, people(2) + "031,Ann,May 1,true\n")
        fields = {"campaign", "dry_run", "rows", "valid", "accepted", "duplicates", "refused", "reasons", "languages",
                  "sms", "rejects_file", "seconds", "rows_per_second"}
        equal(set(found), fields, "fields")
        values = {"campaign": "visit", "rows": 3, "valid": 2, "accepted": 2, "duplicates": 0, "refused": 1}
        equal({field: found[field] for field in values}, values, "values")
        equal((found["reasons"], found["languages"]), ({"address_invalid": 1}, {"en": {"count": 2}}), "details")
        equal(found["rejects_file"], str(stand.path("people.csv.rejects.csv")), "rejects file")
        equal(send_json(stand, people(2), check=True)["rejects_file"], None, "rejects file when nothing was refused")


def test_long_examples_leave_the_JSON_whole():
    """64,000 characters each, three in each of 64 languages: more than any buffer for a report."""
    tags = [f"{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]
    with Stand() as stand:
        using = template(stand, channel="facebook", default_language="aa", greetings=None, **{"from": "page"},
                         texts={tag: "x" * 3900 + "{{name}}" for tag in tags})
        rows = "".join(f"{index:08},{'x' * 60000},x,{tags[index % 64]},true\n" for index in range(192))
        found = send_json(stand, "to,name,date,language,consent\n" + rows, "--dry-run", using=using, check=True)
        equal(len(found["languages"]), 64, "languages")
        equal({len(e["text"]) for about in found["languages"].values() for e in about["examples"]}, {63900}, "lengths")


# --- terminals ---


def on_terminal(stand, *arguments, env=None, out_too=False, feed_text=None):
    """Runs herald with standard error (and output) on a terminal; (status, what the terminal got, standard output)."""
    master, slave = pty.openpty()
    shown = []

    def watch():
        with contextlib.suppress(OSError):  # EIO: the last one who could write is gone
            while piece := os.read(master, 65536):
                shown.append(piece)

    try:
        with running(stand, *arguments, env=env, stderr=slave, stdout=slave if out_too else subprocess.PIPE) as process:
            os.close(slave)
            slave = None
            watcher = threading.Thread(target=watch)
            watcher.start()
            out, _ = process.communicate(feed_text, timeout=60 * SLOWNESS)
            watcher.join(30)
        return process.returncode, b"".join(shown).decode(), (out or b"").decode()
    finally:
        os.close(master)
        if slave is not None:
            os.close(slave)


def test_on_a_terminal_a_bar_appears_and_is_wiped():
    with Stand() as stand:
        path = stand.write("people.csv", people(20000))
        command = ("campaign", "send", "--template", template(stand), "--recipients")
        status, shown, out = on_terminal(stand, *command, path)
        equal(status, 0, shown)
        assert re.search(r"\r\x1b\[Kenqueueing  \[#* *\] +\d+%  \d+  \d+/s", shown), shown
        assert shown.endswith("\r\x1b[K"), shown[-100:]
        assert "\x1b" not in out and "accepted" in out, out
        status, shown, _ = on_terminal(stand, *command, "-", feed_text=people(10).encode())
        assert re.search(r"\r\x1b\[Kenqueueing  \d+  \d+/s", shown), f"without a size there is no percentage: {shown!r}"


def test_on_a_terminal_there_is_colour_unless_NO_COLOR_says_no():
    with Stand() as stand:
        path = stand.write("people.csv", people(2))
        command = ("campaign", "send", "--template", template(stand), "--recipients", path)
        _, shown, _ = on_terminal(stand, *command, out_too=True)
        assert "\x1b[1mEnqueued: campaign visit\x1b[0m" in shown, shown
        _, shown, _ = on_terminal(stand, *command, out_too=True, env={"NO_COLOR": "1"})
        assert "Enqueued: campaign visit" in shown and "\x1b[1m" not in shown, shown


def test_without_a_terminal_there_are_no_escape_sequences():
    with Stand() as stand:
        stand.sandbox()
        stand.worker()
        for flags in (("--wait",), ("--dry-run",), ("--json",)):
            result = send(stand, people(5000) + "031,Ann,May 1,true\n", *flags)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.out + result.err), result.describe()


def test_what_is_in_files_does_not_steer_the_terminal():
    hostile = "\x1b]0;owned\x07\x1b[31mRed\x7f\u009b31m"
    with Stand() as stand:
        text = f"to,name,date,consentVerified\n{number(1)},{hostile},a\nb,true\n{number(2)},\"{hostile}\nEnd\",x,true\n"
        using = template(stand)
        path = stand.write("people.csv", text)
        _, shown, _ = on_terminal(stand, "campaign", "send", "--template", using, "--recipients", path, "--dry-run",
                                  out_too=True, env={"NO_COLOR": "1"})
        assert "Red" in shown and "End" in shown, shown
        expect_harmless(shown)
        cases = [
            (using, f"to,{hostile},{hostile},consent\n"),
            (template(stand, "bad.json", **{hostile: "x"}), people(1)),
            (template(stand, "bad.json", channel=hostile), people(1)),
            (template(stand, "bad.json", default_language=hostile), people(1)),
        ]
        for using, content in cases:
            result = send(stand, content, using=using)
            equal(result.status, 2, result.describe())
            expect_harmless(result.err)


def expect_harmless(shown):
    """The bar's own sequences and line breaks aside, there is no control character."""
    rest = re.sub(r"\r\x1b\[K|\r?\n", "", shown)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", rest), repr(rest)


# --- size, and Redis ---


def test_peak_memory_does_not_depend_on_the_number_of_rows():
    count = 300_000 if SLOWNESS == 1 else 60_000
    with Stand(appendonly=False) as stand:
        path = stand.path("people.csv")
        with path.open("w") as file:
            file.write(HEADER)
            file.writelines(row(index) for index in range(count))
        peak = peak_megabytes(stand, "campaign", "send", "--template", template(stand), "--recipients", path)
        equal(length(stand), count, "messages")
        if SLOWNESS == 1:  # a sanitizer's shadow is not Herald's
            assert peak < 50, f"{peak:.1f} MB"


def test_without_redis_the_status_is_4_and_a_sentence_says_what_to_do():
    with Stand() as stand:
        result = send(stand, people(1), env={"HERALD_REDIS_URL": "redis://127.0.0.1:1/0"})
        lines = expect_refusal(result, 4, "cannot reach Redis")
        assert "HERALD_REDIS_URL" in lines[-1], lines
        equal(send(stand, people(1), check=True).status, 0, "status with Redis")


def test_a_wrong_or_missing_password_is_status_4_and_is_not_repeated():
    with Stand(password="sesame") as stand:
        wrong = stand.redis.url.replace("sesame", "open-barley")
        result = send(stand, people(1), env={"HERALD_REDIS_URL": wrong})
        expect_refusal(result, 4, "password")
        assert "open-barley" not in result.err, result.err
        result = send(stand, people(1), env={"HERALD_REDIS_URL": wrong.replace(":open-barley@", "")})
        expect_refusal(result, 4, "wants a password")
        equal(send(stand, people(1), check=True).status, 0, "status with the right one")


def test_when_redis_dies_half_way_the_status_is_4_and_running_again_completes_without_doubles():
    with Stand(appendfsync="always") as stand:
        command = ("campaign", "send", "--template", template(stand), "--recipients", "-")
        with running(stand, *command) as process:
            feed(process, people(2000))
            wait_until(lambda: length(stand) >= 400, "the first messages to be enqueued")
            stand.redis.kill()
            _, err = process.communicate(people(4000, first=2000).partition("\n")[2].encode(), timeout=60 * SLOWNESS)
        equal(process.returncode, 4, err)
        assert b"run the same command again" in err and b"nobody is enqueued twice" in err, err
        stand.redis.start()
        there = length(stand)
        assert there >= 400, there
        result = send_json(stand, people(6000), check=True)
        equal((result["accepted"], result["duplicates"]), (6000 - there, there), "second run")
        expect_each_once(stand, 6000)


def test_a_redis_that_comes_back_in_time_is_waited_for():
    with Stand(appendfsync="always") as stand:
        command = ("campaign", "send", "--template", template(stand), "--recipients", "-", "--json")
        with running(stand, *command) as process:
            feed(process, people(2000))
            wait_until(lambda: length(stand) >= 400, "the first messages to be enqueued")
            stand.redis.kill()
            feed(process, people(200, first=2000).partition("\n")[2])  # it meets the closed door
            stand.redis.start()
            out, err = process.communicate(people(1800, first=2200).partition("\n")[2].encode(), timeout=60 * SLOWNESS)
        equal(process.returncode, 0, err)
        found = json.loads(out)
        equal(found["accepted"] + found["duplicates"], 4000, "accepted, this time or in a step whose answer was lost")
        expect_each_once(stand, 4000)


if __name__ == "__main__":
    tap.run(globals())
