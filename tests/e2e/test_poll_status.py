#!/usr/bin/python3
"""--poll-status: what became of sent messages, asked for without any webhook, behind the messages in the rate window."""

import contextlib
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, messages, push
from stand import SLOWNESS, Stand, seen_window, wait_until
from tap import equal

BOX = ("--sent-after", "20ms", "--delivered-after", "60ms", "--read-after", "60ms")
POLL = ("--poll-status", "--poll-first", "50ms", "--threads", "1", *QUICK)
# Grants are exact; what the sandbox sees is later by as much as the requests' ways differ.
SEEN = seen_window(500)
OPEN = {"toAddressMessengerType": "open", "fromAddress": "integration-1"}


@contextlib.contextmanager
def polling(*items, box=(), flags=(), script=()):
    with Stand() as stand:
        stand.sandbox(*BOX, *box).script(list(script))
        if items:
            push(stand, *items)
        yield stand, stand.genesys, stand.worker(*POLL, *flags)


def status_step(do, times=1, **more):
    return {"match": {"route": "status"}, "do": do, "times": times, **more}


def tracked(stand):
    """Messages whose status is asked for, by conversation; the two keys always agree."""
    flat = stand.redis.call("HGETALL", KEY + "poll:messages")
    found = {name.decode(): text.decode().split()[1::2] for name, text in zip(flat[::2], flat[1::2])}
    equal(stand.redis.call("ZCARD", KEY + "poll"), len(found), "conversations by time")
    return found


def wait_ended(stand, how_many, seconds=20):
    """Until that many are sent and nobody is asked for any more."""

    def is_ended():
        script = "return {redis.call('ZCARD', KEYS[1] .. 'poll'), redis.call('HGET', KEYS[1] .. 'counts', 'sent') or '0'}"
        left, sent = stand.redis.call("EVAL", script, 1, KEY)
        return left == 0 and int(sent) >= how_many

    wait_until(is_ended, lambda: f"no status to be asked for; {tracked(stand)}, {flow.counts(stand)}", seconds)


def receipts(stand):
    counts = flow.counts(stand)
    return {state: counts.get(f"receipt:{state}", 0) for state in ("delivered", "read", "failed")}


def test_all_of_a_campaign_come_to_delivered_read_or_failed_without_a_webhook():
    total = 60
    sms, others = messages(total // 2, campaign="spring"), range(1001, 1001 + total // 2)
    items = sms + [flow.message(index, campaign="spring", payload=OPEN) for index in others]
    box = ("--undelivered", "0.3", "--failure", "GeneralError", "--seed", "7")
    with polling(*items, box=box) as (stand, sandbox, _):
        wait_ended(stand, total)
        equal(len(sandbox.ledger()), total, "ledger")
        states = {item["id"]: flow.state(stand, item["id"]) for item in items}
        found = receipts(stand)
        equal(found["delivered"] + found["failed"], total, "delivered or failed")
        assert found["failed"] and found["read"], found
        for identity, state in states.items():
            is_open = int(identity[1:]) > 1000
            assert state["delivery"] in ("failed", "read") or (not is_open and state["delivery"] == "delivered"), state
        failed = next(identity for identity, state in states.items() if state["delivery"] == "failed")
        equal(states[failed]["failure"], "GeneralError", "code")
        [entry] = [entry for entry in flow.audit(stand, failed) if entry.get("delivery") == "failed"]
        equal((entry["what"], entry["source"], entry["code"]), ("receipt", "poll", "GeneralError"), "audit")
        campaign = stand.redis.call("HGETALL", KEY + "campaign:spring")
        of_campaign = {name.decode(): value for name, value in zip(campaign[::2], campaign[1::2])}
        equal(int(of_campaign["receipt:delivered"]), found["delivered"], "of the campaign")
        flow.expect_sum(stand, total)


def test_the_times_are_those_that_Genesys_says():
    with polling(*messages(1)) as (stand, sandbox, _):
        wait_ended(stand, 1)
        state = flow.state(stand, "m1")
        gap = int(state["delivered_at"]) - int(state["sent_at"])
        assert 55 <= gap <= 65, state


def test_a_person_who_opted_out_is_suppressed():
    with polling(*messages(3), box=("--undelivered", "1", "--failure", "RecipientOptedOut")) as (stand, _, worker):
        wait_ended(stand, 3)
        people = stand.redis.call("SMEMBERS", KEY + "suppressed")
        equal({person.decode() for person in people}, {f"sms:{flow.number(index)}" for index in (1, 2, 3)}, "suppressed")
        push(stand, flow.message(1, id="again"))
        equal(flow.wait_dead(stand)["again"]["reason"], "suppressed", "reason")


@tap.measures
def test_polls_and_messages_share_one_window_that_is_never_exceeded():
    with polling(*messages(150), box=SEEN, flags=("--rate", "25/500ms")) as (stand, sandbox, _):
        began = time.monotonic()
        flow.wait_sent(stand, 100, seconds=30)  # and the rest waits: what comes then is for the polls
        calls, windows = sandbox.summary()["calls"], (time.monotonic() - began) / 0.5
        assert calls <= 2 * (windows + 2), f"{calls} polls in {windows:.1f} windows of 25: more than a tenth"
        assert calls >= 3, f"{calls} polls for 100 messages: starved"
        wait_ended(stand, 150, seconds=40)
        summary = sandbox.summary()
        assert summary["max_in_window"] <= 25, summary
        equal(summary["duplicates"], 0, "duplicates")


@tap.measures
def test_two_workers_do_not_ask_the_same_twice_and_keep_to_one_window():
    with polling(*messages(80), box=SEEN, flags=("--rate", "40/500ms", "--poll-first", "1s")) as (stand, sandbox, _):
        stand.worker(*POLL, "--rate", "40/500ms", "--poll-first", "1s")
        wait_ended(stand, 80, seconds=40)
        summary = sandbox.summary()
        assert summary["max_in_window"] <= 40, summary
        equal(summary["calls"], 80, "each is asked for once: it had its end by then")
        equal(receipts(stand)["delivered"], 80, "delivered")


def test_403_pauses_asking_alone_and_status_says_why():
    script = [status_step("403", times=0, code="missing.permissions")]
    with polling(*messages(3), script=script) as (stand, sandbox, worker):
        worker.wait_for("asking for statuses is paused")
        wait_until(lambda: stand.status()["polled"]["hold"]["ms"] > 0, "the pause to be shown")
        status = stand.status()
        assert "conversation:message:view" in status["polled"]["hold"]["reason"], status
        equal((status["polled"]["conversations"], status["hold"]["ms"]), (3, 0), "polled, hold of the org")
        assert "asking for statuses is paused" in stand.herald("status").out
        push(stand, *messages(20, first=4))
        flow.wait_sent(stand, 23)
        equal(flow.hold(stand), "", "hold of the org")
        sandbox.script([])
        wait_ended(stand, 23, seconds=30)
        equal(receipts(stand)["delivered"], 23, "delivered")


def test_429_on_a_poll_pauses_the_org_as_any_429():
    with polling(*messages(2), script=[status_step("429", retry_after=1)]) as (stand, sandbox, worker):
        worker.wait_for("org paused: too many requests")
        wait_ended(stand, 2)
        equal(flow.count(stand, "holds"), 1, "holds")
        equal(receipts(stand)["delivered"], 2, "delivered")


def test_a_revoked_token_is_replaced_and_the_question_asked_again():
    with polling(flags=("--poll-first", "1s")) as (stand, sandbox, _):
        push(stand, *messages(4))
        flow.wait_sent(stand, 4)
        sandbox.config(revoke_tokens=True)
        wait_ended(stand, 4)
        equal(sandbox.summary()["tokens_issued"], 2, "tokens")
        equal(flow.count(stand, "holds"), 0, "holds")
        equal(receipts(stand)["delivered"], 4, "delivered")


def test_failures_of_polls_wait_and_do_not_open_the_breaker():
    script = [status_step("500", 2), status_step("reset-before", 1), status_step("non-json", 1), status_step("404", 1)]
    with polling(*messages(6), script=script, flags=("--breaker-failures", "1")) as (stand, _, worker):
        wait_ended(stand, 6, seconds=40)
        assert "circuit breaker" not in worker.log(), worker.log()
        equal(receipts(stand)["delivered"], 6, "delivered")


def test_a_message_without_an_end_is_given_up_at_its_age():
    with polling(*messages(3), box=("--sent-after", "1h"), flags=("--poll-age", "1s")) as (stand, sandbox, _):
        wait_ended(stand, 3)
        equal(flow.count(stand, "unpolled"), 3, "unpolled")
        assert 3 * 2 <= sandbox.summary()["calls"] <= 3 * 7, "at the double age each time"
        equal(receipts(stand), {"delivered": 0, "read": 0, "failed": 0}, "receipts")
        equal(flow.state(stand, "m1")["delivery"], "queued", "delivery")


def test_without_the_switch_nobody_asks_and_nothing_is_noted():
    with Stand() as stand:
        stand.sandbox(*BOX)
        push(stand, *messages(3))
        stand.worker(*QUICK)
        flow.wait_sent(stand, 3)
        equal(stand.redis.call("EXISTS", KEY + "poll", KEY + "poll:messages"), 0, "keys")


def idle_commands(stand, *flags):
    """Commands a second of a worker that has come to rest."""
    worker = stand.worker("--threads", "1", *flags).wait_ready()
    flow.costs(stand, worker, 1)
    _, commands, _ = flow.costs(stand, worker, 3)
    worker.terminate()
    return commands


@tap.measures
def test_with_nothing_to_ask_for_the_poller_costs_at_most_one_command_a_second():
    with Stand() as stand:
        stand.sandbox(*BOX)
        without, asking = idle_commands(stand), idle_commands(stand, "--poll-status")
        assert asking <= without + 1, f"{asking:.1f} commands a second, {without:.1f} without polling"


def test_a_stopping_worker_leaves_its_questions_to_others():
    script = [status_step("hang", times=2)]
    with polling(*messages(2), script=script, flags=("--timeout", "30s", "--lease", "40s")) as (stand, sandbox, worker):
        wait_until(lambda: sandbox.summary()["calls"] >= 2, "both to be asked for")
        equal(worker.terminate(), 0, "exit status")
        equal(sum(map(len, tracked(stand).values())), 2, "still to be asked for")
        stand.worker(*POLL)
        wait_ended(stand, 2)
        equal(receipts(stand)["delivered"], 2, "delivered")


if __name__ == "__main__":
    tap.run(globals())
