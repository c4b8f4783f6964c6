#!/usr/bin/python3
"""herald-gateway as its clients see it: enqueue, keys, states, campaigns, rights, browsers, back-pressure, stopping."""

import hashlib
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, messages, wait_sent
from http_client import Client, Wire, head, in_parallel
from stand import SLOWNESS, Stand, free_port, program, wait_until
from tap import equal

READ, WRITE, RUN = (f"{word}-token-0123456789abcdef" for word in ("read", "write", "run"))
PAGE = "https://crm.example.com"


def on_list(stand, priority="normal"):
    return [json.loads(item) for item in reversed(stand.redis.call("LRANGE", flow.LISTS[priority], 0, -1))]


def client_of(stand, gateway=None, token=None):
    return Client((gateway or stand.gateway()).port, token or stand.token)


def accepted(stand):
    return flow.count(stand, "accepted")


def bare(index, **fields):
    """A message without an id of its own."""
    return message(index, id=None, **fields)


# --- enqueue ---


def test_a_message_is_on_its_list_when_yes_is_said():
    with Stand() as stand, client_of(stand) as client:
        answer = client.post("/v1/messages", bare(1, priority="high", labels={"a": "b"}))
        equal((answer.status, answer.json["status"], answer.type), (202, "accepted", "application/json"), "answer")
        [item] = on_list(stand, "high")
        equal((item["id"], item["payload"], item["labels"]), (answer.json["id"], message(1)["payload"], {"a": "b"}), "item")
        uuid.UUID(answer.json["id"])
        equal(client.post("/v1/messages", message(2)).json, {"status": "accepted", "id": "m2"}, "its own id")
        later = int(time.time() * 1000) + 3600_000
        client.post("/v1/messages", message(3, send_at=later))
        equal(stand.redis.call("ZSCORE", flow.KEY + "delayed", stand.redis.call("ZRANGE", flow.KEY + "delayed", 0, 0)[0]),
              str(later).encode(), "due")
        tutorial = message(4)["payload"] | {"metadata": {"consentVerified": True}}
        equal(client.post("/v1/messages", tutorial).status, 202, "a bare payload")
        places = {name: count for name, count in stand.status()["places"].items() if count}
        equal(places, {"ready": 3, "delayed": 1}, "places")


def test_an_array_is_answered_item_by_item_in_its_order():
    with Stand() as stand, client_of(stand) as client:
        items = messages(300)
        answer = client.post("/v1/messages", items)
        equal((answer.status, answer.json["accepted"]), (202, 300), "all")
        equal([item["id"] for item in answer.json["items"]], [item["id"] for item in items], "ids")
        equal([item["id"] for item in on_list(stand)], [item["id"] for item in items], "order on the list")
        bad = [message(400), message(401, payload={"toAddress": "nobody"}), message(402, metadata={}),
               message(403)["payload"] | {"metadata": {"consentVerified": True}, "textBody": ""}, message(404)]
        answer = client.post("/v1/messages", bad)
        found = [(item.get("id"), item.get("code"), item.get("pointer")) for item in answer.json["items"]]
        equal(found, [("m400", None, None), (None, "address_invalid", "/1/payload/toAddress"),
                      (None, "consent_missing", "/2/metadata/consentVerified"), (None, "text_missing", "/3/textBody"),
                      ("m404", None, None)], "items")
        equal((answer.status, answer.json["accepted"], answer.json["refused"], accepted(stand)), (207, 2, 3, 302), "sums")
        equal(client.post("/v1/messages", bad[1:3]).status, 422, "none was accepted")


def test_what_herald_keeps_for_itself_cannot_be_forged():
    with Stand() as stand, client_of(stand) as client:
        forged = message(1, herald={"accepted_at": 1, "attempts": 999, "redelivered": 3}, redelivered=5)
        equal(client.post("/v1/messages", forged).status, 202, "accepted")
        [item] = on_list(stand)
        equal(item["herald"].get("attempts", 0), 0, "attempts")
        assert item["herald"]["accepted_at"] > 1 and "redelivered" not in item, item


# --- keys ---


def test_a_repeated_key_is_answered_with_the_first_answer():
    with Stand() as stand, client_of(stand) as client:
        many = [bare(2), {}, bare(3)]
        for key, body in (("a", bare(1)), ("b", many), ("k" * 256, bare(4)), ("ä/ \t\x01".encode().decode("latin-1"), bare(5))):
            first = client.post("/v1/messages", body, key=key)
            again = client.post("/v1/messages", body, key=key)
            equal((again.status, again.body), (first.status, first.body), key[:5])
            equal(first.headers["Idempotency-Replayed"], None, "the first time")
            if first.status == 202:
                equal(again.headers["Idempotency-Replayed"], "true", "the second time")
        equal(accepted(stand), 5, "accepted")
        equal(flow.count(stand, "duplicates"), 5, "duplicates")
        items = [bare(6, idempotency_key="own"), bare(7), message(8)]
        first = client.post("/v1/messages", items)
        again = client.post("/v1/messages", items)
        same = [a == b for a, b in zip(first.json["items"], again.json["items"])]
        equal(same, [True, False, True], "without a key it is another message")


def test_a_key_with_another_message_is_refused():
    with Stand() as stand, client_of(stand) as client:
        equal(client.post("/v1/messages", bare(1), key="a").status, 202, "first")
        answer = client.post("/v1/messages", bare(2), key="a")
        equal((answer.status, answer.code), (422, "idempotency_key_reused"), "another message")
        answer = client.post("/v1/messages", [bare(1), bare(2), bare(3)], key="a")
        found = [item.get("code") for item in answer.json["items"]]
        equal((answer.status, found), (202, [None, None, None]), "the key stands for each by its place")
        answer = client.post("/v1/messages", [bare(1), bare(9), bare(3)], key="a")
        found = [item.get("code") for item in answer.json["items"]]
        equal((answer.status, found), (207, [None, "idempotency_key_reused", None]), "one of three is another")
        client.post("/v1/messages", bare(5, idempotency_key="own"))
        answer = client.post("/v1/messages", bare(6, idempotency_key="own"))
        equal((answer.status, answer.code, answer.json["pointer"]),
              (422, "idempotency_key_reused", "/idempotency_key"), "an item's own")
        equal(client.post("/v1/messages", [bare(7, idempotency_key="x"), bare(7, idempotency_key="x")]).json["items"][0],
              client.post("/v1/messages", bare(7, idempotency_key="x")).json, "twice in one array")


def test_the_same_key_of_two_clients_is_two_keys_and_cannot_be_forged():
    with Stand() as stand:
        gateway = stand.gateway(clients=[stand.client(), stand.client("shop", "enqueue", WRITE)])
        with client_of(stand, gateway) as crm, client_of(stand, gateway, WRITE) as shop:
            forged = "\ncrm\n0\nk"  # what a request's key might be kept as
            equal(shop.post("/v1/messages", bare(9, idempotency_key=forged)).status, 202, "forged")
            for key in ("k", "own"):
                first = crm.post("/v1/messages", bare(1), key=key)
                second = shop.post("/v1/messages", bare(2), key=key)
                equal((first.status, second.status), (202, 202), f"{first} {second}")
            equal(accepted(stand), 5, "accepted")
            # A message's own key is the organisation's, as with `herald enqueue`.
            equal(crm.post("/v1/messages", bare(3, idempotency_key="o")).json,
                  shop.post("/v1/messages", bare(3, idempotency_key="o")).json, "own keys")


def test_keys_are_shared_with_the_command_line_and_between_gateways():
    with Stand() as stand:
        one, two = stand.gateway(), stand.gateway()
        with client_of(stand, one) as first, client_of(stand, two) as second:
            equal(first.post("/v1/messages", bare(1), key="k").body, second.post("/v1/messages", bare(1), key="k").body, "key")
            stand.herald("enqueue", stdin=json.dumps(message(2)) + "\n", check=True)
            equal(second.post("/v1/messages", message(2)).json, {"status": "accepted"}, "by another way: no id is known")
            second.post("/v1/messages", message(3))
            stand.herald("enqueue", stdin=json.dumps(message(3)) + "\n")
            equal(accepted(stand), 3, "accepted")


def test_a_campaign_remembers_keys_by_itself():
    with Stand() as stand, client_of(stand) as client:
        for campaign in (None, "spring", "autumn"):
            for _ in range(2):
                equal(client.post("/v1/messages", bare(1, campaign=campaign), key="k").status, 202, f"{campaign}")
        equal(accepted(stand), 3, "accepted")


def test_parallel_repeats_of_one_key_are_one_message():
    with Stand() as stand:
        gateways, answers = [stand.gateway(), stand.gateway()], []

        def post(index):
            with client_of(stand, gateways[index % 2]) as client:
                answers.extend(client.post("/v1/messages", bare(1), key="k").body for _ in range(20))

        in_parallel(post, range(10))
        equal((len(answers), len(set(answers)), accepted(stand)), (200, 1, 1), "answers, different ones, accepted")


# --- messages and campaigns ---


def test_a_message_can_be_followed_through_its_life():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {"to": flow.number(2)}, "times": 0, "do": "400", "code": "x", "message": "no"}])
        with client_of(stand) as client:
            identity = client.post("/v1/messages", bare(1, campaign="spring")).json["id"]
            found = client.get(f"/v1/messages/{identity}").json
            equal((found["state"], found["campaign"], found["attempts"], found["delivery"], found["receipts"]),
                  ("accepted", "spring", 0, "pending", {}), "before")
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["accepted_at"]), found
            client.post("/v1/messages", message(2))
            equal(client.get("/v1/messages/none").status, 404, "nobody's id")
            stand.worker(*QUICK).wait_ready()
            wait_sent(stand, 1)
            found = client.get(f"/v1/messages/{identity}").json
            [entry] = [line for line in sandbox.ledger() if line["to"] == flow.number(1)]
            equal((found["state"], found["attempts"]), ("sent", 1), "sent")
            assert found["provider_id"] in json.dumps(entry), (found, entry)
            flow.wait_dead(stand)
            found = client.get("/v1/messages/m2").json
            equal((found["state"], found["reason"]), ("dead", "rejected"), "dead")


def test_a_campaign_is_looked_at_paused_resumed_and_cancelled():
    with Stand() as stand:
        stand.sandbox()
        with client_of(stand) as client:
            equal(client.get("/v1/campaigns/spring").status, 404, "unknown")
            equal(client.post("/v1/campaigns/spring/pause").status, 404, "unknown")
            client.post("/v1/messages", messages(5, campaign="spring"))
            found = client.get("/v1/campaigns/spring").json
            equal((found["id"], found["state"], found["accepted"], found["left"], found["percent"]),
                  ("spring", "running", 5, 5, 0), "before")
            equal(client.post("/v1/campaigns/spring/pause").json, {"id": "spring", "state": "paused", "moved": 0}, "paused")
            stand.worker(*QUICK).wait_ready()
            wait_until(lambda: client.get("/v1/status").json["places"]["parked"] == 5, "all to be held back")
            equal(client.get("/v1/campaigns/spring").json["state"], "paused", "state")
            equal(client.post("/v1/campaigns/spring/resume").json["moved"], 5, "moved")
            wait_until(lambda: client.get("/v1/campaigns/spring").json["sent"] == 5, "all to be sent")
            found = client.get("/v1/campaigns/spring").json
            equal((found["percent"], found["left"], found["seconds_left"]), (100.0, 0, 0), "after")
            for _ in range(2):
                equal(client.post("/v1/campaigns/spring/cancel").json["state"], "cancelled", "cancelled")
            answer = client.post("/v1/campaigns/spring/resume")
            equal((answer.status, answer.code), (409, "campaign_cancelled"), "for good")


def test_status_is_what_the_command_line_says():
    with Stand() as stand, client_of(stand) as client:
        client.post("/v1/messages", messages(3))
        over_http, printed = client.get("/v1/status").json, stand.status()
        equal({name: over_http[name] for name in ("org", "accepted", "places", "sum", "balanced")},
              {name: printed[name] for name in ("org", "accepted", "places", "sum", "balanced")}, "status")


# --- who may do what ---


def test_each_right_opens_its_own_paths_alone():
    asks = {
        "enqueue": [("POST", "/v1/messages", message(1))],
        "read": [("GET", "/v1/messages/m1", None), ("GET", "/v1/campaigns/c", None), ("GET", "/v1/status", None)],
        "operate": [("POST", f"/v1/campaigns/c/{verb}", None) for verb in ("pause", "resume", "cancel")],
    }
    with Stand() as stand:
        tokens = {"enqueue": WRITE, "read": READ, "operate": RUN}
        gateway = stand.gateway(clients=[stand.client(name, name, token) for name, token in tokens.items()])
        for own, token in tokens.items():
            with client_of(stand, gateway, token) as client:
                for right, requests in asks.items():
                    for method, path, body in requests:
                        answer = client.request(method, path, body)
                        equal(answer.status == 403, right != own, f"{own}: {method} {path}: {answer}")
                        if right != own:
                            equal(answer.code, "forbidden", path)


def test_only_a_whole_token_of_a_client_opens():
    with Stand() as stand:
        gateway, token = stand.gateway(), stand.token
        wrong = (None, "", "Bearer", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Bearer {token[:19]}",
                 f"Bearer {token.upper()}", f"Basic {token}", token, f"Bearer{token}", f"Bearer {token}, {token}",
                 f"Bearer {hashlib.sha256(token.encode()).hexdigest()}", "Bearer " + "x" * 2000)
        with Client(gateway.port) as client:
            for header in wrong:
                answer = client.get("/v1/status", Authorization=header)
                equal((answer.status, answer.headers["WWW-Authenticate"]), (401, "Bearer"), f"{header}")
            for header in (f"Bearer {token}", f"bearer {token}", f"BEARER {token}", f"  Bearer {token}  "):
                equal(client.get("/v1/status", Authorization=header).status, 200, header)
            answer = client.get(f"/v1/status?access_token={token}")
            equal(answer.status, 401, "a token in the path")
        assert token not in gateway.log(), "the token is in the log"


def test_client_new_makes_a_token_that_opens():
    with Stand() as stand:
        for rights, expected in ((None, (202, 200, 403)), ("enqueue", (202, 403, 403)), ("operate,read", (403, 200, 404))):
            made = stand.herald("client", "new", "shop", *(("--rights", rights) if rights else ()), check=True).out
            token, entry = re.findall(r"^([\w-]{43}|shop:\S+)$", made, re.MULTILINE)
            with client_of(stand, stand.gateway(clients=[entry]), token) as client:
                found = (client.post("/v1/messages", bare(1)).status, client.get("/v1/status").status,
                         client.post("/v1/campaigns/c/pause").status)
                equal(found, expected, f"{rights}")
        tokens = {stand.herald("client", "new", "shop", check=True).out for _ in range(20)}
        equal(len(tokens), 20, "different ones")
        for arguments in (("a b",), ("x" * 33,), ("",), ("a:b",), ("a", "--rights", "fly"), ("a", "--rights", ""),
                          ("a", "--rights", "read,read"), ("a", "b"), ()):
            result = stand.herald("client", "new", *arguments)
            equal((result.status, result.out), (2, ""), result.describe())


def test_pages_of_the_list_may_call_from_a_browser():
    with Stand() as stand:
        gateway = stand.gateway("--cors-origins", f"{PAGE},https://other.example:8443")
        with client_of(stand, gateway) as client, Client(gateway.port) as browser:
            ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            for page in (PAGE, "https://other.example:8443"):
                answer = browser.request("OPTIONS", "/v1/messages", None, {**ask, "Origin": page})
                equal((answer.status, answer.body), (204, b""), "preflight")
                equal(answer.headers["Access-Control-Allow-Origin"], page, "origin")
                equal(answer.headers["Access-Control-Allow-Methods"], "POST", "methods")
                assert "Authorization" in answer.headers["Access-Control-Allow-Headers"], answer
                equal(answer.headers["Vary"], "Origin", "vary")
                answer = client.post("/v1/messages", bare(1), headers={"Origin": page})
                equal((answer.status, answer.headers["Access-Control-Allow-Origin"]), (202, page), "the request itself")
                answer = browser.post("/v1/messages", bare(1), headers={"Origin": page})
                equal((answer.status, answer.headers["Access-Control-Allow-Origin"]), (401, page), "its refusal can be read")
            for page in ("https://crm.example.com.evil.example", "https://crm.example", "http://crm.example.com", "null",
                         f"{PAGE},https://other.example:8443", f"{PAGE}, x", "", "*", "https://", PAGE + "/"):
                answer = browser.request("OPTIONS", "/v1/messages", None, {**ask, "Origin": page})
                equal((answer.status, answer.headers["Access-Control-Allow-Origin"]), (403, None), page)
                answer = client.get("/v1/status", Origin=page)
                equal(answer.headers["Access-Control-Allow-Origin"], None, page)
            equal(browser.request("OPTIONS", "/nowhere", None, {**ask, "Origin": PAGE}).status, 403, "no such path")


# --- back-pressure ---


def test_above_max_backlog_503_says_when_to_come_again():
    with Stand() as stand, client_of(stand, stand.gateway("--max-backlog", "5")) as client:
        answer = client.post("/v1/messages", messages(8))
        equal((answer.status, answer.json["accepted"], answer.json["put_off"]), (207, 5, 3), "to the edge")
        equal([item.get("code") for item in answer.json["items"]], [None] * 5 + ["backlog_full"] * 3, "in order")
        assert int(answer.headers["Retry-After"]) > 0, answer
        answer = client.post("/v1/messages", bare(9), key="k")
        equal((answer.status, answer.code), (503, "backlog_full"), "one more")
        assert int(answer.headers["Retry-After"]) > 0, answer
        equal(client.get("/v1/messages/m1").status, 200, "looking goes on")
        equal(client.post("/v1/messages", message(1)).json, {"status": "accepted", "id": "m1"}, "a repeat needs no room")
        found = client.post("/v1/messages", messages(8)).json
        equal((found["accepted"], found["put_off"]), (5, 3), "the same again: those that are in are in")
        stand.redis.call("RPOP", flow.READY)
        equal(client.post("/v1/messages", bare(9), key="k").status, 202, "when there is room")


def test_max_backlog_is_exact_with_many_clients_and_gateways():
    with Stand() as stand:
        gateways, statuses = [stand.gateway("--max-backlog", "100") for _ in range(2)], []

        def post(index):
            with client_of(stand, gateways[index % 2]) as client:
                statuses.extend(client.post("/v1/messages", bare(index)).status for _ in range(25))

        in_parallel(post, range(8))
        equal((statuses.count(202), statuses.count(503)), (100, 100), "yes and no")
        equal(len(on_list(stand)), 100, "on the list")


# --- start and stop ---


def start(stand, *flags, **env):
    """A gateway that ends by itself; (status, what it said)."""
    settings = {"HERALD_LISTEN": f"127.0.0.1:{free_port()}", "HERALD_CLIENTS": stand.client(), **env}
    done = subprocess.run([program("herald-gateway"), *flags], env=stand.environment(settings), capture_output=True,
                          timeout=30 * SLOWNESS)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_a_start_that_cannot_work_says_why():
    token = "0" * 64
    with Stand() as stand, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        cases = [
            (("--listen", f"127.0.0.1:{port}"), 1, f"cannot listen on 127.0.0.1:{port}: Address already in use"),
            (("--redis", "redis://127.0.0.1:1/0"), 4, "is --redis (HERALD_REDIS_URL) right?"),
            (("--redis", "redis://127.0.0.1:1/0", "--listen", "nowhere:99999"), 2, "--listen"),
            (("--redis", "http://127.0.0.1"), 2, "redis"),
            (("--org", "a b"), 2, "--org"),
            (("extra",), 2, "only options"),
            (("--bogus",), 2, "bogus"),
            (("--threads", "0"), 2, "threads"),
        ]
        for address in ("", "x", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:65536", "127.0.0.1:-1",
                        "127.0.0.1:http", "127.0.0.1: 80", "no.such.host.invalid:80", "999.0.0.1:80", "x" * 300 + ":80"):
            cases.append((("--listen", address), 2, "--listen"))
        for entry in ("x", "a:b", f"a:read:{token[:-1]}", f"a:read:{token}0", f"a:fly:{token}", f"a::{token}",
                      f":read:{token}", f"a b:read:{token}", f"{'a' * 33}:read:{token}", f"a:read+read:{token}",
                      f"a:read:{token} a:read:{'1' * 64}", f"a:read:{token} b:read:{token}", f"a:read:{'g' * 64}",
                      " ".join(f"c{index}:read:{index:064}" for index in range(257))):
            cases.append((("--clients", entry), 2, "--clients"))
        for flags, status, words in cases:
            found, said = start(stand, *flags)
            equal(found, status, f"{flags}: {said}")
            assert words in said, (flags, said)
        found, said = start(stand, "--help")
        assert found == 0 and "--max-backlog" in said and "--clients" in said, said
        equal(start(stand, "--version")[0], 0, "version")


def test_the_first_request_after_ready_is_served():
    with Stand() as stand:
        for _ in range(5):
            gateway = stand.gateway("--threads", "4")
            statuses = []
            in_parallel(lambda index: statuses.append(client_of(stand, gateway).post("/v1/messages", bare(index)).status), range(8))
            equal(set(statuses), {202}, "from the first moment")
            equal(gateway.terminate(), 0, "exit status")


def test_a_stop_while_requests_run_loses_no_yes():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Stand(appendfsync="always") as stand:
            gateway, said_yes, statuses = stand.gateway(), set(), set()

            def write(first):
                with client_of(stand, gateway) as client:
                    for index in range(first, 10**6, 8):
                        try:
                            answer = client.post("/v1/messages", message(index))
                        except (OSError, http.client.HTTPException) as error:
                            assert "timed out" not in str(error), error
                            return
                        statuses.add(answer.status)
                        if answer.status == 202:
                            said_yes.add(answer.json["id"])
                        else:
                            equal((answer.status, answer.code), (503, "stopping"), "no")
                            return

            threads = [threading.Thread(target=write, args=(first,), daemon=True) for first in range(8)]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(said_yes) > 100, "100 to be accepted")
            gateway.signal(number)
            equal(gateway.wait(), 0, "exit status")
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive(), "a client still waits"
            found = [item["id"] for item in on_list(stand)]
            equal(said_yes - set(found), set(), "said yes to and gone")
            equal(len(found), len(set(found)), "each once")


def test_a_request_under_way_is_finished_within_the_drain():
    body = json.dumps(message(1)).encode()
    with Stand() as stand:
        gateway = stand.gateway("--threads", "1")  # one thread reads what comes in in its order
        with Wire(gateway.port) as wire, Wire(gateway.port) as idle:
            wire.send(head("POST", "/v1/messages", stand.token, "Content-Type: application/json", f"Content-Length: {len(body)}"))
            wire.send(body[:20])
            equal(Client(gateway.port).get("/nowhere").status, 404, "its headers were read before this")
            gateway.signal(signal.SIGTERM)
            assert idle.is_closed(5 * SLOWNESS), "an idle connection is not waited for"
            assert gateway.running, "it waits for the request"
            answer = wire.send(body[20:]).answer()
            equal((answer.status, answer.headers["Connection"]), (202, "close"), "finished")
            equal(gateway.wait(), 0, "exit status")
        equal(accepted(stand), 1, "accepted")


def test_a_SIGHUP_hurries_no_drain():
    body = json.dumps(message(1)).encode()
    with Stand() as stand:
        gateway = stand.gateway("--threads", "1")
        with Wire(gateway.port) as wire:
            wire.send(head("POST", "/v1/messages", stand.token, "Content-Type: application/json", f"Content-Length: {len(body)}"))
            wire.send(body[:20])
            equal(Client(gateway.port).get("/nowhere").status, 404, "its headers were read before this")
            gateway.signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in gateway.log(), "the first to be noticed")
            gateway.signal(signal.SIGHUP)
            wait_until(lambda: not is_pending(gateway.pid, signal.SIGHUP), "the second to be taken")
            assert not wire.is_closed(0.2), "the request under way was cut off"
            equal(wire.send(body[20:]).answer().status, 202, "finished")
            equal(gateway.wait(), 0, "exit status")


def is_pending(pid, number):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^ShdPnd:\s+(\w+)$", status, re.MULTILINE).group(1), 16) >> (number - 1) & 1


def test_jobs_that_take_long_keep_the_others_waiting_but_not_out():
    """While Redis does not answer, more lists of dead letters are asked for than are let wait: the status is not told `busy`."""
    with Stand() as stand:
        gateway = stand.gateway("--threads", "1")  # one thread reads what comes in in its order
        stand.redis.pause()
        lists = [Wire(gateway.port).send(head("GET", "/v1/dead", stand.token)) for _ in range(40)]
        status = Wire(gateway.port).send(head("GET", "/v1/status", stand.token))
        equal(Client(gateway.port).get("/nowhere").status, 404, "all are read")
        refused = [wire.answer().status for wire in lists if wire.has_said()]
        stand.redis.resume()
        equal(status.answer().status, 200, "the status")
        assert 503 in refused, "so many long jobs were let wait that this test shows nothing"


def test_a_drain_that_is_over_or_a_second_signal_ends_what_is_left():
    for flags, signals in ((("--drain", "1s"), 1), (("--drain", "10m"), 2)):
        with Stand() as stand:
            gateway = stand.gateway("--threads", "1", *flags)
            with Wire(gateway.port) as wire, client_of(stand, gateway) as client:
                wire.send(head("POST", "/v1/messages", stand.token, "Content-Type: application/json", "Content-Length: 9"))
                equal(client.get("/nowhere").status, 404, "its headers were read before this")
                for _ in range(signals):
                    gateway.signal(signal.SIGTERM)
                    wait_until(lambda: "stopping" in gateway.log(), "the first to be noticed")
                equal(gateway.wait(10), 0, "exit status")
                equal(wire.rest(), b"", "no answer, and so no yes")


def test_a_stop_while_redis_does_not_answer_is_not_held_up_by_it():
    with Stand() as stand:
        gateway = stand.gateway("--drain", "1s", "--threads", "1")
        with client_of(stand, gateway) as client:
            equal(client.post("/v1/messages", message(1)).status, 202, "before")
        stand.redis.pause()
        paths = ["/v1/status", "/v1/campaigns/a", "/v1/messages/m1"]
        wires = [Wire(gateway.port).send(head("GET", path, stand.token)) for path in paths]
        for index in range(50):
            body = json.dumps(message(index)).encode()
            wires.append(Wire(gateway.port).send(
                head("POST", "/v1/messages", stand.token, "Content-Type: application/json", f"Content-Length: {len(body)}") + body))
        equal(Client(gateway.port).get("/nowhere").status, 404, "all are read")
        begun = time.monotonic()
        equal(gateway.terminate(), 0, "exit status")
        assert time.monotonic() - begun < 5 * SLOWNESS, f"took {time.monotonic() - begun:.1f} s"
        for wire in wires:
            answer = wire.answer()
            assert answer is None or answer.status == 503, answer
            wire.close()


def test_the_last_byte_of_a_body_at_the_very_end_does_no_harm():
    """What comes in after the drain is neither waited for nor answered with yes."""
    body = json.dumps(message(1)).encode()
    with Stand() as stand:
        for _ in range(5):
            gateway = stand.gateway("--drain", "10m", "--threads", "1")
            top = head("POST", "/v1/messages", stand.token, "Content-Type: application/json", f"Content-Length: {len(body)}")
            wires = [Wire(gateway.port).send(top + body[:-1]) for _ in range(100)]
            equal(Client(gateway.port).get("/nowhere").status, 404, "all are read")
            stand.redis.pause()
            gateway.signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in gateway.log(), "the first to be noticed")
            gateway.signal(signal.SIGTERM)
            for wire in wires:
                try:
                    wire.send(body[-1:])
                except OSError:
                    break
            equal(gateway.wait(10), 0, "exit status")
            stand.redis.resume()
            for wire in wires:
                wire.close()


if __name__ == "__main__":
    tap.run(globals())
