#!/usr/bin/python3
"""A trace goes with its message: from the request that brings it to Genesys and into the log."""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, push
from http_client import Client
from stand import Stand, wait_until
from tap import equal

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb"
SPAN = "00f067aa0ba902b7"
FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def parent(trace=TRACE, span=SPAN, flags="01"):
    return f"00-{trace}-{span}-{flags}"


def sent(stand):
    """What Genesys got of each message: (trace, span, flags), None without a trace."""
    found = {}
    for entry in stand.genesys.ledger():
        text = entry.get("traceparent")
        match = FORM.fullmatch(text) if text else None
        assert bool(text) == bool(match), f"not a traceparent: {text!r}"
        found.setdefault(entry["request_id"], []).append(match and match.groups())
    return found


def attempts(worker):
    """The log's lines about attempts."""
    lines = [json.loads(line) for line in worker.log().splitlines()]
    return [line for line in lines if line["event"] == "attempt"]


def test_a_pushed_message_keeps_its_trace_and_each_attempt_is_a_step_of_its_own():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "504-after", "times": 2}])
        push(stand, message(1, traceparent=parent(flags="00")))
        worker = stand.worker(*QUICK)
        flow.wait_sent(stand, 1)
        steps = sent(stand)["m1"]
        equal(len(steps), 3, "requests")
        equal({(trace, flags) for trace, _, flags in steps}, {(TRACE, "00")}, "trace and flags")
        equal(len({SPAN, *(span for _, span, _ in steps)}), 4, "spans that differ from each other and from the parent's")
        wait_until(lambda: len(attempts(worker)) == 3, lambda: f"three attempts in the log: {attempts(worker)}")
        equal({line["trace_id"] for line in attempts(worker)}, {TRACE}, "trace in the log")


def test_what_is_not_valid_goes_without_and_costs_nothing():
    wrong = ["", "00-" + TRACE, parent(trace="0" * 32), parent().upper(), parent() + "-x", 17, None, {"a": 1}, "x" * 5000]
    with Stand() as stand:
        stand.sandbox()
        push(stand, *(message(index, traceparent=value) for index, value in enumerate(wrong, 1)), message(99))
        worker = stand.worker()
        flow.wait_sent(stand, len(wrong) + 1)
        equal({step for steps in sent(stand).values() for step in steps}, {None}, "traces")
        assert "trace_id" not in worker.log(), worker.log()


def test_herald_enqueue_carries_the_trace_of_a_line():
    with Stand() as stand:
        stand.sandbox()
        stand.worker()
        lines = "\n".join(json.dumps(item) for item in (message(1, traceparent=parent()), message(2)))
        stand.herald("enqueue", "-", stdin=lines, check=True)
        flow.wait_sent(stand, 2)
        found = sent(stand)
        equal((found["m1"][0][0], found["m2"][0]), (TRACE, None), "traces")


def test_the_trace_of_a_request_to_the_gateway_is_that_of_its_messages_unless_they_have_their_own():
    bare = flow.payload(5, metadata={"consentVerified": True})
    composed = {
        "id": "m6",
        "template": {"channel": "sms", "route": "agentless", "from": "+13175550100", "texts": {"en": "Hello {{name}}"}},
        "to": flow.number(6),
        "variables": {"name": "Ann"},
        "consentVerified": True,
    }
    with Stand() as stand:
        stand.sandbox()
        gateway = stand.gateway()
        stand.worker()
        with Client(gateway.port, stand.token) as client:
            headers = {"traceparent": parent()}
            batch = [message(1), message(2, traceparent=parent(OTHER)), message(3, traceparent="nonsense")]
            equal(client.post("/v1/messages", batch, headers=headers).status, 202, "status of the array")
            equal(client.post("/v1/messages", message(4), headers=headers).status, 202, "status of one")
            answer = client.post("/v1/messages", bare, headers=headers)
            equal(answer.status, 202, "status of the bare payload")
            made = client.post("/v1/messages", composed, headers=headers)
            equal(made.status, 202, f"status of the template {made}")
            lines = b"".join(json.dumps(message(index)).encode() + b"\n" for index in (7, 8))
            equal(client.post("/v1/messages", lines, headers={**headers, "Content-Type": "application/x-ndjson"}).status, 202, "lines")
            equal(client.post("/v1/messages", message(9), headers={"traceparent": "nonsense"}).status, 202, "invalid header")
        flow.wait_sent(stand, 9)
        found = {identity: steps[0] and steps[0][0] for identity, steps in sent(stand).items()}
        expected = {f"m{index}": TRACE for index in (1, 3, 4, 6, 7, 8)}
        equal(found, {**expected, answer.json["id"]: TRACE, "m2": OTHER, "m9": None}, "traces")


if __name__ == "__main__":
    tap.run(globals())
