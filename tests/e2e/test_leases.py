#!/usr/bin/python3
"""Leases: what becomes of messages whose worker dies, freezes, is cut off or is told to go; whose queues these are; and
how the priorities share a worker."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import proxy
import tap
from flow import KEY, QUICK, message, messages, push
from stand import SLOWNESS, Stand, free_port, wait_until
from tap import equal

LEASE = 3 * SLOWNESS
BRISK = ("--lease", f"{LEASE}s", "--timeout", f"{LEASE - 1}s", *QUICK)
PATIENT = ("--breaker-failures", "32", "--max-attempts", "100")
LONG = f"{LEASE - 2}s"  # a latency that ends within the timeout


def named(stand, name, *flags, **more):
    return stand.worker("--worker-id", name, *BRISK, *flags, **more)


def held(stand, name):
    return stand.redis.call("HLEN", f"{KEY}inflight:{name}")


def wait_held(stand, name, how_many):
    wait_until(lambda: held(stand, name) == how_many, lambda: f"{how_many} held by {name}; {flow.places(stand)}")


def wait_received(stand, how_many):
    wait_until(lambda: stand.genesys.summary()["accepted"] >= how_many, f"{how_many} received by the stand-in")


def wait_joined(stand, name):
    wait_until(lambda: stand.redis.call("ZSCORE", KEY + "workers", name), f"{name} to be among the workers")


def wait_count(stand, name, value, seconds=20):
    wait_until(lambda: flow.count(stand, name) >= value, lambda: f"{name} to be {value}: {flow.counts(stand)}", seconds)
    equal(flow.count(stand, name), value, name)


def expect_balance(stand, total):
    status = stand.status()
    assert status["balanced"], status
    equal((status["accepted"], status["uncounted"]), (total, 0), "accepted, uncounted")


def received(stand):
    """How often each message was."""
    times = {}
    for entry in stand.genesys.ledger():
        times[entry["request_id"]] = times.get(entry["request_id"], 0) + 1
    return times


@contextlib.contextmanager
def dead_worker(*items, latency=LONG, box=(), **more):
    """Worker `a` has taken all the items and begun to send them when it is killed; `b` runs by then, idle."""
    with Stand(**more) as stand:
        stand.sandbox("--latency", latency, *box)
        push(stand, *items)
        a = named(stand, "a", "--threads", "2", "--in-flight", "128")
        wait_held(stand, "a", len(items))
        b = named(stand, "b", "--threads", "2", "--in-flight", "128", *PATIENT)
        wait_joined(stand, "b")
        wait_received(stand, len(items))
        equal(held(stand, "a"), len(items), "messages in the hands of the worker that is to die")
        a.kill()
        yield stand, b, time.monotonic()


def remark(text):
    """A TAP comment; print is for the log of a failed test."""
    sys.__stdout__.write(f"# {text}\n")


# --- death ---


def test_256_messages_in_the_hands_of_a_worker_that_is_killed_are_sent_by_another_within_the_lease_and_two_seconds():
    latency = 1 * SLOWNESS
    with dead_worker(*messages(256), latency=f"{latency}s") as (stand, _, killed):
        flow.wait_sent(stand, 256, seconds=30)
        seconds = time.monotonic() - killed
        remark(f"kill -9 with 256 in flight: all sent {seconds:.2f} s later (lease {LEASE} s, latency {latency} s)")
        limit = LEASE + 2 * SLOWNESS
        assert seconds <= limit, f"the last was sent {seconds:.2f} s after the kill, {limit} allowed"
        wait_count(stand, "redelivered", 256)
        equal(set(received(stand).values()), {2}, "receipts of each: those of the dead worker, and those of the other")
        flow.expect_sum(stand, 256)
        expect_balance(stand, 256)
        equal(stand.redis.call("EXISTS", KEY + "inflight:a", KEY + "worker:a"), 0, "keys of the dead worker")


def test_under_hold_they_are_dead_letters_with_outcome_unknown_instead_and_nobody_gets_one_twice():
    with dead_worker(*messages(256, on_unknown="hold"), latency=f"{SLOWNESS}s") as (stand, _, _killed):
        letters = flow.wait_dead(stand, 256, seconds=30)
        equal({letter["reason"] for letter in letters.values()}, {"outcome_unknown"}, "reasons")
        equal(len(letters), 256, "different dead letters")
        equal(letters["m7"]["envelope"]["payload"], message(7)["payload"], "payload in the dead letter")
        equal(stand.genesys.summary()["duplicates"], 0, "duplicates")
        push(stand, *messages(5, first=1000))
        flow.wait_sent(stand, 5)
        flow.expect_sum(stand, 261)
        expect_balance(stand, 261)


def test_two_and_more_workers_reaping_at_once_do_no_harm():
    total = 250
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", LONG)
        push(stand, *messages(total // 2), *messages(total // 2, first=total, on_unknown="hold"))
        a = named(stand, "a", "--threads", "2", "--in-flight", "128")
        wait_held(stand, "a", total)
        others = [named(stand, name, *PATIENT) for name in ("b", "c", "d", "e")]
        for name in ("b", "c", "d", "e"):
            wait_joined(stand, name)
        wait_received(stand, total)
        a.kill()
        sandbox.config(latency="0ms")
        flow.wait_settled(stand, total)
        equal(flow.count(stand, "redelivered"), total // 2, "redelivered")
        equal(flow.count(stand, "sent"), total // 2, "sent")
        equal(flow.count(stand, "dead:outcome_unknown"), total // 2, "dead")
        equal(sum("took messages back" in worker.log() for worker in others) >= 1, True, "somebody reaped")
        flow.expect_sum(stand, total)
        expect_balance(stand, total)


# --- sleep ---


def test_a_worker_stopped_past_its_lease_records_late_answers_and_pending_resends_are_withdrawn():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "1s")
        push(stand, *messages(16))
        a = named(stand, "a", "--threads", "1", "--in-flight", "16")
        wait_received(stand, 16)
        a.stop()
        sandbox.config(faults={"503": 1}, latency="0ms")  # so that the resends are still pending when it wakes
        named(stand, "b", *PATIENT)
        wait_count(stand, "redelivered", 16)
        a.cont()
        wait_count(stand, "late", 16)
        wait_count(stand, "withdrawn", 16, seconds=60)  # the faults stay: one resend may be on its way
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        equal(flow.expect_sum(stand, 16)["sent"], 16, "sent")
        expect_balance(stand, 16)


def test_a_worker_cut_off_from_Redis_past_its_lease_records_its_late_answers_when_it_is_back():
    with Stand() as stand, proxy.Proxy(("127.0.0.1", stand.redis.port)) as line:
        sandbox = stand.sandbox("--latency", "1s")
        push(stand, *messages(16))
        a = named(stand, "a", "--threads", "1", "--in-flight", "16", "--environment", "here",
                  env={"HERALD_REDIS_URL": f"redis://127.0.0.1:{line.port}/0"})
        wait_received(stand, 16)
        line.set(proxy.HOLE)
        sandbox.config(faults={"503": 1}, latency="0ms")
        named(stand, "b", "--environment", "here", *PATIENT)
        wait_count(stand, "redelivered", 16)
        line.set(proxy.OPEN)
        wait_count(stand, "late", 16)
        wait_count(stand, "withdrawn", 16, seconds=60)  # the faults stay: one resend may be on its way
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        expect_balance(stand, 16)
        equal(a.terminate(), 0, "exit status")


def test_a_worker_that_wakes_up_past_its_lease_starts_nothing_before_it_has_one_again():
    """Under hold nothing is sent twice by a worker that was stopped again and again while others took its messages."""
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "exp:100ms")
        workers = [named(stand, name, "--threads", "2", "--in-flight", "16") for name in ("a", "b")]
        for worker in workers:
            worker.wait_ready()
        pushed = 0

        def both_at_work():
            """There is always more to do, or the one that is quicker would have done it all."""
            nonlocal pushed
            push(stand, *messages(20, first=pushed + 1, on_unknown="hold"))
            pushed += 20
            return held(stand, "a") > 4 and held(stand, "b") > 4

        for sleeper in workers:
            for _ in range(2):
                wait_until(both_at_work, "both to be at work")
                sleeper.stop()
                push(stand, *messages(300, first=pushed + 1, on_unknown="hold"))
                pushed += 300
                time.sleep(LEASE + 1.5)  # no condition to wait for: what is looked for is that nothing happens
                sleeper.cont()
        flow.wait_settled(stand, pushed, seconds=60)
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        assert flow.count(stand, "dead:outcome_unknown") > 0, "nothing was in flight: this test shows nothing"
        expect_balance(stand, pushed)


# --- names ---


def test_of_two_workers_with_the_same_name_the_second_refuses_to_start():
    with Stand() as stand:
        stand.sandbox()
        first = named(stand, "twin").wait_ready()
        second = named(stand, "twin")
        equal(second.wait(), 2, "exit status")
        assert "a worker named twin is " in second.log() and "names must differ" in second.log(), second.log()
        push(stand, *messages(5))
        flow.wait_sent(stand, 5)
        assert first.running


def test_a_worker_that_was_killed_comes_back_under_its_name_and_its_old_messages_come_back():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", LONG)
        push(stand, *messages(20), *messages(20, first=21, on_unknown="hold"))
        first = named(stand, "phoenix")
        wait_held(stand, "phoenix", 40)
        wait_received(stand, 40)
        first.kill()
        sandbox.config(latency="0ms")
        begun = time.monotonic()
        second = started_until_it_stays(stand, "phoenix")
        assert time.monotonic() - begun > LEASE / 2, "it took the name while the lease of its former life lasted"
        flow.wait_settled(stand, 40, seconds=30)
        equal(flow.count(stand, "redelivered"), 20, "redelivered")
        equal(flow.count(stand, "dead:outcome_unknown"), 20, "dead")
        expect_balance(stand, 40)
        equal(second.terminate(), 0, "exit status")
        equal(stand.redis.call("KEYS", KEY + "inflight:*"), [], "keys of messages in flight")
        equal(stand.redis.call("ZCARD", KEY + "workers"), 0, "workers")


def started_until_it_stays(stand, name):
    """As a supervisor does it: a worker whose name is taken waits or refuses (status 2), and is started again."""
    while True:
        worker = named(stand, name)
        wait_until(lambda: not worker.running or '"ready"' in worker.log(), "it to be ready or to refuse", LEASE + 10)
        if worker.running:
            return worker
        equal(worker.wait(), 2, "exit status while the lease of the former life lasts")


def test_what_several_former_lives_of_a_name_left_behind_is_all_there():
    """Nothing of what several former lives of a name left behind is overwritten when the name is taken again."""
    with Stand() as stand:
        stand.sandbox()
        for at, life in enumerate(("phoenix", "phoenix~", "phoenix~0123456789abcdef"), 1):
            stand.redis.call("HSET", f"{KEY}inflight:{life}", "t1", "N" + json.dumps(message(at)))
            stand.redis.call("ZADD", KEY + "workers", at, life)
        named(stand, "phoenix")  # what was known of the last life (worker:phoenix) has expired
        flow.wait_sent(stand, 3)
        equal(sorted(received(stand)), ["m1", "m2", "m3"], "received")
        expect_balance(stand, 3)


def test_a_lease_that_is_not_longer_than_the_timeout_is_refused():
    with Stand() as stand:
        stand.sandbox()
        for lease in ("5s", "10s"):
            worker = stand.worker("--lease", lease, "--timeout", "10s")
            equal(worker.wait(), 2, "exit status")
            assert "--lease must be longer than --timeout" in worker.log(), worker.log()


def test_whatever_a_stale_machine_left_in_flight_ends_on_the_list_or_as_a_dead_letter():
    good = json.dumps(message(1))
    held_message = message(2, on_unknown="hold")
    odd = message(3, on_unknown="hold")
    entries = [
        b"N" + good.encode(),
        b"H" + json.dumps(held_message).encode(),
        b"L" + json.dumps(odd).encode(),
        b"",
        b"N",
        b"Nnot JSON at all",
        b'N{"v":1,"id":"half","on_unknown":"hold","payl',
        b"N[1,2,3]",
        b'N"a text"',
        b"N{}",
        b"N\xff\xfe\x00\x01",
        b"N" + b"[" * 5000,
        b'N{"v":1,"id":{"a":1},"campaign":[],"herald":7,"on_unknown":"hold"}',
        b'N{"v":1,"id":"n1","herald":{"attempts":"many"},"on_unknown":"hold","payload":{}}',
        json.dumps(message(4)).encode(),  # without the letter of its list
        b"Z" + json.dumps(message(5)).encode(),  # with the letter of no list
    ]
    with Stand() as stand:
        stand.sandbox()
        stand.redis.call("SET", KEY + "message:m3", "of another kind")
        for at, entry in enumerate(entries):
            stand.redis.call("HSET", KEY + "inflight:old-machine", f"t{at}", entry)
        stand.redis.call("HSET", KEY + "inflight:empty~handed", "no ticket", b"N" + json.dumps(message(6)).encode())
        stand.redis.call("ZADD", KEY + "workers", 1, "old-machine", 2, "empty~handed", 3, "holds nothing")
        worker = stand.worker("--lease", "2s", "--timeout", "1s", *QUICK)
        flow.wait_settled(stand, len(entries) + 1, seconds=20)
        letters = flow.letters(stand.redis)
        equal(sorted(received(stand)), ["m1", "m4", "m6"], "received")
        reasons = {letter.get("id"): letter["reason"] for letter in letters}
        equal((reasons["m2"], reasons["m3"]), ("outcome_unknown", "outcome_unknown"), "reasons of those under hold")
        assert worker.running
        expect_balance(stand, len(entries) + 1)
        equal(stand.redis.call("KEYS", KEY + "inflight:*"), [], "keys of messages in flight")
        equal(stand.redis.call("ZCARD", KEY + "workers"), 1, "workers")
        push(stand, *messages(3, first=100))
        flow.wait_sent(stand, 6)


# --- Redis away ---


def test_while_Redis_is_stopped_for_longer_than_the_lease_nobody_alive_is_reaped_and_outcomes_wait():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "1s")
        workers = [named(stand, name, "--threads", "1", "--in-flight", "20") for name in ("a", "b")]
        for worker in workers:
            worker.wait_ready()
        push(stand, *messages(40, on_unknown="hold"))
        wait_received(stand, 40)
        stand.redis.stop()
        time.sleep(LEASE * 1.5)
        stand.redis.start()
        flow.wait_sent(stand, 40)
        equal(flow.count(stand, "redelivered"), 0, "redelivered")
        equal(flow.expect_sum(stand, 40)["dead"], 0, "dead")
        push(stand, *messages(10, first=41, on_unknown="hold"))
        flow.wait_sent(stand, 50)
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        expect_balance(stand, 50)


def test_the_same_when_Redis_is_frozen_instead():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "1s")
        workers = [named(stand, name, "--threads", "1", "--in-flight", "20") for name in ("a", "b")]
        for worker in workers:
            worker.wait_ready()
        push(stand, *messages(40, on_unknown="hold"))
        wait_received(stand, 40)
        stand.redis.pause()
        time.sleep(LEASE * 1.5)
        stand.redis.resume()
        flow.wait_sent(stand, 40)
        equal((flow.count(stand, "redelivered"), flow.count(stand, "dead")), (0, 0), "redelivered, dead")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        expect_balance(stand, 40)


OWN_NETWORK = "--in-a-network-of-its-own"
ADDRESS = "10.9.0.1"


def test_a_Redis_that_vanishes_without_a_word_is_given_up_after_some_seconds_and_found_soon_after_it_is_back():
    # Its machine sends no reset: left to the kernel, the connection would be tried again for a quarter of an hour.
    alone = ["unshare", "--map-root-user", "--net"]
    has_tools = shutil.which("ip") and shutil.which("unshare")
    if not has_tools or subprocess.run([*alone, "true"], check=False).returncode:
        tap.skip("a network of one's own needs `ip`, `unshare` and the right to use them")
    done = subprocess.run([*alone, sys.executable, __file__, OWN_NETWORK], capture_output=True, text=True, check=False,
                          timeout=120 * SLOWNESS, env=os.environ)
    remark(done.stdout.strip())
    equal(done.returncode, 0, f"status of the test in its own network\n{done.stdout}\n{done.stderr}\nstatus")


def vanish_and_come_back():
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    ip("link", "set", "lo", "up")
    ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
    with Stand(options=("--bind", "127.0.0.1", ADDRESS, "--protected-mode", "no")) as stand:
        stand.sandbox()
        worker = named(stand, "a", env={"HERALD_REDIS_URL": f"redis://{ADDRESS}:{stand.redis.port}/0"})
        push(stand, *messages(3))
        flow.wait_sent(stand, 3)
        ip("addr", "del", f"{ADDRESS}/32", "dev", "lo")
        push(stand, *messages(5, first=4))
        worker.wait_for("Redis is away", 20)
        time.sleep(5)
        ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
        begun = time.monotonic()
        flow.wait_sent(stand, 8, seconds=60)
        seconds = time.monotonic() - begun
        print(f"Redis was out of sight: {seconds:.1f} s after it was back the first messages were sent")
        assert seconds < 6 * SLOWNESS, f"it took {seconds:.1f} s"
        expect_balance(stand, 8)


# --- going ---


def test_SIGTERM_under_load_hands_everything_back_at_once():
    total = 3000
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "exp:100ms")
        push(stand, *messages(total, on_unknown="hold"))
        leaving = named(stand, "leaving", "--threads", "2", "--in-flight", "64")
        flow.wait_sent(stand, 200)
        begun = time.monotonic()
        equal(leaving.terminate(), 0, "exit status")
        seconds = time.monotonic() - begun
        remark(f"SIGTERM with {total - 200} waiting: gone after {seconds:.2f} s")
        assert seconds < LEASE, f"it took {seconds:.2f} s"
        found = flow.expect_sum(stand, total)
        equal((found["in_flight"], found["dead"]), (0, 0), "in flight, dead")
        equal(stand.redis.call("ZCARD", KEY + "workers"), 0, "workers")
        named(stand, "next", "--threads", "2", "--in-flight", "128")
        flow.wait_sent(stand, total, seconds=60)
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        expect_balance(stand, total)


# --- shares, and whose queues these are ---


def test_each_priority_is_served_at_its_share_and_low_does_not_starve():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "5ms")
        for at, priority in enumerate(("high", "normal", "low")):
            push(stand, *messages(400, first=1 + at * 400), priority=priority)
        named(stand, "a", "--threads", "1", "--in-flight", "10")
        flow.wait_sent(stand, 1200, seconds=60)
        order = [int(entry["request_id"][1:]) for entry in sandbox.ledger()[:400]]
        high = sum(index <= 400 for index in order)
        low = sum(index > 800 for index in order)
        remark(f"of the first 400: {high} high, {400 - high - low} normal, {low} low")
        assert 220 <= high <= 260 and 30 <= low <= 50, f"{high} high, {low} low of the first 400"
        firsts = [index for index in order if index <= 400][:20]
        assert max(firsts) <= 40, f"within a priority the oldest goes first: {firsts}"


def test_queues_that_belong_to_another_environment_are_left_alone_unless_adopted():
    with Stand() as stand:
        stand.sandbox()
        first = named(stand, "a", "--environment", "production").wait_ready()
        equal(first.terminate(), 0, "exit status")
        push(stand, *messages(3))
        stranger = named(stand, "b", "--environment", "staging")
        equal(stranger.wait(), 2, "exit status")
        for word in ("production", "staging", "--adopt"):
            assert word in stranger.log(), stranger.log()
        equal(stand.genesys.summary()["requests"], 0, "requests")
        named(stand, "b", "--environment", "staging", "--adopt")
        flow.wait_sent(stand, 3)
        equal(named(stand, "a", "--environment", "production").wait(), 2, "exit status of the former owner")


def test_a_copy_of_Redis_at_another_address_does_not_send():
    with Stand() as stand:
        stand.sandbox()
        equal(named(stand, "a").wait_ready().terminate(), 0, "exit status")
        push(stand, *messages(3))
        stand.redis.stop()
        stand.redis.port = free_port()
        stand.redis.start()
        copy = named(stand, "a")
        equal(copy.wait(), 2, "exit status")
        assert "restored copy" in copy.log(), copy.log()
        equal(stand.genesys.summary()["requests"], 0, "requests")
        equal(flow.places(stand)["ready"], 3, "messages that wait")


if __name__ == "__main__":
    if sys.argv[1:] == [OWN_NETWORK]:
        vanish_and_come_back()
    else:
        tap.run(globals())
