#!/usr/bin/python3
"""The pages that a worker and a gateway have for those who run them: /healthz, /readyz and /metrics."""

import pathlib
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, messages, push
from http_client import Client, Wire, head
from scrape import metrics_of
from stand import ROOT, SLOWNESS, Stand, free_port, program, wait_until
from tap import equal

ALL_OF_A_WORKER = {"redis": "ok", "token": "ok", "lease": "ok", "running": "ok"}
ALL_OF_A_GATEWAY = {"redis": "ok", "running": "ok"}


def port_of(process):
    return int(process.admin.rpartition(":")[2])


def page(process, path, method="GET"):
    with Client(port_of(process)) as client:
        return client.request(method, path)


def wait_status(process, status, path="/readyz"):
    """Waits until the page is answered with this status; returns its checks."""
    answers = []

    def answered():
        answers[:] = [page(process, path)]
        return answers[0].status == status

    wait_until(answered, lambda: f"{path} to answer {status}: {answers}", seconds=30)
    return answers[0].json.get("checks")


def both(stand):
    """A worker and a gateway that are ready, each with what its checks say then."""
    return (stand.worker().wait_ready(), ALL_OF_A_WORKER), (stand.gateway(), ALL_OF_A_GATEWAY)


def test_what_can_do_its_work_is_alive_and_ready():
    with Stand() as stand:
        stand.sandbox()
        for process, checks in both(stand):
            equal(wait_status(process, 200), checks, f"checks of the {process.name}")
            health = page(process, "/healthz")
            equal((health.status, health.json), (200, {"status": "alive"}), "health")
            equal(health.type, "application/json", "type")
            equal(health.headers["Cache-Control"], "no-store", "cache")


def test_without_Redis_it_is_alive_and_not_ready_and_ready_again_when_Redis_is_back():
    with Stand() as stand:
        stand.sandbox()
        pair = both(stand)
        for process, checks in pair:
            wait_status(process, 200)
        stand.redis.stop()
        for process, checks in pair:
            found = wait_status(process, 503)
            assert "away" in found["redis"], found
            equal(page(process, "/healthz").status, 200, "health without Redis")
        stand.redis.start()
        for process, checks in pair:
            equal(wait_status(process, 200), checks, f"checks of the {process.name}")


def test_a_Redis_that_does_not_answer_makes_nobody_wait_for_long():
    with Stand() as stand:
        stand.sandbox()
        pair = both(stand)
        for process, _ in pair:
            wait_status(process, 200)
        stand.redis.pause()
        for process, _ in pair:
            assert "does not answer" in wait_status(process, 503)["redis"]
            equal(page(process, "/healthz").status, 200, "health")
        stand.redis.resume()
        for process, checks in pair:
            equal(wait_status(process, 200), checks, f"checks of the {process.name}")


def test_a_worker_whose_token_is_refused_is_not_ready():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker(env={"GENESYS_CLIENT_SECRET": "wrong-and-secret"}).wait_ready()
        worker.wait_for("sending is paused: no token")
        checks = wait_status(worker, 503)
        equal((checks["redis"], checks["lease"]), ("ok", "ok"), "the other checks")
        assert "no token" in checks["token"], checks
        assert "wrong-and-secret" not in str(checks)


def test_a_worker_that_has_lost_its_lease_is_not_ready():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker("--lease", "2s", "--timeout", "1s").wait_ready()
        wait_status(worker, 200)
        stand.redis.pause()
        wait_until(lambda: page(worker, "/readyz").json["checks"]["lease"] != "ok", "the lease to run out", seconds=30)
        stand.redis.resume()
        wait_status(worker, 200)


def test_only_GET_and_HEAD_of_known_paths_are_answered():
    with Stand() as stand:
        stand.sandbox()
        for process, _ in both(stand):
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
                refused = page(process, "/healthz", method)
                equal((refused.status, refused.headers["Allow"]), (405, "GET, HEAD"), method)
            for path in ("/", "/metric", "/healthz/", "/readyz/../healthz", "//healthz", "/v1/status"):
                equal(page(process, path).status, 404, path)
            equal(page(process, "/healthz?verbose=1").status, 200, "with a query")
            found = page(process, "/healthz", "HEAD")
            equal((found.status, found.body), (200, b""), "HEAD")
            with Client(port_of(process)) as client:
                equal(client.request("GET", "/healthz", b"x" * 10).status, 413, "with a body")


def test_what_is_no_request_ends_its_connection_and_nothing_else():
    with Stand() as stand:
        stand.sandbox()
        for process, _ in both(stand):
            for data in (b"\0" * 5000, b"GET\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: h\r\nA: " + b"a" * 9000):
                wire = Wire(port_of(process))
                wire.send(data)
                wire.socket.settimeout(30 * SLOWNESS)
                try:
                    while wire.socket.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
                wire.socket.close()
            equal(page(process, "/healthz").status, 200, "health")


def test_many_silent_connections_keep_nobody_out():
    with Stand() as stand:
        stand.sandbox()
        for process, _ in both(stand):
            held = [Wire(port_of(process)) for _ in range(200)]
            for wire in held[::2]:
                wire.send(head("GET", "/healthz")[:-3])
            for _ in range(5):
                equal(page(process, "/readyz").status, 200, "readiness beside 200 silent connections")
            for wire in held:
                wire.socket.close()


def test_what_a_worker_counts_is_what_Genesys_got():
    with Stand() as stand:
        sandbox = stand.sandbox("--latency", "2ms")
        sandbox.script([{"match": {"to": flow.number(7)}, "do": "400"}, {"do": "503", "times": 3}, {"do": "504-after"}, {"do": "429"}])
        push(stand, *messages(40), b'{"broken', message(41, metadata={}), message(42, payload={"toAddress": "nobody"}))
        worker = stand.worker(*QUICK).wait_ready()
        flow.wait_settled(stand, 43)
        found = metrics_of(worker)
        summary = sandbox.summary()
        equal(found.sum("herald_attempts_total", outcome="sent"), flow.count(stand, "sent"), "sent")
        equal(summary["accepted"] - found.sum("herald_attempts_total", outcome="sent"), 1, "accepted and answered 504")
        requests = found.sum("herald_attempts_total") - found.sum("herald_answers_total", verdict="withheld")
        equal(requests, summary["requests"], "requests")
        equal(found.sum("herald_answers_total", verdict="unavailable"), 3, "503s")
        equal(found.sum("herald_answers_total", verdict="rate_limited"), 1, "429s")
        equal(found.sum("herald_pauses_total", cause="rate"), 1, "pauses")
        reasons = {reason: found.sum("herald_dead_letters_total", reason=reason)
                   for reason in ("json_invalid", "consent_missing", "address_invalid", "rejected", "other")}
        equal(reasons, {"json_invalid": 1, "consent_missing": 1, "address_invalid": 1, "rejected": 1, "other": 0}, "deaths")
        equal(found.sum("herald_dead_letters_total"), 4, "dead letters in all")
        equal(found.one("herald_dead_messages"), 4, "dead letters that are kept")
        equal(found.one("herald_api_latency_seconds_count", route="agentless"), summary["requests"], "latencies")
        equal(found.one("herald_queue_wait_seconds_count"), flow.count(stand, "sent"), "waits")
        equal(found.one("herald_token_fetches_total", result="ok"), 1, "tokens")
        equal((found.one("herald_redis_up"), found.one("herald_workers"), found.one("herald_token_valid")), (1, 1, 1), "up")
        assert found.one("herald_redis_step_seconds_count", step="sent") >= 1


def test_depths_and_what_could_be_sent_are_those_of_the_moment():
    with Stand() as stand:
        stand.sandbox()
        worker = stand.worker("--rate", "7/1h").wait_ready()
        push(stand, *messages(2))
        flow.wait_sent(stand, 2)
        stand.redis.call("SET", flow.KEY + "hold", f"{2 * 10**13} a test")
        push(stand, *messages(10, first=3))
        push(stand, *messages(3, first=20), priority="high")

        def look(**expected):
            names = {name: (("herald_ready_messages", {"priority": name}) if name in ("high", "normal", "low")
                            else (f"herald_{name}", {})) for name in expected}
            got = {}

            def is_so():
                found = metrics_of(worker)
                got.update({name: found.one(metric, **labels) for name, (metric, labels) in names.items()})
                return got == expected

            wait_until(is_so, lambda: f"{expected}, got {got}")

        look(high=3, normal=10, low=0, backlog_sendable=0, window_used_requests=2, window_limit_requests=7)
        wait_until(lambda: metrics_of(worker).one("herald_oldest_ready_age_seconds", priority="high") > 0, "an age")
        stand.redis.call("DEL", flow.KEY + "hold")
        flow.wait_sent(stand, 7)
        look(high=0, normal=8, backlog_sendable=0, window_used_requests=7, hold_seconds=0)


def test_without_a_worker_the_gateway_says_how_much_could_be_sent():
    with Stand() as stand:
        stand.sandbox()
        few, many = stand.gateway("--rate", "7/1h"), stand.gateway("--rate", "unlimited")
        push(stand, *messages(10))
        for gateway, sendable in ((few, 7), (many, 10)):
            wait_until(lambda: metrics_of(gateway).one("herald_backlog_sendable") == sendable, f"{sendable} that could be sent")
        equal((metrics_of(few).one("herald_workers"), metrics_of(few).one("herald_window_limit_requests")), (0, 7), "workers, limit")
        assert "herald_window_limit_requests" not in metrics_of(many).names
        stand.worker("--rate", "7/1h")
        flow.wait_sent(stand, 7)
        wait_until(lambda: metrics_of(few).one("herald_window_used_requests") == 7, "the window to be full")
        equal(metrics_of(few).one("herald_backlog_sendable"), 0, "sendable of a full window")


def test_the_audit_s_age_and_what_was_cut_off_are_those_of_herald_status():
    with Stand() as stand:
        stand.sandbox()
        gateway = stand.gateway()
        wait_until(lambda: metrics_of(gateway).one("herald_redis_up") == 1, "an answer of Redis")
        names = ("backlog_entries", "oldest_age_seconds", "cut_entries")

        def look():
            return [metrics_of(gateway).one(f"herald_audit_{name}") for name in names]

        equal(look(), [0, 0, 0], "of an audit that is empty")
        old = int(stand.redis.call("TIME")[0]) - 90
        for index in range(5):
            stand.redis.call("XADD", flow.KEY + "audit", f"{old * 1000}-{index + 1}", "e", "{}")
        stand.redis.call("XTRIM", flow.KEY + "audit", "MAXLEN", 3)
        wait_until(lambda: look()[0] == 3, "three entries")
        kept, age, cut = look()
        assert 90 <= age < 1000, age
        told = stand.status()["audit"]
        equal((kept, cut), (told["kept"], told["cut"]), "the same in herald status")
        assert told["oldest_ms"] >= 90_000, told
        equal(cut, 2 if "entries-added" in str(stand.redis.call("XINFO", "STREAM", flow.KEY + "audit")) else 0, "cut off")
        stand.herald("audit", "export", "--to", stand.path("out"), check=True)
        wait_until(lambda: look()[0] == 0, "the export")
        equal(look()[1:], [0, cut], "of one that was exported")


def test_every_callback_that_nobody_will_get_is_counted_as_dropped():
    with Stand() as stand:
        gateway = stand.gateway()
        stand.redis.call("HSET", flow.KEY + "callbacks:counts", "dropped", 1, "forgotten", 2)
        stand.redis.call("HSET", flow.KEY + "counts", "callbacks_lost", 4)
        wait_until(lambda: metrics_of(gateway).one("herald_dropped_callbacks") == 7, "all three kinds")


def test_what_stands_on_a_list_cannot_hurt_the_numbers():
    now = int(time.time() * 1000)
    tails = [b"", b"{", b"\0" * 100, b'{"herald":7}', b'{"herald":{"accepted_at":"x"}}', b'{"herald":{"accepted_at":-1}}',
             b'{"herald":{"accepted_at":1e300}}', b"[" * 5000, b'{"herald":{"accepted_at":%d}}' % (now + 10**9),
             b'{"a":"' + b"x" * 3_000_000 + b'"}', b'{"herald":{"accepted_at":1.5e12}}']
    with Stand() as stand:
        gateway = stand.gateway()
        for tail in tails:
            stand.redis.call("RPUSH", flow.READY, tail)

            def is_seen():
                found = metrics_of(gateway)
                return found.one("herald_ready_messages", priority="normal") == tails.index(tail) + 1 and found

            found = wait_until(is_seen, f"the length with {tail[:40]!r} as the next")
            age = found.one("herald_oldest_ready_age_seconds", priority="normal")
            assert (age > 10**6) == (tail == tails[-1]) and age >= 0, f"{tail[:40]!r} is {age} s old"
        stand.redis.call("RPUSH", flow.READY, b'{"herald":{"accepted_at":%d}}' % (now - 90_000))
        wait_until(lambda: 90 <= metrics_of(gateway).one("herald_oldest_ready_age_seconds", priority="normal") < 1000, "90 seconds")
        stand.redis.call("DEL", flow.READY)
        stand.redis.call("SET", flow.READY, "no list")
        wait_until(lambda: "herald_ready_messages" not in metrics_of(gateway).names, "no depths where a key is no list")
        equal((metrics_of(gateway).one("herald_redis_up"), page(gateway, "/readyz").status), (1, 200), "Redis is there")


def test_what_a_gateway_counts_is_what_its_clients_saw():
    with Stand() as stand:
        stand.sandbox()
        gateway = stand.gateway()
        with Client(gateway.port, stand.token) as client:
            statuses = [client.post("/v1/messages", item).status for item in (message(1), message(1), {"id": "x"}, message(2))]
            statuses += [client.get("/v1/nothing").status, client.get("/v1/messages/m1").status]
            status = client.get("/v1/status").json["gateway"]
        with Client(gateway.port, "wrong") as client:
            statuses += [client.post("/v1/messages", message(3)).status]
        equal(statuses, [202, 202, 422, 202, 404, 200, 401], "statuses")
        found = metrics_of(gateway)
        rows = {("/v1/messages", "202"): 3, ("/v1/messages", "422"): 1, ("/v1/messages", "401"): 1,
                ("/v1/messages/{}", "200"): 1, ("other", "404"): 1, ("/v1/status", "200"): 1}
        equal(found.by("herald_gateway_requests_total", "endpoint", "status", some=True), rows, "requests")
        equal(found.sum("herald_gateway_request_seconds_count"), 8, "times")
        results = {"accepted": 2, "repeated": 1, "refused": 1, "put_off": 0}
        equal(found.by("herald_gateway_messages_total", "result"), {(name,): n for name, n in results.items()}, "messages")
        equal({name: status[f"messages_{name}"] for name in results}, results, "the same in /v1/status")
        equal(found.one("herald_ready_messages", priority="normal"), 2, "backlog")


def test_webhooks_are_counted_by_what_became_of_them():
    with Stand() as stand:
        gateway = stand.gateway(env={"GENESYS_WEBHOOK_SECRET": "a-secret-of-the-webhook-0123456789"})
        with Client(gateway.port) as client:
            refused = client.post("/webhooks/genesys-messaging", {"id": "e1"}, headers={"X-Genesys-Signature": "sha256=00"})
        equal(refused.status, 401, "status")
        equal(metrics_of(gateway).one("herald_gateway_receipts_total", outcome="bad_signature"), 1, "bad signatures")


def test_without_Redis_the_own_numbers_are_there_and_those_of_Redis_are_not():
    with Stand() as stand:
        stand.sandbox()
        pair = both(stand)
        for process, _ in pair:
            assert "herald_ready_messages" in metrics_of(process).names
        stand.redis.stop()
        for process, _ in pair:
            wait_until(lambda: metrics_of(process).one("herald_redis_up") == 0, "herald_redis_up to be 0")
            found = metrics_of(process)
            assert "herald_ready_messages" not in found.names, "depths of a Redis that is away"
            assert "process_cpu_seconds_total" in found.names


def test_every_metric_of_the_table_is_shown_and_no_other():
    documented = re.findall(r"^\| `(\w+)` \| \w+ \| (both|worker|gateway) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    assert len(documented) > 40, documented
    with Stand() as stand:
        stand.sandbox()
        worker, gateway = stand.worker("--rate", "300/60s").wait_ready(), stand.gateway()
        with Client(gateway.port, stand.token) as client:
            client.post("/v1/messages", message(1))
        flow.wait_sent(stand, 1)
        for process, kind in ((worker, "worker"), (gateway, "gateway")):
            expected = {name for name, of in documented if of in ("both", kind)}
            equal(metrics_of(process).names, expected, f"metrics of the {kind}")


def test_docs_metrics_md_is_what_herald_metrics_prints():
    done = subprocess.run([program("herald"), "metrics", "--markdown"], capture_output=True, timeout=30 * SLOWNESS, check=True)
    equal((ROOT / "docs/metrics.md").read_text(), done.stdout.decode(), "docs/metrics.md")


def test_every_reason_of_the_wire_format_is_counted_by_its_name():
    section = (ROOT / "docs/wire-format.md").read_text().partition("### Reasons")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|(?!.*never a dead letter)", section, re.M))
    with Stand() as stand:
        stand.sandbox()
        found = metrics_of(stand.worker().wait_ready())
        equal({reason for (reason,) in found.by("herald_dead_letters_total", "reason")}, documented | {"other"}, "reasons")


def start(name, stand, **env):
    """Runs a program that is not to start; its status and what it said."""
    done = subprocess.run(
        [program(name)], env=stand.environment(env), capture_output=True, timeout=30 * SLOWNESS
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_an_address_that_cannot_be_had_is_said_at_the_start():
    with Stand() as stand, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name in ("herald-worker", "herald-gateway"):
            cases = [
                (f"127.0.0.1:{port}", 1, f"cannot listen on 127.0.0.1:{port}: Address already in use"),
                ("9464", 2, "--admin must be an address"),
                ("127.0.0.1:99999", 2, "--admin must be an address"),
            ]
            for address, expected, words in cases:
                status, said = start(name, stand, HERALD_ADMIN=address, HERALD_LISTEN=f"127.0.0.1:{free_port()}")
                equal(status, expected, f"status of {name} with {address}: {said}")
                assert words in said, said


def test_off_listens_nowhere_and_several_of_the_default_start_side_by_side():
    with Stand() as stand:
        stand.sandbox()
        quiet = stand.worker(env={"HERALD_ADMIN": "off"}).wait_ready()
        equal(listening(quiet), 0, "listening sockets")
        for worker in [stand.worker(env={"HERALD_ADMIN": "auto"}) for _ in range(2)]:
            worker.wait_ready()
            assert listening(worker) == 1 or "the usual port is taken" in worker.log(), worker.log()


def listening(process):
    """How many sockets of TCP a program listens on."""
    inodes = {str(link.readlink()) for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "0A" and f"socket:[{row[9]}]" in inodes for row in rows)


if __name__ == "__main__":
    tap.run(globals())
