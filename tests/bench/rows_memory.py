"""Rows about memory: of a message that waits, of one that was sent, and of a worker."""

import scene
import stand as stands
from figures import Figure
from flow import KEY

IN_FLIGHT = 2000


class QueueMemory(scene.Scene):
    """All that Redis keeps for a message of a campaign that waits, its idempotency key too, beyond the envelope itself."""

    figures = (Figure("queue-memory", "Redis' bytes for a message that waits, beyond the envelope's own", "bytes", 96, at_most=True),)

    def set_up(self, stack):
        self.count = self.size(100000, least=20000)
        self.people = scene.write_people(self.stand.path("people.csv"), self.count)
        self.one = scene.write_people(self.stand.path("one.csv"), 1)

    def ours(self):
        redis = self.stand.redis
        redis.call("FLUSHDB")
        scene.send_campaign(self.stand, self.one, campaign="warm")  # scripts, counters and buffers are there from here on
        before = scene.settled_memory(redis)
        scene.send_campaign(self.stand, self.people)
        took = scene.settled_memory(redis) - before
        self.own = sum(map(len, scene.envelopes(redis)))
        waiting = redis.call("LLEN", scene.READY)
        assert waiting == self.count + 1, f"{waiting} wait instead of {self.count + 1}"
        return {"queue-memory": (took - self.own) / self.count}


class TrackedMemory(scene.Scene):
    """What Redis keeps of a sent message so that receipts find it and its state can be asked for. The audit is taken away
    before; idempotency keys belong to the queue, and are not there."""

    figures = (Figure("tracked-memory", "Redis' bytes for a message that was sent, without the audit", "bytes", 200, at_most=True),)

    def set_up(self, stack):
        self.count = self.size(100000, least=20000)
        self.stand.sandbox()
        scene.send_campaign(self.stand, scene.write_people(self.stand.path("people.csv"), self.count))
        scene.save_queue(self.stand.redis)

    def ours(self):
        redis = self.stand.redis
        redis.call("FLUSHDB")
        before = scene.settled_memory(redis)
        scene.drain(self.stand, self.count, "--threads", 2, "--rate", scene.WINDOW)
        redis.call("DEL", KEY + "audit")
        redis.call("DEL", KEY + "window")
        return {"tracked-memory": (scene.settled_memory(redis) - before) / self.count}


class WorkerMemory(scene.Scene):
    """Resident memory of a worker while 2,000 requests are under way, answered only when that has been looked at; and the
    most that it ever was when several thousand more have gone through."""

    figures = (
        Figure("worker-memory", "resident with 2,000 in flight", "MiB", 40, at_most=True),
        Figure("worker-memory peak", "the most, after 8,000 messages", "MiB"),
    )

    def set_up(self, stack):
        self.stand.sandbox("--latency", "2s")
        self.messages = scene.plain_messages(4 * IN_FLIGHT)

    def ours(self):
        redis, sandbox = self.stand.redis, self.stand.genesys
        sandbox.request("/sandbox/reset", {})
        sandbox.request("/sandbox/config", {"latency": "2s"})
        workers = scene.start_workers(self.stand, 1, "--threads", 2, "--in-flight", IN_FLIGHT // 2, "--rate", scene.WINDOW)
        redis.call("LPUSH", scene.READY, *self.messages)
        stands.wait_until(lambda: sandbox.summary()["accepted"] >= IN_FLIGHT, "all transfers to be in use", 60)
        resident = scene.memory_mib(workers[0])
        sandbox.request("/sandbox/config", {"latency": "20ms"})
        scene.wait_sent(redis, len(self.messages))
        peak = scene.memory_mib(workers[0], "VmHWM")
        scene.stop_workers(workers)
        return {"worker-memory": resident, "worker-memory peak": peak}
