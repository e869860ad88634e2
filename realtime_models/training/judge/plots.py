"""The judge's plots: small PNGs from plain figures. Needs matplotlib, no display.

Every function draws one picture and writes it. Colours go with systems by their order; real dance is black and the
controls, which must fail, are grey.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from realtime_models.training.judge.beat import (
    joint_speed,
    lag_of,
    mean_vector,
    random_ceiling,
    smooth,
)
from realtime_models.training.judge.contact import FEET, contacts, floor_speed
from realtime_models.training.judge.measures import FROZEN, MINIMA, SHUFFLED
from realtime_models.training.judge.motion import JUDGE_HZ, Motion, at_judge_rate
from realtime_models.training.judge.pictures import save
from realtime_models.training.judge.table import REAL, Cell, Group, Outcome, Table, judge

INK, PALE, GRID = "#20242e", "#8a90a0", "#e4e7ee"
COLOURS = ("#0f9d92", "#e08a1e", "#7a55d6", "#2f6fde", "#d8456b", "#6b8e23")
CONTROL_GREYS = ("#9aa0ad", "#b8bdc8", "#7d8494")
GOOD, BAD, UNSURE, BLANK = "#39a96b", "#d8453e", "#eda29d", "#eceef3"
_DPI = 110
_WIDE = 7.6  #: inches: the width of a page
_ROSE_BINS = 24


def colour_of(system: str, systems: Sequence[str]) -> str:
    """A system's colour among those of a table."""
    controls = (FROZEN, SHUFFLED, MINIMA)
    if system == REAL:
        return INK
    if system in controls:
        return CONTROL_GREYS[controls.index(system)]
    rest = [s for s in systems if s != REAL and s not in controls]
    return COLOURS[rest.index(system) % len(COLOURS)]


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _plain(axes: Axes) -> None:
    """No box, a thin grid, small words."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.set_axisbelow(True)


# Beat -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rose:
    """Motion beats of a system as beat numbers."""

    system: str
    numbers: np.ndarray  #: (n,) fractional beat numbers, all songs and seeds
    level: float = 1.0  #: cycles a beat
    period_s: float = 0.5  #: of the beat, for the lag


def roses(path: str | Path, found: Sequence[Rose], title: str = "") -> None:
    """Where in the beat motion beats fall: a histogram on a circle each, the beat at the top, time clockwise.

    The arrow is the mean vector (its length is R), the dashed circle what random minima exceed once in twenty.
    """
    columns = min(len(found), 4)
    rows = -(-len(found) // columns)
    figure = _figure(1.95 * columns, 2.35 * rows + (0.3 if title else 0))
    systems = [rose.system for rose in found]
    for k, rose in enumerate(found):
        axes = figure.add_subplot(rows, columns, k + 1, projection="polar")
        _rose(axes, rose, colour_of(rose.system, systems))
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    save(figure, path)


def _rose(axes: Axes, rose: Rose, colour: str) -> None:
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    phases = 2 * np.pi * np.mod(rose.level * rose.numbers, 1.0)
    half = np.pi / _ROSE_BINS  # the first bin has the beat in its middle
    counts, edges = np.histogram(np.mod(phases + half, 2 * np.pi), bins=_ROSE_BINS, range=(0, 2 * np.pi))
    reach = max(counts.max(initial=0), 1)
    # Areas speak, so the radius goes with the root of the count.
    axes.bar(edges[:-1], np.sqrt(counts / reach), width=2 * half, color=colour, alpha=0.55, edgecolor="white", lw=0.4)
    vector = mean_vector(rose.numbers, rose.level)
    around = np.linspace(0, 2 * np.pi, 90)
    if len(rose.numbers) > 1:
        axes.plot(around, np.full(90, random_ceiling(len(rose.numbers))), ls=(0, (3, 3)), color=PALE, lw=0.8)
    arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    if abs(vector) > 0.02:
        axes.annotate("", (np.angle(vector), abs(vector)), (0, 0), arrowprops=arrow)
    axes.set_ylim(0, 1.04)
    axes.set_yticks([])
    axes.set_xticks(np.arange(4) * np.pi / 2, ["beat", "+¼", "½", "−¼"], fontsize=7, color=PALE)
    axes.tick_params(pad=-3)
    axes.grid(color=GRID, lw=0.6)
    axes.spines["polar"].set_color(GRID)
    lag_ms = 1000 * lag_of(vector, rose.level, rose.period_s)
    lag = f", {lag_ms:+.0f} ms" if abs(vector) >= 0.4 else ""
    axes.set_title(rose.system, fontsize=8.5, fontweight="bold", color=INK, pad=7)
    axes.set_xlabel(f"R {abs(vector):.2f}{lag}   n {len(rose.numbers)}", fontsize=7.5, color=INK, labelpad=3)


@dataclass(frozen=True, slots=True)
class SongR:
    """Phase concentration of one song under four kinds of music, means over seeds with their interval."""

    song: str
    right: Cell
    shifted: Cell  #: heard half a beat late, scored against the late beats or the true ones: R is the same
    wrong: Cell
    silent: Cell


def song_bars(path: str | Path, songs: Sequence[SongR], level: float = 1.0) -> None:
    """R of every song under right, late, wrong and no music."""
    figure = _figure(_WIDE, 2.6)
    axes = figure.add_subplot()
    kinds = (("right", COLOURS[0]), ("shifted", "#8fd0ca"), ("wrong", COLOURS[1]), ("silent", CONTROL_GREYS[1]))
    names = {"right": "right music", "shifted": "half a beat late", "wrong": "another song", "silent": "silence"}
    for k, (kind, colour) in enumerate(kinds):
        cells = [getattr(song, kind) for song in songs]
        x = np.arange(len(songs)) + 0.2 * (k - 1.5)
        axes.bar(x, [c.value for c in cells], width=0.18, color=colour, label=names[kind])
        _whiskers(axes, x, cells)
    axes.axhline(0.3, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.text(len(songs) - 0.45, 0.305, "asked for", fontsize=7, va="bottom", ha="right", color=INK)
    slant = {"rotation": 22, "ha": "right"} if len(songs) > 6 else {}
    axes.set_xticks(np.arange(len(songs)), [s.song.replace("_", " ") for s in songs], fontsize=8, **slant)
    axes.set_xlim(-0.6, len(songs) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_ylabel(f"R at level {level:g}", fontsize=8)
    axes.legend(fontsize=7.5, ncols=4, frameon=False, loc="upper left")
    _plain(axes)
    axes.grid(axis="y", color=GRID, lw=0.6)
    save(figure, path)


def _whiskers(axes: Axes, x: np.ndarray, cells: Sequence[Cell]) -> None:
    for at, cell in zip(x, cells, strict=True):
        if cell.low is not None and cell.high is not None:
            axes.plot([at, at], [cell.low, cell.high], color=INK, lw=1.0, solid_capstyle="butt")


# Distribution ---------------------------------------------------------------------------------------------------------


def distances(path: str | Path, table: Table, keys: Sequence[str]) -> None:
    """Distances of every system in yardsticks: 1 is what real dance has to itself. Band = what real halves reach.

    Rows without a yardstick above zero are left out; ValueError when none is left.
    """
    kept = [k for k in keys if (cell := table.cell(k, REAL)) is not None and cell.value > 0]
    if not kept:
        raise ValueError(f"no distance with a yardstick above zero among {', '.join(keys)}")
    systems = [s for s in table.systems if s != REAL and any(table.cell(k, s) for k in kept)]
    titles = {m.key: m.title for m in table.measures}
    figure = _figure(_WIDE, 0.6 + (0.22 + 0.115 * len(systems)) * len(kept))
    axes = figure.add_subplot()
    room = len(systems) + 1.6
    for row, key in enumerate(kept):
        _distance_row(axes, table, key, systems, row * room)
    far = max(c.value / table.cell(k, REAL).value for k in kept for s in systems if (c := table.cell(k, s)))
    axes.set_xscale("log")
    axes.set_xlim(0.25, max(4.0, 1.3 * far) if np.isfinite(far) else None)
    axes.axvline(1.0, color=INK, lw=0.9)
    axes.axvline(1.5, color=INK, lw=0.9, ls=(0, (4, 3)))
    axes.set_yticks([k * room + (len(systems) - 1) / 2 for k in range(len(kept))], [titles[k] for k in kept])
    axes.set_ylim(room * len(kept) - 1.2, -1.2)
    axes.set_xlabel("times the yardstick (real dance beside real dance; dashed: 1.5)", fontsize=8)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    marks = [Line2D([], [], marker="o", ls="", color=colour_of(s, table.systems), label=s) for s in systems]
    marks.append(Patch(color="#d5d9e2", label="real halves"))
    axes.legend(handles=marks, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _plain(axes)
    axes.grid(axis="x", color=GRID, lw=0.6)
    save(figure, path)


def _distance_row(axes: Axes, table: Table, key: str, systems: Sequence[str], top: float) -> None:
    yard = table.cell(key, REAL)
    ends = [yard.value if end is None else end for end in (yard.low, yard.high)]
    low, high = max(ends[0] / yard.value, 0.01), ends[1] / yard.value
    axes.fill_between([low, max(high, low)], top - 0.8, top + len(systems) - 0.2, color="#d5d9e2", lw=0)
    for k, system in enumerate(systems):
        cell = table.cell(key, system)
        if cell is None or not np.isfinite(cell.value):
            continue
        colour = colour_of(system, table.systems)
        value = max(cell.value / yard.value, 0.25)
        if cell.low is not None and cell.high is not None:
            span = [max(end / yard.value, 0.01) for end in (cell.low, cell.high)]
            axes.plot(span, [top + k] * 2, color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot(value, top + k, "o", color=colour, ms=4)


def novelty(
    path: str | Path, real_mm: np.ndarray, made_mm: Mapping[str, np.ndarray], *, percentile: float = 5.0
) -> None:
    """How far windows are from the nearest training window: shares of real ones beside those of systems."""
    figure = _figure(_WIDE, 2.5)
    axes = figure.add_subplot()
    everything = [v[np.isfinite(v)] for v in (real_mm, *made_mm.values())]
    top = max((float(np.percentile(v, 99)) for v in everything if len(v)), default=1.0)
    bins = np.linspace(0, 1.05 * top, 36)
    real = everything[0]
    axes.hist(real, bins, weights=np.full(len(real), 100 / max(len(real), 1)), color="#c9ced9", label=REAL)
    for name, values in zip(made_mm, everything[1:], strict=True):
        weights = np.full(len(values), 100 / max(len(values), 1))
        colour = colour_of(name, list(made_mm))
        axes.hist(values, bins, weights=weights, histtype="step", lw=1.6, color=colour, label=name)
    if len(real):
        limit = float(np.percentile(real, percentile))
        axes.axvline(limit, color=BAD, lw=1.0, ls=(0, (4, 3)))
        axes.text(limit, 0.98, " nearer: copied", fontsize=7, color=BAD, va="top", transform=axes.get_xaxis_transform())
    axes.set_xlabel("mean joint distance to the nearest training window [mm]", fontsize=8)
    axes.set_ylabel("windows [%]", fontsize=8)
    axes.legend(fontsize=7.5, frameon=False)
    _plain(axes)
    save(figure, path)


# Body -----------------------------------------------------------------------------------------------------------------


def feet(path: str | Path, motions: Sequence[tuple[str, Motion]], *, from_s: float = 0.0, seconds: float = 6.0) -> None:
    """Height of both foot joints, and how fast they slide while in contact, for some seconds of each motion."""
    figure = _figure(_WIDE, 1.55 * len(motions) + 0.35)
    grid = figure.subplots(2 * len(motions), 1, sharex=True, height_ratios=[2.2, 1.0] * len(motions))
    for k, (name, motion) in enumerate(motions):
        _feet(grid[2 * k], grid[2 * k + 1], name, at_judge_rate(motion), from_s, seconds)
    grid[-1].set_xlabel("seconds", fontsize=8)
    sides = [Line2D([], [], color=c, label=n) for n, c in (("left foot", "#2f6fde"), ("right foot", "#d8453e"))]
    grid[0].legend(handles=sides, fontsize=7, frameon=False, ncols=2, loc="upper right")
    save(figure, path)


def _feet(heights: Axes, slides: Axes, name: str, motion: Motion, from_s: float, seconds: float) -> None:
    both = motion.positions[:, FEET]
    touch, speed = contacts(both[..., 1], JUDGE_HZ), floor_speed(both, JUDGE_HZ)
    shown = slice(round(from_s * JUDGE_HZ), round((from_s + seconds) * JUDGE_HZ))
    time_s = np.arange(len(both))[shown] / JUDGE_HZ
    heights.axhspan(0, 3, color="#d9f0e2", lw=0)
    for side, colour in enumerate(("#2f6fde", "#d8453e")):
        heights.plot(time_s, 100 * both[shown, side, 1], color=colour, lw=1.2)
        sliding = np.where(touch[shown, side], 100 * speed[shown, side], np.nan)
        slides.fill_between(time_s, 0, np.nan_to_num(sliding), color=colour, alpha=0.6, lw=0)
    heights.axhline(0, color=INK, lw=0.8)
    low, high = (100 * float(f(both[shown, :, 1])) for f in (np.min, np.max))
    heights.set_ylim(min(-4, low - 1), min(max(20, high + 2), 60))
    heights.set_ylabel("height\n[cm]", fontsize=7)
    heights.set_title(name, fontsize=8.5, loc="left", fontweight="bold", color=INK, pad=3)
    slides.set_ylim(0, 80)
    slides.set_ylabel("slide\n[cm/s]", fontsize=7)
    for axes in (heights, slides):
        _plain(axes)
        axes.set_xlim(from_s, from_s + seconds)


# Music and form -------------------------------------------------------------------------------------------------------


def energy(
    path: str | Path,
    loudness_db: np.ndarray,
    motions: Mapping[str, Motion],
    changes: Sequence[tuple[float, str]] = (),
    title: str = "",
) -> None:
    """Loudness of a song over the speed of bodies that dance to it, changes of section marked. 0 = both begin."""
    figure = _figure(_WIDE, 2.9)
    sound, body = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.5])
    time_s = np.arange(len(loudness_db)) / JUDGE_HZ
    floor = float(np.max(loudness_db)) - 40 if len(loudness_db) else 0.0
    sound.fill_between(time_s, floor, np.maximum(loudness_db, floor), color="#c9ced9", lw=0)
    sound.set_ylabel("music [dB]", fontsize=8)
    systems = list(motions)
    for name, motion in motions.items():
        speed = smooth(joint_speed(motion.positions, motion.fps).mean(axis=1), 1.0 * motion.fps)
        at_s = np.arange(len(speed)) / motion.fps
        body.plot(at_s, speed, color=colour_of(name, systems), lw=1.4, label=name)
    body.set_ylim(0, 1.25 * body.get_ylim()[1])
    body.set_ylabel("body [m/s]", fontsize=8)
    body.set_xlabel("seconds", fontsize=8)
    body.legend(fontsize=7.5, frameon=False, ncols=4, loc="upper left")
    for axes in (sound, body):
        _plain(axes)
        axes.set_xlim(0, max(len(loudness_db) / JUDGE_HZ, 1.0))
        for at_s, _ in changes:
            axes.axvline(at_s, color=INK, lw=0.8, ls=(0, (2, 2)))
    for at_s, kind in changes:
        sound.text(at_s, 1.0, f" {kind}", fontsize=7, va="bottom", ha="left", transform=sound.get_xaxis_transform())
    sound.set_title(title, fontsize=8.5, loc="left", fontweight="bold", color=INK, pad=12 if changes else 4)
    save(figure, path)


def minutes(path: str | Path, speeds_m_s: Mapping[str, Sequence[float]], *, within: float = 0.3) -> None:
    """Mean joint speed of each minute; the band is what the last minute may differ from the first."""
    figure = _figure(_WIDE, 2.2)
    axes = figure.add_subplot()
    systems = list(speeds_m_s)
    for name, speeds in speeds_m_s.items():
        axes.plot(np.arange(1, len(speeds) + 1), speeds, "o-", color=colour_of(name, systems), lw=1.5, ms=4, label=name)
    if systems:
        first, most = speeds_m_s[systems[0]][0], max(len(v) for v in speeds_m_s.values())
        axes.axhspan((1 - within) * first, (1 + within) * first, color="#eceff5", lw=0)
        axes.set_xticks(np.arange(1, most + 1))
    axes.set_ylim(0, None)
    axes.set_xlabel("minute (first and last: the same music)", fontsize=8)
    axes.set_ylabel("joint speed [m/s]", fontsize=8)
    axes.legend(fontsize=7.5, frameon=False, ncols=3)
    _plain(axes)
    save(figure, path)


# All of it ------------------------------------------------------------------------------------------------------------


def scorecard(path: str | Path, table: Table) -> None:
    """The whole table at a glance: a square for every judged row of every system, green where it stands beside real."""
    rows = [m for m in table.measures if m.rules and any(table.cell(m.key, s) for s in table.systems)]
    groups = [g for g in Group if any(m.group is g for m in rows)]
    rows = [m for g in groups for m in rows if m.group is g]
    x, at = {}, 0.0
    for group in groups:
        here = [m for m in rows if m.group is group]
        x |= {m.key: at + k for k, m in enumerate(here)}
        at += max(len(here) + 0.6, 3.2)  # room for the group's name
    figure = _figure(_WIDE + 0.6, 0.27 * len(table.systems) + 1.95)
    axes = figure.add_subplot()
    for line, system in enumerate(table.systems):
        for measure in rows:
            _square(axes, x[measure.key], line, table, measure.key, system)
    axes.set_xlim(-0.6, at - 0.8)
    axes.set_ylim(len(table.systems) - 0.4, -0.6)
    axes.set_yticks(range(len(table.systems)), table.systems, fontsize=8)
    axes.set_xticks(list(x.values()), [m.title for m in rows], rotation=62, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", labelsize=6.2, length=0, pad=2)
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    for group in groups:
        first = next(m for m in rows if m.group is group)
        axes.text(x[first.key] - 0.45, -0.75, group.value, fontsize=8, fontweight="bold", color=INK, va="bottom")
    marks = [Patch(color=c, label=n) for c, n in ((GOOD, "beside real"), (BAD, "fails"))]
    marks += [Patch(color=UNSURE, label="fails, interval reaches in"), Patch(color=BLANK, label="not judged")]
    figure.legend(handles=marks, fontsize=7, frameon=False, ncols=4, loc="outside upper right")
    save(figure, path)


def _square(axes: Axes, x: float, y: float, table: Table, key: str, system: str) -> None:
    found = judge(table, key, system)
    fails = BAD if found.clear else UNSURE
    colour = {Outcome.PASSES: GOOD, Outcome.FAILS: fails, Outcome.NOT_JUDGED: BLANK}[found.outcome]
    axes.fill([x - 0.42, x + 0.42, x + 0.42, x - 0.42], [y - 0.4, y - 0.4, y + 0.4, y + 0.4], color=colour, lw=0)
