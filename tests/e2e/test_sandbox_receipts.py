#!/usr/bin/python3
"""The Genesys stand-in's receipts: who is told what, how it is signed, tried again, doubled and shuffled; and statuses."""

import collections
import contextlib
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from receiver import Receiver
from stand import free_port, wait_until
from tap import equal
from test_sandbox import BOT, JSON, MESSAGING, UUID, bot, expect_error, messaging, sandbox

WEBHOOKS = "/api/v2/webhooks"
INTEGRATIONS = "/api/v2/conversations/messaging/integrations/open"
MESSAGES = "/api/v2/conversations/messages"
SECRET = "a secret of the tests"
QUICK = ("--sent-after", "10ms", "--delivered-after", "10ms", "--read-after", "10ms", "--receipt-retry-after", "20ms")
SLOW = ("--sent-after", "200ms", "--delivered-after", "200ms", "--read-after", "200ms")  # nothing overtakes
ALL = ["queued", "sent", "delivered", "read"]


def webhook(url, **changes):
    return {
        "name": "messaging-status-tracker",
        "description": "Tracks delivery",
        "apiVersion": "v2",
        "domain": "messaging",
        "event": "messaging:messages:updated",
        "httpTarget": {"url": url, "method": "POST"},
        "enabled": True,
        **changes,
    }


def integration(url, **changes):
    return {
        "name": "Our app",
        "outboundNotificationWebhookUrl": url,
        "outboundNotificationWebhookSignatureSecretToken": "sixteen or more!",
        **changes,
    }


def call(client, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    return client.call(method, path, data, {**(JSON if data else {}), **client.headers})


def register(client, url, **changes):
    answer = client.post(WEBHOOKS, webhook(url, **changes))
    equal(answer.status, 201, f"status of the registration: {answer.bytes}")
    return answer.json["id"]


def events(box):
    return [json.loads(line) for line in box.request("/sandbox/events").splitlines()]


def receipts(box):
    return box.summary()["receipts"]


def wait_calm(box):
    """Until nothing is to be delivered any more; the counters then."""
    wait_until(lambda: receipts(box)["waiting"] == 0, lambda: f"all to be delivered: {receipts(box)}")
    return receipts(box)


@contextlib.contextmanager
def told(*flags, answers=(), **changes):
    """A sandbox with a webhook of ours."""
    with Receiver(*answers) as receiver, sandbox(*QUICK, *flags) as (box, client):
        register(client, receiver.url, **changes)
        yield box, client, receiver


def by_time(deliveries):
    """Deliveries of one moment can overtake each other on the way, so the order of their own times is looked at."""
    return sorted(deliveries, key=lambda delivery: delivery.json["data"]["timestamp"])


def statuses(deliveries):
    """The statuses of each message in the order of the deliveries."""
    of = collections.defaultdict(list)
    for delivery in deliveries:
        of[delivery.json["data"]["messageId"]].append(delivery.json["data"]["status"])
    return dict(of)


# --- registration


def test_a_webhook_is_registered_listed_in_pages_and_deleted():
    with sandbox() as (_, client):
        made = client.post(WEBHOOKS, webhook("https://herald.example.com/hook"))
        equal(made.status, 201, "status")
        assert UUID.fullmatch(made.json["id"]), made.json
        equal(made.json["httpTarget"], {"url": "https://herald.example.com/hook", "method": "POST"}, "target")
        ids = [made.json["id"]] + [register(client, f"http://h/{n}") for n in range(29)]
        pages = [call(client, "GET", f"{WEBHOOKS}?pageNumber={n}").json for n in (1, 2, 3)]
        equal([len(page["entities"]) for page in pages], [25, 5, 0], "entities in each page")
        equal([(page["total"], page["pageCount"]) for page in pages], [(30, 2)] * 3, "totals")
        equal([hook["id"] for page in pages for hook in page["entities"]], ids, "ids in order")
        equal(call(client, "GET", f"{WEBHOOKS}/{ids[3]}").json["httpTarget"]["url"], "http://h/2", "one of them")
        gone = call(client, "DELETE", f"{WEBHOOKS}/{ids[0]}")
        equal((gone.status, gone.bytes), (204, b""), "answer to a deletion")
        expect_error(call(client, "DELETE", f"{WEBHOOKS}/{ids[0]}"), 404, "not.found")
        equal(call(client, "GET", WEBHOOKS).json["total"], 29, "left")


def test_a_webhook_with_a_bad_field_gets_400_naming_it():
    with sandbox() as (_, client):
        for field, changes in (
            ("name", dict(name=None)),
            ("name", dict(name="")),
            ("name", dict(name="x" * 257)),
            ("apiVersion", dict(apiVersion="v1")),
            ("domain", dict(domain="voice")),
            ("event", dict(event="conversation:participated:read")),
            ("event", dict(event=None)),
            ("httpTarget", dict(httpTarget=None)),
            ("httpTarget", dict(httpTarget="http://h")),
            ("url", dict(httpTarget={"method": "POST"})),
            ("url", dict(httpTarget={"url": "ftp://h", "method": "POST"})),
            ("url", dict(httpTarget={"url": "http://h h", "method": "POST"})),
            ("url", dict(httpTarget={"url": "http://" + "h" * 2048, "method": "POST"})),
            ("method", dict(httpTarget={"url": "http://h", "method": "GET"})),
            ("enabled", dict(enabled="yes")),
        ):
            answer = client.post(WEBHOOKS, webhook("http://h", **changes))
            equal(answer.status, 400, f"status of {changes}")
            expect_error(answer, 400, answer.json["code"], field)
        expect_error(client.post(WEBHOOKS, []), 400, "bad.request")
        equal(call(client, "GET", WEBHOOKS).json["total"], 0, "registered")


def test_webhooks_need_a_token_and_are_bounded():
    with sandbox() as (_, client):
        for method, path in (("GET", WEBHOOKS), ("DELETE", f"{WEBHOOKS}/x"), ("GET", f"{MESSAGES}/c/messages/m")):
            expect_error(client.call(method, path), 401, "authentication.required")
        expect_error(client.call("POST", WEBHOOKS, b"{}", JSON), 401, "authentication.required")
        for number in range(200):
            register(client, f"http://h/{number}")
        expect_error(client.post(WEBHOOKS, webhook("http://h/200")), 409, "general.conflict")
        for method, path, allow in (
            ("PUT", WEBHOOKS, "GET, POST"),
            ("PATCH", f"{WEBHOOKS}/x", "GET, DELETE"),
            ("POST", f"{INTEGRATIONS}/x", "GET, PATCH, DELETE"),
            ("GET", f"{MESSAGES}/c/messages/m/n", None),
        ):
            answer = call(client, method, path, {})
            equal((answer.status, answer.headers["Allow"]), (405 if allow else 404, allow), f"{method} {path}")


def test_an_open_integration_is_made_changed_and_deleted_and_never_shows_its_secret():
    with sandbox() as (_, client):
        made = client.post(INTEGRATIONS, integration("https://herald.example.com/open"))
        equal(made.status, 200, "status")
        path = f"{INTEGRATIONS}/{made.json['id']}"
        changed = call(client, "PATCH", path, {"outboundNotificationWebhookUrl": "https://other.example.com/"})
        equal(changed.json["outboundNotificationWebhookUrl"], "https://other.example.com/", "URL")
        equal(changed.json["name"], "Our app", "name")
        for answer in (made, changed, call(client, "GET", path), call(client, "GET", INTEGRATIONS)):
            equal(answer.status, 200, "status")
            assert b"ecret" not in answer.bytes, answer.bytes
        secret = "outboundNotificationWebhookSignatureSecretToken"
        for field, changes in (
            (secret, {secret: "fifteen charact"}),
            (secret, {secret: 7}),
            ("outboundNotificationWebhookUrl", {"outboundNotificationWebhookUrl": "no URL"}),
        ):
            answer = call(client, "PATCH", path, changes)
            expect_error(answer, 400, answer.json["code"], field)
            answer = client.post(INTEGRATIONS, integration("http://h", **changes))
            expect_error(answer, 400, answer.json["code"], field)
        expect_error(client.post(INTEGRATIONS, integration("http://h", **{secret: None})), 400, "bad.request", secret)
        equal(call(client, "DELETE", path).status, 204, "status of the deletion")
        for method in ("GET", "PATCH", "DELETE"):
            expect_error(call(client, method, path, {} if method == "PATCH" else None), 404, "not.found")


# --- deliveries


def test_a_webhook_is_told_every_status_of_every_route_in_order_and_signed():
    with told("--webhook-secret", SECRET) as (box, client, receiver):
        ids = [
            client.send().json["id"],
            client.post(MESSAGING, messaging()).json["id"],
            client.post(BOT, bot()).json["id"],
        ]
        came = receiver.wait(12)
        equal(statuses(by_time(came)), {name: ALL for name in ids}, "statuses")
        assert all(delivery.is_signed_with(SECRET) for delivery in came)
        for delivery in came:
            equal(delivery.json["type"], "messaging:messages:updated", "type")
            equal(sorted(delivery.json["data"]), ["messageId", "status", "timestamp"], "data")
        equal(len({d.json["data"]["timestamp"] for d in came if d.json["data"]["messageId"] == ids[0]}), 4, "times")
        counters = wait_calm(box)
        equal((counters["events"], counters["deliveries"], counters["delivered"]), (12, 12, 12), "counters")
        equal(counters["answers"]["200"], 12, "answers")
        equal(sorted(d.json["id"] for d in came), sorted(e["event_id"] for e in events(box)), "event ids")


def test_the_event_ledger_says_what_the_receiver_answered_and_can_be_read_in_parts():
    with told("--receipt-retries", "1", *SLOW, answers=[204, 400, 500, 503]) as (box, client, receiver):
        name = client.send().json["id"]
        wait_calm(box)
        told_of = events(box)
        equal([(e["seq"], e["status"], e["message_id"]) for e in told_of],
              [(n, status, name) for n, status in enumerate(ALL, 1)], "events")  # fmt: skip
        states = [(e["state"], e["answer"], e["tries"]) for e in told_of]
        equal(states[:2], [("delivered", 204, 1), ("given_up", 400, 1)], "the first two")
        equal(receiver.deliveries[0].headers.get("X-Hub-Signature-256"), None, "signature without a secret")
        part = box.request("/sandbox/events?from=2&limit=2").splitlines()
        equal([json.loads(line)["seq"] for line in part], [2, 3], "a part")
        box.request("/sandbox/reset", {})
        equal((events(box), receipts(box)["events"]), ([], 0), "after a reset")
        client.send()
        receiver.wait(4 + 4)  # the webhook stays


def test_deliveries_are_tried_again_after_5xx_and_429_and_not_after_other_answers():
    with told("--receipt-retries", "5", answers=[500, 503, 429]) as (box, client, receiver):
        client.send()
        counters = wait_calm(box)
        equal((counters["delivered"], counters["deliveries"]), (4, 7), "counters")
        same = collections.Counter(d.json["id"] for d in receiver.deliveries)
        equal(sum(same.values()), 7, "deliveries")
        equal(len(same), 4, "event ids")
    with told(answers=[404, 302, 410, 200]) as (box, client, receiver):
        client.send()
        counters = wait_calm(box)
        equal((counters["given_up"], counters["delivered"], counters["deliveries"]), (3, 1, 4), "counters")


def test_after_the_retries_an_event_is_given_up():
    with told("--read", "0", "--receipt-retries", "2", answers=[500] * 9) as (box, client, receiver):
        client.send()
        counters = wait_calm(box)
        equal((counters["given_up"], counters["deliveries"]), (3, 9), "counters")
        equal([(e["state"], e["answer"], e["tries"]) for e in events(box)], [("given_up", 500, 3)] * 3, "events")


def test_a_receiver_that_is_silent_or_not_there_is_tried_again():
    with told("--receipt-timeout", "100ms", answers=[threading.Event()]) as (box, client, receiver):
        client.send()
        counters = wait_calm(box)
        equal((counters["delivered"], counters["answers"]["timeout"]), (4, 1), "counters")
    with sandbox(*QUICK, "--receipt-retries", "1") as (box, client):
        register(client, f"http://127.0.0.1:{free_port()}/")
        client.send()
        counters = wait_calm(box)
        equal((counters["given_up"], counters["answers"]["broken"]), (4, 8), "counters")
        equal({(e["answer"], e["tries"]) for e in events(box)}, {("broken", 2)}, "events")


def test_failures_have_a_reason_by_chance_by_setting_and_by_script():
    with told("--undelivered", "1") as (box, client, receiver):
        for _ in range(30):
            client.send()
        last = [d.json["data"] for d in receiver.wait(90) if d.json["data"]["status"] == "failed"]
        equal(len(last), 30, "failed")
        equal({data["reason"] for data in last}, {"RecipientOptedOut", "InvalidDestination", "GeneralError"}, "reasons")
        box.config(failure="InvalidDestination")
        name = client.send().json["id"]
        own = [d.json["data"] for d in by_time(receiver.wait(93)) if d.json["data"]["messageId"] == name]
        equal([data.get("reason") for data in own], [None, None, "InvalidDestination"], "reasons")
        box.config(undelivered=0)
        step = {"match": {"to": "+13175550177"}, "do": "ok", "failure": "RecipientOptedOut", "times": 0}
        box.script([step])
        name = client.send(toAddress="+13175550177").json["id"]
        other = client.send().json["id"]
        receiver.wait(93 + 3 + 4)
        of = statuses(by_time(receiver.deliveries))
        equal((of[name], of[other]), (["queued", "sent", "failed"], ALL), "statuses of the scripted one and the other")
        equal(box.summary()["receipts"]["events"], 100, "events")
        answer = client.post("/sandbox/script", [{"do": "ok", "failure": "Bad"}])
        expect_error(answer, 400, "bad.request", "failure")


def test_duplicates_have_the_same_id_and_a_line_of_their_own():
    with told("--receipt-duplicates", "1") as (box, client, receiver):
        for _ in range(5):
            client.send()
        ids = collections.Counter(d.json["id"] for d in receiver.wait(40))
        equal(sorted(ids.values()), [2] * 20, "deliveries of each event")
        counters = wait_calm(box)
        equal((counters["events"], counters["duplicates"], counters["delivered"]), (20, 20, 40), "counters")
        equal(sum(e["copy"] for e in events(box)), 20, "copies")


def test_a_shuffled_message_is_told_out_of_order():
    with told("--receipt-shuffled", "1", "--delivered-after", "100ms", "--read-after", "100ms") as (box, client, receiver):
        names = [client.send().json["id"] for _ in range(20)]
        equal(receipts(box)["shuffled"], 20, "shuffled")
        of = statuses(receiver.wait(80))
        equal(sorted(of), sorted(names), "messages")
        assert all(sorted(order) == sorted(ALL) for order in of.values()), of
        assert sum(order != ALL for order in of.values()) >= 18, of  # two deliveries at one moment can overtake
        assert len({tuple(order) for order in of.values()}) > 3, of


def test_an_event_can_come_before_the_answer_to_the_send():
    with told() as (box, client, receiver):
        box.script([{"do": "ok", "delay_ms": 400}])
        sent = threading.Thread(target=client.send)
        sent.start()
        receiver.wait(4)
        assert sent.is_alive(), "the answer came first"
        sent.join()


def test_the_delay_is_between_a_status_and_its_receipt():
    with told("--receipt-delay", "1h") as (box, client, receiver):
        client.send()
        wait_until(lambda: receipts(box)["waiting"] == 4, "the events to be made")
        equal(receiver.deliveries, [], "deliveries")
        equal(box.terminate(), 0, "exit status with events that wait")


def test_what_is_registered_when_a_message_is_accepted_counts_and_a_deleted_one_hears_no_more():
    with Receiver() as early, Receiver() as late, sandbox(*QUICK, "--receipt-delay", "200ms") as (box, client):
        client.send()  # before anybody listens
        first = register(client, early.url)
        register(client, late.url, enabled=False)
        client.send()
        equal(call(client, "DELETE", f"{WEBHOOKS}/{first}").status, 204, "status")
        counters = wait_calm(box)
        equal((counters["events"], counters["withdrawn"]), (4, 4), "counters")
        equal((early.deliveries, late.deliveries), ([], []), "deliveries")


def test_the_secret_can_change_under_way():
    with told("--webhook-secret", SECRET, "--read", "0") as (box, client, receiver):
        client.send()
        receiver.wait(3)
        box.config(webhook_secret="another one")
        client.send()
        came = receiver.wait(6)
        assert all(d.is_signed_with(SECRET) for d in came[:3])
        assert all(d.is_signed_with("another one") for d in came[3:])
        assert "another one" not in box.request("/sandbox/config")


def test_an_open_integration_hears_of_its_own_messages_the_text_and_receipts_with_its_own_secret():
    with Receiver() as receiver, sandbox(*QUICK, "--webhook-secret", SECRET) as (box, client):
        ours = client.post(INTEGRATIONS, integration(receiver.url)).json["id"]
        client.send()
        client.send(toAddressMessengerType="open", fromAddress="another", toAddress="u-1")
        box.script([{"match": {"to": "u-2"}, "do": "ok", "failure": "GeneralError"}])
        send = dict(toAddressMessengerType="open", fromAddress=ours, textBody="Gr\u00fc\u00dfe \U0001f600")
        good, bad = (client.send(toAddress=to, **send).json for to in ("u-1", "u-2"))
        came = sorted(receiver.wait(7), key=lambda delivery: delivery.json["channel"]["time"])
        assert all(d.is_signed_with("sixteen or more!") for d in came)
        of = {name: [d.json for d in came if d.json["id"] == name] for name in (good["id"], bad["id"])}
        equal([n.get("status", n["type"]) for n in of[good["id"]]], ["Text", "Sent", "Delivered", "Read"], "good")
        equal([n.get("status", n["type"]) for n in of[bad["id"]]], ["Text", "Sent", "Failed"], "bad")
        text = of[good["id"]][0]
        equal((text["text"], text["direction"], text["conversationId"]),
              ("Gr\u00fc\u00dfe \U0001f600", "Outbound", good["conversationId"]), "text")  # fmt: skip
        equal((text["channel"]["id"], text["channel"]["platform"], text["channel"]["to"]["id"]), (ours, "Open", "u-1"),
              "channel")  # fmt: skip
        equal([n.get("isFinalReceipt") for n in of[good["id"]]], [None, False, False, True], "final")
        failed = of[bad["id"]][-1]
        equal((failed["reasons"][0]["code"], failed["isFinalReceipt"]), ("GeneralError", True), "failure")


def test_events_are_bounded_and_a_full_ledger_of_them_refuses_messages():
    with told("--events-max", "8") as (box, client, receiver):
        equal([client.send().status for _ in range(3)], [200, 200, 503], "statuses")
        equal(box.summary()["accepted"], 2, "accepted")
        receiver.wait(8)
        equal(wait_calm(box)["lost"], 0, "lost")


def test_a_thousand_messages_are_told_completely_while_the_receiver_fails_now_and_then():
    with told("--threads", "2", "--receipt-duplicates", "0.1", "--receipt-shuffled", "0.2", "--undelivered", "0.2",
              "--receipt-delay", "uniform:0ms:50ms", answers=[500, 200, 503] * 50) as (box, client, receiver):  # fmt: skip
        names = {client.send().json["id"] for _ in range(1000)}
        wait_until(lambda: receipts(box)["waiting"] == 0, lambda: f"all delivered: {receipts(box)}", 60)
        counters = receipts(box)
        equal(counters["delivered"], counters["events"] + counters["duplicates"], "delivered")
        equal(counters["deliveries"], counters["delivered"] + 100, "deliveries")
        of = statuses(receiver.deliveries)
        equal(set(of), names, "messages")
        assert all(set(order) in ({*ALL}, {"queued", "sent", "failed"}) for order in of.values())
        assert 100 < sum("failed" in order for order in of.values()) < 300


# --- statuses


def test_the_status_of_a_message_moves_with_time():
    with sandbox("--sent-after", "100ms", "--delivered-after", "100ms", "--read-after", "100ms") as (_, client):
        sent = client.send().json
        seen = []

        def look():
            data = call(client, "GET", sent["selfUri"]).json
            if not seen or seen[-1]["status"] != data["status"]:
                seen.append(data)
            return data["status"] == "read"

        wait_until(look, lambda: f"the message to be read; seen {[data['status'] for data in seen]}")
        order = ["queued", "sent", "delivery-success", "read"]
        equal([data["status"] for data in seen], [s for s in order if s in {d["status"] for d in seen}], "statuses")
        last = seen[-1]
        equal((last["id"], last["conversationId"], last["selfUri"]),
              (sent["id"], sent["conversationId"], sent["selfUri"]), "ids")  # fmt: skip
        equal((last["direction"], last["messengerType"], last["toAddress"]), ("outbound", "sms", "+13175550199"), "data")
        equal([receipt["status"] for receipt in last["normalizedReceipts"]], ["Sent", "Delivered", "Read"], "receipts")
        equal([receipt["isFinalReceipt"] for receipt in last["normalizedReceipts"]], [False, False, True], "final")


def test_a_failed_message_has_its_reason_code_in_the_receipt():
    now = ("--sent-after", "0", "--delivered-after", "0")
    with sandbox(*now, "--undelivered", "1", "--failure", "RecipientOptedOut") as (_, client):
        data = call(client, "GET", client.send().json["selfUri"]).json
        equal(data["status"], "delivery-failed", "status")
        equal([receipt["status"] for receipt in data["normalizedReceipts"]], ["Sent", "Failed"], "receipts")
        equal(data["normalizedReceipts"][-1]["reasons"][0]["code"], "RecipientOptedOut", "reason")


def test_the_statuses_of_a_conversation_come_in_bulk():
    with sandbox("--sent-after", "0") as (_, client):
        ids = [client.post(BOT, bot()).json["id"] for _ in range(5)]
        other = client.send().json
        path = f"{MESSAGES}/conversation-id-789/messages/bulk"
        answer = client.post(path, [ids[3], "unknown", other["id"], *ids[:2]])
        equal(answer.status, 200, "status")
        equal([(data["id"], data["status"]) for data in answer.json["entities"]],
              [(name, "sent") for name in (ids[3], *ids[:2])], "entities")  # fmt: skip
        equal(client.post(path, []).json["entities"], [], "of no ids")
        equal(len(client.post(path, ids[:1] * 1000).json["entities"]), 1000, "of a thousand")
        for body in (["x"] * 1001, {}, [1], [None], ["a\0b"]):
            expect_error(client.post(path, body), 400, "bad.request")
        for unknown in (f"{MESSAGES}/conversation-id-789/messages/{other['id']}", f"{MESSAGES}/x/messages/{ids[0]}"):
            expect_error(call(client, "GET", unknown), 404, "not.found")


def test_statuses_count_in_the_rate_limit_and_can_be_scripted():
    with sandbox("--rate", "3/60s", "--observe-window", "60s") as (box, client):
        sent = client.send().json
        box.script([{"match": {"route": "status"}, "do": "500"}, {"match": {"route": "status"}, "do": "429", "retry_after": 7}])
        expect_error(call(client, "GET", sent["selfUri"]), 500, "internal.server.error")
        limited = call(client, "GET", sent["selfUri"])
        equal((limited.status, limited.headers["Retry-After"]), (429, "7"), "the scripted 429")
        for answer in (call(client, "GET", sent["selfUri"]), client.send(), call(client, "GET", WEBHOOKS)):
            equal(answer.status, 429, "status behind the limit")
        summary = box.summary()
        equal((summary["requests"], summary["calls"], summary["scripted"]), (2, 4, 2), "counters")
        equal(summary["max_in_window"], 6, "the most in a window")
        box.config(rate="unlimited", outage=True)
        expect_error(call(client, "GET", sent["selfUri"]), 503, "service.unavailable")


def test_a_message_keeps_its_fate_when_settings_change_and_after_a_reset_it_is_unknown():
    with sandbox("--sent-after", "0", "--delivered-after", "0", "--read", "0") as (box, client):
        sent = client.send().json
        box.config(undelivered=1, sent_after="1h")
        equal(call(client, "GET", sent["selfUri"]).json["status"], "delivery-success", "status")
        equal(call(client, "GET", client.send().json["selfUri"]).json["status"], "queued", "status of a new one")
        box.request("/sandbox/reset", {})
        expect_error(call(client, "GET", sent["selfUri"]), 404, "not.found")


def test_the_same_seed_gives_the_same_fates():
    def fates(seed):
        with sandbox("--undelivered", "0.5", "--sent-after", "0", "--delivered-after", "0", "--seed", seed) as (_, client):
            return [call(client, "GET", client.send().json["selfUri"]).json["status"] for _ in range(40)]

    equal(fates("7"), fates("7"), "fates")
    assert fates("7") != fates("8")


def test_bad_settings_of_receipts_change_nothing():
    with sandbox() as (box, client):
        before = box.request("/sandbox/config")
        for body in (
            {"sent_after": "soon"},
            {"undelivered": 2},
            {"failure": "Unknown"},
            {"receipt_retries": -1},
            {"receipt_timeout": "0s"},
            {"webhook_secret": 7},
            {"sent_after": "5ms", "read": "x"},
        ):
            expect_error(client.post("/sandbox/config", body), 400, "bad.request")
        equal(box.request("/sandbox/config"), before, "settings")
        box.config(receipt_retry_after="1s", **{"receipt-delay": "5ms"})
        config = json.loads(box.request("/sandbox/config"))
        equal((config["receipt_retry_after"], config["receipt_delay"]), ("1000000us", "5000us"), "settings")


RANGE = ("2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z")
DETAILS = "/api/v2/analytics/conversations/details/query"


def listing(client, **arguments):
    arguments = {"createdDate": ",".join(RANGE), **arguments}
    return call(client, "GET", f"{MESSAGING}?" + "&".join(f"{name}={value}" for name, value in arguments.items()))


def details(client, **members):
    return client.post(DETAILS, {"interval": "/".join(RANGE), **members})


def test_what_was_accepted_is_listed_page_by_page_as_in_the_tutorial():
    with sandbox("--sent-after", "0", "--delivered-after", "0", "--read", "0") as (box, client):
        ids = [client.send().json["id"] for _ in range(29)] + [client.post(MESSAGING, messaging()).json["id"]]
        pages = [listing(client, pageSize=10, pageNumber=number).json for number in (1, 2, 3)]
        equal([entity["id"] for page in pages for entity in page["entities"]], ids, "messages")
        equal([page["hasMore"] for page in pages], [True, True, False], "hasMore")
        equal({page["total"] for page in pages}, {30}, "total")
        entity = pages[0]["entities"][0]
        equal((entity["channelType"], entity["status"]), ("messaging:sms", "delivered"), "the first")
        assert entity["createdDate"] <= entity["sentDate"] <= entity["deliveredDate"], entity
        equal(listing(client, status="failed,queued").json["total"], 0, "others")
        equal(listing(client, createdDate="2020-01-01T00:00:00.000Z,2020-01-02T00:00:00.000Z").json["total"], 0, "before")
        for wrong in ({"status": "lost"}, {"pageSize": 101}, {"pageNumber": 0}, {"createdDate": "now"}):
            equal(listing(client, **wrong).status, 400, wrong)
        box.script([{"match": {"route": "report"}, "do": "403"}])
        expect_error(listing(client), 403, "missing.permissions")


def test_conversations_are_queried_page_by_page_as_in_the_analytics():
    with sandbox("--sent-after", "0", "--delivered-after", "0", "--read", "0") as (_, client):
        sent = [client.send().json for _ in range(12)]
        client.post(MESSAGING, messaging())  # in no conversation
        first, second = (details(client, paging={"pageSize": 10, "pageNumber": number}).json for number in (1, 2))
        found = first["conversations"] + second["conversations"]
        equal([one["conversationId"] for one in found], [one["conversationId"] for one in sent], "conversations")
        equal((first["totalHits"], second["totalHits"]), (12, 12), "totalHits")
        session = found[0]["participants"][0]["sessions"][0]
        equal((session["messageType"], session["direction"], session["deliveryStatus"]),
              ("sms", "outbound", "DeliverySuccess"), "session")
        for wrong in ({"interval": "now"}, {"interval": 5}, {"paging": {"pageSize": 101}}, {"paging": []}):
            equal(details(client, **wrong).status, 400, wrong)


if __name__ == "__main__":
    tap.run(globals())
