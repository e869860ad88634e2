"""The table of the judge: what passes, who must fail, and the way to JSON and back. All figures are made up."""

import math

import pytest

from realtime_models.training.judge.measures import CONTROLS, FROZEN, MEASURES, MINIMA, SHUFFLED
from realtime_models.training.judge.table import (
    REAL,
    Better,
    Cell,
    Control,
    Group,
    Kind,
    Measure,
    Outcome,
    Rule,
    Table,
    build,
    changes,
    check,
    from_json,
    judge,
    renewed,
    to_json,
    verdict,
)

REAL_CELLS = {
    "fid_kinetic": Cell(4.0, 2.5, 7.0, 180),
    "fid_geometric": Cell(3.0, 2.0, 4.2, 180),
    "kd_kinetic": Cell(0.001, -0.02, 0.03, 180),
    "two_sample": Cell(0.52, 0.45, 0.6, 180),
    "diversity_kinetic": Cell(9.0, 8.2, 9.9, 180),
    "speed_m_s": Cell(0.57, 0.45, 0.7, 80),
    "frozen_s": Cell(0.3, 0.1, 1.2, 80),
    "contact_share": Cell(0.95, 0.92, 0.97, 80),
    "slide_m_s": Cell(0.18, 0.12, 0.24, 80),
    "sunk_share": Cell(0.0, 0.0, 0.004, 80),
    "jerk_m_s3": Cell(145.0, 110.0, 190.0, 80),
    "seams_per_minute": Cell(0.1, 0.0, 0.3, 80),
    "nonfinite_frames": Cell(0),
}
PASSING = REAL_CELLS | {
    "beat_r": Cell(0.52, 0.45, 0.6, 500),
    "beat_r_wrong": Cell(0.07),
    "beat_r_silent": Cell(0.03),
    "beat_f1": Cell(0.5),
    "bas_motion_to_music": Cell(0.42),
    "energy_correlation": Cell(0.4, 0.1, 0.6),
}
#: As a body that stands still, hard cuts of real clips, and motion beats by chance would be measured.
FROZEN_CELLS = PASSING | {
    "beat_r": Cell(0.0, n=0),
    "beat_r_wrong": Cell(0.0),
    "fid_kinetic": Cell(60.0, 58.0, 63.0),
    "fid_geometric": Cell(40.0, 38.0, 41.0),
    "two_sample": Cell(1.0, 0.99, 1.0),
    "diversity_kinetic": Cell(0.0),
    "speed_m_s": Cell(0.0),
    "frozen_s": Cell(60.0),
    "jerk_m_s3": Cell(0.0),
}
SHUFFLED_CELLS = PASSING | {"beat_r": Cell(0.09, 0.04, 0.13), "seams_per_minute": Cell(38.0, 33.0, 42.0)}
MINIMA_CELLS = {"beat_r": Cell(0.09), "beat_f1": Cell(0.22), "bas_motion_to_music": Cell(0.2)}


def table() -> Table:
    return build(
        MEASURES,
        {
            REAL: REAL_CELLS,
            "good": PASSING,
            FROZEN: FROZEN_CELLS,
            SHUFFLED: SHUFFLED_CELLS,
            MINIMA: MINIMA_CELLS,
        },
    )


def one(rule: Rule, value: Cell, real: Cell | None = None, **others: float) -> Outcome:
    """Outcome of a single rule; ``others`` are further rows of the same system."""
    measure = Measure("m", "m", "", Better.LOWER, rules=(rule,))
    rows = [(measure, (real, value))]
    rows += [(Measure(key, key, "", Better.LOWER), (None, Cell(v))) for key, v in others.items()]
    return judge(Table((REAL, "made"), tuple(rows)), "m", "made").outcome


P, F, N = Outcome.PASSES, Outcome.FAILS, Outcome.NOT_JUDGED


def test_real_passes_and_every_control_fails_where_it_must():
    t = table()
    assert verdict(t, REAL).passed and verdict(t, REAL).judged >= 10
    assert verdict(t, "good").passed
    for control in CONTROLS:
        assert not verdict(t, control.system).passed
        found = check(t, control)
        assert found.holds and not found.passed, control.system
    assert {j.measure.key for j in verdict(t, SHUFFLED).failed} == {"beat_r", "seams_per_minute"}
    assert "slide_m_s" not in {j.measure.key for j in verdict(t, FROZEN).failed}  # who stands still does not slide


def test_a_control_that_passes_speaks_against_the_judge():
    t = table()
    found = check(t, Control("good", ("beat_r", "fid_kinetic", "wins_real")))
    assert not found.holds and found.passed == ("beat_r", "fid_kinetic") and found.absent == ("wins_real",)
    assert not check(t, Control("nobody", ("beat_r",))).holds
    assert not check(t, Control(FROZEN, ("no such row",))).holds


def test_every_rule_at_its_border():
    real = Cell(10.0, 8.0, 12.0)
    yard = Rule(Kind.YARDSTICK, 1.5)
    assert one(yard, Cell(15.0), real) is P and one(yard, Cell(15.1), real) is F  # 1.5 x 10
    assert one(yard, Cell(15.0), Cell(10.0)) is P and one(yard, Cell(16.0), Cell(10.0, 8.0, 18.0)) is F
    around_zero = Cell(0.001, -0.02, 0.03)  # no yardstick: what real halves reach counts
    assert one(yard, Cell(0.03), around_zero) is P and one(yard, Cell(0.031), around_zero) is F
    near = Rule(Kind.NEAR_REAL, 0.2, 0.5)  # 8 - 2 - 0.5 = 5.5 to 12 + 2 + 0.5 = 14.5
    assert [one(near, Cell(x), real) for x in (5.4, 5.5, 14.5, 14.6)] == [F, P, P, F]
    assert one(Rule(Kind.NOT_ABOVE_REAL, 1.2, 1.0), Cell(13.0), real) is P  # 1.2 x 10 + 1
    assert one(Rule(Kind.NOT_ABOVE_REAL, 1.2, 1.0), Cell(13.1), real) is F
    assert one(Rule(Kind.NOT_BELOW_REAL, 0.8), Cell(8.0), real) is P
    assert one(Rule(Kind.NOT_BELOW_REAL, 0.8), Cell(7.9), real) is F
    assert one(Rule(Kind.AT_LEAST, 0.3), Cell(0.3)) is P and one(Rule(Kind.AT_LEAST, 0.3), Cell(0.29)) is F
    assert one(Rule(Kind.AT_MOST, 0), Cell(0)) is P and one(Rule(Kind.AT_MOST, 0), Cell(1)) is F
    assert one(Rule(Kind.LOW_END_ABOVE, 0), Cell(0.3, 0.01, 0.5)) is P
    assert one(Rule(Kind.LOW_END_ABOVE, 0), Cell(0.3, -0.01, 0.5)) is F
    assert one(Rule(Kind.TIMES_ROW, 2, other="w"), Cell(0.4), w=0.2) is P
    assert one(Rule(Kind.TIMES_ROW, 2, other="w"), Cell(0.39), w=0.2) is F
    assert one(Rule(Kind.ABOVE_ROW, 0.25, other="s"), Cell(0.5), s=0.25) is P
    assert one(Rule(Kind.ABOVE_ROW, 0.25, other="s"), Cell(0.49), s=0.25) is F
    beside = Measure("m", "m", "", Better.HIGHER, rules=(Rule(Kind.TIMES_SYSTEM, 1.5, other=MINIMA),))
    t = Table(("a", "b", MINIMA), ((beside, (Cell(0.31), Cell(0.29), Cell(0.2))),))
    assert [judge(t, "m", s).outcome for s in t.systems] == [P, F, F]


def test_nothing_to_set_it_beside_is_not_judged_and_a_broken_measure_fails():
    assert one(Rule(Kind.YARDSTICK, 1.5), Cell(1.0), None) is N
    assert one(Rule(Kind.YARDSTICK, 1.5), Cell(1.0), Cell(math.nan)) is N
    assert one(Rule(Kind.TIMES_ROW, 2, other="absent"), Cell(1.0)) is N
    assert one(Rule(Kind.AT_MOST, 5), Cell(math.nan)) is F
    assert judge(table(), "wins_real", "good").outcome is N
    assert not verdict(Table(("empty",), ()), "empty").passed


def test_a_failure_is_clear_only_with_its_whole_interval():
    rule = Rule(Kind.AT_LEAST, 0.3)
    rows = (
        (Measure("m", "m", "", Better.HIGHER, rules=(rule,)), (Cell(0.2, 0.1, 0.35), Cell(0.2, 0.1, 0.29), Cell(0.2))),
    )
    t = Table(("wide", "narrow", "bare"), rows)
    assert [judge(t, "m", s).clear for s in t.systems] == [False, True, True]
    assert judge(t, "m", "wide").low == 0.3 and judge(t, "m", "wide").high == math.inf


def test_every_group_has_measures_and_every_rule_refers_to_rows_that_exist():
    keys = {m.key for m in MEASURES}
    assert {m.group for m in MEASURES} == set(Group)
    for measure in MEASURES:
        assert measure.definition and measure.source and len(measure.title) < 45
        for rule in measure.rules:
            if rule.kind in (Kind.TIMES_ROW, Kind.ABOVE_ROW):
                assert rule.other in keys
    assert all(key in keys for control in CONTROLS for key in control.must_fail)


def test_json_gives_the_same_table_back():
    odd = build(MEASURES, {REAL: {"fid_kinetic": Cell(0.1 + 0.2, 1 / 3, math.inf, 7)}, "x": {"pfc": Cell(1e-17)}})
    for t in (table(), odd):
        assert from_json(to_json(t)) == t
    broken = Table(("x",), ((MEASURES[0], (Cell(math.nan),)),))
    text = to_json(broken)
    assert "NaN" not in text and math.isnan(from_json(text).cell("beat_r", "x").value)
    for text in ("[1]", '{"systems": ["a"]}', to_json(table()).replace("HIGHER", "SIDEWAYS"), "{"):
        with pytest.raises(ValueError, match="not a table of the judge"):
            from_json(text)


def test_an_old_table_can_be_read_under_todays_rules():
    strict = Measure("pfc", "old title", "", Better.LOWER, rules=(Rule(Kind.AT_MOST, 0),))
    gone = Measure("gone", "gone", "", Better.LOWER)
    t = renewed(Table(("x",), ((strict, (Cell(1.0),)), (gone, (Cell(2.0),)))), MEASURES)
    assert t.measures[0] == next(m for m in MEASURES if m.key == "pfc") and t.measures[1] == gone
    assert t.cell("pfc", "x") == Cell(1.0)


def test_changes_know_what_better_means():
    old = build(MEASURES, {REAL: REAL_CELLS, "first": PASSING | {"jerk_m_s3": Cell(325.0), "frozen_s": Cell(0.3)}})
    new = build(
        MEASURES,
        {
            REAL: REAL_CELLS,
            "second": PASSING
            | {"jerk_m_s3": Cell(120.0), "beat_r": Cell(0.7, 0.65, 0.75), "slide_m_s": Cell(0.2, 0.1, 0.3)},
        },
    )
    found = {c.measure.key: c for c in changes(old, new, "second", "first")}
    assert found["jerk_m_s3"].better is True  # 145 is real: 25 off instead of 180
    assert found["beat_r"].better is True and found["beat_r"].apart  # 0.45..0.60 against 0.65..0.75
    assert found["slide_m_s"].better is False and not found["slide_m_s"].apart
    assert found["frozen_s"].better is None and not found["frozen_s"].apart
    assert "wins_real" not in found


def test_wrong_tables_are_refused():
    with pytest.raises(ValueError, match="no such measure: typo; there is: .*beat_r"):
        build(MEASURES, {"a": {"typo": Cell(1.0)}})
    with pytest.raises(ValueError, match="pfc: 1 cells for 2 systems"):
        Table(("a", "b"), ((Measure("pfc", "", "", Better.LOWER), (None,)),))
    with pytest.raises(ValueError, match="system more than once in a table: a"):
        Table(("a", "a"), ())
    with pytest.raises(KeyError, match="no system nobody"):
        verdict(table(), "nobody")
    built = build(MEASURES, {"a": {"pfc": Cell(1.0)}})
    assert [m.key for m in built.measures] == ["pfc", "wins_clips_on_grid", "wins_motion_graph", "wins_real"]
