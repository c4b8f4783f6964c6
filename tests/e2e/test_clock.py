#!/usr/bin/python3
"""Clocks that jump while messages flow: Redis' own, and that of a worker's machine. Only the wall clock is changed
(clockshim.c); what counts time since the machine started goes on, as it does when somebody sets a clock."""

import contextlib
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, messages, push
from stand import SLOWNESS, Stand, seen_window, wait_until
from tap import equal

HOUR, YEAR = 3600 * 1000, 365 * 86400 * 1000
LEASE = 3 * SLOWNESS
LIMIT = 40  # requests a second
SLACK = LEASE + 3 * SLOWNESS  # seconds in which sending goes on after a jump
FLAGS = ("--lease", f"{LEASE}s", "--timeout", f"{LEASE - 1}s", "--threads", "2", "--breaker-failures", "32",
         "--max-attempts", "100", *QUICK)


class Clock:
    """A wall clock that tests can set."""

    def __init__(self, folder, name):
        self._file = pathlib.Path(folder) / name
        self._next = pathlib.Path(folder) / f"{name}.next"
        # The sanitizers want to be loaded first, and nothing of theirs is in this library.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.env = {"LD_PRELOAD": f"{folder}/clockshim.so", "CLOCK_SHIM": str(self._file), "ASAN_OPTIONS": options}
        self.set(0)

    def set(self, offset_ms):
        """In one step: a program that looks meanwhile sees the old offset or the new one."""
        self._next.write_text(str(offset_ms))
        self._next.replace(self._file)


@contextlib.contextmanager
def clocks(*names):
    with tempfile.TemporaryDirectory(prefix="clock-") as folder:
        source = pathlib.Path(__file__).resolve().parent / "clockshim.c"
        compiler = shlex.split(os.environ.get("CC", "gcc"))
        subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", f"{folder}/clockshim.so", source], check=True)
        yield [Clock(folder, name) for name in names]


def received(running):
    return {entry["request_id"] for entry in running.sandbox.ledger()}


class Flow:
    """Messages that never run out, all of them `hold`, at two workers with a rate window; some are refused on the way."""

    def __init__(self, stand, env=None):
        self.stand = stand
        self.pushed = 0
        self.sandbox = stand.sandbox(*seen_window(1000), "--latency", "exp:50ms", "--fault-503", "0.03")
        settings = {"HERALD_RATE": None, **(env or {})}
        for name in ("a", "b"):
            flags = ("--worker-id", name, "--rate", f"{LIMIT}/1s", *FLAGS)
            stand.worker(*flags, env=settings).wait_ready()

    def feed(self, count):
        push(self.stand, *messages(count, first=self.pushed + 1, on_unknown="hold"))
        self.pushed += count

    def goes_on(self, what):
        """Enough for a few seconds arrives, and the first of it soon."""
        before, begun = self.sandbox.summary()["accepted"], time.monotonic()
        self.feed(2 * LIMIT)
        wait_until(lambda: self.sandbox.summary()["accepted"] > before, f"sending to go on: {what}", SLACK / SLOWNESS)
        waited = time.monotonic() - begun
        wait_until(lambda: self.sandbox.summary()["accepted"] >= before + 1.5 * LIMIT, f"more sent: {what}", SLACK)
        sys.__stdout__.write(f"# {what}: sending goes on after {waited:.2f} s\n")

    def expect_all_sent_once(self):
        places = flow.wait_settled(self.stand, self.pushed, seconds=60)
        summary = self.sandbox.summary()
        equal((places["sent"], places["dead"]), (self.pushed, 0), "sent, dead")
        equal((summary["duplicates"], flow.count(self.stand, "redelivered")), (0, 0), "duplicates, redelivered")
        assert summary["max_in_window"] <= LIMIT, summary
        status = self.stand.status()
        assert status["balanced"], status


def jumps(clock, running, *offsets):
    running.goes_on("before")
    for offset in offsets:
        clock.set(offset)
        running.goes_on(f"clock at {offset / 3600000:+g} h")
    running.expect_all_sent_once()


# --- the clock of Redis ---


@tap.measures
def test_the_clock_of_Redis_jumps_forwards_and_back():
    with clocks("redis") as [clock], Stand(env=clock.env) as stand:
        jumps(clock, Flow(stand), HOUR, 0, YEAR, 0)


@tap.measures
def test_the_clock_of_Redis_is_set_back_and_put_right():
    with clocks("redis") as [clock], Stand(env=clock.env) as stand:
        jumps(clock, Flow(stand), -HOUR, 0, -YEAR, 0)


def test_a_pause_and_retries_from_a_clock_that_was_ahead_do_not_last_until_it_is_that_late():
    with clocks("redis") as [clock], Stand(env=clock.env) as stand:
        running = Flow(stand)
        running.goes_on("before")
        clock.set(HOUR)
        running.goes_on("ahead")
        running.sandbox.script([{"times": 1, "do": "429", "retry_after": 2}])
        running.feed(1)
        wait_until(lambda: flow.hold(stand), "a pause")
        running.sandbox.config(faults={"503": 1})
        running.feed(20)
        wait_until(lambda: flow.places(stand)["delayed"] > 0, "messages that were put off")
        clock.set(0)
        running.sandbox.config(faults={"503": 0})
        running.goes_on("right again")
        running.expect_all_sent_once()


# --- the clock of a worker's machine ---


@tap.measures
def test_the_clock_of_a_workers_machine_jumps():
    with clocks("machine") as [clock], Stand() as stand:
        jumps(clock, Flow(stand, clock.env), HOUR, 0, YEAR, -HOUR, -YEAR, 0)


def test_no_message_expires_by_a_clock_of_Redis_that_is_a_year_ahead_and_none_is_sent_before_its_time():
    with clocks("redis") as [clock], Stand(env=clock.env) as stand:
        running = Flow(stand)
        running.sandbox.config(faults={"503": 0})  # nothing else is put off
        running.goes_on("before")  # from then on both workers know the time
        now = int(time.time() * 1000)
        clock.set(YEAR)
        push(stand, *messages(3, first=9001, expires_at=now + HOUR), *messages(3, first=9101, send_at=now + HOUR))
        running.goes_on("a year ahead")
        equal((flow.count(stand, "dead"), flow.places(stand)["delayed"]), (0, 6), "dead, put off")
        clock.set(0)
        due, later = {"m9001", "m9002", "m9003"}, {"m9101", "m9102", "m9103"}
        wait_until(lambda: due <= received(running), "those that were in doubt to be sent", 45 / SLOWNESS)
        flow.wait_sent(stand, running.pushed + len(due), seconds=60)
        wait_until(lambda: flow.places(stand)["delayed"] == len(later), "the others to be put off until their time")
        equal(later & received(running), set(), "sent early")


if __name__ == "__main__":
    tap.run(globals())
