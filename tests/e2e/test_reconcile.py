#!/usr/bin/python3
"""herald reconcile: what Genesys knows settles dead letters of unknown outcome, and nothing else does."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, number, push
from stand import Stand, wait_until
from tap import equal

LOST = {"do": "reset-before"}  # Genesys never took it
ACCEPTED = {"do": "reset-after"}  # Genesys took it, and nobody heard
NOW = ("--min-age", "0s")


def hold(index, **fields):
    return message(index, on_unknown="hold", **fields)


def unknown(stand, *items, do=ACCEPTED):
    """Messages that die because nobody knows; what became of the others is as `flow` says."""
    before = flow.counts(stand).get("dead:outcome_unknown", 0)
    stand.genesys.script([{"match": {"to": item["payload"]["toAddress"]}, "times": 1, **do} for item in items])
    push(stand, *items)
    wait_until(lambda: flow.counts(stand).get("dead:outcome_unknown", 0) == before + len(items),
               lambda: flow.counts(stand))


def reconcile(stand, *flags, status=0):
    result = stand.herald("reconcile", "--json", *NOW, *flags)
    equal(result.status, status, result.describe())
    return result.json


def each(answer):
    return {one["id"]: one for one in answer["each"]}


def state(stand, name):
    reply = stand.redis.call("HGETALL", f"{KEY}message:{name}")
    return {field.decode(): value.decode() for field, value in zip(reply[::2], reply[1::2])}


def check_sum(stand, sent, dead):
    answer = stand.herald("status", "--json", check=True).json
    equal((answer["balanced"], answer["places"]["sent"], answer["places"]["dead"]), (True, sent, dead), "places")


def test_a_letter_that_genesys_has_sent_is_settled_by_either_api_and_one_that_it_has_not_stays():
    for source in ("genesys", "analytics"):
        with Stand() as stand:
            stand.sandbox("--sent-after", "5ms", "--delivered-after", "5ms", "--read", "0")
            stand.worker(*QUICK)
            unknown(stand, hold(1, campaign="spring"), hold(2))
            unknown(stand, hold(3), do=LOST)
            ledger = {entry["to"]: entry for entry in stand.genesys.ledger()}
            equal(len(ledger), 2)
            dry = reconcile(stand, "--source", source, "--dry-run", status=3)
            equal((dry["letters"], dry["settled"], dry["dry_run"]), (3, 2, True))
            check_sum(stand, 0, 3)
            answer = reconcile(stand, "--source", source, "--reason", "after the outage", status=3)
            equal((answer["letters"], answer["settled"], answer["left"]), (3, 2, 1))
            assert "no message of that time" in each(answer)["m3"]["why"], answer
            check_sum(stand, 2, 1)
            for name in ("m1", "m2"):
                found, entry = state(stand, name), ledger[number(int(name[1:]))]
                ids = (entry["provider_id"], "") if source == "genesys" else ("", entry["conversation_id"])
                equal((found["state"], found["provider_id"], found["conversation_id"]), ("sent", *ids))
                equal(found["delivery"], "delivered", "what Genesys told of it")
            equal(state(stand, "m3")["state"], "dead")
            counts = flow.counts(stand)
            equal((counts["settled"], counts["dead"], counts["dead:outcome_unknown"]), (2, 1, 1))
            campaign = stand.herald("campaign", "status", "spring", "--json", check=True).json["counters"]
            equal((campaign["sent"], campaign["dead"]), (1, 0), "the campaign")
            equal(stand.herald("dead", "list", "--json", check=True).json["total"], 1)
            report = stand.herald("report", "--json", check=True).json["total"]
            equal((report["sent"], report["dead"], report["delivered"]), (2, 3, 2), "deaths stay what happened")
            audit = [str(entry) for entry in stand.redis.call("XRANGE", KEY + "audit", "-", "+") if b"settle" in entry[1][1]]
            equal(len(audit), 2)
            assert all("after the outage" in entry and "cli:" in entry for entry in audit), audit
            equal(reconcile(stand, "--source", source, status=3)["settled"], 0, "settled once")
            check_sum(stand, 2, 1)


def test_what_could_be_something_else_is_left_to_a_person():
    with Stand() as stand:
        stand.sandbox("--sent-after", "5ms", "--delivered-after", "5ms", "--read", "0")
        stand.worker(*QUICK)
        # Two letters to one person, of which Genesys has one.
        unknown(stand, hold(1), do=ACCEPTED)
        unknown(stand, hold(11, payload={"toAddress": number(1)}), do=LOST)
        # A letter that never arrived, and a message to the same person that did.
        unknown(stand, hold(2), do=LOST)
        push(stand, message(12, payload={"toAddress": number(2)}))
        # One that arrived, and another to the same person behind it.
        unknown(stand, hold(3), do=ACCEPTED)
        push(stand, message(13, payload={"toAddress": number(3)}))
        # A message to the same person from another sender is somebody else's.
        unknown(stand, hold(4), do=LOST)
        push(stand, message(14, payload={"toAddress": number(4), "fromAddress": "+13175550999"}))
        wait_until(lambda: flow.counts(stand).get("sent", 0) == 3, lambda: flow.counts(stand))
        answer = reconcile(stand, status=3)
        found = {name: one.get("why", "settled") for name, one in each(answer).items()}
        equal(answer["settled"], 0, found)
        for name in ("m1", "m11", "m3"):
            assert "more than one" in found[name], found
        assert "another message of ours" in found["m2"], found
        assert "no message of that time" in found["m4"], found
        check_sum(stand, 3, 5)


def test_a_message_that_was_tried_again_makes_the_same_time_unclear():
    with Stand() as stand:
        stand.sandbox("--sent-after", "5ms", "--delivered-after", "5ms", "--read", "0")
        stand.worker(*QUICK, "--max-attempts", "1")
        unknown(stand, hold(1), do=LOST)
        # Another to the same person, whose outcome nobody knows either, dies of its attempts.
        stand.genesys.script([{"match": {"to": number(1)}, "times": 1, **ACCEPTED}])
        push(stand, message(11, payload={"toAddress": number(1)}))
        wait_until(lambda: flow.counts(stand).get("dead:attempts_exhausted", 0) == 1, lambda: flow.counts(stand))
        answer = reconcile(stand, status=3)
        equal((answer["letters"], answer["settled"]), (1, 0), answer)
        assert "more than one" in answer["each"][0]["why"], answer


def test_young_letters_and_those_out_of_the_time_are_left_and_nothing_is_asked():
    with Stand() as stand:
        stand.sandbox()
        stand.worker(*QUICK)
        unknown(stand, hold(1))
        calls = stand.genesys.summary()["calls"]
        result = stand.herald("reconcile")
        equal(result.status, 3, result.describe())
        assert "--min-age" in result.out, result.out
        equal(reconcile(stand, "--to", "1h")["letters"], 0)
        equal(stand.genesys.summary()["calls"], calls, "questions")
        equal(reconcile(stand, "--from", "1h", "--to", "2030-01-01")["settled"], 1)
        equal(reconcile(stand)["letters"], 0, "nothing is left")


def test_a_letter_of_a_killed_worker_is_settled_as_well():
    with Stand() as stand:
        stand.sandbox("--latency", "3s")
        worker = stand.worker(*QUICK, "--lease", "1s", "--timeout", "900ms")
        push(stand, hold(1))
        wait_until(lambda: stand.genesys.summary()["accepted"] == 1, "the message in Genesys")
        worker.kill()
        stand.genesys.config(latency="0")
        stand.worker(*QUICK, "--lease", "1s", "--timeout", "900ms")
        wait_until(lambda: flow.counts(stand).get("dead:outcome_unknown", 0) == 1, lambda: flow.counts(stand), 30)
        equal(reconcile(stand)["settled"], 1)
        check_sum(stand, 1, 0)


def test_one_that_a_killed_worker_may_have_sent_and_that_died_since_makes_it_unclear():
    lease = ("--lease", "6s", "--timeout", "5s")
    with Stand() as stand:
        stand.sandbox()
        stand.genesys.script([{"match": {"to": number(1)}, "times": 1, "do": do} for do in ("hang-after", "hang")])
        worker = stand.worker(*QUICK, *lease)
        # Genesys takes the first of the two to one person, and the worker never hears of either.
        for hangs, item in enumerate((message(1), hold(11, payload={"toAddress": number(1)})), 1):
            push(stand, item)
            wait_until(lambda: stand.genesys.summary()["hangs"] == hangs, lambda: stand.genesys.summary())
        worker.kill()
        equal(stand.genesys.summary()["accepted"], 1, "messages in Genesys")
        stand.herald("suppress", "add", f"sms:{number(1)}", check=True)
        stand.worker(*QUICK, *lease)
        wait_until(lambda: flow.counts(stand).get("dead", 0) == 2, lambda: flow.counts(stand), 30)
        equal({name: letter["reason"] for name, letter in flow.dead(stand).items()},
              {"m1": "suppressed", "m11": "outcome_unknown"}, "letters")
        answer = reconcile(stand, status=3)
        equal((answer["letters"], answer["settled"]), (1, 0), answer)
        assert "more than one" in answer["each"][0]["why"], answer
        check_sum(stand, 0, 2)


def test_refusals_change_nothing():
    with Stand() as stand:
        stand.sandbox()
        stand.worker(*QUICK)
        unknown(stand, hold(1))
        for do, status, words in (("403", 1, "messaging:messages:read"), ("500", 4, "500")):
            stand.genesys.script([{"match": {"route": "report"}, "times": 0, "do": do}])
            result = stand.herald("reconcile", *NOW)
            equal(result.status, status, result.describe())
            assert words in result.err, result.err
        for flags in (["--from", "soon"], ["--source", "herald"], ["--min-age", "x"], ["more"]):
            equal(stand.herald("reconcile", *flags).status, 2, flags)
        check_sum(stand, 0, 1)


if __name__ == "__main__":
    tap.run(globals())
