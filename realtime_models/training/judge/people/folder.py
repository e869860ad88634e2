"""The folder of a judgement: what is served, what is sealed, what is voted.

pairs/    pairs.json, a file per dance (.clip) and per sound (.wav), all under random names: all that the server reads
sealed/   key.json: which name is which system. Written here, read by the report, never by the server
votes/    votes.jsonl, raters.jsonl
"""

import json
import os
import secrets
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError
from realtime_models.training.judge.motion import JUDGE_HZ, Motion
from realtime_models.training.judge.people import plan
from realtime_models.training.judge.people.excerpts import (
    UNIT_M,
    Excerpt,
    clip_bytes,
    find_excerpts,
    frames_of,
    frozen_bytes,
    sound_samples,
    spread,
)

FROZEN = "frozen pose"  #: the system name of attention checks in the key
FORMAT = "corybant-pairs-1"


@dataclass(frozen=True, slots=True)
class Built:
    """What a building made."""

    out: Path
    excerpts: int  #: of songs, all danced by every system in a session
    questions: int  #: in one session, attention checks included
    sessions: int
    spare: int  #: excerpts left unused, since sides balance for certain counts only


@dataclass(frozen=True, slots=True)
class Pairs:
    """What the server knows: names of files and who gets which, nothing of systems."""

    folder: Path
    about: dict[str, Any]  #: format, fps, frames, joints, unit_m, seconds
    sessions: tuple[tuple[tuple[str, str, str], ...], ...]  #: (left, right, sound) in order

    @property
    def clips(self) -> frozenset[str]:
        return frozenset(name for session in self.sessions for shown in session for name in shown[:2])

    @property
    def sounds(self) -> frozenset[str]:
        return frozenset(shown[2] for session in self.sessions for shown in session)


def build(
    dances: Mapping[str, Sequence[Motion]],
    sounds: Mapping[str, tuple[np.ndarray, int]],
    out: Path,
    seed: int = 0,
    *,
    ours: str | None = None,
    seconds: float = 12.0,
    excerpts: int = 12,
    checks: int = 4,
    sessions: int = 60,
    from_s: float = 8.0,
    secret: int | None = None,
) -> Built:
    """Make the pairs of ``dances`` (system -> motions with their ``song``; frame 0 = time 0 of the song).

    ``sounds`` are samples (N,) or (N, channels) and a rate [Hz] per song. ``ours`` is the system whose win rate heads
    the report (default: the first). All chance comes from ``seed`` and ``secret``, 128 random bits that only the key
    keeps: without them the seed and this code would give the key away. ConfigError when the folder holds pairs already
    (votes on them would lose their key), when there are too few excerpts, or when bodies differ.
    """
    if (out / "pairs").exists():
        raise ConfigError(f"{out} holds pairs already, and perhaps votes on them; choose another folder or remove it")
    systems = tuple(dances)
    if FROZEN in systems or (ours or systems[0]) not in systems:
        raise ConfigError(f"systems {', '.join(systems)}: '{ours}' must be one of them, '{FROZEN}' none")
    secret = secrets.randbits(128) if secret is None else secret
    rng = np.random.default_rng([seed, secret])
    found = find_excerpts(dances, sounds, seconds, from_s, rng)
    available = sum(map(len, found.values()))
    count = plan.balanced_count(len(systems), min(excerpts, available))
    chosen = spread(found, count + checks, rng)
    cast = rng.permutation(np.resize(rng.permutation(len(systems)), checks))
    tested = [(k if k < len(chosen) else int(rng.integers(count)), int(s)) for k, s in enumerate(cast, count)]
    drawn = plan.sessions(len(systems), [e.song for e in chosen[:count]], sessions, tested, rng)
    files, key, shown = _files(chosen, systems, drawn, sounds, seconds, rng)
    about = {"fps": JUDGE_HZ, "frames": frames_of(seconds), "seconds": seconds, "unit_m": UNIT_M}
    _write_served(out / "pairs", files, {"format": FORMAT, **about, "sessions": shown})
    sealed = {"format": FORMAT, "ours": ours or systems[0], "systems": systems, "seed": seed, "secret": secret}
    _write_sealed(out / "sealed" / "key.json", {**sealed, "clips": key})
    return Built(out, count, len(drawn[0]), sessions, available - len(chosen))


def _files(chosen: list[Excerpt], systems: tuple[str, ...], drawn, sounds, seconds: float, rng: np.random.Generator):
    """Files by name, the key by clip, and the sessions in names."""
    files: dict[str, bytes | tuple[np.ndarray, int]] = {}
    key: dict[str, dict[str, Any]] = {}
    names: dict[tuple, str] = {}

    def name(*what) -> str:
        if what not in names:
            names[what] = rng.bytes(8).hex()
        return names[what]

    def clip(excerpt: int, system: int, frozen: bool) -> str:
        own = name("clip", excerpt, system, frozen)
        if own not in key:
            piece = chosen[excerpt]
            data = clip_bytes(piece.motions[system], piece.start_s, seconds)
            files[f"{own}.clip"] = frozen_bytes(data, float(rng.uniform(0.2, 0.8))) if frozen else data
            about = {"song": piece.song, "start_s": piece.start_s, "motion": piece.motions[system].name}
            key[own] = {"system": FROZEN if frozen else systems[system], **about}
        return own

    def sound(excerpt: int) -> str:
        own = name("sound", excerpt)
        if f"{own}.wav" not in files:
            samples, rate = sounds[chosen[excerpt].song]
            files[f"{own}.wav"] = (sound_samples(samples, rate, chosen[excerpt].start_s, seconds), rate)
        return own

    shown = [
        [
            (clip(s.excerpt, s.left, s.check == "left"), clip(s.excerpt, s.right, s.check == "right"), sound(s.excerpt))
            for s in session
        ]
        for session in drawn
    ]
    return files, key, shown


def _write_served(folder: Path, files: dict, about: dict[str, Any]) -> None:
    """In order of their random names and all of one moment, so that no directory listing tells."""
    folder.mkdir(parents=True)
    (folder / "pairs.json").write_text(json.dumps(about), encoding="utf-8")
    for name in sorted(files):
        content = files[name]
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            samples, rate = content
            with wave.open(str(folder / name), "wb") as out:
                out.setparams((samples.shape[1], 2, rate, len(samples), "NONE", ""))
                out.writeframes(samples.tobytes())
    moment = (folder / "pairs.json").stat().st_mtime
    for path in folder.iterdir():
        os.utime(path, (moment, moment))


def _write_sealed(path: Path, key: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(key, indent=1, sort_keys=True), encoding="utf-8")
    path.chmod(0o600)
    path.parent.chmod(0o700)


def read_pairs(out: Path) -> Pairs:
    """What ``build`` left to be served. ConfigError when it is not there, incomplete, or of another format."""
    folder = out / "pairs"
    about = _read_json(folder / "pairs.json", f"no pairs in {out}")
    sessions = tuple(tuple(tuple(shown) for shown in session) for session in about.pop("sessions"))
    pairs = Pairs(folder, about, sessions)
    wanted = {f"{name}.clip" for name in pairs.clips} | {f"{name}.wav" for name in pairs.sounds}
    missing = wanted - {path.name for path in folder.iterdir()}
    if missing:
        raise ConfigError(f"{folder} lacks {len(missing)} of {len(wanted)} files; build the pairs again")
    return pairs


def read_key(out: Path) -> dict[str, Any]:
    """The sealed key, for the report only. ConfigError when it is not there."""
    return _read_json(out / "sealed" / "key.json", f"no sealed key in {out}")


def _read_json(path: Path, absent: str) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"{absent} ({path.name} is missing); build pairs there first")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}); build the pairs again") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ConfigError(f"{path} is not of format {FORMAT}; build the pairs again")
    return found
