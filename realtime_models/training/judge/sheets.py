"""Contact sheets: what a dance looks like, on one picture, for eyes. Needs matplotlib, no display.

``sheet`` puts songs or systems into rows and beats into columns; ``strip`` shows one dense sequence from the front and
the side, so that knees, feet and hands can be judged. Left limbs blue, right limbs red, a green dash = foot in contact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from engine.skeleton import JOINTS
from realtime_models.training.judge.beat import (
    BEAT_JOINTS,
    SMOOTH_S,
    beat_score,
    beats_of_curve,
    joint_speed,
    smooth,
)
from realtime_models.training.judge.contact import FEET, contacts
from realtime_models.training.judge.figure import FRONT, SIDE, SOLE_M, Camera, render
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.pictures import save

BOTTOM_M = -0.14  #: lowest height shown
CELL_M = 1.3  #: room of one body
STAGE_M = 2.5  #: radius drawn in the top view
CONTACT = (0.10, 0.65, 0.25)
_DPI = 96


@dataclass(frozen=True, slots=True)
class Row:
    """One dance of a sheet."""

    title: str
    motion: Motion
    beats_s: np.ndarray  #: (n,) beats of the music; frame 0 is time 0
    first: int = 0  #: beat of the first column


def speed_curve(motion: Motion) -> np.ndarray:
    """Body speed (F,) [m/s] whose minima are motion beats, as ``beat.body_speed``."""
    points = motion.positions[:, list(BEAT_JOINTS)]
    return smooth(joint_speed(points, motion.fps).mean(axis=1), SMOOTH_S * motion.fps)


def sheet(rows: Sequence[Row], path: str | Path, *, columns: int = 12, title: str = "") -> None:
    """Write a PNG: per row ``columns`` bodies at successive beats and their path from above, and the speed curve.

    Grey lines are beats, red dots motion beats. ValueError where a row has too few beats.
    """
    # The curve's time axis runs under the bodies, so a body stands right above its beat when the tempo is steady.
    figure = Figure(figsize=(1.25 * columns + 2.2, 3.35 * len(rows) + 0.4), dpi=_DPI, layout="none")
    figure.suptitle(title, x=0.01, y=0.995, ha="left", va="top", fontsize=11)
    share = 1 - 0.4 / figure.get_figheight()
    for k, row in enumerate(rows):
        bottom, height = share * (1 - (k + 1) / len(rows)), share / len(rows)
        _draw_row(figure, row, columns, bottom, height)
    save(figure, path)


def _draw_row(figure: Figure, row: Row, columns: int, bottom: float, height: float) -> None:
    instants = row.beats_s[row.first : row.first + columns]
    if len(instants) < columns:
        raise ValueError(f"{row.title}: {len(instants)} beats from beat {row.first} on, a row needs {columns}")
    width = 1.25 * columns / figure.get_figwidth()
    bodies = figure.add_axes((0.005, bottom + 0.27 * height, width, 0.66 * height))
    curve = figure.add_axes((0.005, bottom + 0.07 * height, width, 0.17 * height))
    above = figure.add_axes((width + 0.012, bottom + 0.12 * height, 0.98 - width - 0.015, 0.72 * height))
    positions, fps = row.motion.positions, row.motion.fps
    frames = np.clip(np.round(instants * fps).astype(int), 0, len(positions) - 1)
    _draw_bodies(bodies, row.motion, frames, columns, FRONT)
    bodies.set_title(row.title, loc="left", fontsize=9, pad=2)
    half = float(np.median(np.diff(instants))) / 2
    _draw_curve(curve, row, instants[0] - half, instants[-1] + half)
    _draw_path(above, positions[frames[0] : frames[-1] + 1, 0], positions[frames, 0])


def _draw_bodies(axes: Axes, motion: Motion, frames: np.ndarray, columns: int, view: np.ndarray) -> None:
    axes.set_xlim(0, columns * CELL_M)
    box = axes.get_window_extent()
    axes.set_ylim(BOTTOM_M, BOTTOM_M + box.height / box.width * columns * CELL_M)
    axes.axis("off")
    axes.plot([0, columns * CELL_M], [-SOLE_M, -SOLE_M], color="0.6", lw=0.8, zorder=0)
    touching = contacts(motion.positions[:, FEET, 1], motion.fps)
    for k, frame in enumerate(frames):
        draw_body(axes, motion.positions[frame], (k + 0.5) * CELL_M, view)
        draw_contacts(axes, motion.positions[frame], (k + 0.5) * CELL_M, touching[frame], view)
    axes.set_xlim(0, columns * CELL_M)
    axes.set_ylim(BOTTOM_M, BOTTOM_M + box.height / box.width * columns * CELL_M)


def draw_body(axes: Axes, positions: np.ndarray, at_m: float, view: np.ndarray = FRONT) -> None:
    """Draw joint positions (22, 3) [m] with the pelvis at x = ``at_m`` of axes whose unit is the metre."""
    bottom, top = axes.get_ylim()
    left, right = axes.get_xlim()
    scale = axes.get_window_extent().width / (right - left)
    wide = 1.8  #: arms may reach into the neighbours' room
    width, height = round(wide * scale), round((top - bottom) * scale)
    centre = float(view[0] @ positions[0])
    picture = render(positions, Camera(view, scale, width, height, centre - wide / 2, top))
    colour = np.divide(picture[..., :3], picture[..., 3:], where=picture[..., 3:] > 0, out=np.zeros((height, width, 3)))
    extent = (at_m - wide / 2, at_m + wide / 2, bottom, top)
    axes.imshow(np.dstack([np.clip(colour, 0, 1), picture[..., 3]]), extent=extent, aspect="auto", zorder=2)


def draw_contacts(
    axes: Axes, positions: np.ndarray, at_m: float, touching: np.ndarray, view: np.ndarray = FRONT
) -> None:
    """A green dash under each foot joint in contact (2,) of positions (22, 3)."""
    for foot, touches in zip(("left_foot", "right_foot"), touching, strict=True):
        if touches:
            x = at_m + float(view[0] @ (positions[JOINTS.index(foot)] - positions[0]))
            axes.plot([x - 0.07, x + 0.07], [-0.08, -0.08], color=CONTACT, lw=2.2, solid_capstyle="butt")


def _draw_curve(axes: Axes, row: Row, from_s: float, to_s: float) -> None:
    speed = speed_curve(row.motion)
    time_s = np.arange(len(speed)) / row.motion.fps
    shown = (time_s >= from_s) & (time_s <= to_s)
    found = beats_of_curve(speed, row.motion.fps)
    inside = found[(found >= from_s) & (found <= to_s)]
    score = beat_score(found, row.beats_s)
    axes.vlines(row.beats_s, 0, 10, color="0.75", lw=1.0)
    axes.plot(time_s[shown], speed[shown], color="0.15", lw=1.1)
    axes.plot(inside, np.interp(inside, time_s, speed), "o", color="#d03030", ms=4)
    axes.set_xlim(from_s, to_s)
    axes.set_ylim(0, max(0.3, 1.08 * float(speed[shown].max(initial=0))))
    axes.tick_params(labelsize=6, length=2, pad=1)
    axes.set_yticks([])
    peak = f"peak {speed[shown].max(initial=0):.1f} m/s"
    text = f"R {score.r(0.5):.2f} {score.r(1):.2f} {score.r(2):.2f}  (n {score.n})  {peak}"
    axes.text(0.0, 1.02, text, transform=axes.transAxes, fontsize=6.5, va="bottom")


def _draw_path(axes: Axes, pelvis: np.ndarray, at_beats: np.ndarray) -> None:
    axes.add_patch(Circle((0, 0), STAGE_M, fill=False, color="0.7", lw=0.8))
    axes.plot(pelvis[:, 0], -pelvis[:, 2], color="0.3", lw=0.9)
    axes.plot(at_beats[:, 0], -at_beats[:, 2], ".", color="#d03030", ms=3)
    axes.plot(at_beats[:1, 0], -at_beats[:1, 2], "o", color="#d03030", ms=4)
    reach = max(STAGE_M * 1.04, float(np.abs(pelvis[:, [0, 2]]).max()) * 1.04)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title("from above", fontsize=6.5, pad=0)


def strip(
    motion: Motion,
    path: str | Path,
    every: int = 4,
    title: str = "",
    *,
    columns: int = 16,
    start: int = 0,
    count: int = 48,
) -> None:
    """Write a PNG of at most ``count`` bodies, one in ``every`` frames from frame ``start`` on, ``columns`` in a line.

    Each line stands there once from the front and once from the side.
    """
    fps = motion.fps
    frames = np.arange(start, len(motion.positions), every)[:count]
    lines = [frames[k : k + columns] for k in range(0, len(frames), columns)]
    figure = Figure(figsize=(0.95 * columns, 3.4 * len(lines) + 0.35), dpi=_DPI)
    figure.suptitle(f"{title}  (every {every} frames at {fps:g} Hz)", x=0.01, y=0.995, ha="left", va="top", fontsize=10)
    share = 1 - 0.35 / figure.get_figheight()
    height = share / (2 * len(lines))
    for k, line in enumerate(lines):
        for half, view in enumerate((FRONT, SIDE)):
            bottom = share - (2 * k + half + 1) * height
            axes = figure.add_axes((0.003, bottom, 0.994, 0.97 * height))
            _draw_bodies(axes, motion, line, columns, view)
            label = f"{line[0] / fps:.2f} s  {'front' if view is FRONT else 'side'}"
            axes.text(0.02, axes.get_ylim()[1] - 0.02, label, fontsize=6.5, color="0.3", va="top")
    save(figure, path)
