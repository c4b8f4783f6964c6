#!/usr/bin/python3
"""herald audit export and verify: every entry is in the files exactly once, whatever is killed, full, away or damaged."""

import contextlib
import hashlib
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import jsonschema
import tap
from flow import KEY, QUICK, message, messages, push
from http_client import Client
from stand import BUILD, ROOT, SLOWNESS, Process, Stand, wait_until
from tap import equal

SCHEMA = json.loads((ROOT / "docs" / "audit.schema.json").read_text())
ENTRY = jsonschema.Draft202012Validator(SCHEMA)
LINE = jsonschema.Draft202012Validator({"$ref": "#/$defs/line", "$defs": SCHEMA["$defs"]})
STREAM = KEY + "audit"
START = "0" * 64
NOON = 1768478400000  # 15 January 2026, 12:00 UTC
DAY = 24 * 3600 * 1000
LEASE = ("--lease", "1s", "--timeout", "900ms")


def export(stand, *arguments, to=None, status=0, **options):
    result = stand.herald("audit", "export", "--to", to or folder(stand), "--json", *arguments, **options)
    equal(result.status, status, f"status of the export\n{result.out}\n{result.err}")
    return result


def verify(stand, *files, status=0, flags=()):
    result = stand.herald("audit", "verify", "--json", *flags, *(files or exported(stand)))
    equal(result.status, status, f"status of verify\n{result.out}\n{result.err}")
    return result.json if status < 2 else result


def folder(stand, name="audit"):
    path = stand.path(name)
    path.mkdir(exist_ok=True)
    return path


def exported(stand, name="audit"):
    return sorted(folder(stand, name).glob("*.jsonl"))


def lines_of(files):
    """All lines, after each was looked at as the contract says, independently of the program."""
    found, prev = [], None
    for file in files:
        data = file.read_bytes()
        assert data == b"" or data.endswith(b"\n"), f"{file} has a torn end"
        for text in data.splitlines(keepends=False):
            body, _, tail = text.rpartition(b',"sha256":"')
            line = json.loads(text)
            equal(line["sha256"], hashlib.sha256(body).hexdigest(), "sha256 of the line")
            equal(tail, line["sha256"].encode() + b'"}', "end of the line")
            assert prev is None or line["prev"] == prev, "the chain is broken"
            prev = line["sha256"]
            found.append(line)
    equal([line["seq"] for line in found], list(range(found[0]["seq"], found[0]["seq"] + len(found))) if found else [], "numbers")
    return found


def add(stand, count, ms=NOON, step=1, first=0):
    """Entries as workers write them, at instants of our own."""
    commands = [("XADD", STREAM, f"{ms + i * step}-0", "e", json.dumps({"at": ms + i * step, "what": "attempt", "id": f"m{first + i}"}))
                for i in range(count)]
    stand.redis.pipeline(commands)


def waiting(stand):
    return stand.redis.call("XLEN", STREAM)


@contextlib.contextmanager
def following(stand, *arguments, to=None, name="exporter", status=0):
    """An exporter that follows; at the end it is asked to stop, and must end with this status."""
    process = Process(name, [BUILD / "herald", "audit", "export", "--follow", "--json", "--to", to or folder(stand), *arguments],
                      stand.folder, env=stand.environment())
    try:
        yield process
        equal(process.terminate(), status, f"status of the exporter\n{process.tails()}")
    finally:
        if process.running:
            process.kill()


def test_every_entry_becomes_a_line_that_goes_on_from_the_one_before():
    with Stand() as stand:
        stand.sandbox()
        stand.worker(*QUICK)
        push(stand, *messages(50, campaign="spring"))
        flow.wait_sent(stand, 50)
        entries = [(ident.decode(), json.loads(fields[1])) for ident, fields in stand.redis.call("XRANGE", STREAM, "-", "+")]
        said = export(stand).json
        found = lines_of(exported(stand))
        equal([(line["stream_id"], line["entry"]) for line in found], entries, "lines")
        equal({line["org"] for line in found}, {"default"}, "org")
        equal((found[0]["prev"], found[0]["seq"], len(found)), (START, 1, 50), "beginning")
        equal((said["exported"], said["last_seq"], said["last_sha256"]), (50, 50, found[-1]["sha256"]), "summary")
        equal(waiting(stand), 0, "left in Redis")
        day = time.strftime("%Y-%m-%d", time.gmtime(int(found[-1]["stream_id"].partition("-")[0]) / 1000))
        equal(exported(stand)[-1].name, f"audit-default-{day}.jsonl", "name of the file")
        checked = verify(stand, flags=("--from", "start", "--until", "redis"))
        equal((checked["ok"], checked["lines"], checked["last_sha256"]), (True, 50, found[-1]["sha256"]), "verify")
        equal(export(stand).json["exported"], 0, "exported again")
        equal(len(lines_of(exported(stand))), 50, "lines after a second export")


PEOPLE = "to,name,consentVerified\n+13175550191,Ann,true\n+13175550192,Bob,true\n"
TEMPLATE = {"name": "ready", "channel": "sms", "from": "+13175550100", "default_language": "en", "texts": {"en": "Hello {{name}}"}}


def receipt(client, provider, status, **data):
    event = {"id": f"{provider}-{status}", "type": "messaging:messages:updated", "data": {"messageId": provider, "status": status, **data}}
    answer = client.post("/webhooks/genesys-messaging", json.dumps(event).encode(), headers={"Content-Type": "application/json"})
    equal(answer.status, 200, f"receipt {status}")


def make_every_kind(stand):
    """What people, services and workers can do to a message, a campaign and a person."""
    sandbox = stand.sandbox()
    sandbox.script([{"match": {"to": flow.number(2)}, "times": 0, "do": "400", "code": "x", "message": "no"},
                    {"match": {"to": flow.number(3)}, "times": 1, "do": "503"}])
    gateway = stand.gateway("--webhook-signatures", "off")
    people, template = stand.write("people.csv", PEOPLE), stand.write("t.json", json.dumps(TEMPLATE))
    stand.herald("campaign", "send", "--template", template, "--recipients", people, "--campaign", "sent", check=True)
    stand.herald("enqueue", stdin=json.dumps(message(1)) + "\n", check=True)
    with Client(gateway.port, stand.token) as client:
        for item in messages(3, first=2, campaign="spring"):
            equal(client.post("/v1/messages", item).status, 202, "accepted")
        query = urllib.parse.urlencode({"campaign": "uploaded", "template": json.dumps(TEMPLATE)})
        answer = client.post("/v1/campaigns?" + query, people.read_bytes(), headers={"Content-Type": "text/csv"})
        equal(answer.status, 202, answer.body)
        push(stand, b"{}", message(5, payload={"toAddress": "+13175550199", "textBody": ""}))
        receipt(client, "early-1", "failed", errorCode="RecipientOptedOut")
        worker = stand.worker("--worker-id", "w-1", *LEASE, *QUICK)
        flow.wait_settled(stand, 10)
        provider = flow.state(stand, "m1")["provider_id"]
        receipt(client, provider, "delivered")
        receipt(client, provider, "failed", errorCode="RecipientOptedOut")
        worker.terminate()
        for action in ("pause", "resume"):
            stand.herald("campaign", action, "spring", check=True)
        equal(client.post("/v1/campaigns/spring/cancel").status, 200, "cancelled")
    stand.herald("dead", "replay", "m2", check=True)
    stand.herald("dead", "purge", "--filter", "reason=field_missing", "--reason", "nonsense", "--yes", check=True)
    for action in ("add", "remove"):
        stand.herald("suppress", action, "sms:+13175550198", "--reason", "asked", check=True)


def lose_a_worker(stand):
    """Two messages in the hands of a worker that is killed: one goes back on its list, one is buried."""
    stand.sandbox("--latency", "60s")
    push(stand, message(21, campaign="autumn"), message(22, on_unknown="hold"))
    flags = (*LEASE, "--threads", "1")
    lost = stand.worker("--worker-id", "lost", *flags)
    wait_until(lambda: stand.redis.call("HLEN", KEY + "inflight:lost") == 2, "the messages in its hands")
    lost.kill()
    stand.worker("--worker-id", "other", *flags)
    wait_until(lambda: flow.audit(stand, "m21") and flow.audit(stand, "m22"), "both to be taken back")


def test_every_kind_of_entry_is_what_the_schema_says_and_says_who_did_it():
    with Stand() as stand:
        make_every_kind(stand)
        lose_a_worker(stand)
        export(stand)
        found = lines_of(exported(stand))
        for line in found:
            LINE.validate(line)
            ENTRY.validate(line["entry"])
        entries = [line["entry"] for line in found]
        kinds = set(SCHEMA["$defs"]["entry"]["properties"]["what"]["enum"]) - {"settle", "callback_replay", "callback_purge"}
        equal({entry["what"] for entry in entries}, kinds, "kinds")
        handed = [(entry["actor"].partition(":")[0], entry.get("campaign"), entry.get("count", len(entry.get("ids", ()))))
                  for entry in entries if entry["what"] == "enqueue"]
        equal(sorted(handed, key=str), sorted([("cli", "sent", 2), ("cli", None, 1), ("gateway", None, 1), ("gateway", None, 1),
                                               ("gateway", None, 1), ("gateway", "uploaded", 2)], key=str), "who enqueued what")
        equal({entry["actor"] for entry in entries if entry["what"] in ("attempt", "bury")} - {"worker:other"}, {"worker:w-1"}, "workers")
        reaped = {entry["id"]: entry for entry in entries if entry["what"] == "reap"}
        equal({name: (entry["actor"], entry["worker"], entry["outcome"], entry.get("campaign"), entry["channel"], entry["to"])
               for name, entry in reaped.items()},
              {"m21": ("worker:other", "lost", "redelivered", "autumn", "sms", "131******21"),
               "m22": ("worker:other", "lost", "dead", None, "sms", "131******22")}, "reaps")
        equal([entry.get("suppressed", False) for entry in entries if entry["what"] == "receipt"], [False, False, True], "suppressions")
        texts = json.dumps(entries)
        assert "Hello" not in texts and "3175550191" not in texts and flow.number(1) not in texts, "a text or an address"


def test_status_tells_of_the_exporter_and_of_what_waits_for_it():
    with Stand() as stand:
        equal(stand.status()["audit"], {"kept": 0, "cut": 0, "oldest_ms": -1, "exported": 0, "export_age_ms": -1,
                                        "exporter": {"lease_left_ms": 0, "place": ""}}, "of a fresh Redis")
        add(stand, 10)
        found = stand.status()["audit"]
        assert found["kept"] == 10 and found["oldest_ms"] > 0, found
        with following(stand):
            wait_until(lambda: waiting(stand) == 0, "the export")
            add(stand, 5, ms=NOON + 100)
            wait_until(lambda: waiting(stand) == 0, "the export of what came")
            found = stand.status()["audit"]
            assert found["exporter"]["lease_left_ms"] > 0 and str(folder(stand)) in found["exporter"]["place"], found
            equal((found["kept"], found["cut"], found["exported"], found["oldest_ms"]), (0, 0, 15, -1), "counts")
        add(stand, 3, ms=NOON + 200)
        found = stand.status()["audit"]
        equal((found["kept"], found["cut"], found["exporter"]["lease_left_ms"]), (3, 0, 0), "without an exporter")
        table = stand.herald("status").out
        assert "nobody exports it" in table and "the last exporter wrote to" in table, table


def test_what_is_cut_off_before_it_was_exported_is_counted():
    with Stand() as stand:
        add(stand, 100)
        export(stand)
        add(stand, 100, ms=NOON + 1000)
        stand.redis.call("XTRIM", STREAM, "MAXLEN", 40)
        equal((stand.status()["audit"]["kept"], stand.status()["audit"]["cut"]), (40, 60), "kept and cut")
        export(stand)
        equal((stand.status()["audit"]["kept"], stand.status()["audit"]["cut"]), (0, 60), "kept and cut after the export")
        assert "60 older audit entries were cut off" in stand.herald("status").out
        found = lines_of(exported(stand))
        equal([line.get("lost") for line in (found[0], found[99], found[100], found[-1])], [None, None, 60, 60], "told in the lines")
        equal(verify(stand)["lost"], 60, "told by verify")
        add(stand, 10, ms=NOON + 5000)
        stand.redis.call("XTRIM", STREAM, "MAXLEN", 9)
        export(stand, to=folder(stand, "new"))
        equal([line["lost"] for line in lines_of(exported(stand, "new"))], [61] * 9, "goes on in another place")
        for line in lines_of(exported(stand, "new")):
            LINE.validate(line)


def test_a_killed_exporter_loses_and_repeats_nothing():
    with Stand() as stand:
        stand.sandbox()
        stand.worker("--threads", "2", *QUICK)
        total, kills = 3000, 25
        place, restarts = folder(stand), 0
        push(stand, *messages(total))
        for number in range(kills):
            process = Process(f"exporter-{number}", [BUILD / "herald", "audit", "export", "--follow", "--to", place], stand.folder,
                              env=stand.environment())
            before = size(place)
            wait_until(lambda: size(place) > before or stand.status()["places"]["sent"] == total and waiting(stand) == 0,
                       "the exporter to write")
            process.kill()
            restarts += size(place) > before
        flow.wait_sent(stand, total, seconds=60)
        export(stand)
        found = lines_of(exported(stand))
        assert restarts >= 3, f"only {restarts} of the exporters wrote anything"
        equal(sorted(line["entry"]["id"] for line in found if line["entry"]["what"] == "attempt"),
              sorted(f"m{index}" for index in range(1, total + 1)), "attempts in the files, each once")
        equal(len({line["stream_id"] for line in found}), len(found), "entries, each once")
        info = stand.redis.call("XINFO", "STREAM", STREAM)
        equal(dict(zip(info[::2], info[1::2]))[b"entries-added"], len(found), "entries ever added")
        verify(stand, flags=("--from", "start", "--until", "redis"))


def size(place):
    return sum(file.stat().st_size for file in place.glob("*.jsonl"))


def test_each_crash_between_the_disk_and_redis_is_made_good():
    """What the exporter had on the disk when it died, Redis did not know of: whole lines stay, the rest is cut off."""
    with Stand() as stand:
        add(stand, 100)
        dump = stand.redis.call("DUMP", STREAM)
        export(stand)
        [file] = exported(stand)
        whole = file.read_bytes()
        ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
        for acknowledged, kept, junk in ((0, ends[0], b""), (0, ends[41], b""), (0, ends[99], b""), (0, ends[41] + 1, b""),
                                         (0, ends[41] - 1, b""), (50, ends[49], b""), (50, ends[70], b'{"seq"'),
                                         (50, ends[70], b"\0" * 4096), (50, ends[60], b"\0" * 500 + b"\n" + b"\0" * 100),
                                         (50, len(whole), b""), (0, 0, b'{"seq":1,"prev"')):
            stand.redis.call("DEL", STREAM, KEY + "audit:export")
            stand.redis.call("RESTORE", STREAM, 0, dump)
            if acknowledged:
                line = json.loads(whole[ends[acknowledged - 2] : ends[acknowledged - 1]])
                stand.redis.call("HSET", KEY + "audit:export", "owner", "x", "until", 0, "place", "elsewhere", "seq", acknowledged,
                                 "id", line["stream_id"], "sha256", line["sha256"], "file", file.name, "size", ends[acknowledged - 1])
                stand.redis.call("XTRIM", STREAM, "MINID", f"{NOON + acknowledged}-0")
            else:
                stand.redis.call("HSET", KEY + "audit:export", "owner", "x", "until", 0, "place", "elsewhere", "seq", 0, "id", "",
                                 "sha256", START, "file", "", "size", 0, "lost", 0, "base", 0, "base_lost", 0)
            file.write_bytes(whole[:kept] + junk)
            export(stand)
            assert file.read_bytes() == whole, f"after a crash at byte {kept} with {junk!r}, {acknowledged} acknowledged"
            equal(waiting(stand), 0, "left in Redis")


def test_files_that_were_damaged_behind_what_redis_knows_are_not_cut():
    """An older copy of Redis, say: what follows its mark is far more than a crash leaves behind."""
    with Stand() as stand:
        add(stand, 10)
        export(stand)
        old = stand.redis.call("DUMP", KEY + "audit:export")
        add(stand, 3000, ms=NOON + 100)
        export(stand)
        [file] = exported(stand)
        lines = file.read_bytes().splitlines(keepends=True)
        lines[2900] = lines[2900][:50] + b"x" + lines[2900][51:]
        file.write_bytes(b"".join(lines))
        stand.redis.call("RESTORE", KEY + "audit:export", 0, old, "REPLACE")
        refused = export(stand, status=1)
        assert "is damaged" in refused.err, refused.err
        assert file.read_bytes() == b"".join(lines), "the file was changed"


def test_a_torn_end_is_told_from_damage_and_cut_by_the_next_export():
    with Stand() as stand:
        add(stand, 10)
        export(stand)
        [file] = exported(stand)
        with open(file, "ab") as out:
            out.write(b'{"seq":11,"prev":"ab')
        found = verify(stand)
        equal((found["ok"], found["lines"], found["torn"]["line"], found["torn"]["bytes"]), (True, 10, 11, 20), "torn end")
        add(stand, 2, ms=NOON + 50)
        equal(export(stand).json["cut_bytes"], 20, "bytes cut")
        equal(len(lines_of([file])), 12, "lines")
        file.write_bytes(file.read_bytes()[:-1])
        equal(verify(stand)["torn"]["line"], 12, "a line without its end")


def test_two_exporters_never_write_at_the_same_time():
    with Stand() as stand:
        add(stand, 10)
        with following(stand):
            wait_until(lambda: waiting(stand) == 0, "the export")
            same = export(stand, status=1)
            assert "another exporter is writing these files" in same.err, same.err
            other = export(stand, to=folder(stand, "other"), status=1)
            assert "another exporter has the audit" in other.err and "it is free in" in other.err, other.err
            add(stand, 10, ms=NOON + 100)
            wait_until(lambda: waiting(stand) == 0, "the export to go on")
        equal(len(lines_of(exported(stand))), 20, "lines")
        equal(exported(stand, "other"), [], "files of the other")


def test_the_chain_goes_on_from_day_to_day():
    with Stand() as stand:
        add(stand, 5, ms=NOON, step=DAY)
        export(stand)
        names = [f"audit-default-2026-01-{day}.jsonl" for day in (15, 16, 17, 18, 19)]
        equal([file.name for file in exported(stand)], names, "files")
        equal(len(lines_of(exported(stand))), 5, "lines")
        equal(verify(stand, flags=("--from", "start"))["files"], 5, "files that were verified")
        add(stand, 1, ms=NOON + 4 * DAY + 1)
        add(stand, 1, ms=NOON + 5 * DAY)
        export(stand)
        equal([len(lines_of([file])) for file in exported(stand)], [1, 1, 1, 1, 2, 1], "lines of each day")
        verify(stand, flags=("--from", "start", "--until", "redis"))


def test_the_name_of_a_file_has_the_day_put_into_it():
    with Stand() as stand:
        add(stand, 1)
        export(stand, to=folder(stand) / "sent.log.jsonl")
        equal([file.name for file in exported(stand)], ["sent.log-2026-01-15.jsonl"], "files")
        add(stand, 1, ms=NOON + 1)
        result = export(stand, to=folder(stand) / "plain", status=0)
        equal(result.json["file"], "plain-2026-01-15", "file")
        equal(json.loads((folder(stand) / "plain-2026-01-15").read_text())["seq"], 2, "the chain goes on in another place")
        assert "goes on behind line 1" in result.err, result.err


def test_an_export_that_moves_goes_on_with_the_chain():
    with Stand() as stand:
        add(stand, 10)
        export(stand)
        add(stand, 10, ms=NOON + 100)
        export(stand, to=folder(stand, "new"))
        found = verify(stand, *exported(stand), *exported(stand, "new"), flags=("--from", "start", "--until", "redis"))
        equal(found["lines"], 20, "lines")
        alone = verify(stand, *exported(stand, "new"))
        equal((alone["begins_in_middle"], alone["first_seq"]), (True, 11), "the second half alone")
        add(stand, 1, ms=NOON + 200)
        refused = export(stand, status=1)
        assert "does not hold what Redis says was exported" in refused.err, refused.err
        equal(waiting(stand), 1, "kept in Redis")


def test_an_export_to_a_wrong_folder_with_nothing_to_write_does_not_move_it():
    with Stand() as stand:
        add(stand, 3)
        export(stand)
        for _ in range(2):
            assert "goes on behind line 3" in export(stand, to=folder(stand, "wrong")).err
        equal(exported(stand, "wrong"), [], "files there")
        add(stand, 2, ms=NOON + 100, first=3)
        equal(export(stand).json["exported"], 2, "exported where it was before")
        equal([line["entry"]["id"] for line in lines_of(exported(stand))], [f"m{number}" for number in range(5)], "entries")
        verify(stand, flags=("--from", "start", "--until", "redis"))


def test_a_crash_in_a_new_folder_before_redis_heard_of_it_is_made_good():
    """What is there then is the beginning of what follows the mark, or is torn, or there is a file and nothing in it."""
    with Stand() as stand:
        add(stand, 3)
        export(stand)
        add(stand, 2, ms=NOON + DAY, first=3)
        add(stand, 1, ms=NOON + 2 * DAY, first=5)
        known, stream = (stand.redis.call("DUMP", key) for key in (KEY + "audit:export", STREAM))
        export(stand, to=folder(stand, "new"))
        first, last = exported(stand, "new")
        whole, end = first.read_bytes(), first.read_bytes().index(b"\n") + 1
        other = lines_of(exported(stand))[-1]["prev"].encode()

        def start_after_crash(*contents, status=0):
            for key, dump in ((KEY + "audit:export", known), (STREAM, stream)):
                stand.redis.call("RESTORE", key, 0, dump, "REPLACE")
            for file, data in zip((first, last), contents + (None,)):
                file.unlink(missing_ok=True)
                if data is not None:
                    file.write_bytes(data)
            return export(stand, to=folder(stand, "new"), status=status)

        for contents in ((whole,), (whole[:end],), (whole[:end] + b"\0" * 4096,), (whole[:end + 7],), (whole[:end - 1],), (whole[:50],),
                         (b"",), (b"", b""), (whole, b""), (whole, last.read_bytes()), (whole, b"torn")):
            start_after_crash(*contents)
            equal([line["entry"]["id"] for line in lines_of([*exported(stand), *exported(stand, "new")])],
                  [f"m{number}" for number in range(6)], f"entries, each once, after {contents}")
            equal(waiting(stand), 0, "left in Redis")
        for data in (b"\0" * 100, whole.replace(whole[17:81], other, 1), b'{"seq":4,"prev":"' + other, b"mine\n"):
            refused = start_after_crash(data, status=1)
            assert "does not hold what Redis says was exported" in refused.err, refused.err
            equal((first.read_bytes(), waiting(stand)), (data, 3), "file, and kept in Redis")
        assert "goes on behind line 3" in start_after_crash(b"").err, "not told that the lines before are elsewhere"
        stand.redis.call("RESTORE", KEY + "audit:export", 0, known, "REPLACE")
        for file in (first, last):
            file.write_bytes(b"")
        export(stand, to=folder(stand, "new"))
        add(stand, 1, ms=NOON + 3 * DAY, first=6)
        export(stand)
        equal([line["entry"]["id"] for line in lines_of(exported(stand))], ["m0", "m1", "m2", "m6"], "the old folder is not left by that")


def test_a_folder_that_the_export_left_is_not_gone_on_with():
    """Its file has the name of the one that Redis knows, and a line of it happens to end where that one ends."""
    with Stand() as stand:
        for name, first, count in (("z", 1, 9), ("a", 10, 10), ("b", 20, 5)):
            add(stand, count, ms=NOON + first, first=first)
            export(stand, to=folder(stand, name))
        [left], [known] = exported(stand, "a"), exported(stand, "b")
        before, end = left.read_bytes(), size(folder(stand, "b"))
        assert left.name == known.name and len(before) > end and before[end - 1] == ord("\n"), "no line ends there"
        add(stand, 1, ms=NOON + 100)
        refused = export(stand, to=folder(stand, "a"), status=1)
        assert "does not hold what Redis says was exported" in refused.err, refused.err
        assert left.read_bytes() == before, "the file was changed"
        equal(waiting(stand), 1, "kept in Redis")
        left.write_bytes(before[:40])
        export(stand, to=folder(stand, "a"), status=1)
        equal(left.read_bytes(), before[:40], "a file that is shorter than a line's end")
        export(stand, to=folder(stand, "b"))
        equal(len(lines_of(exported(stand, "b"))), 6, "lines where the export is")


def test_another_organisation_or_another_redis_is_not_mixed_in():
    with Stand() as stand:
        add(stand, 3)
        export(stand, to=folder(stand) / "all.jsonl")
        stand.redis.call("XADD", "herald:{other}:audit", f"{NOON + 9}-0", "e", "{}")
        other = export(stand, to=folder(stand) / "all.jsonl", status=1, org="other")
        assert "holds the audit of the organisation default" in other.err, other.err
        stand.redis.call("FLUSHALL")
        add(stand, 1, ms=NOON - 1000)
        for start in ("first", "second", "third"):
            lost = export(stand, to=folder(stand) / "all.jsonl", status=1)
            assert "older than the last line" in lost.err, lost.err
            equal(waiting(stand), 1, f"kept at the {start} start")
        export(stand, to=folder(stand, "new"))
        equal((len(lines_of(exported(stand, "new"))), waiting(stand)), (1, 0), "lines of a new chain, and left in Redis")
        stand.redis.call("FLUSHALL")
        add(stand, 2, ms=NOON + 1000)
        export(stand, to=folder(stand) / "all.jsonl")
        found = lines_of(exported(stand))
        equal([(line["seq"], line.get("lost")) for line in found], [(number, None) for number in range(1, 6)], "goes on")
        equal(stand.status()["audit"]["cut"], 0, "cut")


def test_files_of_another_redis_are_refused_after_an_export_without_entries_too():
    """It noted that it has exported nothing: then no line of any file can be its own, but for a first batch that it never heard of."""
    with Stand() as stand:
        add(stand, 10)
        export(stand)
        stand.redis.call("FLUSHALL")
        export(stand, to=folder(stand, "new"))
        add(stand, 5, ms=NOON - 1000)
        for start in ("first", "second"):
            refused = export(stand, status=1)
            assert "older than the last line" in refused.err, refused.err
            equal(waiting(stand), 5, f"kept at the {start} start")
        stand.redis.call("DEL", STREAM)
        add(stand, 5, ms=NOON + 1000)
        export(stand)
        equal((len(lines_of(exported(stand))), waiting(stand)), (15, 0), "lines when all entries are newer, and left in Redis")


def test_what_is_cut_off_is_counted_after_a_start_that_ended_early():
    """Files of an older Redis, and a start of the export that was killed before it could note how far they go."""
    with Stand() as stand:
        add(stand, 10)
        export(stand)
        stand.redis.call("FLUSHALL")
        stand.redis.call("HSET", KEY + "audit:export", "owner", "x", "until", 0, "place", "elsewhere", "from", "")
        add(stand, 20, ms=NOON + 1000)
        stand.redis.call("XTRIM", STREAM, "MAXLEN", 13)
        export(stand)
        equal([line.get("lost") for line in lines_of(exported(stand))], [None] * 10 + [7] * 13, "told in the lines")
        equal(stand.status()["audit"]["cut"], 7, "cut")


def test_what_is_no_entry_is_kept_and_does_not_break_the_chain():
    with Stand() as stand:
        junk = [("e", b"not JSON"), ("e", b'{"a":1}\n{"b":2}'), ("e", b"\xff\x00\n"), ("x", b"other field"), ("e", b""), ("e", b'{"sha256":"x"}'),
                ("e", b"x" * 5_000_000), ("e", b"\x01" * 900_000), ("e", b'{"a":"' + b"y" * 2_000_000 + b'"}')]
        for name, value in junk:
            stand.redis.call("XADD", STREAM, "*", name, value)
        stand.redis.call("XADD", STREAM, "*", "e", "{}", "f", "second")
        stand.redis.call("XADD", STREAM, "99999999999999999-7", "e", '{"at":1}')
        export(stand)
        verify(stand, flags=("--from", "start", "--until", "redis"))
        found = lines_of(exported(stand))
        equal([kind for line in found for kind in ("entry", "raw", "raw_base64") if kind in line],
              ["raw", "raw", "raw_base64", "raw", "raw", "entry", "raw_base64", "raw", "entry", "raw", "entry"], "kinds")
        equal((found[0]["raw"], found[3]["raw"], found[9]["raw"]),
              (["e", "not JSON"], ["x", "other field"], ["e", "{}", "f", "second"]), "kept")
        equal(found[6]["raw_size"], 5_000_001, "size of the one that is too long")
        equal(exported(stand)[-1].name, "audit-default-9999-12-31.jsonl", "day of an instant beyond all")


def test_a_full_disk_stops_the_export_and_redis_keeps_the_rest():
    with Stand() as stand:
        add(stand, 5000)
        for follow in ((), ("--follow",)):
            before = waiting(stand)
            limit = size(folder(stand)) + 500_000
            done = subprocess.run([BUILD / "herald", "audit", "export", "--to", folder(stand), *follow], env=stand.environment(),
                                  capture_output=True, text=True, timeout=60,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
            equal(done.returncode, 1, f"status\n{done.stderr}")
            assert "File too large" in done.stderr and "stays in Redis" in done.stderr, done.stderr
            assert 0 < waiting(stand) <= before, (before, waiting(stand))
            equal(len(lines_of(exported(stand))) + waiting(stand), 5000, "lines and what waits")
            verify(stand)
        export(stand)
        equal(len(lines_of(exported(stand))), 5000, "lines at the end")


def test_a_disk_without_a_byte_left_stops_it_too():
    """A file system of 1 MiB in a mount namespace of its own."""
    with Stand() as stand:
        add(stand, 5000)
        place = folder(stand)
        script = ('mount -t tmpfs -o size=1m tmpfs "$2" && "$1" audit export --to "$2"; status=$?; cat "$2"/*.jsonl > "$3"; '
                  'mount -o remount,size=64m "$2" && "$1" audit export --to "$2" && cat "$2"/*.jsonl > "$4"; exit $status')
        done = subprocess.run(["unshare", "-m", "-r", "sh", "-c", script, "sh", BUILD / "herald", place, stand.path("part.jsonl"),
                               stand.path("all.jsonl")], env=stand.environment(), capture_output=True, text=True, timeout=60)
        if "unshare failed" in done.stderr or "mount: " in done.stderr:
            tap.skip("no mount namespaces here")
        equal(done.returncode, 1, f"status\n{done.stderr}")
        assert "No space left on device" in done.stderr, done.stderr
        assert len(lines_of([stand.path("part.jsonl")])) < 5000
        equal(len(lines_of([stand.path("all.jsonl")])), 5000, "lines after room was made")
        equal(waiting(stand), 0, "left in Redis")


def damaged(stand, change):
    """The files of three days in a folder of their own, after `change` was done to the list of their lists of lines."""
    shutil.rmtree(stand.path("damaged"), ignore_errors=True)
    place = folder(stand, "damaged")
    files = [file.read_bytes().splitlines(keepends=True) for file in exported(stand)]
    change(files)
    for file, lines in zip(exported(stand), files):
        if lines is not None:
            (place / file.name).write_bytes(b"".join(lines))
    return exported(stand, "damaged")


def test_the_first_line_that_is_not_what_was_exported_is_named():
    def replace(file, line, what):
        return lambda files: files[file].__setitem__(line - 1, what(files[file][line - 1]))

    def swap(a, b):
        return lambda files: files[1].__setitem__(slice(None), [files[1][{a: b, b: a}.get(i, i) - 1] for i in range(1, 11)])

    with Stand() as stand:
        for day in range(3):
            add(stand, 10, ms=NOON + day * DAY)
        export(stand)
        equal(verify(stand, *damaged(stand, lambda files: None))["ok"], True, "undamaged")
        flip = lambda line: line[:200] + bytes([line[200] ^ 1]) + line[201:]
        table = [
            ("a byte changed", replace(1, 4, flip), "changed", 1, 4),
            ("a byte of the first line", replace(0, 1, flip), "changed", 0, 1),
            ("a byte of the last line", replace(2, 10, flip), "changed", 2, 10),
            ("a line removed", lambda files: files[1].__delitem__(3), "removed", 1, 4),
            ("the last line of a day removed", lambda files: files[1].pop(), "removed", 2, 1),
            ("a line added", lambda files: files[1].insert(3, files[0][2]), "added", 1, 4),
            ("bytes added", lambda files: files[1].insert(3, b"\0\0\n"), "added", 1, 4),
            ("an empty line", lambda files: files[1].insert(3, b"\n"), "added", 1, 4),
            ("an endless line", lambda files: files[1].insert(3, b"x" * 20_000_000 + b"\n"), "added", 1, 4),
            ("two swapped", swap(4, 7), "reordered", 1, 4),
            ("two neighbours swapped", swap(4, 5), "reordered", 1, 4),
            ("a line cut short", replace(1, 4, lambda line: line[:50] + b"\n"), "changed", 1, 4),
            ("CRLF", replace(1, 4, lambda line: line[:-1] + b"\r\n"), "changed", 1, 4),
            ("a day in the middle gone", lambda files: files.__setitem__(1, None), "removed", 1, 1),
            ("the middle emptied", lambda files: files.__setitem__(1, []), "removed", 2, 1),
            ("a line break gone", replace(1, 10, lambda line: line[:-1]), "changed", 1, 10),
            ("the days in another order", lambda files: files.reverse(), "reordered", 0, 1),
            ("a late line in front", lambda files: files[0].insert(0, files[2][3]), "reordered", 0, 1),
            ("torn in the middle", lambda files: files[1].__setitem__(9, files[1][9][:30]), "changed", 1, 10),
        ]
        for what, change, kind, file, line in table:
            files = damaged(stand, change)
            found = verify(stand, *files, status=1)["damage"]
            equal((found["kind"], pathlib.Path(found["file"]).name, found["line"]), (kind, files[file].name, line), what)
            text = stand.herald("audit", "verify", *files)
            assert text.status == 1 and f"{files[file].name}:{line}: {kind}" in text.out, text.describe()
        files = damaged(stand, lambda files: None)
        found = verify(stand, *reversed(files), status=1)["damage"]
        equal((found["kind"], found["file"], found["line"], found["missing"], found["found"]["file"]),
              ("reordered", str(files[2]), 1, [11, 20], str(files[1])), "files in the wrong order")
        last = json.loads(files[0].read_bytes().splitlines()[-1])["sha256"]
        cases = [
            (files[1:], (), None), (files[1:], ("--from", last), None), (files[1:], ("--from", "start"), "foreign"),
            (files[2:], ("--from", last), "foreign"), (files[:2], (), None), (files[:2], ("--until", "redis"), "cut"),
            (files[:1], ("--until", last), None), (files, ("--until", last), "cut"),
        ]
        for which, flags, kind in cases:
            found = verify(stand, *which, flags=flags, status=1 if kind else 0)
            equal(found.get("damage", {}).get("kind"), kind, f"{len(which)} files, {flags}")
        equal(verify(stand, *files[1:])["begins_in_middle"], True, "the first file is gone")


def test_a_line_that_was_forged_with_a_hash_of_its_own_is_found():
    with Stand() as stand:
        add(stand, 10)
        export(stand)
        [file] = exported(stand)
        lines = file.read_bytes().splitlines(keepends=True)
        body = lines[4].rpartition(b',"sha256":"')[0].replace(b'"m4"', b'"m9"')
        lines[4] = body + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
        file.write_bytes(b"".join(lines))
        found = verify(stand, status=1)["damage"]
        equal((found["kind"], found["line"]), ("changed", 5), "forged")


def test_verify_reads_a_pipe_and_refuses_wrong_use():
    with Stand() as stand:
        add(stand, 3)
        export(stand)
        [file] = exported(stand)
        result = stand.herald("audit", "verify", "-", "--json", stdin=file.read_bytes())
        equal((result.status, result.json["lines"]), (0, 3), "from a pipe")
        empty = stand.write("empty.jsonl", "")
        equal(verify(stand, empty)["lines"], 0, "an empty file")
        equal(verify(stand, empty, file)["lines"], 3, "an empty file before another")
        for arguments, words in (
            ((), "name the files"),
            ((stand.path("none"),), "No such file"),
            ((stand.folder,), "is a folder"),
            ((file, "--from", "abc"), "--from must be a sha256"),
            ((file, "--until", "A" * 64), "--until must be a sha256"),
        ):
            result = stand.herald("audit", "verify", *arguments)
            assert result.status == 2 and words in result.err, result.describe()
        for arguments, words in (((), "--to must say where"), (("--to", stand.path("none/x.jsonl")), "No such file"),
                                 (("--to", "x" * 300 + ".jsonl"), "too long")):
            result = stand.herald("audit", "export", *arguments)
            assert result.status in (1, 2) and words in result.err, result.describe()


def test_following_waits_inside_redis_and_ends_on_sigterm():
    with Stand() as stand:
        with following(stand) as process:
            wait_until(lambda: stand.redis.call("INFO", "clients").count(b"blocked_clients:1"), "the exporter to wait inside Redis")
            before = commands(stand)
            for number in range(5):
                add(stand, 1, ms=NOON + number)
                wait_until(lambda: waiting(stand) == 0, "the export")
            assert commands(stand) - before < 60, f"{commands(stand) - before} commands for five entries"
            used = flow.cpu_seconds(process)
            equal(process.terminate(), 0, "status")
            assert used < 1 * SLOWNESS, f"{used} s of processor time"
        equal(json.loads(process.output())["exported"], 5, "summary")
        equal(len(lines_of(exported(stand))), 5, "lines")
        with following(stand) as process:  # while it is waiting, too
            wait_until(lambda: stand.redis.call("INFO", "clients").count(b"blocked_clients:1"), "the exporter to wait")


def commands(stand):
    """Those of the exporter: its reads, acknowledgements and waits."""
    text = stand.redis.call("INFO", "commandstats").decode()
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in text.splitlines()
               if line.startswith(("cmdstat_evalsha:", "cmdstat_xread:")))


def test_following_goes_on_when_redis_was_away():
    with Stand(appendfsync="always") as stand:
        add(stand, 10)
        with following(stand) as process:
            wait_until(lambda: waiting(stand) == 0, "the export")
            stand.redis.kill()
            process.wait_for("Redis is away")
            stand.redis.start()
            process.wait_for("Redis is back")
            add(stand, 10, ms=NOON + 100)
            wait_until(lambda: waiting(stand) == 0, "the export to go on")
            stand.redis.stop()
            process.wait_for("Redis is away")
        stand.redis.start()
        equal(len(lines_of(exported(stand))), 20, "lines")
        verify(stand, flags=("--from", "start", "--until", "redis"))


def test_an_exporter_that_redis_forgot_ends_and_the_next_goes_on():
    with Stand() as stand:
        add(stand, 5)
        process = Process("exporter", [BUILD / "herald", "audit", "export", "--follow", "--to", folder(stand)], stand.folder,
                          env=stand.environment())
        try:
            wait_until(lambda: size(folder(stand)) > 0 and waiting(stand) == 0, "the export")
            stand.redis.call("FLUSHALL")
            add(stand, 5, ms=NOON + 100)
            equal(process.wait(), 1, "status")
            assert "does not know this exporter any more" in process.log(), process.log()
        finally:
            process.kill()
        export(stand)
        equal(len(lines_of(exported(stand))), 10, "lines")
        verify(stand, flags=("--from", "start", "--until", "redis"))


def test_without_redis_the_export_fails_with_its_own_status():
    with Stand() as stand:
        env = {"HERALD_REDIS_URL": "redis://127.0.0.1:1"}
        assert "cannot reach Redis" in export(stand, env=env, status=4).err


def test_with_stop_nothing_is_sent_beyond_the_bound_and_nothing_is_lost():
    with Stand() as stand:
        stand.sandbox()
        env = {"HERALD_AUDIT_MAX": "1000", "HERALD_AUDIT_FULL": "stop"}
        worker = stand.worker("--threads", "2", "--in-flight", "16", *QUICK, env=env)
        push(stand, *messages(1500))
        worker.wait_for("the audit is full")
        wait_until(lambda: stand.status()["places"]["in_flight"] == 0, "what was in flight to end")
        kept = waiting(stand)
        assert 1000 <= kept <= 1000 + 2 * 2 * 16, f"{kept} entries"
        wait_until(lambda: "the audit is full" in str(stand.status()["workers"]), "status to tell")
        table = stand.herald("status", env=env).out
        assert "SENDING IS STOPPED" in table and "the audit is full" in table, table
        equal(waiting(stand), kept, "entries after a while")
        stand.herald("suppress", "add", "sms:+13175550199", "--reason", "asked", check=True, env=env)
        equal(waiting(stand), kept + 1, "what people do is written nevertheless")
        with following(stand):
            flow.wait_sent(stand, 1500, seconds=30)
            wait_until(lambda: waiting(stand) == 0, "the rest of the export")
        attempts = [line["entry"] for line in lines_of(exported(stand)) if line["entry"]["what"] == "attempt"]
        equal(len(attempts), 1500, "attempts in the files")
        equal(stand.status()["audit"]["cut"], 0, "cut")
        wait_until(lambda: "the audit is full" not in str(stand.status()["workers"]), "status to be calm again")
        equal(flow.count(stand, "retries"), 0, "nothing was burnt")


def test_with_drop_sending_goes_on_and_says_what_was_cut():
    with Stand() as stand:
        stand.sandbox()
        stand.worker("--threads", "2", *QUICK, env={"HERALD_AUDIT_MAX": "1000"})
        push(stand, *messages(2000))
        flow.wait_sent(stand, 2000)
        found = stand.status()["audit"]
        equal(found["kept"] + found["cut"], 2000, "kept and cut")
        assert found["cut"] > 0, found
        lost = found["cut"]
        export(stand)
        equal((verify(stand)["lost"], len(lines_of(exported(stand)))), (lost, 2000 - lost), "lost and exported")
        assert "were cut off by --audit-max, unexported" in stand.herald("status", env={"HERALD_AUDIT_MAX": "1000"}).out


if __name__ == "__main__":
    tap.run(globals())
