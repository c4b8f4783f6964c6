#!/usr/bin/python3
"""The benchmark's own arithmetic, turns and exit status: a benchmark that cannot fail measures nothing. What the rows measure
is not tested here; rows that cost little are only run."""

import contextlib
import io
import json
import pathlib
import sys
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[0] / "lib"), str(HERE.parents[0] / "bench")]
import tap
from tap import equal

try:
    import bench
    import scene
    from figures import Figure, Result, percentile, rounded, shown, table
finally:
    del sys.path[1]

AT_LEAST = Figure("fast", "a ratio", "/s", 0.6, is_ratio=True)
AT_MOST = Figure("small", "a size", "bytes", 200, at_most=True)


class Scripted(scene.Scene):
    """Answers what it was told, and notes who was asked; no stand is started."""

    figures = (AT_LEAST, AT_MOST)
    ours_left, asked = [], []

    def __enter__(self):
        return self

    def __exit__(self, *about):
        return False

    def yardstick(self):
        self.asked.append("yardstick")
        return {"fast": 100}

    def ours(self):
        self.asked.append("ours")
        fast, small = self.ours_left.pop(0)
        return {"fast": fast, "small": small}


class Broken(Scripted):
    figures = (Figure("broken", "never measured", "ms", 1, at_most=True),)

    def ours(self):
        raise AssertionError("the worker ended by itself")


def run(arguments, ours=(), scenes=(Scripted,)):
    """Exit status, the two streams and who was asked, of a run over scripted scenes."""
    Scripted.ours_left, Scripted.asked = list(ours), []
    out, err = io.StringIO(), io.StringIO()
    rows = [figure.row for kind in scenes for figure in kind.figures]
    changes = {"SCENES": scenes, "ROWS": rows, "QUICK": {**bench.QUICK, "rows": "fast,small"}}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), unittest.mock.patch.multiple(bench, **changes):
        try:
            status = bench.main(arguments)
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), err.getvalue(), Scripted.asked


def test_a_ratio_is_of_each_turn_and_the_median_counts():
    result = Result(AT_LEAST, [(50, 100), (90, 100), (70, 140)])
    equal(result.values, [0.5, 0.9, 0.5], "values")
    equal((result.median, result.best, result.ours, result.yardstick), (0.5, 0.9, 70, 100), "median, best, ours, yardstick")
    assert not result.has_reached() and result.has_reached(by_best=True)
    assert not result.has_reached(0.9) and result.has_reached(0.8), "0.5 is 83% of 0.6"


def test_a_mark_that_must_not_be_exceeded_is_half_reached_at_twice_as_much():
    assert Result(AT_MOST, [(200, None)]).has_reached()
    assert not Result(AT_MOST, [(201, None)]).has_reached()
    assert Result(AT_MOST, [(400, None)]).has_reached(0.5)
    assert not Result(AT_MOST, [(401, None)]).has_reached(0.5)
    equal(Result(AT_MOST, [(300, None), (150, None), (500, None)]).best, 150, "the best is the least")


def test_nothing_is_all_of_a_mark_of_zero_and_one_is_none_of_it():
    none = Figure("none", "refused", "", 0, at_most=True)
    assert Result(none, [(0, None)]).has_reached()
    assert not Result(none, [(1, None)]).has_reached(0.01)


def test_a_figure_without_a_mark_is_always_reached():
    assert Result(Figure("shown", "only", "ms"), [(5, None)]).has_reached()
    equal(Result(Figure("shown", "only", "ms"), [(5, None)]).as_json()["reached"], None, "reached")


def test_percentiles_are_samples():
    samples = list(range(100, 0, -1))
    equal([percentile(samples, percent) for percent in (1, 50, 99, 100)], [1, 50, 99, 100], "of 1 to 100")
    equal(percentile([7], 99), 7, "of one")


def test_numbers_are_rounded_for_people_and_machines():
    equal([rounded(number) for number in (None, 0, 0.123456, 12.3456, 123456.7)], [None, 0, 0.1235, 12.35, 123457], "machines")
    equal([shown(number, "/s") for number in (None, 0.614, 12.345, 12345.6)], ["", "0.61 /s", "12.3 /s", "12,346 /s"], "people")


def test_the_table_says_how_much_of_a_mark_is_reached():
    lines = table([Result(AT_LEAST, [(30, 100)]), Result(AT_MOST, [(150, None)])])
    equal(len(lines), 3, "lines")
    assert lines[1].endswith("50% of it") and ">= 0.60" in lines[1], lines[1]
    assert lines[2].endswith("reached") and "<= 200 bytes" in lines[2], lines[2]


def test_turns_begin_with_the_one_and_the_other():
    status, _, _, asked = run(["--turns", "3"], [(70, 100)] * 3)
    equal(status, 0, "exit status")
    equal(asked, ["yardstick", "ours", "ours", "yardstick", "yardstick", "ours"], "order")


def test_a_median_below_its_mark_is_exit_status_1_and_named():
    status, out, err, _ = run(["--turns", "3"], [(70, 100), (50, 100), (55, 100)])
    equal(status, 1, "exit status")
    assert "below 100% of the mark: fast" in err, err
    assert "small" in out, out


def test_quick_fails_only_below_half_of_a_mark_in_every_turn():
    equal(run(["--quick"], [(10, 900), (31, 900), (10, 399)])[0], 0, "one turn of three above half")
    equal(run(["--quick"], [(10, 399), (29, 399), (10, 399)])[0], 1, "none")


def test_json_lines_are_on_standard_output_and_the_table_is_not():
    status, out, err, _ = run(["--turns", "1", "--json"], [(70, 100)])
    equal(status, 0, "exit status")
    about, fast, small = map(json.loads, out.splitlines())
    equal((about["about"]["turns"], fast["row"], fast["value"], fast["turns"]), (1, "fast", 0.7, [[70, 100]]), "lines")
    equal((small["mark"], small["at_most"], small["reached"], small["yardstick"]), (200, True, True, None), "the other")
    assert "row" in err and "fast" in err, err


def test_rows_are_chosen_and_one_that_breaks_is_a_failure_that_keeps_no_other():
    status, out, err, _ = run(["--turns", "1"], [(70, 100)], (Broken, Scripted))
    equal(status, 1, "exit status")
    assert "broken could not be measured: the worker ended by itself" in err, err
    assert "fast" in out and "reached" in out, out
    equal(run(["--turns", "1", "--rows", "fast"], [(70, 100)], (Broken, Scripted))[0], 0, "only the other row")


def test_wrong_use_is_exit_status_2():
    for arguments in (["--rows", "nothing"], ["--turns", "0"], ["--scale", "0"], ["--share", "2"], ["--what"]):
        status, _, err, _ = run(arguments)
        equal(status, 2, f"exit status of {arguments}")
        assert "usage" in err, err


def test_every_row_has_one_scene_and_each_of_the_quick_ones_is_there():
    names = [figure.name for kind in bench.SCENES for figure in kind.figures]
    equal(len(names), len(set(names)), "names")
    assert set(bench.QUICK["rows"].split(",")) <= set(bench.ROWS), bench.ROWS


def test_an_idle_worker_is_measured_for_real():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        bench.main(["--rows", "idle", "--turns", "1", "--scale", "0.1", "--share", "0", "--json"])
    found = {line["row"]: line["value"] for line in map(json.loads, out.getvalue().splitlines()[1:])}
    equal(set(found), {"idle processor", "idle commands"}, "figures")
    assert found["idle commands"] > 0, found


if __name__ == "__main__":
    tap.run(globals())
