#!/usr/bin/python3
"""The Genesys stand-in: what Herald is tested against must itself keep the API's rules and keep honest books."""

import base64
import concurrent.futures
import contextlib
import email.utils
import hashlib
import http.client
import json
import pathlib
import re
import resource
import select
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from stand import SLOWNESS, Stand, program, wait_until
from tap import equal

AGENTLESS = "/api/v2/conversations/messages/agentless"
MESSAGING = "/api/v2/messaging/messages"
BOT = "/api/v2/conversations/conversation-id-789/messages"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.bytes = response.read()

    @property
    def json(self):
        return json.loads(self.bytes)


class Client:
    """One kept-alive connection to a sandbox, with a token."""

    def __init__(self, sandbox, token=True, timeout=20):
        self.url = urllib.parse.urlsplit(sandbox.url)
        self.timeout = timeout * SLOWNESS
        self.headers = {}
        self.http = self.connect()
        if token:
            self.headers = {"Authorization": f"Bearer {self.token()}"}

    def connect(self):
        address = (self.url.hostname, self.url.port)
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection(*address, timeout=self.timeout, context=context)
        return http.client.HTTPConnection(*address, timeout=self.timeout)

    def token(self):
        answer = self.ask_token()
        equal(answer.status, 200, "status of the token request")
        return answer.json["access_token"]

    def ask_token(self, pair="sandbox:sandbox-secret", body="grant_type=client_credentials", headers=None):
        basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"} if pair else {}
        return self.call("POST", "/oauth/token", body, {**FORM, **basic, **(headers or {})})

    def call(self, method, path, body=None, headers=None):
        try:
            self.http.request(method, path, body, headers or {})
            return Answer(self.http.getresponse())
        except Exception:
            self.http.close()
            raise

    def post(self, path, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", path, data, {**JSON, **self.headers, **(headers or {})})

    def send(self, request_id=None, **changes):
        return self.post(AGENTLESS, agentless(**changes), {"X-Genesys-Request-Id": request_id} if request_id else {})


@contextlib.contextmanager
def sandbox(*flags, token=True):
    with Stand() as stand:
        box = stand.sandbox(*flags)
        yield box, Client(box, token=token)


def agentless(**changes):
    body = {
        "fromAddress": "+13175550100",
        "toAddress": "+13175550199",
        "toAddressMessengerType": "sms",
        "textBody": "Your order has shipped.",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def messaging(channel="messaging:whatsapp", text="Hello", **changes):
    address = {"messaging:sms": "+15559998765", "messaging:whatsapp": "whatsapp:+15559998765"}.get(channel, "user-1")
    return {
        "channelType": channel,
        "from": {"address": "sender"},
        "to": [{"address": address}],
        "content": {"type": "text", "text": text},
        "metadata": {"consentVerified": True, "campaignId": "camp_789"},
        **changes,
    }


def bot(**changes):
    return {"to": {"id": "customer-1"}, "from": {"id": "bot-1"}, "type": "text", "text": "Thank you.", **changes}


def raw_connection(client, timeout=60):
    return socket.create_connection((client.url.hostname, client.url.port), timeout=timeout)


def raw_request(client):
    body = json.dumps(agentless()).encode()
    head = f"POST {AGENTLESS} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def raw_status(connection):
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    response.read()
    return response.status


def expect_error(answer, status, code, field=None):
    body = answer.json
    equal((answer.status, body["status"], body["code"]), (status, status, code), "status, status in the body, code")
    assert isinstance(body["message"], str) and body["message"], body
    equal(body["contextId"], answer.headers["ININ-Correlation-Id"], "contextId")
    equal(body["errors"], [], "errors")
    if field:
        equal([detail["fieldName"] for detail in body["details"]], [field], "fields in details")
    return body


def is_reset(function):
    try:
        function()
    except ConnectionResetError:
        return True
    return False


# --- starting and stopping


def test_it_says_where_it_listens_writes_the_port_file_and_ends_with_0_on_sigterm():
    with Stand() as stand:
        box = stand.sandbox("--port-file", str(stand.path("port")))
        equal(box.output(), f"listening on {box.url}\n", "output")
        equal(stand.path("port").read_text(), f"{urllib.parse.urlsplit(box.url).port}\n", "port file")
        equal(box.terminate(), 0, "exit status")


def test_sigint_ends_it_with_0_even_while_requests_hang():
    with sandbox("--fault-hang", "1") as (box, client):
        client.http.request("POST", AGENTLESS, json.dumps(agentless()), {**JSON, **client.headers})
        wait_until(lambda: box.summary()["hangs"] == 1, "the request to hang")
        box.signal(signal.SIGINT)
        equal(box.wait(), 0, "exit status")


def test_wrong_use_exits_with_2_and_says_why():
    for flags in (
        ["--port", "65536"],
        ["--port", "1x"],
        ["--port"],
        ["--fault-429", "1.5"],
        ["--fault-429", "nan"],
        ["--fault-429", "0.6", "--fault-500", "0.6"],
        ["--fault-418", "0.1"],
        ["--rate", "0/60s"],
        ["--rate", "300"],
        ["--latency", "uniform:9ms:1ms"],
        ["--latency", "normal:9ms"],
        ["--token-auth", "digest"],
        ["--tls-cert", "only"],
        ["--ledger-max", "0"],
        ["--keep-texts=1"],
        ["stray"],
    ):
        done = subprocess.run([program("herald-sandbox"), *flags], capture_output=True, text=True, timeout=10)
        equal((flags, done.returncode, done.stdout), (flags, 2, ""), "flags, status and output")
        assert done.stderr.startswith("herald-sandbox: "), done.stderr


def test_a_port_that_is_taken_or_a_broken_certificate_ends_it_with_1():
    with Stand() as stand:
        port = str(urllib.parse.urlsplit(stand.sandbox().url).port)
        pem = str(stand.write("bad.pem", "no certificate"))
        for flags in (["--port", port], ["--tls-cert", pem, "--tls-key", pem], ["--port-file", "/nowhere/port"]):
            done = subprocess.run([program("herald-sandbox"), *flags], capture_output=True, text=True, timeout=10)
            equal((flags, done.returncode), (flags, 1), "exit status")


def test_help_names_every_flag_fault_and_path():
    done = subprocess.run([program("herald-sandbox"), "--help"], capture_output=True, text=True, timeout=10)
    equal(done.returncode, 0, "exit status")
    for word in ("--rate", "--fault-reset-after", "--latency", "/sandbox/ledger", "/sandbox/script", AGENTLESS):
        assert word in done.stdout, word


# --- tokens


def test_a_token_is_given_for_basic_credentials_and_for_credentials_in_the_body():
    with sandbox("--token-seconds", "3599", token=False) as (box, client):
        in_body = "grant_type=client_credentials&client_id=sandbox&client_secret=sandbox%2Dsecret&scope=a+b"
        answers = [client.ask_token(), client.ask_token(None, in_body)]
        for answer in answers:
            equal(answer.status, 200, "status")
            equal(answer.json["token_type"], "bearer", "token_type")
            equal(answer.json["expires_in"], 3599, "expires_in")
            assert len(answer.json["access_token"]) >= 32, answer.json
        assert answers[0].json["access_token"] != answers[1].json["access_token"]
        equal(box.summary()["tokens_issued"], 2, "tokens issued")


def test_wrong_credentials_get_401_for_basic_and_400_in_the_body_in_oauth_form():
    with sandbox(token=False) as (box, client):
        wrong = client.ask_token("sandbox:wrong")
        equal(wrong.headers["WWW-Authenticate"], 'Basic realm="oauth"', "challenge")
        body = "grant_type=client_credentials&client_id=sandbox&client_secret=wrong"
        for answer, status in ((wrong, 401), (client.ask_token(None, body), 400), (client.ask_token(None), 400)):
            equal(answer.status, status, "status")
            equal(sorted(answer.json), ["description", "error", "error_description"], "members")
            equal(answer.json["error"], "invalid_client", "error")
        equal(box.summary()["tokens_issued"], 0, "tokens issued")
        equal(box.summary()["token_requests"], 3, "token requests")


def test_broken_basic_headers_are_refused():
    with sandbox(token=False) as (_, client):
        for header in ("Basic", "Basic ", "Basic ****", "Basic c2FuZGJveA==", "Basic " + "QUFB" * 1000, "Bearer x"):
            equal(client.ask_token(None, headers={"Authorization": header}).status, 401, header[:20])


def test_token_auth_can_be_limited_to_one_form():
    body = "grant_type=client_credentials&client_id=sandbox&client_secret=sandbox-secret"
    with sandbox("--token-auth", "basic", token=False) as (_, client):
        equal((client.ask_token().status, client.ask_token(None, body).status), (200, 400), "basic only")
    with sandbox("--token-auth", "body", token=False) as (_, client):
        equal((client.ask_token().status, client.ask_token(None, body).status), (401, 200), "body only")


def test_other_grants_and_broken_forms_get_400():
    with sandbox(token=False) as (_, client):
        for body, error in (
            ("grant_type=password", "unsupported_grant_type"),
            ("", "invalid_request"),
            ("grant_type", "invalid_request"),
            ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
            ("grant_type=%zz", "invalid_request"),
            ("grant_type=client_credentials%00", "invalid_request"),
            ("grant_type=" + "x" * 9000, "invalid_request"),
        ):
            answer = client.ask_token(body=body)
            equal((answer.status, answer.json["error"]), (400, error), body[:40])
        equal(client.ask_token(headers=JSON).json["error"], "invalid_request", "JSON in place of a form")
        equal(client.call("GET", "/oauth/token").status, 405, "GET")


def test_missing_unknown_and_expired_tokens_get_401():
    with sandbox("--token-seconds", "1") as (box, client):
        equal(client.send().status, 200, "status with a fresh token")
        expect_error(client.post(AGENTLESS, agentless(), {"Authorization": ""}), 401, "authentication.required")
        expect_error(client.post(AGENTLESS, agentless(), {"Authorization": "Basic x"}), 401, "authentication.required")
        for token in ("nonsense", "A" * 43, "", "A" * 3000):
            answer = client.post(AGENTLESS, agentless(), {"Authorization": f"Bearer {token}"})
            assert expect_error(answer, 401, answer.json["code"])["code"] in (
                "bad.credentials",
                "authentication.required",
            )
        wait_until(lambda: client.send().status == 401, "the token to expire")
        expect_error(client.send(), 401, "bad.credentials")


def test_an_older_token_stays_good_after_a_new_one_and_all_go_when_revoked():
    with sandbox() as (box, client):
        newer = client.token()
        equal(client.send().status, 200, "status with the older token")
        box.config(revoke_tokens=True)
        expect_error(client.send(), 401, "bad.credentials")
        expect_error(client.post(AGENTLESS, agentless(), {"Authorization": f"Bearer {newer}"}), 401, "bad.credentials")
        client.headers = {"Authorization": f"Bearer {client.token()}"}
        equal(client.send().status, 200, "status with a token from after the revocation")


# --- the routes


def test_agentless_answers_as_documented():
    with sandbox() as (box, client):
        answer = client.send("0190a5b2-0001")
        body = answer.json
        equal(answer.status, 200, "status")
        equal(answer.headers["Content-Type"], "application/json", "content type")
        assert UUID.fullmatch(answer.headers["ININ-Correlation-Id"]), answer.headers
        assert UUID.fullmatch(body["id"]) and UUID.fullmatch(body["conversationId"]), body
        equal((body["fromAddress"], body["toAddress"]), ("+13175550100", "+13175550199"), "addresses")
        equal((body["messengerType"], body["useExistingActiveConversation"]), ("sms", False), "type and flag")
        message = body["message"]
        equal((message["id"], message["status"], message["direction"]), (body["id"], "queued", "outbound"), "message")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"]), body
        path = f"/api/v2/conversations/messages/{body['conversationId']}/messages/{body['id']}"
        equal(body["selfUri"], path, "selfUri")


def test_agentless_takes_every_documented_kind_of_message():
    template = {"responseId": "r-1", "bodyParameters": [{"id": "1", "value": "Ann"}]}
    contact = dict(toAddressMessengerType="webmessaging", toAddress=None, externalContactId="c-1")
    with sandbox() as (_, client):
        for changes in (
            dict(textBody="x" * 765),
            dict(textBody="\U0001f600" * 382),
            dict(fromAddress="54321"),
            dict(useExistingActiveConversation=True, unknownField={"a": 1}),
            dict(toAddressMessengerType="whatsapp", toAddress="13175550199", textBody=None, messagingTemplate=template),
            dict(toAddressMessengerType="open", fromAddress="integration", toAddress="user@example.org"),
            dict(toAddressMessengerType="open", fromAddress="integration", toAddress="u", textBody="\u00e9" * 2000),
            contact,
            dict(toAddressMessengerType="apple", fromAddress="integration"),
        ):
            equal(client.send(**changes).status, 200, f"status of {str(changes)[:80]}")


def test_agentless_refuses_what_the_api_would_naming_the_field():
    bare = dict(toAddressMessengerType="whatsapp", toAddress="13175550199", messagingTemplate={"responseId": "r"})
    contact = dict(toAddressMessengerType="webmessaging", toAddress=None)
    with sandbox() as (box, client):
        for field, changes in (
            ("fromAddress", dict(fromAddress=None)),
            ("fromAddress", dict(fromAddress="")),
            ("fromAddress", dict(fromAddress="sender")),
            ("fromAddress", dict(fromAddress=7)),
            ("toAddress", dict(toAddress=None)),
            ("toAddress", dict(toAddress="13175550199")),
            ("toAddress", dict(toAddress="+0317555019")),
            ("toAddress", dict(toAddress="+1317555019912345")),
            ("toAddress", dict(toAddress="+1 317 555 0199")),
            ("toAddress", dict(toAddress=["+13175550199"])),
            ("toAddress", dict(toAddressMessengerType="open", toAddress="x" * 1025)),
            ("toAddressMessengerType", dict(toAddressMessengerType=None)),
            ("toAddressMessengerType", dict(toAddressMessengerType="SMS")),
            ("toAddressMessengerType", dict(toAddressMessengerType="facebook")),
            ("textBody", dict(textBody=None)),
            ("textBody", dict(textBody="")),
            ("textBody", dict(textBody=5)),
            ("textBody", dict(textBody="x" * 766)),
            ("textBody", dict(textBody="\U0001f600" * 383)),
            ("textBody", dict(textBody="a\0b")),
            ("textBody", dict(toAddressMessengerType="open", textBody="x" * 2001)),
            ("toAddress", {**bare, "toAddress": "+13175550199"}),
            ("messagingTemplate", {**bare, "messagingTemplate": None}),
            ("responseId", {**bare, "messagingTemplate": {}}),
            ("bodyParameters", {**bare, "messagingTemplate": {"responseId": "r", "bodyParameters": [1]}}),
            ("externalContactId", contact),
            ("toAddress", {**contact, "toAddress": "x", "externalContactId": "c"}),
            ("useExistingActiveConversation", dict(useExistingActiveConversation="yes")),
        ):
            answer = client.send(**changes)
            equal(answer.status, 400, f"status of {changes}")
            expect_error(answer, 400, answer.json["code"], field)
        equal(box.summary()["accepted"], 0, "accepted")


def test_the_messaging_route_answers_201_and_keeps_each_channels_limit():
    limits = {"sms": 160, "whatsapp": 1600, "facebook": 64000, "web": 10000}
    with sandbox() as (_, client):
        for name, limit in limits.items():
            channel = f"messaging:{name}"
            answer = client.post(MESSAGING, messaging(channel, "x" * limit))
            equal(answer.status, 201, f"status on {channel}: {answer.bytes}")
            assert re.fullmatch(r"msg_[0-9a-v]{24}", answer.json["id"]), answer.json
            equal((answer.json["channelType"], answer.json["status"]), (channel, "queued"), "channel and status")
            assert answer.json["createdDate"].endswith("Z"), answer.json
            expect_error(client.post(MESSAGING, messaging(channel, "x" * (limit + 1))), 400, "invalid.value", "text")


def test_the_messaging_route_refuses_missing_consent_addresses_and_foreign_channels():
    with sandbox() as (box, client):
        for field, changes in (
            ("channelType", dict(channelType="messaging:fax")),
            ("channelType", dict(channelType=None)),
            ("from", {"from": None}),
            ("address", {"from": {}}),
            ("to", dict(to=[])),
            ("to", dict(to=None)),
            ("to", dict(to=["+15559998765"])),
            ("to", dict(to=[{"address": "sms:+15559998765"}])),
            ("to", dict(to=[{"address": "whatsapp:+15559998765"}, {"address": "whatsapp:555"}])),
            ("address", dict(to=[{}])),
            ("content", dict(content=None)),
            ("type", dict(content={"type": "card", "text": "x"})),
            ("text", dict(content={"type": "text"})),
            ("metadata", dict(metadata=None)),
            ("consentVerified", dict(metadata={})),
            ("consentVerified", dict(metadata={"consentVerified": False})),
            ("consentVerified", dict(metadata={"consentVerified": "true"})),
        ):
            answer = client.post(MESSAGING, messaging(**changes))
            equal(answer.status, 400, f"status of {changes}")
            expect_error(answer, 400, answer.json["code"], field)
        equal(box.summary()["accepted"], 0, "accepted")


def test_the_bot_route_answers_with_its_conversation_and_echoes_the_request_id():
    with sandbox() as (_, client):
        card = dict(type="card", text=None, cards=[{"title": "Offer"}])
        quick = dict(type="quickReply", quickReplies=[{"label": "Yes", "payload": "y"}])
        for changes in ({}, dict(text="x" * 4096), card, quick):
            answer = client.post(BOT, bot(**changes), {"X-Genesys-Request-Id": "id-7"})
            equal(answer.status, 200, f"status of {changes}: {answer.bytes}")
            equal(answer.headers["X-Genesys-Request-Id"], "id-7", "echoed request id")
            equal(answer.json["conversationId"], "conversation-id-789", "conversationId")
            assert UUID.fullmatch(answer.json["id"]), answer.json


def test_the_bot_route_refuses_what_the_tutorial_refuses():
    with sandbox() as (box, client):
        for field, changes in (
            ("to", dict(to=None)),
            ("id", dict(to={})),
            ("from", {"from": None}),
            ("type", dict(type="carousel")),
            ("text", dict(text=None)),
            ("text", dict(text="x" * 4097)),
            ("cards", dict(type="card")),
            ("title", dict(type="card", cards=[{"title": 1}])),
            ("title", dict(type="card", cards=[{"title": "a"}, {}])),
            ("cards", dict(cards=["a"])),
            ("quickReplies", dict(type="quickReply")),
            ("payload", dict(type="quickReply", quickReplies=[{"label": "Yes"}])),
        ):
            answer = client.post(BOT, bot(**changes))
            equal(answer.status, 400, f"status of {changes}")
            expect_error(answer, 400, answer.json["code"], field)
        equal(box.summary()["accepted"], 0, "accepted")


def test_unknown_paths_get_404_and_wrong_methods_405():
    with sandbox() as (_, client):
        conversation = "/api/v2/conversations/"
        for path in ("/", "/api", "/api/v2/conversations/messages", f"{conversation}a/b/messages", f"{AGENTLESS}/",
                     f"{conversation}/messages", f"{conversation}{'x' * 129}/messages", f"{conversation}%22/messages",
                     f"{conversation}messages/messages", "/sandbox/nothing"):  # fmt: skip
            expect_error(client.post(path, {}), 404, "not.found")
        for path in (AGENTLESS, MESSAGING, BOT):
            if path != MESSAGING:  # which has a listing
                expect_error(client.call("GET", path, headers=client.headers), 404, "not.found")
            answer = client.call("PUT", path, b"{}", {**JSON, **client.headers})
            expect_error(answer, 405, "method.not.allowed")
            equal(answer.headers["Allow"], "POST", "Allow")


def test_a_body_that_is_not_json_by_its_header_gets_415():
    with sandbox() as (_, client):
        for header in ({"Content-Type": "text/plain"}, {"Content-Type": "application/jsonp"},
                       {"Content-Type": "application/json", "Content-Encoding": "gzip"}):  # fmt: skip
            expect_error(client.post(AGENTLESS, agentless(), header), 415, "unsupported.media.type")
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            equal(client.post(AGENTLESS, agentless(), {"Content-Type": kind}).status, 200, kind)


def test_a_body_over_512000_bytes_gets_413_and_one_of_that_size_does_not():
    with sandbox() as (box, client):
        body = json.dumps(agentless()).encode()
        equal(client.post(AGENTLESS, body + b" " * (512000 - len(body))).status, 200, "status at the limit")
        expect_error(client.post(AGENTLESS, body + b" " * (512001 - len(body))), 413, "request.entity.too.large")
        expect_error(client.post(AGENTLESS, b"x" * 5_000_000), 413, "request.entity.too.large")
        equal(box.summary()["accepted"], 1, "accepted")


def test_malformed_bodies_get_400_and_never_harm_the_server():
    good = json.dumps(agentless()).encode()
    with sandbox() as (box, client):
        for body in (
            b"",
            b"{",
            b"null",
            b"42",
            b"[]",
            b'"text"',
            good + b"x",
            good + good,
            good[:-1],
            good.replace(b"order", b"or\0der"),
            good.replace(b"order", b"or\xffder"),
            good.replace(b"order", b"or\xc0\xafder"),
            good.replace(b"order", b"or\xed\xa0\x80der"),
            good.replace(b"order", b"or\nder"),
            b"[" * 400000,
            b'{"a":' * 33 + b"1" + b"}" * 33,
            b'{"a":' * 90000,
        ):
            expect_error(client.post(AGENTLESS, body), 400, "bad.request")
        nested = good[:-1] + b',"x":' + b"[" * 30 + b"]" * 30 + b"}"
        equal(client.post(AGENTLESS, nested).status, 200, "status of a body nested 31 deep")
        equal(box.summary()["accepted"], 1, "accepted")


def test_a_request_id_that_could_not_be_echoed_is_refused():
    with sandbox() as (_, client):
        for name in ("x" * 257, "a b", "caf\u00e9"):
            answer = client.post(BOT, bot(), {"X-Genesys-Request-Id": name.encode("latin-1")})
            expect_error(answer, 400, "bad.request")
            equal(answer.headers["X-Genesys-Request-Id"], None, "echo")
        equal(client.post(BOT, bot(), {"X-Genesys-Request-Id": "x" * 256}).status, 200, "status of the longest")


def test_rubbish_in_place_of_http_does_not_stop_it():
    with sandbox() as (box, client):
        url = urllib.parse.urlsplit(box.url)
        for rubbish in (b"\0" * 4096, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                        b"GET / HTTP/1.1\r\nX: " + b"y" * 100000 + b"\r\n\r\n", b"\xff\xfe\r\n\r\n"):  # fmt: skip
            with socket.create_connection((url.hostname, url.port), timeout=5) as raw:
                with contextlib.suppress(OSError):
                    raw.sendall(rubbish)
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(65536):
                        pass
        equal(client.send().status, 200, "status afterwards")


# --- the rate window


def test_the_rate_window_lets_exactly_the_limit_through_and_says_how_long_to_wait():
    with sandbox("--rate", "5/1s") as (box, client):
        for _ in range(3):
            start = time.monotonic()
            statuses = [client.send().status for _ in range(6)]
            if time.monotonic() - start > 0.9:
                tap.skip("this machine is too slow to send six requests in a second")
            equal(statuses, [200] * 5 + [429], "statuses of a burst")
            answer = client.send()
            body = expect_error(answer, 429, "too.many.requests.retry.after")
            equal(body["message"], "Rate limit exceeded the maximum. Retry the request in [1] seconds", "message")
            equal(answer.headers["Retry-After"], "1", "Retry-After")
            wait_until(lambda: time.monotonic() >= start + 2.0, "the window to be empty again")


def test_refused_requests_do_not_push_the_window_on():
    with sandbox("--rate", "3/2s") as (_, client):
        start = time.monotonic()
        equal([client.send().status for _ in range(3)], [200] * 3, "statuses")
        refused = client.send()
        told = time.monotonic() + int(refused.headers["Retry-After"])
        wait_until(lambda: client.send().status == 200, "the window to open while it is hammered", 10)
        assert start + 2 <= time.monotonic() <= told + 2, (start, told, time.monotonic())


def test_retry_after_can_be_a_date_which_is_never_too_early():
    with sandbox("--rate", "1/5s", "--retry-after-form", "date") as (_, client):
        before = time.time()
        equal(client.send().status, 200, "status")
        until = email.utils.parsedate_to_datetime(client.send().headers["Retry-After"]).timestamp()
        assert before + 5 <= until <= time.time() + 7, (before, until)


def test_the_highest_count_of_any_window_is_observed_over_all_connections():
    with sandbox("--observe-window", "60s", "--threads", "2") as (box, client):
        clients = [Client(box) for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: [each.send() for _ in range(50)], clients))
        summary = box.summary()
        equal((summary["max_in_window"], summary["max_in_window_exact"]), (200, True), "highest count of a window")
        box.config(observe_window="1ms")
        client.send()
        wait_until(lambda: client.send() and box.summary()["max_in_window"] >= 1, "a count")
        assert box.summary()["max_in_window"] < 100, box.summary()


def test_no_threads_together_let_more_through_than_the_window_holds():
    with sandbox("--rate", "40/60s", "--threads", "4") as (box, client):
        clients = [Client(box) for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda each: [each.send() for _ in range(20)], clients))
        equal(box.summary()["accepted"], 40, "accepted")
        equal(box.summary()["by_status"]["429"], 120, "refused")


# --- the ledger


def test_the_ledger_has_every_accepted_message_with_all_it_was_told():
    with sandbox("--keep-texts") as (box, client):
        text = 'Gr\u00fc\u00dfe \U0001f600 "quoted" \\ \n\t\x01 end'
        first = client.send("id-1", textBody=text).json
        second = client.post(MESSAGING, messaging()).json
        client.post(BOT, bot(type="card", text=None, cards=[{"title": "x"}]), {"X-Genesys-Request-Id": "id-3"})
        client.send(textBody="")
        entries = box.ledger()
        equal([entry["seq"] for entry in entries], [1, 2, 3], "sequence numbers")
        equal([entry["route"] for entry in entries], ["agentless", "messaging", "conversation"], "routes")
        equal([entry["answered"] for entry in entries], [200, 201, 200], "answers")
        equal([entry["request_id"] for entry in entries], ["id-1", None, "id-3"], "request ids")
        one, two, three = entries
        equal((one["to"], one["from"], one["channel"]), ("+13175550199", "+13175550100", "sms"), "addresses")
        equal((one["text"], one["text_sha256"]), (text, hashlib.sha256(text.encode()).hexdigest()), "text")
        equal((one["provider_id"], one["conversation_id"]), (first["id"], first["conversationId"]), "ids")
        equal((two["provider_id"], two["conversation_id"]), (second["id"], None), "ids of the messaging route")
        equal((three["conversation_id"], three["text_sha256"]), ("conversation-id-789", None), "a bot's card")
        assert abs(one["time_ms"] - time.time() * 1000) < 60000, one
        assert abs(one["mono_us"] - time.monotonic() * 1e6) < 60e6, one


def test_without_keep_texts_the_ledger_holds_only_digests():
    with sandbox() as (box, client):
        client.send()
        digest = hashlib.sha256(agentless()["textBody"].encode()).hexdigest()
        equal(box.ledger()[0]["text_sha256"], digest, "digest")
        assert "text" not in box.ledger()[0]


def test_the_ledger_can_be_read_in_parts():
    with sandbox() as (box, client):
        for number in range(10):
            client.send(f"id-{number}")

        def part(query):
            return [json.loads(line)["seq"] for line in box.request(f"/sandbox/ledger?{query}").splitlines()]

        equal(part("from=8"), [8, 9, 10], "from")
        equal(part("limit=2"), [1, 2], "limit")
        equal(part("from=4&limit=3"), [4, 5, 6], "from and limit")
        equal(part("from=11"), [], "behind the end")
        equal(part("from=0&limit=0"), [], "limit 0")
        for query in ("from=-1", "limit=x", "from="):
            expect_error(client.call("GET", f"/sandbox/ledger?{query}"), 400, "bad.request")


def test_a_long_ledger_streams_a_consistent_prefix_while_it_grows():
    with sandbox("--keep-texts", "--threads", "2") as (box, client):
        writer = Client(box)
        text = "x" * 60000
        for number in range(60):  # several chunks of a mebibyte
            writer.post(MESSAGING, messaging("messaging:facebook", text), {"X-Genesys-Request-Id": f"id-{number}"})
        client.http.request("GET", "/sandbox/ledger")
        response = client.http.getresponse()
        lines = [response.readline()]
        for number in range(60, 80):
            writer.post(MESSAGING, messaging("messaging:facebook", text), {"X-Genesys-Request-Id": f"id-{number}"})
        lines += response.read().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines]
        equal([entry["seq"] for entry in entries], list(range(1, 61)), "sequence numbers")
        assert all(entry["text"] == text for entry in entries)
        equal([entry["seq"] for entry in box.ledger()][-3:], [78, 79, 80], "the end of a later reading")
        last = json.loads(box.request("/sandbox/ledger?from=47&limit=1"))
        equal((last["seq"], last["request_id"]), (47, "id-46"), "one entry from the middle")


def test_the_summary_counts_duplicates_statuses_and_connections():
    with sandbox() as (box, client):
        for name in ("a", "b", "a", "c", "a", None):
            client.send(name)
        first = box.summary()
        client.send("b")
        client.send("bad", toAddress="x")
        client.post(MESSAGING, messaging())
        summary = box.summary()
        equal((first["accepted"], first["unique_request_ids"], first["duplicates"]), (6, 3, 2), "the first counts")
        equal((summary["accepted"], summary["unique_request_ids"], summary["duplicates"]), (8, 3, 3), "the counts")
        equal(summary["without_request_id"], 2, "entries without an id")
        equal((summary["requests"], summary["token_requests"]), (9, 1), "requests")
        equal(summary["by_status"], {"200": 8, "201": 1, "400": 1}, "statuses")
        equal((summary["max_in_window"], summary["scripted"]), (None, 0), "what was not asked for")
        assert summary["connections"] >= 2, summary  # ours, and one for each look at the summary


def test_reset_clears_the_ledger_and_the_counters_but_not_the_tokens():
    with sandbox() as (box, client):
        client.send("a")
        equal(client.post("/sandbox/reset", b"").status, 200, "status")
        summary = box.summary()
        equal((summary["accepted"], summary["requests"], summary["tokens_issued"]), (0, 0, 0), "counts")
        equal(box.ledger(), [], "ledger")
        equal(client.send("a").status, 200, "status with the old token")
        equal([(entry["seq"], entry["request_id"]) for entry in box.ledger()], [(1, "a")], "ledger")
        equal(box.summary()["duplicates"], 0, "duplicates")


def test_a_full_ledger_refuses_with_503_and_never_drops():
    with sandbox("--ledger-max", "3") as (box, client):
        equal([client.send().status for _ in range(5)], [200, 200, 200, 503, 503], "statuses")
        assert "ledger is full" in expect_error(client.send(), 503, "service.unavailable")["message"]
        equal(len(box.ledger()), 3, "ledger")


def test_the_memory_of_the_ledger_is_bounded_as_well():
    with sandbox("--keep-texts", "--ledger-bytes", "1048576") as (box, client):
        statuses = [
            client.post(MESSAGING, messaging("messaging:facebook", "x" * 64000)).status for _ in range(20)
        ]
        equal(sorted(set(statuses)), [201, 503], "statuses")
        equal(len(box.ledger()), statuses.count(201), "ledger")


# --- faults


def test_each_status_fault_answers_in_the_error_form_and_accepts_nothing():
    codes = {
        "429": "too.many.requests.retry.after",
        "500": "internal.server.error",
        "502": "bad.gateway",
        "503": "service.unavailable",
        "504": "request.timeout",
        "400": "bad.request",
        "401": "bad.credentials",
        "403": "missing.permissions",
    }
    with sandbox() as (box, client):
        for name, code in codes.items():
            box.config(faults={**dict.fromkeys(codes, 0), name: 1})
            answer = client.send()
            expect_error(answer, int(name), code)
            equal(answer.headers["Retry-After"], "1" if name == "429" else None, "Retry-After")
            equal(box.summary()["faults"][name], 1, "counted faults")
        equal(box.summary()["accepted"], 0, "accepted")


def test_reset_before_leaves_no_trace_and_reset_after_is_in_the_ledger():
    for name, accepted in (("reset-before", []), ("reset-after", ["reset"])):
        with sandbox(f"--fault-{name}", "1") as (box, client):
            assert is_reset(lambda: client.send("a")), "the connection was not reset"
            equal([entry["answered"] for entry in box.ledger()], accepted, f"ledger after {name}")
            summary = box.summary()
            equal((summary["resets"], summary["faults"][name]), (1, 1), "counts")


def test_a_request_that_hangs_gets_nothing_and_is_let_go_when_its_client_leaves():
    for name, accepted in (("hang", []), ("hang-after", ["hang"])):
        with sandbox(f"--fault-{name}", "1") as (box, client):
            descriptors = pathlib.Path(f"/proc/{box.pid}/fd")
            before = len(list(descriptors.iterdir()))
            hanging = Client(box, token=False)
            hanging.http.request("POST", AGENTLESS, json.dumps(agentless()), {**JSON, **client.headers})
            wait_until(lambda: box.summary()["hangs"] == 1, "the request to be taken")
            readable, _, _ = select.select([hanging.http.sock], [], [], 0.3)
            equal(readable, [], "an answer")
            equal([entry["answered"] for entry in box.ledger()], accepted, f"ledger after {name}")
            hanging.http.close()
            wait_until(lambda: len(list(descriptors.iterdir())) <= before, "its descriptor to be closed")


def test_a_gateway_timeout_after_acceptance_is_in_the_ledger():
    with sandbox("--fault-504-after", "1") as (box, client):
        expect_error(client.send(), 504, "request.timeout")
        equal([entry["answered"] for entry in box.ledger()], [504], "ledger")


def test_an_answer_can_be_html_or_ten_megabytes():
    with sandbox("--fault-non-json", "1") as (box, client):
        answer = client.send()
        equal((answer.status, answer.headers["Content-Type"]), (502, "text/html"), "status and type")
        assert answer.bytes.startswith(b"<html>"), answer.bytes
        box.config(faults={"non-json": 0, "huge": 1})
        answer = client.send()
        equal((answer.status, len(answer.bytes)), (502, 10 * 1024 * 1024), "status and length")
        equal(box.summary()["accepted"], 0, "accepted")


def test_the_same_seed_gives_the_same_faults_and_another_seed_others():
    def run(seed):
        flags = ["--fault-500", "0.3", "--fault-429", "0.2", "--seed", seed]
        with sandbox(*flags) as (_, client):
            return [client.send().status for _ in range(200)]

    first = run("7")
    equal(run("7"), first, "statuses")
    assert run("8") != first
    assert 35 <= first.count(500) <= 85 and 20 <= first.count(429) <= 62, first


def test_fault_first_limits_faults_to_the_first_requests():
    with sandbox("--fault-503", "1", "--fault-first", "3") as (_, client):
        equal([client.send().status for _ in range(6)], [503] * 3 + [200] * 3, "statuses")


def test_an_invalid_message_is_refused_even_when_a_fault_would_accept_it():
    with sandbox("--fault-reset-after", "1") as (box, client):
        expect_error(client.send(toAddress="x"), 400, "invalid.value")
        equal(box.summary()["accepted"], 0, "accepted")


# --- scripts and settings under way


def test_scripted_steps_match_in_order_and_as_often_as_they_say():
    with sandbox() as (box, client):
        steps = [
            {"match": {"to": "+13175550111"}, "times": 2, "do": "500"},
            {"match": {}, "do": "429", "retry_after": 3},
            {"match": {"request_id": "r-1", "route": "agentless"}, "do": "403"},
        ]
        equal(json.loads(box.script(steps)), [{"do": step["do"], "left": step.get("times", 1)} for step in steps], "")
        answer = client.send()
        equal((answer.status, answer.headers["Retry-After"]), (429, "3"), "the step for everybody")
        assert "in [3] seconds" in answer.json["message"], answer.json
        statuses = [client.send(toAddress="+13175550111").status for _ in range(3)]
        equal(statuses, [500, 500, 200], "statuses of the matched number")
        equal([client.send("r-1").status for _ in range(2)], [403, 200], "statuses of the matched request id")
        equal([step["left"] for step in json.loads(box.request("/sandbox/script"))], [0, 0, 0], "turns left")
        equal(box.summary()["scripted"], 4, "scripted")


def test_scripts_win_over_faults_and_can_go_on_for_ever():
    with sandbox("--fault-500", "1") as (box, client):
        box.script([{"do": "ok", "times": 0}])
        equal([client.send().status for _ in range(5)], [200] * 5, "statuses")
        box.script([])
        equal(client.send().status, 500, "status without the script")


def test_a_script_can_accept_and_then_reset_delay_or_answer_oddly():
    with sandbox() as (box, client):
        box.script(
            [
                {"do": "202"},
                {"do": "502", "accept": True},
                {"do": "reset-after"},
                {"do": "409", "code": "conflict", "message": "An active conversation is already in progress"},
                {"do": "503", "retry_after": 0},
                {"do": "429", "retry_after": -1},
                {"do": "huge", "status": 200, "accept": True},
                {"do": "ok", "delay_ms": 100},
            ]
        )
        answer = client.send()
        equal((answer.status, answer.bytes), (202, b""), "accepted without a body")
        equal(client.send().status, 502, "accepted with an error")
        assert is_reset(client.send)
        equal(expect_error(client.send(), 409, "conflict")["message"][:22], "An active conversation", "message")
        equal(client.send().headers["Retry-After"], "0", "Retry-After")
        answer = client.send()
        equal((answer.status, answer.headers["Retry-After"]), (429, None), "429 without Retry-After")
        equal(len(client.send().bytes), 10 * 1024 * 1024, "length")
        start = time.monotonic()
        equal(client.send().status, 200, "status")
        assert time.monotonic() - start >= 0.1, "no delay"
        equal([entry["answered"] for entry in box.ledger()], [202, 502, "reset", 200, 200], "ledger")


def test_a_script_can_name_the_token_route_and_only_then_touches_it():
    with sandbox(token=False) as (box, client):
        box.script([{"do": "500", "times": 0}, {"match": {"route": "token"}, "do": "503", "retry_after": 2}])
        answer = client.ask_token()
        equal((answer.status, answer.headers["Retry-After"]), (503, "2"), "the scripted answer")
        equal(client.ask_token().status, 200, "status after it")


def test_a_bad_script_changes_nothing():
    with sandbox() as (box, client):
        box.script([{"do": "500", "times": 0}])
        for body in (
            {},
            [1],
            [{}],
            [{"do": "explode"}],
            [{"do": "200"}],
            [{"do": "500", "times": -1}],
            [{"do": "500", "match": {"text": "x"}}],
            [{"do": "500", "match": {"to": 5}}],
            [{"do": "500", "delay": 5}],
            [{"do": "500", "message": "x" * 300}],
            [{"do": "500"}] * 10001,
        ):
            expect_error(client.post("/sandbox/script", body), 400, "bad.request")
        equal(client.send().status, 500, "status by the old script")


def test_settings_change_under_way_and_bad_ones_change_nothing():
    with sandbox() as (box, client):
        before = box.request("/sandbox/config")
        for body in (
            [],
            {"latency": "fast"},
            {"latency": "5ms", "rate": "x"},
            {"faults": {"418": 1}},
            {"faults": {"500": 2}},
            {"faults": {"500": 0.6, "503": 0.6}},
            {"faults": 1},
            {"colour": "red"},
            {"outage": 1},
            {"outage": None},
            {"seed": -1},
            {"revoke_tokens": "yes"},
        ):
            expect_error(client.post("/sandbox/config", body), 400, "bad.request")
        equal(box.request("/sandbox/config"), before, "settings")
        equal(client.send().status, 200, "status with the old token")
        box.config(rate="1/60s")
        equal([client.send().status for _ in range(2)], [200, 429], "statuses with a rate")
        box.config(rate="unlimited", token_seconds=77)
        equal(client.send().status, 200, "status without a rate")
        equal(client.ask_token().json["expires_in"], 77, "expires_in")


def test_an_outage_stops_sends_and_tokens_until_it_is_over():
    with sandbox() as (box, client):
        box.config(outage=True)
        expect_error(client.send(), 503, "service.unavailable")
        equal(client.ask_token().status, 503, "status of a token request")
        box.config(outage=False)
        equal(client.send().status, 200, "status")


# --- time and load


def test_latency_delays_every_answer_and_can_be_changed():
    with sandbox("--latency", "80ms", "--token-latency", "50") as (box, client):

        def timed(function):
            start = time.monotonic()
            function()
            return time.monotonic() - start

        assert timed(client.send) >= 0.08
        assert timed(client.ask_token) >= 0.05
        box.config(latency="uniform:20ms:40ms")
        times = [timed(client.send) for _ in range(15)]
        assert min(times) >= 0.02, times
        box.config(latency="normal:20ms:5ms")
        assert 0.012 <= statistics.median(timed(client.send) for _ in range(15)) <= 0.1 * SLOWNESS
        box.config(latency="exp:10ms")
        equal([client.send().status for _ in range(15)], [200] * 15, "statuses")
        box.config(latency="0")
        assert min(timed(client.send) for _ in range(10)) < 0.015 * SLOWNESS


def test_two_thousand_slow_requests_wait_at_once():
    count = 2000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        tap.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with sandbox("--latency", "1500ms") as (box, client):
        request = raw_request(client)
        with contextlib.ExitStack() as stack:
            start = time.monotonic()
            sockets = []
            for _ in range(count):
                each = stack.enter_context(raw_connection(client))
                each.sendall(request)
                sockets.append(each)
            answers = [each.recv(4096) for each in sockets]
            elapsed = time.monotonic() - start
        equal(sum(answer.startswith(b"HTTP/1.1 200") for answer in answers), count, "answers")
        assert elapsed < 15 * SLOWNESS, f"{elapsed} s: they did not wait together"
        equal(box.summary()["accepted"], count, "accepted")


def expect_bursts_to_be_answered(count, rounds, *flags):
    """Stopped while the requests come in, the sandbox finds all of them ready in one look at its connections."""
    with sandbox(*flags) as (box, client), contextlib.ExitStack() as stack:
        request = raw_request(client)
        connections = [stack.enter_context(raw_connection(client, 10 * SLOWNESS)) for _ in range(count)]
        for each in connections:
            each.sendall(request)
            equal(raw_status(each), 200, "status of the first request on a connection")
        for number in range(rounds):
            box.stop()
            for each in connections:
                each.sendall(request)
            box.cont()
            try:
                statuses = [raw_status(each) for each in connections]
            except TimeoutError:
                raise AssertionError(f"round {number} of {count} requests at once was not answered") from None
            equal(statuses, [200] * count, "statuses")
        for number in range(rounds):
            for each in connections:
                each.sendall(request)
            equal([raw_status(each) for each in connections], [200] * count, "statuses of a round that was not held up")
        equal(box.summary()["accepted"], count * (2 * rounds + 1), "accepted")


def test_128_requests_at_once_are_all_answered():
    # libmicrohttpd takes 128 events at a time, and used to wait for more when it had got exactly so many.
    expect_bursts_to_be_answered(128, 20)


def test_127_129_and_256_requests_at_once_are_all_answered():
    for count in (127, 129, 256):
        expect_bursts_to_be_answered(count, 5)


def test_128_requests_at_once_are_all_answered_when_each_has_to_wait():
    expect_bursts_to_be_answered(128, 10, "--latency", "uniform:0ms:3ms")


def test_128_requests_at_once_are_all_answered_by_many_threads():
    expect_bursts_to_be_answered(128, 10, "--threads", "3", "--latency", "uniform:0ms:1ms")


def test_a_connection_is_kept_alive_over_many_requests():
    with sandbox() as (box, client):
        before = box.summary()["connections"]
        for _ in range(100):
            client.send()
        equal(box.summary()["connections"], before + 1, "connections, one of them for the summary")


def test_the_books_are_right_under_load_from_many_threads_and_all_faults():
    kinds = ("429", "500", "reset-before", "reset-after", "504-after", "non-json")
    flags = [flag for kind in kinds for flag in (f"--fault-{kind}", "0.05")]
    with sandbox(*flags, "--threads", "3", "--latency", "uniform:0ms:3ms") as (box, _):

        def work(number):
            each, got = Client(box), []
            for index in range(80):
                try:
                    got.append(each.send(f"{number}-{index}").status)
                except ConnectionResetError:
                    got.append("reset")
            return got

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            answers = sum(pool.map(work, range(6)), [])
        summary = box.summary()
        equal(summary["requests"], 480, "requests")
        equal(summary["resets"], answers.count("reset"), "resets")
        faults = summary["faults"]
        accepted = answers.count(200) + faults["reset-after"] + faults["504-after"]
        equal(summary["accepted"], accepted, "accepted")
        equal(summary["duplicates"], 0, "duplicates")
        equal([entry["seq"] for entry in box.ledger()], list(range(1, accepted + 1)), "sequence numbers")
        equal(sum(faults.values()) + answers.count(200), 480, "every request is one or the other")


# --- TLS


def test_it_serves_https_and_resets_there_too():
    with Stand() as stand:
        cert, key = str(stand.path("cert.pem")), str(stand.path("key.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
        box = stand.sandbox("--tls-cert", cert, "--tls-key", key, "--latency", "5ms")
        assert box.url.startswith("https://"), box.url
        client = Client(box)
        equal([client.send(f"id-{number}").status for number in range(5)], [200] * 5, "statuses")
        box.script([{"do": "reset-after"}])
        try:
            client.send("id-5")
        except (ConnectionResetError, ssl.SSLError, http.client.RemoteDisconnected):
            pass
        else:
            raise AssertionError("the request was answered")
        equal([entry["answered"] for entry in box.ledger()], [200] * 5 + ["reset"], "ledger")


if __name__ == "__main__":
    tap.run(globals())
