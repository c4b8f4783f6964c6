#!/usr/bin/python3
"""Herald seen by a real Prometheus: what it makes of a scrape, and whether the alerts and the dashboard say what exists."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import message, messages, push
from http_client import Client
from scrape import metrics_of
from stand import ROOT, SLOWNESS, Process, Stand, free_port, wait_until
from tap import equal

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
NAME = re.compile(r"\b(?:herald|process)_[a-z_]+")
TITLE = re.compile(r"- alert: (\w+)\n(.*?)(?=\n      - alert|\Z)", re.DOTALL)


def needs_prometheus():
    for name in ("promtool", "prometheus"):
        if not shutil.which(name):
            tap.skip(f"there is no {name} here (scripts/setup --dev)")


def promtool(*arguments, stdin=None):
    needs_prometheus()
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, timeout=60 * SLOWNESS)
    return done.returncode, (done.stdout + done.stderr).decode()


def documented():
    """Every name that a sample of ours can have."""
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    assert len(rows) > 40, rows
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + part for name, kind in rows for part in parts.get(kind, ("",))}


def expressions():
    """(where, expression) of every target of the dashboard."""
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def alerts():
    """The text of each alert by its name."""
    return dict(TITLE.findall((DEPLOY / "alerts.yml").read_text()))


class Prometheus(Process):
    """A server of its own that scrapes the programs it is given every second."""

    def __init__(self, stand, programs):
        self.port = free_port()
        targets = "".join(
            f"  - job_name: herald-{process.name}\n    static_configs:\n"
            f"      - targets: ['{process.admin}']\n        labels: {{org: default}}\n"
            for process in programs
        )
        rules = json.dumps(str(DEPLOY / "alerts.yml"))
        config = stand.write("prometheus.yml", f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
                             f"rule_files: [{rules}]\nscrape_configs:\n{targets}")
        super().__init__("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={stand.path('tsdb')}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
        ], stand.folder)

    def get(self, path, **arguments):
        with Client(self.port) as client:
            return client.get(f"{path}?{urllib.parse.urlencode(arguments)}")

    def wait_ready(self):
        def answers():
            try:
                return self.get("/-/ready").status == 200
            except OSError:
                assert self.running, self.tails()
                return False

        wait_until(answers, "Prometheus to be ready", seconds=30)
        return self

    def query(self, expression):
        """The vector that it comes to: [(labels, value)]."""
        answer = self.get("/api/v1/query", query=expression)
        equal(answer.status, 200, f"{expression}: {answer}")
        return [(row["metric"], float(row["value"][1])) for row in answer.json["data"]["result"]]


def observed(stand):
    """A worker and a gateway with something to tell, and a Prometheus that looks at both."""
    needs_prometheus()
    stand.sandbox("--latency", "2ms")
    worker, gateway = stand.worker("--rate", "300/60s").wait_ready(), stand.gateway()
    with Client(gateway.port, stand.token) as client:
        equal(client.post("/v1/messages", messages(30)).status, 202, "status")
    push(stand, b'{"broken')
    flow.wait_sent(stand, 30)
    flow.wait_dead(stand, 1)
    prometheus = Prometheus(stand, [worker, gateway])
    stand.adopt(prometheus)
    return worker, gateway, prometheus.wait_ready()


def test_promtool_finds_no_fault_in_what_is_shown():
    with Stand() as stand:
        stand.sandbox()
        worker, gateway = stand.worker("--rate", "300/60s").wait_ready(), stand.gateway()
        with Client(gateway.port, stand.token) as client:
            client.post("/v1/messages", message(1))
        flow.wait_sent(stand, 1)
        for process in (worker, gateway):
            status, said = promtool("check", "metrics", stdin=metrics_of(process).text.encode())
            equal((status, said.strip()), (0, ""), f"promtool about the {process.name}")


def test_a_Prometheus_that_scrapes_a_worker_knows_what_was_sent():
    with Stand() as stand:
        worker, gateway, prometheus = observed(stand)
        sent = 'sum(herald_attempts_total{outcome="sent"})'
        wait_until(lambda: prometheus.query(sent), "the first scrape", seconds=30)
        equal(prometheus.query(sent), [({}, 30.0)], "sent")
        push(stand, *messages(12, first=100))
        wait_until(lambda: prometheus.query(sent) == [({}, 42.0)], lambda: f"42 sent: {prometheus.query(sent)}", seconds=30)
        equal({labels["job"] for labels, value in prometheus.query("up == 1")},
              {f"herald-{process.name}" for process in (worker, gateway)}, "targets that are up")


def test_every_expression_of_the_dashboard_works_and_finds_what_it_names():
    with Stand() as stand:
        _, _, prometheus = observed(stand)
        wait_until(lambda: len(prometheus.query("herald_redis_up")) == 2, "both to be scraped", seconds=30)
        wait_until(lambda: prometheus.query("rate(process_cpu_seconds_total[1m])"), "two scrapes", seconds=30)
        for where, expression in expressions():
            text = expression.replace("$__rate_interval", "1m").replace("$org", ".*")
            prometheus.query(text)
            for name in set(NAME.findall(text)):
                assert prometheus.query(f"count({name})"), f"{where}: there is no {name}"


def test_dashboard_and_alerts_name_only_metrics_that_exist():
    known = documented()
    assert len(expressions()) > 30 and len(alerts()) > 8
    for where, text in [*expressions(), *alerts().items()]:
        names = set(NAME.findall(text)) - {"herald_worker"}
        assert names or "up{" in text, f"{where} has no metric: {text}"
        assert names <= known, f"{where} names {names - known}"


def test_the_alerts_are_right_and_fire_when_they_should():
    for arguments in (("check", "rules", DEPLOY / "alerts.yml"), ("test", "rules", DEPLOY / "alerts_test.yml"),
                      ("check", "config", DEPLOY / "prometheus.yml")):
        status, said = promtool(*arguments)
        equal(status, 0, said)
    tests = (DEPLOY / "alerts_test.yml").read_text()
    for name in alerts():
        assert re.search(rf"alertname: {name}\n", tests), f"no test of {name}"


def test_each_alert_says_what_it_is_and_where_its_runbook_is():
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for name, text in alerts().items():
        for field in ("summary", "description", "runbook"):
            assert re.search(rf"^          {field}: \S", text, re.MULTILINE), f"{name} has no {field}"
        anchor = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
        assert f"runbook: docs/operations.md#{anchor}\n" in text + "\n", f"{name}: its anchor is {anchor}"
        assert anchor in anchors, f"docs/operations.md says nothing about {name}"


if __name__ == "__main__":
    tap.run(globals())
