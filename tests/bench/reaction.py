"""From a sudden onset to visible movement, per output, with leads of 0, 80 and 200 ms side by side.

The file is silence broken by drums three times. *Shown* is when a datagram arrived plus the output's lead (what the
lead stands for: the output's own delay). *Visible* is the first shown pose after the onset whose mean joint speed is
above 0.3 rad/s: the breathing idle stays below 0.06, dancing is at 1 to 3. An onset counts only when the body was at
rest in the second before it. So the figure holds the ear, the horizon, the row and the model's start of a movement. The
same is run with the output of lead 0 alone: the difference is what the larger leads cost it.
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
from pythonosc.osc_bundle import OscBundle

from tests.bench.running import Datagrams, free_port, receive, running_show

RATE = 48_000
REST_S, DRUMS_S = 14.0, 5.0
LEADS_MS = (0, 80, 200)
VISIBLE_RAD_S = 0.3


def run(short: bool = False) -> list[dict]:
    onsets = 1 if short else 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "onsets.wav"
        soundfile.write(path, drums_after_rest(onsets), RATE)
        alone = reactions(path, (0,), onsets)
        together = reactions(path, LEADS_MS, onsets)
    figures = [figure("reaction, lead 0 alone", 0, alone[0])]
    return figures + [figure("reaction, leads together", lead, together[lead]) for lead in LEADS_MS]


def figure(name: str, lead_ms: int, values_ms: list[float]) -> dict:
    ends = {"median": np.median(values_ms), "min": min(values_ms), "max": max(values_ms)}
    return {
        "figure": f"onset to visible, {name.removeprefix('reaction, ')}",
        "lead_ms": lead_ms,
        "unit": "ms",
        **{key: round(float(value), 1) for key, value in ends.items()},
        "n": len(values_ms),
    }


def onset_s(number: int) -> float:
    return REST_S + number * (REST_S + DRUMS_S)


def drums_after_rest(onsets: int) -> np.ndarray:
    """Mono: rest, then kick and hat at 120 a minute, and again."""
    rng = np.random.default_rng(1)
    sound = np.zeros(int((onset_s(onsets) + 1.0) * RATE), np.float32)
    t = np.arange(int(0.2 * RATE)) / RATE
    kick = 0.8 * np.exp(-t * 18) * np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-t * 40))))
    hat = 0.25 * np.exp(-t * 90) * rng.standard_normal(len(t))
    for number in range(onsets):
        for beat in range(int(DRUMS_S * 4)):
            at = int((onset_s(number) + 0.25 * beat) * RATE)
            sound[at : at + len(t)] += hat if beat % 2 else kick + hat
    return np.clip(sound, -1, 1)


def reactions(path: Path, leads_ms: tuple[int, ...], onsets: int) -> dict[int, list[float]]:
    """Milliseconds from each onset to visible movement, per lead."""
    receivers = {lead: Datagrams() for lead in leads_ms}
    for receiver in receivers.values():
        receiver.start()
    outputs = [f"vmc=127.0.0.1:{receiver.port}?lead_ms={lead}" for lead, receiver in receivers.items()]
    port, arguments = free_port(), [part for output in outputs for part in ("--out", output)]
    seconds = onset_s(onsets)
    with running_show(
        "--input", str(path), "--stage", f"127.0.0.1:{port}?lead_ms=0", *arguments, seconds=seconds
    ) as show:
        heard = receive(port, show)
    zero = heard.stream_zero()
    found: dict[int, list[float]] = {}
    for lead, receiver in receivers.items():
        shown_s, speed = joint_speed(receiver.finish(), zero, lead / 1e3)
        seen = [visible_after(shown_s, speed, onset_s(number)) for number in range(onsets)]
        found[lead] = [1e3 * one for one in seen if one is not None]
        if not found[lead]:
            raise RuntimeError(f"no onset counts at lead {lead} ms: no rest before, or no movement after it")
    return found


def visible_after(shown_s: np.ndarray, speed: np.ndarray, onset: float) -> float | None:
    """Seconds from the onset to visible movement; None where the body was not at rest before it."""
    if speed[(shown_s > onset - 1.0) & (shown_s <= onset)].max() > VISIBLE_RAD_S:
        return None
    moving = shown_s[(shown_s > onset) & (speed > VISIBLE_RAD_S)]
    return float(moving[0] - onset) if len(moving) and moving[0] < onset + DRUMS_S else None


def joint_speed(datagrams: list[tuple[float, bytes]], zero: float, lead_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Stream time at which each pose is shown [s] and the mean angular speed of the bones there [rad/s]."""
    frames = vmc_frames(datagrams)
    shown = np.array([at for at, _ in frames]) - zero + lead_s
    names = sorted(frames[0][1])
    quats = np.array([[bones[name] for name in names] for _, bones in frames])
    dots = np.abs(np.sum(quats[1:] * quats[:-1], axis=-1)).clip(0, 1)
    elapsed = np.maximum(np.diff(shown), 1 / 240)
    return shown[1:], (2 * np.arccos(dots)).mean(axis=1) / elapsed


def vmc_frames(datagrams: list[tuple[float, bytes]]) -> list[tuple[float, dict[str, tuple[float, ...]]]]:
    """Arrival of its last datagram and the bones (name -> quaternion) of each whole frame; a root begins a frame."""
    frames: list[tuple[float, dict[str, tuple[float, ...]]]] = []
    for at, content in datagrams:
        for message in OscBundle(content):
            if message.address == "/VMC/Ext/Root/Pos":
                frames.append((at, {}))
            elif message.address == "/VMC/Ext/Bone/Pos" and frames:
                bones = frames[-1][1] | {message.params[0]: tuple(message.params[4:8])}
                frames[-1] = (at, bones)
    whole = max(len(bones) for _, bones in frames)
    return [(at, bones) for at, bones in frames if len(bones) == whole]
