"""Sequences of token rows with the conditions that the show would have given them."""

from dataclasses import dataclass

import numpy as np
import torch

from engine import condition
from realtime_models.features import VELOCITY, YAW_RATE
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training.bank import Entry
from realtime_models.training.data import FPS, body_speed, smooth
from realtime_models.training.grooves import Groove, strokes_at

ROW = condition.ROW_FRAMES


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
    condition: torch.Tensor  #: (B, T, N) with the beat and the steering of each row
    style: torch.Tensor  #: (B,)


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
        self, bank: list[Entry], rows: list[Rows], grooves: list[Groove], spec: ModelSpec, length: int, seed: int
    ):
        self.bank, self.spec, self.length, self.grooves = bank, spec, length, grooves
        self.energy = clip_energy(bank)
        self.rows = [r for r in rows if len(r.tokens) >= length]
        weight = np.array([bank[r.entry].weight * (len(r.tokens) - length + 1) for r in self.rows])
        self.odds, self.rng = weight / weight.sum(), np.random.default_rng(seed)

    def draw(self, count: int) -> Batch:
        """One batch; sequences never cross a bad frame."""
        tokens, conditions, styles = [], [], []
        while len(tokens) < count:
            rows = self.rows[self.rng.choice(len(self.rows), p=self.odds)]
            entry = self.bank[rows.entry]
            first = int(self.rng.integers(len(rows.tokens) - self.length + 1))
            start = rows.offset + first * ROW
            if not entry.valid[start : start + self.length * ROW].all():
                continue
            tokens.append(rows.tokens[first : first + self.length])
            conditions.append(self.conditions(entry, self.energy[rows.entry], start))
            name = entry.clip.style if self.rng.random() > 0.15 else "any"
            styles.append(self.spec.styles.index(name) if name in self.spec.styles else 0)
        as_long = torch.from_numpy(np.stack(tokens).astype(np.int64))
        return Batch(as_long, torch.from_numpy(np.stack(conditions)), torch.tensor(styles))

    def conditions(self, entry: Entry, energy: np.ndarray, start: int) -> np.ndarray:
        """(T, N) for rows from frame ``start``: beat, drummed onsets heard a little late, energy, steering by
        hindsight.
        """
        rng, count = self.rng, self.length
        frames = start + np.arange(count * ROW)
        out = np.zeros((count, self.spec.condition), np.float32)
        beats, period, steady = self.beat_of(entry, frames)
        has_beat = steady and rng.random() > 0.1
        if has_beat:
            out[:, condition.BEAT] = condition.beat_numbers(
                beats.reshape(count, ROW), period[::ROW], np.full(count, rng.uniform(0.7, 1.0))
            )
        level = np.clip(0.8 * energy[frames[::ROW]] + 0.2 * rng.random() + rng.normal(0, 0.05), 0, 1)
        if rng.random() > 0.1:
            out[:, condition.ENERGY] = level
            late = int(rng.integers(1, 4))
            out[:, condition.DELAY] = late / 3
            if has_beat and rng.random() > 0.1:
                out[:, condition.AUDIO] = self.heard(beats, late, level)
        if rng.random() > 0.15:
            out[:, condition.STEER] = self.steering(entry, start, count)
        return out

    def beat_of(self, entry: Entry, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Beat numbers and period [s] at frames, with the small errors of a listener; False without a steady rhythm."""
        beats_s = entry.clip.beats_s
        if entry.clip.fit < 0.3 or len(beats_s) < 5:
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
