#!/usr/bin/python3
"""The log: a line for each attempt, warnings that do not flood it, and a form for people on a terminal."""

import json
import os
import pathlib
import pty
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, messages, push
from stand import SLOWNESS, Stand, program, wait_until
from tap import equal


def lines(process, event):
    """The lines about this event, as far as the log is written."""
    whole = process.log().rpartition("\n")[0]
    return [line for line in map(json.loads, whole.splitlines()) if line["event"] == event]


def test_each_attempt_has_a_line_that_says_what_became_of_it():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {"to": flow.number(2)}, "do": "503"}, {"match": {"to": flow.number(3)}, "do": "400"}])
        push(stand, message(1, campaign="spring"), message(2), message(3))
        worker = stand.worker(*QUICK)
        flow.wait_settled(stand, 3)
        wait_until(lambda: len(lines(worker, "attempt")) == 4, lambda: f"four attempts: {lines(worker, 'attempt')}")
        found = {}
        for line in lines(worker, "attempt"):
            found.setdefault(line["id"], []).append(line)
            equal((line["level"], line["program"], line["route"]), ("info", "herald-worker", "agentless"), "the line")
            assert line["correlation_id"] and line["latency_ms"] >= 0, line
            assert "shipped" not in json.dumps(line) and "+1317555000" not in json.dumps(line), f"private: {line}"
        equal([(line["outcome"], line["status"]) for line in found["m1"]], [("sent", 200)], "m1")
        equal(found["m1"][0]["campaign"], "spring", "campaign")
        equal([(line["outcome"], line["status"]) for line in found["m2"]], [("deferred", 503), ("sent", 200)], "m2")
        equal([(line["outcome"], line["status"]) for line in found["m3"]], [("dead", 400)], "m3")
        assert "campaign" not in found["m2"][0]


def test_nothing_of_the_log_is_lost_at_the_end():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "5ms")
        push(stand, *messages(300))
        worker = stand.worker("--threads", "4")
        wait_until(lambda: flow.count(stand, "sent") > 100, "some to be sent")
        equal(worker.terminate(), 0, "status")
        equal(len([line for line in lines(worker, "attempt") if line["outcome"] == "sent"]), sandbox.summary()["accepted"], "lines")
        equal(lines(worker, "stopped")[-1]["level"], "info", "the last line")


def test_a_warning_of_many_threads_is_written_once_and_counted():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker("--threads", "16").wait_ready()
        wait_until(lambda: lines(worker, "token fetched"), "the token")
        stand.redis.stop()
        wait_until(lambda: any("repeated" in line for line in lines(worker, "Redis is away")), "a line that counts", seconds=30)
        found = lines(worker, "Redis is away")
        assert "repeated" not in found[0] and found[0]["reason"], found
        stand.redis.start()
        equal(worker.terminate(), 0, "status")
        found = lines(worker, "Redis is away")
        told = len([line for line in found if "reason" in line]) + sum(line.get("repeated", 0) for line in found)
        assert told >= 17, f"{told} of 17 connections: {found}"
        assert len(found) < 10, f"{len(found)} lines"


def test_a_terminal_gets_logfmt():
    with Stand() as stand:
        stand.sandbox()
        mine, its = pty.openpty()
        worker = subprocess.Popen([program("herald-worker")], env=stand.environment({"HERALD_ADMIN": "off"}),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its)
        os.close(its)
        try:
            text = b""
            while b"token fetched" not in text:
                text += os.read(mine, 4096)
        finally:
            worker.terminate()
            equal(worker.wait(30 * SLOWNESS), 0, "status")
            os.close(mine)
        first = text.decode().splitlines()[0]
        assert re.match(r'time=\S+Z level=\w+ program=herald-worker event=("[^"]+"|\w+)( \w+=(\S+|"[^"]*"))*$', first), first


if __name__ == "__main__":
    tap.run(globals())
