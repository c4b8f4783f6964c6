"""What a row of the benchmark shows and when it has reached its mark: arithmetic only, nothing is measured here."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table. Its value is the ratio of ours to the yardstick's where `is_ratio` says so, else ours."""

    name: str  # the row's name, and a second word where a row has several figures
    what: str
    unit: str  # of ours and of the yardstick's
    mark: float | None = None  # None: shown, and held against nothing
    at_most: bool = False  # the mark is the most that the value may be; else the least
    is_ratio: bool = False

    @property
    def row(self):
        return self.name.split()[0]


@dataclasses.dataclass
class Result:
    """A figure and what its turns came to: pairs of ours and the yardstick's (None where there is none)."""

    figure: Figure
    turns: list

    @property
    def values(self):
        return [ours / yardstick if self.figure.is_ratio else ours for ours, yardstick in self.turns]

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def best(self):
        return min(self.values) if self.figure.at_most else max(self.values)

    @property
    def ours(self):
        return statistics.median(ours for ours, _ in self.turns)

    @property
    def yardstick(self):
        known = [yardstick for _, yardstick in self.turns if yardstick is not None]
        return statistics.median(known) if known else None

    def share(self, value):
        """How much of the mark a value has reached: 1 and more is all of it."""
        if self.figure.mark is None:
            return 1.0
        if not self.figure.at_most:
            return value / self.figure.mark
        if value <= 0:
            return 1.0
        return self.figure.mark / value

    def has_reached(self, share=1.0, by_best=False):
        """Whether the median (by_best: the best turn, for noisy machines) is at least this share of the mark."""
        return self.share(self.best if by_best else self.median) >= share

    def as_json(self):
        figure = self.figure
        return {
            "row": figure.name,
            "what": figure.what,
            "unit": figure.unit,
            "ours": rounded(self.ours),
            "yardstick": rounded(self.yardstick),
            "value": rounded(self.median),
            "min": rounded(min(self.values)),
            "max": rounded(max(self.values)),
            "is_ratio": figure.is_ratio,
            "mark": figure.mark,
            "at_most": figure.at_most,
            "reached": None if figure.mark is None else self.has_reached(),
            "turns": [[rounded(ours), rounded(yardstick)] for ours, yardstick in self.turns],
        }


def percentile(samples, percent):
    """The least sample that so many percent of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def rounded(number):
    """Four digits that count, and whole numbers from a thousand on."""
    if number is None or number == 0:
        return number
    return round(number) if abs(number) >= 1000 else float(f"{number:.4g}")


def shown(number, unit=""):
    """For people: 12,345 messages/s, 0.61."""
    if number is None:
        return ""
    text = f"{number:,.0f}" if abs(number) >= 100 else f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
    return f"{text} {unit}".rstrip()


def table(results):
    """The results as lines of text, the first one being the header."""
    rows = [("row", "ours", "yardstick", "value", "(min-max)", "mark", "")]
    for result in results:
        figure, values = result.figure, result.values
        unit = "" if figure.is_ratio else figure.unit
        mark = "" if figure.mark is None else f"{'<=' if figure.at_most else '>='} {shown(figure.mark, unit)}"
        reached = "" if figure.mark is None else "reached" if result.has_reached() else f"{result.share(result.median):.0%} of it"
        rows.append((figure.name, shown(result.ours, figure.unit), shown(result.yardstick, figure.unit),
                     shown(result.median), f"({shown(min(values))}-{shown(max(values))})", mark, reached))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) if column in (0, 6) else cell.rjust(width)
                      for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
