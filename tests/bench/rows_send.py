"""Rows about sending: how fast, next to a bare libcurl loop, and what that costs the processor."""

import threading
import time

import scene
from figures import Figure
from flow import KEY, READY

BARE_IN_FLIGHT = 64
SLOW_ANSWER_S, SLOW_IN_FLIGHT = 0.05, 2000


class Send(scene.Scene):
    """100,000 messages of a campaign by one worker with two threads, into a sandbox that answers at once."""

    figures = (
        Figure("send", "messages sent, next to a bare libcurl loop with 64 in flight", "/s", 0.60, is_ratio=True),
        Figure("processor", "user and system time of one message, next to the bare loop's", "us", 1.6, at_most=True, is_ratio=True),
    )
    rate_name, cpu_name = "send", "processor"
    ca_file = None

    def sandbox_flags(self):
        return ()

    def worker_flags(self):
        return ("--threads", 2, "--rate", scene.WINDOW)

    def set_up(self, stack):
        self.count = self.size(100000, least=2 * SLOW_IN_FLIGHT)
        self.stand.sandbox(*self.sandbox_flags())
        scene.send_campaign(self.stand, scene.write_people(self.stand.path("people.csv"), self.count))
        self.bodies = scene.write_bodies(self.stand.path("bodies.txt"), self.stand.redis)
        scene.save_queue(self.stand.redis)

    def per_message(self, took, cpu):
        found = {self.rate_name: self.count / took}
        return {**found, self.cpu_name: cpu / self.count * 1e6} if self.cpu_name else found

    def yardstick(self):
        return self.per_message(*scene.bare_curl(self.stand, self.bodies, self.count, BARE_IN_FLIGHT, self.ca_file))

    def ours(self):
        return self.per_message(*scene.drain(self.stand, self.count, *self.worker_flags()))


class SendTls(Send):
    figures = (Figure("send-tls", "the same over TLS, next to the bare loop over TLS", "/s", 0.60, is_ratio=True),)
    rate_name, cpu_name = "send-tls", None

    def sandbox_flags(self):
        self.ca_file, key = scene.make_certificate(self.stand)
        return ("--tls-cert", self.ca_file, "--tls-key", key)

    def worker_flags(self):
        return (*super().worker_flags(), "--ca-file", self.ca_file)


class SendSlow(Send):
    """With answers after 50 ms the yardstick is arithmetic; what the bare loop makes of it is shown beside."""

    figures = (
        Figure("send-slow", "answers after 50 ms, 2,000 in flight, next to 2,000 / 50 ms", "/s", 0.90, is_ratio=True),
        Figure("send-slow bare", "the bare loop with 2,000 in flight, next to the same", "/s", is_ratio=True),
    )
    rate_name, cpu_name = "send-slow", None

    def sandbox_flags(self):
        return ("--latency", f"{SLOW_ANSWER_S * 1000:.0f}ms")

    def worker_flags(self):
        return ("--threads", 2, "--in-flight", SLOW_IN_FLIGHT // 2, "--rate", scene.WINDOW)

    def yardstick(self):
        ideal = SLOW_IN_FLIGHT / SLOW_ANSWER_S
        return {"send-slow": ideal, "send-slow bare": ideal}

    def ours(self):
        took, _ = scene.bare_curl(self.stand, self.bodies, self.count, SLOW_IN_FLIGHT)
        return {**super().ours(), "send-slow bare": self.count / took}


class FlatCost(scene.Scene):
    """How fast it sends must not depend on how much waits. In both cases as many are pushed as are sent, by the same hand, so
    that as many wait at the end as at the beginning."""

    figures = (
        Figure("flat-cost", "with 1,000,000 waiting and 100,000 delayed, next to 10,000 waiting", "/s", 0.95, is_ratio=True),
    )
    FEW, MANY, DELAYED, SECONDS = 10000, 1000000, 100000, 5
    FED = 200  # pushed at once while it runs

    def set_up(self, stack):
        self.stand.sandbox()
        self.messages = scene.plain_messages(scene.CHUNK)
        self.push = ("LPUSH", READY, *self.messages)
        self.feed = ("LPUSH", READY, *self.messages[: self.FED])

    def delay(self, count):
        due_ms = int(time.time() * 1000) + 24 * 3600 * 1000
        for first in range(0, count, scene.CHUNK):
            items = []
            for number in range(first, min(count, first + scene.CHUNK)):
                items += [due_ms + number, self.messages[0][:-1] + f',"id":"delayed-{number}"}}']
            self.stand.redis.call("ZADD", KEY + "delayed", *items)

    def measure(self, waiting, delayed):
        redis, seconds = self.stand.redis, self.size(self.SECONDS, least=1)
        self.stand.genesys.request("/sandbox/reset", {})
        workers = scene.start_workers(self.stand, 1, "--threads", 2, "--rate", scene.WINDOW)
        self.delay(delayed)
        for _ in range(waiting // scene.CHUNK):  # while it sends already: that is what warms it up
            redis.call(*self.push)
        scene.wait_sent(redis, min(waiting // 2, 2 * scene.CHUNK))
        while redis.call("LLEN", READY) < waiting:
            redis.call(*self.push)
        first, begun = scene.sent(redis), time.monotonic()
        fed = first
        while time.monotonic() - begun < seconds:
            while scene.sent(redis) - fed >= self.FED:
                redis.call(*self.feed)
                fed += self.FED
            threading.Event().wait(0.005)
        rate = (scene.sent(redis) - first) / (time.monotonic() - begun)
        left = redis.call("LLEN", READY)
        scene.stop_workers(workers)
        assert abs(left - waiting) < waiting // 2, f"{left} waited at the end instead of {waiting}"
        return {"flat-cost": rate}

    def yardstick(self):
        return self.measure(self.FEW, 0)

    def ours(self):
        return self.measure(self.size(self.MANY, least=10 * self.FEW), self.size(self.DELAYED, least=self.FEW))
