#!/usr/bin/python3
"""Settings out of files, as container systems hand secrets over: what works, and what is said of a file that does not."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stand as stands
import tap
from flow import message
from http_client import Client, in_parallel
from stand import Stand
from tap import equal
from test_gateway_receipts import deliver, event

PROGRAMS = {
    "herald-worker": ("GENESYS_CLIENT_ID_FILE", "GENESYS_CLIENT_SECRET_FILE", "HERALD_REDIS_URL_FILE"),
    "herald-gateway": ("GENESYS_WEBHOOK_SECRET_FILE", "HERALD_CLIENTS_FILE", "HERALD_REDIS_URL_FILE"),
}


def start(stand, name, env):
    """Status and standard error of a program that ends at once."""
    environment = stand.environment({"HERALD_LISTEN": f"127.0.0.1:{stands.free_port()}"}, env)
    done = subprocess.run([stands.program(name)], env=environment, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


def test_a_secret_file_that_cannot_be_used_stops_the_start_and_is_named_with_its_setting():
    with Stand() as stand:
        os.mkdir(stand.path("folder"))  # what a container system makes where a file was to be mounted
        cases = {
            stand.path("nowhere"): "No such file or directory",
            stand.path("folder"): "Is a directory",
            stand.write("empty", ""): "is empty",
            stand.write("blank", " \r\n\n"): "is empty",
            stand.write("binary", b"a\0b"): "NUL byte",
            stand.write("large", "x" * 5000): "more than 4095 bytes",
        }
        for name, settings in PROGRAMS.items():
            for setting in settings:
                for path, says in cases.items():
                    status, error = start(stand, name, {setting: path, setting[:-5]: None})
                    equal(status, 2, f"status of {name} with {setting}={path}: {error}")
                    assert setting in error and str(path) in error and says in error, error
                    assert len(error.splitlines()) == 1, error


def test_an_unreadable_secret_file_is_named():
    if os.geteuid() == 0:  # root reads everything, so somebody else has to try
        with Stand() as stand:
            path = stand.write("mine", "secret")
            os.chmod(path, 0o600)
            os.chmod(stand.folder, 0o755)
            command = ["setpriv", "--reuid", "65534", "--clear-groups", stands.program("herald"), "doctor"]
            env = stand.environment({"GENESYS_CLIENT_SECRET_FILE": path, "GENESYS_CLIENT_SECRET": None})
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
            if "cannot execute" in done.stderr or "failed to execute" in done.stderr:
                tap.skip("the programs are in a folder that nobody else may enter")
            equal(done.returncode, 2, f"status: {done.stderr}")
            assert "GENESYS_CLIENT_SECRET_FILE" in done.stderr and "Permission denied" in done.stderr, done.stderr
    else:
        with Stand() as stand:
            path = stand.write("mine", "secret")
            os.chmod(path, 0)
            status, error = start(stand, "herald-worker", {"GENESYS_CLIENT_SECRET_FILE": path})
            equal(status, 2, f"status: {error}")
            assert "Permission denied" in error, error


def test_a_worker_runs_on_settings_that_are_all_in_files():
    with Stand(password="a word") as stand:
        sandbox = stand.sandbox()
        files = {
            "HERALD_REDIS_URL_FILE": stand.write("redis", f"redis://:a%20word@127.0.0.1:{stand.redis.port}/0\n"),
            "GENESYS_CLIENT_ID_FILE": stand.write("id", "sandbox\n"),
            "GENESYS_CLIENT_SECRET_FILE": stand.write("secret", "sandbox-secret\n"),
        }
        env = {**files, **{name[:-5]: None for name in files}}
        stand.worker(env=env).wait_ready()
        stand.herald("enqueue", "-", stdin=json.dumps(message(1)), env=env, check=True)
        stands.wait_until(lambda: len(sandbox.ledger()) == 1, "the message to be received")


def test_a_gateway_exchanges_tokens_and_secrets_on_SIGHUP_and_keeps_the_old_ones_when_the_new_are_wrong():
    with Stand() as stand:
        tokens = {name: f"token-{name}-0123456789abcdefghijklmnopqrstuvw" for name in ("old", "new")}
        clients = stand.write("clients", stand.client(token=tokens["old"]))
        secret = stand.write("secret", "the-old-secret-of-webhooks")
        env = {"HERALD_CLIENTS": None, "HERALD_CLIENTS_FILE": clients, "GENESYS_WEBHOOK_SECRET_FILE": secret}
        gateway = stand.gateway(env=env)

        def allowed(name):
            with Client(gateway.port, tokens[name]) as client:
                return client.get("/v1/status").status == 200

        def signed(name, number=itertools.count()):
            with Client(gateway.port) as client:
                body = event("nobody", "sent", next(number))
                return deliver(client, body, secret=f"the-{name}-secret-of-webhooks").status == 200

        def both(ask):
            return ask("old"), ask("new")

        def hup(says, times):
            gateway.signal(signal.SIGHUP)
            stands.wait_until(lambda: gateway.log().count(says) == times, f"{says!r} for the {times}. time")

        equal((both(allowed), both(signed)), ((True, False), (True, False)), "at first")
        clients.write_text(" ".join(stand.client(name=f"crm-{name}", token=tokens[name]) for name in tokens))
        secret.write_text("the-new-secret-of-webhooks\nthe-old-secret-of-webhooks\n")
        hup("clients and secrets read again", 1)
        equal((both(allowed), both(signed)), ((True, True), (True, True)), "while they are exchanged")
        for file, wrong in ((clients, "crm:enqueue:nothing"), (secret, ""), (secret, "x " * 1000)):
            good = file.read_text()
            file.write_text(wrong)
            hup("clients and secrets not read again", 1 + gateway.log().count("clients and secrets not read again"))
            equal((both(allowed), both(signed)), ((True, True), (True, True)), f"after {wrong[:10]!r}")
            file.write_text(good)
        clients.write_text(stand.client(token=tokens["new"]))
        secret.write_text("the-new-secret-of-webhooks")
        hup("clients and secrets read again", 2)
        equal((both(allowed), both(signed)), ((False, True), (False, True)), "at last")
        assert not any(token in gateway.log() for token in (*tokens.values(), "secret-of-webhooks")), gateway.log()


def test_requests_go_on_while_a_gateway_reads_its_clients_again():
    with Stand() as stand:
        gateway = stand.gateway()

        def ask(number):
            with Client(gateway.port, stand.token) as client:
                for _ in range(50):
                    if number == 0:
                        gateway.signal(signal.SIGHUP)
                    equal(client.get("/v1/status").status, 200, "status")

        in_parallel(ask, range(4))
        assert "read again" in gateway.log(), gateway.log()


if __name__ == "__main__":
    tap.run(globals())
