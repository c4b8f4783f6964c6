#!/usr/bin/python3
"""Receipts by both webhooks of herald-gateway: signed, once each, in every order, before and after the send's answer, and
whatever happens to Redis meanwhile; and from the stand-in, which delivers them late, twice, shuffled and again."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, wait_dead, wait_sent
from http_client import Client, in_parallel
from stand import SLOWNESS, Stand, wait_until
from tap import equal

SECRET, NEXT_SECRET = "first-secret-of-the-webhook", "second-secret-of-the-webhook"
MESSAGING, OPEN = "/webhooks/genesys-messaging", "/webhooks/open-messaging"
TIMES = {"queued": 1, "sent": 2, "delivered": 3, "read": 4, "failed": 5}  # seconds after SOME_TIME


def at(state):
    return f"2026-01-15T10:30:0{TIMES[state]}.000Z"


def event(provider_id, state, number=0, **data):
    return {
        "id": f"evt-{provider_id}-{state}-{number}",
        "type": "messaging:messages:updated",
        "data": {"messageId": provider_id, "status": state, "timestamp": at(state), **data},
    }


def signature(body, secret=SECRET, as_hex=False):
    mac = hmac.digest(secret.encode(), body, hashlib.sha256)
    return "sha256=" + (mac.hex() if as_hex else base64.b64encode(mac).decode())


def deliver(client, body, path=MESSAGING, secret=SECRET, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, body, headers={"X-Hub-Signature-256": signature(body, secret), **headers})


def result(answer):
    assert answer.status == 200, answer
    return answer.json["result"]


@contextlib.contextmanager
def served(*flags, secrets=SECRET):
    with Stand() as stand:
        gateway = stand.gateway(*flags, env={"GENESYS_WEBHOOK_SECRET": secrets} if secrets else {})
        with Client(gateway.port, stand.token) as client:
            yield stand, gateway, client


def send(stand, client, *items):
    """Enqueues, has a worker send, and returns Genesys' ids of the messages."""
    for item in items:
        equal(client.post("/v1/messages", item).status, 202, "accepted")
    wait_sent(stand, len(items))
    return [client.get(f"/v1/messages/{item['id']}").json["provider_id"] for item in items]


def counted(client, name):
    return client.get("/v1/status").json["gateway"][f"receipts_{name}"]


# --- what they do ---


def test_a_receipt_moves_its_message_forward_once_and_the_campaign_counts_it():
    with served() as (stand, _, client):
        stand.sandbox()
        stand.worker()
        [provider] = send(stand, client, message(1, campaign="spring"))
        equal(result(deliver(client, event(provider, "delivered"))), "recorded", "the first time")
        equal(result(deliver(client, event(provider, "delivered"))), "repeated", "the same event")
        equal(result(deliver(client, event(provider, "delivered", 2))), "recorded", "another event of that state")
        equal(result(deliver(client, event(provider, "sent"))), "recorded", "one that is late")
        found = client.get("/v1/messages/m1").json
        equal((found["state"], found["delivery"]), ("sent", "delivered"), "state")
        equal(found["receipts"], {"sent": at("sent"), "delivered": at("delivered")}, "times")
        counters = client.get("/v1/campaigns/spring").json["counters"]
        equal((counters["receipt:delivered"], counters["receipt:sent"]), (1, 1), "campaign")
        equal((counted(client, "applied"), counted(client, "repeated")), (3, 1), "counters")
        kept = [entry for entry in flow.audit(stand, "m1") if entry["what"] == "receipt"]
        equal([entry["delivery"] for entry in kept], ["delivered", "delivered", "sent"], "audit")


def test_a_thousand_duplicates_from_many_connections_are_applied_once():
    with served() as (stand, gateway, client):
        stand.sandbox()
        stand.worker()
        [provider] = send(stand, client, message(1))
        results = []

        def knock(_):
            with Client(gateway.port) as one:
                results.extend(result(deliver(one, event(provider, "read"))) for _ in range(25))

        in_parallel(knock, range(40))
        equal((results.count("recorded"), results.count("repeated")), (1, 999), "answers")
        equal(flow.count(stand, "receipt:read"), 1, "counted")
        equal(len([entry for entry in flow.audit(stand, "m1") if entry["what"] == "receipt"]), 1, "audit")


def test_receipts_in_every_order_before_and_after_the_answer_come_to_the_same_end():
    orders = list(itertools.permutations(("sent", "delivered", "read")))
    with served() as (stand, _, client):
        sandbox = stand.sandbox()
        worker = stand.worker()
        after = send(stand, client, *(message(index) for index in range(len(orders))))
        for provider, order in zip(after, orders):
            for state in order:
                deliver(client, event(provider, state))
        before = [message(100 + index) for index in range(len(orders))]
        sandbox.script([{"do": "ok", "delay_ms": 1000}] * len(before))
        for item in before:
            client.post("/v1/messages", item)
        wait_until(lambda: len(sandbox.ledger()) == 2 * len(orders), "the stand-in to have all")
        ids = {entry["request_id"]: entry["provider_id"] for entry in sandbox.ledger()}
        for item, order in zip(before, orders):
            for state in order:
                deliver(client, event(ids[item["id"]], state))
        equal(counted(client, "early"), 3 * len(orders), "came before the answer")
        wait_sent(stand, 2 * len(orders), seconds=30)
        expected = {state: at(state) for state in ("sent", "delivered", "read")}
        for item in [message(index) for index in range(len(orders))] + before:
            found = client.get(f"/v1/messages/{item['id']}").json
            equal((found["delivery"], found["receipts"]), ("read", expected), item["id"])
        for state in expected:
            equal(flow.count(stand, f"receipt:{state}"), 2 * len(orders), state)
        equal(worker.terminate(), 0, "worker")


def test_who_opts_out_gets_nothing_more():
    with served() as (stand, _, client):
        stand.sandbox()
        worker = stand.worker()
        [provider] = send(stand, client, message(1))
        worker.terminate()
        equal(client.post("/v1/messages", message(2, payload={"toAddress": flow.number(1)})).status, 202, "not yet")
        equal(result(deliver(client, event(provider, "failed", reason="RecipientOptedOut"))), "recorded", "receipt")
        equal(client.get("/v1/messages/m1").json["failure_code"], "RecipientOptedOut", "code")
        answer = client.post("/v1/messages", message(3, payload={"toAddress": flow.number(1)}))
        equal((answer.status, answer.code), (422, "suppressed"), "enqueued afterwards")
        stand.worker(*QUICK)
        equal(wait_dead(stand)["m2"]["reason"], "suppressed", "what was on the list already")


def test_open_messaging_says_what_was_handed_over_and_what_arrived():
    with served() as (stand, _, client):
        stand.sandbox()
        stand.worker()
        item = message(1, payload={"toAddress": "user:1", "toAddressMessengerType": "open"})
        [provider] = send(stand, client, item)
        channel = {"id": "i", "platform": "Open", "to": {"id": "user:1"}, "time": at("sent")}
        equal(result(deliver(client, {"id": provider, "channel": channel, "type": "Text", "direction": "Outbound", "text": "x"},
                             OPEN)), "recorded", "text")
        receipt = {"id": provider, "channel": {**channel, "time": at("delivered")}, "type": "Receipt", "status": "Delivered"}
        equal([result(deliver(client, receipt, OPEN)) for _ in range(2)], ["recorded", "repeated"], "receipt")
        typing = {"id": "e", "channel": channel, "type": "Event", "direction": "Outbound", "events": [{"eventType": "Typing"}]}
        equal(result(deliver(client, typing, OPEN)), "ignored", "typing")
        found = client.get("/v1/messages/m1").json
        equal(found["receipts"], {"sent": at("sent"), "delivered": at("delivered")}, "times")


# --- who may ---


def test_signatures_are_checked_over_the_raw_bytes_with_each_secret():
    body = b'{"id":"e1", "data":{"messageId":"p1","status":"sent"}}'  # the blank is signed as well
    with served(secrets=f"{SECRET}\n{NEXT_SECRET}") as (_, _, client):
        for name, header in {
            "missing": None,
            "empty": "",
            "of another secret": signature(body, "another-secret-of-somebody"),
            "of another body": signature(body.replace(b", ", b",")),
            "cut": signature(body)[:-2],
            "without its name": signature(body)[7:],
            "another hash": signature(body).replace("sha256", "sha1"),
        }.items():
            answer = client.post(MESSAGING, body, headers={"X-Hub-Signature-256": header})
            equal((answer.status, answer.code), (401, "signature_wrong"), name)
        equal(counted(client, "unsigned"), 7, "counter")
        equal(result(client.post(MESSAGING, body, headers={"X-Hub-Signature-256": signature(body)})), "early", "base64")
        for secret in (SECRET, NEXT_SECRET):
            header = signature(body, secret, as_hex=True)
            equal(result(client.post(MESSAGING, body, headers={"X-Hub-Signature-256": header})), "repeated", "hex")


def test_without_a_secret_nothing_is_taken_unless_signatures_are_switched_off_by_name():
    body = json.dumps(event("p1", "sent")).encode()
    with served(secrets=None) as (stand, _, client):
        equal(deliver(client, body).status, 401, "no secret")
        with Client(stand.gateway("--webhook-signatures", "off").port) as anybody:
            equal(result(anybody.post(MESSAGING, body)), "early", "switched off")


def test_what_is_no_receipt_is_refused_at_its_field_or_forgotten():
    with served() as (_, _, client):
        for body, code, pointer in (
            (b"{", "json_invalid", None),
            (b"\xff{}", "json_invalid", None),
            (b"[]", "json_invalid", None),
            (b"{}", "field_missing", "/data"),
            (json.dumps(event("p 1", "sent")).encode(), "field_invalid", "/data/messageId"),
            (json.dumps({"id": 5, "data": {"messageId": "p", "status": "sent"}}).encode(), "field_invalid", "/id"),
        ):
            answer = deliver(client, body)
            equal((answer.status, answer.code), (400, code), body)
            if pointer:
                assert answer.json["pointer"].startswith(pointer), answer
        for body in (event("p1", "sent") | {"type": "another"}, {"data": {"messageId": "p1", "status": "removed"}}):
            equal(result(deliver(client, body)), "ignored", body)
        answer = deliver(client, b"{" + b" " * 300000)
        equal((answer.status, answer.code), (413, "body_too_large"), "too large")


# --- Redis away ---


def test_nothing_is_said_yes_to_while_redis_is_away_and_what_is_delivered_again_counts_once():
    with served() as (stand, gateway, client):
        stand.sandbox()
        stand.worker()
        [provider] = send(stand, client, message(1))
        stand.redis.kill()
        wait_until(lambda: deliver(client, event(provider, "read")).status == 503, "the gateway to notice")
        answer = deliver(client, event(provider, "read"))
        equal((answer.status, answer.code), (503, "redis_away"), "while it is away")
        assert answer.headers["Retry-After"]
        stand.redis.start()
        wait_until(lambda: deliver(client, event(provider, "read")).status == 200, "Redis to be back")
        equal(result(deliver(client, event(provider, "read"))), "repeated", "delivered again")
        equal(flow.count(stand, "receipt:read"), 1, "counted")
        equal(gateway.terminate(), 0, "gateway")


def test_the_stand_in_delivers_late_twice_shuffled_and_again_and_every_message_is_read_once():
    count = 60
    with served() as (stand, gateway, client):
        sandbox = stand.sandbox(
            *("--webhook-secret", SECRET, "--sent-after", "20ms", "--delivered-after", "60ms", "--read-after", "100ms"),
            *("--read", "1", "--receipt-delay", "20ms", "--receipt-duplicates", "0.5", "--receipt-shuffled", "0.5"),
            *("--receipt-retry-after", "100ms"),
        )
        stand.herald("webhook", "register", "--webhook-url", f"http://127.0.0.1:{gateway.port}{MESSAGING}", check=True)
        stand.worker()
        for index in range(count):
            client.post("/v1/messages", message(index, campaign="spring"))
        wait_until(lambda: flow.count(stand, "sent") > count // 2, "half of them")
        stand.redis.restart()  # some deliveries are answered 503, and come again
        wait_sent(stand, count, seconds=30)

        def reads():
            return flow.count(stand, "receipt:read")

        wait_until(lambda: reads() == count, lambda: f"{reads()} read", seconds=30)
        wait_until(lambda: sandbox.summary()["receipts"]["waiting"] == 0, "all deliveries")
        counters = client.get("/v1/campaigns/spring").json["counters"]
        for state in ("queued", "sent", "delivered", "read"):
            equal(counters[f"receipt:{state}"], count, state)
        equal(sandbox.summary()["receipts"]["given_up"], 0, "given up")
        for index in range(count):
            found = client.get(f"/v1/messages/m{index}").json
            equal((found["delivery"], len(found["receipts"])), ("read", 4), found["id"])


if __name__ == "__main__":
    tap.run(globals())
