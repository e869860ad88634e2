"""Sequences of token rows with the conditions that the show would have given them."""

from dataclasses import dataclass

import numpy as np
import torch

from engine import condition
from engine.condition import SIZE
from realtime_models.features import VELOCITY, YAW_RATE
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training.bank import Entry
from realtime_models.training.data import FPS, body_speed, smooth
from realtime_models.training.grooves import Groove, strokes_at
from realtime_models.training.music.dances import is_steady
from realtime_models.training.music.heard import HeardSong
from realtime_models.training.music.told import Songs, draw_horizon, is_astray, windows

ROW = condition.ROW_FRAMES


@dataclass(frozen=True)
class Drops:
    """How often a sequence goes without a part of its condition, so that each may be missing in the show."""

    song: float = 0.1  #: of dances that have songs: symbolic strokes are heard instead
    beat: float = 0.1  #: with it goes what is only told with a beat
    audio: float = 0.1
    energy: float = 0.15
    form: float = 0.2  #: sections, phrases and bars
    loudness: float = 0.2
    busy: float = 0.2
    like: float = 0.2  #: what the music is like
    steer: float = 0.15
    style: float = 0.15
    guidance: float = 0.12  #: of windows in training: all that the music says, which guidance sets beside what it does


@dataclass(frozen=True)
class Rows:
    """One entry cut into rows from one of the four offsets."""

    tokens: np.ndarray  #: (R, G, S) int16
    offset: int  #: first frame of row 0
    entry: int


@dataclass(frozen=True)
class Batch:
    """Tensors of one training step."""

    tokens: torch.Tensor  #: (B, T, G, S)
    condition: torch.Tensor  #: (B, T, N) of each row as known when it was committed
    style: torch.Tensor  #: (B,)
    ahead: torch.Tensor  #: (B, T, W, N) of each row and those after it, all as known when it was committed


@torch.no_grad()
def tokenise_bank(bank: list[Entry], model: Tokeniser) -> list[Rows]:
    """All entries at all four offsets."""
    rows = []
    for number, entry in enumerate(bank):
        for offset in range(ROW):
            usable = (len(entry.features) - offset) // ROW * ROW
            part = torch.from_numpy(entry.features[offset : offset + usable])[None]
            rows.append(Rows(model.tokens(part)[0].to(torch.int16).numpy(), offset, number))
    return rows


def clip_energy(bank: list[Entry]) -> list[np.ndarray]:
    """0..1 per frame: the rank, among all dance, of the body's speed over about two seconds. Loud music is fitted to
    large motion.
    """
    speeds = [smooth(body_speed(e.clip.root, e.clip.rotations), FPS * 0.8) for e in bank]
    danced = np.sort(np.concatenate([s for s, e in zip(speeds, bank, strict=True) if e.clip.is_dance]))
    return [np.searchsorted(danced, s) / len(danced) for s in speeds]


class Sequences:
    """Draws batches of row sequences; all randomness from one seeded generator."""

    def __init__(
        self, bank: list[Entry], rows: list[Rows], grooves: list[Groove], spec: ModelSpec, length: int, seed: int,
        songs: Songs | None = None, drops: Drops = Drops(),
    ):  # fmt: skip
        self.bank, self.spec, self.length, self.grooves = bank, spec, length, grooves
        self.songs, self.drops = songs or Songs([]), drops
        self.energy = clip_energy(bank)
        self.rows = [r for r in rows if len(r.tokens) >= length]
        weight = np.array([bank[r.entry].weight * (len(r.tokens) - length + 1) for r in self.rows])
        self.odds, self.rng = weight / weight.sum(), np.random.default_rng(seed)

    def draw(self, count: int) -> Batch:
        """One batch; sequences never cross a bad frame."""
        tokens, ahead, styles = [], [], []
        while len(tokens) < count:
            rows = self.rows[self.rng.choice(len(self.rows), p=self.odds)]
            entry = self.bank[rows.entry]
            first = int(self.rng.integers(len(rows.tokens) - self.length + 1))
            start = rows.offset + first * ROW
            if not entry.valid[start : start + self.length * ROW].all():
                continue
            tokens.append(rows.tokens[first : first + self.length])
            ahead.append(self.conditions(entry, self.energy[rows.entry], start))
            name = entry.clip.style if self.rng.random() >= self.drops.style else "any"
            styles.append(self.spec.styles.index(name) if name in self.spec.styles else 0)
        as_long = torch.from_numpy(np.stack(tokens).astype(np.int64))
        told = torch.from_numpy(np.stack(ahead))
        return Batch(as_long, told[:, :, 0].clone(), torch.tensor(styles), told)

    def conditions(self, entry: Entry, energy: np.ndarray, start: int) -> np.ndarray:
        """(T, W, N) for rows from frame ``start``: what the music said, energy and steering by hindsight.

        Energy is what is asked of the body (the show asks for more where the body lags behind the music); what is
        heard of the music's loudness stands beside it.
        """
        rng = self.rng
        level = np.clip(
            0.8 * energy[start : start + self.length * ROW : ROW] + 0.2 * rng.random() + rng.normal(0, 0.05), 0, 1
        )
        song = self.songs.pick(entry, rng) if rng.random() >= self.drops.song else None
        out = self.strokes(entry, start, level) if song is None else self.sung(song, start)
        out[..., condition.ENERGY] = level[:, None]
        steering = self.steering(entry, start, self.length)
        out[..., condition.STEER] = steering[:, None]
        for columns, share in self.droppable():
            if rng.random() < share:
                out[..., columns] = 0.0
        return out[..., : self.spec.condition]

    def droppable(self) -> tuple[tuple[object, float], ...]:
        """Columns that are left out together, and how often."""
        drops, layout = self.drops, condition
        return (
            (slice(layout.BEAT.start, layout.AUDIO.stop), drops.beat), (layout.AUDIO, drops.audio),
            (layout.ENERGY, drops.energy), (slice(layout.SECTION.start, layout.BAR.stop), drops.form),
            (layout.LOUDNESS, drops.loudness), (layout.BUSY, drops.busy), (layout.EMBEDDING, drops.like),
            (layout.STEER, drops.steer),
        )  # fmt: skip

    def sung(self, song: HeardSong, start: int) -> np.ndarray:
        """(T, W, SIZE) as the show would have been told of a song, whatever lead its outputs have.

        Where the listener mostly took another beat for the beat, none is told: a body that is taught to stop beside the
        beat learns to dance beside it.
        """
        horizon = draw_horizon(self.rng)
        out = windows(song, start, self.length, self.spec.plan_rows, horizon, self.rng)
        if is_astray(song, start, self.length, horizon):
            for columns in (condition.BEAT, condition.AUDIO, condition.BAR):
                out[..., columns] = 0.0
        return out

    def strokes(self, entry: Entry, start: int, level: np.ndarray) -> np.ndarray:
        """(T, W, SIZE) of a drummer who plays on the clip's beats, heard a little late; nothing of form or sound."""
        rng, count = self.rng, self.length
        frames = start + np.arange(count * ROW)
        one = np.zeros((count, SIZE), np.float32)
        beats, period, steady = self.beat_of(entry, frames)
        late = int(rng.integers(1, 4))
        one[:, condition.DELAY] = late / 3
        if steady:
            sure = np.full(count, rng.uniform(0.7, 1.0))
            one[:, condition.BEAT] = condition.beat_numbers(beats.reshape(count, ROW), period[::ROW], sure)
            one[:, condition.AUDIO] = self.heard(beats, late, level)
        ahead = np.minimum(np.arange(count)[:, None] + np.arange(self.spec.plan_rows), count - 1)
        out = np.repeat(one[:, None], self.spec.plan_rows, axis=1)
        out[..., condition.BEAT] = one[ahead][..., condition.BEAT]
        return out

    def beat_of(self, entry: Entry, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Beat numbers and period [s] at frames, with the small errors of a listener; False without a steady rhythm."""
        beats_s = entry.clip.beats_s
        if not is_steady(entry.clip):
            return np.zeros(len(frames)), np.full(len(frames), 0.5), False
        times = frames / FPS + self.rng.normal(0, 0.012)
        number = np.arange(len(beats_s))
        first, last = np.diff(beats_s[:4]).mean(), np.diff(beats_s[-4:]).mean()
        beats = np.interp(times, beats_s, number)
        beats = np.where(times < beats_s[0], (times - beats_s[0]) / first, beats)
        beats = np.where(times > beats_s[-1], number[-1] + (times - beats_s[-1]) / last, beats)
        period = np.maximum(1 / FPS / np.maximum(np.gradient(beats), 1e-3), 0.1)
        return beats + 2 * self.rng.integers(0, 8), period, True

    def heard(self, beats: np.ndarray, late: int, level: np.ndarray) -> np.ndarray:
        """Audio numbers of rows as known ``late`` rows before: a drummer of near tempo plays on the clip's beats."""
        groove = self.grooves[int(self.rng.integers(len(self.grooves)))]
        strokes = strokes_at(groove, beats + 4 * self.rng.integers(0, 8))
        loud = 0.5 + 0.5 * np.repeat(level, ROW)[:, None]
        strokes = strokes * loud * self.rng.uniform(0.7, 1.2) + self.rng.normal(0, 0.03, strokes.shape)
        strokes = np.clip(strokes, 0, 1.5).reshape(-1, ROW, condition.BANDS)
        audio = condition.audio_numbers(strokes.max(-1), strokes.mean(1) * 2)
        return np.concatenate([np.zeros((late, 8), np.float32), audio])[: len(audio)]

    def steering(self, entry: Entry, start: int, count: int) -> np.ndarray:
        """Where the body will be STEER_ROWS rows on, seen from each row's first frame (hindsight)."""
        motion = entry.features[start : start + (count + condition.STEER_ROWS) * ROW]
        yaw = np.concatenate([[0], np.cumsum(motion[:, YAW_RATE])])
        side, ahead = motion[:, VELOCITY].T
        sin, cos = np.sin(yaw[:-1]), np.cos(yaw[:-1])
        x = np.concatenate([[0], np.cumsum(cos * side + sin * ahead)])
        z = np.concatenate([[0], np.cumsum(-sin * side + cos * ahead)])
        now = np.arange(count) * ROW
        then = np.minimum(now + condition.STEER_ROWS * ROW, len(motion))
        dx, dz, turn = x[then] - x[now], z[then] - z[now], yaw[then] - yaw[now]
        sin, cos = np.sin(yaw[now]), np.cos(yaw[now])
        move = np.stack([cos * dx - sin * dz, sin * dx + cos * dz], 1)
        return condition.steer_numbers(move, turn, then - now == condition.STEER_ROWS * ROW)
