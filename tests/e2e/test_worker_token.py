#!/usr/bin/python3
"""The OAuth token of a worker: fetched once for all threads, renewed early, and a pause when there is none."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, messages, push
from stand import Stand, free_port, wait_until
from tap import equal


def notes(stand):
    """What each worker has to say about itself."""
    keys = stand.redis.call("KEYS", KEY + "worker:*")
    return [stand.redis.call("HGET", key, "note").decode() for key in keys]


def test_however_many_threads_wait_the_token_is_fetched_once():
    with Stand() as stand:
        sandbox = stand.sandbox("--token-latency", "200ms")
        push(stand, *messages(200))
        stand.worker("--threads", "8", "--in-flight", "4")
        flow.wait_sent(stand, 200)
        equal(sandbox.summary()["token_requests"], 1, "token requests")


@tap.measures
def test_a_wrong_client_secret_takes_nothing_and_says_so_loudly():
    with Stand() as stand:
        sandbox = stand.sandbox()
        push(stand, *messages(10))
        worker = stand.worker(*QUICK, env={"GENESYS_CLIENT_SECRET": "wrong-and-secret"})
        worker.wait_for("sending is paused: no token")
        wait_until(lambda: any("GENESYS_CLIENT_SECRET" in note for note in notes(stand)), "the note of the worker")
        equal(flow.expect_sum(stand, 10)["ready"], 10, "messages on the list")
        flow.expect_calm(stand, worker)
        equal(sandbox.summary()["requests"], 0, "requests")
        assert "wrong-and-secret" not in worker.log(), "the secret is in the log"
        assert '"level":"error"' in worker.log()


def test_credentials_in_the_body_work_where_Basic_is_not_taken():
    with Stand() as stand:
        stand.sandbox("--token-auth", "body")
        push(stand, message(1))
        stand.worker("--token-in-body")
        flow.wait_sent(stand, 1)


@tap.measures
def test_a_token_endpoint_that_is_down_is_tried_until_it_is_up():
    port = free_port()
    with Stand() as stand:
        push(stand, *messages(5))
        url = f"http://127.0.0.1:{port}"
        worker = stand.worker(*QUICK, env={"GENESYS_API_URL": url, "GENESYS_LOGIN_URL": url})
        worker.wait_for("no token yet")
        flow.expect_calm(stand, worker)
        equal(flow.expect_sum(stand, 5)["ready"], 5, "messages on the list")
        stand.sandbox("--port", port)
        flow.wait_sent(stand, 5, seconds=30)


def test_a_token_is_renewed_before_it_runs_out_while_messages_flow():
    with Stand() as stand:
        sandbox = stand.sandbox("--token-seconds", "2")
        worker = stand.worker("--max-attempts", "1", *QUICK)
        pushed = 0

        def has_renewed():
            nonlocal pushed
            pushed += 5
            push(stand, *messages(5, first=pushed - 4))
            return sandbox.summary()["tokens_issued"] >= 3

        wait_until(has_renewed, "the third token", 30)
        flow.wait_sent(stand, pushed)
        summary = sandbox.summary()
        equal(summary["by_status"].get("401", 0), 0, "401s")
        equal(summary["duplicates"], 0, "duplicates")
        assert worker.running


@tap.measures
def test_a_token_that_cannot_be_renewed_pauses_and_no_idle_sender_spins():
    port = free_port()
    with Stand() as stand:
        sandbox = stand.sandbox("--port", port, "--token-seconds", "1")
        worker = stand.worker("--threads", "4", *QUICK)
        push(stand, message(1))
        flow.wait_sent(stand, 1)
        sandbox.kill()
        worker.wait_for("no token yet")
        time.sleep(1.2)  # until the old token has run out
        push(stand, *messages(20, first=2))
        flow.expect_calm(stand, worker)
        again = stand.sandbox("--port", port)
        flow.wait_sent(stand, 21, seconds=60)
        equal(flow.expect_sum(stand, 21)["dead"], 0, "dead")
        equal(again.summary()["duplicates"], 0, "duplicates")


def test_a_fresh_token_that_is_refused_everywhere_counts_as_one_strike_however_many_were_in_flight():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "401", "times": 0}])
        push(stand, *messages(64))
        worker = stand.worker("--threads", "1", "--in-flight", "64", *QUICK)
        worker.wait_for("org paused: Genesys refuses us")
        wait_until(lambda: flow.places(stand)["ready"] == 64, "all messages to be back on their list")
        left = stand.redis.call("PTTL", KEY + "hold")
        assert left <= 2000, f"the first pause is {left} ms long"


def test_the_token_and_the_secret_never_reach_the_log():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "500"}, {"do": "reset-after"}])
        push(stand, *messages(5), b"not json")
        worker = stand.worker("--log-level", "debug", *QUICK)
        flow.wait_settled(stand, 6)
        log = worker.log()
        for secret in ("sandbox-secret", "Bearer", "Basic ", "has shipped", "+13175550001"):
            assert secret not in log, f"{secret!r} is in the log"


if __name__ == "__main__":
    tap.run(globals())
