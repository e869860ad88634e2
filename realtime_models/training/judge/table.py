"""The table that everything ends in: measures down, systems across, and what of it stands beside real dance.

A rule turns a cell's surroundings into the range of values that pass; which rule belongs to which measure is data
(``measures.MEASURES``). Pure; the table goes to JSON and back, so that pages can be made again without measuring again.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum

REAL = "real dance"  #: the column that everything is set beside


class Better(Enum):
    """Where a value should go."""

    LOWER = "lower"
    HIGHER = "higher"
    REAL = "near real"


class Group(Enum):
    """Parts of the table, in the order of the page."""

    BEAT = "Beat"
    DISTRIBUTION = "Distribution"
    BODY = "Body"
    MUSIC = "Music"
    FORM = "Form"
    PEOPLE = "People"


class Kind(Enum):
    """How a rule makes the range that passes; ``amount`` and ``slack`` belong to ``Rule``."""

    YARDSTICK = "at most amount x the yardstick's median; where that cannot be told from zero, what real halves reach"
    NEAR_REAL = "in real's interval, widened by amount (a share of real's value) and slack on both sides"
    NOT_ABOVE_REAL = "at most amount x real's value + slack"
    NOT_BELOW_REAL = "at least amount x real's value - slack"
    AT_LEAST = "at least amount"
    AT_MOST = "at most amount"
    LOW_END_ABOVE = "the whole interval is above amount"
    TIMES_ROW = "at least amount x the row `other` of the same system"
    ABOVE_ROW = "at least the row `other` of the same system + amount"
    TIMES_SYSTEM = "at least amount x what the system `other` has in this row"


@dataclass(frozen=True, slots=True)
class Rule:
    """What passes. ``slack`` is in the measure's own unit: a difference too small to matter."""

    kind: Kind
    amount: float
    slack: float = 0.0
    other: str = ""  #: key of a row or name of a system, where the kind speaks of one


@dataclass(frozen=True, slots=True)
class Measure:
    """A row: what is measured, in which unit, and what passes."""

    key: str
    title: str
    unit: str  #: as shown; "" = a pure number
    aim: Better
    digits: int = 2
    group: Group = Group.BODY
    rules: tuple[Rule, ...] = ()  #: all must hold; none = shown only
    scale: float = 1.0  #: shown value = value x scale: 100 for a share in per cent, 1000 for metres in mm
    definition: str = ""  #: one line
    source: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with its 95 % interval and the number of things it was taken from, where these are known."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        # Plain numbers: numpy's would not survive JSON, and 1.0 == np.float64(1.0) hides it.
        for name, kind in (("value", float), ("low", float), ("high", float), ("n", int)):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, kind(value))


Row = tuple[Measure, tuple[Cell | None, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of measures, a column for every system; None = not measured."""

    systems: tuple[str, ...]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        for measure, cells in self.rows:
            if len(cells) != len(self.systems):
                raise ValueError(f"{measure.key}: {len(cells)} cells for {len(self.systems)} systems")
        for what, names in (("system", self.systems), ("measure", tuple(m.key for m, _ in self.rows))):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what} more than once in a table: {', '.join(sorted(twice))}")

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(measure for measure, _ in self.rows)

    def cell(self, key: str, system: str) -> Cell | None:
        """None when the row, the column or the cell is missing."""
        if system in self.systems:
            for measure, cells in self.rows:
                if measure.key == key:
                    return cells[self.systems.index(system)]
        return None

    def group(self, group: Group) -> "Table":
        """The rows of a group."""
        return replace(self, rows=tuple(row for row in self.rows if row[0].group is group))


def build(measures: Iterable[Measure], cells: Mapping[str, Mapping[str, Cell | None]]) -> Table:
    """A table of ``{system: {measure's key: cell}}``, rows in the order of ``measures``.

    Rows that no system has a value for are left out, those of people never. ValueError for an unknown key.
    """
    measures, systems = tuple(measures), tuple(cells)
    known = {m.key for m in measures}
    if unknown := sorted({key for column in cells.values() for key in column} - known):
        raise ValueError(f"no such measure: {', '.join(unknown)}; there is: {', '.join(sorted(known))}")
    rows = ((m, tuple(cells[system].get(m.key) for system in systems)) for m in measures)
    return Table(systems, tuple((m, row) for m, row in rows if m.group is Group.PEOPLE or any(row)))


# What passes ----------------------------------------------------------------------------------------------------------


class Outcome(Enum):
    PASSES = "passes"
    FAILS = "fails"
    NOT_JUDGED = "not judged"  #: no value, no rule, or nothing to set it beside


@dataclass(frozen=True, slots=True)
class Judgement:
    """One cell beside its rules."""

    measure: Measure
    outcome: Outcome
    low: float = -math.inf  #: range that passes
    high: float = math.inf
    clear: bool = False  #: it fails with its whole interval, not with its value alone


def allowed(rule: Rule, table: Table, key: str, system: str) -> tuple[float, float] | None:
    """Range (low, high) of values that pass a rule; None when what it refers to is not in the table."""
    amount, slack = rule.amount, rule.slack
    match rule.kind:
        case Kind.AT_LEAST | Kind.LOW_END_ABOVE:
            return amount, math.inf
        case Kind.AT_MOST:
            return -math.inf, amount
        case Kind.TIMES_ROW | Kind.ABOVE_ROW:
            other = table.cell(rule.other, system)
        case Kind.TIMES_SYSTEM:
            other = table.cell(key, rule.other)
        case _:
            other = table.cell(key, REAL)
    if other is None or not math.isfinite(other.value):
        return None
    value = other.value
    low_end, high_end = (value if end is None else end for end in (other.low, other.high))
    match rule.kind:
        case Kind.YARDSTICK:
            # An unbiased kernel distance of real dance to itself lies around zero: 1.5 x almost nothing is no limit.
            return -math.inf, (amount * value if low_end > 0 else high_end) + slack
        case Kind.NEAR_REAL:
            return low_end - amount * abs(value) - slack, high_end + amount * abs(value) + slack
        case Kind.NOT_ABOVE_REAL:
            return -math.inf, amount * value + slack
        case Kind.ABOVE_ROW:
            return value + amount, math.inf
        case _:  # NOT_BELOW_REAL, TIMES_ROW, TIMES_SYSTEM
            return amount * value - slack, math.inf


def judge(table: Table, key: str, system: str) -> Judgement:
    """A cell beside all rules of its measure. What is not a number fails: a measure that broke is no pass.

    KeyError for a measure that is not in the table.
    """
    measures = {m.key: m for m in table.measures}
    if key not in measures:
        raise KeyError(f"no measure {key} in the table")
    measure, cell = measures[key], table.cell(key, system)
    if cell is None:
        return Judgement(measure, Outcome.NOT_JUDGED)
    low, high, fails, clear, judged = -math.inf, math.inf, False, False, False
    for rule in measure.rules:
        limits = allowed(rule, table, key, system)
        if limits is None:
            continue
        judged, low, high = True, max(low, limits[0]), min(high, limits[1])
        value = cell.low if rule.kind is Kind.LOW_END_ABOVE and cell.low is not None else cell.value
        if not limits[0] <= value <= limits[1]:
            fails = True
            ends = [cell.value if end is None else end for end in (cell.low, cell.high)]
            clear |= not any(limits[0] <= end <= limits[1] for end in ends)
    outcome = Outcome.FAILS if fails else Outcome.PASSES if judged else Outcome.NOT_JUDGED
    return Judgement(measure, outcome, low, high, clear)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is said of a system."""

    system: str
    judgements: tuple[Judgement, ...]

    def of(self, outcome: Outcome, group: Group | None = None) -> tuple[Judgement, ...]:
        """Judgements with that outcome, of one group or of all."""
        return tuple(j for j in self.judgements if j.outcome is outcome and group in (None, j.measure.group))

    @property
    def failed(self) -> tuple[Judgement, ...]:
        return self.of(Outcome.FAILS)

    @property
    def judged(self) -> int:
        return sum(j.outcome is not Outcome.NOT_JUDGED for j in self.judgements)

    @property
    def passed(self) -> bool:
        """Something was judged and nothing fails."""
        return self.judged > 0 and not self.failed


def verdict(table: Table, system: str) -> Verdict:
    """Every row of a system. KeyError for a system that is not in the table."""
    if system not in table.systems:
        raise KeyError(f"no system {system} in the table; there is: {', '.join(table.systems)}")
    return Verdict(system, tuple(judge(table, m.key, system) for m in table.measures))


@dataclass(frozen=True, slots=True)
class Control:
    """A system that must fail: when it does not, the judge is at fault."""

    system: str
    must_fail: tuple[str, ...]  #: keys of rows


@dataclass(frozen=True, slots=True)
class Checked:
    """A control beside a table."""

    control: Control
    failed: tuple[str, ...]  #: rows of ``must_fail`` that it fails
    passed: tuple[str, ...]  #: and passes: each of them speaks against the judge
    absent: tuple[str, ...]  #: not measured

    @property
    def holds(self) -> bool:
        return bool(self.failed) and not self.passed


def check(table: Table, control: Control) -> Checked:
    """Does the system fail the rows that it must fail?"""
    found: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    present = {m.key for m in table.measures}
    for key in control.must_fail:
        outcome = judge(table, key, control.system).outcome if key in present else Outcome.NOT_JUDGED
        found[outcome].append(key)
    return Checked(control, *(tuple(found[o]) for o in (Outcome.FAILS, Outcome.PASSES, Outcome.NOT_JUDGED)))


# Two runs side by side ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one system in an older and a newer table."""

    measure: Measure
    old: Cell
    new: Cell
    better: bool | None  #: None: neither, or nothing to set it beside
    apart: bool  #: the intervals do not overlap (without intervals: the values differ)


def changes(old: Table, new: Table, system: str, old_system: str | None = None) -> tuple[Change, ...]:
    """What became of a system, for every measure that both tables have; ``old_system``: its name in the old one."""
    found = []
    for measure in new.measures:
        a, b = old.cell(measure.key, old_system or system), new.cell(measure.key, system)
        if a is None or b is None:
            continue
        found.append(Change(measure, a, b, _better(measure, a, b, old, new), _apart(a, b)))
    return tuple(found)


def _better(measure: Measure, a: Cell, b: Cell, old: Table, new: Table) -> bool | None:
    gain = b.value - a.value
    if measure.aim is Better.REAL:
        real_a, real_b = old.cell(measure.key, REAL), new.cell(measure.key, REAL)
        if real_a is None or real_b is None:
            return None
        gain = abs(b.value - real_b.value) - abs(a.value - real_a.value)
    if gain == 0 or math.isnan(gain):
        return None
    return gain > 0 if measure.aim is Better.HIGHER else gain < 0


def _apart(a: Cell, b: Cell) -> bool:
    (a_low, a_high), (b_low, b_high) = (
        tuple(cell.value if end is None else end for end in (cell.low, cell.high)) for cell in (a, b)
    )
    return a_high < b_low or b_high < a_low


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(table: Table) -> str:
    """The table as JSON text, one row a line; floats are written so that they read back exactly."""
    rows = [
        json.dumps({"measure": _plain(m), "cells": [_plain(c) if c else None for c in cells]})
        for m, cells in table.rows
    ]
    head = json.dumps(list(table.systems))
    return '{"systems": ' + head + ', "rows": [\n' + ",\n".join(rows) + "\n]}\n"


def from_json(text: str) -> Table:
    """The table that ``to_json`` wrote. ValueError when it is none."""
    try:
        plain = json.loads(text)
        rows = tuple(
            (_measure(row["measure"]), tuple(Cell(**_numbers(c)) if c else None for c in row["cells"]))
            for row in plain["rows"]
        )
        return Table(tuple(plain["systems"]), rows)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a table of the judge: {error}") from error


def renewed(table: Table, measures: Iterable[Measure]) -> Table:
    """The same figures under today's titles and rules; rows that today's list does not know stay as they are."""
    today = {m.key: m for m in measures}
    return replace(table, rows=tuple((today.get(m.key, m), cells) for m, cells in table.rows))


def _plain(value: Measure | Cell) -> dict:
    def item(x: object) -> object:
        if isinstance(x, Enum):
            return x.name
        if isinstance(x, float) and not math.isfinite(x):
            return str(x)  # JSON has no nan
        if isinstance(x, dict):
            return {k: item(v) for k, v in x.items()}
        return [item(v) for v in x] if isinstance(x, list | tuple) else x

    return item(asdict(value))


def _numbers(plain: dict) -> dict:
    return {k: float(v) if isinstance(v, str) else v for k, v in plain.items()}


def _measure(plain: dict) -> Measure:
    rules = tuple(Rule(Kind[r["kind"]], float(r["amount"]), float(r["slack"]), r["other"]) for r in plain["rules"])
    return Measure(**{**plain, "aim": Better[plain["aim"]], "group": Group[plain["group"]], "rules": rules})
