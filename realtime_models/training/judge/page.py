"""The page of an evaluation as Markdown, from figures alone: it can be made again from its JSON without measuring.

    python -m realtime_models.training.judge.page docs/evaluation.json [--beside OLD.json]

writes docs/evaluation.md again, with today's words and limits; what is written by hand under "What was seen" stays.
``--beside`` prints the change since an older run instead.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import ConfigError
from realtime_models.training.judge import literature
from realtime_models.training.judge.literature import Comparable, PaperTable
from realtime_models.training.judge.measures import CONTROLS, MEASURES
from realtime_models.training.judge.table import (
    REAL,
    Better,
    Cell,
    Group,
    Judgement,
    Kind,
    Measure,
    Outcome,
    Rule,
    Table,
    Verdict,
    allowed,
    changes,
    check,
    from_json,
    judge,
    renewed,
    to_json,
    verdict,
)

SEEN = "## What was seen"  #: from this line on the page is written by hand and kept
NOT_YET = "not yet judged"
ARROWS = {Better.LOWER: "↓", Better.HIGHER: "↑", Better.REAL: "≈"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture beside the page."""

    path: str  #: relative to the page
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: words, a table of words, pictures; each may be empty."""

    title: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page that is not written by hand or a definition."""

    title: str
    command: str
    about: str  #: a paragraph: which model, what was danced, how long it took
    table: Table
    ours: str  #: the system that the page is about
    top: tuple[Picture, ...] = ()  #: under the verdict
    sections: tuple[Section, ...] = ()


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# Cells ----------------------------------------------------------------------------------------------------------------


def number(measure: Measure, value: float) -> str:
    """A value as the measure shows it, without the unit. A true minus, and no minus before a zero."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    text = f"{value * measure.scale:.{measure.digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def cell_text(measure: Measure, cell: Cell | None, found: Judgement | None = None) -> str:
    """A value with its interval: bold with a cross where it fails, a question mark if the interval reaches in."""
    if cell is None:
        return "–"
    text = number(measure, cell.value)
    if found is not None and found.outcome is Outcome.FAILS:
        text = f"**{text}** ✗" + ("" if found.clear else "?")
    if cell.low is not None and cell.high is not None:
        text += f" <sub>{number(measure, cell.low)} … {number(measure, cell.high)}</sub>"
    return text


def rule_text(rule: Rule, measure: Measure, table: Table) -> str:
    """What a rule lets pass, in figures where these are the same for all systems."""
    match rule.kind:
        case Kind.LOW_END_ABOVE:
            return f"whole interval > {number(measure, rule.amount)}"
        case Kind.TIMES_ROW | Kind.ABOVE_ROW:
            other = next((m.title for m in table.measures if m.key == rule.other), rule.other)
            times = rule.kind is Kind.TIMES_ROW
            return f"≥ {rule.amount:g} × *{other}*" if times else f"≥ *{other}* + {number(measure, rule.amount)}"
        case Kind.TIMES_SYSTEM:
            return f"≥ {rule.amount:g} × {rule.other}"
    limits = allowed(rule, table, measure.key, "")
    if limits is None:
        return ""
    low, high = limits
    if measure.key.endswith("_share"):
        low, high = max(low, 0.0) if math.isfinite(low) else low, min(high, 1.0) if math.isfinite(high) else high
    if math.isinf(low):
        return f"≤ {number(measure, high)}"
    return f"≥ {number(measure, low)}" if math.isinf(high) else f"{number(measure, low)} … {number(measure, high)}"


def passes_text(measure: Measure, table: Table) -> str:
    """All rules of a measure; two plain ends become one range."""
    if [r.kind for r in measure.rules] == [Kind.AT_LEAST, Kind.AT_MOST]:
        return " … ".join(number(measure, r.amount) for r in measure.rules)
    return ", ".join(text for r in measure.rules if (text := rule_text(r, measure, table))) or "–"


# Parts ----------------------------------------------------------------------------------------------------------------


def group_part(table: Table, group: Group, ours: str) -> str:
    """The table of one group; empty when it has no rows."""
    rows = []
    for measure, cells in table.group(group).rows:
        unit = f" [{measure.unit}]" if measure.unit else ""
        texts = [
            NOT_YET
            if cell is None and group is Group.PEOPLE and system == ours
            else cell_text(measure, cell, judge(table, measure.key, system))
            for system, cell in zip(table.systems, cells, strict=True)
        ]
        rows.append([f"{measure.title}{unit} {ARROWS[measure.aim]}", passes_text(measure, table), *texts])
    return grid(["measure", "passes", *table.systems], rows) if rows else ""


def tally(found: Verdict, group: Group | None = None) -> str:
    """Passed of judged."""
    passed = len(found.of(Outcome.PASSES, group))
    judged = passed + len(found.of(Outcome.FAILS, group))
    text = f"{passed} of {judged}"
    return "–" if not judged else f"**{text}**" if passed == judged else text


def verdict_part(table: Table, ours: str) -> str:
    """The short verdict: ours in a sentence, everybody in a table, the controls."""
    groups = [g for g in Group if table.group(g).rows]
    found = {system: verdict(table, system) for system in table.systems}
    rows = [[s, *(tally(v, g) for g in groups), tally(v)] for s, v in found.items()]
    parts = [_sentence(table, found[ours]), grid(["beside real dance", *(g.value for g in groups), "all"], rows)]
    parts.append("\n".join(_control_line(table, control) for control in CONTROLS))
    return "\n\n".join(parts)


def _sentence(table: Table, found: Verdict) -> str:
    titles = {m.key: m.title for m in table.measures}
    passed = len(found.of(Outcome.PASSES))
    head = f"**{found.system}: {passed} of {found.judged} judged measures stand beside real dance.**"
    if not found.failed:
        return head
    fails = []
    for group in Group:
        here = [
            f"{titles[j.measure.key]} {number(j.measure, table.cell(j.measure.key, found.system).value)}"
            f"{_unit(j.measure)} ({passes_text(j.measure, table)})" + ("" if j.clear else ", within its interval")
            for j in found.of(Outcome.FAILS, group)
        ]
        fails += [f"- {group.value}: {'; '.join(here)}."] if here else []
    return head + " It fails, with what passes in brackets:\n\n" + "\n".join(fails)


def _unit(measure: Measure) -> str:
    return f" {measure.unit}" if measure.unit else ""


def _control_line(table: Table, control) -> str:
    titles = {m.key: m.title for m in MEASURES} | {m.key: m.title for m in table.measures}
    if control.system not in table.systems:
        return f"- Control: {control.system} was not run."
    found = check(table, control)
    if found.passed:
        return f"- **The judge is at fault**: {control.system} passes {_listed(titles[k] for k in found.passed)}."
    if not found.failed:
        return f"- Control: of what {control.system} must fail nothing was measured."
    absent = f" (not measured: {_listed(titles[k] for k in found.absent)})" if found.absent else ""
    return f"- Control: {control.system} fails {_listed(titles[k] for k in found.failed)}: as it must{absent}."


def _listed(titles: Iterable[str]) -> str:
    return "; ".join(titles)


def definitions_part(table: Table) -> str:
    """Every measure in one line, and which of today's were not taken."""
    rows = [
        [m.title, m.unit or "1", ARROWS[m.aim], m.definition or "–", m.source or "–"]
        for m in sorted(table.measures, key=lambda m: list(Group).index(m.group))
    ]
    here = {m.key for m in table.measures}
    absent = [m.title for m in MEASURES if m.key not in here]
    words = f"\n\nNot measured in this run: {_listed(absent)}." if absent else ""
    return grid(["measure", "unit", "aim", "what it is", "source"], rows) + words


def literature_part(table: Table, systems: Sequence[str]) -> str:
    """The tables of the literature, ours beside them where that says something."""
    parts = [literature.CAUTION]
    for paper in literature.TABLES:
        found = [
            (s, {c.ours: cell.value for c in paper.columns if (cell := table.cell(c.ours, s)) is not None})
            for s in systems
        ]
        parts.append(f"### {paper.title}\n\n{paper.protocol}\n\n{_paper(paper, found)}")
    return "\n\n".join(parts)


_CARE = {Comparable.NO: "not comparable", Comparable.PARTLY: "with care", Comparable.YES: "comparable"}


def _paper(paper: PaperTable, found: Sequence[tuple[str, dict[str, float]]]) -> str:
    mine = [e for e in literature.ours_beside(paper, found) if any(v is not None for v in e.values)]
    rows = [
        [f"**{e.system}**" if e in mine else e.system, *map(_value, e.values), e.source]
        for e in [*mine, *paper.entries]
    ]
    why: dict[str, list[str]] = {}
    for column in paper.columns:
        why.setdefault(f"{_CARE[column.comparable]}: {column.why}", []).append(column.title)
    reasons = "\n".join(f"- {', '.join(titles)}: {reason}." for reason, titles in why.items())
    note = f"\n\n{paper.note}" if paper.note else ""
    return grid(["system", *(c.title for c in paper.columns), "printed in"], rows) + f"\n\n{reasons}{note}"


def _value(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.4g}"


def section_part(section: Section) -> str:
    """One section."""
    parts = [f"## {section.title}", section.text, grid(section.head, section.rows) if section.head else ""]
    parts += [picture_line(p) for p in section.pictures]
    return "\n\n".join(part for part in parts if part)


def picture_line(picture: Picture) -> str:
    """The picture with its words under it."""
    return f"![{picture.caption}]({picture.path})\n\n*{picture.caption}*"


# The page -------------------------------------------------------------------------------------------------------------

_LEGEND = (
    "Small: 95 % interval. ✗ fails, ✗? fails but its interval reaches into what passes; no mark: passes, or no rule "
    "(– under *passes*). ↓ lower is better, ↑ higher, ≈ near real dance. The real column of a distance is the "
    "yardstick: what real dance has to itself."
)


def markdown(page: Page) -> str:
    """The page without what was written by hand."""
    groups = [f"### {group.value}\n\n{text}" for group in Group if (text := group_part(page.table, group, page.ours))]
    parts = [
        f"# {page.title}",
        f"    {page.command}",
        page.about,
        f"## Verdict\n\n{verdict_part(page.table, page.ours)}",
        *(picture_line(p) for p in page.top),
        f"## Table\n\n{_LEGEND}",
        *groups,
        *(section_part(section) for section in page.sections),
        f"## Literature\n\n{literature_part(page.table, [s for s in (page.ours, REAL) if s in page.table.systems])}",
        f"## Measures\n\n{definitions_part(page.table)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(page: Page, path: Path) -> None:
    """Write the page and, beside it, the JSON it can be made from again; what was written by hand is kept."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    seen = old[old.index(SEEN) :] if SEEN in old else f"{SEEN}\n\n(not yet written)\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{markdown(page)}\n{seen}", encoding="utf-8")
    path.with_suffix(".json").write_text(page_to_json(page), encoding="utf-8")


def page_to_json(page: Page) -> str:
    """The page as JSON text."""
    plain = {name: getattr(page, name) for name in ("title", "command", "about", "ours")}
    plain |= {"top": [asdict(p) for p in page.top], "sections": [asdict(s) for s in page.sections]}
    head = json.dumps(plain, ensure_ascii=False, indent=1)
    return f'{head[: head.rindex("}")].rstrip()},\n "table": {to_json(page.table).strip()}\n}}\n'


def page_from_json(text: str) -> Page:
    """The page that ``page_to_json`` wrote. ValueError when it is none."""
    try:
        plain = json.loads(text)
        table = from_json(json.dumps(plain.pop("table")))
        top = tuple(Picture(**p) for p in plain.pop("top"))
        sections = tuple(_section(s) for s in plain.pop("sections"))
        return Page(**plain, table=table, top=top, sections=sections)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a page of the judge: {error}") from error


def _section(plain: dict) -> Section:
    rows = tuple(tuple(row) for row in plain["rows"])
    pictures = tuple(Picture(**p) for p in plain["pictures"])
    return Section(plain["title"], plain["text"], tuple(plain["head"]), rows, pictures)


# Two runs -------------------------------------------------------------------------------------------------------------


def comparison(old: Page, new: Page) -> str:
    """What became of the page's own system since an older page, as Markdown."""
    marks = {True: "better", False: "worse", None: ""}
    before, after = renewed(old.table, MEASURES), renewed(new.table, MEASURES)
    rows = []
    for change in changes(before, after, new.ours, old.ours):
        gain = change.new.value - change.old.value
        sign = "+" if gain > 0 else ""
        word = marks[change.better]
        rows.append(
            [
                f"{change.measure.title} {ARROWS[change.measure.aim]}",
                cell_text(change.measure, change.old, judge(before, change.measure.key, old.ours)),
                cell_text(change.measure, change.new, judge(after, change.measure.key, new.ours)),
                sign + number(change.measure, gain),
                f"**{word}**" if word and change.apart else word,
            ]
        )
    words = "Bold: the intervals do not overlap."
    return f"# {old.ours} → {new.ours}\n\n{words}\n\n{grid(['measure', 'before', 'now', 'change', ''], rows)}\n"


def read_page(path: Path) -> Page:
    """The page of a JSON file. ConfigError when there is none."""
    try:
        return page_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"no page at {path}: {error.strerror}; an evaluation writes evaluation.json") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def main(argv: list[str] | None = None) -> int:
    """Exit code 2 when a file is missing or no page."""
    parser = argparse.ArgumentParser(prog="python -m realtime_models.training.judge.page", description=__doc__)
    parser.add_argument("page", type=Path, help="the JSON of an evaluation")
    parser.add_argument("--beside", type=Path, help="the JSON of an older one: print the change and write nothing")
    args = parser.parse_args(argv)
    try:
        page = read_page(args.page)
        if args.beside:
            print(comparison(read_page(args.beside), page))
            return 0
    except ConfigError as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    today = Page(
        page.title, page.command, page.about, renewed(page.table, MEASURES), page.ours, page.top, page.sections
    )
    write(today, args.page.with_suffix(".md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
