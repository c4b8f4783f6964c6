"""Rows about the way in and out of Redis: enqueueing, picking up, and doing nothing."""

import json
import random
import re
import subprocess
import time

import flow
import scene
import stand as stands
from figures import Figure, percentile


class Enqueue(scene.Scene):
    """A campaign of 1,000,000 CSV rows, next to redis-benchmark's LPUSH of elements of the same size."""

    figures = (Figure("enqueue", "rows personalised, checked and enqueued, next to bare LPUSHes, 64 in a pipeline", "/s", 0.30, is_ratio=True),)

    def set_up(self, stack):
        self.count = self.size(1000000, least=10000)
        self.people = scene.write_people(self.stand.path("people.csv"), self.count)
        few = scene.write_people(self.stand.path("few.csv"), 1000)
        scene.send_campaign(self.stand, few)
        sizes = [len(envelope) for envelope in scene.envelopes(self.stand.redis)]
        self.envelope_bytes = round(sum(sizes) / len(sizes))

    def yardstick(self):
        self.stand.redis.call("FLUSHDB")
        command = ["redis-benchmark", "-s", self.stand.redis.socket_path, "-t", "lpush", "-n", self.count, "-P", 64,
                   "-d", self.envelope_bytes, "--csv"]
        text = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
        return {"enqueue": float(re.search(r'^"LPUSH[^"]*","([\d.]+)"', text, re.MULTILINE).group(1))}

    def ours(self):
        self.stand.redis.call("FLUSHDB")
        begun = time.monotonic()
        scene.send_campaign(self.stand, self.people)
        took = time.monotonic() - begun
        waiting = self.stand.redis.call("LLEN", flow.READY)
        assert waiting == self.count, f"{waiting} of {self.count} rows are on the list"
        return {"enqueue": self.count / took}


class PickUp(scene.Scene):
    """From another client's LPUSH on an idle queue to the request's arrival. The yardstick is that client's round trip
    to Redis."""

    figures = (
        Figure("pick-up p50", "from an LPUSH on an idle queue to the request's arrival", "ms", 1, at_most=True),
        Figure("pick-up p99", "the same", "ms", 5, at_most=True),
    )

    def set_up(self, stack):
        self.count = self.size(500, least=100)
        self.stand.sandbox()
        self.message = scene.plain_messages(1)[0]
        self.client = self.stand.redis.client()
        stack.callback(self.client.close)
        self.worker = self.stand.worker("--threads", 2, "--rate", scene.WINDOW, env={"HERALD_RATE": None}).wait_ready()
        self.dice = random.Random(1)
        self.sent = 0
        self.push()  # the first one opens connections

    def is_idle(self):
        return flow.blocked(self.stand) == len(flow.LISTS)

    def push(self):
        stands.wait_until(self.is_idle, "the worker to wait inside Redis for all three lists")
        time.sleep(self.dice.uniform(0, 0.01))  # at no time of its own beat
        pushed_us = time.monotonic_ns() / 1000
        self.client.call("LPUSH", flow.READY, self.message)
        self.sent += 1
        scene.wait_sent(self.stand.redis, self.sent)
        return pushed_us

    def ours(self):
        pushed_us = [self.push() for _ in range(self.count)]
        lines = self.stand.genesys.request(f"/sandbox/ledger?from={self.sent - self.count + 1}").splitlines()
        arrived_us = [json.loads(line)["mono_us"] for line in lines]
        assert len(arrived_us) == self.count, f"{len(arrived_us)} of {self.count} arrived"
        return self.percentiles([(arrived - pushed) / 1000 for arrived, pushed in zip(arrived_us, pushed_us)])

    def yardstick(self):
        trips_ms = []
        for _ in range(self.count):
            begun_ns = time.monotonic_ns()
            self.client.call("PING")
            trips_ms.append((time.monotonic_ns() - begun_ns) / 1e6)
        return self.percentiles(trips_ms)

    @staticmethod
    def percentiles(times_ms):
        return {f"pick-up p{percent}": percentile(times_ms, percent) for percent in (50, 99)}


class Idle(scene.Scene):
    """A worker with four threads that has sent something once and has nothing to do."""

    figures = (
        Figure("idle processor", "of one core, by a worker with 4 threads", "%", 0.5, at_most=True),
        Figure("idle commands", "that it sends to Redis", "/s", 20, at_most=True),
    )

    def set_up(self, stack):
        self.seconds = self.size(10, least=3)
        self.stand.sandbox()
        self.worker = self.stand.worker("--threads", 4, "--rate", scene.WINDOW, env={"HERALD_RATE": None}).wait_ready()
        self.stand.redis.call("LPUSH", flow.READY, scene.plain_messages(1)[0])
        scene.wait_sent(self.stand.redis, 1)

    def ours(self):
        before = scene.cpu_seconds(self.worker), flow.commands_processed(self.stand)
        time.sleep(self.seconds)
        after = scene.cpu_seconds(self.worker), flow.commands_processed(self.stand)
        return {
            "idle processor": (after[0] - before[0]) / self.seconds * 100,
            "idle commands": (after[1] - before[1]) / self.seconds,
        }
