"""Rows about several workers at once."""

import json
import time

import scene
from figures import Figure

PROCESSES = 4


class ScaleOut(scene.Scene):
    """Workers that mostly wait, answers taking 20 ms: four must do nearly four times as much as one."""

    figures = (Figure("scale-out", "4 processes with 64 in flight each, next to 1; answers after 20 ms", "/s", 3.8, is_ratio=True),)

    def set_up(self, stack):
        self.one = self.size(16000, least=6400)
        self.stand.sandbox("--latency", "20ms")

    def measure(self, processes):
        redis, count = self.stand.redis, self.one * processes
        redis.call("FLUSHALL")
        messages = scene.plain_messages(scene.CHUNK)
        for _ in range(-(-count // scene.CHUNK)):
            redis.call("LPUSH", scene.READY, *messages)
        redis.call("LTRIM", scene.READY, 0, count - 1)
        scene.save_queue(redis)
        took, _ = scene.drain(self.stand, count, "--threads", 1, "--in-flight", 64, "--rate", scene.WINDOW, processes=processes)
        return {"scale-out": count / took}

    def yardstick(self):
        return self.measure(1)

    def ours(self):
        return self.measure(PROCESSES)


class Window(scene.Scene):
    """Four processes share a window of 1,000 in a second that the sandbox enforces: all of it is to be used, and nothing
    refused."""

    figures = (
        Figure("window share", "of the allowance of --rate 1000/1s that 4 processes used", "", 0.99),
        Figure("window refused", "answers 429 meanwhile", "", 0, at_most=True),
    )
    LIMIT, SECONDS = 1000, 30

    def set_up(self, stack):
        self.seconds = self.size(self.SECONDS, least=5)
        self.stand.sandbox("--rate", f"{self.LIMIT}/1s")
        self.messages = scene.plain_messages(scene.CHUNK)

    def ours(self):
        redis, sandbox = self.stand.redis, self.stand.genesys
        sandbox.request("/sandbox/reset", {})
        workers = scene.start_workers(self.stand, PROCESSES, "--rate", f"{self.LIMIT}/1s")
        commands = [("LPUSH", scene.READY, *self.messages)] * (self.seconds + 4)
        redis.pipeline(commands)
        time.sleep(self.seconds + 1)
        scene.stop_workers(workers)
        redis.call("FLUSHDB")
        arrived = [json.loads(line)["mono_us"] for line in sandbox.request("/sandbox/ledger").splitlines()]
        end_us = min(arrived) + self.seconds * 1e6
        in_time = sum(at < end_us for at in arrived)
        return {
            "window share": in_time / (self.LIMIT * self.seconds),
            "window refused": sandbox.summary()["by_status"].get("429", 0),
        }
