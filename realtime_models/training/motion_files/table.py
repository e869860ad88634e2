"""CSV: joint positions in columns such as ``left_knee_x, left_knee_y, left_knee_z``, one row a frame."""

import csv
import io
import re
from pathlib import Path

import numpy as np

from realtime_models.training.motion_files.house import Body, house_or_refuse
from realtime_models.training.motion_files.motion import Motion
from realtime_models.training.motion_files.names import match
from realtime_models.training.motion_files.reading import (
    Reading,
    check_finite,
    check_frames,
    check_rate,
    check_size,
    refusal,
)

ACCEPTED = (
    "CSV with a header, positions as JOINT_x, JOINT_y, JOINT_z (or JOINT.x, JOINT:x, JOINT_pos_x, JOINTX), joints named"
    " as in BVH files, and a column time (s), time_ms or frame; separated by comma, semicolon or tab"
)
_TIME = {"time": 1.0, "time_s": 1.0, "t": 1.0, "seconds": 1.0, "timestamp": 1.0, "time_ms": 1e-3, "timestamp_ms": 1e-3}
_FRAME = ("frame", "frame_id", "frame_index", "index", "")
_AXIS = re.compile(
    r"^(?P<joint>.+?)(?:[\s._:\-\[(]*(?:position|pos|loc|location|translation|trans|world))?"
    r"(?:[\s._:\-\[(]+|(?<=[a-z0-9]))(?P<axis>[xyz]|[XYZ])[\])]?(?:\s*\(?(?:m|cm|mm)\)?)?$"
)
_START_S = 10.0  #: a time column that starts within this is the music's time


def read(path: Path, fps: float | None = None) -> list[Reading]:
    """The body of a table. Raises ConfigError."""
    check_size(path, ACCEPTED)
    header, values = _table(path)
    joints = _joints(path, header, values)
    times_s = next((values[:, k] * _TIME[h.lower()] for k, h in enumerate(header) if h.lower() in _TIME), None)
    frames = next((values[:, k] for k, h in enumerate(header) if h.lower() in _FRAME), None)
    check_frames(path, len(values), ACCEPTED)
    start_s, notes = 0.0, []
    hz = fps
    if times_s is not None:
        check_finite(path, times_s, "times", ACCEPTED)
        if (np.diff(times_s) <= 0).any():
            raise refusal(path, "its times do not go up", ACCEPTED)
        hz, at, notes = _even(times_s)
        hz, more = check_rate(path, hz, None, ACCEPTED)
        start_s = float(times_s[0]) if 0 <= times_s[0] <= _START_S else 0.0
        if times_s[0] and not start_s:
            notes.append(f"times start at {times_s[0]:.3f} s: taken as the start of the music")
    else:
        hz, more = check_rate(path, None, fps, ACCEPTED)
        at = None
        if frames is not None and (np.diff(frames) != 1).any():
            if (np.diff(frames) < 1).any() or not np.isfinite(frames).all():
                raise refusal(path, "its frames do not count up", ACCEPTED)
            check_frames(path, int(frames[-1] - frames[0]) + 1, ACCEPTED)
            at = np.interp(np.arange(frames[0], frames[-1] + 0.5), frames, np.arange(len(frames)))
            notes.append(f"{len(at) - len(frames)} missing frames: drawn straight between their neighbours")
    if at is not None:
        check_frames(path, len(at), ACCEPTED)
        joints = {name: _sampled(points, at) for name, points in joints.items()}
    body = _body(path, joints)
    housed = house_or_refuse(path, body, hz, ACCEPTED)
    return [Reading(Motion(path.stem, housed.positions, hz), (*notes, *more, *housed.notes), start_s)]


def _table(path: Path) -> tuple[list[str], np.ndarray]:
    """Header and numbers (F, columns); an empty cell is nan."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = csv.reader(io.StringIO(text), delimiter=separator)
        header = [cell.strip() for cell in next(rows)]
        lines = [row for row in rows if any(cell.strip() for cell in row)]
    except (csv.Error, StopIteration) as error:
        raise refusal(path, f"is no table ({error})", ACCEPTED) from error
    if len(header) < 4 or not any(_AXIS.match(name) for name in header):
        raise refusal(path, f"its first line names no positions: '{first.strip()[:60]}'", ACCEPTED)
    if wrong := [n for n, row in enumerate(lines, 2) if len(row) != len(header)]:
        raise refusal(path, f"line {wrong[0]} has not {len(header)} columns as the first line has", ACCEPTED)
    wanted = [bool(_AXIS.match(name)) or name.lower() in (*_TIME, *_FRAME) for name in header]
    values = np.full((len(lines), len(header)), np.nan)
    for row, line in enumerate(lines):
        try:
            values[row] = [
                float(cell) if want and cell.strip() else np.nan for cell, want in zip(line, wanted, strict=True)
            ]
        except ValueError as error:
            raise refusal(path, f"line {row + 2} has something else than a number ({error})", ACCEPTED) from error
    return header, values


def _joints(path: Path, header: list[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Joint name as written -> (F, 3). Raises ConfigError when an axis of one is absent."""
    columns: dict[str, dict[str, int]] = {}
    for k, name in enumerate(header):
        if name.lower() in (*_TIME, *_FRAME):
            continue
        if found := _AXIS.match(name):
            columns.setdefault(found["joint"], {})[found["axis"].lower()] = k
    return {joint: values[:, [at[a] for a in "xyz"]] for joint, at in columns.items() if len(at) == 3}


def _body(path: Path, joints: dict[str, np.ndarray]) -> Body:
    names = list(joints)
    matched = match(names)
    if missing := matched.missing():
        seen = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise refusal(path, f"no joint found for {', '.join(missing)} among {seen or 'no joints'}", ACCEPTED)
    used = {name: joints[names[index]] for name, index in matched.joints.items()}
    spine = [] if matched.exact_spine else [joints[names[index]] for index in matched.spine]
    for points in (*used.values(), *spine):
        check_finite(path, points, "positions", ACCEPTED)
    return Body(used, spine)


def _even(times_s: np.ndarray) -> tuple[float, np.ndarray | None, list[str]]:
    """Rate [Hz] of times (F,), rows to sample at when they are uneven, and what to note.

    The rate is that of all rows together, a whole number where the last row then is off by less than a tenth of a step;
    a time more than that off the rate makes the table uneven.
    """
    steps, long_s = np.diff(times_s), float(times_s[-1] - times_s[0])
    hz = (len(times_s) - 1) / long_s
    whole_hz = max(round(hz), 1)
    if abs((len(times_s) - 1) / whole_hz - long_s) < 0.1 / whole_hz:
        hz = float(whole_hz)
    even_s = times_s[0] + np.arange(len(times_s)) / hz
    if np.abs(times_s - even_s).max() <= 0.1 / hz:
        return hz, None, []
    hz = 1 / float(np.median(steps))
    rows = int(min(long_s * hz + 1e-3, 2e6)) + 1
    at = np.interp(times_s[0] + np.arange(rows) / hz, times_s, np.arange(len(times_s)))
    return hz, at, [f"uneven times ({1000 * steps.min():.1f} to {1000 * steps.max():.1f} ms): resampled at {hz:.4g} Hz"]


def _sampled(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (F, 3) at fractional rows (n,)."""
    low = np.minimum(at.astype(int), len(points) - 2)
    u = (at - low)[:, None]
    return points[low] * (1 - u) + points[low + 1] * u
