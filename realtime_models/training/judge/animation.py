"""A short looping animation of dancers side by side on one song: animated WebP, for a page. Needs Pillow, matplotlib.

The floor lights up on every beat of the music, a foot in contact glows green. Under each dancer lies the loop as a line
of time: strokes are beats of the music, dots its own motion beats, filled where they lie within 70 ms of a beat. The
loop is a whole number of bars. The same motions give the same bytes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from realtime_models.training.judge.beat import HIT_S, beats_of_curve, smooth
from realtime_models.training.judge.contact import FEET, contacts
from realtime_models.training.judge.figure import SOLE_M, STAGE, Camera, Colour, render, shadow, view_from
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.sheets import speed_curve

FRAME_MS = 50  #: 20 frames a second
LEAST_S, MOST_S, WISHED_S = 6.0, 10.0, 6.5  #: length of a loop
BAR = 4  #: beats that a loop is a whole number of, where they fit
MOST_BYTES = 700_000
QUALITIES = (10, 80)  #: of the encoder; the highest within that fits is taken, to 3 or so
CELL_PX, BODY_PX, HEAD_PX, TRACK_PX = 216, 256, 26, 30  #: width of a cell, heights of its parts
PIXELS_PER_M = 98.0
DOWN_RAD = 0.17  #: the eye is raised so far
FLOOR_PX = 38  #: the dancer's place on the floor is so far above the lower edge of its picture
WALL_M = 1.3  #: the wall is so far behind the dancer
DISC_M = 0.98  #: radius of the lamp in the floor: of one colour, since soft light costs bytes and breaks into blocks
FLASHES = (1.0, 0.45)  #: light of the frames from a beat on; then none, so that the picture rests
FOLLOW_S = 0.8  #: the camera follows the path smoothed by this,
FREE_M = 0.35  #: once it is so far from the middle of the loop: a resting background costs no bytes
LIT_S = 0.18  #: a motion beat shines so long after it
ACCENTS: tuple[Colour, ...] = ((0.22, 0.80, 0.74), (0.96, 0.68, 0.26), (0.72, 0.52, 1.0), (0.95, 0.45, 0.62))
WALL: Colour = (0.055, 0.06, 0.095)
FLOOR: Colour = (0.105, 0.115, 0.165)
CONTACT: Colour = (0.30, 1.0, 0.50)
INK = (236, 238, 245)


@dataclass(frozen=True, slots=True)
class Dancer:
    """One body of an animation; frame 0 of the motion is second 0 of the song."""

    name: str
    motion: Motion


def loop_span(beats_s: np.ndarray, from_s: float, wished_s: float = WISHED_S) -> tuple[float, float]:
    """Begin and end [s]: from the first beat at or after ``from_s`` over whole bars, else whole beats, of 6 to 10 s.

    The length nearest to ``wished_s`` is taken. ValueError when the song has no such stretch.
    """
    beats_s = np.asarray(beats_s, np.float64)
    first = int(np.searchsorted(beats_s, from_s - 1e-9))
    for step in (BAR, 1):
        ends = beats_s[first + step :: step]
        fits = ends[(ends - beats_s[first : first + 1] >= LEAST_S) & (ends - beats_s[first : first + 1] <= MOST_S)]
        if len(fits):
            start = float(beats_s[first])
            return start, float(fits[np.abs(fits - start - wished_s).argmin()])
    raise ValueError(f"no loop of {LEAST_S:g} to {MOST_S:g} s from beat to beat after second {from_s:g}")


def animate(
    dancers: Sequence[Dancer],
    beats_s: np.ndarray,
    path: str | Path,
    *,
    from_s: float = 0.0,
    title: str = "",
    wished_s: float = WISHED_S,
    most_bytes: int = MOST_BYTES,
) -> tuple[float, float]:
    """Write the animation and return its span of the song [s].

    ValueError when there is no dancer, no such stretch of beats, or a dance ends before the loop does.
    """
    if not dancers:
        raise ValueError("an animation needs a dancer")
    start, end = loop_span(beats_s, from_s, wished_s)
    for dancer in dancers:
        if dancer.motion.seconds < end:
            raise ValueError(f"{dancer.name}: {dancer.motion.seconds:.1f} s of motion, the loop ends at {end:.1f} s")
    times_s = start + np.arange(round((end - start) * 1000 / FRAME_MS)) * FRAME_MS / 1000
    columns = [_column(d, times_s, np.asarray(beats_s), ACCENTS[k % len(ACCENTS)]) for k, d in enumerate(dancers)]
    head = _head([d.name for d in dancers], title)
    frames = [
        Image.fromarray(np.vstack([head, np.hstack([column[n] for column in columns])])) for n in range(len(times_s))
    ]
    Path(path).write_bytes(_encoded(frames, most_bytes))
    return start, end


def _encoded(frames: Sequence[Image.Image], most_bytes: int) -> bytes:
    low, high = QUALITIES
    best = _webp(frames, low)
    if len(best) > most_bytes:
        raise ValueError(f"{len(best)} bytes at quality {low}, at most {most_bytes} are wanted")
    while high - low > 3:  # sizes grow with quality: halve the range
        quality = (low + high) // 2
        tried = _webp(frames, quality)
        if len(tried) <= most_bytes:
            best, low = tried, quality
        else:
            high = quality
    return best


def _webp(frames: Sequence[Image.Image], quality: int) -> bytes:
    out = io.BytesIO()
    whole = len(frames)  # one whole picture, then differences
    about = {"duration": FRAME_MS, "loop": 0, "quality": quality, "method": 4, "kmin": whole, "kmax": whole + 1}
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], **about)
    return out.getvalue()


# One dancer -----------------------------------------------------------------------------------------------------------


def _column(dancer: Dancer, times_s: np.ndarray, beats_s: np.ndarray, accent: Colour) -> list[np.ndarray]:
    """Pictures (BODY_PX + TRACK_PX, CELL_PX, 3) uint8, one an instant."""
    motion = dancer.motion
    positions = _at(motion.positions, motion.fps, times_s)
    path = _camera_path(_at(smooth(motion.positions[:, 0], FOLLOW_S * motion.fps), motion.fps, times_s))
    nearest = np.clip(np.round(times_s * motion.fps).astype(int), 0, len(motion.positions) - 1)
    touching = contacts(motion.positions[:, FEET, 1], motion.fps)[nearest]
    own = beats_of_curve(speed_curve(motion), motion.fps)
    pictures = []
    for n, now_s in enumerate(times_s):
        scene = _scene(positions[n], path[n], touching[n], _flash(now_s, beats_s), accent)
        body = np.round(255 * np.clip(scene, 0, 1)).astype(np.uint8)
        pictures.append(np.vstack([body, _track(now_s, times_s[[0, -1]], beats_s, own, accent)]))
    return pictures


def _at(values: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Values (F, ...) at times (n,), between two frames on a straight line."""
    at = np.clip(times_s * fps, 0, len(values) - 1)
    low = np.minimum(at.astype(int), len(values) - 2) if len(values) > 1 else np.zeros(len(at), int)
    share = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share


def _camera_path(pelvis: np.ndarray) -> np.ndarray:
    """Where the camera looks (n, 3): the middle of the path (n, 3), and further only as far as it must."""
    middle = 0.5 * (pelvis.min(axis=0) + pelvis.max(axis=0))
    off = pelvis - middle
    return middle + np.sign(off) * np.maximum(np.abs(off) - FREE_M, 0.0)


def _flash(now_s: float, beats_s: np.ndarray) -> float:
    """Light of the last beat."""
    past = beats_s[beats_s <= now_s + 1e-9]
    frames = int((now_s - past[-1]) * 1000 / FRAME_MS + 1e-6) if len(past) else len(FLASHES)
    return FLASHES[frames] if frames < len(FLASHES) else 0.0


def _scene(positions: np.ndarray, centre: np.ndarray, touching: np.ndarray, flash: float, accent: Colour) -> np.ndarray:
    """Picture (BODY_PX, CELL_PX, 3) of a body, the camera over ``centre`` (3,)."""
    view = view_from(0.0, DOWN_RAD)
    floor_up = float(view[1] @ np.array([centre[0], -SOLE_M, centre[2]]))
    top_m = floor_up + (BODY_PX - FLOOR_PX) / PIXELS_PER_M
    camera = Camera(view, PIXELS_PER_M, CELL_PX, BODY_PX, centre[0] - CELL_PX / PIXELS_PER_M / 2, top_m)
    x = centre[0] + (np.arange(CELL_PX) + 0.5 - CELL_PX / 2) / PIXELS_PER_M
    up = top_m - (np.arange(BODY_PX) + 0.5) / PIXELS_PER_M
    z = (-SOLE_M * view[1, 1] - up) / -view[1, 2]
    picture = _room(x, z, centre, flash, accent)
    floor = np.flatnonzero(z > centre[2] - WALL_M)
    grid_x, grid_z = np.meshgrid(x, z[floor])
    glow = _glow(positions, touching, grid_x, grid_z)
    picture[floor] *= 1 - 0.75 * _coarse(lambda a, b: shadow(positions, a, b), grid_x, grid_z)[..., None]
    picture[floor] += glow[..., None] * (np.array(CONTACT) - picture[floor])
    body = render(positions, camera, STAGE, finer=3)
    return picture * (1 - body[..., 3:]) + body[..., :3]


def _room(x: np.ndarray, z: np.ndarray, centre: np.ndarray, flash: float, accent: Colour) -> np.ndarray:
    """Wall, floor and the lamp in it."""
    wall = (z <= centre[2] - WALL_M)[:, None, None]
    away_px = (DISC_M - np.hypot(x[None, :] - centre[0], z[:, None] - centre[2])) * PIXELS_PER_M * 0.35
    lamp, rim = np.clip(away_px + 0.5, 0, 1), np.clip(2.2 - np.abs(away_px - 1.2), 0, 1)
    light = np.maximum((0.10 + 0.42 * flash) * lamp, (0.42 + 0.5 * flash) * rim)
    floor = np.array(FLOOR) * (1 - light[..., None]) + np.array(accent) * light[..., None]
    return np.where(wall, np.array(WALL), floor)


def _glow(positions: np.ndarray, touching: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Light (0-1) around feet in contact at floor points x, z."""
    glow = np.zeros(x.shape)
    for foot, touches in zip(FEET, touching, strict=True):
        if touches:
            away = np.hypot(x - positions[foot, 0], z - positions[foot, 2] + 0.03)
            glow = np.maximum(glow, np.exp(-((away / 0.15) ** 6)))
    return 0.8 * glow


def _coarse(dark, x: np.ndarray, z: np.ndarray, step: int = 3) -> np.ndarray:
    """``dark`` at every third point, and evenly between: shadows are soft."""
    small = Image.fromarray(dark(x[::step, ::step], z[::step, ::step]).astype(np.float32))
    return np.asarray(small.resize((x.shape[1], x.shape[0]), Image.Resampling.BILINEAR))


# Words and beats ------------------------------------------------------------------------------------------------------


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    return tuple(round(255 * c) for c in colour)


def _head(names: Sequence[str], title: str) -> np.ndarray:
    """Names over the dancers, the title at the right end of the line."""
    picture = Image.new("RGB", (CELL_PX * len(names), HEAD_PX), _rgb(WALL))
    draw, font = ImageDraw.Draw(picture), _font(13, bold=True)
    for k, name in enumerate(names):
        draw.text((CELL_PX * k + 10, 6), name, fill=_rgb(ACCENTS[k % len(ACCENTS)]), font=font)
    if title:
        small = _font(11)
        left = picture.width - 8 - small.getlength(title)
        if left > CELL_PX * (len(names) - 1) + 18 + font.getlength(names[-1]):
            draw.text((left, 8), title, fill=(150, 154, 170), font=small)
    return np.asarray(picture)


def _track(
    now_s: float, span_s: np.ndarray, beats_s: np.ndarray, own_s: np.ndarray, accent: Colour, finer: int = 3
) -> np.ndarray:
    """The loop's beats (strokes) and motion beats (dots) from left to right, and where it is now."""
    width, height, ground = CELL_PX * finer, TRACK_PX * finer, (9, 10, 16)
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    (start, end), margin = span_s, 9 * finer

    def x_of(time_s: float) -> float:
        return margin + (time_s - start) / (end - start) * (width - 2 * margin)

    def inside(all_s: np.ndarray) -> np.ndarray:
        return all_s[(all_s > start - 0.05) & (all_s < end + 0.05)]

    for time_s in inside(beats_s):
        x = x_of(time_s)
        draw.rectangle((x - 0.6 * finer, 5 * finer, x + 0.6 * finer, height - 5 * finer), fill=(104, 109, 132))
    x = x_of(now_s)
    draw.rectangle((x - finer, 0, x + finer, height), fill=INK)
    for time_s in inside(own_s):
        x, shines = x_of(time_s), 0.0 <= now_s - time_s < LIT_S
        on = len(beats_s) > 0 and np.abs(beats_s - time_s).min() <= HIT_S
        radius = (5.5 if shines else 3.6) * finer
        box = (x - radius, height / 2 - radius, x + radius, height / 2 + radius)
        colour = INK if shines else _rgb(accent)
        draw.ellipse(box, fill=colour if on else ground, outline=colour, width=round(1.3 * finer))
    return np.asarray(picture.resize((CELL_PX, TRACK_PX), Image.Resampling.BOX))
