"""The test stand: a private redis-server, the Genesys sandbox, workers, gateways and the command line in a folder of their own.

    with Stand() as stand:
        stand.sandbox("--rate-429", "0.1")
        stand.worker()
        stand.herald("enqueue", "-", stdin=lines, check=True)
        stand.wait_drained()

Leaving the block ends what the stand started and nothing else, newest first. On the way out of a failure the tails of
all logs are handed to `tap`, and a program that died without the test having asked for it is a failure itself.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import resp
import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HERALD_BUILD") or ROOT / "build").absolute()
SLOWNESS = 3 if "san-" in str(BUILD) else 1  # sanitizers make the programs slower, so waits become longer
FIRST_POLL, LONGEST_POLL = 0.002, 0.02
TAIL_LINES = 60
PATIENCE = 10  # seconds that a program has to end when the stand closes
NOBODY_LISTENS = "http://127.0.0.1:1"
# Ctrl-C is for the test or demo alone, which then ends its programs in order. (Ubuntu 22.04 has Python 3.10.)
OWN_GROUP = {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}


def wait_until(condition, what, seconds=15):
    """Polls until condition() is true and returns what it gave. `what` is text, or a function giving it at the end."""
    deadline = time.monotonic() + seconds * SLOWNESS
    pause = FIRST_POLL
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds * SLOWNESS} s in vain for: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_POLL)


PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def peak_megabytes(stand, *command):
    """Runs a command of herald, which must succeed; the most memory that it had.

    A child's peak is never below that of the process it was forked from, which so has to be a small one.
    """
    words = [sys.executable, "-c", PEAK, program("herald"), *command]
    done = subprocess.run(
        [str(word) for word in words], env=stand.environment(), capture_output=True, timeout=120 * SLOWNESS
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) / 1024


def seen_window(window_ms):
    """What herald-sandbox may observe of a window that a worker keeps, as the flags for it.

    The worker keeps the window for when requests leave. The sandbox sees when they arrive, and on a machine whose
    processors are busy with other suites some are read late, so that the next window's come close to them. Any limiter
    that lets two windows' worth through at their border is found with half a window just as well.
    """
    return "--observe-window", f"{window_ms * (50 if SLOWNESS > 1 else 85) // 100}ms"


def free_port():
    """A port below the ephemeral range, so that no outgoing connection takes it while its server restarts."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(10000, _first_ephemeral_port())
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError("no free port on 127.0.0.1")


def _first_ephemeral_port():
    try:
        first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        first = 0
    return first if first > 12000 else 32768


def tail(text, lines=TAIL_LINES):
    return "\n".join(text.splitlines()[-lines:])


def program(name):
    path = BUILD / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built; run make first")
    return str(path)


def clean_environment():
    """Without settings of the caller's own Herald, and without proxies: everything here is on this machine."""
    unwanted = re.compile(r"HERALD_(?!BUILD$|TEST_)|GENESYS_|(https?|all|no)_proxy$", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not unwanted.match(name)}


class Process:
    """A program that the stand started. Its output goes to files, so that nothing has to be read for it to go on."""

    def __init__(self, name, command, folder, env=None, cwd=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = folder / f"{name}.log"
        self.out_path = folder / f"{name}.out"
        self._end_expected = False
        with open(self.out_path, "ab") as out, open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=cwd,
                env=env or clean_environment(),
                **OWN_GROUP,
            )

    @property
    def pid(self):
        return self._popen.pid

    @property
    def status(self):
        """The exit status (negative: the signal that ended it), None while it runs."""
        return self._popen.poll()

    @property
    def running(self):
        return self.status is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def output(self):
        return self.out_path.read_text(errors="replace")

    def signal(self, number):
        if self.running:
            self._popen.send_signal(number)

    def stop(self):
        """Stops it in its tracks (SIGSTOP) until cont()."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: not self.running or _is_stopped(self.pid), f"{self.name} to be stopped")

    def cont(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL: the crash that no program can prepare for."""
        self._end_expected = True
        self.signal(signal.SIGKILL)
        return self._popen.wait()

    def terminate(self, seconds=30):
        """SIGTERM, then the exit status; a failure if it takes longer than `seconds`."""
        self._end_expected = True
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=30):
        """The exit status of a program that ends by itself."""
        self._end_expected = True
        try:
            return self._popen.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds * SLOWNESS} s") from None

    def wait_for(self, what, seconds=15):
        """Waits until the log or the output contains `what`, which a program that has ended never will."""

        def found():
            ended = not self.running  # asked first: what it wrote before its end is then there to be read
            if what in self.log() or what in self.output():
                return True
            assert not ended, f"{self.name} ended with status {self.status} before it said {what!r}\n{self.tails()}"
            return False

        wait_until(found, f"{self.name} to say {what!r}", seconds)

    def close(self, at_once=False):
        """Ends it; with at_once without asking. Returns a complaint if it had died unnoticed or crashes at its end."""
        if not self.running:
            unnoticed = not self._end_expected and self.status != 0
            return f"{self.name} ended by itself with status {self.status}" if unnoticed else None
        self.cont()
        if not at_once:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(PATIENCE * SLOWNESS)
        status = self.kill()
        crashed = status < 0 and status not in (-signal.SIGTERM, -signal.SIGKILL)
        return f"{self.name} crashed at its end with status {status}" if crashed else None

    def tails(self, lines=TAIL_LINES):
        state = "running" if self.running else f"ended with status {self.status}"
        parts = [f"--- {self.name} ({state}): {' '.join(self.command)}"]
        parts += [tail(text, lines) for text in (self.log(), self.output()) if text]
        return "\n".join(parts)


def _is_stopped(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] in "Tt"


class Redis:
    """A private redis-server that can be stopped, killed, paused and started again on the same data and address."""

    def __init__(self, folder, appendfsync="everysec", appendonly=True, password=None, unix=False, options=(), env=None):
        self.folder = folder
        self._env = env and {**clean_environment(), **env}
        self.password = password
        self.socket_path = folder / "redis.sock" if unix else None
        self.port = 0
        self._settings = [
            *("--dir", folder, "--save", "", "--bind", "127.0.0.1", "--daemonize", "no"),
            *("--appendonly", "yes" if appendonly else "no", "--appendfsync", appendfsync),
            *(("--requirepass", password) if password else ()),
            *options,
        ]
        self._client = None
        self._process = None

    @property
    def url(self):
        if self.socket_path:
            return f"unix://{self.socket_path}"
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return bool(self._process) and self._process.running

    def start(self):
        if self.running:
            return self
        if self.port or self.socket_path:
            self._launch()
        else:
            self._launch_on_a_free_port()
        return self

    def stop(self):
        """An orderly end: Redis writes all it has."""
        self._disconnect()
        if self._process:
            self._process.cont()
            self._process.terminate()

    def kill(self):
        self._disconnect()
        if self._process:
            self._process.kill()

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """Redis keeps its connections but answers nothing until resume()."""
        self._process.stop()

    def resume(self):
        if self._process:
            self._process.cont()

    def call(self, *arguments):
        """One command: redis.call("LPUSH", key, value)."""
        return self._connection().call(*arguments)

    def pipeline(self, commands):
        return self._connection().pipeline(commands)

    def client(self):
        """A further connection, for a thread of its own."""
        address = str(self.socket_path) if self.socket_path else ("127.0.0.1", self.port)
        return resp.Client(address, self.password)

    def close(self):
        """At once: nobody wants the data any more, and an orderly end takes Redis a tenth of a second."""
        self._disconnect()
        return self._process.close(at_once=True) if self._process else None

    def tails(self):
        return self._process.tails(lines=12) if self._process else "--- redis (never started)"

    def _connection(self):
        if not self._client:
            self._client = self.client()
        return self._client

    def _disconnect(self):
        if self._client:
            self._client.close()
        self._client = None

    def _launch_on_a_free_port(self):
        for _ in range(5):  # between free_port() and here another program may have taken the port
            self.port = free_port()
            with contextlib.suppress(AssertionError):
                return self._launch()
        raise AssertionError(f"redis-server does not start\n{self.tails()}")

    def _launch(self):
        place = ["--unixsocket", self.socket_path, "--port", 0] if self.socket_path else ["--port", self.port]
        self._process = Process("redis", ["redis-server", *place, *self._settings], self.folder, self._env)
        wait_until(self._answers, "redis-server to answer")

    def _answers(self):
        if not self._process.running:
            status = self._process.wait()
            raise AssertionError(f"redis-server ended with status {status}\n{self.tails()}")
        try:
            return self.call("PING") == "PONG"
        except (OSError, resp.RedisError):  # not listening yet, or still loading its file
            self._disconnect()
            return False


class Sandbox(Process):
    """herald-sandbox, the Genesys stand-in."""

    def __init__(self, name, flags, folder):
        super().__init__(name, [program("herald-sandbox"), *flags], folder)
        self.url = None

    def wait_ready(self):
        self.wait_for("listening on http")
        wait_until(lambda: "\n" in self.output().partition("listening on ")[2], "the end of the sandbox's first line")
        self.url = re.search(r"listening on (https?://\S+)", self.output()).group(1)
        return self

    def ledger(self):
        """One dict for each message that was accepted."""
        return [json.loads(line) for line in self.request("/sandbox/ledger").splitlines() if line.strip()]

    def summary(self):
        return json.loads(self.request("/sandbox/ledger?summary=1"))

    def script(self, steps):
        """What the next requests are answered with, in order."""
        return self.request("/sandbox/script", steps)

    def config(self, **settings):
        """Changes faults and limits while it runs."""
        return self.request("/sandbox/config", settings)

    def request(self, path, body=None):
        """GET, or POST of a JSON body; the text of the answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
        )
        try:
            with opener.open(request, timeout=30 * SLOWNESS) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"sandbox: {path}: {error.code} {error.read().decode(errors='replace')}") from None


class Worker(Process):
    """herald-worker. `admin` is the address of its metrics and health pages."""

    def __init__(self, name, flags, folder, env):
        super().__init__(name, [program("herald-worker"), *flags], folder, env)
        self.admin = env["HERALD_ADMIN"]

    def wait_ready(self, seconds=15):
        self.wait_for("ready", seconds)
        return self


class Gateway(Process):
    """herald-gateway on a port of its own. `admin` is the address of its metrics and health pages."""

    def __init__(self, name, flags, folder, env):
        super().__init__(name, [program("herald-gateway"), *flags], folder, env)
        self.admin = env["HERALD_ADMIN"]
        self.port = int(env["HERALD_LISTEN"].rpartition(":")[2])

    def wait_ready(self, seconds=15):
        self.wait_for('"ready"', seconds)
        return self

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_mib(self):
        """Resident, as the system counts it."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE).group(1)) / 1024


class Result:
    """What a run of the herald command came to."""

    def __init__(self, arguments, status, out, err):
        self.arguments = [str(argument) for argument in arguments]
        self.status = status
        self.out = out.decode(errors="replace")
        self.err = err.decode(errors="replace")

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"not JSON ({error}):\n{self.describe()}") from None

    def describe(self):
        parts = [f"--- herald {' '.join(self.arguments)} (status {self.status})"]
        parts += [tail(text, 20) for text in (self.out, self.err) if text]
        return "\n".join(parts)


class Stand:
    def __init__(self, org="default", **redis_options):
        """redis_options: appendfsync, appendonly, password, unix, options, env; see Redis."""
        self.org = org
        self.folder = None
        self._redis_options = redis_options
        self._redis = None
        self._sandbox = None
        self._processes = []  # in the order of their start; closed the other way round
        self._results = []
        self._started = 0
        self._keeps_folder = False

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stand-"))
        tap.reporters.append(self.tails)
        return self

    def __exit__(self, kind, error, trace):
        if kind:
            tap.attach(self.tails())
        complaints, texts = self.close(at_once=kind is not None)
        if complaints and not kind:
            tap.attach(texts)
            raise AssertionError("; ".join(complaints))

    def close(self, at_once=False):
        """Ends everything and removes the folder. Safe to call again."""
        if self.tails in tap.reporters:
            tap.reporters.remove(self.tails)
        if self._redis:
            self._redis.resume()  # a worker that waits for a paused Redis would not end in time
        answers = [process.close(at_once) for process in reversed(self._processes)]
        answers += [self._redis.close()] if self._redis else []
        complaints = [answer for answer in answers if answer]
        texts = self.tails() if complaints else ""
        self._processes, self._redis = [], None
        if not self._keeps_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return complaints, texts

    def keep_folder(self):
        """The logs and files stay when the programs end."""
        self._keeps_folder = True

    def keep(self):
        """Leaves everything running and the folder in place after this program (for the demo)."""
        tap.reporters.remove(self.tails)
        self._processes, self._redis = [], None

    def path(self, name):
        return self.folder / name

    def write(self, name, content):
        """A file in the stand's folder; returns its path."""
        path = self.path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @property
    def redis(self):
        """Started when first asked for."""
        if not self._redis:
            self._redis = Redis(self.folder, **self._redis_options)
            self._redis.start()
        return self._redis

    @property
    def genesys(self):
        """The sandbox that workers and commands are pointed at: the one started last."""
        return self._sandbox

    def sandbox(self, *flags):
        self._sandbox = Sandbox(self._name("sandbox"), flags, self.folder)
        self._processes.append(self._sandbox)
        return self._sandbox.wait_ready()

    def worker(self, *flags, env=None, org=None):
        """Not ready yet when this returns: see wait_ready()."""
        settings = {"HERALD_RATE": "unlimited", "HERALD_ADMIN": f"127.0.0.1:{free_port()}"}
        worker = Worker(self._name("worker"), flags, self.folder, self.environment(settings, env, org))
        self._processes.append(worker)
        return worker

    def adopt(self, process):
        """Another program, which ends with the stand."""
        self._processes.append(process)
        return process

    @property
    def token(self):
        """Of the client `crm`, whom every gateway of the stand knows unless it is told others."""
        return "crm-token-of-the-stand-0123456789abcdefghij"

    def client(self, name="crm", rights="enqueue+read+operate", token=None):
        """An entry for a gateway's `clients`."""
        return f"{name}:{rights}:{hashlib.sha256((token or self.token).encode()).hexdigest()}"

    def gateway(self, *flags, env=None, clients=None, org=None):
        """A gateway that is ready. `clients` are entries as `client` makes them; by default `crm` with every right."""
        for _ in range(5):  # between free_port() and here another program may have taken the port
            settings = {
                "HERALD_LISTEN": f"127.0.0.1:{free_port()}",
                "HERALD_ADMIN": f"127.0.0.1:{free_port()}",
                "HERALD_CLIENTS": " ".join([self.client()] if clients is None else clients),
            }
            gateway = Gateway(self._name("gateway"), flags, self.folder, self.environment(settings, env, org=org))
            self._processes.append(gateway)
            with contextlib.suppress(AssertionError):
                return gateway.wait_ready()
            if gateway.running or "cannot listen" not in gateway.log():
                raise AssertionError(f"the gateway does not start\n{gateway.tails()}")
            gateway.wait()
        raise AssertionError("no free port for the gateway")

    def herald(self, *arguments, stdin=None, env=None, org=None, check=False, timeout=60):
        """Runs the command line to its end. With check a status other than 0 is a failure."""
        command = [program("herald"), *(str(argument) for argument in arguments)]
        text = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(
                command,
                input=text or b"",
                capture_output=True,
                env=self.environment(env, org=org),
                timeout=timeout * SLOWNESS,
            )
        except subprocess.TimeoutExpired as late:
            self._remember(Result(arguments, None, late.stdout or b"", late.stderr or b""))
            raise AssertionError(f"herald {' '.join(command[1:])} took longer than {timeout * SLOWNESS} s") from None
        result = self._remember(Result(arguments, done.returncode, done.stdout, done.stderr))
        assert done.returncode >= 0, f"herald crashed\n{result.describe()}"
        assert not check or result.status == 0, f"herald failed\n{result.describe()}"
        return result

    def status(self, org=None):
        return self.herald("status", "--json", org=org, check=True).json

    def wait_drained(self, seconds=60, org=None):
        """Waits until no message waits or is on its way; returns the status then."""
        last = {}

        def drained():
            last.update(self.status(org))
            return all(count == 0 for count in _unfinished(last).values())

        wait_until(drained, lambda: f"no message to be waiting or on its way; last status: {last}", seconds)
        return last

    def environment(self, *changes, org=None):
        """What Herald's programs get: this stand's Redis and sandbox, then the changes in turn."""
        genesys = self._sandbox.url if self._sandbox else NOBODY_LISTENS
        settings = {
            "HERALD_REDIS_URL": self.redis.url,
            "HERALD_ORG": org or self.org,
            "GENESYS_API_URL": genesys,
            "GENESYS_LOGIN_URL": genesys,
            "GENESYS_CLIENT_ID": "sandbox",
            "GENESYS_CLIENT_SECRET": "sandbox-secret",
        }
        for change in changes:
            settings.update(change or {})
        wanted = {**clean_environment(), **settings}
        return {name: str(value) for name, value in wanted.items() if value is not None}

    def tails(self):
        """The ends of all logs and the last commands, for the report of a failure."""
        parts = [result.describe() for result in self._results[-3:]]
        parts += [process.tails() for process in self._processes]
        parts += [self._redis.tails()] if self._redis else []
        return "\n".join(parts)

    def _remember(self, result):
        self._results = [*self._results[-9:], result]
        return result

    def _name(self, kind):
        self._started += 1
        return f"{kind}-{self._started}"


def _unfinished(status):
    """The one place that knows where herald status --json says what is not finished."""
    places = status["places"]
    return {name: places[name] for name in ("ready", "delayed", "in_flight")}
