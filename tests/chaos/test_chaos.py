#!/usr/bin/python3
"""A short run of the chaos runner for each policy; scripts/chaos does it for as long as one likes."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chaos
import tap


def holds(policy, appendfsync, seed):
    options = chaos.parse(["--seconds", "12", "--seed", seed, "--policy", policy, "--appendfsync", appendfsync])
    assert chaos.run(options), "see the table above"


def test_under_resend_nothing_is_lost_and_every_repetition_is_explained():
    holds("resend", "always", "3")


def test_under_hold_nothing_is_lost_and_nothing_is_sent_twice():
    holds("hold", "everysec", "4")


if __name__ == "__main__":
    tap.run(globals())
