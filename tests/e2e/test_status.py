#!/usr/bin/python3
"""herald status, campaign status and settings: what they say is so, at every stage of a message's way."""

import json
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, READY, message, messages, push
from stand import ROOT, Stand, wait_until
from tap import equal

COMMANDS = ("campaign send", "campaign status", "client new", "enqueue", "status", "settings")
REJECT_THE_FIRST = [{"match": {"to": flow.number(1)}, "times": 0, "do": "400", "code": "x", "message": "no"}]
PLACES = ("ready", "delayed", "in_flight", "sent", "dead", "parked", "cancelled", "purged")


def enqueue(stand, *items):
    stand.herald("enqueue", stdin="".join(json.dumps(item) + "\n" for item in items), check=True)


def expect_places(stand, accepted, uncounted=0, **places):
    """The sum is right, and these are where the messages are; all other places are empty."""
    found = stand.status()
    expected = {place: places.get(place, 0) for place in PLACES}
    equal(found["places"], expected, "places")
    equal((found["accepted"], found["uncounted"], found["sum"]), (accepted, uncounted, accepted + uncounted), "sums")
    assert found["balanced"], found
    return found


def test_a_fresh_redis_has_no_messages_and_no_worker():
    with Stand() as stand:
        found = expect_places(stand, 0)
        equal((found["workers"], found["hold"], found["due_in_ms"]), ([], {"ms": 0, "reason": ""}, -1), "the rest")
        table = stand.herald("status", check=True).out
        assert "Organisation default" in table and "none is running; start herald-worker" in table, table
        assert "the sum is right" in table, table


def test_queued_and_delayed_messages_are_counted_by_priority():
    with Stand() as stand:
        enqueue(stand, *messages(3), message(4, priority="high"), message(5, priority="low"),
                message(6, send_at=int(time.time() * 1000) + 3600_000))
        found = expect_places(stand, 6, ready=5, delayed=1)
        equal(found["ready"], {"high": 1, "normal": 3, "low": 1}, "ready")
        assert 3500_000 < found["due_in_ms"] <= 3600_000, found
        table = stand.herald("status", check=True).out
        for words in (r"accepted +6", r"ready, high +1", r"ready, normal +3", r"ready, low +1", r"delayed +1",
                      r"the next in +3[56]\d\d\.\d s", r"sum of the places +6"):
            assert re.search(words, table), f"{words}\n{table}"


def test_messages_in_flight_are_in_the_sum_and_beside_their_worker():
    with Stand() as stand:
        stand.sandbox("--latency", "60s")
        worker = stand.worker("--threads", "1", "--timeout", "100s", "--lease", "120s", "--worker-id", "w-1")
        enqueue(stand, *messages(5))
        wait_until(lambda: flow.places(stand)["in_flight"] == 5, lambda: f"5 in flight: {flow.places(stand)}")
        found = expect_places(stand, 5, in_flight=5)
        equal(sum(about["in_flight"] for about in found["workers"]), 5, "in flight, over the workers")
        for about in found["workers"]:
            assert about["id"].startswith("w-1") and 0 <= about["lease_left_ms"] <= 120_000, about
        table = stand.herald("status", check=True).out
        assert re.search(r"w-1\S* +5 in flight  up \d+ s  beat \d+\.\d s ago", table), table
        worker.kill()


def test_sent_and_dead_messages_are_counted_with_the_reason_of_their_death():
    with Stand() as stand:
        stand.sandbox().script(REJECT_THE_FIRST)
        stand.worker(*QUICK)
        enqueue(stand, *messages(4))
        flow.wait_settled(stand, 4)
        found = expect_places(stand, 4, sent=3, dead=1)
        equal(found["counters"]["dead:rejected"], 1, "deaths by reason")
        table = stand.herald("status", check=True).out
        assert re.search(r"Dead letters, by reason\n +rejected +1\n", table), table


def test_what_others_push_is_uncounted_until_a_worker_meets_it():
    with Stand() as stand:
        push(stand, *messages(3))
        enqueue(stand, message(9))
        expect_places(stand, 1, uncounted=3, ready=4)
        assert re.search(r"pushed by others, not met +3", stand.herald("status", check=True).out)
        stand.sandbox()
        stand.worker()
        flow.wait_settled(stand, 4)
        expect_places(stand, 4, sent=4)


def test_a_sum_that_is_wrong_is_said_aloud_with_status_1():
    with Stand() as stand:
        enqueue(stand, *messages(3))
        stand.redis.call("RPOP", READY)
        result = stand.herald("status")
        equal(result.status, 1, result.describe())
        assert "THE SUM IS WRONG" in result.out, result.out
        result = stand.herald("status", "--json")
        equal((result.status, result.json["balanced"], result.json["sum"]), (1, False, 2), "as JSON")


def test_a_pause_is_shown_with_its_reason():
    with Stand() as stand:
        stand.sandbox().script([{"do": "401", "times": 0}])
        stand.worker()
        enqueue(stand, message(1))
        wait_until(lambda: stand.status()["hold"]["ms"] > 0, "the org to be paused")
        found = stand.status()
        assert 0 < found["hold"]["ms"] and "401" in found["hold"]["reason"], found
        wait_until(lambda: "paused for another" in stand.herald("status", check=True).out, "the pause in the table")
        wait_until(lambda: re.search(r"paused for another \d+\.\d s: .*401", stand.herald("status").out), "its reason")


def test_workers_are_shown_with_their_note_and_a_lease_that_ran_out():
    now = int(time.time() * 1000)
    with Stand() as stand:
        stand.redis.call("ZADD", KEY + "workers", now + 60_000, "host-1", now - 5000, "host-2")
        stand.redis.call("HSET", KEY + "worker:host-1", "beat_at", now, "since", now - 90_000, "breaker", "closed", "note", "no token")
        stand.redis.call("HSET", KEY + "worker:host-2", "beat_at", now - 65_000, "since", now - 70_000, "breaker", "open", "note", "")
        stand.redis.call("HSET", KEY + "inflight:host-2", "t1", "{}", "t2", "{}")
        found = stand.status()
        notes = {about["id"]: (about["note"], about["in_flight"]) for about in found["workers"]}
        equal(notes, {"host-1": ("no token", 0), "host-2": ("", 2)}, "workers")
        table = stand.herald("status", check=True).out
        assert re.search(r"host-1 +0 in flight  up 90 s  beat 0\.\d s ago  breaker closed  no token\n", table), table
        assert re.search(r"host-2 +2 in flight  up 70 s  beat 6\d\.\d s ago  breaker open  LEASE RUN OUT\n", table), table


def test_what_is_in_redis_does_not_steer_the_terminal():
    now, hostile = int(time.time() * 1000), "\x1b]0;owned\x07\x1b[31m\u009b31m"
    with Stand() as stand:
        stand.redis.call("ZADD", KEY + "workers", now + 60_000, "w" + hostile)
        stand.redis.call("HSET", KEY + "worker:w" + hostile, "beat_at", now, "note", "note" + hostile)
        stand.redis.call("SET", KEY + "hold", f"{now + 60_000} hold{hostile}", "PX", 60_000)
        stand.redis.call("HSET", KEY + "counts", "dead:x" + hostile, 1)
        result = stand.herald("status", check=True)
        assert "note" in result.out and "hold" in result.out and "x?" in result.out, result.out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.out), repr(result.out)
        found = stand.status()
        equal(found["hold"]["reason"], "hold" + hostile, "the reason as JSON, escaped")


def test_the_JSON_of_status_has_stable_fields():
    with Stand() as stand:
        fields = {"org", "accepted", "places", "ready", "sum", "uncounted", "balanced", "due_in_ms", "window_used",
                  "hold", "polled", "callbacks", "audit", "counters", "workers"}
        equal(set(stand.status()), fields, "fields")


def test_organisations_do_not_see_each_other():
    with Stand() as stand:
        enqueue(stand, message(1))
        equal(stand.status(org="other")["accepted"], 0, "accepted by another org")
        equal(stand.status()["accepted"], 1, "accepted")


# --- campaigns ---


def test_a_campaign_shows_what_became_of_its_messages_and_of_no_other():
    with Stand() as stand:
        stand.sandbox().script(REJECT_THE_FIRST)
        enqueue(stand, *messages(4, campaign="spring"), *messages(3, first=10, campaign="other"))
        found = stand.herald("campaign", "status", "spring", "--json", check=True).json
        equal((found["campaign"], found["left"], found["counters"]["accepted"]), ("spring", 4, 4), "before")
        stand.worker(*QUICK)
        found = stand.herald("campaign", "status", "spring", "--wait", "--json", check=True).json
        equal(found["left"], 0, "left")
        equal((found["counters"]["sent"], found["counters"]["dead"]), (3, 1), "sent, dead")
        table = stand.herald("campaign", "status", "spring", check=True).out
        for words in (r"Campaign spring", r"first enqueued +20\d\d-", r"accepted +4", r"sent +3", r"dead +1",
                      r"  rejected +1", r"still to come +0", r"done +100\.0%"):
            assert re.search(words, table), f"{words}\n{table}"


def test_an_unknown_campaign_is_wrong_use_and_named():
    with Stand() as stand:
        for flags in ((), ("--wait",), ("--json",)):
            result = stand.herald("campaign", "status", "nobody", *flags)
            equal(result.status, 2, result.describe())
            assert "no campaign `nobody`" in result.err and not result.out, result.describe()
        result = stand.herald("campaign", "status")
        equal(result.status, 2, result.describe())
        assert "which campaign?" in result.err, result.err


# --- settings and help ---


def test_settings_shows_what_is_in_force_and_no_secret():
    with Stand() as stand:
        secrets = {"HERALD_REDIS_URL": "redis://ann:swordfish@127.0.0.1:1/2", "GENESYS_CLIENT_SECRET": "swordfish-2",
                   "GENESYS_CLIENT_ID": "swordfish-3", "HERALD_THREADS": "7"}
        result = stand.herald("settings", env=secrets, check=True)
        assert "swordfish" not in result.out + result.err, result.describe()
        for words in (r"redis +redis://\S*@127\.0\.0\.1:1/2", r"threads +7\n", r"CLIENT_SECRET +\(set\)", r"keep +7d"):
            assert re.search(words, result.out), f"{words}\n{result.out}"
        secrets["GENESYS_CLIENT_SECRET"] = None
        result = stand.herald("settings", env=secrets, check=True)
        assert re.search(r"CLIENT_SECRET +\(not set\)", result.out), result.out
        result = stand.herald("settings", env={"HERALD_THREADS": "many"})
        equal(result.status, 2, result.describe())
        assert "HERALD_THREADS" in result.err, result.err


def test_the_settings_page_is_what_the_program_prints():
    with Stand() as stand:
        printed = stand.herald("settings", "--markdown", check=True).out
    page = (ROOT / "docs" / "settings.md").read_text()
    assert printed == page, "docs/settings.md is out of date: build/herald settings --markdown > docs/settings.md"


def test_help_of_every_command_mentions_every_option():
    with Stand() as stand:
        overview = stand.herald("--help", check=True).out
        for command in COMMANDS:
            assert f"  {command} " in overview, f"{command} is not in\n{overview}"
            source = (ROOT / "producer" / source_of(command)).read_text()
            flags = re.findall(r'^    \{"([a-z-]+)", ', source, re.MULTILINE)
            assert flags, f"no options found in {source_of(command)}"
            text = stand.herald(*command.split(), "--help", check=True).out
            assert text.startswith(f"Usage: herald {command} "), text
            for flag in [*flags, "redis", "org", "keep"]:
                assert re.search(rf"^  --{flag} .*\w", text, re.MULTILINE), f"--{flag} is not in\n{text}"


def source_of(command):
    files = {"client new": "client.c", "settings": "settings_command.c"}
    return files.get(command, command.replace(" ", "_") + ".c")


def test_every_command_says_its_version():
    with Stand() as stand:
        version = stand.herald("--version", check=True).out
        assert re.fullmatch(r"herald \d+\.\d+\.\d+\n", version), version
        for command in COMMANDS:
            equal(stand.herald(*command.split(), "--version", check=True).out, version, command)


def test_unknown_commands_options_and_words_are_wrong_use():
    with Stand() as stand:
        cases = [
            ((), "Usage: herald COMMAND"),
            (("bogus",), "no command `bogus`"),
            (("campaign",), "campaign pause"),
            (("campaign", "bogus"), "no command `campaign bogus`"),
            (("campain", "send", "--json"), "did you mean `herald campaign send`?"),
            (("statsu",), "did you mean `herald status`?"),
            (("status", "--jsn"), "did you mean --json?"),
            *((tuple(command.split()) + ("--bogus",), "bogus") for command in COMMANDS),
            (("status", "bogus"), "one word too many"),
            (("settings", "bogus"), "one word too many"),
            (("campaign", "status", "a", "bogus"), "one word too many"),
            (("status", "--org"), "--org"),
            (("status", "--json=maybe"), "--json"),
            (("status", "--keep", "1 week"), "--keep"),
        ]
        for arguments, words in cases:
            result = stand.herald(*arguments)
            equal(result.status, 2, result.describe())
            assert words in result.err and not result.out, result.describe()


def test_an_option_before_the_command_is_told_its_place_and_its_value_is_not_shown():
    with Stand() as stand:
        for words in (("--redis", "redis://ann:hush@host", "status"), ("--redis=redis://ann:hush@host", "status")):
            result = stand.herald(*words)
            equal(result.status, 2, result.describe())
            assert "herald COMMAND --redis ..." in result.err and "hush" not in result.err, result.describe()


def test_help_about_a_group_shows_its_commands():
    with Stand() as stand:
        for word in ("--help", "-h", "help"):
            result = stand.herald("dead", word)
            equal((result.status, result.err), (0, ""), result.describe())
            assert "dead replay" in result.out and "campaign send" not in result.out, result.out


def test_without_redis_the_status_is_4():
    with Stand() as stand:
        for arguments in (("status",), ("status", "--json"), ("campaign", "status", "a")):
            result = stand.herald(*arguments, "--redis", "redis://127.0.0.1:1/0")
            equal((result.status, result.out), (4, ""), result.describe())
            assert result.err.startswith("herald: cannot reach Redis"), result.err


if __name__ == "__main__":
    tap.run(globals())
