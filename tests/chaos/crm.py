"""Who is told what became of some of the messages, while everything breaks: a receiver of callbacks that fails at times
itself, and its accounts.

Each outcome is to be told at least once, and what comes again has to say so: the same `webhook-id`, the same body.
"""

import base64
import collections
import random
import threading

from receiver import Receiver

SECRET = "whsec_" + base64.b64encode(b"chaos chaos chaos chaos chaos ch").decode()
FLAGS = ("--callback-private-hosts", "127.0.0.1", "--callback-timeout", "1s", "--callback-retry-cap", "500ms",
         "--callback-attempts", "1000")
SHARE = 0.1  # of the messages
REFUSED, UNANSWERED = 0.03, 0.03  # of the deliveries


class Crm(Receiver):
    """Remembers which callbacks it has said yes to; of the others nobody may rely on anything."""

    def __init__(self, seed):
        super().__init__(always=self._judge)
        self._dice = random.Random(f"{seed} crm")
        self._dice_lock = threading.Lock()
        self.taken = set()

    def _judge(self, handler):
        with self._dice_lock:
            chance = self._dice.random()
        if chance < UNANSWERED:  # it has come, and the sender cannot know
            return
        refuses = chance < UNANSWERED + REFUSED
        if not refuses:
            self.taken.add(handler.headers["webhook-id"])
        handler.close_connection = False
        handler.send_response(503 if refuses else 204)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


class Told:
    """What the receiver was told, by message."""

    def __init__(self, crm):
        deliveries = [(delivery.headers["webhook-id"], delivery.json["type"], delivery.json["data"], delivery.body)
                      for delivery in crm.deliveries]
        self.count = len(deliveries)
        self.callbacks = {identity for identity, *_ in deliveries}
        self.outcomes = collections.defaultdict(set)  # of those that it has said yes to
        names, bodies = collections.defaultdict(set), collections.defaultdict(set)
        for identity, kind, data, body in deliveries:
            names[data["id"], data["sequence"]].add(identity)
            bodies[identity].add(body)
            if identity in crm.taken:
                self.outcomes[data["id"]].add(kind)
        self.wrong = {
            "callbacks were never taken": self.callbacks - crm.taken,
            "callbacks came again with another body": {name for name, found in bodies.items() if len(found) > 1},
            "tellings came again under another webhook-id": {key for key, found in names.items() if len(found) > 1},
        }
