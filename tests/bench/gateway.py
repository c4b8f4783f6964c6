#!/usr/bin/python3
"""The gateway's speed next to a bare libmicrohttpd that answers 200, in turns in one run, driven by wrk.

Each round asks the yardstick and then the gateway, so that both meet the same machine; what counts is the ratio. Receipts
are signed events, each a different one; messages are single ones without a key. p99 is taken at half of the load that the
gateway carried. Prints a table, and one JSON line a row with --json. Exit status 1 when a ratio is below its mark."""

import argparse
import base64
import hashlib
import hmac
import json
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

import stand as stands  # noqa: E402

CONNECTIONS = 64
SECRET = "a secret of the benchmark".replace(" ", "-")
TOKEN = "token-of-the-benchmark-0123456789"
MESSAGE = json.dumps(
    {
        "toAddressMessengerType": "sms",
        "fromAddress": "+13175550100",
        "toAddress": "+13175550199",
        "textBody": "Hello Ann, your order 4711 is ready to be picked up.",
        "metadata": {"consentVerified": True},
    },
    separators=(",", ":"),
)
ROWS = {  # name: (path, ratio to reach)
    "receipts": ("/webhooks/genesys-messaging", 0.40),
    "enqueue": ("/v1/messages", 0.35),
}
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


def write_requests(folder, events):
    with open(folder / "receipts.txt", "w") as out:
        out.writelines(event(number) for number in range(events))
    (folder / "enqueue.txt").write_text(f"Authorization=Bearer {TOKEN};\t{MESSAGE}\n")
    (folder / "full.lua").write_text(SCRIPT.replace("PACED", "false"))
    (folder / "paced.lua").write_text(SCRIPT.replace("PACED", "true"))


def wrk(folder, url, row, seconds, pause_ms=None):
    script = folder / ("full.lua" if pause_ms is None else "paced.lua")
    path, _ = ROWS[row]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", script, url, "--"]
    command += [folder / f"{row}.txt", path, pause_ms or 0]
    text = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx.*: (\d+)|Socket errors.*", text)
    if failed:
        raise AssertionError(f"{row}: {failed.group(0)}\n{text}")
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    p99_ms = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), p99_ms


class Bare:
    def __init__(self, threads):
        self.process = subprocess.Popen(
            [stands.program("tests/bench/bare_http"), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure_row(stand, gateway, bare, row, options):
    rounds = []
    for _ in range(options.rounds):
        yardstick, _ = wrk(stand.folder, bare.url, row, options.seconds)
        stand.redis.call("FLUSHALL")
        ours, _ = wrk(stand.folder, f"http://127.0.0.1:{gateway.port}", row, options.seconds)
        rounds.append((ours, yardstick, ours / yardstick))
    ours = statistics.median(each[0] for each in rounds)
    stand.redis.call("FLUSHALL")
    paced, p99_ms = wrk(stand.folder, f"http://127.0.0.1:{gateway.port}", row, options.seconds, max(1, round(CONNECTIONS * 2000 / ours)))
    ratios = [each[2] for each in rounds]
    return {
        "row": row,
        "ours_per_s": round(ours),
        "yardstick_per_s": round(statistics.median(each[1] for each in rounds)),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "mark": ROWS[row][1],
        "paced_per_s": round(paced),
        "p99_ms_at_half": round(p99_ms, 2),
    }


def print_table(results):
    print(f"{'':10}{'gateway/s':>12}{'bare/s':>12}{'ratio':>8}{'(min-max)':>16}{'mark':>7}{'p99 at half':>14}")
    for each in results:
        spread = f"({each['ratio_min']:.2f}-{each['ratio_max']:.2f})"
        print(
            f"{each['row']:10}{each['ours_per_s']:>12,}{each['yardstick_per_s']:>12,}{each['ratio']:>8.2f}{spread:>16}"
            f"{each['mark']:>7.2f}{each['p99_ms_at_half']:>11.2f} ms"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--threads", type=int, default=2, help="of the gateway and of the yardstick")
    parser.add_argument("--rows", default="receipts,enqueue")
    parser.add_argument("--share", type=float, default=1.0, help="of the mark that must be reached for exit status 0")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with stands.Stand(appendonly=False, unix=True) as stand:
        write_requests(stand.folder, 100000 + options.seconds * 60000)
        gateway = stand.gateway(
            *("--threads", options.threads, "--max-backlog", 0),
            clients=[stand.client("bench", "enqueue", TOKEN)],
            env={"GENESYS_WEBHOOK_SECRET": SECRET},
        )
        bare = Bare(options.threads)
        try:
            results = [measure_row(stand, gateway, bare, row, options) for row in options.rows.split(",")]
        finally:
            bare.close()
    print_table(results)
    for each in results if options.json else ():
        print(json.dumps(each))
    return 0 if all(each["ratio"] >= each["mark"] * options.share for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
