#!/usr/bin/python3
"""herald doctor, and what worker and gateway say at their start about a Redis that does not keep what it is given."""

import contextlib
import http.server
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from stand import Stand, free_port, wait_until
from tap import equal
from test_clock import clocks


def doctor(stand, *arguments, status=0, **more):
    """What it found, as {what: [(health, text), ...]}."""
    result = stand.herald("doctor", "--json", *arguments, **more)
    equal(result.status, status, f"exit status\n{result.describe()}")
    equal(result.json["well"], status == 0, "well")
    found = {}
    for finding in result.json["findings"]:
        found.setdefault(finding["what"], []).append((finding["health"], finding["text"]))
    return found


def only(found, what):
    equal(len(found.get(what, [])), 1, f"findings about {what} in {found}")
    return found[what][0]


@contextlib.contextmanager
def page(status, body):
    """A server that answers every GET so; yields its port and the list of paths asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def test_a_stand_that_is_well_is_found_well():
    with Stand(appendfsync="always") as stand:
        stand.sandbox()
        stand.worker().wait_ready()
        wait_until(lambda: stand.status()["workers"] and not stand.status()["workers"][0]["note"], "a worker with a token")
        found = doctor(stand)
        if "slow" in only(found, "redis")[1]:  # on a busy machine that is so, and right to be said
            found["redis"] = [("good", "")]
        equal({what: health for what, [(health, _)] in found.items()},
              dict.fromkeys(["redis", "persistence", "memory", "clock", "sum", "audit", "workers", "credentials"], "good"), "health")
        assert "appendfsync always" in only(found, "persistence")[1], found
        table = stand.herald("doctor", check=True).out
        assert "good     credentials" in table and "1, all with a lease" in table, table
        assert "sandbox-secret" not in table, table


def test_an_audit_that_nobody_exports_any_more_is_a_warning():
    with Stand() as stand:
        stand.sandbox()
        stand.herald("suppress", "add", "sms:+13175550199", "--reason", "asked", check=True)
        assert "never exported" in only(doctor(stand), "audit")[1]
        stand.herald("audit", "export", "--to", stand.path("audit"), check=True)
        health, text = only(doctor(stand), "audit")
        assert health == "warning" and "0 entries wait, and no exporter runs" in text, text


def test_nobody_sending_is_a_warning():
    with Stand() as stand:
        stand.sandbox()
        health, text = only(doctor(stand), "workers")
        equal(health, "warning", "health")
        assert "nothing is sent" in text, text


def test_redis_without_anything_on_disk_is_a_warning_that_says_what_is_at_risk():
    with Stand(appendonly=False) as stand:
        stand.sandbox()
        health, text = only(doctor(stand), "persistence")
        equal(health, "warning", "health")
        assert "every message, count and opt-out is lost" in text and "appendonly yes" in text, text
        worker = stand.worker().wait_ready()
        gateway = stand.gateway()
        for program in (worker, gateway):
            program.wait_for("messages are at risk")
            assert "keeps nothing on disk" in program.log(), program.log()


def test_an_evicting_redis_is_a_warning():
    with Stand(options=("--maxmemory-policy", "allkeys-lru")) as stand:
        stand.sandbox()
        health, text = only(doctor(stand), "persistence")
        equal(health, "warning", "health")
        assert "allkeys-lru" in text and "noeviction" in text, text
        worker = stand.worker().wait_ready()
        assert "allkeys-lru" in worker.log(), worker.log()
        gateway = stand.gateway()
        gateway.wait_for("allkeys-lru")


def test_a_redis_that_is_set_up_well_is_not_warned_of():
    with Stand() as stand:
        stand.sandbox()
        worker, gateway = stand.worker().wait_ready(), stand.gateway()
        assert "at risk" not in worker.log() + gateway.log(), worker.log() + gateway.log()


def test_what_redis_forbids_to_ask_is_unknown_and_no_error():
    with Stand() as stand:
        stand.sandbox()
        stand.redis.call("ACL", "SETUSER", "herald", "on", ">word", "~*", "&*", "+@all", "-config")
        env = {"HERALD_REDIS_URL": f"redis://herald:word@127.0.0.1:{stand.redis.port}/0"}
        health, text = only(doctor(stand, env=env), "persistence")
        equal(health, "unknown", "health")
        assert "CONFIG GET" in text, text
        stand.redis.call("ACL", "SETUSER", "herald", "-info")
        found = doctor(stand, env=env)
        equal([only(found, what)[0] for what in ("redis", "persistence", "memory")], ["unknown"] * 3, "health")
        equal(only(found, "sum")[0], "good", "the sum")
        worker = stand.worker(env=env).wait_ready()
        gateway = stand.gateway(env=env)
        for log in (worker.log(), gateway.log()):
            assert not any(word in log for word in ("at risk", "Redis is away", "NOPERM", '"error"')), log


def test_redis_out_of_reach_is_status_4():
    with Stand() as stand:
        stand.sandbox()
        env = {"HERALD_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
        equal(only(doctor(stand, status=4, env=env), "redis")[0], "away", "health")
        stand.redis.call("CONFIG", "SET", "requirepass", "word")
        health, text = only(doctor(stand, status=4), "redis")
        assert "wants a password" in text, text


def test_a_replica_is_the_wrong_redis():
    with Stand() as stand:
        stand.sandbox()
        stand.redis.call("REPLICAOF", "127.0.0.1", "1")
        health, text = only(doctor(stand, status=1), "redis")
        equal(health, "bad", "health")
        assert "replica" in text, text


def test_credentials_that_are_refused_are_bad_and_a_silent_login_host_is_away():
    with Stand() as stand:
        stand.sandbox()
        health, text = only(doctor(stand, status=1, env={"GENESYS_CLIENT_SECRET": "wrong-word"}), "credentials")
        equal(health, "bad", "health")
        assert "wrong-word" not in text, text
        found = doctor(stand, status=4, env={"GENESYS_LOGIN_URL": f"http://127.0.0.1:{free_port()}"})
        equal(only(found, "credentials")[0], "away", "health")
        found = doctor(stand, env={"GENESYS_CLIENT_ID": None, "GENESYS_CLIENT_SECRET": None})
        equal(only(found, "credentials")[0], "unknown", "health")


def test_a_wrong_sum_is_bad():
    with Stand() as stand:
        stand.sandbox()
        stand.redis.call("HSET", "herald:{default}:counts", "accepted", 3)
        health, text = only(doctor(stand, status=1), "sum")
        equal(health, "bad", "health")
        assert text.startswith("3 accepted messages are nowhere"), text


def test_memory_that_is_nearly_full_is_a_warning():
    with Stand() as stand:
        stand.sandbox()
        stand.redis.call("CONFIG", "SET", "maxmemory", "1gb")
        health, text = only(doctor(stand), "memory")
        assert health == "good" and "of 1024 MiB" in text, text
        stand.redis.call("SETRANGE", "ballast", 10_000_000, "x")  # made by Redis: what it receives it also holds for a while
        used = int(stand.redis.call("INFO", "memory").decode().split("used_memory:")[1].split()[0])
        stand.redis.call("CONFIG", "SET", "maxmemory", str(used * 105 // 100))
        equal(only(doctor(stand), "memory")[0], "warning", "memory")


def test_clocks_that_differ_are_a_warning():
    with clocks("ours") as [ours], Stand() as stand:
        stand.sandbox()
        for offset, says in ((5000, "ahead of"), (-5000, "behind")):
            ours.set(offset)
            health, text = only(doctor(stand, env=ours.env), "clock")
            assert health == "warning" and says in text, text
        ours.set(300)
        equal(only(doctor(stand, env=ours.env), "clock")[0], "good", "a third of a second")


def test_with_admin_it_only_asks_one_program_whether_it_is_ready():
    nobody = {"HERALD_REDIS_URL": "redis://127.0.0.1:1/0"}
    with Stand() as stand:
        with page(200, "ready\n") as (port, asked):
            found = doctor(stand, "--admin", f"http://127.0.0.1:{port}", env=nobody)
            equal(found, {"ready": [("good", "ready")]}, "findings")
            proxy = {"http_proxy": "http://127.0.0.1:1", **nobody}
            equal(only(doctor(stand, "--admin", f"127.0.0.1:{port}", env=proxy), "ready")[0], "good", "past a proxy")
            equal(asked, ["/readyz"] * 2, "paths")
        with page(503, json.dumps({"lease": "lost"})) as (port, _):
            health, text = only(doctor(stand, "--admin", f"127.0.0.1:{port}", status=1, env=nobody), "ready")
            equal((health, text), ("bad", 'it answers 503: {"lease": "lost"}'), "finding")
        health, _ = only(doctor(stand, "--admin", f"127.0.0.1:{port}", status=4, env=nobody), "ready")
        equal(health, "away", "health")
        for wrong in ("http://", "ftp://x/y", "http://127.0.0.1:1/readyz", "x" * 400):
            result = stand.herald("doctor", "--admin", wrong, env=nobody)
            equal(result.status, 2, f"status for {wrong!r}")
            assert "--admin must be" in result.err, result.err


def test_with_admin_a_worker_is_ready_while_it_can_send():
    with Stand() as stand:
        sandbox = stand.sandbox()
        worker = stand.worker().wait_ready()
        ask = lambda: stand.herald("doctor", "--admin", worker.admin)
        wait_until(lambda: ask().status == 0, lambda: ask().describe())
        stand.redis.kill()
        wait_until(lambda: ask().status == 1, lambda: ask().describe())
        assert "redis" in ask().out, ask().out
        stand.redis.start()
        wait_until(lambda: ask().status == 0, lambda: ask().describe())
        worker.terminate()
        equal(ask().status, 4, "of one that is gone")
        assert sandbox.running


if __name__ == "__main__":
    tap.run(globals())
