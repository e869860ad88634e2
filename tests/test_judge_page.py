"""The page says what the table holds: verdicts, marks, intervals, and it can be made again from its JSON."""

import math

import pytest

from realtime_models.training.judge.measures import FROZEN, MEASURES, MINIMA
from realtime_models.training.judge.page import (
    NOT_YET,
    SEEN,
    Page,
    Picture,
    Section,
    cell_text,
    comparison,
    group_part,
    main,
    markdown,
    number,
    page_from_json,
    page_to_json,
    passes_text,
    write,
)
from realtime_models.training.judge.table import REAL, Cell, Group, Table, build, judge

BY_KEY = {m.key: m for m in MEASURES}
REAL_CELLS = {
    "fid_kinetic": Cell(4.0, 2.5, 5.0, 150),
    "contact_share": Cell(0.95, 0.92, 0.97),
    "floating_mm": Cell(6.0, 4.0, 9.0),
    "frozen_s": Cell(0.3, 0.1, 0.5),
}
OURS_CELLS = {
    "beat_r": Cell(0.48, 0.41, 0.55),
    "beat_r_wrong": Cell(0.07),
    "beat_lag_s": Cell(-0.012, -0.03, 0.0),
    "fid_kinetic": Cell(10.4, 9.5, 12.2),
    "contact_share": Cell(0.9, 0.85, 0.93),
    "floating_mm": Cell(10.0, 8.0, 12.0),
}


def table(**ours: Cell) -> Table:
    cells = {
        REAL: REAL_CELLS,
        "ours": OURS_CELLS | ours,
        FROZEN: {"beat_r": Cell(0.0), "fid_kinetic": Cell(60.0), "frozen_s": Cell(60.0)},
        MINIMA: {"beat_r": Cell(0.09)},
    }
    return build(MEASURES, cells)


def page(**ours: Cell) -> Page:
    songs = Section("Songs", "Words.", ("song", "R"), (("disco", "0.53"),), (Picture("songs.png", "R of songs"),))
    return Page(
        "Does it dance?", "make evaluate", "A model.", table(**ours), "ours", (Picture("a.png", "All"),), (songs,)
    )


def line(text: str, start: str) -> list[str]:
    (found,) = (row for row in text.splitlines() if row.startswith(f"| {start}"))
    return [part.strip() for part in found.strip("|").split("|")]


def test_numbers_come_in_the_unit_that_is_shown():
    assert number(BY_KEY["contact_share"], 0.954) == "95"
    assert number(BY_KEY["beat_lag_s"], -0.0124) == "−12" and number(BY_KEY["beat_lag_s"], -0.0001) == "0"
    assert number(BY_KEY["floating_mm"], 6.04) == "6.0" and number(BY_KEY["sunk_max_m"], 0.051) == "5.1"
    assert number(BY_KEY["beat_r"], math.nan) == "not a number" and number(BY_KEY["beat_r"], math.inf) == "∞"


def test_cells_carry_interval_and_mark():
    t = table()
    fid, floating = BY_KEY["fid_kinetic"], BY_KEY["floating_mm"]
    assert cell_text(fid, None) == "–" and cell_text(fid, Cell(4.0, 2.5, 5.0)) == "4.00 <sub>2.50 … 5.00</sub>"
    clear, unclear = (judge(t, key, "ours") for key in ("fid_kinetic", "floating_mm"))
    assert cell_text(fid, t.cell("fid_kinetic", "ours"), clear) == "**10.40** ✗ <sub>9.50 … 12.20</sub>"
    # at most 1.2 x 6 + 2 = 9.2: ten is over, its interval from 8 on is not
    assert cell_text(floating, t.cell("floating_mm", "ours"), unclear) == "**10.0** ✗? <sub>8.0 … 12.0</sub>"


def test_what_passes_is_said_in_figures():
    t = table()
    assert passes_text(BY_KEY["fid_kinetic"], t) == "≤ 6.00"  # 1.5 x 4
    assert passes_text(BY_KEY["contact_share"], t) == "71 … 100"  # 92 - 19 - 2; no share is above 100 %
    assert passes_text(BY_KEY["beat_lag_s"], t) == "−70 … 70"
    assert passes_text(BY_KEY["beat_r"], t) == "≥ 0.30, ≥ 2 × *R, wrong music*, ≥ *beat_r_silent* + 0.15"
    assert passes_text(BY_KEY["energy_correlation"], t) == "whole interval > 0.00"
    assert passes_text(BY_KEY["beat_f1"], t) == "≥ 1.3 × random minima"
    assert passes_text(BY_KEY["jerk_m_s3"], t) == "–" and passes_text(BY_KEY["slide_m_s"], t) == "–"


def test_the_verdict_counts_names_and_excuses():
    text = markdown(page())
    assert "**ours: 3 of 5 judged measures stand beside real dance.**" in text
    assert "- Distribution: FID, kinetic 10.40 (≤ 6.00)." in text
    assert "- Body: floating 10.0 mm (≤ 9.2), within its interval." in text
    assert line(text, "ours |") == ["ours", "**2 of 2**", "0 of 1", "1 of 2", "–", "3 of 5"]
    assert line(text.split("## Table")[0], f"{REAL} |")[-1] == "**4 of 4**"
    assert (
        "- Control: frozen pose fails R, right music; FID, kinetic; longest standstill: as it must (not measured: "
        in text
    )
    assert "- Control: shuffled clips was not run." in text
    good = Cell(5.0)
    assert "It fails" not in markdown(page(fid_kinetic=good, floating_mm=Cell(7.0)))


def test_a_control_that_passes_is_said_loudly():
    cells = {REAL: REAL_CELLS, "ours": OURS_CELLS, FROZEN: {"fid_kinetic": Cell(4.1), "beat_r": Cell(0.0)}}
    text = markdown(Page("t", "c", "a", build(MEASURES, cells), "ours"))
    assert "- **The judge is at fault**: frozen pose passes FID, kinetic." in text


def test_nobody_has_voted_until_somebody_has():
    people = group_part(table(), Group.PEOPLE, "ours")
    assert people.count(NOT_YET) == 3
    assert line(people, "preferred to clips") == [
        "preferred to clips on the grid [%] ↑",
        "≥ 50",
        "–",
        NOT_YET,
        "–",
        "–",
    ]
    voted = group_part(table(wins_clips_on_grid=Cell(0.62, 0.48, 0.74, 40)), Group.PEOPLE, "ours")
    assert voted.count(NOT_YET) == 2 and "62 <sub>48 … 74</sub>" in voted


def test_parts_stand_in_order_and_every_measure_is_defined():
    text = markdown(page())
    parts = ["# Does it dance?", "    make evaluate", "A model.", "## Verdict", "](a.png)", "## Table", "### Beat",
             "### Distribution", "### Body", "### People", "## Songs", "Words.", "| disco | 0.53 |", "](songs.png)",
             "## Literature", "### AIST++", "### MBench", "## Measures"]  # fmt: skip
    at = [text.index(part) for part in parts]
    assert at == sorted(at)
    assert "### Music" not in text  # nothing was measured of it
    definitions = text[text.index("## Measures") :]
    for measure in table().measures:
        assert f"| {measure.title} | {measure.unit or '1'} |" in definitions and measure.definition in definitions
    assert "Not measured in this run: " in definitions and "jerk by speed" in definitions


def test_the_page_comes_back_from_json_and_what_was_seen_stays(tmp_path, capsys):
    found = page(beat_r_silent=Cell(math.inf))
    assert page_from_json(page_to_json(found)) == found
    path = tmp_path / "docs" / "evaluation.md"
    write(found, path)
    first = path.read_text(encoding="utf-8")
    path.write_text(first.replace("(not yet written)", "Knees bend."), encoding="utf-8")
    assert main([str(path.with_suffix(".json"))]) == 0
    again = path.read_text(encoding="utf-8")
    assert again.split(SEEN)[1].strip() == "Knees bend." and again.split(SEEN)[0] == first.split(SEEN)[0]
    assert capsys.readouterr().err == ""


def test_two_runs_side_by_side(tmp_path, capsys):
    old, new = tmp_path / "old.md", tmp_path / "new.md"
    write(page(), old)
    write(page(fid_kinetic=Cell(5.0, 4.5, 5.5), beat_r=Cell(0.45, 0.4, 0.5)), new)
    assert main([str(new.with_suffix(".json")), "--beside", str(old.with_suffix(".json"))]) == 0
    said = capsys.readouterr().out
    assert line(said, "FID, kinetic")[1:] == [
        "**10.40** ✗ <sub>9.50 … 12.20</sub>", "5.00 <sub>4.50 … 5.50</sub>", "−5.40", "**better**",
    ]  # fmt: skip
    assert line(said, "R, right music")[3:] == ["−0.03", "worse"]
    assert line(said, "frames with a foot down")[3:] == ["0", ""]
    assert comparison(page(), page()).count("better") == 0


def test_no_page_is_one_line_and_exit_code_two(tmp_path, capsys):
    (tmp_path / "broken.json").write_text('{"title": "x"}', encoding="utf-8")
    for name, words in (("absent.json", "no page at"), ("broken.json", "not a page of the judge")):
        assert main([str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    with pytest.raises(ValueError, match="not a page of the judge"):
        page_from_json("[]")
