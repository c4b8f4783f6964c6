"""What a program's /metrics say, read by the rules of Prometheus' text format."""

import re

from http_client import Client

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\\]|\\\\.)*)"(?:,|$)')


class Metrics:
    def __init__(self, text):
        self.text = text
        self.names = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
        self._samples = [self._read(line) for line in text.splitlines() if line and not line.startswith("#")]

    @staticmethod
    def _read(line):
        match = SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        return match[1], dict(LABEL.findall(match[2] or "")), float(match[3])

    def all(self, name, **labels):
        """The samples of this name that have these labels: (labels, value)."""
        return [(found, value) for sample, found, value in self._samples
                if sample == name and labels.items() <= found.items()]

    def sum(self, name, **labels):
        return sum(value for _, value in self.all(name, **labels))

    def one(self, name, **labels):
        """The value of the one sample that there is."""
        found = self.all(name, **labels)
        assert len(found) == 1, f"{name}{labels}: {found}"
        return found[0][1]

    def by(self, name, *labels, some=False):
        """Values by the values of these labels; with `some` only those that are not 0."""
        return {tuple(found[label] for label in labels): value for found, value in self.all(name) if value or not some}


def metrics_of(process):
    with Client(int(process.admin.rpartition(":")[2])) as client:
        answer = client.get("/metrics")
    assert answer.status == 200, answer
    assert answer.type == "text/plain; version=0.0.4; charset=utf-8", answer.type
    return Metrics(answer.body.decode())
