"""Figures of the literature: as they were printed, and never beside ours where that would mislead."""

import pytest

from realtime_models.training.judge.literature import (
    AIST,
    CAUTION,
    MBENCH,
    STREAMING,
    TABLES,
    Column,
    Comparable,
    Entry,
    PaperTable,
    ours_beside,
)
from realtime_models.training.judge.measures import MEASURES


def printed(table: PaperTable, system: str) -> dict[str, object]:
    (entry,) = (e for e in table.entries if e.system == system)
    return dict(zip((c.title for c in table.columns), entry.values, strict=True))


def test_figures_stand_where_they_belong():
    assert printed(AIST, "real dance of AIST++") == {
        "FID kinetic": 17.10, "FID geometric": 10.60, "Div kinetic": 8.19, "Div geometric": 7.45, "BAS": 0.2374,
    }  # fmt: skip
    assert printed(AIST, "Danceba, best run")["FID kinetic"] == 11.67
    assert printed(AIST, "FlowerDance")["Div geometric"] == 6.52 and printed(AIST, "FlowerDance")["BAS"] is None
    assert printed(MBENCH, "ViMoGen-light")["foot sliding"] == 0.0051
    assert printed(MBENCH, "MotionLCM")["jitter degree"] == 0.0218
    assert "26 ms" in printed(STREAMING, "DiscoForcing")["speed"]
    assert len(AIST.entries) == 27 and len(MBENCH.entries) == 8


def test_every_figure_has_a_source_and_every_column_a_reason():
    keys = {m.key for m in MEASURES}
    for table in TABLES:
        assert table.protocol and len({e.system for e in table.entries}) == len(table.entries)
        assert all(entry.source for entry in table.entries)
        for column in table.columns:
            assert column.why and (column.ours in keys or not column.ours)


def test_distances_of_aist_are_never_set_beside_ours():
    assert all(c.comparable is Comparable.NO for c in AIST.columns if c.title.startswith(("FID", "Div")))
    found = {"fid_kinetic": 3.0, "bas_music_to_motion": 0.25, "mbench_foot_sliding": 0.009}
    (row,) = ours_beside(AIST, [("ours", found)])
    assert row == Entry("ours", (None, None, None, None, 0.25), "this page")
    (row,) = ours_beside(MBENCH, [("ours", found)])
    assert row.values == (None, None, 0.009, None, None)
    assert "cannot be compared" in CAUTION and "σ" in CAUTION and "prompts, not songs" in CAUTION


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="a paper, x: 2 values, 1 columns"):
        PaperTable("a paper", "", (Column("a", "", Comparable.NO, "why"),), (Entry("x", (1.0, 2.0), "s"),))
