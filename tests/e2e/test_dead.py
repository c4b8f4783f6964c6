#!/usr/bin/python3
"""herald dead, as an operator uses it: counting, looking, exporting, replaying, purging, and every way to ask wrongly."""

import getpass
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, messages, push
from stand import BUILD, Stand, wait_until
from tap import equal

REFUSE = [{"match": {}, "times": 0, "do": "400", "code": "bad.request", "message": "no such number"}]
ACTOR = "cli:" + getpass.getuser()


def dead(stand, *arguments, status=0, **options):
    result = stand.herald("dead", *arguments, **options)
    equal(result.status, status, f"status of herald dead {' '.join(arguments)}\n{result.out}\n{result.err}")
    return result


def listed(stand, *arguments):
    return dead(stand, "list", "--json", *arguments).json


def bury(stand, *items, rest=REFUSE):
    """Lets Genesys refuse these; all worth of `items` are dead letters then, and nothing else runs."""
    sandbox = stand.sandbox()
    sandbox.script(rest)
    before = flow.count(stand, "dead")
    push(stand, *items)
    worker = stand.worker("--threads", "1", *QUICK)
    flow.wait_dead(stand, before + len(items), seconds=30)
    worker.terminate()
    sandbox.script([])
    return sandbox


def leave(stand, *letters):
    """Dead letters as an older Herald left them: in the plain list."""
    stand.redis.call("LPUSH", KEY + "dead", *map(json.dumps, letters))
    stand.redis.call("HINCRBY", KEY + "counts", "accepted", len(letters))
    stand.redis.call("HINCRBY", KEY + "counts", "dead", len(letters))


def old_letter(index, reason="rejected", **envelope):
    fields = {"herald": {"accepted_at": 1700000000000, "attempts": 1}, **envelope}
    return {"id": f"m{index}", "dead_at": 1700000000000, "reason": reason, "attempts": 1,
            "last": {"at": 1700000000000, "status": 400, "code": "bad.request"}, "envelope": message(index, **fields)}


def audit_of(stand, what):
    entries = [json.loads(fields[1]) for _, fields in stand.redis.call("XRANGE", KEY + "audit", "-", "+")]
    return [entry for entry in entries if entry["what"] == what]


def test_dead_letters_are_counted_by_reason_campaign_channel_and_age():
    with Stand() as stand:
        equal(listed(stand)["total"], 0, "before")
        bury(stand, *messages(3, campaign="spring"), message(4), {}, b"no JSON")
        found = listed(stand)
        equal(found["total"], 6, "total")
        equal(found["reasons"], {"rejected": 4, "field_missing": 1, "json_invalid": 1}, "reasons")
        equal(found["campaigns"], {"spring": 3, "": 3}, "campaigns")
        equal(found["channels"], {"sms": 4, "none": 2}, "channels")
        equal(found["ages"]["2_hours"], 6, "young")
        equal(listed(stand, "--filter", "campaign=spring reason=rejected")["total"], 3, "by filter")
        equal(listed(stand, "--filter", "code=bad.request channel=sms campaign=")["total"], 1, "by code")
        equal(listed(stand, "--filter", f"to={flow.number(2)},sms:{flow.number(4)}")["total"], 2, "by address")
        equal(listed(stand, "--filter", "before=1h")["total"], 0, "older than an hour")
        table = dead(stand, "list").out
        for words in ("in all", "rejected", "(no campaign)", "spring", "under 2 hours"):
            assert words in table, table


def test_a_letter_is_shown_attempt_by_attempt_and_masked():
    with Stand() as stand:
        steps = [{"match": {}, "times": 1, "do": "500"}, *REFUSE]
        bury(stand, message(1, campaign="spring"), rest=steps)
        shown = dead(stand, "show", "m1").out
        for words in ("rejected", "no such number", "500", "deferred", "400", "bad.request", "correlation id", "+13*******01",
                      "spring"):
            assert words in shown, f"{words}\n{shown}"
        assert flow.number(1) not in shown and "has shipped" not in shown, shown
        letter = dead(stand, "show", "m1", "--json").json
        equal(letter, flow.dead(stand)["m1"], "as it is kept")
        equal(len(letter["envelope"]["herald"]["history"]), 2, "attempts")
        result = dead(stand, "show", "m2", status=1)
        assert "no dead letter of message `m2`" in result.err, result.err


def test_what_is_replayed_is_sent_and_the_audit_says_by_whom():
    with Stand() as stand:
        sandbox = bury(stand, *messages(4, campaign="spring"), message(5))
        result = dead(stand, "replay", "--filter", "campaign=spring", status=2)
        assert "--reason" in result.err, result.err
        equal(listed(stand)["total"], 5, "nothing was replayed")
        result = dead(stand, "replay", "--filter", "campaign=spring", "--dry-run")
        assert "4 dead letters would be replayed" in result.out, result.out
        result = dead(stand, "replay", "--filter", "campaign=spring", "--reason", "the number works again", "--json")
        equal(result.json["replayed"], 4, "replayed")
        found = stand.status()
        equal((found["places"]["ready"], found["places"]["dead"], found["accepted"]), (4, 1, 5), "places")
        assert found["balanced"] and found["uncounted"] == 0, found
        entries = audit_of(stand, "replay")
        equal(sorted(entry["id"] for entry in entries), ["m1", "m2", "m3", "m4"], "in the audit")
        equal({(entry["actor"], entry["reason"], entry["campaign"]) for entry in entries},
              {(ACTOR, "the number works again", "spring")}, "who and why")
        worker = stand.worker(*QUICK)
        flow.wait_sent(stand, 4)
        worker.terminate()
        equal(sorted(entry["request_id"] for entry in sandbox.ledger()), ["m1", "m2", "m3", "m4"], "received")
        campaign = stand.herald("campaign", "status", "spring", "--json", check=True).json
        equal((campaign["left"], campaign["counters"]["sent"], campaign["counters"]["dead"]), (0, 4, 0), "campaign")
        assert stand.status()["balanced"]


def test_one_message_is_replayed_by_its_id_without_a_reason():
    with Stand() as stand:
        bury(stand, *messages(3))
        dead(stand, "replay", "m2")
        equal(sorted(flow.dead(stand)), ["m1", "m3"], "left")
        dead(stand, "replay", "m2", status=2)
        dead(stand, "replay", "--limit", "1")
        equal(len(flow.dead(stand)), 1, "left")


def test_a_message_that_dies_again_counts_its_deaths_and_keeps_its_history():
    with Stand() as stand:
        sandbox = bury(stand, message(1))
        for deaths in (1, 2, 3):
            letter = flow.dead(stand)["m1"]
            herald = letter["envelope"]["herald"]
            equal((letter["deaths"], herald["deaths"], letter["attempts"], len(herald["history"])), (deaths, deaths, 1, deaths),
                  "deaths, the same in the envelope, attempts, history")
            if deaths < 3:
                dead(stand, "replay", "m1")
                bury_again(stand, sandbox)
        assert "deaths           3" in dead(stand, "show", "m1").out
        equal(flow.count(stand, "replayed"), 2, "replayed")
        assert stand.status()["balanced"]


def bury_again(stand, sandbox):
    sandbox.script(REFUSE)
    worker = stand.worker("--threads", "1", *QUICK)
    flow.wait_dead(stand, 1)
    worker.terminate()


def test_a_letter_that_died_of_age_gets_a_new_start_and_one_with_its_own_end_does_not():
    with Stand() as stand:
        leave(stand, old_letter(1, "expired"), old_letter(2, "expired", expires_at=1700000000000))
        result = dead(stand, "replay", "--reason", "late is better than never", status=3)
        assert "m2 left as it is: expired" in result.err, result.err
        stand.sandbox()
        worker = stand.worker("--max-age", "1h")
        flow.wait_sent(stand, 1)
        result = dead(stand, "replay", "m2", "--edit", '{"expires_at":null}')
        flow.wait_sent(stand, 2)
        worker.terminate()
        equal(listed(stand)["total"], 0, "left")
        [entry] = [entry for entry in audit_of(stand, "replay") if entry["id"] == "m2"]
        equal(entry["edited"], True, "edited")


def test_an_edit_that_makes_a_message_invalid_leaves_the_letter_as_it_is():
    with Stand() as stand:
        bury(stand, *messages(2))
        before = flow.dead(stand)
        result = dead(stand, "replay", "--reason", "r", "--edit", '{"payload":{"toAddress":"nobody"}}', status=1)
        assert "m1 left as it is: address_invalid" in result.err and "nobody" not in result.err, result.err
        equal(flow.dead(stand), before, "letters")
        patch = stand.write("patch.json", '{"payload":{"textBody":"Better words."}}')
        dead(stand, "replay", "--reason", "r", "--edit", f"@{patch}", "--to-priority", "low")
        texts = [json.loads(item)["payload"]["textBody"] for item in stand.redis.call("LRANGE", KEY + "ready:low", 0, -1)]
        equal(texts, ["Better words."] * 2, "on the list of low priority")


BAD_PATCHES = ("{", "[]", "null", "7", '{"id":"other"}', '{"herald":null}', '{"campaign":"x"}', '{"a":"\\u0000"}x',
               '{"a":1' + "0" * 70000 + "}", "@/nowhere/at/all")


def test_a_patch_that_is_none_is_refused_before_anything_is_done():
    with Stand() as stand:
        leave(stand, old_letter(1))
        for patch in BAD_PATCHES:
            result = dead(stand, "replay", "m1", f"--edit={patch}", status=2)
            assert "--edit" in result.err, result.err
        equal(listed(stand)["total"], 1, "left")


BAD_FILTERS = (("rejected", "character 1"), ("reason=", "character 8"), ("reason=rejected to", "character 17"),
               ("before=soon", "character 8"), ("channel=fax", "character 9"), ("reason=a reason=b", "character 10"),
               (f"to={flow.number(7)} colour=red", "character 17"), ("reason=\xff" * 3000, "most"))


def test_a_filter_that_does_not_parse_says_where_in_every_command():
    with Stand() as stand:
        leave(stand, old_letter(1))
        for command in (["list"], ["export"], ["replay", "--reason", "r"], ["purge", "--yes", "--reason", "r"]):
            for text, where in BAD_FILTERS:
                result = dead(stand, *command, "--filter", text, status=2)
                assert where in result.err and "5550007" not in result.err, result.err
        equal(listed(stand)["total"], 1, "left")


def test_wrong_use_is_said_and_changes_nothing():
    with Stand() as stand:
        leave(stand, old_letter(1), old_letter(2))
        for arguments in (["replay", "m1", "--filter", "reason=rejected"], ["replay", "--rate", "fast"],
                          ["replay", "--to-priority", "urgent"], ["replay", "--limit", "-1"], ["replay", "m1", "m2"],
                          ["replay", "--reason", "two\nlines"], ["replay", "--reason", "x" * 500], ["show"],
                          ["show", "not an id"], ["purge", "--yes"], ["replay", "not an id"]):
            expected = 1 if arguments == ["show", "not an id"] else 2
            dead(stand, *arguments, status=expected)
        assert "dead list" in dead(stand, status=2).err
        equal(listed(stand)["total"], 2, "left")


def test_export_is_one_letter_a_line_and_takes_nothing_away():
    with Stand() as stand:
        bury(stand, *messages(5), b"no JSON\n\xff")
        lines = dead(stand, "export").out.splitlines()
        equal([json.loads(line) for line in lines], flow.letters(stand.redis), "letters")
        file = stand.path("letters.jsonl")
        result = dead(stand, "export", "--to", str(file), "--filter", "reason=rejected", "--limit", "2")
        equal(result.out, "", "output")
        oldest = [letter["id"] for letter in flow.letters(stand.redis) if letter["reason"] == "rejected"][:2]  # by their answers
        equal([json.loads(line)["id"] for line in pathlib.Path(file).read_text().splitlines()], oldest, "in the file")
        equal(listed(stand)["total"], 6, "left")
        dead(stand, "export", "--to", "/nowhere/at/all", status=1)
        with open("/dev/full", "w") as full:
            process = subprocess.run([BUILD / "herald", "dead", "export"], env=stand.environment(), stdout=full,
                                     stderr=subprocess.PIPE, text=True, timeout=30)
        equal(process.returncode, 1, process.stderr)


def test_purge_asks_first_and_writes_who_it_was():
    with Stand() as stand:
        bury(stand, *messages(4, campaign="spring"))
        result = dead(stand, "purge", "--reason", "r", status=1)
        assert "--yes" in result.err, result.err
        for answer, status in ((b"n\n", 1), (b"\n", 1), (b"y\n", 0)):
            equal(listed(stand)["total"], 4, "before the answer")
            equal(answered(stand, ["purge", "--filter", "reason=rejected", "--reason", "spring is over"], answer), status, answer)
        equal(listed(stand)["total"], 0, "left")
        equal({(entry["actor"], entry["reason"]) for entry in audit_of(stand, "purge")}, {(ACTOR, "spring is over")}, "audit")
        found = stand.status()
        equal((found["places"]["purged"], found["sum"], found["balanced"]), (4, 4, True), "purged, sum")
        equal(stand.herald("campaign", "status", "spring", "--json", check=True).json["left"], 0, "left of the campaign")


def answered(stand, arguments, answer):
    """Runs a command at a terminal and types an answer; its exit status."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen([BUILD / "herald", "dead", *arguments], env=stand.environment(), stdin=slave, stdout=slave,
                                   stderr=slave)
        seen = b""
        while b"[y/N]" not in seen:
            assert select.select([master], [], [], 20)[0], seen
            seen += os.read(master, 4096)
        os.write(master, answer)
        return process.wait(timeout=20)
    finally:
        os.close(master)
        os.close(slave)


def test_a_pace_can_be_interrupted_and_gone_on_with():
    with Stand() as stand:
        leave(stand, *(old_letter(index) for index in range(300)))
        process = subprocess.Popen(
            [BUILD / "herald", "dead", "replay", "--reason", "slowly", "--rate", "20/30s", "--json"], env=stand.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: stand.redis.call("LLEN", flow.READY) == 20, "the first twenty")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        equal(process.returncode, 3, err)
        found = json.loads(out)
        equal((found["replayed"], found["stopped"]), (20, True), "replayed, stopped")
        equal(listed(stand)["total"], 280, "left")
        began = time.monotonic()
        equal(dead(stand, "replay", "--reason", "slowly", "--rate", "100/100ms", "--json").json["replayed"], 280, "the rest")
        assert time.monotonic() - began >= 0.2
        assert stand.status()["balanced"]


def test_a_replay_that_is_killed_again_and_again_replays_each_letter_once():
    with Stand() as stand:
        total = 20000
        for first in range(0, total, 1000):
            leave(stand, *(old_letter(index) for index in range(first, first + 1000)))
        equal(listed(stand)["total"], total, "letters")
        killed = 0
        for _ in range(8):
            before = stand.redis.call("LLEN", flow.READY)
            process = subprocess.Popen([BUILD / "herald", "dead", "replay", "--reason", "again"], env=stand.environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: stand.redis.call("LLEN", flow.READY) > before or process.poll() is not None, "some more")
            killed += process.poll() is None
            process.kill()
            process.wait()
        assert killed > 0
        two = [subprocess.Popen([BUILD / "herald", "dead", "replay", "--reason", "again"], env=stand.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
        for process in two:
            out = process.communicate(timeout=60)[0]
            equal(process.returncode, 0, out)
        ids = [json.loads(item)["id"] for item in stand.redis.call("LRANGE", flow.READY, 0, -1)]
        equal((len(ids), len(set(ids))), (total, total), "on the list, different ones")
        equal(len(audit_of(stand, "replay")), total, "audit entries")
        found = stand.status()
        equal((found["places"]["dead"], found["balanced"], found["uncounted"]), (0, True, 0), "dead, sum")


def test_suppressed_people_and_cancelled_campaigns_stay_so_after_a_replay():
    with Stand() as stand:
        sandbox = bury(stand, message(1), message(2, campaign="gone"), message(3))
        stand.redis.call("SADD", KEY + "suppressed", "sms:" + flow.number(1))
        stand.herald("campaign", "cancel", "gone", "--reason", "over", check=True)
        dead(stand, "replay", "--reason", "r")
        worker = stand.worker(*QUICK)
        flow.wait_sent(stand, 1)
        wait_until(lambda: flow.count(stand, "cancelled") == 1 and flow.count(stand, "dead") == 1, "the others to end")
        worker.terminate()
        equal([entry["request_id"] for entry in sandbox.ledger()], ["m3"], "received")
        equal(flow.dead(stand)["m1"]["reason"], "suppressed", "reason")
        [entry] = audit_of(stand, "cancel")
        equal((entry["actor"], entry["reason"], entry["campaign"]), (ACTOR, "over", "gone"), "audit of the cancellation")
        assert stand.status()["balanced"]


def test_letters_of_an_older_herald_are_taken_over():
    with Stand() as stand:
        leave(stand, *(old_letter(index, campaign="old") for index in range(250)), {"odd": 1})
        stand.redis.call("LPUSH", KEY + "dead", b"not even JSON \xff")
        equal(stand.status()["places"]["dead"], 252, "before")
        found = listed(stand)
        equal((found["total"], found["reasons"]), (252, {"rejected": 250, "unreadable": 2}), "total, reasons")
        equal(found["ages"]["older"], 250, "old ones")
        equal(stand.status()["places"]["dead"], 252, "after")
        lines = [json.loads(line) for line in dead(stand, "export", "--filter", "reason=unreadable").out.splitlines()]
        equal([line["reason"] for line in lines], ["unreadable"] * 2, "exported")
        equal(dead(stand, "replay", "--reason", "r", "--json", status=3).json["replayed"], 250, "replayed")


def test_redis_out_of_reach_is_status_4():
    with Stand() as stand:
        stand.redis.stop()
        for arguments in (["list"], ["show", "m1"], ["export"], ["replay", "--reason", "r"], ["purge", "--yes", "--reason", "r"]):
            dead(stand, *arguments, status=4)


if __name__ == "__main__":
    tap.run(globals())
