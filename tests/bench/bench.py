#!/usr/bin/python3
"""Measures Herald next to yardsticks made of the same libraries with nothing in between, in turns in one run.

Each turn of a row asks for the yardstick and for ours, the other way round every second time, so that both meet the same machine;
what counts is the ratio, since machines differ. Wants a quiet machine. Prints a table; with --json also a line of JSON for
each figure, and the table goes to standard error. docs/performance.md says what each row means.

Exit status 0: every row has reached its mark by its median (--quick: half of it, by its best turn); 1: not; 2: wrong use."""

import argparse
import datetime
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import rows_fleet  # noqa: E402  (the path has to be known first)
import rows_gateway  # noqa: E402
import rows_memory  # noqa: E402
import rows_queue  # noqa: E402
import rows_send  # noqa: E402
from figures import Result, table  # noqa: E402

SCENES = (
    rows_send.Send,
    rows_send.SendSlow,
    rows_send.SendTls,
    rows_queue.Enqueue,
    rows_queue.PickUp,
    rows_queue.Idle,
    rows_memory.QueueMemory,
    rows_memory.TrackedMemory,
    rows_memory.WorkerMemory,
    rows_send.FlatCost,
    rows_fleet.ScaleOut,
    rows_fleet.Window,
    rows_gateway.Enqueue,
    rows_gateway.Receipts,
)
ROWS = list(dict.fromkeys(figure.row for scene in SCENES for figure in scene.figures))
# Those that a busy machine does not spoil: what needs more cores than the yardstick says nothing there.
QUICK = {"rows": "processor,queue-memory,tracked-memory", "turns": 3, "scale": 0.06, "share": 0.5}


def take_turns(scene, names, turns):
    """Results of the figures with these names."""
    taken = {name: [] for name in names}
    for turn in range(turns):
        answers = {}
        for side in ("yardstick", "ours") if turn % 2 == 0 else ("ours", "yardstick"):
            answers[side] = getattr(scene, side)()
        for name in names:
            taken[name].append((answers["ours"][name], answers["yardstick"].get(name)))
        say(".")
    return [Result(figure, taken[figure.name]) for figure in scene.figures if figure.name in taken]


def measure(rows, options):
    """Results, and the rows that could not be measured with the reason. One that fails does not keep the others."""
    results, failures = [], {}
    for kind in SCENES:
        names = [figure.name for figure in kind.figures if figure.row in rows]
        if not names:
            continue
        say(f"{names[0].split()[0]} ")
        try:
            with kind(options) as scene:
                results += take_turns(scene, names, options.turns)
        except (AssertionError, OSError, ValueError, RuntimeError) as error:
            failures.update({name: str(error).strip() for name in names})
        say("\n")
    return results, failures


def say(text):
    """Progress, for who waits."""
    print(text, end="", file=sys.stderr, flush=True)


def about():
    """What the figures were measured on."""
    model = next((line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    return {"at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "processor": model,
            "cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help=f"some of {','.join(ROWS)}")
    parser.add_argument("--turns", type=int, help="of each row (5)")
    parser.add_argument("--scale", type=float, help="of all numbers of messages and lengths of time (1)")
    parser.add_argument("--share", type=float, help="of each mark that must be reached for exit status 0 (1)")
    parser.add_argument("--quick", action="store_true", help="{rows}; {turns} turns, few messages, half of each mark in the best one".format(**QUICK))
    parser.add_argument("--json", action="store_true", help="a line of JSON for each figure on standard output")
    options = parser.parse_args(arguments)
    defaults = QUICK if options.quick else {"rows": ",".join(ROWS), "turns": 5, "scale": 1.0, "share": 1.0}
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    unknown = set(options.rows.split(",")) - set(ROWS)
    if unknown or options.turns < 1 or not 0 < options.scale <= 10 or not 0 <= options.share <= 1:
        parser.error(f"no such row: {', '.join(sorted(unknown))}" if unknown else "--turns, --scale or --share is out of range")
    return options


def report(results, failures, options, taken_s):
    print("\n".join(table(results)), file=sys.stderr if options.json else sys.stdout)
    for name, why in failures.items():
        print(f"bench: {name} could not be measured: {why}", file=sys.stderr)
    if options.json:
        print(json.dumps({"about": {**about(), "seconds": round(taken_s), "turns": options.turns, "scale": options.scale}}))
        for result in results:
            print(json.dumps(result.as_json()))
    missed = [result.figure.name for result in results if not result.has_reached(options.share, by_best=options.quick)]
    if missed:
        print(f"bench: below {options.share:.0%} of the mark: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed or failures else 0


def main(arguments=None):
    options = parse(arguments)
    begun = time.monotonic()
    results, failures = measure(options.rows.split(","), options)
    return report(results, failures, options, time.monotonic() - begun)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nbench: stopped; everything it had started is stopped", file=sys.stderr)
        sys.exit(130)
