#!/usr/bin/python3
"""A worker from its start to its end: settings, stopping under load, the rate window, idling, Redis coming and going."""

import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, LISTS, QUICK, message, messages, push
from stand import NOBODY_LISTENS, SLOWNESS, Stand, seen_window, wait_until
from tap import equal

SLOW = SLOWNESS > 1


def refused(*flags, env=None, redis=None):
    """A worker that does not start: its exit status and what it says."""
    with Stand() as stand:
        changes = {**({"HERALD_REDIS_URL": redis} if redis else {}), **(env or {})}
        worker = stand.worker(*flags, env=changes)
        return worker.wait(30), worker.log()


def test_without_Redis_it_ends_with_4_and_says_what_to_do():
    begun = time.monotonic()
    status, said = refused(redis="redis://127.0.0.1:1/0")
    equal(status, 4, "exit status")
    assert "Is it running" in said and "--redis" in said, said
    assert time.monotonic() - begun < 15 * SLOWNESS


def test_with_a_wrong_password_it_ends_with_4_and_says_what_to_do():
    with Stand(password="sesame") as stand:
        right = stand.redis.url
        worker = stand.worker(env={"HERALD_REDIS_URL": right.replace("sesame", "barley")})
        equal(worker.wait(), 4, "exit status")
        assert "refuses the user or password" in worker.log(), worker.log()
        assert "barley" not in worker.log()
        worker = stand.worker(env={"HERALD_REDIS_URL": right.replace(":sesame@", "")})
        equal(worker.wait(), 4, "exit status without a password")
        assert "wants a password" in worker.log(), worker.log()


def test_wrong_use_ends_with_2_and_the_reason():
    cases = {
        ("--lease", "5s", "--timeout", "5s"): "--lease must be longer than --timeout",
        ("--no-such-flag",): "no-such-flag",
        ("surplus",): "surplus",
        ("--threads", "0"): "--threads",
        ("--rate", "fast"): "--rate",
        ("--redis", "http://here"): "--redis",
        ("--org", "a b"): "--org",
        ("--worker-id", "a b"): "--worker-id",
    }
    for flags, reason in cases.items():
        status, said = refused(*flags)
        assert status == 2 and reason in said, f"{flags}: status {status}, {said!r}"
    status, said = refused(env={"GENESYS_CLIENT_SECRET": None})
    assert status == 2 and "GENESYS_CLIENT_SECRET" in said, (status, said)


def test_a_region_that_does_not_exist_is_wrong_use():
    status, said = refused("--region", "nowhere", env={"GENESYS_API_URL": None, "GENESYS_LOGIN_URL": None})
    assert status == 2 and "--region" in said, (status, said)


def test_SIGTERM_under_load_finishes_what_is_under_way_and_hands_back_nothing_twice():
    total = 600
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "50ms")
        push(stand, *messages(total, on_unknown="hold"))
        worker = stand.worker("--threads", "2", "--in-flight", "16")
        flow.wait_sent(stand, 50)
        equal(worker.terminate(), 0, "exit status")
        found = flow.expect_sum(stand, total)
        equal((found["in_flight"], found["dead"]), (0, 0), "in flight, dead")
        equal(len(sandbox.ledger()), found["sent"], "messages in the ledger")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        equal(stand.redis.call("ZCARD", KEY + "workers"), 0, "workers that are still on the list")
        stand.worker("--in-flight", "64")
        flow.wait_sent(stand, total)
        equal(sandbox.summary()["duplicates"], 0, "duplicates after the next worker")


def test_a_second_SIGTERM_hurries_and_what_was_under_way_is_not_lost():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "hang", "times": 0}])
        push(stand, *messages(20), *messages(20, first=21, on_unknown="hold"))
        worker = stand.worker("--threads", "2", "--in-flight", "20", "--timeout", "60s", "--lease", "90s", "--drain", "60s")
        wait_until(lambda: sandbox.summary()["hangs"] == 40, "all requests to hang")
        worker.signal(signal.SIGTERM)
        worker.wait_for("stopping")
        assert worker.running
        begun = time.monotonic()
        equal(worker.terminate(), 0, "exit status")
        assert time.monotonic() - begun < 10 * SLOWNESS
        found = flow.expect_sum(stand, 40)
        equal((found["in_flight"], found["delayed"], found["dead"]), (0, 20, 20), "in flight, put off, dead")


def test_the_drain_time_ends_a_request_that_hangs():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "hang", "times": 0}])
        push(stand, message(1))
        worker = stand.worker("--timeout", "60s", "--lease", "90s", "--drain", "200ms")
        wait_until(lambda: sandbox.summary()["hangs"] == 1, "the request to hang")
        equal(worker.terminate(), 0, "exit status")
        equal(flow.expect_sum(stand, 1)["delayed"], 1, "put off")


def test_a_stray_SIGUSR1_does_not_make_it_deaf():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker().wait_ready()
        worker.signal(signal.SIGUSR1)
        push(stand, message(1))
        flow.wait_sent(stand, 1)
        equal(worker.terminate(), 0, "exit status")


def test_an_idle_worker_stops_at_once():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker("--threads", "4").wait_ready()
        begun = time.monotonic()
        equal(worker.terminate(), 0, "exit status")
        assert time.monotonic() - begun < 3 * SLOWNESS


def test_a_killed_worker_that_starts_again_under_its_old_name_overwrites_nothing_it_held():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "hang", "times": 0}])
        push(stand, *messages(10))
        flags = ("--worker-id", "w1", "--threads", "1", "--in-flight", "10", "--lease", "3s", "--timeout", "2s")
        worker = stand.worker(*flags)
        wait_until(lambda: flow.places(stand)["in_flight"] == 10, "ten messages in flight")
        worker.kill()
        push(stand, *messages(10, first=11))
        again = stand.worker(*flags)
        wait_until(lambda: flow.places(stand)["ready"] == 0, "the next ten to be taken")
        flow.expect_sum(stand, 20)
        again.kill()


@tap.measures
def test_two_workers_keep_to_one_rate_window_and_use_it_up():
    total, limit = 100, 20
    with Stand() as stand:
        sandbox = stand.sandbox(*seen_window(1000))
        flags = ("--rate", f"{limit}/1s", "--threads", "2")
        workers = [stand.worker(*flags, env={"HERALD_RATE": None}).wait_ready() for _ in range(2)]
        begun = time.monotonic()
        push(stand, *messages(total))
        flow.wait_sent(stand, total)
        took = time.monotonic() - begun
        summary = sandbox.summary()
        assert summary["max_in_window"] <= limit, summary
        ideal = total / limit - 1  # the first window's worth goes out at once
        assert ideal <= took, f"{took:.2f} s for what takes {ideal} s at least"
        assert took < ideal * 1.5 or SLOW, f"{took:.2f} s, ideal {ideal} s"
        equal(summary["by_status"].get("429", 0), 0, "429s")
        assert all(worker.running for worker in workers)


@tap.measures
def test_an_idle_worker_costs_next_to_nothing():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker("--threads", "4").wait_ready()
        push(stand, message(1))
        flow.wait_sent(stand, 1)
        cpu, asked, logged = flow.costs(stand, worker, 2)
        assert asked <= 20, f"{asked} commands a second"
        assert cpu <= 0.05 * SLOWNESS, f"{cpu} CPU seconds a second"
        assert logged <= 1, worker.log()


@tap.measures
def test_an_idle_worker_picks_up_a_plain_LPUSH_to_any_list_at_once():
    with Stand() as stand:
        sandbox = stand.sandbox()
        worker = stand.worker("--threads", "2").wait_ready()
        sent = 0
        for name in [*LISTS, *LISTS, *LISTS]:
            # Idle means: nothing was asked of Redis for a while, so its next look by itself is far away.
            wait_until(lambda: flow.blocked(stand) == 3, "the worker to wait inside Redis for all three lists")
            sent += 1
            begun = time.monotonic()
            push(stand, message(sent), priority=name)
            wait_until(lambda: sandbox.summary()["accepted"] == sent, f"the message on {name}")
            took = time.monotonic() - begun
            assert took < 0.05 or SLOW, f"{name}: {took * 1000:.0f} ms"
        assert worker.running


def test_Redis_restarted_under_load_loses_and_doubles_nothing():
    total = 3000
    with Stand(appendfsync="always") as stand:
        sandbox = stand.sandbox("--latency", "5ms")
        push(stand, *messages(total, on_unknown="hold"))
        worker = stand.worker("--threads", "2", "--in-flight", "4", *QUICK)
        for part in (1, 2, 3):
            wait_until(lambda: sandbox.summary()["accepted"] >= part * total / 5, "some to be sent")
            if part == 2:
                stand.redis.kill()
                stand.redis.start()
            else:
                stand.redis.restart()
        flow.wait_settled(stand, total)
        equal(flow.expect_sum(stand, total), {**flow.places(stand), "dead": 0, "sent": total}, "places")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        equal(len(sandbox.ledger()), total, "messages in the ledger")
        equal(worker.terminate(), 0, "exit status")


def test_outcomes_wait_while_Redis_is_away_and_nothing_is_taken_meanwhile():
    with Stand(appendfsync="always") as stand:
        sandbox = stand.sandbox("--latency", "300ms")
        push(stand, *messages(50))
        worker = stand.worker("--threads", "1", "--in-flight", "10")
        wait_until(lambda: sandbox.summary()["requests"] >= 10, "the first requests")
        stand.redis.stop()
        wait_until(lambda: sandbox.summary()["accepted"] >= 10, "the first messages to be accepted")
        before = flow.cpu_seconds(worker)
        time.sleep(1)
        assert flow.cpu_seconds(worker) - before < 0.2 * SLOWNESS, "it spins while Redis is away"
        assert sandbox.summary()["requests"] <= 20, "it sends more than it held"
        stand.redis.start()
        flow.wait_sent(stand, 50)
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        flow.expect_sum(stand, 50)


def test_a_worker_whose_Redis_never_comes_back_ends_after_its_drain_and_says_how_many_outcomes_are_lost():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "300ms")
        push(stand, *messages(30))
        worker = stand.worker("--threads", "1", "--in-flight", "10", "--drain", "1s")
        wait_until(lambda: sandbox.summary()["requests"] >= 10, "the first requests")
        stand.redis.stop()
        wait_until(lambda: sandbox.summary()["accepted"] >= 10, "the first messages to be accepted")
        worker.wait_for("Redis is away", 10)
        equal(worker.terminate(), 1, "exit status")
        assert 'their messages stay in flight","count":10}' in worker.log(), worker.log()


def test_Redis_paused_for_a_while_makes_no_transfer_time_out():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "20ms")
        push(stand, *messages(200, on_unknown="hold"))
        stand.worker("--in-flight", "8", "--timeout", "1s", *QUICK)
        wait_until(lambda: sandbox.summary()["accepted"] >= 20, "some to be sent")
        stand.redis.pause()
        time.sleep(1.5)
        stand.redis.resume()
        flow.wait_settled(stand, 200)
        equal(flow.expect_sum(stand, 200)["dead"], 0, "dead")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")


def test_a_lost_script_cache_and_cut_connections_change_nothing():
    total = 2000
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "2ms")
        push(stand, *messages(total))
        worker = stand.worker("--threads", "2", "--in-flight", "4", *QUICK)
        while flow.count(stand, "sent") < total * 0.8:
            stand.redis.pipeline([("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
            begun = sandbox.summary()["accepted"]
            wait_until(lambda: sandbox.summary()["accepted"] > begun or flow.count(stand, "sent") == total, "progress")
        flow.wait_sent(stand, total)
        equal(flow.expect_sum(stand, total)["dead"], 0, "dead")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        assert worker.running


if __name__ == "__main__":
    tap.run(globals())
