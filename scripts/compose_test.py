"""What scripts/compose-test runs: see there. Everything is in one folder, and everything that was started is ended."""

import argparse
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
NO_DAEMON = 77
BASE = "debian:bookworm-slim"
REDIS = "redis:7"
PEOPLE = 3000
WORKERS = 3
PATIENCE = 120
TOKEN = "compose-test-token-0123456789abcdefghijklmnop"
BUILT = ("gateway", "worker", "audit", "campaign", "webhook", "sandbox")
STAYING = ("redis", "gateway", "worker", "audit", "sandbox")

# As the official image: protected mode is off, because nobody from outside reaches a container by itself.
REDIS_IMAGE = """FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
RUN install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
USER redis
COPY entrypoint /usr/local/bin/entrypoint
ENTRYPOINT ["/usr/local/bin/entrypoint"]
CMD ["redis-server"]
"""
REDIS_ENTRYPOINT = """#!/bin/sh
[ "$1" != redis-server ] || set -- "$@" --protected-mode no
exec "$@"
"""
FETCH = """import sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read() or None)
for header in sys.argv[2:]:
    request.add_header(*header.split("=", 1))
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


class NoDaemon(Exception):
    pass


class Wrong(Exception):
    pass


def say(text):
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def run(*command, check=True, **options):
    """Runs a program to its end; its output, which a failure shows."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", stdin=None if "input" in options else subprocess.DEVNULL,
                          **options)
    if check and done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise Wrong(f"{' '.join(map(str, command))[:300]} ended with status {done.returncode}\n{tail}")
    return done.stdout


def wait_until(condition, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Wrong(f"waited {seconds} s in vain for {what() if callable(what) else what}")
        time.sleep(0.2)


class Daemon:
    """dockerd, its data and its socket in one folder. For building it shares our network, so that apt-get works; for
    running it has a namespace of its own, so that its bridges and firewall rules touch nothing here."""

    def __init__(self, folder):
        self.folder = folder
        self.host = f"unix://{folder}/d.sock"
        self._popen = None

    def environment(self):
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.folder / "config")}

    def start(self, own_network):
        flags = ["--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile",
                 self.folder / "pid", "-H", self.host]
        if own_network:
            command = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec dockerd "$@"', "dockerd", *flags]
        else:
            command = ["dockerd", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none", *flags]
        with open(self.folder / "log", "ab") as log:
            self._popen = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while subprocess.run(["docker", "info"], env=self.environment(), capture_output=True).returncode != 0:
            if self._popen.poll() is not None or time.monotonic() > deadline:
                raise NoDaemon("\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-8:]))
            time.sleep(0.1)

    @property
    def pid(self):
        return self._popen.pid

    def stop(self):
        if not self._popen:
            return
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(30)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        self._popen = None

    def probe(self):
        """It may run and yet not be allowed to run anything."""
        try:
            self.docker("run", "--rm", "--network=none", BASE, "true")
        except Wrong as error:
            raise NoDaemon(f"it runs no container: {error}") from None

    def docker(self, *arguments, **options):
        return run("docker", *arguments, env=self.environment(), **options)


class Stack:
    def __init__(self, daemon, compose, people):
        self._daemon = daemon
        self._compose = compose
        # For builds: RUN reaches the packages through the daemon's network only when it is told to.
        self._build_file = daemon.folder / "build.yml"
        services = "".join(f"  {name}:\n    build:\n      network: host\n" for name in BUILT)
        self._build_file.write_text(f"services:\n{services}")
        self._environment = {
            **daemon.environment(),
            "COMPOSE_PROJECT_NAME": "heraldtest",
            "HERALD_DEMO_PEOPLE": str(people),
            "HERALD_CLIENTS": f"test:enqueue+read:{hashlib.sha256(TOKEN.encode()).hexdigest()}",
        }

    def compose(self, *arguments, **options):
        files = ("--project-directory", ROOT, "-f", ROOT / "docker-compose.yml", "-f", self._build_file)
        return run(*self._compose, *files, "--env-file", ROOT / "deploy/demo/demo.env", "--profile", "demo",
                   *arguments, env=self._environment, **options)

    def containers(self, service):
        """Those that run or have run, as docker inspect tells of them."""
        ids = self._daemon.docker("ps", "-aq", "--filter", "label=com.docker.compose.project=heraldtest", "--filter",
                                  f"label=com.docker.compose.service={service}").split()
        return json.loads(self._daemon.docker("inspect", *ids)) if ids else []

    def kill(self, container):
        """As a crash: the daemon finds out by itself, and does what the restart policy says."""
        os.kill(container["State"]["Pid"], signal.SIGKILL)

    def herald(self, *arguments, check=True):
        worker = next(c for c in self.containers("worker") if c["State"]["Running"])
        return self._daemon.docker("exec", worker["Id"], "herald", *arguments, check=check)

    def status(self):
        """None while Redis is away."""
        with contextlib.suppress(Wrong, ValueError, StopIteration):
            return json.loads(self.herald("status", "--json"))

    def fetch(self, url, *headers, body=""):
        """From inside the daemon's network, which this machine's own does not see."""
        return run("nsenter", "-t", self._daemon.pid, "-n", sys.executable, "-c", FETCH, url, *headers, input=body)

    def address(self, service, network="outside"):
        return self.containers(service)[0]["NetworkSettings"]["Networks"][f"heraldtest_{network}"]["IPAddress"]

    def slow_genesys(self, latency):
        """How long the stand-in takes to answer."""
        self.fetch(f"http://{self.address('sandbox')}:8081/sandbox/config", "Content-Type=application/json",
                   body=json.dumps({"latency": latency}))

    def ledger(self):
        text = self.fetch(f"http://{self.address('sandbox')}:8081/sandbox/ledger")
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def audit(self):
        """Every entry, out of the exporter's files, once it has exported all."""
        wait_until(lambda: (status := self.status()) and status["audit"]["kept"] == 0, "the audit to be exported")
        container = self.containers("audit")[0]["Id"]
        text = self._daemon.docker("exec", container, "sh", "-c", "cat /audit/*.jsonl")
        return [json.loads(line)["entry"] for line in text.splitlines()]

    def verify_audit(self):
        container = self.containers("audit")[0]["Id"]
        return self._daemon.docker("exec", container, "sh", "-c", "herald audit verify /audit/*.jsonl --until redis")


# --- the steps -----------------------------------------------------------------------------------------------------


def write_people(path):
    rows = ["to,name,date,time,language,consentVerified"]
    rows += [f"+1317{number:07},Person {number},14 March,09:30,en,true" for number in range(PEOPLE)]
    path.write_text("\n".join(rows) + "\n")


def make_base(folder, kept):
    """A tar of Debian's minimal system; kept in --cache for the next time."""
    if not kept.exists():
        try:
            run("debootstrap", "--variant=minbase", "bookworm", folder / "root")
        except Wrong as error:
            raise NoDaemon(f"no base image can be made: {error}") from None
        run("tar", "-C", folder / "root", "-cf", f"{kept}.part", ".")
        os.rename(f"{kept}.part", kept)
        shutil.rmtree(folder / "root")
    return kept


def build_images(daemon, stack, base):
    daemon.docker("import", base, BASE)
    daemon.probe()
    context = daemon.folder / "redis"
    context.mkdir()
    (context / "Dockerfile").write_text(REDIS_IMAGE)
    (context / "entrypoint").write_text(REDIS_ENTRYPOINT)
    (context / "entrypoint").chmod(0o755)
    daemon.docker("build", "--network=host", "-t", REDIS, context)
    say(f"{BASE} and {REDIS} are made")
    stack.compose("build", "worker", "sandbox")  # the others are of the same two images


def wait_sent(stack, least):
    def enough():
        status = stack.status()
        return status and status["places"]["sent"] >= least and status

    return wait_until(enough, f"{least} messages to be sent; last: {stack.status()}")


def is_finished(status):
    return status and not any(status["places"][name] for name in ("ready", "delayed", "in_flight"))


def is_back(stack, service, restarts):
    containers = stack.containers(service)
    healthy = all(c["State"].get("Health", {"Status": "healthy"})["Status"] == "healthy" for c in containers)
    return healthy and sum(c["RestartCount"] for c in containers) >= restarts


def enqueue_by_gateway(stack):
    message = {"payload": {"fromAddress": "+13175550100", "toAddress": "+13175559999",
                           "toAddressMessengerType": "sms", "textBody": "By the gateway"},
               "metadata": {"consentVerified": True}}
    answer = stack.fetch("http://127.0.0.1:8080/v1/messages", f"Authorization=Bearer {TOKEN}",
                         "Content-Type=application/json", "Idempotency-Key=compose-test", body=json.dumps(message))
    return json.loads(answer)["id"]


def busy_worker(stack):
    """A container whose worker has messages under way, and how many: workers are named after their containers."""
    status = stack.status()
    for worker in status["workers"] if status else ():
        for container in stack.containers("worker"):
            if worker["in_flight"] > 0 and worker["id"].startswith(container["Config"]["Hostname"]):
                return container, worker["in_flight"]
    return None


def damage(stack):
    wait_sent(stack, PEOPLE // 10)
    stack.slow_genesys("2s")  # so that what is under way is still so when the worker dies
    victim, in_flight = wait_until(lambda: busy_worker(stack), "a worker to be busy")
    stack.kill(victim)
    say(f"a worker was killed ({victim['Name'].lstrip('/')}) with some {in_flight} messages under way")
    sent = wait_sent(stack, PEOPLE // 3)["places"]["sent"]
    stack.kill(stack.containers("redis")[0])
    stack.slow_genesys("100ms")
    say(f"Redis was killed, when {sent} messages had been sent")
    wait_until(lambda: is_back(stack, "redis", 1), "Redis to be started again")
    wait_until(lambda: is_back(stack, "worker", 1), "the worker to be started again and be healthy")
    say("both were started again by their restart policy, and are healthy")


def compare(stack, by_gateway):
    """(what must hold, does it) for what Herald counts, its audit, and what the stand-in received."""
    status = wait_until(lambda: (s := stack.status()) and is_finished(s) and s, "every message to be sent")
    places, counters = status["places"], collections.Counter(status["counters"])
    received = collections.Counter(entry["request_id"] for entry in stack.ledger())
    attempts = collections.defaultdict(list)
    for entry in stack.audit():
        attempts[entry.get("id")].append(entry)
    sent = {name for name, entries in attempts.items() if any(e.get("outcome") == "sent" for e in entries)}
    unknown = {name: sum(e["what"] == "reap" or bool(e.get("unknown")) for e in entries)
               for name, entries in attempts.items()}
    repeated = {name: count - 1 for name, count in received.items() if count > 1}
    say(f"accepted {status['accepted']}, sent {places['sent']}, dead {places['dead']}, retries {counters['retries']}, "
        f"redelivered {counters['redelivered']}; received {sum(received.values())}, of them again {sum(repeated.values())}")
    say("the audit is exported: " + stack.verify_audit().strip())
    return [
        (f"accepted are all {PEOPLE} of the campaign and the gateway's one", status["accepted"] == PEOPLE + 1),
        ("the sum of herald status is right", status["balanced"] and status["uncounted"] == 0),
        ("every message was sent or is a dead letter", places["sent"] + places["dead"] == status["accepted"]),
        ("nothing is lost: the stand-in has every message that is not dead", len(received) >= places["sent"]),
        ("what the killed worker held was taken back by others", counters["redelivered"] > 0),
        ("each message that Herald calls sent was received", len(sent) == places["sent"] and sent <= set(received)),
        ("what was received twice had an unknown outcome", all(unknown[n] >= c for n, c in repeated.items())),
        ("the gateway's message was received", by_gateway in received),
        ("no entry of the audit was cut off", status["audit"]["cut"] == 0),
        ("receipts came back", sum(v for k, v in counters.items() if k.startswith("receipt:")) > 0),
    ]


def stop_cleanly(stack):
    begun = time.monotonic()
    before = [c for service in STAYING for c in stack.containers(service)]
    stack.compose("stop")
    seconds = time.monotonic() - begun
    statuses = {c["Name"].lstrip("/"): c["State"]["ExitCode"] for service in STAYING for c in stack.containers(service)}
    say(f"stopped in {seconds:.1f} s with statuses {sorted(set(statuses.values()))}")
    return [(f"all {len(before)} containers stop by themselves within the grace time",
             all(status == 0 for status in statuses.values()) or statuses)]


def exercise(stack):
    stack.compose("up", "-d", "--no-build", "--scale", f"worker={WORKERS}")
    say(f"up, with {WORKERS} workers")
    wait_until(lambda: is_back(stack, "gateway", 0) and is_back(stack, "worker", 0), "the gateway and workers to be healthy")
    say("gateway and workers are healthy")
    by_gateway = enqueue_by_gateway(stack)
    damage(stack)
    return compare(stack, by_gateway) + stop_cleanly(stack)


def show_logs(stack):
    with contextlib.suppress(Wrong):
        print(stack.compose("ps"))
        print(stack.compose("logs", "--tail=15"))


def clean_up(daemon, stack):
    say("cleaning up")
    if daemon.environment() and daemon._popen:
        with contextlib.suppress(Wrong):
            stack.compose("down", "-v", "-t", "1")
    daemon.stop()
    for mount in sorted(daemon.folder.glob("exec/netns/*")) + [daemon.folder / "exec/netns"]:
        subprocess.run(["umount", str(mount)], capture_output=True)


def test(options, folder):
    daemon = Daemon(folder)
    people = folder / "people.csv"
    write_people(people)
    stack = Stack(daemon, options.compose.split(), people)
    try:
        daemon.start(own_network=False)
        base = make_base(folder, (options.cache or folder) / "base.tar")
        say("Debian's base is there")
        build_images(daemon, stack, base)
        say("the images are built")
        daemon.stop()
        daemon.start(own_network=True)
        daemon.probe()
        try:
            checks = exercise(stack)
        except Wrong:
            show_logs(stack)
            raise
    finally:
        clean_up(daemon, stack)
    for name, holds in checks:
        print(f"  {'ok ' if holds is True else 'NOT'} {name}{'' if isinstance(holds, bool) else f': {holds}'}")
    return all(holds is True for _, holds in checks)


def stopped(number, _frame):
    raise KeyboardInterrupt(number)


def main():
    parser = argparse.ArgumentParser(prog="scripts/compose-test", description="Runs the whole compose stack, for real.")
    parser.add_argument("--cache", type=pathlib.Path, help="folder that keeps Debian's base for the next time")
    parser.add_argument("--compose", default="docker-compose", help="the command to test with (docker-compose)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stopped)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="compose-"))
    try:
        holds = test(options, folder)
        say("it holds" if holds else "IT DOES NOT HOLD")
        return 0 if holds else 1
    except NoDaemon as error:
        print(f"compose-test: no container daemon can be started here; nothing was tested. The last it said:\n{error}")
        return NO_DAEMON
    except Wrong as error:
        print(f"compose-test: {error}")
        return 1
    except KeyboardInterrupt:
        print("compose-test: stopped; everything it had started is stopped", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


BEGUN = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
