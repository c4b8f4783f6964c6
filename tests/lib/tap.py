"""Runs the test_* functions of a module and prints TAP.

A test's sentence is the first line of its docstring or, without one, its name with spaces. Arguments of the program
select tests by a part of the name or sentence. What a failed test should show beyond its traceback (the logs of the
programs it ran) comes from `reporters` and `attach`.
"""

import contextlib
import os
import signal
import sys
import traceback

LONGEST_VALUE = 300

reporters = []  # each returns text about something alive at the moment of the failure
_attached = []  # text about things that were closed on the way out of the failing test


class Skip(Exception):
    """Raised by skip()."""


class Stopped(BaseException):
    """The runner's SIGTERM: the suite took too long. Not an Exception, so that no test swallows it."""


def skip(why):
    raise Skip(why)


def attach(text):
    """Keeps text for the report of the running test, should it fail."""
    _attached.append(text)


def equal(actual, expected, what="value"):
    assert actual == expected, f"{what}: expected {expected!r}, got {actual!r}"


def measures(test):
    """For a test that measures time: when it fails it measures again, three times in all.

    A machine that is busy with other suites can stop any process for as long as it likes, and then the measurement says
    something about the machine. Only failed assertions count as measurements, and each is reported (tests/run).
    """
    test.measurements = 3
    return test


def run(namespace, arguments=None):
    """Runs the tests in the order of their definition and ends the program with 1 if one failed."""
    wanted = sys.argv[1:] if arguments is None else arguments
    tests = [test for test in _tests(namespace) if _selected(test, wanted)]
    signal.signal(signal.SIGTERM, _stop)
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        failed += not _run_one(number, test)
    sys.exit(1 if failed else 0)


def _tests(namespace):
    return [value for name, value in list(namespace.items()) if name.startswith("test_") and callable(value)]


def _selected(test, wanted):
    return not wanted or any(part in test.__name__ or part in _sentence(test) for part in wanted)


def _sentence(test):
    lines = (test.__doc__ or "").strip().splitlines()
    text = lines[0] if lines else test.__name__[len("test_"):].replace("_", " ")
    return text.replace("#", "\\#")  # an unescaped # would begin a TAP directive


def _run_one(number, test):
    """True unless the test failed."""
    _attached.clear()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a test prints must not be taken for TAP
            _measure(test)
    except Skip as why:
        print(f"ok {number} - {_sentence(test)} # SKIP {why}")
    except Stopped:
        _fail(number, test, sys.exc_info())
        os._exit(1)  # the plan stays unfulfilled; threads of the test must not hold the suite up any longer
    except (Exception, SystemExit):
        _fail(number, test, sys.exc_info())
        return False
    else:
        print(f"ok {number} - {_sentence(test)}")
    return True


def _measure(test):
    for left in reversed(range(getattr(test, "measurements", 1))):
        try:
            return test()
        except AssertionError as error:
            if not left:
                raise
            _attached.clear()
            lines = str(error).splitlines() or ["no reason given"]
            print(f"# measured again: {_sentence(test)}: {lines[0][:LONGEST_VALUE]}", file=sys.__stdout__)


def _fail(number, test, error):
    print(f"not ok {number} - {_sentence(test)}")
    _diagnose(_describe(error))
    for text in _attached:
        _diagnose(text)
    for report in list(reporters):
        _diagnose(_safely(report))


def _describe(error):
    lines = [f"{error[0].__name__}: {error[1]}", *_traceback(error)]
    return "\n".join(lines)


def _traceback(error):
    """The traceback, innermost frame of the test file with its variables: `assert a == b` alone shows no values."""
    trace = traceback.TracebackException(*error)
    frames = [frame for frame in traceback.walk_tb(error[2]) if frame[0].f_code.co_filename != __file__]
    yield from "".join(trace.format()).splitlines()
    own = [frame for frame, _ in frames if os.path.basename(frame.f_code.co_filename).startswith("test_")]
    if own:
        yield f"variables in {own[-1].f_code.co_name}:"
        yield from (f"  {name} = {_short(value)}" for name, value in own[-1].f_locals.items())


def _short(value):
    text = _safely(lambda: repr(value))
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + f"... ({len(text)} characters)"


def _safely(function):
    try:
        return function()
    except Exception as error:  # a report that fails must not hide the failure it reports on
        return f"({type(error).__name__}: {error})"


def _diagnose(text):
    for line in text.splitlines():
        print(f"# {line}")


def _stop(_signal, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped("the suite was stopped: it took longer than its time limit")
