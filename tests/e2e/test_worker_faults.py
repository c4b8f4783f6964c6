#!/usr/bin/python3
"""A worker in bad weather: hosts that are not there, connections that break, an API that is down, poisonous messages."""

import asyncio
import contextlib
import pathlib
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import QUICK, message, messages, number, push
from stand import SLOWNESS, Stand, free_port, seen_window, wait_until
from tap import equal


def test_a_connection_that_breaks_after_the_message_was_accepted_never_sends_it_a_second_time_under_hold():
    """Under hold, resets of kept connections after the message was accepted never send it twice, libcurl's own retry included.

    libcurl repeats a request by itself when a connection that it used before is closed without an answer. Here a fifth
    of all requests end like this, nearly all of them on used connections.
    """
    total = 1500
    with Stand() as stand:
        sandbox = stand.sandbox("--fault-reset-after", "0.2")
        push(stand, *messages(total, on_unknown="hold"))
        flags = ("--threads", "2", "--in-flight", "8", "--breaker-failures", "32", *QUICK)
        stand.worker(*flags)
        found = flow.wait_settled(stand, total, seconds=60)
        summary = sandbox.summary()
        assert summary["resets"] > total / 10, summary
        assert summary["connections"] < total / 2, f"the connections are not used again, so this test shows nothing: {summary}"
        equal(summary["duplicates"], 0, "duplicates")
        equal(summary["accepted"], total, "messages in the ledger")
        equal(found["dead"], summary["resets"], "messages of which nobody knows")
        equal({letter["reason"] for letter in flow.dead(stand).values()}, {"outcome_unknown"}, "reasons")
        flow.expect_sum(stand, total)


def test_under_resend_each_duplicate_is_explained_by_a_recorded_unknown_outcome():
    total = 400
    with Stand() as stand:
        sandbox = stand.sandbox("--fault-reset-after", "0.1", "--fault-reset-before", "0.1", "--fault-504-after", "0.05")
        push(stand, *messages(total))
        stand.worker("--in-flight", "8", "--breaker-failures", "32", "--max-attempts", "100", *QUICK)
        flow.wait_settled(stand, total, seconds=60)
        entries = {}
        for entry in sandbox.ledger():
            entries[entry["request_id"]] = entries.get(entry["request_id"], 0) + 1
        equal(len(entries), total, "different messages in the ledger")
        twice = [name for name, times in entries.items() if times > 1]
        assert twice, "no duplicate: this test shows nothing"
        for name in twice:
            unknown = sum(entry.get("unknown", False) for entry in flow.audit(stand, name))
            assert unknown >= entries[name] - 1, f"{name}: {entries[name]} in the ledger, {unknown} unknown attempts"
        flow.expect_sum(stand, total)


def test_an_answer_whose_body_never_ends_is_judged_by_its_status():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {"to": number(1)}, "do": "huge", "times": 2}])
        push(stand, *messages(3))
        worker = stand.worker(*QUICK)
        flow.wait_sent(stand, 3)
        equal([entry["status"] for entry in flow.audit(stand, "m1")], [502, 502, 200], "statuses")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")
        assert resident_megabytes(worker) < 100 * SLOWNESS, resident_megabytes(worker)


def resident_megabytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


def opens_the_breaker_and_stays_calm(stand, worker, total):
    """Nothing can be sent: the breaker opens, nothing is burnt, and nothing spins, new messages or not."""
    worker.wait_for("circuit breaker opens")
    flow.expect_calm(stand, worker)
    push(stand, *messages(10, first=total + 1))
    flow.expect_calm(stand, worker)
    found = flow.expect_sum(stand, total + 10)
    equal((found["dead"], found["sent"]), (0, 0), "dead, sent")
    for envelope in flow.delayed(stand):
        assert "attempts" not in envelope["herald"], envelope
    return total + 10


def api_at(url):
    return {"GENESYS_API_URL": url}


@tap.measures
def test_an_API_at_which_nobody_listens_burns_nothing_and_is_found_once_it_is_there():
    port = free_port()
    with Stand() as stand:
        stand.sandbox()
        push(stand, *messages(30))
        flags = ("--max-attempts", "1", "--threads", "4", *QUICK)
        worker = stand.worker(*flags, env=api_at(f"http://127.0.0.1:{port}"))
        total = opens_the_breaker_and_stays_calm(stand, worker, 30)
        api = stand.sandbox("--port", port)
        # The token of the one sandbox is not good at the other: that pauses, and buries nobody either.
        wait_until(lambda: api.summary()["by_status"].get("401"), "a request at the API once it is there", 30)
        equal(flow.expect_sum(stand, total)["dead"], 0, "dead")


@tap.measures
def test_an_API_that_comes_back_is_found_again_by_probes_and_everything_is_sent():
    port = free_port()
    with Stand() as stand:
        sandbox = stand.sandbox("--port", port)
        worker = stand.worker("--max-attempts", "1", "--threads", "4", *QUICK)
        push(stand, message(1))
        flow.wait_sent(stand, 1)
        sandbox.kill()
        push(stand, *messages(30, first=2))
        worker.wait_for("circuit breaker opens")
        flow.expect_calm(stand, worker)
        again = stand.sandbox("--port", port)
        flow.wait_sent(stand, 31, seconds=30)
        equal(flow.expect_sum(stand, 31)["dead"], 0, "dead")
        equal(again.summary()["accepted"], 30, "accepted")
        equal(again.summary()["duplicates"], 0, "duplicates")


@tap.measures
def test_an_API_host_that_does_not_resolve_burns_nothing():
    with Stand() as stand:
        stand.sandbox()
        push(stand, *messages(20))
        flags = ("--max-attempts", "1", *QUICK)
        worker = stand.worker(*flags, env=api_at("http://api.herald-test.invalid"))
        total = opens_the_breaker_and_stays_calm(stand, worker, 20)
        equal(worker.terminate(), 0, "exit status")
        stand.worker(*flags)
        flow.wait_sent(stand, total)
        equal(flow.expect_sum(stand, total)["dead"], 0, "dead")


def certificate(stand):
    files = [str(stand.path("cert.pem")), str(stand.path("key.pem"))]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True, timeout=60)
    return files


@tap.measures
def test_TLS_that_does_not_verify_sends_nothing_and_with_the_right_ca_file_it_does():
    with Stand() as stand:
        cert, key = certificate(stand)
        login = stand.sandbox()
        api = stand.sandbox("--tls-cert", cert, "--tls-key", key)
        push(stand, *messages(20))
        flags = ("--max-attempts", "1", *QUICK)
        worker = stand.worker(*flags, env={"GENESYS_LOGIN_URL": login.url})
        total = opens_the_breaker_and_stays_calm(stand, worker, 20)
        equal(api.summary()["requests"], 0, "requests that reached the API")
        equal(worker.terminate(), 0, "exit status")
        stand.worker(*flags, "--ca-file", cert)  # for the token as well
        flow.wait_sent(stand, total)
        equal(flow.expect_sum(stand, total)["dead"], 0, "dead")
        equal(api.summary()["duplicates"], 0, "duplicates")


@contextlib.contextmanager
def slow_to_connect(url, seconds, callers=None):
    """The address of a proxy that passes nothing for so long after a connection was made; `callers` gets who connects."""
    target = urllib.parse.urlsplit(url)
    loop = asyncio.new_event_loop()
    started, address = threading.Event(), []

    async def copy(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        if callers is not None:
            callers.append(writer.get_extra_info("peername"))
        await asyncio.sleep(seconds)
        up_reader, up_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address.append(server.sockets[0].getsockname()[1])
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    task = loop.create_task(main())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    started.wait()
    try:
        yield f"{target.scheme}://127.0.0.1:{address[0]}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@tap.measures
def test_a_connection_that_takes_longer_than_its_grant_never_makes_the_window_too_full():
    total, limit, window_ms = 30, 10, 1000
    with Stand() as stand:
        cert, key = certificate(stand)
        sandbox = stand.sandbox("--tls-cert", cert, "--tls-key", key, *seen_window(window_ms))
        with slow_to_connect(sandbox.url, 0.6 * window_ms / 1000) as api:
            push(stand, *messages(total))
            flags = ("--max-attempts", "1", "--threads", "1", "--in-flight", "10", "--ca-file", cert)
            worker = stand.worker(*flags, env={"HERALD_RATE": f"{limit}/{window_ms}ms", "GENESYS_API_URL": api})
            flow.wait_sent(stand, total, seconds=30)
            equal(worker.terminate(), 0, "exit status")
        summary = sandbox.summary()
        assert summary["max_in_window"] <= limit, summary
        equal((summary["accepted"], summary["duplicates"]), (total, 0), "accepted, duplicates")
        equal(flow.expect_sum(stand, total)["dead"], 0, "dead")


def test_grants_of_requests_that_never_left_are_given_back():
    """Half a window beyond its margin a request is kept back, two seconds before its grant would leave the window by itself."""
    total, callers = 10, []

    def grants():
        return set(stand.redis.call("ZRANGE", flow.KEY + "window", 0, -1))

    with Stand() as stand:
        cert, key = certificate(stand)
        sandbox = stand.sandbox("--tls-cert", cert, "--tls-key", key)
        with slow_to_connect(sandbox.url, 3, callers) as api:
            push(stand, *messages(total))
            flags = ("--threads", "1", "--in-flight", str(total), "--ca-file", cert)
            stand.worker(*flags, env={"HERALD_RATE": f"{total}/5s", "GENESYS_API_URL": api})
            wait_until(lambda: len(callers) >= total, "a connection for each message")
            unused = grants()
            wait_until(lambda: flow.count(stand, "returned") >= total, "all to go back")
            equal(grants() & unused, set(), "grants that nobody used")
            equal(len(unused), total, "grants at first")


def test_a_grant_without_an_answer_counts_from_the_latest_instant_at_which_its_request_may_have_arrived():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "hang", "times": 1}])
        begun_ms = int(stand.redis.call("TIME")[0]) * 1000
        push(stand, message(1, on_unknown="hold"))
        stand.worker("--threads", "1", "--timeout", "3s", env={"HERALD_RATE": "5/60s"})
        wait_until(lambda: flow.count(stand, "dead") == 1, "the message to be held")
        _, score = stand.redis.call("ZRANGE", flow.KEY + "window", 0, -1, "WITHSCORES")
        assert float(score) >= begun_ms + 3000, f"{float(score) - begun_ms} ms after it began"


@tap.measures
def test_an_outage_of_the_API_is_probed_one_message_at_a_time_and_ends_by_itself():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"do": "503", "times": 0}])
        push(stand, *messages(50))
        worker = stand.worker("--max-attempts", "2", "--threads", "4", "--in-flight", "4", *QUICK)
        worker.wait_for("circuit breaker opens")
        flow.expect_calm(stand, worker)
        before = sandbox.summary()["requests"]
        flow.expect_calm(stand, worker)
        assert sandbox.summary()["requests"] - before <= 2, "more than a probe went out while the breaker was open"
        sandbox.script([])
        flow.wait_sent(stand, 50, seconds=30)
        equal(flow.expect_sum(stand, 50)["dead"], 0, "dead")


@tap.measures
def test_a_sender_that_slept_when_the_breaker_opened_does_not_spin():
    """Senders that slept when sending became impossible do not spin over the messages that then come."""
    with Stand() as stand:
        sandbox = stand.sandbox()
        worker = stand.worker("--threads", "4", "--breaker-failures", "1", "--max-attempts", "50", *QUICK)
        push(stand, message(1))
        flow.wait_sent(stand, 1)
        sandbox.script([{"do": "503", "times": 0}])
        push(stand, message(2))
        worker.wait_for("circuit breaker opens")
        push(stand, *messages(20, first=3))
        flow.expect_calm(stand, worker)
        sandbox.script([])
        flow.wait_sent(stand, 21, seconds=30)


def test_a_poisonous_message_does_not_hold_up_the_others_while_the_breaker_is_half_open():
    with Stand() as stand:
        sandbox = stand.sandbox()
        sandbox.script([{"match": {"to": number(1)}, "do": "reset-before", "times": 0}])
        push(stand, message(1))
        worker = stand.worker("--threads", "2", "--breaker-failures", "1", "--max-attempts", "100", *QUICK)
        worker.wait_for("circuit breaker opens")
        push(stand, *messages(40, first=2))
        flow.wait_sent(stand, 40, seconds=30)
        equal(flow.expect_sum(stand, 41)["dead"], 0, "dead")
        equal(sandbox.summary()["duplicates"], 0, "duplicates")


if __name__ == "__main__":
    tap.run(globals())
