"""From what is heard to what will be danced: builds the condition, steps the model, commits poses. Pure.

Called once per ``MusicFeatures``. Whenever the committed poses reach less than the horizon ahead, one more token row
is planned with the beats as predicted now, and its poses are committed: appended once, never revised. The rest of the
plan is the fallback.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine import condition
from engine.condition import ROW_FRAMES, Condition, Heard
from engine.effort import asked_energy, body_speed_m_s, remember
from engine.feet import FeetState, plant_feet
from engine.idle import idle_pose
from engine.skeleton import quat_from_yaw, quat_multiply, quat_slerp
from engine.types import MODEL_HZ, POSE_HZ, Controls, MusicFeatures, Pose, StepModel
from engine.upsample import Sent, poses_of, upsample

ROW_TICKS = 2 * ROW_FRAMES
ROW_S = ROW_FRAMES / MODEL_HZ
SETTLE_S = 2.0  #: from dancing to the breathing idle, once silence was declared
WAKE_S = 0.8  #: and back
HOME_M, HOME_RAD = 0.35, 0.5  #: within this of the middle and of the audience the body goes where it likes
PHRASE_BEATS = 32  #: ``style = auto`` changes at these borders
AUTO_STYLES = ("pop", "pop", "salsa", "indian")  #: what it changes between, for a model that does not say


@dataclass(frozen=True)
class PlanState:
    """Everything that the next plan depends on. Values are replaced, never written in place; may be pickled and
    restored.
    """

    seed: int
    horizon_ticks: int
    model: Any  #: the StepModel's own state
    row: int = 0  #: next row to be committed
    speed_m_s: float = 0.5  #: mean joint speed of the last seconds' dance
    heard: Heard = field(default_factory=Heard)  #: what is kept of the music
    level: int = 0  #: octave in which the beat is danced: period x 2**level
    calm: float = 0.0  #: 0 dancing, 1 idle
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)  #: x [m], z [m], yaw [rad] where the committed path ends
    sent: Sent | None = None  #: newest smoothed poses
    feet: FeetState = field(default_factory=FeetState)
    tail: tuple[Pose, ...] = ()


def start_plan(model: StepModel, *, seed: int, horizon_ticks: int) -> PlanState:
    """A dancer at ease at the middle of the stage. ``horizon_ticks``: how far committed poses must reach ahead [60 Hz
    ticks].
    """
    return PlanState(seed, horizon_ticks, model.start(seed))


def plan_tail(state: PlanState) -> tuple[Pose, ...]:
    """The uncommitted rest of the plan: what is shown when the next plan is late."""
    return state.tail


def plan_step(
    model: StepModel, state: PlanState, features: MusicFeatures, controls: Controls
) -> tuple[PlanState, tuple[Pose, ...]]:
    """Take in one model frame of music; returns the newly committed poses (none, or a row's eight)."""
    state = replace(state, heard=condition.hear(state.heard, features))
    poses: tuple[Pose, ...] = ()
    # The newest committed tick is that of the last row's last model frame.
    while state.row * ROW_TICKS - 2 < features.frame + state.horizon_ticks:
        state, more = commit_row(model, state, features, controls)
        poses += more
    return state, poses


def commit_row(
    model: StepModel, state: PlanState, features: MusicFeatures, controls: Controls
) -> tuple[PlanState, tuple[Pose, ...]]:
    """Plan the window and commit its first row."""
    state = replace(
        state, level=condition.fold_level(features.beat.period_s, state.level), calm=settle(state.calm, features)
    )
    asked = Condition(
        window=window_conditions(state, features, controls, model.spec),
        style=choose_style(model.spec, state, features, controls),
        follow=controls.follow,
        calm=state.calm,
    )
    model_state, rows = model.step(state.model, asked)
    root, rotations = toward_idle_all(rows, 2 * state.row * ROW_FRAMES, state.calm)
    sent, root, rotations = upsample(state.sent, root, rotations, ROW_TICKS)
    contacts = np.maximum(rows.contacts, state.calm)
    feet, root, rotations = plant_feet(state.feet, root, rotations, contacts, ROW_TICKS)
    poses = poses_of(state.row * ROW_TICKS - 1, root, rotations)  # the first lies half way before a model frame
    newest_m_s = body_speed_m_s(root[1:ROW_TICKS:2], rotations[1:ROW_TICKS:2])
    after = replace(
        state,
        model=model_state,
        row=state.row + 1,
        speed_m_s=remember(state.speed_m_s, newest_m_s, ROW_S),
        place=rows.place,
        sent=sent,
        feet=feet,
        tail=poses[ROW_TICKS:],
    )
    return after, poses[0 if state.row else 1 : ROW_TICKS]


def settle(calm: float, features: MusicFeatures) -> float:
    """How far the body has come to rest: rises in silence, falls when the music is back."""
    step = ROW_S / SETTLE_S if features.silence else -ROW_S / WAKE_S
    return float(np.clip(calm + step, 0.0, 1.0))


def toward_idle_all(rows: Any, first_tick: int, calm: float) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) of a plan, blended with the idle; ``first_tick`` [60 Hz]: of its frame 0."""
    if calm <= 0.0:
        return rows.root, rows.rotations
    frames = [
        toward_idle(root, rotations, first_tick + 2 * i, rows.place, calm)
        for i, (root, rotations) in enumerate(zip(rows.root, rows.rotations, strict=True))
    ]
    return np.stack([root for root, _ in frames]), np.stack([rotations for _, rotations in frames])


def toward_idle(
    root: np.ndarray, rotations: np.ndarray, tick: int, place: tuple[float, float, float], calm: float
) -> tuple[np.ndarray, np.ndarray]:
    """The body blended with the breathing idle, which stands where the body stands."""
    if calm <= 0.0:
        return root, rotations
    idle, u = idle_pose(tick), calm * calm * (3 - 2 * calm)
    turned = idle.rotations.copy()
    turned[0] = quat_multiply(quat_from_yaw(place[2]), idle.rotations[0])
    at = np.array([root[0], root[1] + (idle.root[1] - root[1]) * u, root[2]], np.float32)
    return at, quat_slerp(rotations, turned, np.full(len(rotations), u))


def window_conditions(state: PlanState, features: MusicFeatures, controls: Controls, spec: Any) -> np.ndarray:
    """(W, spec.condition) conditions of the rows to come: predicted beats row by row, the newest heard audio, wish and
    stage in all.
    """
    out = condition.music_rows(
        state.heard,
        state.row * ROW_FRAMES,
        spec.plan_rows,
        level=state.level,
        lag_s=spec.lag_s,
        nudge_s=controls.nudge_ms / 1000,
    )
    wanted = min(state.heard.energy * controls.energy, 1.0)
    out[:, condition.ENERGY] = 0.0 if features.silence else asked_energy(wanted, state.speed_m_s)
    out[:, condition.STEER] = homeward(state.place)
    return out[:, : spec.condition]


def homeward(place: tuple[float, float, float]) -> np.ndarray:
    """(5,) wish to come back to the middle and to face the audience, stronger the further away; nothing when at
    home.
    """
    x, z, yaw = place
    yaw = (yaw + np.pi) % (2 * np.pi) - np.pi
    away = float(np.hypot(x, z))
    if away < HOME_M and abs(yaw) < HOME_RAD:
        return np.zeros(5, np.float32)
    pull = min(0.7, 0.8 * max(away - HOME_M / 2, 0.0)) / max(away, 1e-6)
    dx, dz, sin, cos = -x * pull, -z * pull, np.sin(yaw), np.cos(yaw)
    turn = float(np.clip(-0.6 * yaw, -0.9, 0.9))
    return condition.steer_numbers(
        np.array([[cos * dx - sin * dz, sin * dx + cos * dz]]), np.array([turn]), np.array([True])
    )[0]


def choose_style(spec: Any, state: PlanState, features: MusicFeatures, controls: Controls) -> int:
    """Index of the style to dance: the operator's, or one drawn by seed for every phrase of 32 beats."""
    name = controls.style
    if name == "auto":
        phrase = int(max(features.beat.beats_at(state.row * ROW_TICKS / POSE_HZ), 0) // PHRASE_BEATS)
        dances = getattr(spec, "auto_styles", AUTO_STYLES)
        noise = np.random.Generator(np.random.Philox(key=[state.seed & (2**64 - 1), phrase]))
        name = dances[int(noise.integers(len(dances)))]
    return spec.styles.index(name) if name in spec.styles else 0
