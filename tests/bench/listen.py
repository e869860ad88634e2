"""How well the ear predicts beats, and what it costs: CORYBANT_DATA=../shared python -m tests.bench.listen

A prediction counts as it stood before its beat: F (70 ms) one model frame ahead and 300 ms ahead, AMLt, median offset;
the first 5 s are not scored. Needs mir_eval (extra ``dev``).
"""

import json
import os
import time
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.listen import Front, listen_step, start_listening
from engine.sources import open_file
from engine.types import MODEL_HZ, BeatClock

SCORED_FROM_S = 5.0


def hear(path: Path) -> tuple[list[tuple[float, BeatClock]], float, float]:
    """Clocks (time at which each stood, clock), CPU seconds of front and listener, seconds of sound."""
    source = open_file(str(path))
    front, state, clocks, cpu_s = Front(source.rate), start_listening(), [], 0.0
    for block in source:
        began = time.process_time()
        for heard in front.push(block):
            state, features = listen_step(state, heard.samples, heard.gap)
            clocks.append((features.frame / 60.0, features.beat))
        cpu_s += time.process_time() - began
    return clocks, cpu_s, len(clocks) / MODEL_HZ


def predicted(clocks: list[tuple[float, BeatClock]], ahead_s: float = 0.0) -> np.ndarray:
    """Beat times (N,) as predicted ``ahead_s`` (and at most one model frame more) before they fall."""
    beats: list[float] = []
    for now_s, clock in clocks:
        due_s = now_s + ahead_s
        beat_s = float(clock.time_of(np.ceil(clock.beats_at(due_s))))
        if beat_s < due_s + 1.0 / MODEL_HZ and (not beats or beat_s - beats[-1] > 0.5 * clock.period_s):
            beats.append(beat_s)
    return np.array(beats)


def score(clocks: list[tuple[float, BeatClock]], truth: np.ndarray) -> dict[str, float]:
    import mir_eval

    scored = truth[truth >= SCORED_FROM_S]

    def window(beats: np.ndarray) -> np.ndarray:
        return beats[(beats >= SCORED_FROM_S) & (beats <= truth[-1] + 0.3)]

    beats, early = window(predicted(clocks)), window(predicted(clocks, 0.3))
    if len(beats) < 2:
        return {"f": 0.0, "f_300ms": 0.0, "amlt": 0.0, "offset_ms": float("nan"), "confidence": 0.0}
    offsets = np.array([beats[np.abs(beats - t).argmin()] - t for t in scored])
    offsets = offsets[np.abs(offsets) < 0.07]
    return {
        "f": mir_eval.beat.f_measure(scored, beats),
        "f_300ms": mir_eval.beat.f_measure(scored, early),
        "amlt": mir_eval.beat.continuity(scored, beats)[3],
        "offset_ms": float(np.median(offsets)) * 1e3 if len(offsets) else float("nan"),
        "confidence": float(np.mean([c.confidence for _, c in clocks])),
    }


def measure(folder: Path, verbose: bool = False) -> dict[str, float]:
    """Means over the tracks of ``folder`` (tracks.json, *.beats)."""
    try:
        tracks = json.loads((folder / "tracks.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {folder / 'tracks.json'}: {error.strerror}") from error
    rows, shares = [], []
    for track in tracks:
        clocks, cpu_s, sound_s = hear(folder / track["file"])
        shares.append(cpu_s / sound_s)
        if track["score"]:
            rows.append(score(clocks, np.loadtxt(folder / track["beats"])[:, 0]))
        if verbose:
            found = rows[-1] if track["score"] else {"confidence": np.mean([c.confidence for _, c in clocks])}
            bpm = np.median([c.bpm for _, c in clocks])
            line = " ".join(f"{key} {value:.2f}" for key, value in found.items())
            print(f"{track['name']:22} {line} bpm {bpm:.0f} of {track.get('bpm_median', 0):.0f}")
    mean = {key: round(float(np.nanmean([row[key] for row in rows])), 4) for key in rows[0]}
    mean["offset_abs_ms"] = round(float(np.nanmean([abs(row["offset_ms"]) for row in rows])), 2)
    mean["core_share"] = round(float(np.mean(shares)), 5)
    return {"tracks": len(rows), **mean}


def run(short: bool = False) -> list[dict]:
    """One figure: means over all tracks (``short`` changes nothing: it takes half a minute)."""
    return [measure(music_folder())]


def music_folder() -> Path:
    root = os.environ.get("CORYBANT_DATA")
    if not root:
        raise ConfigError("CORYBANT_DATA is not set: it names the folder that holds music/tracks.json")
    return Path(root) / "music"


if __name__ == "__main__":
    print(json.dumps({"bench": "listen", **measure(music_folder(), verbose=True)}))
