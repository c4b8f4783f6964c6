#!/usr/bin/python3
"""docs/openapi.json against herald-gateway: each path and method, each status that can be provoked, headers and bodies."""

import base64
import copy
import hashlib
import hmac
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import jsonschema
import tap
from flow import message, messages, wait_sent
from http_client import Client
from stand import ROOT, Stand, wait_until
from tap import equal

TEXT = (ROOT / "docs" / "openapi.json").read_text()
DOC = json.loads(TEXT)
ENVELOPE = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
VERBS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
OF_EVERY_PATH = {404: "NotFound", 405: "MethodNotAllowed", 403: "OriginForbidden", 431: "HeadersTooLarge"}
SECRET = "a-webhook-secret-of-32-characters"
PAGE = "https://crm.example.com"
LINES = "application/x-ndjson"
TEMPLATE = {
    "name": "ready",
    "channel": "sms",
    "from": "+13175550100",
    "route": "agentless",
    "default_language": "en",
    "texts": {"en": "Hello {{name}}"},
}


def resolve(value):
    """A copy without references: those into the document, and that to the schema of the envelope."""
    if isinstance(value, dict) and "$ref" in value:
        reference = value["$ref"]
        if reference == "envelope.schema.json":
            return inline_envelope(ENVELOPE)
        place = DOC
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        return resolve(place)
    if isinstance(value, dict):
        return {name: resolve(item) for name, item in value.items()}
    return [resolve(item) for item in value] if isinstance(value, list) else value


def inline_envelope(value):
    """The envelope's schema is a schema of its own, with an $id: its references stay within it."""
    return copy.deepcopy(value)


def operations():
    """(METHOD, path, operation) of the document."""
    return [
        (verb.upper(), path, operation)
        for path, item in DOC["paths"].items()
        for verb, operation in item.items()
        if verb in VERBS
    ]


def problems_of(schema, value):
    found = jsonschema.Draft202012Validator(schema).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def check(answer, method, path, exact_code=None):
    """The answer is one that the document allows at this place."""
    item = DOC["paths"].get(path, {})
    operation = item.get(method.lower(), {"responses": {}})
    response = operation["responses"].get(str(answer.status))
    if not response:
        response = OF_EVERY_PATH.get(answer.status)
        assert response, f"{method} {path}: {answer.status} is not in the document: {answer}"
        response = DOC["components"]["responses"][response]
    response = resolve(response)
    about = f"{method} {path} {answer.status}"
    for name, header in response.get("headers", {}).items():
        given = answer.headers[name]
        assert given is not None or not header.get("required"), f"{about}: {name} is missing in {answer}"
        if given is not None:
            value = int(given) if header["schema"].get("type") == "integer" else given
            equal(problems_of(header["schema"], value), [], f"{about}: {name}")
    assert answer.type in response["content"], f"{about}: {answer.type} is none of {list(response['content'])}"
    schema = response["content"][answer.type]["schema"]
    for value in map(json.loads, answer.body.splitlines()) if answer.type == LINES else [answer.json]:
        equal(problems_of(schema.get("contentSchema", schema), value), [], f"{about}: {answer}")
    if answer.status >= 400 and answer.type == "application/problem+json":
        equal(answer.json["status"], answer.status, "status within the problem")
        equal(answer.json["type"], "urn:herald:problem:" + answer.code, "type of the problem")
    if exact_code:
        equal(answer.code, exact_code, about)
    return answer


def filled(path, value="c1"):
    return path.replace("{id}", value)


def one_body(kinds):
    """A body that a path takes at first sight."""
    return (b"{}" if "application/json" in kinds else b"to\n") if kinds else None


def signed(body, secret=SECRET):
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def gateway_of(stand, *flags, clients=None):
    return stand.gateway(*flags, env={"GENESYS_WEBHOOK_SECRET": SECRET}, clients=clients)


def test_the_document_is_whole():
    equal(DOC["openapi"], "3.1.0", "version")
    names = [operation["operationId"] for _, _, operation in operations()]
    equal(len(names), len(set(names)), "names of the operations")
    for method, path, operation in operations():
        about = f"{method} {path}"
        for status, response in resolve(operation["responses"]).items():
            assert response["description"] and status.isdigit(), about
            for media in response["content"].values():
                jsonschema.Draft202012Validator.check_schema(media["schema"])
        given = {parameter["name"] for parameter in resolve(operation.get("parameters", []))}
        assert all(part[1:-1] in given for part in path.split("/") if part.startswith("{")), about
        assert "503" in operation["responses"], about
    for kind in ("responses", "headers", "parameters", "schemas"):
        for name in DOC["components"][kind]:
            assert f"#/components/{kind}/{name}" in TEXT or name in OF_EVERY_PATH.values(), \
                f"nobody uses {kind}/{name}"


def test_the_server_has_the_documents_paths_and_methods_and_no_others():
    with Stand() as stand, Client(gateway_of(stand).port, stand.token) as client:
        for path in DOC["paths"]:
            answer = check(client.request("BREW", filled(path)), "BREW", path, "method_not_allowed")
            documented = {method for method, other, _ in operations() if other == path}
            equal(set(answer.headers["Allow"].split(", ")), documented, f"methods of {path}")
    source = (ROOT / "producer" / "gateway" / "endpoints.c").read_text()
    rows = source[source.index("endpoints[] = {") : source.index("};")]
    served = {part.replace("{}", "{id}") for part in rows.split('"') if part.startswith("/")}
    equal(served, set(DOC["paths"]), "paths")


def test_every_path_refuses_who_may_not_as_documented():
    with Stand() as stand:
        nobody = "nothing-but-a-name-0123456789"
        gateway = gateway_of(stand, clients=[stand.client(), "idle:read:" + hashlib.sha256(nobody.encode()).hexdigest()])
        for method, path, operation in operations():
            kinds = operation.get("requestBody", {}).get("content", {})
            headers = {"Content-Type": next(iter(kinds))} if kinds else {}
            body = one_body(kinds)
            scopes = [scope for entry in operation["security"] for scope in entry["bearer"]]
            if not scopes:
                with Client(gateway.port) as client:
                    check(client.request(method, filled(path), body, headers), method, path, "signature_wrong")
                continue
            for token in (None, "short", "a-token-of-nobody-0123456789"):
                with Client(gateway.port, token) as client:
                    check(client.request(method, filled(path), body, headers), method, path, "unauthorized")
            with Client(gateway.port, nobody) as client:
                answer = client.request(method, filled(path), body, headers)
                check(answer, method, path, None if scopes == ["read"] else "forbidden")


def test_every_path_refuses_bodies_as_documented():
    with Stand() as stand, Client(gateway_of(stand, "--max-upload", "1000000").port, stand.token) as client:
        for method, path, operation in operations():
            kinds = operation.get("requestBody", {}).get("content", {})
            headers = {"Content-Type": next(iter(kinds), "application/json")}
            large = b"x" * (1 << 20) + b"x"
            headers["Content-Type"] = "application/json" if "application/json" in kinds else headers["Content-Type"]
            answer = client.request(method, filled(path), large, {**headers, "X-Hub-Signature-256": signed(large)})
            check(answer, method, path, "body_too_large")
            answer = client.request(method, filled(path), b"x", {**headers, "Content-Encoding": "gzip"})
            check(answer, method, path, "encoding_unsupported")
            twice = {"Authorization": None, "authorization": "x", "AUTHORIZATION": "y"}
            answer = client.request(method, filled(path), None, twice)
            check(answer, method, path, "request_malformed")


def test_messages_as_documented():
    path, ask = "/v1/messages", "POST"
    with Stand() as stand, Client(gateway_of(stand).port, stand.token) as client:

        def post(body, status, code=None, **more):
            answer = client.post(path, body, **more)
            equal(answer.status, status, f"{answer}")
            return check(answer, ask, path, code)

        post(message(1), 202)
        equal(post(message(1), 202).headers["Idempotency-Replayed"], "true", "the second time")
        post(message(2)["payload"] | {"metadata": {"consentVerified": True}}, 202)
        post(messages(3, 10), 202)
        post([*messages(2, 20), {}], 207)
        post([{}, {"payload": 1}], 422)
        post({}, 422, "field_missing")
        post(b"{", 400, "json_invalid")
        post(message(1, payload={"textBody": "another text"}), 422, "idempotency_key_reused")
        post([message(1, payload={"textBody": "another text"})], 422)
        post([], 422, "array_length")
        post(message(3), 400, "idempotency_key_invalid", key="")
        post(b"x", 415, "type_unsupported", headers={"Content-Type": "text/plain"})
        for item in (message(1, campaign="no name"), message(1, route="pigeon"), message(1, metadata={}),
                     message(1, payload={"toAddress": "x"}), message(1, payload={"textBody": "{{name}}"}),
                     message(1, payload={"toAddressMessengerType": "fax"}), message(1, v=2),
                     message(1, payload={"textBody": "a" * 100000}), message(1, payload={"fromAddress": "x"})):
            assert "pointer" in post(item, 422).json, item


def test_a_message_and_its_campaign_as_documented():
    with Stand() as stand:
        stand.sandbox()
        gateway = gateway_of(stand)
        with Client(gateway.port, stand.token) as client:
            get = lambda path, value: check(client.get(filled(path, value)), "GET", path)
            equal(get("/v1/messages/{id}", "m1").code, "message_unknown", "before")
            equal(get("/v1/campaigns/{id}", "spring").code, "campaign_unknown", "before")
            client.post("/v1/messages", message(1, campaign="spring"))
            client.post("/v1/messages", message(2, campaign="spring", payload={"toAddress": "+13175550001"}))
            equal(get("/v1/messages/{id}", "m1").json["state"], "accepted", "state")
            equal(get("/v1/campaigns/{id}", "spring").json["left"], 2, "left")
            get("/v1/status", "")
            stand.worker(*flow.QUICK).wait_ready()
            wait_sent(stand, 2)
            equal(get("/v1/messages/{id}", "m1").json["state"], "sent", "state")
            equal(get("/v1/campaigns/{id}", "spring").json["percent"], 100, "percent")
            get("/v1/status", "")
            for verb, status, code in (("pause", 200, None), ("resume", 200, None), ("cancel", 200, None),
                                       ("resume", 409, "campaign_cancelled"), ("pause", 409, "campaign_cancelled")):
                answer = client.post(f"/v1/campaigns/spring/{verb}")
                equal(answer.status, status, verb)
                check(answer, "POST", f"/v1/campaigns/{{id}}/{verb}", code)
            for verb in ("pause", "resume", "cancel"):
                answer = client.post(f"/v1/campaigns/none/{verb}")
                check(answer, "POST", f"/v1/campaigns/{{id}}/{verb}", "campaign_unknown")


def test_receipts_as_documented():
    events = {
        "/webhooks/genesys-messaging": {"event": {"id": "e1", "type": "message.status"},
                                        "data": {"messageId": "p1", "status": "delivered"}},
        "/webhooks/open-messaging": {"id": "p2", "channel": {"time": "2026-01-15T10:30:00Z"}, "type": "Receipt",
                                     "status": "Delivered", "isFinalReceipt": True, "direction": "Outbound"},
    }
    with Stand() as stand, Client(gateway_of(stand).port) as client:
        for path, event in events.items():
            seen = set()
            for body in (json.dumps(event).encode(),) * 2 + (b"{", b"[]", b"{}", b'{"data":{}}', b"7"):
                answer = client.post(path, body, headers={"X-Hub-Signature-256": signed(body)})
                check(answer, "POST", path)
                seen.add(answer.status)
            equal(seen, {200, 400}, path)
            check(client.post(path, b"{}", headers={"X-Hub-Signature-256": signed(b"{ }")}), "POST", path, "signature_wrong")


def test_streams_and_uploads_as_documented():
    with Stand() as stand:
        stand.path("templates").mkdir()
        stand.write("templates/ready.json", json.dumps(TEMPLATE))
        gateway = gateway_of(stand, "--templates", stand.path("templates"))
        with Client(gateway.port, stand.token) as client:

            def post(path, body, kind, status, code=None):
                answer = client.post(path, body.encode(), headers={"Content-Type": kind})
                equal(answer.status, status, f"{path} {body[:60]}: {answer}")
                return check(answer, "POST", path.partition("?")[0], code)

            lines = "".join(json.dumps(item) + "\n" for item in messages(3))
            post("/v1/messages", lines, LINES, 202)
            equal(post("/v1/messages", lines, LINES, 202).headers["Idempotency-Replayed"], "true", "again")
            post("/v1/messages", lines + "{}\n", LINES, 207)
            post("/v1/messages", "{}\n", LINES, 422)
            post("/v1/messages", "\n", LINES, 422, "lines_missing")
            written = {"template": "ready", "to": "+13175550199", "variables": {"name": "Ann"}, "consentVerified": True}
            post("/v1/messages", json.dumps(written), "application/json", 202)
            post("/v1/messages", json.dumps({**written, "template": "x"}), "application/json", 422, "template_unknown")
            post("/v1/messages", json.dumps({**written, "template": {}}), "application/json", 422, "template_invalid")

            good = "to,name,consentVerified\n+13175550199,Ann,true\n"
            post("/v1/campaigns?template=ready", good, "text/csv", 202)
            post("/v1/campaigns?template=ready", good + "12,Bob,true\n", "text/csv", 207)
            post("/v1/campaigns?template=ready", "to,name,consentVerified\n12,Bob,true\n", "text/csv", 422)
            for query, body, code in (("", good, "field_missing"), ("?template=x", good, "template_unknown"),
                                      ("?template=ready&send_at=x", good, "field_invalid"),
                                      ("?template=ready", "to\n", "column_missing"),
                                      ("?template=ready", "to,name,consentVerified\n", "recipients_empty"),
                                      ("?template=ready", "PK\3\4", "recipients_invalid")):
                post("/v1/campaigns" + query, body, "text/csv", 422, code)
            post("/v1/campaigns", good, "text/plain", 415, "type_unsupported")
            post("/v1/campaigns", "--boundary\r\n", "multipart/form-data; boundary=boundary", 400, "form_invalid")


def test_dead_letters_as_documented():
    with Stand() as stand:
        stand.sandbox()
        stand.worker(*flow.QUICK).wait_ready()
        flow.push(stand, {}, message(1, metadata={}, campaign="spring"))
        flow.wait_dead(stand, 2)
        with Client(gateway_of(stand).port, stand.token) as client:
            equal(check(client.get("/v1/dead"), "GET", "/v1/dead").json["total"], 2, "all")
            found = check(client.get("/v1/dead?filter=reason%3Dconsent_missing"), "GET", "/v1/dead")
            equal(found.json["total"], 1, "of one reason")
            check(client.get("/v1/dead?filter=x"), "GET", "/v1/dead", "filter_invalid")
            consent = {"metadata": {"consentVerified": True}}
            for body, status, code in (
                ({"filter": "reason=consent_missing", "reason": "r", "dry_run": True}, 200, None),
                ({"filter": "reason=consent_missing", "reason": "r", "edit": consent, "limit": 5}, 200, None),
                ({"filter": "x", "reason": "r"}, 422, "filter_invalid"),
                ({"filter": ""}, 422, "field_invalid"),
                ({"reason": "r"}, 422, "field_invalid"),
                ({"filter": "", "reason": "r", "limit": 0}, 422, "field_invalid"),
                ({"filter": "", "reason": "r", "to_priority": "x"}, 422, "field_invalid"),
                ({"filter": "", "reason": "r", "edit": 7}, 422, "field_invalid"),
                ([], 400, "json_invalid"),
                (b"{", 400, "json_invalid"),
            ):
                answer = client.post("/v1/dead/replay", body)
                equal(answer.status, status, f"{body}: {answer}")
                check(answer, "POST", "/v1/dead/replay", code)
            wait_sent(stand, 1)


def test_a_redis_that_is_away_as_documented():
    with Stand() as stand, Client(gateway_of(stand, "--max-backlog", "1").port, stand.token) as client:
        equal(client.post("/v1/messages", message(1)).status, 202, "room for one")
        check(client.post("/v1/messages", message(2)), "POST", "/v1/messages", "backlog_full")
        equal(check(client.post("/v1/messages", messages(2, 2)), "POST", "/v1/messages").status, 503, "an array")
        equal(check(client.post("/v1/messages", [{}, message(2)]), "POST", "/v1/messages").status, 207, "in part")
        stand.redis.kill()
        wait_until(lambda: client.get("/v1/status").status == 503, "the gateway to notice")
        for method, path, operation in operations():
            kinds = operation.get("requestBody", {}).get("content", {})
            headers = {"Content-Type": next(iter(kinds), None), "X-Hub-Signature-256": signed(b"{}")}
            body = one_body(kinds)
            check(client.request(method, filled(path), body, headers), method, path, "redis_away")


def test_other_paths_and_pages_as_documented():
    with Stand() as stand, Client(gateway_of(stand, "--cors-origins", PAGE).port, stand.token) as client:
        check(client.get("/nowhere"), "GET", "/nowhere", "not_found")
        many = {f"X-{number}": "y" * 100 for number in range(18)}
        check(client.request("GET", "/v1/status", None, many), "GET", "/v1/status", "headers_too_large")
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        check(client.request("OPTIONS", "/v1/messages", None, preflight), "OPTIONS", "/v1/messages", "origin_forbidden")


def test_every_code_that_the_gateway_can_answer_is_in_the_document():
    documented = set(DOC["components"]["schemas"]["Code"]["enum"])
    sources = [*(ROOT / "producer" / "gateway").glob("*.c"), *(ROOT / "common").glob("*.c")]
    for path in sources:
        text = path.read_text()
        for words in ("exchange_problem(exchange, ", "exchange_unavailable(exchange, ", "answer_problem(answer, ", "refuse("):
            for part in text.split(words)[1:]:
                call = part[: part.index(";")]
                code = call.split('"')[1] if '"' in call else None
                if code and code.replace("_", "").isalpha() and code.islower() and "_" in code:
                    assert code in documented, f"{path.name}: {code} is not in the document"


if __name__ == "__main__":
    tap.run(globals())
