#!/usr/bin/python3
"""The pages that a worker and a gateway have for those who run them: /healthz and /readyz."""

import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from http_client import Client, Wire, head
from stand import SLOWNESS, Stand, free_port, program, wait_until
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
