"""The streaming model: masked refinement of the plan window, one row committed a step. Pure numpy around four networks.

A back end supplies the networks (``Networks``); everything that decides what is danced lies here, so that all back
ends sample alike. Noise comes from a counter-based generator keyed by seed and row: the same state and condition give
the same dance.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from engine.condition import STEER, Condition, music_columns
from realtime_models.features import CONTACTS, VELOCITY, YAW_RATE, features_to_poses
from realtime_models.spec import ModelSpec


class Networks(Protocol):
    """The four networks of a model, arrays in and out (float32; batch first)."""

    def history(
        self, codes: np.ndarray, condition: np.ndarray, style: np.ndarray, past: np.ndarray, age: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One row into the history -> summary (1, C), past."""

    def plan(
        self,
        history: np.ndarray,
        before: np.ndarray,
        codes: np.ndarray,
        masked: np.ndarray,
        condition: np.ndarray,
        style: np.ndarray,
        **more: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Window -> hidden (B, W, G, C) and logits (B, W, G, codes) of the first token.

        ``more``: ``heard`` (B, heard_rows, N) and ``strength`` (B,) where the specification asks for them.
        """

    def fine(self, hidden: np.ndarray, coarse_codes: np.ndarray) -> np.ndarray:
        """Logits (B, W, G, codes) of the refining token."""

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes (1, R, G, S D) -> raw features (1, 4 R, 126)."""


@dataclass(frozen=True)
class ModelState:
    """All that the next step depends on; arrays are never written in place. May be pickled and restored."""

    seed: int
    row: int
    past: np.ndarray  #: (L, 1, K - 1, C)
    summary: np.ndarray  #: (1, C)
    codes: np.ndarray  #: (decoder_rows, G, S D) numbers of the newest rows
    tokens: np.ndarray  #: (W, G, S) the plan as it stood, first row already committed
    place: tuple[float, float, float]  #: x [m], z [m], yaw [rad] after the last committed frame
    heard: np.ndarray  #: (heard_rows, N) conditions of the newest rows; no rows for a model that hears no past


@dataclass(frozen=True)
class Rows:
    """Four committed model frames and the plan's tail behind them."""

    root: np.ndarray  #: (F, 3) [m]; the first 4 are committed
    rotations: np.ndarray  #: (F, 22, 4) xyzw
    contacts: np.ndarray  #: (F, 2) 0..1 left, right toe on the floor
    place: tuple[float, float, float]  #: after the 4th frame


class TokenDancer:
    """A ``StepModel`` over given networks. Holds nothing that changes."""

    def __init__(self, networks: Networks, spec: ModelSpec, primer: np.ndarray):
        """``primer`` (R, G, S): tokens of a body that stands at ease, from which every dance starts."""
        self.networks, self.spec, self.primer = networks, spec, primer
        self.half = np.array([level // 2 for level in spec.levels], np.float32)
        self.basis = np.cumprod((1, *spec.levels[:-1]))

    def codes(self, tokens: np.ndarray) -> np.ndarray:
        """Token indices (..., S) -> numbers (..., S D) in [-1, 1]."""
        digits = (tokens[..., None] // self.basis) % np.array(self.spec.levels)
        return ((digits - self.half) / self.half).reshape(*tokens.shape[:-1], -1).astype(np.float32)

    def start(self, seed: int) -> ModelState:
        """Standing at the middle of the stage, facing the audience."""
        spec = self.spec
        past = np.zeros((spec.history_layers, 1, spec.history_rows - 1, spec.width), np.float32)
        codes, silence, any_style = (
            self.codes(self.primer),
            np.zeros((1, spec.condition), np.float32),
            np.zeros(1, np.int64),
        )
        summary = np.zeros((1, spec.width), np.float32)
        heard = np.zeros((spec.heard_rows if spec.hears_past else 0, spec.condition), np.float32)
        for age, row in enumerate(codes):
            summary, past = self.networks.history(row[None], silence, any_style, past, np.array([age]))
        return ModelState(
            seed, 0, past, summary, codes[-spec.decoder_rows :], self.primer[-spec.plan_rows :], (0.0, 0.0, 0.0), heard
        )

    def step(self, state: ModelState, condition: Condition) -> tuple[ModelState, Rows]:
        """Plan the window, commit its first row."""
        spec, style = self.spec, np.array([condition.style])
        tokens = self.refine(state, condition)
        codes = self.codes(tokens)
        rows = np.concatenate([state.codes, codes])
        features = self.networks.decode(rows[None])[0, -spec.plan_rows * spec.row_frames :]
        features = still(features, condition.calm)
        n = spec.row_frames
        root, rotations, place = features_to_poses(features[:n], state.place)
        later_root, later_rotations, _ = features_to_poses(features[n:], place)
        summary, past = self.networks.history(
            codes[:1], condition.window[:1], style, state.past, np.array([len(self.primer) + state.row])
        )
        after = replace(
            state,
            row=state.row + 1,
            past=past,
            summary=summary,
            codes=rows[1 : 1 + spec.decoder_rows],
            tokens=tokens,
            place=place,
            heard=np.concatenate([state.heard, condition.window[:1]])[1:] if spec.hears_past else state.heard,
        )
        contacts = np.clip(features[:, CONTACTS], 0, 1)
        return after, Rows(
            np.concatenate([root, later_root]), np.concatenate([rotations, later_rotations]), contacts, place
        )

    def refine(self, state: ModelState, condition: Condition) -> np.ndarray:
        """(W, G, S) tokens of the coming rows: all masked, then fixed in rounds, near and certain ones first."""
        spec, total = self.spec, self.spec.plan_rows * self.spec.groups
        noise = np.random.Generator(np.random.Philox(key=[state.seed & (2**64 - 1), state.row]))
        tokens = np.zeros((spec.plan_rows, spec.groups, spec.stages), np.int64)
        masked = np.ones((spec.plan_rows, spec.groups), bool)
        near = 1.5 * np.arange(spec.plan_rows, 0, -1)[:, None]
        for turn in range(spec.refine_steps):
            hidden, logits = self.guided(state, condition, tokens, masked)
            first, score = gumbel_choice(logits, spec.temperature, noise)
            told = self.codes(np.stack([first, first], -1))[..., : len(spec.levels)]
            second, _ = gumbel_choice(self.networks.fine(hidden[None], told[None])[0], spec.temperature, noise)
            tokens = np.where(masked[..., None], np.stack([first, second], -1), tokens)
            left = round(total * float(np.cos((turn + 1) / spec.refine_steps * np.pi / 2)))
            if left == 0 or turn == spec.refine_steps - 1:
                break
            rank = np.where(masked, score + near, np.inf).ravel()
            masked = np.zeros(total, bool)
            masked[np.argsort(rank, kind="stable")[:left]] = True
            masked = masked.reshape(spec.plan_rows, spec.groups)
        return tokens

    def strength(self, follow: float) -> float:
        """How hard the music pushes: 0 = not at all, 1 = as it was trained, more = as far away from without it."""
        return 1.0 + (self.spec.guidance - 1.0) * follow if follow >= 1 else self.spec.guidance * follow

    def guided(
        self, state: ModelState, condition: Condition, tokens: np.ndarray, masked: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Hidden and first-token logits, pushed away from those without music and wishes (classifier-free guidance).

        A model that was taught what the push does is told its strength and needs one pass.
        """
        strength = self.strength(condition.follow)
        if self.spec.told_strength:
            hidden, logits = self.plan(state, condition, [(condition.window, state.heard)], tokens, masked, strength)
            return hidden[0], logits[0]
        known = [(condition.window, state.heard)]
        if strength != 1.0:
            known.append((self.unmoved(condition.window), self.unmoved(state.heard)))
        hidden, logits = self.plan(state, condition, known, tokens, masked, strength)
        return hidden[0], logits[0] if len(known) == 1 else logits[1] + strength * (logits[0] - logits[1])

    def unmoved(self, rows: np.ndarray) -> np.ndarray:
        """Conditions (R, N) without what the music says and the stage wishes."""
        rows = rows.copy()
        rows[:, music_columns(self.spec.condition)] = 0.0
        rows[:, STEER] = 0.0
        return rows

    def plan(
        self, state: ModelState, condition: Condition, known: list[tuple[np.ndarray, np.ndarray]], tokens: np.ndarray,
        masked: np.ndarray, strength: float,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """The plan network once for each (window, heard) that is ``known``, in one batch."""
        n, more = len(known), {}
        if self.spec.hears_past:
            more["heard"] = np.stack([heard for _, heard in known])
        if self.spec.told_strength:
            more["strength"] = np.full(n, strength, np.float32)
        return self.networks.plan(
            np.repeat(state.summary, n, 0), np.repeat(state.codes[None, -2:], n, 0),
            np.repeat(self.codes(tokens)[None], n, 0), np.repeat(masked[None].astype(np.float32), n, 0),
            np.stack([window for window, _ in known]), np.full(n, condition.style), **more,
        )  # fmt: skip


def gumbel_choice(logits: np.ndarray, temperature: float, noise: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sampled index over the last axis and its log probability at temperature 1."""
    chosen = np.argmax(logits / temperature + noise.gumbel(size=logits.shape), axis=-1)
    top = logits.max(-1)
    log_sum = top + np.log(np.exp(logits - top[..., None]).sum(-1))
    return chosen, np.take_along_axis(logits, chosen[..., None], -1)[..., 0] - log_sum


def still(features: np.ndarray, calm: float) -> np.ndarray:
    """The path over the floor scaled down, for a body that settles."""
    if calm <= 0:
        return features
    features = features.copy()
    features[:, YAW_RATE] *= 1 - calm
    features[:, VELOCITY] *= 1 - calm
    return features
