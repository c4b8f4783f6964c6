#!/usr/bin/python3
"""Callbacks: the outcome and the receipts of a message are posted to the URL that asked for it: signed, until they are
taken, whatever the receiver does, and never into a network that was not named."""

import base64
import contextlib
import datetime
import json
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, messages, push, wait_dead, wait_sent
from receiver import Receiver
from http_client import Client
from stand import ROOT, SLOWNESS, Stand, free_port, wait_until
from tap import equal

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
HERE = ("--callback-private-hosts", "127.0.0.1")
FAST = (*QUICK, "--callback-retry-cap", "100ms", "--threads", "1")
POLL = ("--poll-status", "--poll-first", "50ms")
BOX = ("--sent-after", "20ms", "--delivered-after", "60ms", "--read-after", "60ms")


@contextlib.contextmanager
def telling(*flags, box=(), secret=SECRET, hosts=HERE):
    """A stand with a worker that may call this machine."""
    with Stand() as stand:
        stand.sandbox(*box)
        worker = stand.worker(*FAST, *hosts, *flags, env={"HERALD_CALLBACK_SECRET": secret} if secret else {})
        yield stand, worker.wait_ready()


def shown_to_receivers():
    """The function that docs/callbacks.md shows."""
    text = (ROOT / "docs/callbacks.md").read_text()
    found = {}
    exec(re.search(r"<!-- example: receiver -->\n```python\n(.*?)```", text, re.DOTALL).group(1), found)
    return found["is_from_herald"]


is_from_herald = shown_to_receivers()


def is_signed(delivery, secret=SECRET):
    return is_from_herald(delivery.headers, delivery.body, secret)


def facts(delivery):
    body = delivery.json
    return body["type"], body["data"]["id"]


def callbacks(stand):
    return stand.status()["callbacks"]


def dead_callbacks(stand):
    return stand.herald("callback", "list", "--json", check=True).json["dead"]


def wait_dead_callbacks(stand, count=1):
    wait_until(lambda: callbacks(stand)["dead"] >= count, lambda: f"{count} dead callbacks; {callbacks(stand)}")
    return dead_callbacks(stand)


def wait_quiet(stand):
    """Until none waits and none is under way."""

    def is_quiet():
        now = callbacks(stand)
        return now["waiting"] == 0 and now["in_flight"] == 0

    wait_until(is_quiet, lambda: f"no callback to wait; {callbacks(stand)}", 30)


# --- what is told ---


def test_the_outcome_and_each_receipt_arrive_once_in_order_and_signed():
    with Receiver() as crm, telling(*POLL, box=BOX) as (stand, _):
        open_one = {"toAddressMessengerType": "open", "fromAddress": "integration-1", "toAddress": "user:42"}
        labels = {"template": "appointment"}
        push(stand, message(1, campaign="spring", callback_url=crm.url, labels=labels, payload=open_one))
        found = crm.wait(4, 30)
        wait_quiet(stand)
        equal(len(crm.deliveries), 4, "deliveries")
        found.sort(key=lambda delivery: delivery.json["data"]["sequence"])
        kinds = [delivery.json["type"] for delivery in found]
        equal((kinds[0], sorted(kinds[1:])), ("message.sent", ["receipt.delivered", "receipt.read", "receipt.sent"]), "types")
        equal([delivery.json["data"]["sequence"] for delivery in found], [1, 2, 3, 4], "sequence")
        assert all(is_signed(delivery) for delivery in found)
        equal(len({delivery.headers["webhook-id"] for delivery in found}), 4, "webhook-ids")
        body = found[0].json
        [ledger] = stand.genesys.ledger()
        data = {name: body["data"][name] for name in ("id", "campaign", "channel", "template", "state", "attempts", "provider_id")}
        equal(data, {"id": "m1", "campaign": "spring", "channel": "open", "template": "appointment", "state": "sent",
                     "attempts": 1, "provider_id": ledger["provider_id"]}, "data")
        at = datetime.datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00")).timestamp()
        assert abs(at - int(found[0].headers["webhook-timestamp"])) < 60, body
        equal(found[0].headers["Content-Type"], "application/json", "type")
        for delivery in found:
            assert "user:42" not in delivery.body.decode() and "has shipped" not in delivery.body.decode(), delivery.body


def test_a_callback_goes_on_with_the_trace_of_its_message():
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    with Receiver(500) as crm, telling() as (stand, _):
        push(stand, message(1, callback_url=crm.url, traceparent=parent), message(2, callback_url=crm.url))
        found = crm.wait(3)
        parents = {}
        for delivery in found:
            parents.setdefault(delivery.json["data"]["id"], []).append(delivery.headers["traceparent"])
        assert all(value is None for value in parents["m2"]), parents
        steps = [value.split("-") for value in parents["m1"]]
        equal({(step[0], step[1], step[3]) for step in steps}, {("00", trace, "01")}, "trace")
        assert all(step[2] != "b7ad6b7169203331" for step in steps), steps


def test_a_dead_letter_is_told_with_its_reason_and_its_replay_with_its_later_end():
    with Receiver() as crm, telling() as (stand, _):
        stand.genesys.script([{"match": {"route": "agentless"}, "do": "400", "times": 1}])
        push(stand, message(1, callback_url=crm.url))
        [told] = crm.wait(1)
        data = told.json["data"]
        equal((told.json["type"], data["state"], data["reason"]), ("message.dead", "dead", "rejected"), "dead")
        stand.herald("dead", "replay", "m1", check=True)
        told = crm.wait(2)[1].json
        equal((told["type"], told["data"]["sequence"]), ("message.sent", 2), "the later end")


def test_what_a_worker_never_sends_is_told_too():
    with Receiver() as crm, telling("--callback-url", crm.url) as (stand, worker):
        push(stand, message(1, expires_at=1000))
        stand.herald("suppress", "add", "sms:" + flow.number(2), check=True)
        push(stand, message(2))
        push(stand, b"no json")
        reasons = {delivery.json["data"]["reason"] for delivery in crm.wait(3)}
        equal(reasons, {"expired", "suppressed", "json_invalid"}, "reasons")
        stand.redis.call("HSET", KEY + "campaign:spring", "state", "paused", "accepted", "1")
        push(stand, message(3, campaign="spring"))
        wait_until(lambda: stand.status()["places"]["parked"] == 1, "it to be parked")
        stand.herald("campaign", "cancel", "spring", check=True)
        push(stand, message(4, campaign="spring"))
        told = [facts(delivery) for delivery in crm.wait(5)[3:]]
        equal(sorted(told), [("message.cancelled", "m3"), ("message.cancelled", "m4")], "cancelled")


def test_what_a_killed_worker_held_is_told_by_whoever_buries_it():
    with Receiver() as crm, telling("--lease", "2s", "--timeout", "1s") as (stand, worker):
        stand.genesys.script([{"match": {"route": "agentless"}, "do": "hang", "times": 1}])
        push(stand, message(1, on_unknown="hold", callback_url=crm.url))
        wait_until(lambda: stand.status()["places"]["in_flight"] == 1, "the message to be under way")
        worker.kill()
        stand.worker(*FAST, *HERE, "--lease", "2s", "--timeout", "1s", env={"HERALD_CALLBACK_SECRET": SECRET})
        [told] = crm.wait(1, 30)
        equal(told.json["data"]["reason"], "outcome_unknown", "reason")


def test_a_message_without_a_callback_tells_nobody_and_costs_no_key():
    with telling() as (stand, _):
        push(stand, *messages(5))
        wait_sent(stand, 5)
        equal(stand.redis.call("KEYS", KEY + "callbacks:*"), [(KEY + "callbacks:settings").encode()], "keys")
        assert "callback" not in flow.state(stand, "m1")


# --- what receivers do ---


def test_a_failing_receiver_is_asked_again_with_the_same_id_and_a_new_signature():
    with Receiver(500, 404, 503, 429) as crm, telling() as (stand, _):
        push(stand, message(1, callback_url=crm.url))
        found = crm.wait(5)
        wait_quiet(stand)
        equal(len({delivery.headers["webhook-id"] for delivery in found}), 1, "webhook-id")
        equal(len({delivery.body for delivery in found}), 1, "body")
        assert all(is_signed(delivery) for delivery in found)
        equal(stand.status()["callbacks"]["delivered"], 1, "delivered")


def test_two_secrets_sign_while_they_are_exchanged():
    with Receiver() as crm, telling(secret=f"{SECRET} {OTHER}") as (stand, _):
        push(stand, message(1, callback_url=crm.url))
        [told] = crm.wait(1)
        assert is_signed(told, SECRET) and is_signed(told, OTHER)
        assert not is_signed(told, "whsec_" + base64.b64encode(bytes(32)).decode())


def test_a_secret_and_the_hosts_are_exchanged_while_it_runs():
    with Receiver() as crm, Stand() as stand:
        stand.sandbox()
        secret = stand.write("secret", SECRET)
        config = stand.write("herald.ini", "callback-hosts = crm.example.org\n")
        env = {"HERALD_CALLBACK_SECRET_FILE": secret, "HERALD_CONFIG": config}
        worker = stand.worker(*FAST, env=env).wait_ready()
        push(stand, message(1, callback_url=crm.url))
        wait_dead_callbacks(stand)
        stand.write("secret", OTHER)
        stand.write("herald.ini", f"callback-private-hosts = 127.0.0.1:{crm.port}\n")
        worker.signal(1)
        worker.wait_for("settings read again")
        push(stand, message(2, callback_url=crm.url))
        [told] = crm.wait(1)
        equal((facts(told), is_signed(told, OTHER)), (("message.sent", "m2"), True), "told")
        stand.write("secret", "no secret")
        worker.signal(1)
        worker.wait_for("settings not read again")


def certificate(stand):
    """Files of a certificate of localhost and of its key."""
    cert, key = stand.path("cert.pem"), stand.path("key.pem")
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert)
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run([*make, *name], check=True, capture_output=True)
    return cert, key


def test_callbacks_go_over_tls_to_whom_the_certificate_belongs():
    with Stand() as stand, Receiver(tls=certificate(stand)) as crm:
        stand.sandbox()
        flags = (*FAST, "--callback-private-hosts", "localhost,127.0.0.1", "--callback-attempts", "2")
        stand.worker(*flags, env={"HERALD_CALLBACK_SECRET": SECRET, "HERALD_CA_FILE": stand.path("cert.pem")})
        push(stand, message(1, callback_url=f"https://localhost:{crm.port}/hook"))
        equal(facts(crm.wait(1)[0]), ("message.sent", "m1"), "told")
        push(stand, message(2, callback_url=f"https://127.0.0.1:{crm.port}/hook"))  # the certificate is localhost's
        [letter] = wait_dead_callbacks(stand)
        equal((letter["message"], letter["reason"], len(crm.deliveries)), ("m2", "exhausted", 1), "letter")
        assert "certificate" in letter["detail"].lower() or "SSL" in letter["detail"], letter


def test_a_redirect_is_not_followed():
    with Receiver() as other, Receiver() as crm, telling() as (stand, _):

        def redirect(handler):
            handler.send_response(307)
            handler.send_header("Location", other.url)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        crm.answer(redirect)
        push(stand, message(1, callback_url=crm.url))
        [letter] = wait_dead_callbacks(stand)
        equal((letter["reason"], letter["status"]), ("rejected", 307), "dead")
        equal((len(crm.deliveries), len(other.deliveries)), (1, 0), "deliveries")


def test_an_answer_of_ten_gigabytes_is_cut():
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(10 << 30))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(10 << 10):
                handler.wfile.write(bytes(1 << 20))

    with Receiver(always=endless) as crm, telling() as (stand, worker):
        push(stand, *messages(20, callback_url=crm.url))
        crm.wait(20)
        wait_quiet(stand)
        equal((len(crm.deliveries), callbacks(stand)["delivered"]), (20, 20), "deliveries")
        status = pathlib.Path(f"/proc/{worker.pid}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) < SLOWNESS * 200 * 1024, status


def test_headers_without_an_end_are_cut():
    """Behind a status that says yes, and of answers before the answer, which say nothing."""

    def endless(first, more):
        def answer(handler):
            with contextlib.suppress(OSError):
                handler.wfile.write(first)
                for _ in range(64 << 10):
                    handler.wfile.write(more)

        return answer

    header, hint = b"X-More: " + b"x" * 1000 + b"\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
    for count, answer in ((20, endless(b"HTTP/1.1 200 OK\r\n", header)), (3, endless(b"", hint * 40))):
        with Receiver(*[answer] * count) as crm, telling() as (stand, worker):
            push(stand, *messages(count, callback_url=crm.url))
            crm.wait(count)
            wait_quiet(stand)
            equal((callbacks(stand)["delivered"], callbacks(stand)["dead"]), (count, 0), "delivered, dead")
            status = pathlib.Path(f"/proc/{worker.pid}/status").read_text()
            assert int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) < SLOWNESS * 200 * 1024, status


def test_a_receiver_that_hangs_slows_neither_sending_nor_other_receivers():
    with Receiver(always=threading.Event()) as hanging, Receiver() as crm, telling("--callback-timeout", "60s") as (stand, _):
        push(stand, *messages(300, callback_url=hanging.url))
        wait_sent(stand, 300)
        hanging.wait(16)
        push(stand, *messages(100, first=1001, callback_url=crm.url))
        crm.wait(100)
        now = callbacks(stand)
        equal(len(hanging.deliveries), 16, "a quarter of 64 under way, and no more")
        equal((now["in_flight"], now["waiting"]), (16, 284), "callbacks")


def test_a_receiver_that_is_down_is_tried_with_one_at_a_time_and_gets_all_when_it_is_back():
    port = free_port()
    with telling("--callback-attempts", "100") as (stand, worker):
        push(stand, *messages(200, callback_url=f"http://127.0.0.1:{port}/hook"))
        wait_sent(stand, 200)
        wait_until(lambda: "callback failed" in worker.log(), "an attempt")
        wait_until(lambda: stand.herald("callback", "list", "--json", check=True).json["hosts"], "the host to be in trouble")
        with Receiver(port=port) as crm:
            crm.wait(200, 60)
            wait_quiet(stand)
            equal(len({facts(delivery) for delivery in crm.deliveries}), 200, "told")
        equal(callbacks(stand)["delivered"], 200, "delivered")


def test_a_worker_killed_in_the_middle_of_callbacks_loses_none():
    flags = ("--callback-timeout", "1s", "--lease", "3s", "--timeout", "1s")
    with Receiver(always=threading.Event()) as hanging, telling(*flags) as (stand, worker):
        push(stand, *messages(50, callback_url=hanging.url))
        wait_sent(stand, 50)
        hanging.wait(16)
        worker.kill()
        before = {delivery.headers["webhook-id"] for delivery in hanging.deliveries}
        hanging.answer_always(200)
        stand.worker(*FAST, *HERE, *flags, env={"HERALD_CALLBACK_SECRET": SECRET})
        wait_until(lambda: callbacks(stand)["delivered"] == 50, lambda: f"all of them; {callbacks(stand)}", 60)
        ids = [delivery.headers["webhook-id"] for delivery in hanging.deliveries]
        equal(len(set(ids)), 50, "webhook-ids")
        assert before <= set(ids[len(before):]), "those under way come again under their ids"


def test_stopping_finishes_what_is_under_way():
    release = threading.Event()

    def late(handler):
        release.wait()
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with Receiver(late) as crm, telling() as (stand, worker):
        push(stand, message(1, callback_url=crm.url))
        crm.wait(1)
        worker.signal(15)
        worker.wait_for("stopping")
        release.set()
        equal(worker.wait(), 0, "exit status")
        equal(callbacks(stand)["delivered"], 1, "delivered")


# --- where they may go ---


def test_addresses_of_private_networks_are_refused_unless_their_host_is_named():
    with Receiver() as crm, telling(hosts=("--callback-hosts", "*")) as (stand, worker):
        port = crm.port
        urls = {
            1: f"https://localhost:{port}/hook",
            2: f"https://127.0.0.1:{port}/hook",
            3: f"https://[::1]:{port}/hook",
            4: f"https://2130706433:{port}/hook",
            5: f"https://0x7f.1:{port}/hook",
            6: f"https://[::ffff:127.0.0.1]:{port}/hook",
            7: f"http://127.0.0.1:{port}/hook",
            8: "ftp://example.org/",
            9: "https://user:secret@example.org/",
            10: "no url at all",
            11: f"https://0:{port}/",
            12: "https://169.254.169.254/latest/meta-data/",
            13: "file:///etc/passwd",
            14: "https://example.org\\@127.0.0.1/",
        }
        push(stand, *(message(index, callback_url=url) for index, url in urls.items()))
        wait_sent(stand, len(urls))
        letters = wait_dead_callbacks(stand, len(urls))
        equal({letter["reason"] for letter in letters}, {"forbidden"}, "reasons")
        equal({letter["message"] for letter in letters}, {f"m{index}" for index in urls}, "messages")
        equal(crm.deliveries, [], "deliveries")
        equal(stand.status()["balanced"], True, "the sum")
        assert "secret" not in worker.log() and "meta-data" not in worker.log()


def test_a_host_that_is_not_on_the_list_is_refused_and_the_message_is_sent():
    with telling(hosts=("--callback-hosts", "crm.example.org,*.example.com")) as (stand, _):
        push(stand, message(1, callback_url="https://evil.example.org/"), message(2, callback_url="https://example.com/"))
        wait_sent(stand, 2)
        details = {letter["message"]: letter["detail"] for letter in wait_dead_callbacks(stand, 2)}
        assert "evil.example.org is not one of --callback-hosts" in details["m1"], details
        assert "example.com is not one of --callback-hosts" in details["m2"], details


def test_without_any_setting_no_callback_is_posted():
    with Receiver() as crm, telling(hosts=(), secret=None) as (stand, _):
        push(stand, message(1, callback_url=crm.url))
        wait_sent(stand, 1)
        [letter] = wait_dead_callbacks(stand)
        equal((letter["reason"], crm.deliveries), ("forbidden", []), "letter")


def test_settings_that_cannot_work_are_refused_at_the_start():
    cases = (
        (("--callback-url", "https://crm.example.org/"), None, "HERALD_CALLBACK_SECRET"),
        (("--callback-url", "https://crm.example.org/"), "whsec_c2hvcnQ=", "secret 1 is not `whsec_`"),
        (("--callback-url", "http://crm.example.org/"), SECRET, "--callback-private-hosts"),
        (("--callback-url", "crm"), SECRET, "--callback-url"),
        (("--callback-hosts", "a b"), None, "HERALD_CALLBACK_SECRET"),
        (("--callback-hosts", "https://a"), SECRET, "is no host"),
        (("--callback-private-hosts", "*"), SECRET, "is no host"),
    )
    with Stand() as stand:
        for flags, secret, words in cases:
            worker = stand.worker(*flags, env={"HERALD_CALLBACK_SECRET": secret} if secret else {})
            equal(worker.wait(), 2, f"exit status of {flags}")
            assert words in worker.log(), worker.log()


def test_producers_refuse_a_callback_that_nobody_would_call():
    with Stand() as stand:
        hosts = {"HERALD_CALLBACK_HOSTS": "crm.example.org"}
        lines = "".join(
            json.dumps(message(index, callback_url=url)) + "\n"
            for index, url in enumerate(("https://crm.example.org/a", "https://evil.example/", "http://crm.example.org/", "x"), 1)
        )
        result = stand.herald("enqueue", "-", "--rejects", stand.path("r"), "--json", stdin=lines, env=hosts)
        equal((result.status, result.json["accepted"], result.json["refused"]), (3, 1, 3), "enqueue")
        refused = [json.loads(line) for line in stand.path("r").read_text().splitlines()]
        equal({(line["rejected_column"], line["rejected_reason"].split(":")[0]) for line in refused},
              {("/callback_url", "callback_forbidden")}, "rejects")
        # Who knows no hosts looks at the form alone.
        result = stand.herald("enqueue", "-", "--dry-run", "--rejects", stand.path("r2"), "--json", stdin=lines)
        equal(result.json["refused"], 1, "without the setting")
        gateway = stand.gateway(env=hosts)
        with Client(gateway.port, stand.token) as client:
            answer = client.post("/v1/messages", message(5, callback_url="https://evil.example/"))
            equal((answer.status, answer.json["code"], answer.json["pointer"]), (422, "callback_forbidden", "/callback_url"), "gateway")
            equal(client.post("/v1/messages", message(5, callback_url="https://crm.example.org/")).status, 202, "gateway")


def test_a_campaign_tells_the_url_of_its_template_or_of_its_command_line():
    template = {"name": "spring", "channel": "sms", "from": "+13175550100", "default_language": "en", "texts": {"en": "Hello"}}
    people = "to,consentVerified\n+13175550199,true\n"
    with Receiver() as crm, telling() as (stand, _):
        rows, text = stand.write("people.csv", people), stand.write("t.json", json.dumps(template))
        send = ("campaign", "send", "--recipients", rows, "--template")
        stand.herald(*send, text, "--callback-url", crm.url, *HERE, check=True)
        own = stand.write("own.json", json.dumps({**template, "name": "autumn", "callback_url": crm.url}))
        stand.herald(*send, own, *HERE, check=True)
        told = {delivery.json["data"]["campaign"] for delivery in crm.wait(2)}
        equal(told, {"spring", "autumn"}, "campaigns")
        result = stand.herald(*send, own, "--callback-hosts", "crm.example.org")
        assert result.status == 2 and "/callback_url" in result.err, result.describe()


# --- what people do ---


def test_dead_callbacks_are_listed_shown_replayed_and_purged():
    with Receiver(410, 410, 410) as crm, telling() as (stand, worker):
        push(stand, *messages(3, callback_url=crm.url + "?token=hunter2"))
        letters = wait_dead_callbacks(stand, 3)
        listed = stand.herald("callback", "list", check=True)
        assert "rejected" in listed.out and f"127.0.0.1:{crm.port}" in listed.out, listed.describe()
        shown = stand.herald("callback", "show", letters[0]["id"], check=True)
        assert letters[0]["message"] in shown.out and "410" in shown.out, shown.describe()
        assert "hunter2" not in listed.out + shown.out + worker.log() + json.dumps(letters)
        equal(stand.herald("callback", "show", "cb_0_0").status, 1, "an id that there is not")
        equal(stand.herald("callback", "replay").status, 2, "all of them without a reason")
        equal(stand.herald("callback", "purge", "--reason", "x").status, 1, "a purge that nobody confirms")
        equal(callbacks(stand)["dead"], 3, "dead")
        # One is replayed, and it is the same callback; one is purged.
        equal(stand.herald("callback", "replay", letters[0]["id"], "--json", check=True).json, {"replayed": 1, "unreadable": 0}, "replay")
        again = crm.wait(4)[3]
        equal((again.headers["webhook-id"], again.path), (letters[0]["id"], "/hook?token=hunter2"), "webhook-id")
        assert is_signed(again)
        equal(stand.herald("callback", "purge", letters[1]["id"], "--json", check=True).json, {"purged": 1}, "purge")
        equal(stand.herald("callback", "purge", letters[1]["id"]).status, 1, "a second time")
        elsewhere = ("callback", "replay", "--reason", "why", "--json", "--host")
        for other in ("other:443", "127.0.0.1:1", "127.0.0", "127.0.0.1:"):
            equal(stand.herald(*elsewhere, other, check=True).json, {"replayed": 0, "unreadable": 0}, "another host's")
        crm.answer(410)
        equal(stand.herald(*elsewhere, f"127.0.0.1:{crm.port}", check=True).json, {"replayed": 1, "unreadable": 0}, "this host's")
        crm.wait(5)
        wait_dead_callbacks(stand)
        equal(stand.herald(*elsewhere, "127.0.0.1", check=True).json, {"replayed": 1, "unreadable": 0}, "this host's, without a port")
        crm.wait(6)
        wait_quiet(stand)
        equal((callbacks(stand)["dead"], callbacks(stand)["delivered"]), (0, 2), "callbacks")
        entries = [json.loads(fields[1]) for _, fields in stand.redis.call("XRANGE", KEY + "audit", "-", "+")]
        found = [(entry["what"], entry["count"]) for entry in entries if entry["what"].startswith("callback")]
        equal(found, [("callback_replay", 1), ("callback_purge", 1), ("callback_replay", 1), ("callback_replay", 1)], "audit")


def test_what_is_no_callback_stays_dead_until_it_is_purged():
    texts = {"cb_1_1_1": "junk", "cb_1_1_2": "[]", "cb_1_1_3": '{"url":7}', "cb_1_1_4": '{"failure":{"reason":"other"}}',
             "cb_1_1_5": '{"attempts":"x","failure":{"at":1},"url":""}'}
    why = ("--reason", "who was it?", "--json")
    with telling() as (stand, worker):
        for name, text in texts.items():
            stand.redis.call("HSET", KEY + "callbacks:jobs", name, text)
            stand.redis.call("ZADD", KEY + "callbacks:of:crm.example.org", "0", name)
        stand.redis.call("ZADD", KEY + "callbacks:hosts", "0", "crm.example.org")
        letters = wait_dead_callbacks(stand, len(texts))
        equal({letter["id"]: letter["reason"] for letter in letters}, dict.fromkeys(texts, "unreadable"), "reasons")

        def counters():
            found = stand.herald("callback", "list", "--json", check=True).json["counters"]
            return {name: found[name] for name in found if name in ("replayed", "purged") or name.startswith("dead:")}

        equal(counters(), {"dead:unreadable": len(texts)}, "counters")
        for which in ((), ("--cause", "unreadable"), ("--host", "?")):
            result = stand.herald("callback", "replay", *which, *why)
            equal((result.status, result.json), (1, {"replayed": 0, "unreadable": len(texts)}), f"replay {which}")
        result = stand.herald("callback", "replay", "cb_1_1_1", "cb_0_0")
        assert result.status == 1 and "1 cannot be read" in result.err, result.describe()
        equal((callbacks(stand)["dead"], counters()), (len(texts), {"dead:unreadable": len(texts)}), "kept")
        entries = [json.loads(fields[1]) for _, fields in stand.redis.call("XRANGE", KEY + "audit", "-", "+")]
        equal([entry for entry in entries if entry["what"] == "callback_replay"], [], "audit")
        # One that somebody has repaired goes back.
        worker.kill()
        good = {"attempts": 0, "since": 1, "url": "https://crm.example.org/", "type": "message.sent", "at": 1, "data": {"id": "m"}}
        stand.redis.call("HSET", KEY + "callbacks:jobs", "cb_1_1_5", json.dumps(good, separators=(",", ":")))
        result = stand.herald("callback", "replay", *why)
        equal((result.status, result.json), (3, {"replayed": 1, "unreadable": len(texts) - 1}), "one of them")
        purged = stand.herald("callback", "purge", "--cause", "unreadable", "--yes", *why, check=True)
        equal(purged.json, {"purged": len(texts) - 1}, "purge")
        equal(counters(), {"replayed": 1, "purged": len(texts) - 1}, "counters")


def test_more_than_may_wait_are_dropped_counted_and_said():
    with Receiver(always=threading.Event()) as crm, telling("--callback-max", "50", "--callback-timeout", "60s") as (stand, worker):
        wait_until(lambda: stand.redis.call("HGET", KEY + "callbacks:settings", "max"), "the setting")
        push(stand, *messages(120, callback_url=crm.url))
        wait_sent(stand, 120)
        now = callbacks(stand)
        equal((now["waiting"] + now["in_flight"], now["dropped"]), (50, 70), "callbacks")
        worker.wait_for("callbacks are dropped")
        assert "70 were dropped" in stand.herald("status", check=True).out


if __name__ == "__main__":
    tap.run(globals())
