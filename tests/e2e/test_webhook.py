#!/usr/bin/python3
"""herald webhook: registering where receipts go, the settings of open integrations, and what is said when it fails."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from receiver import Receiver
from stand import Stand, free_port
from tap import equal
from test_sandbox import Client
from test_sandbox_receipts import register

URL = "https://herald.example.com/webhooks/genesys-messaging"
SECRET = "a secret that is long enough"


@contextlib.contextmanager
def genesys(*flags):
    with Stand() as stand:
        yield stand, stand.sandbox(*flags)


def webhook(stand, *arguments, status=0, env=None, **more):
    result = stand.herald("webhook", *arguments, env={"GENESYS_WEBHOOK_URL": URL, **(env or {})}, **more)
    equal(result.status, status, f"exit status\n{result.describe()}")
    return result


def listed(stand, kind="webhooks"):
    return webhook(stand, "list", "--json").json[kind]


def enqueue(stand, payload):
    envelope = {"payload": payload, "metadata": {"consentVerified": True}}
    stand.herald("enqueue", "-", stdin=json.dumps(envelope), check=True)


def test_registering_twice_leaves_one_webhook_and_says_so():
    with genesys() as (stand, sandbox):
        first = webhook(stand, "register")
        assert URL in first.out and "registered" in first.out, first.out
        second = webhook(stand, "register")
        assert "nothing was registered" in second.out, second.out
        hooks = listed(stand)
        equal([(hook["url"], hook["event"], hook["enabled"]) for hook in hooks],
              [(URL, "messaging:messages:updated", True)], "webhooks")  # fmt: skip
        assert hooks[0]["id"] in first.out and hooks[0]["id"] in second.out
        equal(hooks[0]["name"], "messaging-status-tracker", "name")
        other = webhook(stand, "register", "--webhook-url", URL + "/2", "--json").json
        equal((other["what"], other["done"], other["url"]), ("webhook", "registered", URL + "/2"), "as JSON")
        again = webhook(stand, "register", "--webhook-url", URL + "/2", "--json").json
        equal((again["done"], again["id"]), ("unchanged", other["id"]), "again")


def test_a_webhook_is_found_on_the_second_page_but_not_when_it_is_disabled():
    with genesys() as (stand, sandbox):
        client = Client(sandbox)
        for number in range(150):
            register(client, f"{URL}/{number}", enabled=number != 120)
        found = webhook(stand, "register", "--webhook-url", f"{URL}/130", "--json").json
        equal(found["done"], "unchanged", "what was done for one that is there")
        equal(len(listed(stand)), 150, "webhooks")
        found = webhook(stand, "register", "--webhook-url", f"{URL}/120", "--json").json
        equal(found["done"], "registered", "what was done for a disabled one")
        assert "(disabled)" in webhook(stand, "list").out
        answer = webhook(stand, "delete", listed(stand)[149]["id"]).out
        assert f"{URL}/149" in answer, answer


def test_list_shows_a_table_and_delete_says_what_it_removed():
    with genesys() as (stand, sandbox):
        empty = webhook(stand, "list").out
        equal(empty.count("none"), 2, "kinds of which there are none")
        webhook(stand, "register")
        identity = listed(stand)[0]["id"]
        table = webhook(stand, "list").out
        assert re.search(rf"{identity} +{re.escape(URL)} +messaging:messages:updated", table), table
        gone = webhook(stand, "delete", identity)
        assert identity in gone.out and URL in gone.out, gone.out
        equal(listed(stand), [], "webhooks")
        missing = webhook(stand, "delete", identity, status=1)
        assert f"there is no webhook {identity}" in missing.err, missing.err


def test_an_open_integration_gets_the_url_and_the_first_secret():
    with Receiver() as receiver, genesys("--sent-after", "0", "--delivered-after", "0", "--read", "0") as (stand, sandbox):
        secrets = stand.write("secrets", f"\n {SECRET.replace(' ', '-')}\tanother-old-secret\n")
        flags = ("--webhook-url", receiver.url, "--webhook-secret-file", secrets)
        made = webhook(stand, "register", "--open-name", "Our app", "--json", *flags).json
        equal((made["what"], made["done"]), ("integration", "created"), "what was done")
        again = webhook(stand, "register", "--open-name", "Our app", "--json", *flags).json
        equal((again["done"], again["id"]), ("updated", made["id"]), "the same name again")
        webhook(stand, "register", "--open", made["id"], *flags[:3], stand.write("new", "the-newest-of-secrets"))
        equal([(one["id"], one["name"], one["url"]) for one in listed(stand, "integrations")],
              [(made["id"], "Our app", receiver.url)], "integrations")  # fmt: skip
        assert "ecret" not in webhook(stand, "list").out
        payload = {"fromAddress": made["id"], "toAddress": "user-1", "toAddressMessengerType": "open", "textBody": "Hi"}
        enqueue(stand, payload)
        stand.worker()
        came = receiver.wait(3)
        assert all(delivery.is_signed_with("the-newest-of-secrets") for delivery in came)
        equal(sorted(delivery.json["type"] for delivery in came), ["Receipt", "Receipt", "Text"], "notifications")


def test_the_secret_comes_from_the_environment_its_file_or_the_flag_in_that_order_of_precedence():
    with Receiver() as receiver, genesys("--sent-after", "1h") as (stand, sandbox):
        places = {
            "GENESYS_WEBHOOK_SECRET_FILE": stand.write("one", "secret-of-the-file-variable\n"),
            "GENESYS_WEBHOOK_SECRET": "secret-of-the-environment",
        }
        flag = ("--webhook-secret-file", stand.write("flag", "secret-of-the-flag-file\n"))
        config = ("--config", stand.write("ini", f"webhook-secret-file = {stand.write('two', 'secret-of-the-ini-file')}\n"))
        for number, (arguments, env, expected) in enumerate((
            (config, {}, "secret-of-the-ini-file"),
            (config, dict(list(places.items())[:1]), "secret-of-the-file-variable"),
            (config, places, "secret-of-the-environment"),
            ((*config, *flag), places, "secret-of-the-flag-file"),
        )):  # fmt: skip
            flags = ("--webhook-url", receiver.url, "--open-name", "app", "--json")
            identity = webhook(stand, "register", *flags, *arguments, env=env).json["id"]
            payload = {"fromAddress": identity, "toAddress": "u", "toAddressMessengerType": "open", "textBody": "Hi"}
            enqueue(stand, payload)
            if number == 0:
                stand.worker()
            assert receiver.wait(number + 1)[number].is_signed_with(expected), expected


def test_wrong_use_is_told_before_anything_is_asked():
    with genesys() as (stand, sandbox):
        long = {"GENESYS_WEBHOOK_SECRET": SECRET.replace(" ", "-")}
        for arguments, env, says in (
            (["register"], {"GENESYS_WEBHOOK_URL": None}, "--webhook-url"),
            (["register", "--webhook-url", "herald.example.com"], {}, "--webhook-url"),
            (["register", "--webhook-url", "https://h/ x"], {}, "--webhook-url"),
            (["register", "--open", "x"], {}, "more than 15 characters"),
            (["register", "--open", "x"], {"GENESYS_WEBHOOK_SECRET": "short one but many words"}, "more than 15"),
            (["register", "--open", "x/../y"], long, "--open"),
            (["register", "--open", "x", "--open-name", "y"], long, "one of them"),
            (["register", "--webhook-secret-file", "/nowhere"], {}, "cannot read /nowhere"),
            (["register"], {"GENESYS_CLIENT_SECRET": None}, "GENESYS_CLIENT_SECRET"),
            (["register", "--region", "mars"], {"GENESYS_API_URL": None}, "--region"),
            (["delete"], {}, "which webhook"),
            (["delete", "../x"], {}, "which webhook"),
            (["delete", "a", "b"], {}, "one word too many"),
            (["list", "--threads", "2"], {}, "--threads is not an option here"),
        ):
            result = webhook(stand, *arguments, env=env, status=2)
            assert says in result.err, result.describe()
        equal(sandbox.summary()["token_requests"], 0, "token requests")


def test_genesys_out_of_reach_is_status_4_and_a_refusal_1_with_genesys_own_words():
    with genesys() as (stand, sandbox):
        nowhere = f"http://127.0.0.1:{free_port()}"
        for env in ({"GENESYS_LOGIN_URL": nowhere}, {"GENESYS_API_URL": nowhere}):
            result = webhook(stand, "list", env=env, status=4)
            assert nowhere in result.err and "cannot be reached" in result.err, result.err
        for do, status, code in (("503", 4, "service.unavailable"), ("403", 1, "missing.permissions"),
                                 ("400", 1, "bad.request"), ("non-json", 4, "502 Bad Gateway"),
                                 ("huge", 1, "more than")):  # fmt: skip
            sandbox.script([{"match": {"route": "webhooks"}, "do": do}])
            result = webhook(stand, "list", status=status)
            assert code in result.err, result.err
            assert do == "huge" or re.search(r"\(correlation id [0-9a-f-]{36}\)", result.err), result.err
            equal(result.out, "", "output")
        wrong = webhook(stand, "list", env={"GENESYS_CLIENT_SECRET": "wrong-and-secret"}, status=1)
        assert "GENESYS_CLIENT_SECRET" in wrong.err and "wrong-and-secret" not in wrong.err, wrong.err
        sandbox.script([{"match": {"route": "token"}, "do": "503"}])
        assert "login host answers 503" in webhook(stand, "list", status=4).err


def test_a_time_out_of_a_registration_says_that_it_may_have_been_done():
    with genesys() as (stand, sandbox):
        sandbox.script([{"match": {"route": "webhooks"}, "do": "ok"}, {"match": {"route": "webhooks"}, "do": "hang"}])
        result = webhook(stand, "register", "--timeout", "300ms", status=4)
        assert "may have been done" in result.err, result.err


def test_a_token_that_is_refused_is_fetched_again_once():
    with genesys() as (stand, sandbox):
        sandbox.script([{"match": {"route": "webhooks"}, "do": "401"}])
        webhook(stand, "list")
        equal(sandbox.summary()["token_requests"], 2, "token requests")
        sandbox.script([{"match": {"route": "webhooks"}, "do": "401", "times": 0}])
        result = webhook(stand, "list", status=1)
        assert "401" in result.err, result.err
        equal(sandbox.summary()["token_requests"], 4, "token requests")


def test_a_429_is_waited_for_when_it_is_short_and_told_when_it_is_long():
    with genesys() as (stand, sandbox):
        sandbox.script([
            {"match": {"route": "token"}, "do": "429", "retry_after": 1},
            {"match": {"route": "webhooks"}, "do": "429", "retry_after": 1},
        ])  # fmt: skip
        result = webhook(stand, "register")
        equal(result.err.count("asks to wait 1 s"), 2, "waits")
        equal(len(listed(stand)), 1, "webhooks")
        sandbox.script([{"match": {"route": "webhooks"}, "do": "429", "retry_after": 3600}])
        result = webhook(stand, "list", status=4)
        assert "wait 3600 s" in result.err, result.err
        equal(sandbox.summary()["by_status"]["429"], 3, "answers")


def test_an_organisation_without_the_tutorials_api_is_listed_all_the_same():
    with genesys() as (stand, sandbox):
        sandbox.script([{"match": {"route": "webhooks"}, "do": "404"}])
        answer = webhook(stand, "list", "--json").json
        equal(answer, {"webhooks": None, "integrations": []}, "answer")
        sandbox.script([{"match": {"route": "webhooks"}, "do": "404"}])
        assert "404" in webhook(stand, "list").out
        sandbox.script([{"match": {"route": "webhooks"}, "do": "404"}])
        assert "not.found" in webhook(stand, "register", status=1).err


def test_credentials_can_go_in_the_body():
    with genesys("--token-auth", "body") as (stand, sandbox):
        webhook(stand, "list", "--token-in-body")
        webhook(stand, "list", status=1)


def test_certificates_are_checked_against_the_ca_file():
    with Stand() as stand:
        key, cert = stand.path("key.pem"), stand.path("cert.pem")
        subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
        make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert)
        subprocess.run([*make, *subject], check=True, capture_output=True)
        stand.sandbox("--tls-cert", str(cert), "--tls-key", str(key))
        webhook(stand, "register", "--ca-file", cert)
        refused = webhook(stand, "list", status=4)
        assert "certificate" in refused.err, refused.err


def test_the_help_has_the_settings_of_genesys_and_other_commands_do_not():
    with Stand() as stand:
        shown = stand.herald("webhook", "register", "--help", check=True).out
        for flag in ("--webhook-url", "--webhook-secret-file", "--region", "--api-url", "--ca-file", "--timeout", "--open"):
            assert flag in shown, flag
        assert "--threads" not in shown, shown
        other = stand.herald("status", "--help", check=True).out
        assert "--region" not in other and "--webhook-url" not in other, other


if __name__ == "__main__":
    tap.run(globals())
