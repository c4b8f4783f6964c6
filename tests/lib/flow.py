"""Messages for a worker, and where each of them is, for the suites that drive herald-worker."""

import json
import os
import pathlib
import re
import time
import uuid

from stand import ROOT, SLOWNESS, wait_until

KEY = "herald:{default}:"
READY = KEY + "ready"
LISTS = {"high": READY + ":high", "normal": READY, "low": READY + ":low"}

# Retries within milliseconds: what is tested is that they come, not how long they wait.
QUICK = ("--retry-base", "20ms", "--retry-cap", "100ms")


def number(index):
    """A phone number for each index."""
    return f"+1317555{index:04}"


def payload(index=1, **changes):
    body = {
        "fromAddress": "+13175550100",
        "toAddress": number(index),
        "toAddressMessengerType": "sms",
        "textBody": f"Your order {index} has shipped.",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def message(index=1, **fields):
    """An envelope for the real API, `m<index>`."""
    changes = fields.pop("payload", {})
    return {
        "v": 1,
        "id": f"m{index}",
        "payload": payload(index, **changes),
        "metadata": {"consentVerified": True},
        **fields,
    }


def messages(count, first=1, **fields):
    return [message(index, **fields) for index in range(first, first + count)]


def push(stand, *items, priority="normal"):
    """LPUSH, as any service may do it. An item is an envelope or raw bytes."""
    texts = [item if isinstance(item, bytes) else json.dumps(item) for item in items]
    for at in range(0, len(texts), 500):
        stand.redis.call("LPUSH", LISTS[priority], *texts[at : at + 500])


def counts(stand):
    reply = stand.redis.call("HGETALL", KEY + "counts")
    return {name.decode(): int(value) for name, value in zip(reply[::2], reply[1::2])}


def count(stand, name):
    return counts(stand).get(name, 0)


def letters(redis, key=KEY):
    """The documents of all dead letters, oldest first."""
    tickets = [ticket for ticket, _ in redis.call("XRANGE", key + "dead:index", "-", "+")]
    return list(map(json.loads, redis.call("HMGET", key + "dead:letters", *tickets))) if tickets else []


def dead(stand):
    """The dead letters by the id of their message."""
    return {letter["id"]: letter for letter in letters(stand.redis)}


def delayed(stand):
    return [json.loads(item) for item in stand.redis.call("ZRANGE", KEY + "delayed", 0, -1)]


def audit(stand, identity):
    """What the audit says of one message, oldest first."""
    entries = [json.loads(fields[1]) for _, fields in stand.redis.call("XRANGE", KEY + "audit", "-", "+")]
    return [entry for entry in entries if entry.get("id") == identity]


# As it goes to Redis: message.lua with what it needs.
LOOK_AT_MESSAGE = "\n".join((ROOT / "common/lua" / name).read_text() for name in ("prelude.lua", "parts/track.lua", "message.lua"))


def state(stand, identity):
    """What is known of a message, wherever it is kept."""
    try:
        packed = uuid.UUID(identity).bytes
    except ValueError:
        packed = b""
    reply = stand.redis.call("EVAL", LOOK_AT_MESSAGE, 1, KEY.rstrip(":"), identity, packed)
    return {name.decode(): value.decode() for name, value in zip(reply[::2], reply[1::2])}


PLACES = """
local key, flying = KEYS[1], 0
for _, name in ipairs(redis.call('KEYS', key .. 'inflight:*')) do flying = flying + redis.call('HLEN', name) end
return {redis.call('LLEN', key .. 'ready:high') + redis.call('LLEN', key .. 'ready') + redis.call('LLEN', key .. 'ready:low'),
  redis.call('ZCARD', key .. 'delayed'), flying, redis.call('HLEN', key .. 'dead:letters'),
  tonumber(redis.call('HGET', key .. 'counts', 'sent') or 0)}
"""


def places(stand):
    """How many messages are where, all at one instant."""
    return dict(zip(("ready", "delayed", "in_flight", "dead", "sent"), stand.redis.call("EVAL", PLACES, 1, KEY)))


def expect_sum(stand, pushed):
    """Each message that was ever pushed is in exactly one place."""
    found = places(stand)
    assert sum(found.values()) == pushed, f"{pushed} were pushed, found: {found}"
    return found


def wait_sent(stand, how_many, seconds=15):
    wait_until(lambda: count(stand, "sent") >= how_many, lambda: f"{how_many} sent; {places(stand)}", seconds)


def wait_dead(stand, how_many=1, seconds=15):
    wait_until(lambda: count(stand, "dead") >= how_many, lambda: f"{how_many} dead; {places(stand)}", seconds)
    return dead(stand)


def wait_settled(stand, how_many, seconds=30):
    """Until all that were pushed have an end, sent or dead; returns the places."""

    def settled():
        found = places(stand)
        return found if found["sent"] + found["dead"] == how_many else None

    return wait_until(settled, lambda: f"{how_many} settled; {places(stand)}", seconds)


def hold(stand):
    """The reason for which the org is paused, "" when it is not."""
    text = stand.redis.call("GET", KEY + "hold")
    return text.decode().partition(" ")[2] if text else ""


def blocked(stand):
    """How many connections wait inside Redis: one for each list while a worker has nothing to do."""
    text = stand.redis.call("INFO", "clients").decode()
    return int(text.partition("blocked_clients:")[2].split()[0])


def commands_processed(stand):
    """Commands that clients have sent; what scripts call within Redis is not counted."""
    text = stand.redis.call("INFO", "commandstats").decode()
    return sum(int(calls) for calls in re.findall(r"cmdstat_(?:evalsha|eval|blmove|ping|auth|select):calls=(\d+)", text))


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def costs(stand, worker, seconds):
    """What a worker does in so many seconds: CPU seconds, commands to Redis, log lines, each for one second.

    This is a measurement over time, so here time is slept away.
    """
    before = cpu_seconds(worker), commands_processed(stand), worker.log().count("\n")
    time.sleep(seconds)
    after = cpu_seconds(worker), commands_processed(stand), worker.log().count("\n")
    return tuple((later - earlier) / seconds for earlier, later in zip(before, after))


def expect_calm(stand, worker, seconds=1.0, commands=150, lines=60):
    """Nothing spins: neither the worker, nor the worker and Redis between them, nor its log. (What spins asks thousands
    of times a second; the probes of a breaker and the heartbeat need a few.)"""
    cpu, asked, logged = costs(stand, worker, seconds)
    assert cpu <= 0.2 * SLOWNESS, f"{cpu:.2f} CPU seconds in a second"
    if SLOWNESS > 1:  # a sleeper that gets no processor is woken again and again until it does
        commands *= 20
    assert asked <= commands, f"{asked:.0f} commands a second"
    assert logged <= lines, f"{logged:.0f} log lines a second\n{worker.log()[-2000:]}"
