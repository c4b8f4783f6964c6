#!/usr/bin/python3
"""scripts/demo.py, the part of the demo that comes after the build: what it shows is true, and it cleans up."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from stand import BUILD, ROOT, SLOWNESS, clean_environment, program, wait_until
from tap import equal

MARK = "HERALD_TEST_DEMO"  # in the environment of all that a demo of this suite starts
PATIENCE = 120


def own_group():
    """Ctrl-C is for the demo alone; and it is heard, even where whoever started the tests ignores it (a background job)."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Demo:
    """A demo under way, in a process group and a temp folder of its own."""

    def __init__(self, folder, *arguments):
        self.mark = f"{MARK}={folder.name}"
        self.folder = folder / "tmp"
        self.folder.mkdir()
        self._output = folder / "output"
        environment = {**clean_environment(), "HERALD_BUILD": str(BUILD), "TMPDIR": str(self.folder), MARK: folder.name}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "demo.py"), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment,
                cwd=folder, preexec_fn=own_group,
            )

    def output(self):
        return self._output.read_text(errors="replace")

    def wait(self):
        """The exit status."""
        return self._process.wait(PATIENCE * SLOWNESS)

    def wait_for(self, words):
        def said():
            assert self._process.poll() is None or words in self.output(), f"it ended before it said {words!r}"
            return words in self.output()

        wait_until(said, f"the demo to say {words!r}", PATIENCE)

    def interrupt(self):
        """Ctrl-C: the terminal signals the whole group in the foreground."""
        os.killpg(self._process.pid, signal.SIGINT)

    def processes(self):
        """The living processes of this demo as {pid: command line}."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):  # it ended while we looked, or is another user's
                    if self._is_ours(entry):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def _is_ours(self, entry):
        """By its environment or, as redis-server writes over that with its title, by where it is."""
        marked = self.mark.encode() in (entry / "environ").read_bytes().split(b"\0")
        return marked or os.readlink(entry / "cwd").startswith(str(self.folder))

    def expect_nothing_left(self):
        wait_until(lambda: not self.processes(), lambda: f"everything to have ended: {self.processes()}", 5)
        equal(sorted(path.name for path in self.folder.iterdir()), [], "left in the temp folder")

    def close(self):
        self._process.poll()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def demo(*arguments):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="demo-"))
    running = Demo(folder, *arguments)
    try:
        yield running
    except BaseException:
        tap.attach(running.output())
        raise
    finally:
        running.close()
        shutil.rmtree(folder, ignore_errors=True)


def expect_success(shown):
    assert re.search(r"^  ok ", shown, re.MULTILINE) and not re.search(r"^  NOT ", shown, re.MULTILINE), shown


def figure(shown, name):
    return int(re.search(rf"^ +{re.escape(name)} +(\d+)$", shown, re.MULTILINE).group(1))


def test_the_demo_ends_with_a_table_whose_sums_agree_and_leaves_nothing_behind():
    with demo() as running:
        equal(running.wait(), 0, "status")
        shown = running.output()
        expect_success(shown)
        assert "\x1b" not in shown, "no colour and no bar without a terminal"
        equal(figure(shown, "rows in the file"), figure(shown, "accepted") + figure(shown, "refused rows"), "rows")
        equal(figure(shown, "accepted"), figure(shown, "sent") + figure(shown, "dead letters"), "accepted")
        assert figure(shown, "retries") > 0 and figure(shown, "dead letters") > 0, "faults were switched on"
        running.expect_nothing_left()


def test_Ctrl_C_while_it_sends_ends_everything_with_130():
    with demo() as running:
        running.wait_for("$ herald campaign send")
        wait_until(lambda: any("campaign send" in line for line in running.processes().values()), "herald to run")
        running.interrupt()
        equal(running.wait(), 130, "status")
        assert "everything it had started is stopped" in running.output(), running.output()
        assert "Traceback" not in running.output(), running.output()
        running.expect_nothing_left()


def test_Ctrl_C_while_it_starts_its_programs_ends_everything_with_130():
    with demo() as running:
        wait_until(lambda: any("redis-server" in line for line in running.processes().values()), "redis-server to run")
        running.interrupt()
        equal(running.wait(), 130, "status")
        running.expect_nothing_left()


def test_keep_leaves_redis_the_sandbox_and_the_worker_running_and_says_how_to_look():
    with demo("--keep") as running:
        equal(running.wait(), 0, "status")
        shown = running.output()
        expect_success(shown)
        pids = [int(pid) for pid in re.search(r"^To end it: kill (.*)$", shown, re.MULTILINE).group(1).split()]
        left = running.processes()
        equal(sorted(pids), sorted(left), f"what it names and what is left: {left}")
        for name in ("redis-server", "herald-sandbox", "herald-worker"):
            assert any(name in line for line in left.values()), f"{name} is not among {left}"
        url = re.search(r"HERALD_REDIS_URL=(\S+)", shown).group(1)
        look = subprocess.run([program("herald"), "campaign", "status", "appointment", "--redis", url],
                              capture_output=True, text=True, env=clean_environment(), timeout=60)
        equal(look.returncode, 0, look.stderr)
        ledger = re.search(r"curl -s (\S+)", shown).group(1)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(ledger, timeout=30 * SLOWNESS) as answer:
            assert b'"to"' in answer.readline(), "the ledger"
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not running.processes(), lambda: f"the end of {running.processes()}", 30)


if __name__ == "__main__":
    tap.run(globals())
