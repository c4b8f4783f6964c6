"""The demo behind scripts/demo: starts everything, sends the campaign, and holds what Herald says against what the
Genesys stand-in received."""

import argparse
import collections
import csv
import json
import os
import pathlib
import random
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import stand as stands  # noqa: E402  (the path has to be known first)

PEOPLE = 1000
SEED = 2026
RATE = "200/1s"
KEY = "herald:{default}:"
COUNTRIES = [("+1317555", "March 14"), ("+3491555", "14 de marzo"), ("+3315555", "14 mars"), ("+4930555", "14. März")]
NAMES = ["Ann", "Núñez, Óscar", "Zoé", "Jürgen", 'Maria "Mia"', "Li Wei", "Søren", ""]
FAULTS = ["--fault-429", "0.01", "--fault-500", "0.02", "--fault-503", "0.01", "--fault-reset-before", "0.01",
          "--fault-reset-after", "0.01", "--fault-hang", "0.002", "--latency", "exp:40ms", "--observe-window", "1s"]
BAD_ROWS = [
    ["0317555", "Too Short", "x", "09:00", "", "true"],
    ["+13175559901", "No Consent", "x", "09:00", "", "false"],
    ["+13175559902", "Nothing Said", "x", "09:00", "", ""],
    ["+13175559903", "No Date", "", "09:00", "en", "true"],
    ["+13175559904", "Long " * 200, "x", "09:00", "en", "true"],
    ["+13175559905", "Too Few Fields"],
    ["", "No Address", "x", "09:00", "", "true"],
]
REJECTED_BY_GENESYS = 5


def write_people(path):
    """1,000 people in four languages; BAD_ROWS are spread among them, so the file has that many rows more."""
    dice = random.Random(SEED)
    rows = []
    for number in range(PEOPLE):
        prefix, date = COUNTRIES[number % len(COUNTRIES)]
        hour = f"{dice.randint(8, 17):02}:{dice.choice(['00', '15', '30', '45'])}"
        rows.append([f"{prefix}{number:05}", dice.choice(NAMES), date, hour, "", "true"])
    for row in BAD_ROWS:
        rows.insert(dice.randrange(len(rows)), row)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["to", "name", "date", "time", "language", "consentVerified"])
        writer.writerows(rows)


def script_rejections(sandbox):
    """Some numbers that Genesys will never take, so that there are dead letters to look at."""
    sandbox.script([{"match": {"to": f"{COUNTRIES[0][0]}{number * 4:05}"}, "times": 0, "do": "400",
                     "code": "invalid.recipient", "message": "The recipient cannot be reached"}
                    for number in range(REJECTED_BY_GENESYS)])


def send(stand, people, started):
    """The command as a user would type it; its progress bar, if there is a terminal, is the user's."""
    command = [str(stands.BUILD / "herald"), "campaign", "send", "--template", str(ROOT / "examples/appointment.json"),
               "--recipients", people, "--rejects", stand.path("rejects.csv"), "--wait"]
    print("$ herald campaign send --template examples/appointment.json --recipients people.csv --wait", flush=True)
    status = subprocess.call(command, env=stand.environment())
    if status not in (0, 3):
        raise SystemExit(f"demo: the campaign ended with status {status}")
    return time.monotonic() - started


def audit_attempts(stand):
    """Attempts by message, as the audit has them."""
    attempts = collections.defaultdict(list)
    for _, fields in stand.redis.call("XRANGE", KEY + "audit", "-", "+"):
        entry = json.loads(fields[1])
        if entry["what"] == "attempt":
            attempts[entry["id"]].append(entry)
    return attempts


def compare(stand, sandbox):
    """Held against each other: what Herald counts, what its audit says, and what the stand-in received."""
    status = stand.status()
    received = collections.Counter(entry["request_id"] for entry in sandbox.ledger())
    attempts = audit_attempts(stand)
    sent = {name for name, list_ in attempts.items() if any(a["outcome"] == "sent" for a in list_)}
    unknown = {name: sum(bool(a.get("unknown")) for a in list_) for name, list_ in attempts.items()}
    return status, received, [
        ("accepted = the sum of all places, nothing left to send",
         status["balanced"] and status["uncounted"] == 0 and
         status["accepted"] == status["places"]["sent"] + status["places"]["dead"]),
        ("each sent message is in the stand-in's ledger", len(sent) == status["places"]["sent"] and sent <= set(received)),
        ("whatever else the ledger has, its outcome was unknown", all(unknown.get(n) for n in set(received) - sent)),
        ("each message received twice had an unknown outcome", all(unknown.get(n, 0) >= c - 1 for n, c in received.items())),
    ]


def report(stand, status):
    """The report as a user would ask for it, and whether it has counted what the places have."""
    print("\n$ herald report --days 1", flush=True)
    print(stand.herald("report", "--days", "1", check=True).out, end="")
    total = stand.herald("report", "--days", "1", "--json", check=True).json["total"]
    return ("the report has counted each of them",
            (total["sent"], total["dead"]) == (status["places"]["sent"], status["places"]["dead"]))


def refusals(stand):
    with open(stand.path("rejects.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return collections.Counter(row[2].split(":")[0] for row in rows)


def print_table(status, received, refused, seconds, checks):
    counters = status["counters"]
    rows = [("rows in the file", PEOPLE + len(BAD_ROWS)), ("accepted", status["accepted"]),
            ("refused rows", sum(refused.values())), *((f"  {name}", count) for name, count in sorted(refused.items())),
            ("sent", status["places"]["sent"]), ("dead letters", status["places"]["dead"]),
            *((f"  {name[5:]}", count) for name, count in sorted(counters.items()) if name.startswith("dead:")),
            ("retries", counters.get("retries", 0)), ("given back unsent (429)", counters.get("returned", 0)),
            ("received by the stand-in", sum(received.values())),
            ("  the same message twice", sum(c - 1 for c in received.values())), ("seconds", f"{seconds:.1f}")]
    print("\n" + "-" * 62)
    for name, value in rows:
        print(f"  {name:<44}{value:>14}")
    print("-" * 62)
    for name, is_right in checks:
        print(f"  {'ok ' if is_right else 'NOT'} {name}")


def look_around(stand, sandbox):
    print(f"""
Left running in {stand.path('')}. To look at it:
  export HERALD_REDIS_URL={stand.redis.url}
  build/herald status
  build/herald campaign status appointment
  curl -s {sandbox.url}/sandbox/ledger | head
  build/herald dead list
  build/herald report --by campaign
To end it: kill {' '.join(str(process.pid) for process in [stand.redis, sandbox, *stand_workers])}""")


stand_workers = []


def run(keep):
    started = time.monotonic()
    with stands.Stand() as stand:
        sandbox = stand.sandbox(*FAULTS)
        script_rejections(sandbox)
        worker = stand.worker("--retry-base", "200ms", "--retry-cap", "2s", "--timeout", "2s", "--max-attempts", "10",
                              env={"HERALD_RATE": RATE})
        worker.wait_ready()
        stand_workers.append(worker)
        people = stand.path("people.csv")
        write_people(people)
        print(f"redis, herald-sandbox (with 429s, 500s, 503s, resets, hangs, slow answers) and one herald-worker at {RATE}"
              " are running", flush=True)
        seconds = send(stand, people, started)
        status, received, checks = compare(stand, sandbox)
        checks.append(report(stand, status))
        print_table(status, received, refusals(stand), seconds, checks)
        if keep:
            look_around(stand, sandbox)
            stand.keep()
        return 0 if all(is_right for _, is_right in checks) else 1


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="The whole of Herald in a minute.")
    parser.add_argument("--keep", action="store_true", help="leave it running and say how to look at it")
    options = parser.parse_args()
    try:
        return run(options.keep)
    except KeyboardInterrupt:
        print("\ndemo: stopped; everything it had started is stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
