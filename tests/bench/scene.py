"""What the rows of the benchmark have in common: a stand, queues that are filled in one step, and looks at programs.

A scene measures one or more figures. The runner asks it in turn for the yardstick's and for ours; both answer with a
number for each figure's name. Redis has no append-only file here: what is measured is Herald, not the disk."""

import contextlib
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import stand as stands  # noqa: E402
from flow import KEY, READY  # noqa: E402

AGENTLESS = "/api/v2/conversations/messages/agentless"
WINDOW = "1000000/60s"  # wider than any machine is fast: its accounts are kept, and it holds nobody up
CHUNK = 1000  # of a list's elements that are read or pushed at once
SAVED_DB = 1
PATIENCE = 600  # seconds for what a slow machine may do; reaching it is a failure


class Scene:
    """Leaving the block ends everything it had started."""

    figures = ()

    def __init__(self, options):
        self.options = options
        self.stand = stands.Stand(appendonly=False, unix=True)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.stand)
            self.set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *about):
        return self._stack.__exit__(*about)

    def set_up(self, stack):
        """Once, before the first turn; `stack` ends what the stand does not."""

    def yardstick(self):
        return {}

    def ours(self):
        raise NotImplementedError

    def size(self, count, least=1):
        """A number of messages or seconds, by --scale."""
        return max(least, round(count * self.options.scale))


# --- people and messages


def write_people(path, count):
    """A CSV for the example's template: one language, so that all messages are of nearly one size."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["to", "name", "date", "time", "consentVerified"])
        writer.writerows([f"+1317{number:07}", "Ann", "14 March", "09:30", "true"] for number in range(count))
    return path


def send_campaign(stand, people, campaign="bench"):
    template = stands.ROOT / "examples" / "appointment.json"
    return stand.herald("campaign", "send", "--template", template, "--recipients", people, "--campaign", campaign,
                        check=True, timeout=PATIENCE)


def plain_messages(count):
    """Envelopes without ids, as any service may push them."""
    texts = []
    for number in range(count):
        payload = {"fromAddress": "+13175550100", "toAddress": f"+1317{number:07}", "toAddressMessengerType": "sms",
                   "textBody": "Hello Ann, we see you on 14 March at 09:30. Reply STOP to opt out."}
        texts.append(json.dumps({"payload": payload, "metadata": {"consentVerified": True}}, separators=(",", ":")))
    return texts


def envelopes(redis):
    """All that waits, newest first."""
    for start in range(0, redis.call("LLEN", READY), CHUNK):
        yield from redis.call("LRANGE", READY, start, start + CHUNK - 1)


def write_bodies(path, redis):
    """The requests' bodies of all that waits, one a line, as Genesys gets them on the agentless route."""
    with open(path, "w") as file:
        for envelope in envelopes(redis):
            payload = json.loads(envelope)["payload"]
            payload.pop("metadata", None)
            file.write(json.dumps(payload, separators=(",", ":"), ensure_ascii=False) + "\n")
    return path


def save_queue(redis):
    """Keeps a copy of what waits, from which refill() puts it back in one step."""
    redis.call("COPY", READY, READY, "DB", SAVED_DB, "REPLACE")


def refill(redis):
    redis.call("SELECT", SAVED_DB)
    redis.call("COPY", READY, READY, "DB", 0, "REPLACE")
    redis.call("SELECT", 0)


# --- sending


def sent(redis):
    return int(redis.call("HGET", KEY + "counts", "sent") or 0)


def wait_sent(redis, count):
    stands.wait_until(lambda: sent(redis) >= count, lambda: f"{count} messages to be sent; {sent(redis)} are", PATIENCE)


def start_workers(stand, processes, *flags):
    """Workers that are ready, before a queue in which nothing has ever been."""
    stand.redis.call("FLUSHDB")
    workers = [stand.worker(*flags, env={"HERALD_RATE": None}) for _ in range(processes)]
    for worker in workers:
        worker.wait_ready()
    return workers


def stop_workers(workers):
    for worker in workers:
        worker.terminate(seconds=60)


def drain(stand, count, *flags, processes=1):
    """Sends all of the saved queue; seconds, and CPU seconds of the workers."""
    stand.genesys.request("/sandbox/reset", {})
    workers = start_workers(stand, processes, *flags)
    cpu = sum(map(cpu_seconds, workers))
    refill(stand.redis)
    begun = time.monotonic()
    wait_sent(stand.redis, count)
    took = time.monotonic() - begun
    cpu = sum(map(cpu_seconds, workers)) - cpu
    stop_workers(workers)
    summary = stand.genesys.summary()
    assert summary["accepted"] == count and summary["duplicates"] == 0, f"{count} were to be sent once: {summary}"
    return took, cpu


def bare_curl(stand, bodies, count, in_flight, ca_file=None):
    """The bare loop over the same bodies: seconds and CPU seconds."""
    stand.genesys.request("/sandbox/reset", {})
    command = [stands.program("tests/bench/bare_curl"), stand.genesys.url + AGENTLESS, bodies, token(stand.genesys),
               count, in_flight, *([ca_file] if ca_file else [])]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE,
                          env=stands.clean_environment())
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told["seconds"], told["cpu_seconds"]


def token(sandbox):
    form = b"grant_type=client_credentials&client_id=sandbox&client_secret=sandbox-secret"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(
        context=stands.ssl._create_unverified_context()))
    with opener.open(sandbox.url + "/oauth/token", form, timeout=30) as answer:
        return json.loads(answer.read())["access_token"]


def make_certificate(stand):
    """A key, and a certificate for 127.0.0.1 that is its own authority."""
    cert, key = stand.path("cert.pem"), stand.path("key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return cert, key


# --- looks at programs


def cpu_seconds(process):
    """User and system time of all its threads that are alive, by the scheduler's own clock."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task")
    return sum(int((tasks / task / "schedstat").read_text().split()[0]) for task in os.listdir(tasks)) / 1e9


def memory_mib(process, name="VmRSS"):
    """Resident now, or at most so far (VmHWM)."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1)) / 1024


def settled_memory(redis):
    """used_memory of Redis once it has come to rest: no hash table is being moved any more."""
    seen = []

    def is_still():
        text = redis.call("INFO", "memory").decode()
        seen.append(int(re.search(r"^used_memory:(\d+)", text, re.MULTILINE).group(1)))
        return len(seen) > 20 and max(seen[-20:]) - min(seen[-20:]) < 1024

    stands.wait_until(is_still, lambda: f"Redis' memory to come to rest; it was {seen[-3:]}", 30)
    return seen[-1]
