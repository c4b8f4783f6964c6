#!/usr/bin/python3
"""herald suppress: who must not be written to, and that nobody of them is."""

import getpass
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, message
from stand import Stand, wait_until
from tap import equal

SUPPRESSED = KEY + "suppressed"


def suppress(stand, what, *words, **more):
    return stand.herald("suppress", what, *words, **more)


def on_the_set(stand):
    return sorted(person.decode() for person in stand.redis.call("SMEMBERS", SUPPRESSED))


def audit(stand):
    return [json.loads(fields[1]) for _, fields in stand.redis.call("XRANGE", KEY + "audit", "-", "+")]


def test_addresses_are_added_as_the_worker_compares_them():
    cases = [
        (["sms:+13175550199"], "sms:+13175550199"),
        (["sms:13175550199"], "sms:+13175550199"),
        (["+13175550199", "--channel", "sms"], "sms:+13175550199"),
        (["13175550199", "--channel", "whatsapp"], "whatsapp:+13175550199"),
        (["whatsapp:+13175550199", "--channel", "whatsapp"], "whatsapp:+13175550199"),
        (["facebook:1234567890"], "facebook:1234567890"),
        (["open:user:42"], "open:user:42"),
        (["user:42", "--channel", "open"], "open:user:42"),
        (["web:contact-1"], "web:contact-1"),
        (["apple:13175550199"], "apple:+13175550199"),
    ]
    with Stand() as stand:
        for words, expected in cases:
            stand.redis.call("DEL", SUPPRESSED)
            result = suppress(stand, "add", *words, check=True)
            equal(on_the_set(stand), [expected], words)
            equal(result.out, "1 added, 0 suppressed before\n", words)


def test_an_address_that_is_none_changes_nothing_and_is_not_repeated():
    with Stand() as stand:
        for words in (
            ["sms:+12065550144", "sms:12"],
            ["sms:+12065550144", "12065550155"],
            ["sms:+12065550144", "fax:+12065550155"],
            ["sms:+12065550144", "--channel", "whatsapp"],
            ["sms:+12065550144", ""],
            ["sms:+12065550144", "facebook:a b"],
            ["sms:+12065550144", "--channel", "fax"],
            ["sms:+12065550144", "--reason", "two\nlines"],
            [],
        ):
            result = suppress(stand, "add", *words)
            equal(result.status, 2, words)
            assert "206555" not in result.err, result.err
            equal(stand.redis.call("EXISTS", SUPPRESSED, KEY + "audit"), 0, words)


def test_adding_and_removing_again_changes_nothing_and_says_so():
    with Stand() as stand:
        for what, person, expected in (
            ("add", "open:ann", {"added": 2, "unchanged": 0}),
            ("add", "open:bob", {"added": 1, "unchanged": 1}),
            ("remove", "open:ann", {"removed": 2, "unchanged": 0}),
            ("remove", "open:ann", {"removed": 0, "unchanged": 2}),
            ("add", "open:bob", {"added": 1, "unchanged": 1}),
        ):
            equal(suppress(stand, what, "sms:+13175550199", person, "--json", check=True).json, expected, what)
        equal(on_the_set(stand), ["open:bob", "sms:+13175550199"], "the set")
        equal(len(audit(stand)), 6, "audit entries")


def test_each_change_has_an_audit_entry_with_actor_and_masked_address():
    with Stand() as stand:
        suppress(stand, "add", "sms:+13175550199", "--reason", "asked by letter", check=True)
        suppress(stand, "remove", "sms:+13175550199", check=True)
        added, removed = audit(stand)
        equal(added["what"], "suppress", "what")
        equal(removed["what"], "unsuppress", "what")
        equal(added["reason"], "asked by letter", "reason")
        equal({added["actor"], removed["actor"]}, {f"cli:{getpass.getuser()}"}, "actor")
        equal(added["to"], "sms:+13*******99", "to")
        assert "31755" not in json.dumps([added, removed])


def test_the_list_is_everybody_or_those_of_a_channel():
    people = [f"sms:+1317556{number:04}" for number in range(3000)]
    with Stand() as stand:
        stand.redis.call("SADD", SUPPRESSED, *people, "open:ann\x1b[2J", "what is this?")
        shown = suppress(stand, "list", check=True).out.splitlines()
        equal(sorted(set(shown) & set(people)), people, "shown")
        assert "\x1b" not in "".join(shown), "a control character reached the terminal"
        lines = [json.loads(line) for line in suppress(stand, "list", "--json", check=True).out.splitlines()]
        equal(len({json.dumps(line) for line in lines}), 3002, "lines of JSON")
        assert {"channel": "open", "address": "ann\x1b[2J"} in lines
        assert {"channel": None, "address": "what is this?"} in lines
        equal(suppress(stand, "list", "--channel", "open", check=True).out.count("\n"), 1, "of one channel")


def test_an_empty_set_is_an_empty_list_and_one_that_is_none_an_error():
    with Stand() as stand:
        equal(suppress(stand, "list", check=True).out, "", "list")
        stand.redis.call("LPUSH", SUPPRESSED, "x")
        for words in (["list"], ["add", "open:ann"], ["remove", "open:ann"]):
            result = suppress(stand, *words)
            equal(result.status, 1, words)
            assert "Redis refused" in result.err, result.err
        equal(stand.redis.call("EXISTS", KEY + "audit"), 0, "audit")


def test_an_import_takes_one_a_line_and_names_the_lines_that_are_none():
    text = "\ufeffsms:+13175550101\r\n\n# from the shop\n  +13175550102\t\nsms:12\nopen:ann\nsms:+13175550101\n"
    text += "x" * 300_000 + "\nopen:last"
    with Stand() as stand:
        result = suppress(stand, "import", stand.write("people.txt", text), "--json")
        equal(result.status, 3, "status")
        equal(result.json, {"read": 7, "added": 3, "unchanged": 1, "refused": 3, "refused_lines": [4, 5, 8]}, "result")
        equal(on_the_set(stand), ["open:ann", "open:last", "sms:+13175550101"], "the set")
        assert "line 5: " in result.err, result.err
        assert "3175550102" not in result.err, result.err
        result = suppress(stand, "import", "-", "--channel", "sms", stdin="+13175550102\n13175550103\n", check=True)
        equal(result.out, "2 read, 2 added, 0 suppressed before, 0 refused\n", "out")


def test_an_import_takes_a_column_of_csv_or_of_json_lines():
    csv = 'name;phone\nAnn;+13175550101\n"Bob; the other";13175550102\nEve;\nMallory\n'
    rows = '{"phone":"+13175550103","n":1}\n{"n":2}\nnot JSON\n'
    with Stand() as stand:
        flags = ("--column", "phone", "--channel", "sms", "--json")
        result = suppress(stand, "import", stand.write("people.csv", csv), *flags)
        equal(result.json, {"read": 4, "added": 2, "unchanged": 0, "refused": 2, "refused_lines": [4, 5]}, "CSV")
        result = suppress(stand, "import", stand.write("people.jsonl", rows), *flags)
        equal(result.json, {"read": 3, "added": 1, "unchanged": 0, "refused": 2, "refused_lines": [2, 3]}, "JSON lines")
        equal(on_the_set(stand), [f"sms:+1317555010{number}" for number in (1, 2, 3)], "the set")
        result = suppress(stand, "import", stand.write("people.csv", csv), "--column", "fax")
        equal(result.status, 2, "status")
        assert "no column `fax`" in result.err, result.err


def test_a_large_import_arrives_whole_and_can_be_run_again():
    text = "".join(f"sms:+1317{number:07}\n" for number in range(20_000))
    with Stand() as stand:
        path = stand.write("people.txt", text)
        first = suppress(stand, "import", path, "--json", check=True).json
        equal((first["added"], first["unchanged"]), (20_000, 0), "first")
        again = suppress(stand, "import", path, "--json", check=True).json
        equal((again["added"], again["unchanged"]), (0, 20_000), "again")
        equal(stand.redis.call("SCARD", SUPPRESSED), 20_000, "the set")
        equal(stand.redis.call("XLEN", KEY + "audit"), 20_000, "audit entries")


def test_nobody_on_the_set_gets_a_message_and_who_is_taken_off_does():
    with Stand() as stand:
        sandbox = stand.sandbox()
        suppress(stand, "add", flow.number(1), "--channel", "sms", check=True)
        flow.push(stand, message(1), message(2))
        stand.worker().wait_ready()
        wait_until(lambda: len(flow.dead(stand)) == 1 and len(sandbox.ledger()) == 1, "both to have an end")
        equal(flow.dead(stand)["m1"]["reason"], "suppressed", "reason")
        suppress(stand, "remove", "sms:" + flow.number(1), check=True)
        flow.push(stand, message(1, id="m1-again"))
        wait_until(lambda: len(sandbox.ledger()) == 2, "the message to arrive")


def test_producers_refuse_whoever_has_opted_out_and_give_the_row_back():
    people = "to,name,consentVerified\n" + "".join(f"{flow.number(n)},Ann {n},true\n" for n in range(1, 501))
    template = {
        "name": "spring",
        "route": "agentless",
        "channel": "sms",
        "from": "+13175550100",
        "default_language": "en",
        "texts": {"en": "Hello {{name}}"},
    }
    with Stand() as stand:
        suppress(stand, "add", flow.number(7), flow.number(450), "--channel", "sms", check=True)
        path = stand.write("people.csv", people)
        send = ("campaign", "send", "--json", "--template", stand.write("spring.json", json.dumps(template)))
        result = stand.herald(*send, "--recipients", path)
        equal(result.status, 3, "status")
        equal((result.json["accepted"], result.json["valid"], result.json["refused"]), (498, 498, 2), result.out)
        rejects = (stand.folder / "people.csv.rejects.csv").read_text().splitlines()
        equal(len(rejects), 3, rejects)
        assert rejects[1].startswith('8,"to","suppressed: ') and rejects[1].endswith(f",{flow.number(7)},Ann 7,true"), rejects
        assert rejects[2].startswith('451,"to","suppressed: '), rejects
        equal(stand.redis.call("LLEN", flow.READY), 498, "on the list")
        suppress(stand, "remove", "sms:" + flow.number(7), check=True)
        again = stand.herald(*send, "--recipients", path).json
        equal((again["accepted"], again["duplicates"], again["refused"]), (1, 498, 1), again)


def test_enqueue_refuses_the_line_of_whoever_has_opted_out():
    with Stand() as stand:
        suppress(stand, "add", flow.number(2), "--channel", "sms", check=True)
        lines = "".join(json.dumps(item) + "\n" for item in flow.messages(3))
        result = stand.herald("enqueue", stand.write("messages.jsonl", lines), "--json")
        equal(result.status, 3, "status")
        equal((result.json["accepted"], result.json["refused"]), (2, 1), result.out)
        (rejected,) = map(json.loads, (stand.folder / "messages.jsonl.rejects.jsonl").read_text().splitlines())
        equal((rejected["id"], rejected["rejected_line"]), ("m2", 2), rejected)
        assert rejected["rejected_reason"].startswith("suppressed: "), rejected


def test_a_missing_file_or_an_absent_redis_is_said():
    with Stand() as stand:
        equal(suppress(stand, "import", stand.path("nothing.txt")).status, 1, "no file")
        result = suppress(stand, "list", env={"HERALD_REDIS_URL": "redis://127.0.0.1:1/0"})
        equal(result.status, 4, "no Redis")


if __name__ == "__main__":
    tap.run(globals())
