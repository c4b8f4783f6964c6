#!/usr/bin/python3
"""The harness itself: a test that cannot fail proves nothing, so here it is made to fail."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import resp
import stand
import tap
from stand import ROOT, Stand, wait_until

RUNNER = ROOT / "tests" / "run"
LIB = ROOT / "tests" / "lib"
UNIQUE_NAP = f"60.{os.getpid()}"  # seconds, told from the naps of another run of this suite beside it


def run_suites(suites, *arguments, ci="false"):
    """Runs tests/run on a tree of throw-away suites, {name: program text}."""
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        for name, text in suites.items():
            write_suite(tree, name, text)
        environment = {**os.environ, "HERALD_BUILD": str(tree / "build"), "CI": ci, "LIB": str(LIB)}
        command = [str(RUNNER), "--tests", str(tree), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def write_suite(tree, name, text):
    shell = not name.endswith(".py")
    path = tree / ("build/tests/unit" if shell else "e2e") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(("#!/bin/sh\n" if shell else "") + textwrap.dedent(text))
    path.chmod(0o755)


def last_line(done):
    return done.stdout.splitlines()[-1]


def expect(done, counts, *texts):
    assert last_line(done) == counts, done.stdout + done.stderr
    assert done.returncode == (0 if counts.endswith(", 0 failed") and counts[0] != "0" else 1), done.returncode
    for text in texts:
        assert text in done.stdout, f"{text!r} is not in\n{done.stdout}"


def raises(kind, function):
    try:
        function()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")


def test_the_runner_counts_passed_tests_over_all_suites():
    plain = "echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b'"
    expect(run_suites({"test_a": plain, "test_b": plain}), "4 passed, 0 failed", "unit/test_a", "2 passed")


def test_the_runner_prints_a_failed_tests_name_and_diagnostics_in_full():
    suite = "echo 1..2; echo 'not ok 1 - it adds up'; echo '# 1 != 2'; echo 'ok 2 - b'; echo oops >&2; exit 1"
    expect(run_suites({"test_a": suite}), "1 passed, 1 failed", "not ok: it adds up\n    # 1 != 2", "oops")


def test_a_crashing_suite_counts_as_failed():
    expect(run_suites({"test_a": "echo 1..1; echo 'ok 1 - a'; kill -SEGV $$"}), "1 passed, 1 failed", "SIGSEGV")


def test_a_suite_that_ends_before_its_plan_is_fulfilled_counts_as_failed():
    expect(run_suites({"test_a": "echo 1..3; echo 'ok 1 - a'"}), "1 passed, 1 failed", "planned 3 tests but reported 1")


def test_a_suite_without_a_plan_counts_as_failed():
    expect(run_suites({"test_a": "echo 'ok 1 - a'"}), "1 passed, 1 failed", "printed no plan")
    expect(run_suites({"test_a": ":"}), "0 passed, 1 failed", "printed no plan")


def test_an_exit_status_that_no_failed_test_explains_counts_as_failed():
    expect(run_suites({"test_a": "echo 1..1; echo 'ok 1 - a'; exit 86"}), "1 passed, 1 failed", "exit status 86")


def test_a_skipped_test_prints_why_and_fails_only_in_CI():
    suite = {"test_a": "echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b # SKIP no moon'"}
    expect(run_suites(suite), "1 passed, 0 failed", "unit/test_a: b: no moon")
    expect(run_suites(suite, ci="true"), "1 passed, 1 failed", "unit/test_a: b: no moon")


def test_no_selected_suite_is_not_a_success():
    expect(run_suites({"test_a": "echo 1..1; echo 'ok 1'"}, "nothing-like-it"), "0 passed, 0 failed")


def test_suites_are_selected_by_a_part_of_their_name():
    plain = "echo 1..1; echo 'ok 1 - a'"
    done = run_suites({"test_a": plain, "test_b": plain, "test_c.py": "print('1..1\\nok 1 - c')"}, "test_b", "e2e/")
    expect(done, "2 passed, 0 failed", "unit/test_b", "e2e/test_c")


def test_the_order_is_random_and_a_seed_repeats_it():
    suites = {f"test_{letter}": "echo 1..1; echo 'ok 1'" for letter in "abcdefgh"}

    def order(seed):
        done = run_suites(suites, "--jobs", "1", "--seed", str(seed))
        assert f"seed {seed}" in done.stdout
        return re.findall(r"unit/test_(.)", done.stdout)

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_cmockas_dialect_of_TAP_is_understood():
    suite = r"""
        cat <<'TAP'
        1..4
        ok 1 - first
        printed without a line break: ok 2 - second
        reason of the skip
        not ok 3 # SKIP third
        not ok 4 - fourth
        # "a
        # b" != "c"
        # not ok - group one
        1..1
        ok 1 - the second group counts from one again
        # ok - group two
        1..1
        not ok 0 - group three [  FAILED  ] GROUP SETUP
        # ok - group three
        TAP
        exit 2
    """
    texts = ("not ok: fourth", '    # b" != "c"', "third: reason of the skip", "GROUP SETUP")
    expect(run_suites({"test_a": textwrap.dedent(suite)}), "3 passed, 2 failed", *texts)


def test_a_suite_that_takes_too_long_is_stopped_and_says_where_it_was():
    suite = """
        import os, sys
        sys.path.insert(0, os.environ["LIB"])
        import stand, tap
        def test_it_waits():
            stand.wait_until(lambda: False, "the end of time", 50)
        tap.run(globals())
    """
    begun = time.monotonic()
    done = run_suites({"test_slow.py": suite, "test_ok": "echo 1..1; echo 'ok 1'"}, "--timeout", "2")
    assert time.monotonic() - begun < 30
    expect(done, "1 passed, 2 failed", "took longer than 2 s", "the end of time", "in test_it_waits")


def test_a_suite_that_ignores_SIGTERM_is_killed_with_its_children():
    suite = f"trap '' TERM; echo 1..1; (sleep {UNIQUE_NAP} & wait)"
    done = run_suites({"test_a": suite}, "--timeout", "0.2")
    expect(done, "0 passed, 1 failed", "took longer")
    assert not napping(), "the suite's child still runs"


def test_a_process_that_a_suite_leaves_behind_is_ended_and_counts_as_failed():
    done = run_suites({"test_a": f"echo 1..1; echo 'ok 1 - a'; sleep {UNIQUE_NAP} >/dev/null 2>&1 &"})
    expect(done, "1 passed, 1 failed", "left processes running", "(sleep)")
    assert not napping(), "the process is still there"


def napping():
    return [entry for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline") if UNIQUE_NAP in contents(entry)]


def contents(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_every_suite_has_its_own_temp_folder_and_it_is_removed():
    suite = "touch $TMPDIR/file; echo 1..1; echo \"not ok 1 - $TMPDIR\"; exit 1"
    done = run_suites({"test_a": suite, "test_b": suite})
    folders = re.findall(r"not ok: (/\S+)", done.stdout)
    assert len(set(folders)) == 2, done.stdout
    assert not any(os.path.exists(folder) for folder in folders)


def test_a_sanitizers_report_fails_the_suite_even_when_everybody_ignored_it():
    suite = "log=${ASAN_OPTIONS#*log_path=}; echo boom >${log%%:*}.77; echo 1..1; echo 'ok 1 - a'"
    expect(run_suites({"test_a": suite}), "1 passed, 1 failed", "a sanitizer reported\nboom")


def test_a_python_suite_reports_passes_failures_and_skips_in_order():
    suite = """
        import os, sys
        sys.path.insert(0, os.environ["LIB"])
        import tap
        def test_second_nature_comes_first():
            print("ok 2 - this is not TAP")
        def test_b():
            '''A docstring says it better.

            And may go on.'''
            answer = 41
            assert answer == 42, "the answer is wrong"
        def test_c():
            tap.skip("there is no tea")
        def test_d():
            tap.attach("the log of a program")
            raise SystemExit(0)
        tap.run(globals())
    """
    done = run_suites({"test_a.py": suite})
    texts = ("not ok: A docstring says it better.", "the answer is wrong", "answer = 41", "c: there is no tea")
    expect(done, "1 passed, 2 failed", *texts, "SystemExit: 0", "the log of a program")


def test_a_test_that_measures_is_tried_three_times_and_says_so_and_others_once():
    suite = """
        import os, sys
        sys.path.insert(0, os.environ["LIB"])
        import tap
        tries = {}
        def again(name, fine_at):
            tries[name] = tries.get(name, 0) + 1
            assert tries[name] >= fine_at, f"try {tries[name]}"
        @tap.measures
        def test_quiet_in_the_end():
            again("quiet", 3)
        @tap.measures
        def test_never_quiet():
            again("never", 4)
        def test_of_something_else():
            again("else", 2)
        tap.run(globals())
    """
    done = run_suites({"test_a.py": suite})
    texts = [f"measured again: {name}: try {number}" for name in ("quiet in the end", "never quiet") for number in (1, 2)]
    expect(done, "1 passed, 2 failed", "not ok: never quiet", "not ok: of something else", *texts)
    assert "measured again: of something else" not in done.stdout, done.stdout


def test_wait_until_returns_what_the_condition_gave():
    values = iter([None, 0, "", "there"])
    assert wait_until(lambda: next(values), "a value") == "there"


def test_wait_until_says_what_it_waited_for():
    message = raises(AssertionError, lambda: wait_until(lambda: False, "the cows to come home", 0.05))
    assert "the cows to come home" in message
    message = raises(AssertionError, lambda: wait_until(lambda: False, lambda: "late news", 0.05))
    assert "late news" in message


def test_redis_keeps_its_data_through_stop_and_restart():
    with Stand() as s:
        s.redis.call("SET", "key", "value")
        url = s.redis.url
        s.redis.restart()
        assert s.redis.call("GET", "key") == b"value"
        assert s.redis.url == url


def test_redis_keeps_its_appended_data_through_a_kill():
    with Stand(appendfsync="always") as s:
        s.redis.pipeline(("RPUSH", "list", number) for number in range(1000))
        s.redis.kill()
        assert not s.redis.running
        s.redis.start()
        assert s.redis.call("LLEN", "list") == 1000


def test_redis_without_an_append_only_file_forgets():
    with Stand(appendonly=False) as s:
        s.redis.call("SET", "key", "value")
        s.redis.kill()
        s.redis.restart()
        assert s.redis.call("GET", "key") is None


def test_a_paused_redis_answers_after_it_is_resumed():
    with Stand() as s:
        s.redis.call("PING")
        s.redis.pause()
        client = s.redis.client()
        client.timeout = 0.1
        raises(OSError, lambda: client.call("PING"))
        s.redis.resume()
        client.timeout = 10
        assert client.call("PING") == "PONG"


def test_redis_is_reached_over_a_unix_socket_and_with_a_password():
    with Stand(unix=True, password="sesame") as s:
        assert s.redis.url.startswith("unix:///")
        assert s.redis.call("PING") == "PONG"
        wrong = resp.Client(str(s.redis.socket_path), "open barley")
        assert "WRONGPASS" in raises(resp.RedisError, lambda: wrong.call("PING"))


def test_two_stands_do_not_see_each_other():
    with Stand() as one, Stand() as two:
        one.redis.call("SET", "key", "one")
        assert two.redis.call("GET", "key") is None


def test_the_redis_client_carries_any_bytes_and_every_kind_of_reply():
    with Stand() as s:
        data = bytes(range(256)) * 1000 + b"\r\n$-1\r\n"
        assert s.redis.call("SET", b"k\0\r\n", data) == "OK"
        assert s.redis.call("GET", b"k\0\r\n") == data
        assert s.redis.call("LPUSH", "l", "a", 1, 2.5) == 3
        assert s.redis.call("LRANGE", "l", 0, -1) == [b"2.5", b"1", b"a"]
        assert s.redis.call("EVAL", "return {1, {'a', {}}, false}", 0) == [1, [b"a", []], None]
        assert s.redis.call("BLPOP", "nothing", 0.01) is None


def test_the_redis_client_raises_errors_after_reading_the_whole_pipeline():
    with Stand() as s:
        commands = [("SET", "a", 1), ("LPUSH", "a", 1), ("INCR", "a")]
        message = raises(resp.RedisError, lambda: s.redis.pipeline(commands))
        assert message.startswith("LPUSH: WRONGTYPE"), message
        assert s.redis.call("GET", "a") == b"2"


def test_the_redis_client_connects_again_after_the_server_was_away():
    with Stand() as s:
        client = s.redis.client()
        assert client.call("PING") == "PONG"
        s.redis.restart()
        assert client.call("PING") == "PONG"
        s.redis.kill()
        raises(OSError, lambda: client.call("PING"))
        s.redis.start()
        assert client.call("PING") == "PONG"


def test_the_stand_ends_its_programs_and_removes_its_folder():
    with Stand() as s:
        pid, folder = s.redis.pid, s.folder
        s.redis.pause()
    assert not pathlib.Path(f"/proc/{pid}").exists()
    assert not folder.exists()


def test_a_program_that_died_unnoticed_fails_the_test():
    def die_unnoticed():
        with Stand() as s:
            os.kill(s.redis.pid, 11)
            wait_until(lambda: not s.redis.running, "redis to be dead")

    assert "redis ended by itself" in raises(AssertionError, die_unnoticed)


def test_a_program_that_ends_while_it_is_waited_for_is_reported_with_its_output():
    with Stand() as s:
        process = stand.Process("shell", ["sh", "-c", "echo cannot start >&2; exit 3"], s.folder)
        message = raises(AssertionError, lambda: process.wait_for("ready"))
        assert "status 3" in message and "cannot start" in message, message


def test_herald_programs_get_only_the_settings_of_the_stand():
    callers = {"HERALD_ORG": "mine", "GENESYS_REGION": "us-east-1", "HTTP_PROXY": "http://proxy:1"}
    with unittest.mock.patch.dict(os.environ, callers), Stand() as s:
        environment = s.environment({"HERALD_RATE": 5, "GENESYS_CLIENT_SECRET": None}, org="theirs")
    assert environment["HERALD_ORG"] == "theirs" and environment["HERALD_RATE"] == "5"
    assert not {"GENESYS_REGION", "HTTP_PROXY", "GENESYS_CLIENT_SECRET"} & environment.keys()


if __name__ == "__main__":
    tap.run(globals())
