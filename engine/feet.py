"""Feet that stay where they stand: stands and steps, a floor that is not sunk into. Pure numpy.

One call a token row, over its poses and the drafted ones behind them. ``foresee`` says when each toe stands. A standing
toe does not move over the floor; how its way differs from the model's is the smoothest difference that allows this and
fades in the air, with its sent part held fast: the kind of path that ``upsample`` seeks. So a landing that is foreseen
is prepared in the air, and nothing jumps when one comes unforeseen. The body's height follows floor and reach likewise,
and ``legs`` bends the legs.

A toe that the model drags along while it says that it stands makes a step once it is too far from its spot, and a toe
that moves over the floor is lifted over it.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.legs import JOINTS_OF, LENGTH_M, Legs, bend, legs_of
from engine.types import POSE_HZ

LEGS = tuple(tuple(int(joint) for joint in leg) for leg in JOINTS_OF)  #: left, right: hip, knee, ankle, toe
#: Contact probability at which a toe comes to stand, and at which it lifts. Near one another, so that both are in time;
#: least lengths keep it from flickering.
DOWN, UP = 0.6, 0.55
NEAR_M = 0.07  #: a toe of the model higher than this does not come to stand, and one twice as high lifts
SLACK_M = 0.12  #: a standing toe further than this from the model's makes a step if the other one stands
TORN_M = 0.20  #: and further than this it lifts at once
STAND_TICKS, STEP_TICKS = 8, 18  #: least length of a stand, and of a step between two: a shorter one catches up little
BEARS = 0.3  #: a toe that may stand with this probability is brought to the floor by the body's height
SETTLED_TICKS = 4  #: a toe that has stood for so long bears a step of the other
EARLY_TICKS, LATE_TICKS = 4, 2  #: a toe stops moving over the floor so long before it stands, and begins so long after
HOLD = 1e5  #: weight of a held toe's movement, beside 1 for the square of a difference
FADE_TICKS = 5.0  #: about the time in which a difference fades in the air
FLOW, FLOW_M_S = 400.0, 0.3  #: weight of a difference's change where the model's toe rests, half of it at this speed
CLEAR_M = 0.045  #: height over which a toe moves at full speed,
SLOW_M_S, FAST_M_S = 0.1, 0.4  #: which is the second; at the first it may stay on the floor
FLOOR, RISE_TICKS = 30.0, 2.5  #: weight of the floor under a standing toe, and about the time of rising to a height
BODY_TICKS = 12.0  #: the same time for the body's height
BODY_M = 0.10  #: which is changed by no more than this
REACH_M = 0.994 * LENGTH_M  #: a standing leg is not asked to be longer: the hip comes down instead


@dataclass(frozen=True, slots=True)
class FeetState:
    """What was decided and sent of both feet. Arrays are never written in place."""

    standing: tuple[bool, bool] = (False, False)
    ticks: tuple[int, int] = (99, 99)  #: since when
    spot: np.ndarray | None = None  #: (2, 2) [m] x, z of each toe as sent last
    shift: np.ndarray | None = None  #: (2, 2, 3) [m] last two differences from the model's toes, older one first
    body_m: tuple[float, float] = (0.0, 0.0)  #: last two changes of the body's height
    contact: np.ndarray | None = None  #: (2,) of the last model frame


def plant_feet(
    state: FeetState, root: np.ndarray, rotations: np.ndarray, contacts: np.ndarray, commit: int
) -> tuple[FeetState, np.ndarray, np.ndarray]:
    """A plan's poses with feet planted. Pure: the first ``commit`` poses are sent, the rest is a draft.

    root (2 F, 3) [m], rotations (2 F, 22, 4) xyzw at 60 Hz, contacts (F, 2) 0..1 (left, right toe) of the model frames
    at every second of them. Returns the state once the first ``commit`` are sent, and all of them, float32.
    """
    legs, before = legs_of(root, rotations), _before(state)
    sure = at_poses(contacts, state.contact)
    standing, after = foresee(state, legs.toes, sure, commit)
    held = held_over_floor(standing, state)
    floor = legs.toes[..., [0, 2]]
    last = floor[0] if state.spot is None else state.spot
    moved = np.diff(floor, axis=0, prepend=(last - before[1][:, [0, 2]])[None])
    shift = np.empty(legs.toes.shape)
    shift[..., [0, 2]] = differences_over_floor(moved, held, before[..., [0, 2]])
    lift = body_heights(state, legs, shift, standing, standing | (sure > BEARS))
    steps = moved + np.diff(shift[..., [0, 2]], axis=0, prepend=before[1:, :, [0, 2]])
    shift[..., 1] = differences_of_height(legs, steps, lift, standing, before[..., 1])
    risen = lift[:, None] * [0.0, 1.0, 0.0]
    planted = rotations.copy()
    planted[:, JOINTS_OF[:, :3]] = bend(legs, shift - risen[:, None])
    sent = slice(commit - 2, commit)
    state = FeetState(*after, floor[commit - 1] + shift[commit - 1][:, [0, 2]], shift[sent], tuple(lift[sent].tolist()),
                      contacts[commit // 2 - 1])  # fmt: skip
    return state, (root + risen).astype(np.float32), planted.astype(np.float32)


def at_poses(contacts: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """Contacts (F, 2) of model frames at their poses and half way before each: (2 F, 2)."""
    before = contacts[:1] if before is None else before[None]
    return np.stack([(np.concatenate([before, contacts[:-1]]) + contacts) / 2, contacts], 1).reshape(-1, 2)


def foresee(
    state: FeetState, toes: np.ndarray, contacts: np.ndarray, commit: int
) -> tuple[np.ndarray, tuple[tuple[bool, bool], tuple[int, int]]]:
    """When the model's toes (N, 2, 3) stand, by their contact probabilities (N, 2), and since when.

    Returns (N, 2) flags, and ``standing, ticks`` of the state once ``commit`` poses are sent. What is drafted behind
    them is decided anew in the next row.
    """
    down, ticks, flags, after = list(state.standing), list(state.ticks), [], None
    spot = (toes[0][:, [0, 2]] if state.spot is None else state.spot).tolist()
    for both, chance in zip(toes.tolist(), contacts.tolist(), strict=True):
        for foot, (x, y, z) in enumerate(both):
            ticks[foot] += 1
            if down[foot]:
                far_m = math.hypot(x - spot[foot][0], z - spot[foot][1])
                borne = down[1 - foot] and ticks[1 - foot] >= SETTLED_TICKS
                over = chance[foot] < UP or y > 2 * NEAR_M or far_m > (SLACK_M if borne else TORN_M)
                change = over and ticks[foot] >= STAND_TICKS
            else:
                change = chance[foot] > DOWN and y < NEAR_M and ticks[foot] >= STEP_TICKS
            if change:
                down[foot], ticks[foot], spot[foot] = not down[foot], 0, (x, z)
        flags.append(tuple(down))
        if len(flags) == commit:
            after = tuple(down), tuple(ticks)
    return np.array(flags), after


def held_over_floor(standing: np.ndarray, state: FeetState) -> np.ndarray:
    """When toes do not move over the floor (N, 2): while they stand (N, 2), EARLY_TICKS before and LATE_TICKS after."""
    was, since = np.array(state.standing), np.array(state.ticks)
    past = [np.where(since >= ago - 1, was, ~was) for ago in range(LATE_TICKS, 0, -1)]
    flags = np.concatenate([np.stack(past), standing])
    wide = flags.copy()
    for k in range(1, LATE_TICKS + 1):
        wide[k:] |= flags[:-k]
    for k in range(1, EARLY_TICKS + 1):
        wide[:-k] |= flags[k:]
    return wide[LATE_TICKS:]


@cache
def bends(poses: int, ticks: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight of squared second differences, of the last two sent (N, 2) and of the new poses (N, N): a difference that
    is pulled to zero with weight 1 fades in about ``ticks``.
    """
    second = np.diff(np.eye(poses + 2), 2, axis=0)
    rough = ticks**4 * second.T @ second
    return rough[2:, :2], rough[2:, 2:]


def differences_over_floor(moved: np.ndarray, held: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Differences (N, 2, 2) [m] in x and z of both toes from the model's, which move by ``moved`` (N, 2, 2) a pose.

    Least squares of the difference, its bend, a held toe's movement, and, in the air, the difference's change where the
    model's toe is slow: what has to be caught up is caught up in its swing, which keeps its time. ``before`` (2, 2, 2):
    the last two sent.
    """
    past, rough = bends(len(moved), FADE_TICKS)
    slow = FLOW_M_S**2 / (FLOW_M_S**2 + np.sum(moved**2, -1) * POSE_HZ**2)
    stay = np.where(held, HOLD, FLOW * slow).T[..., None]
    step = np.eye(len(moved)) - np.eye(len(moved), k=-1)
    system = rough + np.eye(len(moved)) + step.T @ (stay * step)
    wish = -step.T @ (HOLD * (held[..., None] * moved).transpose(1, 0, 2)) - past @ before.transpose(1, 0, 2)
    wish[:, 0] += stay[:, 0] * before[1]
    return np.linalg.solve(system, wish).transpose(1, 0, 2)


@cache
def body_gains(poses: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (N, 2) and (N, N) from the last two changes of height and those wished for to the smoothest."""
    past, rough = bends(poses, BODY_TICKS)
    system = rough + np.eye(poses)
    return np.linalg.solve(system, -past), np.linalg.inv(system)


def body_heights(
    state: FeetState, legs: Legs, shift: np.ndarray, standing: np.ndarray, bearing: np.ndarray
) -> np.ndarray:
    """Change (N,) [m] of the body's height: the lower of the ``bearing`` toes comes to the floor, no leg joint under
    it, and no standing leg has to be stretched to its spot.
    """
    heights = legs.joints[..., 1]
    toes = np.where(bearing, heights[:, :, 3], np.inf).min(1)
    wish = np.maximum(np.where(np.isfinite(toes), -toes, 0.0), -heights.min((1, 2)))
    ankle = legs.joints[:, :, 2] - legs.joints[:, :, 0]
    flat = np.sum((ankle[..., [0, 2]] + shift[..., [0, 2]]) ** 2, -1)
    upright = np.sqrt(np.maximum(REACH_M**2 - flat, 0.0))
    room = upright + ankle[..., 1] - heights[:, :, 3]  # how far the hip may rise over a toe that stands
    wish = np.minimum(wish, np.where(standing, room, np.inf).min(1))
    from_past, from_wish = body_gains(len(wish))
    return from_past @ np.array(state.body_m) + from_wish @ np.clip(wish, -BODY_M, BODY_M)


def differences_of_height(
    legs: Legs, steps: np.ndarray, lift: np.ndarray, standing: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """Differences (N, 2) [m] of both toes' heights from the model's: on the floor where they stand, over it where
    their ``steps`` (N, 2, 2) lead over it, never under it.
    """
    past, rough = bends(len(lift), RISE_TICKS)
    here = legs.toes[..., 1]
    speed = np.sqrt(np.sum(steps**2, -1)) * POSE_HZ
    over = CLEAR_M * np.clip((speed - SLOW_M_S) / (FAST_M_S - SLOW_M_S), 0.0, 1.0)
    goal = np.where(standing, 0.0, np.maximum(here + lift[:, None], over)) - here
    weight = np.where(standing, FLOOR, 1.0).T
    system = rough + weight[:, None] * np.eye(len(lift))
    wish = weight * goal.T - (past @ before).T
    shift = np.linalg.solve(system, wish[..., None])[..., 0].T
    return np.maximum(shift, -legs.joints[:, :, 2:, 1].min(-1))


def _before(state: FeetState) -> np.ndarray:
    return np.zeros((2, 2, 3)) if state.shift is None else state.shift
