#!/usr/bin/python3
"""What an answer of Genesys means for a message: every row of the design's answer table, driven by the sandbox."""

import contextlib
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, messages, number, push
from stand import Stand, wait_until
from tap import equal

PATIENT_BREAKER = ("--breaker-failures", "32")


@contextlib.contextmanager
def sending(*items, script=(), box=(), flags=()):
    """A stand whose worker sends `items` to a sandbox that answers as the script says."""
    with Stand() as stand:
        stand.sandbox(*box).script(list(script))
        if items:
            push(stand, *items)
        worker = stand.worker("--threads", "1", *QUICK, *flags)
        yield stand, stand.genesys, worker


def step(do, index=None, times=1, **more):
    match = {"match": {"to": number(index)}} if index else {}
    return {**match, "do": do, "times": times, **more}


def test_a_2xx_is_sent_and_its_provider_id_and_correlation_id_are_kept():
    with sending(message(1)) as (stand, sandbox, _):
        flow.wait_sent(stand, 1)
        [entry] = sandbox.ledger()
        equal(flow.state(stand, "m1")["provider_id"], entry["provider_id"], "provider id")
        [attempt] = flow.audit(stand, "m1")
        equal(attempt["outcome"], "sent", "outcome in the audit")
        assert attempt["correlation_id"] and len(attempt["sha256"]) == 64, attempt
        equal(flow.expect_sum(stand, 1)["sent"], 1, "sent")
        equal(flow.count(stand, "accepted"), 1, "accepted")


def test_a_202_without_a_body_is_sent():
    with sending(message(1), script=[step("202")]) as (stand, sandbox, _):
        flow.wait_sent(stand, 1)
        equal(flow.state(stand, "m1")["state"], "sent", "state")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        flow.expect_sum(stand, 1)


def test_a_4xx_about_the_message_buries_it_with_Genesys_own_code_message_and_correlation_id():
    script = [step("400", 1, code="invalid.number", message="That number is not one."), step("404", 2), step("422", 3)]
    with sending(*messages(4), script=script) as (stand, sandbox, _):
        letters = flow.wait_dead(stand, 3)
        equal({letter["reason"] for letter in letters.values()}, {"rejected"}, "reasons")
        last = letters["m1"]["last"]
        equal((last["status"], last["code"], last["message"]), (400, "invalid.number", "That number is not one."), "last")
        assert len(last["correlation_id"]) == 36, last
        equal([letters["m2"]["last"]["status"], letters["m3"]["last"]["status"]], [404, 422], "statuses")
        equal(letters["m1"]["attempts"], 1, "attempts")
        equal(letters["m1"]["envelope"]["payload"], message(1)["payload"], "payload in the dead letter")
        flow.wait_sent(stand, 1)
        equal([entry["request_id"] for entry in sandbox.ledger()], ["m4"], "ledger")
        flow.expect_sum(stand, 4)


def test_a_401_fetches_one_new_token_and_the_message_is_sent_with_it():
    with sending(message(1), script=[step("401")], flags=("--max-attempts", "1")) as (stand, sandbox, _):
        flow.wait_sent(stand, 1)
        summary = sandbox.summary()
        equal((summary["tokens_issued"], summary["requests"]), (2, 2), "tokens, requests")
        equal(flow.places(stand)["dead"], 0, "dead")
        equal(flow.hold(stand), "", "hold")


def test_a_revoked_token_costs_no_message_anything():
    with sending(message(1), flags=("--max-attempts", "1")) as (stand, sandbox, _):
        flow.wait_sent(stand, 1)
        sandbox.config(revoke_tokens=True)
        push(stand, *messages(20, first=2))
        flow.wait_sent(stand, 21)
        equal(sandbox.summary()["tokens_issued"], 2, "tokens")
        equal(flow.expect_sum(stand, 21)["dead"], 0, "dead")


def test_401_for_ever_pauses_the_org_loudly_and_buries_nobody():
    script = [step("401", times=0)]
    with sending(*messages(5), script=script, flags=("--max-attempts", "1")) as (stand, sandbox, worker):
        worker.wait_for("org paused: Genesys refuses us")
        wait_until(lambda: "401" in flow.hold(stand), "the org's hold to name the 401")
        assert "credentials" in flow.hold(stand)
        equal(flow.expect_sum(stand, 5)["dead"], 0, "dead")
        sandbox.script([])
        flow.wait_sent(stand, 5, seconds=30)
        equal(flow.expect_sum(stand, 5)["sent"], 5, "sent")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")


def test_a_403_alone_among_successes_is_about_the_message():
    with sending(message(9999), script=[step("403", 9999, times=0, code="missing.permissions")]) as (stand, sandbox, _):
        pushed = 0

        def is_buried():
            nonlocal pushed
            pushed += 1
            push(stand, message(pushed))
            return flow.count(stand, "dead")

        wait_until(is_buried, "the one message that gets a 403 to be buried")
        letter = flow.dead(stand)["m9999"]
        equal((letter["reason"], letter["last"]["code"]), ("forbidden", "missing.permissions"), "reason, code")
        flow.wait_sent(stand, pushed)
        equal(flow.expect_sum(stand, pushed + 1)["dead"], 1, "dead")


def test_403_for_several_messages_in_a_row_pauses_the_org_and_buries_nobody():
    script = [step("403", times=0)]
    with sending(*messages(6), script=script, flags=("--max-attempts", "1")) as (stand, sandbox, worker):
        worker.wait_for("org paused: Genesys refuses us")
        wait_until(lambda: "permission" in flow.hold(stand), "the org's hold to name the permission")
        equal(flow.expect_sum(stand, 6)["dead"], 0, "dead")
        sandbox.script([])
        flow.wait_sent(stand, 6, seconds=30)
        equal(flow.expect_sum(stand, 6)["dead"], 0, "dead")


def test_408_and_5xx_put_a_message_off_and_it_is_sent_later():
    statuses = ("408", "500", "502", "503", "504", "non-json", "huge")
    script = [step(status, index) for index, status in enumerate(statuses, 1)]
    with sending(*messages(7), script=script, flags=PATIENT_BREAKER) as (stand, sandbox, _):
        flow.wait_sent(stand, 7)
        equal(flow.count(stand, "retries"), 7, "retries")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        first = {index: flow.audit(stand, f"m{index}")[0] for index in range(1, 8)}
        equal([first[index]["status"] for index in range(1, 8)], [408, 500, 502, 503, 504, 502, 502], "statuses")
        unknown = [index for index, entry in first.items() if entry.get("unknown")]
        equal(unknown, [2, 3, 5, 6, 7], "whose outcome is unknown")
        flow.expect_sum(stand, 7)


def test_503_burns_no_attempt_but_a_500_does():
    script = [step("503", 1, times=4), step("500", 2, times=4)]
    flags = (*PATIENT_BREAKER, "--max-attempts", "2")
    with sending(*messages(2), script=script, flags=flags) as (stand, _, _worker):
        flow.wait_settled(stand, 2)
        equal({name: letter["reason"] for name, letter in flow.dead(stand).items()}, {"m2": "attempts_exhausted"}, "dead")


def test_under_hold_an_unknown_outcome_ends_the_message_and_it_is_in_the_ledger_at_most_once():
    actions = ("500", "502", "504", "504-after", "reset-before", "reset-after", "hang-after", "non-json", "503")
    script = [step(action, index) for index, action in enumerate(actions, 1)]
    items = messages(len(actions), on_unknown="hold")
    flags = (*PATIENT_BREAKER, "--timeout", "1s")
    with sending(*items, script=script, flags=flags) as (stand, sandbox, _):
        flow.wait_settled(stand, len(actions))
        letters = flow.dead(stand)
        equal(sorted(letters), [f"m{index}" for index in range(1, 9)], "dead letters")
        equal({letter["reason"] for letter in letters.values()}, {"outcome_unknown"}, "reasons")
        assert all(letter["envelope"]["herald"]["history"][-1]["unknown"] for letter in letters.values()), letters
        equal(sorted(entry["request_id"] for entry in sandbox.ledger()), ["m4", "m6", "m7", "m9"], "ledger")
        flow.expect_sum(stand, len(actions))


def test_under_resend_an_unknown_outcome_is_tried_again_and_its_history_says_unknown():
    with sending(message(1), script=[step("reset-after")], flags=("--retry-base", "1h", "--retry-cap", "1h")) as (stand, sandbox, _):
        wait_until(lambda: flow.delayed(stand), "the message to be put off")
        [envelope] = flow.delayed(stand)
        assert envelope["herald"]["history"][0]["unknown"], envelope
        equal((envelope["herald"]["unknowns"], envelope["herald"]["attempts"]), (1, 1), "unknowns, attempts")
        [raw] = stand.redis.call("ZRANGE", flow.KEY + "delayed", 0, -1)
        stand.redis.call("ZADD", flow.KEY + "delayed", 0, raw)
        flow.wait_sent(stand, 1)
        equal([entry.get("unknown", False) for entry in flow.audit(stand, "m1")], [True, False], "unknown in the audit")
        equal(sandbox.summary()["duplicates"], 1, "duplicates, of which the audit tells")


def pauses_everybody(stand, sandbox, workers, least, most):
    """A 429 is on its way: everybody stops, nothing is burnt, and everything is sent in the end."""
    for worker in workers:
        worker.wait_ready()
    push(stand, message(1))
    wait_until(lambda: "429" in flow.hold(stand), "the org's hold")
    left = stand.redis.call("PTTL", flow.KEY + "hold")
    assert least <= left <= most, f"paused for {left} ms"
    push(stand, *messages(30, first=2))
    before = sandbox.summary()["requests"]
    if left > 1000:  # the pause is longer than the time in which an idle sender looks by itself
        time.sleep(0.3)  # long enough for a worker that does not heed it to be seen
        equal(sandbox.summary()["requests"], before, "requests during the pause")
        equal(flow.places(stand)["ready"], 31, "messages on the list")


def test_a_429_with_seconds_pauses_all_workers_for_that_long_and_burns_nothing():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([step("429", retry_after=2)])
        workers = [stand.worker(*QUICK, "--max-attempts", "1") for _ in range(3)]
        pauses_everybody(stand, sandbox, workers, 1000, 2000)
        flow.wait_sent(stand, 31)
        equal(flow.expect_sum(stand, 31)["dead"], 0, "dead")
        equal(sandbox.summary()["by_status"]["429"], 1, "429s")


def test_a_429_with_a_date_pauses_until_then():
    with Stand() as stand:
        sandbox = stand.sandbox("--retry-after-form", "date")
        sandbox.script([step("429", retry_after=1)])
        pauses_everybody(stand, sandbox, [stand.worker(*QUICK, "--max-attempts", "1")], 1, 2100)
        flow.wait_sent(stand, 31)
        equal(flow.expect_sum(stand, 31)["dead"], 0, "dead")


def test_a_429_that_names_no_time_pauses_by_backoff():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([step("429", times=2, retry_after=-1)])
        worker = stand.worker(*QUICK, "--max-attempts", "1")
        worker.wait_ready()
        push(stand, *messages(10))
        worker.wait_for("org paused: too many requests")
        flow.wait_sent(stand, 10)
        equal(flow.expect_sum(stand, 10)["dead"], 0, "dead")
        assert flow.count(stand, "holds") >= 1


def test_attempts_that_are_used_up_end_as_a_dead_letter_with_their_history():
    flags = ("--max-attempts", "3", *PATIENT_BREAKER)
    with sending(message(1), script=[step("500", times=0)], flags=flags) as (stand, sandbox, _):
        letter = flow.wait_dead(stand)["m1"]
        equal((letter["reason"], letter["attempts"]), ("attempts_exhausted", 3), "reason, attempts")
        equal([entry["status"] for entry in letter["envelope"]["herald"]["history"]], [500] * 3, "history")
        equal(sandbox.summary()["requests"], 3, "requests")
        flow.expect_sum(stand, 1)


def test_a_message_past_its_expires_at_is_never_requested():
    past = int(time.time() * 1000) - 1
    with sending(message(1, expires_at=past), message(2)) as (stand, sandbox, _):
        flow.wait_settled(stand, 2)
        equal(flow.dead(stand)["m1"]["reason"], "expired", "reason")
        equal([entry["request_id"] for entry in sandbox.ledger()], ["m2"], "ledger")


def test_a_message_that_expires_between_its_attempts_is_expired():
    soon = int(time.time() * 1000) + 700
    items = (message(1, expires_at=soon),)
    with sending(*items, script=[step("503", times=0)], flags=PATIENT_BREAKER) as (stand, _, _worker):
        equal(flow.wait_dead(stand)["m1"]["reason"], "expired", "reason")
        flow.expect_sum(stand, 1)


def test_a_message_older_than_max_age_is_expired():
    flags = ("--max-age", "1s", *PATIENT_BREAKER)
    with sending(message(1), script=[step("503", times=0)], flags=flags) as (stand, _, _worker):
        equal(flow.wait_dead(stand)["m1"]["reason"], "expired", "reason")


def test_a_message_for_later_waits_and_goes_out_when_it_is_due():
    due = int(time.time() * 1000) + 600
    with sending(message(1, send_at=due), message(2)) as (stand, sandbox, _):
        flow.wait_sent(stand, 1)
        [raw, score] = wait_until(
            lambda: stand.redis.call("ZRANGE", flow.KEY + "delayed", 0, -1, "WITHSCORES") or count_is(stand, 2),
            "the message to be put off",
        )
        assert abs(float(score) - due) < 50, (score, due, raw)
        flow.wait_sent(stand, 2)
        last = sandbox.ledger()[-1]
        equal(last["request_id"], "m1", "the last in the ledger")
        assert time.time() * 1000 >= due
        equal(flow.count(stand, "scheduled"), 1, "scheduled")
        flow.expect_sum(stand, 2)


def count_is(stand, sent):
    assert flow.count(stand, "sent") < sent, "it was sent too early"


def test_every_envelope_route_is_sent_to_its_own_path():
    consent = {"consentVerified": True}
    items = [
        message(1),
        {
            "channelType": "messaging:whatsapp",
            "from": {"address": "whatsapp:+15551230001"},
            "to": [{"address": "whatsapp:+15559998765"}],
            "content": {"type": "text", "text": "Hello"},
            "metadata": consent,
        },
        {
            "conversationId": "conversation-id-789",
            "to": {"id": "customer-1"},
            "from": {"id": "bot-1"},
            "type": "text",
            "text": "Thank you.",
            "origin": "genesys.cloud",
        },
    ]
    with sending(*items) as (stand, sandbox, _):
        flow.wait_settled(stand, 3)
        equal(sorted(entry["route"] for entry in sandbox.ledger()), ["agentless", "conversation", "messaging"], "routes")


if __name__ == "__main__":
    tap.run(globals())
