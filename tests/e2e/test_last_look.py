#!/usr/bin/python3
"""The last look before each request: who has opted out, what was cancelled or paused and what is too old is not sent,
wherever the message waited meanwhile."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, number
from stand import SLOWNESS, Stand, wait_until
from tap import equal

LEASE = 3 * SLOWNESS
BRISK = ("--lease", f"{LEASE}s", "--timeout", f"{LEASE - 1}s", *QUICK)


def named(stand, name, *flags, **more):
    return stand.worker("--worker-id", name, *BRISK, *flags, **more)


def wait_joined(stand, name):
    wait_until(lambda: stand.redis.call("ZSCORE", KEY + "workers", name), f"{name} to be among the workers")


def received(stand):
    return {entry["request_id"] for entry in stand.genesys.ledger()}


def by_push(stand, *items):
    flow.push(stand, *items)


def by_command(stand, *items):
    """Through the command line, as messages of a campaign, which exists from then on."""
    lines = "".join(json.dumps({**item, "campaign": "spring"}) + "\n" for item in items)
    stand.herald("enqueue", "-", stdin=lines, check=True)


def expiring(stand, *items):
    """m1 is too old a little later."""
    due = int((time.time() + 1.5 * SLOWNESS) * 1000)
    flow.push(stand, *({**item, "expires_at": due} if item["id"] == "m1" else item for item in items))


# --- the places where m1 can wait: each brings it there by `put`, and returns what lets it go on ---


def in_the_list(stand, put):
    """m1 waits on the list."""
    stand.sandbox()
    put(stand, message(1))
    return lambda: named(stand, "a")


def put_off(stand, put):
    """m1 was tried, failed and waits for its next try, which comes within `--retry-base`."""
    sandbox = stand.sandbox()
    sandbox.script([{"match": {"to": number(1)}, "do": "503", "times": 1, "retry_after": 2 * SLOWNESS}])
    put(stand, message(1))
    stand.worker(*BRISK, "--retry-base", f"{2 * SLOWNESS}s")
    wait_until(lambda: flow.delayed(stand), "m1 to be put off")
    return lambda: None


def in_dead_hands(stand, put):
    """m1 is in the hands of a worker that was killed before Genesys had it."""
    sandbox = stand.sandbox()
    sandbox.script([{"match": {"to": number(1)}, "do": "hang", "times": 1}])
    put(stand, message(1))
    a = named(stand, "a")
    wait_until(lambda: sandbox.summary()["requests"] == 1, "the request to hang")
    named(stand, "b")
    wait_joined(stand, "b")
    a.kill()
    return lambda: None


def behind_the_window(stand, put):
    """m1 waits on the list because the rate window is full."""
    stand.sandbox()
    put(stand, message(9))
    stand.worker(*BRISK, env={"HERALD_RATE": f"1/{2 * SLOWNESS}s"})
    flow.wait_sent(stand, 1)
    put(stand, message(1))
    return lambda: None


def behind_a_pause(stand, put):
    """m1 waits on the list because Genesys has said 429."""
    sandbox = stand.sandbox()
    sandbox.script([{"do": "429", "times": 1, "retry_after": 2 * SLOWNESS}])
    put(stand, message(1))
    worker = stand.worker(*BRISK)
    worker.wait_for("org paused: too many requests")
    return lambda: None


PLACES = (in_the_list, put_off, in_dead_hands, behind_the_window, behind_a_pause)


def opt_out(stand, *indexes):
    stand.redis.call("SADD", KEY + "suppressed", *(f"sms:{number(index)}" for index in indexes))


def expect_dead(stand, reason, where):
    """Nobody gets m1, and it is dead for this reason."""
    wait_until(lambda: "m1" in flow.dead(stand), lambda: f"m1 to be dead, {where}; {flow.places(stand)}", 20)
    equal(flow.dead(stand)["m1"]["reason"], reason, f"reason, {where}")
    equal(flow.count(stand, f"dead:{reason}"), 1, f"dead:{reason}, {where}")
    assert "m1" not in received(stand), f"it was received, {where}"


def test_who_opts_out_while_the_message_waits_does_not_get_it_wherever_it_waits():
    for place in PLACES:
        with Stand() as stand:
            go_on = place(stand, by_push)
            opt_out(stand, 1)
            go_on()
            expect_dead(stand, "suppressed", place.__name__)


def test_an_opt_out_stops_a_scheduled_message_and_nobody_elses():
    with Stand() as stand:
        stand.sandbox()
        due = int((time.time() + 1) * 1000)
        lines = "".join(json.dumps({**message(index), "send_at": due}) + "\n" for index in (1, 2))
        stand.herald("enqueue", "-", stdin=lines, check=True)
        opt_out(stand, 1)
        named(stand, "a")
        expect_dead(stand, "suppressed", "scheduled")
        flow.wait_sent(stand, 1)
        equal(received(stand), {"m2"}, "received")
        assert stand.status()["balanced"]


def test_a_cancelled_campaign_sends_nothing_more_wherever_its_messages_wait():
    for place in PLACES:
        with Stand() as stand:
            go_on = place(stand, by_command)
            stand.herald("campaign", "cancel", "spring", check=True)
            go_on()
            wait_until(lambda: flow.count(stand, "cancelled") == 1, f"m1 to be cancelled, {place.__name__}", 20)
            assert "m1" not in received(stand), place.__name__
            status = stand.status()
            assert status["balanced"] and status["places"]["cancelled"] == 1, status


def test_a_paused_campaign_waits_and_goes_on_when_it_is_resumed_wherever_its_messages_wait():
    for place in PLACES:
        with Stand() as stand:
            go_on = place(stand, by_command)
            stand.herald("campaign", "pause", "spring", check=True)
            go_on()
            wait_until(lambda: stand.status()["places"]["parked"] == 1, f"m1 to be parked, {place.__name__}", 20)
            assert "m1" not in received(stand), place.__name__
            assert stand.status()["balanced"]
            stand.herald("campaign", "resume", "spring", check=True)
            wait_until(lambda: "m1" in received(stand), f"m1 to be sent when resumed, {place.__name__}", 20)
            wait_until(lambda: stand.status()["places"]["parked"] == 0, "nothing to be parked")


def test_what_expires_while_it_waits_is_never_sent_wherever_it_waits():
    for place in PLACES:
        with Stand() as stand:
            begun = time.monotonic()
            go_on = place(stand, expiring)
            if place is in_the_list:
                time.sleep(max(0, begun + 1.6 * SLOWNESS - time.monotonic()))
            go_on()
            expect_dead(stand, "expired", place.__name__)


if __name__ == "__main__":
    tap.run(globals())
