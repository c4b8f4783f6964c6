"""Rows about herald-gateway, driven by wrk, next to a bare libmicrohttpd that reads each body and answers 200.

Receipts are signed events, each a different one; messages are single ones without a key. p99 is taken at half of the load
that the gateway carried."""

import base64
import hashlib
import hmac
import json
import re
import subprocess

import scene
import stand as stands
from figures import Figure

CONNECTIONS = 256  # of services that hold some each; why so many: docs/performance.md
THREADS = 2  # of the gateway and of the yardstick
SECRET = "a-secret-of-the-benchmark"
TOKEN = "token-of-the-benchmark-0123456789"
# One request a line, told apart by nothing but its number: wrk sends them as they are.
SCRIPT = """
local requests, at = {}, 0
function init(args)
  for line in io.lines(args[1]) do
    local headers, body = line:match("^(.-)\\t(.*)$")
    local all = {["Content-Type"] = "application/json", ["Host"] = "bench"}
    for name, value in headers:gmatch("([^=;]+)=([^;]+);") do all[name] = value end
    requests[#requests + 1] = wrk.format("POST", args[2], all, body)
  end
  pause_ms = tonumber(args[3])
end
function request()
  at = at % #requests + 1
  return requests[at]
end
if PACED then function delay() return pause_ms end end
"""


def event(number):
    body = json.dumps(
        {
            "id": f"evt_{number}",
            "type": "messaging:messages:updated",
            "data": {"messageId": f"msg_{number // 3}", "status": ("sent", "delivered", "read")[number % 3],
                     "timestamp": "2026-01-15T10:30:45.000Z"},
        },
        separators=(",", ":"),
    )
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body.encode(), hashlib.sha256)).decode()
    return f"X-Hub-Signature-256=sha256={signature};\t{body}\n"


class Gateway(scene.Scene):
    name, path = "", ""

    def set_up(self, stack):
        self.seconds = self.size(4)
        self.requests = self.write_requests(self.stand.path("requests.txt"))
        self.gateway = self.stand.gateway(
            *("--threads", THREADS, "--max-backlog", 0),
            clients=[self.stand.client("bench", "enqueue", TOKEN)],
            env={"GENESYS_WEBHOOK_SECRET": SECRET},
        )
        self.bare = subprocess.Popen(
            [stands.program("tests/bench/bare_http"), str(THREADS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(self.bare.communicate)  # closes its standard input, which ends it
        self.bare_port = int(self.bare.stdout.readline())

    def write_requests(self, path):
        """Headers and body of each request, as the script below reads them."""
        raise NotImplementedError

    def wrk(self, port, pause_ms=None):
        """Requests a second and p99 in ms, at full speed or with a pause between requests."""
        script = self.stand.write("wrk.lua", SCRIPT.replace("PACED", "false" if pause_ms is None else "true"))
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}", "--latency", "-s", script, f"http://127.0.0.1:{port}", "--",
                   self.requests, self.path, pause_ms or 0]
        text = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
        failed = re.search(r"Non-2xx.*: (\d+)|Socket errors.*", text)
        assert not failed, f"{self.name}: {failed.group(0)}\n{text}"
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        p99_ms = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), p99_ms

    def yardstick(self):
        return {self.name: self.wrk(self.bare_port)[0]}

    def ours(self):
        self.stand.redis.call("FLUSHALL")
        rate, _ = self.wrk(self.gateway.port)
        self.stand.redis.call("FLUSHALL")
        _, p99_ms = self.wrk(self.gateway.port, max(1, round(CONNECTIONS * 2000 / rate)))
        return {self.name: rate, f"{self.name} p99": p99_ms}


def figures(name, what, mark):
    return (
        Figure(name, f"{what} over HTTP, next to a bare libmicrohttpd", "/s", mark, is_ratio=True),
        Figure(f"{name} p99", "at half of that load", "ms"),
    )


class Enqueue(Gateway):
    name, path = "gateway-enqueue", "/v1/messages"
    figures = figures(name, "messages taken", 0.35)

    def write_requests(self, path):
        path.write_text(f"Authorization=Bearer {TOKEN};\t{scene.plain_messages(1)[0]}\n")
        return path


class Receipts(Gateway):
    name, path = "gateway-receipts", "/webhooks/genesys-messaging"
    figures = figures(name, "signed receipts recorded", 0.40)

    def write_requests(self, path):
        with open(path, "w") as out:
            out.writelines(event(number) for number in range(100000 + self.seconds * 60000))
        return path
