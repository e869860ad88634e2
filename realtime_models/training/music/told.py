"""What the planner would have been told of a song while a dance was on: the show's functions over what was heard."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.condition import ROW_FRAMES, SIZE, Heard, fold_level, music_rows
from engine.errors import ConfigError
from engine.types import MODEL_HZ
from realtime_models.training.bank import Entry
from realtime_models.training.music.dances import has_beat, key_of
from realtime_models.training.music.heard import HeardSong, beside, load, true_beats

HORIZON_TICKS = (5, 20)  #: of a show without lead, and of one with the largest
ASTRAY = 0.7  #: where the listener was right in a smaller share of the rows, the body is told no beat


def draw_horizon(rng: np.random.Generator) -> int:
    """A show's horizon [60 Hz ticks], rather a short one."""
    low, high = HORIZON_TICKS
    return low + int((high + 1 - low) * rng.random() ** 2)


def committed_at(row_frame: int, horizon_ticks: int) -> int:
    """The model frame at whose end the show commits a row that begins at model frame ``row_frame``; may be negative.

    It is the first after which the poses committed before the row reach less than the horizon ahead (engine.plan).
    """
    return row_frame - 1 - -(-horizon_ticks // 2)


def windows(
    song: HeardSong, first: int, rows: int, plan_rows: int, horizon_ticks: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """(rows, plan_rows, SIZE) what is told when each row is committed; row 0 begins at the dance's frame ``first``.

    With ``rng`` the listener counts its beats from another one: which of them have even numbers is chance in the show.
    Danced at half its tempo, they are counted so that those remain which are the dance's own.
    """
    starts = song.lead + first + ROW_FRAMES * np.arange(rows)
    known = np.clip([committed_at(int(start), horizon_ticks) for start in starts], 0, len(song) - 1)
    levels = fold_levels(song, int(starts[0]), rows, horizon_ticks)
    shift = 0 if rng is None else count_shift(song, known, levels[-1], rng)
    out = np.zeros((rows, plan_rows, SIZE), np.float32)
    for row, (start, n, level) in enumerate(zip(starts, known, levels, strict=True)):
        out[row] = music_rows(recounted(song.heard(int(n)), shift), int(start), plan_rows, level=level)
    return out


def is_astray(song: HeardSong, first: int, rows: int, horizon_ticks: int) -> bool:
    """Whether the listener mostly told a wrong beat over these rows."""
    starts = song.lead + first + ROW_FRAMES * np.arange(rows)
    known = np.clip([committed_at(int(start), horizon_ticks) for start in starts], 0, len(song) - 1)
    return float(song.right[known].mean()) < ASTRAY


def fold_levels(song: HeardSong, start: int, rows: int, horizon_ticks: int) -> list[int]:
    """The octave of each row from stream frame ``start`` on, as it came about since the song began."""
    level, out = 0, []
    for frame in range(start % ROW_FRAMES, start + rows * ROW_FRAMES, ROW_FRAMES):
        n = max(committed_at(frame, horizon_ticks), 0)
        level = fold_level(float(song.told["period_s"][min(n, len(song) - 1)]), level)
        out.append(level)
    return out[-rows:]


def count_shift(song: HeardSong, known: np.ndarray, level: int, rng: np.random.Generator) -> int:
    """By how many beats the listener's count is moved: any by which the folded beats still meet the dance's beats."""
    now_s = (known + 1) / MODEL_HZ
    true, period_s = true_beats(song.beats_s, now_s)
    told = song.told["count"][known] + (now_s - song.told["anchor_s"][known]) / song.told["period_s"][known]
    factor = 2.0 ** np.rint(np.log2(period_s / song.told["period_s"][known]) - level)
    shifts = np.arange(2 ** (max(level, 0) + 1))
    error = [np.abs(beside((told + k) * 2.0**-level, true, factor)).mean() for k in shifts]
    return int(rng.choice(shifts[np.array(error) <= min(error) + 0.05]))


def recounted(heard: Heard, shift: int) -> Heard:
    """With ``shift`` added to the newest beat's number."""
    if not shift:
        return heard
    newest = heard.newest[-1]
    newest = replace(newest, beat=replace(newest.beat, count=newest.beat.count + shift))
    return replace(heard, newest=(*heard.newest[:-1], newest))


class Songs:
    """All songs of a folder, by the dance that they were made for."""

    def __init__(self, songs: list[HeardSong]) -> None:
        self._by_key: dict[str, list[HeardSong]] = {}
        for song in songs:
            self._by_key.setdefault(song.key, []).append(song)

    @staticmethod
    def of(folder: Path) -> "Songs":
        """Raises ConfigError where there is none."""
        paths = sorted(folder.glob("song_*.npz"))
        if not paths:
            raise ConfigError(f"no songs in {folder}: python -m realtime_models.training.music.pack --out {folder}")
        return Songs([load(path) for path in paths])

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def pick(self, entry: Entry, rng: np.random.Generator) -> HeardSong | None:
        """One of the songs of an entry's dance; None where it has no beat or no song."""
        if not has_beat(entry.clip):
            return None
        found = self._by_key.get(key_of(entry.clip))
        return found[int(rng.integers(len(found)))] if found else None

    def share(self, bank: list[Entry]) -> float:
        """Of the entries that have a beat, how many have a song."""
        beat = [entry for entry in bank if has_beat(entry.clip)]
        return sum(key_of(entry.clip) in self._by_key for entry in beat) / max(len(beat), 1)
