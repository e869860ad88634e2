"""The music that a motion was danced to: AUDIO/NAME.{wav,ogg,flac,mp3} and its true beats, AUDIO/NAME.beats."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.sources import open_file
from realtime_models.training.judge.motion import Motion
from realtime_models.training.judge.systems.model import BLOCK, Track, hear, said_beats
from realtime_models.training.motion_files.reading import Reading, refusal

SUFFIXES = (".wav", ".ogg", ".flac", ".mp3")
BEATS = ".beats"
ACCEPTED = "one beat a line, its time [s] first, then (tab) its number in the bar; at least 2, going up"
_SEED = re.compile(r"^(?P<song>.+?)(?:[_\-.]seed[_\-]?|@)(?P<seed>\d+)$", re.IGNORECASE)
_PERFORMER = re.compile(r"^(?P<song>.+)\.\d+$")
_AIST = re.compile(r"(?:^|_)(?P<song>m[A-Z]{2}\d)(?:_|$)")
_AIST_DANCER = re.compile(r"^g(?P<style>[A-Z]{2})_.*_(?P<dancer>d\d{2})_")


@dataclass(frozen=True, slots=True)
class Danced:
    """A motion with what it was danced to."""

    motion: Motion  #: ``song`` and ``beats_s`` filled in; loudness is the measures' own (music.loudness_db)
    track: Track | None  #: the sound, sample 0 at the motion's frame 0; None = no music found
    own_beats: bool  #: the beats are what our listener heard, not known ones: the table has to say so
    notes: tuple[str, ...] = ()


def with_music(readings: Sequence[Reading], folder: str | Path | None) -> list[Danced]:
    """Each motion with its music out of ``folder`` (None: what came with a take).

    NAME is the motion's; without such a file NAME less ``_seedN`` or ``@N`` (the seed), less ``.N`` (the performer of a
    take), or the music code of an AIST++ name (``mBR0``). A song is read once. Raises ConfigError when the folder has
    music for none of them, or when a file in it is damaged.
    """
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError(f"{folder} is no folder; name the one with NAME{', NAME'.join(SUFFIXES)} and NAME{BEATS}")
    songs: dict[Path, tuple[Track, bool]] = {}
    done = [_danced(reading, Path(folder) if folder is not None else None, songs) for reading in readings]
    if folder is not None and done and not any(d.track for d in done):
        names = ", ".join(r.motion.name for r in readings[:5]) + (", ..." if len(readings) > 5 else "")
        there = ", ".join(sorted(p.name for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES)[:8])
        raise ConfigError(f"no music in {folder} for {names}; there is: {there or f'no {SUFFIXES} file'}")
    return done


def _danced(reading: Reading, folder: Path | None, songs: dict[Path, tuple[Track, bool]]) -> Danced:
    motion, sound = _named(reading.motion), None
    for song, seed in _songs(motion.name) if folder else ():
        if sound := find(folder, song):
            motion = replace(motion, seed=seed)
            break
    if sound:
        if sound not in songs:
            songs[sound] = read_song(sound)
        track, own_beats = songs[sound]
    elif reading.sound is not None:
        sound, own_beats = reading.sound, True
        track = _track(sound, motion.name)
        track = replace(track, beats_s=_or_heard(reading.heard_beats_s, track))
    else:
        return Danced(motion, None, False, ("no music found: nothing of beats and loudness is measured",))
    track = from_time(track, reading.start_s)
    notes = [f"danced to {sound.name}"]
    if own_beats:
        notes.append(f"no {sound.stem}{BEATS}: beats are those that our own listener hears")
    longer_s = motion.seconds - len(track.samples) / track.rate
    if longer_s > 1.0:
        notes.append(f"the dance goes on for {longer_s:.1f} s after the music")
    motion = replace(motion, song=track.name, beats_s=track.beats_s[track.beats_s <= motion.seconds])
    return Danced(motion, track, own_beats, tuple(notes))


def _named(motion: Motion) -> Motion:
    """What an AIST++ name says of dancer and style, where the motion itself says none."""
    found = _AIST_DANCER.match(motion.name)
    if not found:
        return motion
    return replace(motion, dancer=motion.dancer or found["dancer"], style=motion.style or found["style"])


def _songs(name: str) -> list[tuple[str, int]]:
    """Names that the music may have, and the seed that goes with each."""
    found = [(name, 0)]
    plain = _PERFORMER.match(name)
    for each in (name, *([plain["song"]] if plain else ())):
        seed = _SEED.match(each)
        found += [(each, 0)] + ([(seed["song"], int(seed["seed"]))] if seed else [])
    if code := _AIST.search(name):
        found.append((code["song"], 0))
    return found


def find(folder: Path, name: str) -> Path | None:
    """The sound file of a name in a folder."""
    return next((p for suffix in SUFFIXES if (p := folder / f"{name}{suffix}").is_file()), None)


def read_song(sound: Path) -> tuple[Track, bool]:
    """A sound file with its beats, and whether they are only our listener's. Raises ConfigError (SourceError)."""
    track, beats = _track(sound, sound.stem), sound.with_suffix(BEATS)
    if beats.is_file():
        return replace(track, beats_s=read_beats(beats)), False
    return replace(track, beats_s=_or_heard(None, track)), True


def _track(sound: Path, name: str) -> Track:
    source = open_file(str(sound), block=BLOCK)
    try:
        blocks = [block.samples for block in source]
    finally:
        source.close()
    if source.stats()["decode_errors"] or not blocks:
        raise refusal(sound, "is damaged: it cannot be decoded to its end", f"whole sound files {SUFFIXES}")
    return Track(name, np.concatenate(blocks), source.rate, np.zeros(0))


def _or_heard(beats_s: np.ndarray | None, track: Track) -> np.ndarray:
    return said_beats(hear(track)) if beats_s is None else beats_s


def read_beats(path: Path) -> np.ndarray:
    """Beats (n,) [s] of a .beats file. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        times = [float(line.split()[0]) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    except (ValueError, OSError) as error:
        raise refusal(path, f"is no list of beats ({error})", ACCEPTED) from error
    beats_s = np.array(times)
    if len(beats_s) < 2 or not np.isfinite(beats_s).all() or (np.diff(beats_s) <= 0).any():
        raise refusal(path, f"{len(beats_s)} beats that do not go up, or too few", ACCEPTED)
    return beats_s


def from_time(track: Track, start_s: float) -> Track:
    """The track from ``start_s`` on; beats before it are left out."""
    if start_s <= 0:
        return track
    later = track.beats_s - start_s
    return replace(track, samples=track.samples[round(start_s * track.rate) :], beats_s=later[later >= 0])
