#!/usr/bin/python3
"""Chaos: a real Redis, the Genesys stand-in and some workers, messages fed all the while, and one kind of damage after
another. At the end what was accepted is held against what the stand-in received.

Nothing that was acknowledged may be lost. Under `hold` nothing may be sent twice; under `resend` each repetition must
be explained by a recorded unknown outcome. What got no answer while it was put in may or may not have arrived, and is
kept apart. Some messages have a callback_url, whose receiver must have been told what became of each (crm.py). The seed decides what is done and in which order; the machine decides what that hits.
"""

import argparse
import collections
import contextlib
import functools
import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import crm
import flow
import proxy
import resp
import stand as stands
from stand import SLOWNESS, Stand, wait_until

LEASE = 3.0
TIMEOUT = 2.0
DRAIN = 1.0
LIMIT, WINDOW = 400, "1s"
# What the stand-in sees is when requests arrive; on a busy machine they do so a little unevenly.
SEEN_WINDOW = "900ms"
# A worker that cannot reach Redis keeps its outcomes for 5 s beyond the drain, and tries to take leave for 2 s.
END_SECONDS = 15
LATENCY = "exp:150ms"  # long enough for some dozens of requests to be under way whatever strikes
POLICIES = ("resend", "hold")
FIXED_NAMES = 2  # so many workers have a name that stays through their lives; the others are named by chance
STUCK_SECONDS = 150
PAGE = 5000


def in_ms(seconds):
    return f"{seconds * 1000:.0f}ms"


# --- feeding -------------------------------------------------------------------------------------------------------


class Feeder:
    """Puts messages in by both ways, and remembers of each whether Redis is known to have it."""

    def __init__(self, stand, policy, seed, per_second, callback_url):
        self._stand = stand
        self._callback_url = callback_url
        self.to_tell = set()  # ids of messages whose outcome somebody wants to know
        self._policy = policy
        self._per_second = per_second
        self._dice = {name: random.Random(f"{seed} {name}") for name in ("cli", "push")}
        self._lock = threading.Lock()
        self._next = 0
        self._stopping = threading.Event()
        self.fed = {}  # id: (when, how); all that were ever tried
        self.acknowledged = {}  # id: when
        self.complaints = []
        self.cli_runs = collections.Counter()
        self._threads = [
            threading.Thread(target=self._guard, args=(self._feed_by_cli,), daemon=True),
            threading.Thread(target=self._guard, args=(self._feed_by_push,), daemon=True),
        ]
        self._started = time.monotonic()

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Ends the feeding; batches of the command line are repeated until they are answered, as a user would."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60 * SLOWNESS)
            if thread.is_alive():
                self.complaints.append("herald enqueue did not come to an end although Redis is there")

    @property
    def unsure(self):
        return self.fed.keys() - self.acknowledged.keys()

    def now(self):
        return time.monotonic() - self._started

    def _guard(self, work):
        try:
            work()
        except Exception as error:  # a thread's exception would go unnoticed
            self.complaints.append(f"the feeder broke: {type(error).__name__}: {error}")

    def _message(self, dice, how):
        with self._lock:
            self._next += 1
            index = self._next
        envelope = flow.message(index, payload={"toAddress": f"+1317{index:07}"})
        if self._policy == "hold":
            envelope["on_unknown"] = "hold"
        if dice.random() < 0.25:
            envelope["campaign"] = "chaos"
        if dice.random() < 0.3:
            envelope["priority"] = dice.choice(("high", "low"))
        if dice.random() < 0.05:
            envelope["send_at"] = int((time.time() + dice.uniform(0.2, 3)) * 1000)
        if dice.random() < crm.SHARE:
            envelope["callback_url"] = self._callback_url
            self.to_tell.add(envelope["id"])
        self.fed[envelope["id"]] = (self.now(), how)
        return envelope

    def _batch(self, dice, most, how):
        return [self._message(dice, how) for _ in range(dice.randint(1, most))]

    def _acknowledge(self, batch):
        for envelope in batch:
            self.acknowledged[envelope["id"]] = self.now()

    def _pause(self, dice, fed):
        self._stopping.wait(fed / (self._per_second / 2) * dice.uniform(0.5, 1.5))

    def _feed_by_push(self):
        dice, client = self._dice["push"], self._stand.redis.client()
        client.timeout = 1.5
        while not self._stopping.is_set():
            batch = self._batch(dice, 30, "LPUSH")
            commands = [("LPUSH", flow.LISTS[e.get("priority", "normal")], json.dumps(e)) for e in batch]
            with contextlib.suppress(OSError, resp.RedisError):  # without an answer nobody knows, nobody repeats it
                client.pipeline(commands)
                self._acknowledge(batch)
            self._pause(dice, len(batch))
        client.close()

    def _feed_by_cli(self):
        dice = self._dice["cli"]
        environment = self._stand.environment()
        while not self._stopping.is_set():
            batch = self._batch(dice, 80, "herald enqueue")
            if self._enqueue(dice, batch, environment):
                self._acknowledge(batch)
            self._pause(dice, len(batch))

    def _enqueue(self, dice, batch, environment):
        """True once the batch was accepted. One user in ten gives up after the first failure, the others repeat it."""
        gives_up = dice.random() < 0.1
        text = "".join(json.dumps(envelope) + "\n" for envelope in batch).encode()
        while True:
            kill_after = dice.uniform(0, 0.03) if dice.random() < 0.1 and not self._stopping.is_set() else None
            status = self._run_herald(text, environment, kill_after)
            self.cli_runs[status] += 1
            if status == 0:
                return True
            if status not in (1, 4, -signal.SIGKILL):
                self.complaints.append(f"herald enqueue ended with status {status}")
                return False
            if gives_up:
                return False
            time.sleep(0.1)

    def _run_herald(self, text, environment, kill_after):
        command = [stands.program("herald"), "enqueue", "-", "--rejects", str(self._stand.path("rejects.jsonl"))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=environment) as process:
            try:
                process.communicate(text, timeout=20 * SLOWNESS if kill_after is None else kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
            return process.wait()


# --- the programs under test ---------------------------------------------------------------------------------------


class Crew:
    """The workers: so many places, each with a proxy of its own to Redis, each filled again when its worker ended."""

    def __init__(self, stand, size, report):
        self._stand = stand
        self._report = report
        self.places = [Place(stand, number) for number in range(size)]
        self.complaints = []

    def tend(self):
        for place in self.places:
            worker = place.worker
            if worker and not worker.running:
                self._note_end(place, worker)
            if not place.worker and time.monotonic() >= place.start_at:
                place.start()
            if place.term_deadline and place.worker and time.monotonic() > place.term_deadline:
                self.complaints.append(f"{place.worker.name} did not end {DRAIN + END_SECONDS:.0f} s after SIGTERM")
                place.worker.kill()
                place.term_deadline = None
        if len(self.complaints) > 20:
            raise AssertionError("the workers do not stay:\n" + "\n".join(self.complaints[:3]))

    def _note_end(self, place, worker):
        status = worker.wait()
        asked = place.is_ended_on_purpose
        place.worker, place.term_deadline, place.is_ended_on_purpose = None, None, False
        place.start_at = max(place.start_at, time.monotonic() + (0 if asked else 0.2))
        if asked:
            # 1: Redis was away, so outcomes could not be recorded in time.
            expected = status in (0, 1, 4) or status == -signal.SIGKILL
        else:
            # It may find Redis away at its start, or its name still taken by the life that was killed.
            expected = status == 4 or (status == 2 and "names must differ" in worker.log())
        self._report(f"{worker.name} ended with status {status}")
        if not expected:
            self.complaints.append(f"{worker.name} ended with status {status}:\n{worker.tails(15)}")

    def calm(self):
        """All awake, connected and running."""
        for place in self.places:
            place.proxy.set(proxy.OPEN)
            if place.worker:
                place.worker.cont()
            place.is_stopped = False

    @property
    def is_whole(self):
        """Every place has a worker at work, and Redis knows of these and no others."""
        at_work = [place for place in self.places if place.worker and place.worker.running and
                   '"ready"' in place.worker.log()]
        return len(at_work) == len(self.places) == self._stand.redis.call("ZCARD", flow.KEY + "workers")

    def finish(self):
        """All end in order: Redis is there, so each must."""
        for place in self.places:
            if place.worker:
                place.worker.signal(signal.SIGTERM)
        for place in self.places:
            if place.worker:
                status = place.worker.wait(DRAIN + 10)
                if status != 0:
                    self.complaints.append(f"{place.worker.name} ended with status {status} at the end, nothing being "
                                           f"wrong\n{place.worker.tails(15)}")

    def close(self):
        for place in self.places:
            place.proxy.close()


class Place:
    def __init__(self, stand, number):
        self._stand = stand
        self.number = number
        self.name = f"fixed-{number}" if number < FIXED_NAMES else None
        self.proxy = proxy.Proxy(("127.0.0.1", stand.redis.port))
        self.worker = None
        self.start_at = 0
        self.is_stopped = False
        self.is_ended_on_purpose = False
        self.term_deadline = None

    def start(self):
        flags = ["--lease", in_ms(LEASE), "--timeout", in_ms(TIMEOUT), "--connect-timeout", "1s",
                 "--drain", in_ms(DRAIN),
                 "--retry-base", "50ms", "--retry-cap", "1s", "--max-attempts", "100", "--threads", "2",
                 "--in-flight", "32", "--environment", "chaos", "--audit-max", "100000000", *crm.FLAGS]
        flags += ["--worker-id", self.name] if self.name else []
        self.worker = self._stand.worker(*flags, env={
            "HERALD_REDIS_URL": f"redis://127.0.0.1:{self.proxy.port}/0",
            "HERALD_RATE": f"{LIMIT}/{WINDOW}",
            "HERALD_CALLBACK_SECRET": crm.SECRET,
        })

    @property
    def is_well(self):
        return bool(self.worker) and self.worker.running and not self.is_stopped and not self.is_ended_on_purpose


# --- damage --------------------------------------------------------------------------------------------------------

SANDBOX_FAULTS = ("hang", "hang-after", "reset-before", "reset-after", "500", "502", "503", "504", "504-after", "429",
                  "non-json")


class Damage:
    """Deals one kind after another from a shuffled deck. What lasts is undone later, so that several may overlap."""

    KINDS = (
        *3 * ("worker killed",),
        *2 * ("worker stopped past its lease",),
        *("worker stopped for a moment", "worker terminated"),
        *("redis killed", "redis paused for a moment", "redis paused past the lease"),
        *("redis out of memory", "redis read-only", "forgotten scripts"),
        *("connections cut", "answers of redis lost"),
        *("black hole", *2 * ("black hole past the lease",)),
        *("token revoked", *3 * ("genesys",)),
    )

    def __init__(self, stand, sandbox, crew, seed, report):
        self._stand = stand
        self._sandbox = sandbox
        self._crew = crew
        self._dice = random.Random(f"{seed} damage")
        self._report = report
        self._deck = []
        self._later = []  # (when, what)
        self._redis_is_busy = False
        self._sandbox_is_busy = False
        self._holes = set()
        self.done = collections.Counter()

    def run(self, seconds):
        end = time.monotonic() + seconds
        next_at = time.monotonic() + 1
        while time.monotonic() < end:
            self._undo_due()
            if time.monotonic() >= next_at:
                self._deal()
                next_at = time.monotonic() + self._dice.uniform(0.1, 0.9)
            self._crew.tend()
            time.sleep(0.01)

    def stop(self):
        """Undoes whatever still lasts."""
        for _, what in sorted(self._later, key=lambda item: item[0]):
            what()
        self._later = []
        self._stand.redis.resume()
        self._stand.redis.start()
        self._sandbox.config(faults={name: 0 for name in SANDBOX_FAULTS})
        self._crew.calm()

    def _deal(self):
        if not self._deck:
            self._deck = list(self.KINDS)
            self._dice.shuffle(self._deck)
        kind = self._deck.pop()
        own_dice = random.Random(self._dice.random())  # what one kind draws does not change what comes after it
        detail = getattr(self, "_" + kind.split(" ", 1)[0])(kind, own_dice)
        if detail is not None:
            self.done[f"{kind} {detail.split(' ')[0]}" if kind == "genesys" else kind] += 1
            self._report(f"{kind}: {detail}")

    def _after(self, seconds, what):
        self._later.append((time.monotonic() + seconds, what))

    def _undo_due(self):
        due = [item for item in self._later if item[0] <= time.monotonic()]
        self._later = [item for item in self._later if item not in due]
        for _, what in due:
            what()

    def _worker(self, kind, dice):
        well = [place for place in self._crew.places if place.is_well]
        if not well:
            return None
        place = dice.choice(well)
        name = place.worker.name
        if kind == "worker killed":
            place.is_ended_on_purpose = True
            place.start_at = time.monotonic() + dice.choice((0, dice.uniform(0, LEASE)))
            place.worker.kill()
            return name
        if kind == "worker terminated":
            place.is_ended_on_purpose = True
            place.worker.signal(signal.SIGTERM)
            place.term_deadline = time.monotonic() + (DRAIN + END_SECONDS) * SLOWNESS
            if dice.random() < 0.2:
                place.worker.signal(signal.SIGTERM)
            return name
        seconds = LEASE * (dice.uniform(1.2, 2) if "past" in kind else dice.uniform(0.05, 0.9))
        worker = place.worker
        worker.stop()
        place.is_stopped = True

        def wake():
            worker.cont()
            place.is_stopped = False
            self._report(f"{worker.name} goes on")

        self._after(seconds, wake)
        return f"{name} for {seconds:.2f} s"

    def _wait_until_written(self):
        """With `everysec` Redis answers before it has written when its last fsync is still under way; killed then, it takes
        up to two seconds of what it has said yes to along, as it says itself. What is looked at here is Herald."""

        def is_written():
            info = self._stand.redis.call("INFO", "persistence").decode()
            return "aof_pending_bio_fsync:0" in info and "aof_buffer_length:0" in info

        wait_until(is_written, "Redis to have written what it said yes to")

    def _redis(self, kind, dice):
        if self._redis_is_busy:
            return None
        self._redis_is_busy = True
        redis = self._stand.redis
        if kind == "redis killed":
            seconds = dice.choice((0, dice.uniform(0, 1.5 * LEASE)))
            if dice.random() < 0.3:
                redis.call("BGREWRITEAOF")
            self._wait_until_written()
            redis.kill()
            undo = redis.start
        elif kind == "redis out of memory":
            seconds = dice.uniform(0.1, 1.5 * LEASE)
            redis.call("CONFIG", "SET", "maxmemory", "1")
            undo = functools.partial(redis.call, "CONFIG", "SET", "maxmemory", "0")
        elif kind == "redis read-only":  # a replica, as after a failover that has gone the other way
            seconds = dice.uniform(0.1, 1.5 * LEASE)
            redis.call("REPLICAOF", "127.0.0.1", "1")
            undo = functools.partial(redis.call, "REPLICAOF", "NO", "ONE")
        else:
            seconds = LEASE * (dice.uniform(1.1, 1.8) if "past" in kind else dice.uniform(0.05, 0.9))
            redis.pause()
            undo = redis.resume

        def back():
            undo()
            self._redis_is_busy = False
            self._report("redis is back")

        self._after(seconds, back)
        return f"for {seconds:.2f} s"

    def _forgotten(self, _kind, _dice):
        if self._redis_is_busy:
            return None
        self._stand.redis.call("SCRIPT", "FLUSH")
        return "all of them"

    def _connections(self, _kind, dice):
        chosen = self._crew.places if dice.random() < 0.3 else [dice.choice(self._crew.places)]
        for place in chosen:
            place.proxy.cut()
        return ", ".join(f"place {place.number}" for place in chosen)

    def _isolate(self, mode, seconds, then, dice, all_of_them):
        free = [place for place in self._crew.places if place.number not in self._holes]
        if not free:
            return None
        chosen = free if all_of_them else [dice.choice(free)]
        for place in chosen:
            self._holes.add(place.number)
            place.proxy.set(mode)

        def open_again():
            for place in chosen:
                if then == "cut":
                    place.proxy.cut()
                place.proxy.set(proxy.OPEN)
                self._holes.discard(place.number)
            self._report(f"connections of {names} pass again ({then})")

        names = ", ".join(f"place {place.number}" for place in chosen)
        self._after(seconds, open_again)
        return f"{names} for {seconds:.2f} s, then {then}"

    def _answers(self, _kind, dice):
        return self._isolate(proxy.DEAF, dice.uniform(0.05, 1), "cut", dice, dice.random() < 0.3)

    def _black(self, kind, dice):
        seconds = LEASE * (dice.uniform(1.1, 2) if "past" in kind else dice.uniform(0.05, 0.9))
        return self._isolate(proxy.HOLE, seconds, dice.choice(("cut", "pass")), dice, dice.random() < 0.2)

    def _token(self, _kind, _dice):
        self._sandbox.config(revoke_tokens=True)
        return "all of them"

    def _genesys(self, _kind, dice):
        if self._sandbox_is_busy:
            return None
        self._sandbox_is_busy = True
        fault, share = dice.choice(SANDBOX_FAULTS), dice.choice((0.1, 0.5, 1))
        seconds = dice.uniform(0.3, 2.5)
        self._sandbox.config(faults={fault: share})

        def well():
            self._sandbox.config(faults={fault: 0})
            self._sandbox_is_busy = False

        self._after(seconds, well)
        return f"{fault} at {share:g} for {seconds:.2f} s"


# --- the accounts --------------------------------------------------------------------------------------------------


def audit_entries(stand):
    start = "-"
    while True:
        page = stand.redis.call("XRANGE", flow.KEY + "audit", start, "+", "COUNT", PAGE)
        for _, fields in page:
            yield json.loads(fields[1])
        if len(page) < PAGE:
            return
        start = "(" + page[-1][0].decode()


class Accounts:
    """What was accepted, held against what was received. `wrong` says all that does not hold, one text each."""

    def __init__(self, stand, sandbox, feeder, policy, told):
        self._stand = stand
        self._told = told
        self._feeder = feeder
        self.policy = policy
        self.wrong = []
        self.offenders = []
        self.ledger = collections.defaultdict(list)
        for entry in sandbox.ledger():
            self.ledger[entry["request_id"]].append(entry)
        self.summary = sandbox.summary()
        self.letters = collections.defaultdict(list)
        for letter in flow.letters(stand.redis):
            self.letters[letter["id"]].append(letter)
        self.audit = collections.defaultdict(list)
        for entry in audit_entries(stand):
            if "id" in entry:  # not what people enqueue, many at a time
                self.audit[entry["id"]].append(entry)
        self.status = stand.herald("status", "--json").json  # its status 1 for a wrong sum is judged below
        self.counters = collections.Counter(self.status["counters"])
        self._compare()

    def unknowns(self, identity):
        """How many of its attempts nobody knows the end of, by the audit."""
        return sum(entry["what"] == "reap" or (entry["what"] == "attempt" and bool(entry.get("unknown")))
                   for entry in self.audit.get(identity, ()))

    def _arrived(self, identity):
        return identity in self.ledger or identity in self.letters or bool(flow.state(self._stand, identity))

    def _check(self, name, ids):
        ids = sorted(ids)
        if ids:
            self.wrong.append(f"{len(ids)} {name}")
            self.offenders += [(name, identity) for identity in ids]
        return len(ids)

    def _compare(self):
        acknowledged, unsure = self._feeder.acknowledged.keys(), self._feeder.unsure
        received, repeated = self.ledger.keys(), {i for i, entries in self.ledger.items() if len(entries) > 1}
        sent = {i for i, entries in self.audit.items() if any(e.get("outcome") == "sent" for e in entries)}
        self.unsure_arrived = {identity for identity in unsure if self._arrived(identity)}
        self.unsure = len(unsure)
        self.accepted = len(acknowledged) + len(self.unsure_arrived)
        self.lost = self._check("lost: acknowledged, and neither received nor dead",
                                acknowledged - received - self.letters.keys())
        if self.policy == "hold":
            unexplained = repeated
        else:
            unexplained = {i for i in repeated if self.unknowns(i) < len(self.ledger[i]) - 1}
        self.unexplained = self._check("received more often than unknown outcomes explain", unexplained)
        self.repetitions = sum(len(self.ledger[i]) - 1 for i in repeated)
        self.explained = sum(len(self.ledger[i]) - 1 for i in repeated - unexplained)
        self._check("received and never accepted", received - self._feeder.fed.keys())
        self._check("sent by the audit, and not received", sent - received)
        self._check("dead more than once", {i for i, letters in self.letters.items() if len(letters) > 1})
        self._check("dead, received, and no unknown outcome recorded",
                    {i for i in self.letters.keys() & received if not self.unknowns(i)})
        self._check("received, neither recorded as sent nor dead", received - sent - self.letters.keys())
        self._compare_callbacks(sent)
        self._compare_sums()

    def _compare_callbacks(self, sent):
        wanted = self._feeder.to_tell & (sent | self.letters.keys())
        for name, which in self._told.wrong.items():
            self._check(name, map(str, which))
        self._check("sent, and their callback_url was not told",
                    {i for i in wanted & sent if "message.sent" not in self._told.outcomes[i]})
        self._check("dead, and their callback_url was not told",
                    {i for i in wanted & self.letters.keys() if "message.dead" not in self._told.outcomes[i]})
        self._check("told, and nothing came of them", self._told.outcomes.keys() - wanted)
        self.told = len(wanted)

    def _compare_sums(self):
        places = self.status["places"]
        facts = {
            "the sum of herald status": (self.status["balanced"], True),
            "uncounted": (self.status["uncounted"], 0),
            "accepted": (self.status["accepted"], self.accepted),
            "sent and dead together": (places["sent"] + places["dead"], self.accepted),
            "workers left in Redis": (len(self.status["workers"]), 0),
            "entries cut from the audit": (self.status["audit"]["cut"], 0),
            "callbacks that are not done": ([self.status["callbacks"][name] for name in ("waiting", "in_flight", "dead", "dropped")], [0] * 4),
        }
        self.wrong += [f"{name}: {is_} instead of {ought}" for name, (is_, ought) in facts.items() if is_ != ought]
        if self.summary["max_in_window"] > LIMIT:
            self.wrong.append(f"{self.summary['max_in_window']} requests within {SEEN_WINDOW}, {LIMIT} allowed within {WINDOW}")
        campaign = self._stand.redis.call("HGETALL", flow.KEY + "campaign:chaos")
        campaign = collections.Counter({k.decode(): int(v) for k, v in zip(campaign[::2], campaign[1::2])})
        if campaign["accepted"] != campaign["sent"] + campaign["dead"]:
            self.wrong.append(f"the campaign's sum: {dict(campaign)}")

    def everything_about(self, identity):
        when, how = self._feeder.fed.get(identity, (None, "nobody fed it"))
        acknowledged = self._feeder.acknowledged.get(identity)
        lines = [f"fed by {how} at {when}, acknowledged at {acknowledged}"]
        lines += [f"ledger   {json.dumps(entry)}" for entry in self.ledger.get(identity, ())]
        lines += [f"audit    {json.dumps(entry)}" for entry in self.audit.get(identity, ())]
        lines += [f"dead     {json.dumps(letter)}" for letter in self.letters.get(identity, ())]
        lines += [f"message  {flow.state(self._stand, identity)}"]
        return "\n".join("    " + line for line in lines)

    def rows(self):
        reasons = {k[5:]: v for k, v in sorted({"dead:outcome_unknown": 0, **self.counters}.items())
                   if k.startswith("dead:")}
        return {
            "accepted": self.accepted,
            "  without an answer, arrived all the same": len(self.unsure_arrived),
            "refused or without an answer, not arrived": self.unsure - len(self.unsure_arrived),
            "sent": self.status["places"]["sent"],
            "dead": self.status["places"]["dead"],
            **{f"  {reason}": count for reason, count in reasons.items()},
            "received by the stand-in": sum(map(len, self.ledger.values())),
            "  again, explained": self.explained,
            "  AGAIN, UNEXPLAINED": self.repetitions - self.explained,
            "LOST": self.lost,
            "retries": self.counters["retries"],
            "redelivered": self.counters["redelivered"],
            "withdrawn": self.counters["withdrawn"],
            "late answers": self.counters["late"],
            "given back unsent": self.counters["returned"],
            "with a callback_url, and told": self.told,
            "  callbacks": len(self._told.callbacks),
            "  posted again": self._told.count - len(self._told.callbacks),
            f"most requests within {SEEN_WINDOW} ({LIMIT} allowed)": self.summary["max_in_window"],
        }


# --- a run ---------------------------------------------------------------------------------------------------------


class Run:
    def __init__(self, options, policy):
        self._options = options
        self._policy = policy
        self._begun = time.monotonic()
        self._log = []

    def report(self, text):
        line = f"{time.monotonic() - self._begun:8.2f} s  {text}"
        self._log.append(line)
        if self._options.verbose:
            print(line, flush=True)

    def __call__(self):
        """The rows of the table and what is wrong."""
        with crm.Crm(self._options.seed) as receiver, Stand(appendfsync=self._options.appendfsync) as stand:
            sandbox = stand.sandbox("--latency", LATENCY, "--observe-window", SEEN_WINDOW)
            crew = Crew(stand, self._options.workers, self.report)
            try:
                return self._go(stand, sandbox, crew, receiver)
            finally:
                crew.close()

    def _go(self, stand, sandbox, crew, receiver):
        damage = Damage(stand, sandbox, crew, self._options.seed, self.report)
        feeder = Feeder(stand, self._policy, self._options.seed, self._options.feed, receiver.url)
        crew.tend()
        feeder.start()
        try:
            damage.run(self._options.seconds)
        finally:
            self.report("no more damage")
            damage.stop()
        feeder.stop()
        self.report("no more messages")
        calm_at = time.monotonic()
        left = self._drain(stand, crew)
        drained = time.monotonic() - calm_at
        crew.finish()
        accounts = Accounts(stand, sandbox, feeder, self._policy, crm.Told(receiver))
        accounts.wrong += [left] if left else []
        accounts.wrong += crew.complaints + feeder.complaints
        rows = {**accounts.rows(), **{f"done: {k}": v for k, v in sorted(damage.done.items())},
                "herald enqueue runs by status": " ".join(f"{k}:{v}" for k, v in sorted(feeder.cli_runs.items())),
                "seconds from the last message to the end": f"{drained:.1f}",
                "seconds": f"{time.monotonic() - self._begun:.1f}"}
        if accounts.wrong or self._options.keep:
            self._keep(stand, accounts)
        if accounts.wrong:
            self._explain(accounts)
        return rows, accounts.wrong

    def _drain(self, stand, crew):
        deadline = time.monotonic() + STUCK_SECONDS * SLOWNESS
        report_at = 0
        while True:
            crew.tend()
            places = flow.places(stand)
            untold = stand.redis.call("HLEN", flow.KEY + "callbacks:jobs") - stand.redis.call("ZCARD", flow.KEY + "callbacks:dead")
            if not any(places[name] for name in ("ready", "delayed", "in_flight")) and not untold and crew.is_whole:
                return None
            if time.monotonic() > deadline:
                left = stand.redis.call("ZRANGE", flow.KEY + "workers", 0, -1, "WITHSCORES")
                return f"not drained {STUCK_SECONDS * SLOWNESS} s after the last damage: {places}, callbacks {untold}, workers {left}"
            if time.monotonic() >= report_at:
                report_at = time.monotonic() + 2
                self.report(f"left: {places}")
            time.sleep(0.1)

    def _keep(self, stand, accounts):
        stand.keep_folder()
        stand.write("faults.log", "\n".join(self._log) + "\n")
        for name, by_id in (("ledger", accounts.ledger), ("audit", accounts.audit), ("dead", accounts.letters)):
            stand.write(f"{name}.jsonl", "".join(json.dumps(e) + "\n" for entries in by_id.values() for e in entries))
        stand.write("status.json", json.dumps(accounts.status, indent=1))
        print(f"\n{self._policy}, seed {self._options.seed}: everything is kept in {stand.folder}")

    def _explain(self, accounts):
        print("\nFAILED:")
        for text in accounts.wrong:
            print(f"  {text}")
        for name, identity in accounts.offenders[:20]:
            print(f"\n  {identity}: {name}\n{accounts.everything_about(identity)}")
        if len(accounts.offenders) > 20:
            print(f"\n  and {len(accounts.offenders) - 20} more")
        print("\n  what was done, and when:")
        for line in self._log[-400:]:
            print(f"    {line}")
        sys.stdout.flush()


def print_table(results):
    names = list(dict.fromkeys(name for rows, _ in results.values() for name in rows))
    width = max(map(len, names)) + 2
    print("\n  " + " " * width + "".join(f"{policy:>16}" for policy in results))
    for name in names:
        cells = "".join(f"{rows.get(name, 0)!s:>16}" for rows, _ in results.values())
        print(f"  {name:<{width}}{cells}")
    for policy, (_, wrong) in results.items():
        says = "; ".join(text.splitlines()[0] for text in wrong)
        print(f"\n  {policy}: {'DOES NOT HOLD: ' + says if wrong else 'holds'}")
    sys.stdout.flush()


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__.split("\n\n")[0].replace("\n", " "))
    parser.add_argument("--seconds", type=float, default=60, help="how long damage is done, for each policy (60)")
    parser.add_argument("--seed", type=int, default=1, help="what is done, and in which order (1)")
    parser.add_argument("--policy", choices=(*POLICIES, "both"), default="both", help="on_unknown of messages (both)")
    parser.add_argument("--appendfsync", choices=("always", "everysec"), default="everysec", help="of Redis (everysec)")
    parser.add_argument("--workers", type=int, default=4, help="how many at a time (4)")
    parser.add_argument("--feed", type=float, default=250, help="messages a second (250)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs although everything holds")
    parser.add_argument("--verbose", action="store_true", help="say what is done while it is done")
    return parser.parse_args(arguments)


def run(options):
    """True if everything holds; prints the table."""
    results = {}
    for policy in POLICIES if options.policy == "both" else (options.policy,):
        results[policy] = Run(options, policy)()
    print(f"\n  seed {options.seed}, {options.seconds:g} s, {options.workers} workers, "
          f"appendfsync {options.appendfsync}")
    print_table(results)
    return not any(wrong for _, wrong in results.values())


def main():
    try:
        return 0 if run(parse()) else 1
    except KeyboardInterrupt:
        print("\nchaos: stopped; everything it had started is stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
