"""Plots show the figures that went in, read back from what was drawn. All figures are made up."""

import numpy as np
import pytest

from engine.skeleton import STANDING_HIP_M, t_pose
from realtime_models.training.judge.measures import FROZEN, MEASURES, MINIMA
from realtime_models.training.judge.motion import Motion, from_pose
from realtime_models.training.judge.table import REAL, Cell, Table, build


@pytest.fixture
def plots(needs):
    needs.module("matplotlib", "pip install matplotlib")
    from realtime_models.training.judge import plots

    return plots


@pytest.fixture
def drawn(plots, monkeypatch):
    """Figures instead of files."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    return figures


def table() -> Table:
    distances = {"fid_kinetic": Cell(4.0, 2.0, 8.0), "kd_kinetic": Cell(-0.01, -0.1, 0.1)}
    return build(
        MEASURES,
        {
            REAL: distances | {"speed_m_s": Cell(0.6)},
            "ours": {"fid_kinetic": Cell(10.0, 9.0, 12.0), "kd_kinetic": Cell(0.2), "speed_m_s": Cell(0.65)},
            FROZEN: {"fid_kinetic": Cell(80.0), "speed_m_s": Cell(0.0)},
        },
    )


def body(height_m: float = 0.0, slide_m_s: float = 0.0, seconds: float = 4.0) -> Motion:
    frames = round(30 * seconds)
    root = np.tile([0.0, STANDING_HIP_M + height_m, 0.0], (frames, 1))
    root[:, 0] = slide_m_s * np.arange(frames) / 30
    return from_pose("made up", root, np.tile(t_pose(), (frames, 1, 1)), 30)


def test_a_rose_turns_clockwise_from_the_beat(plots, drawn):
    quarter_late = np.arange(40) + 0.25
    plots.roses("x", [plots.Rose("ours", quarter_late, 1.0, 0.5), plots.Rose(MINIMA, np.zeros(0), 1.0, 0.5)])
    full, empty = drawn[0].axes
    bars = {round(bar.get_x() + bar.get_width() / 2, 3): bar.get_height() for bar in full.patches if bar.get_height()}
    assert bars == {round(np.pi / 2, 3): 1.0}  # all of them a quarter of a turn after the beat
    assert full.get_theta_direction() == -1 and full.get_theta_offset() == pytest.approx(np.pi / 2)
    assert full.get_xlabel() == "R 1.00, +125 ms   n 40"  # a quarter of 0.5 s
    assert full.texts[0].xy == pytest.approx((np.pi / 2, 1.0))
    assert empty.get_xlabel() == "R 0.00   n 0" and not empty.texts


def test_song_bars_stand_in_order_with_their_intervals(plots, drawn):
    songs = [
        plots.SongR("a_b", Cell(0.5, 0.4, 0.6), Cell(0.45), Cell(0.1), Cell(0.05)),
        plots.SongR("c", Cell(0.7), Cell(0.6), Cell(0.2), Cell(0.1)),
    ]
    plots.song_bars("x", songs, level=0.5)
    axes = drawn[0].axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.7, 0.45, 0.6, 0.1, 0.2, 0.05, 0.1]
    assert [list(line.get_ydata()) for line in axes.lines if len(set(line.get_xdata())) == 1] == [[0.4, 0.6]]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a b", "c"] and axes.get_ylabel() == "R at level 0.5"


def test_distances_are_in_yardsticks_and_need_one(plots, drawn):
    plots.distances("x", table(), ["fid_kinetic", "kd_kinetic"])
    axes = drawn[0].axes[0]
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert points == [2.5, 20.0]  # 10 / 4 and 80 / 4; the kernel distance has no yardstick above zero
    assert [2.25, 3.0] in [list(line.get_xdata()) for line in axes.lines]
    band = axes.collections[0].get_paths()[0].vertices[:, 0]
    assert band.min() == 0.5 and band.max() == 2.0
    with pytest.raises(ValueError, match="kd_kinetic"):
        plots.distances("x", table(), ["kd_kinetic"])


def test_the_scorecard_has_the_verdicts_colours(plots, drawn):
    from matplotlib.colors import to_hex

    plots.scorecard("x", table())
    squares = [to_hex(patch.get_facecolor()) for patch in drawn[0].axes[0].patches]
    assert len(squares) == 3 * 3  # two distances and a speed, three systems
    assert squares[:3] == [plots.GOOD] * 3
    assert squares[3:6] == [plots.BAD, plots.BAD, plots.GOOD]  # 10 of at most 6; 0.2 of at most 0.1; 0.65 beside 0.6
    assert squares[6:] == [plots.BAD, plots.BLANK, plots.BAD]


def test_feet_show_height_and_slide_only_in_contact(plots, drawn):
    def peaks(motion: Motion) -> tuple[float, float]:
        drawn.clear()
        plots.feet("x", [("one", motion)], from_s=1.0, seconds=2.0)
        heights, slides = drawn[0].axes
        assert len(heights.lines[0].get_xdata()) == 60 and heights.lines[0].get_xdata()[0] == 1.0
        return heights.lines[0].get_ydata().max(), max(
            c.get_paths()[0].vertices[:, 1].max(initial=0) for c in slides.collections
        )

    assert peaks(body()) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert peaks(body(slide_m_s=0.4)) == pytest.approx((0.0, 40.0), abs=1e-6)
    assert peaks(body(height_m=0.15, slide_m_s=0.4)) == pytest.approx((15.0, 0.0), abs=1e-6)


def test_energy_marks_sections_and_minutes_the_band(plots, drawn):
    plots.energy("x", np.linspace(-60, -10, 120), {"ours": body(slide_m_s=0.7)}, [(1.5, "drop")], "song")
    sound, moving = drawn[0].axes
    assert moving.lines[0].get_ydata() == pytest.approx(np.full(120, 0.7), abs=1e-6)
    assert [list(axes.lines[-1].get_xdata()) for axes in (sound, moving)] == [[1.5, 1.5]] * 2
    assert sound.texts[0].get_text() == " drop"
    plots.minutes("x", {"ours": [0.5, 0.6, 0.55]})
    axes = drawn[1].axes[0]
    assert list(axes.lines[0].get_ydata()) == [0.5, 0.6, 0.55]
    band = axes.patches[0]  # 0.5 less and more 30 %
    assert band.get_y() == pytest.approx(0.35) and band.get_height() == pytest.approx(0.3)


def test_novelty_in_per_cent_with_the_limit_of_copies(plots, drawn):
    real = np.arange(1.0, 101.0)
    plots.novelty("x", real, {"ours": np.array([2.0, 2.0, 90.0, np.inf])})
    axes = drawn[0].axes[0]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(5.95)  # 5th percentile of 1, 2, ... 100
    assert sum(bar.get_height() for bar in axes.containers[0]) == pytest.approx(100)


def test_systems_keep_their_colours(plots):
    systems = (REAL, "ours", "theirs", FROZEN, MINIMA)
    colours = [plots.colour_of(s, systems) for s in systems]
    assert len(set(colours)) == 5 and colours[0] == plots.INK
    assert plots.colour_of("ours", ("ours", "other")) == colours[1]


def test_pictures_are_small_and_the_same_every_time(plots, tmp_path):

    def write(folder) -> None:
        folder.mkdir()
        plots.scorecard(folder / "scorecard.png", table())
        plots.distances(folder / "distances.png", table(), ["fid_kinetic"])
        plots.roses(folder / "roses.png", [plots.Rose(str(k), np.linspace(0, 9, 99) ** 2) for k in range(6)], "title")
        plots.feet(folder / "feet.png", [("a", body()), ("b", body(0.1))])
        plots.novelty(folder / "novelty.png", np.arange(50.0), {"ours": np.arange(9.0)})

    write(tmp_path / "a")
    write(tmp_path / "b")
    pictures = sorted((tmp_path / "a").iterdir())
    assert len(pictures) == 5
    for picture in pictures:
        content = picture.read_bytes()
        assert content[:4] == b"\x89PNG" and 1_000 < len(content) < 150_000
        assert content == (tmp_path / "b" / picture.name).read_bytes()
