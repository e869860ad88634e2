"""A motion graph danced to true beats: the strong baseline without a network.

Kovar, Gleicher and Pighin 2002, "Motion Graphs": wherever two moments of real dance are alike (point_cloud.py: a local
minimum of their distance below a threshold), the dance may go over from the one to the other in a blend of a third of
a second. Of the graph that arises only the largest strongly connected component is kept, so that a walk never runs
into a dead end. The walk is chosen for the music (walk.py): motion beats fall on the true beats, as in Kim, Park and
Shin 2003, "Rhythmic-motion synthesis based on motion-beat analysis", by small changes of speed and by where to go over.

Feet slide in the blends; no inverse kinematics mends them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from realtime_models.training.data import FPS
from realtime_models.training.judge.beat import beats_of_curve, body_speed, joint_positions
from realtime_models.training.judge.systems.clips import Take, yaw_of
from realtime_models.training.judge.systems.point_cloud import (
    HALF_BLEND,
    THRESHOLD_M,
    clouds,
    joined,
    near_minima,
    paired,
)

GRID = 2  #: every second frame is compared
TURN_RAD = 1.2  #: no joint's own rotation may differ more: points do not see a forearm twist, a skinned body shows it
NEAR_FRAMES = 45  #: within a clip a transition leads at least this far
CELL = 8  #: of the transitions that leave a clip within so many frames for the same other clip only the best is kept


@dataclass(frozen=True, slots=True)
class Transitions:
    """E ways over, sorted by the clip and frame that they leave. All arrays (E,)."""

    clip: np.ndarray  #: number of the clip left
    frame: np.ndarray  #: frame of it in the middle of the blend
    to_clip: np.ndarray
    to_frame: np.ndarray
    distance_m: np.ndarray
    yaw_rad: np.ndarray  #: a floor point c = z + i x of the clip entered stands at exp(i yaw) c + shift of the one left
    shift: np.ndarray  #: complex [m]

    def __len__(self) -> int:
        return len(self.clip)

    def take(self, which: np.ndarray) -> "Transitions":
        """Those transitions."""
        return Transitions(*(getattr(self, name)[which] for name in Transitions.__slots__))


@dataclass(frozen=True, slots=True)
class Nodes:
    """The places of the graph between which a walk is planned: motion beats, and the last way out of each clip."""

    clip: np.ndarray  #: (N,) number of the clip, rising
    frame: np.ndarray  #: (N,) frame, fractional; rising within a clip
    is_beat: np.ndarray  #: (N,) False at a clip's last way out
    root: np.ndarray  #: (N,) complex z + i x [m] of the pelvis
    facing_rad: np.ndarray  #: (N,) its heading, 0 = +Z
    speed_m_s: np.ndarray  #: (N,) mean body speed from here to the next node
    first_way: np.ndarray  #: (N,) the transitions first_way .. end_way leave from here on, before the next node
    end_way: np.ndarray  #: (N,)
    landing: np.ndarray  #: (E,) for each transition the first node at or after its end

    def __len__(self) -> int:
        return len(self.clip)


@dataclass(frozen=True, slots=True)
class Graph:
    """The strongly connected motion graph of some clips."""

    clips: tuple[Take, ...]  #: those with a part in it
    ways: Transitions
    nodes: Nodes

    @property
    def seconds(self) -> float:
        """Dance that a walk can reach [s]."""
        ends = np.flatnonzero(~self.nodes.is_beat)
        starts = np.r_[0, ends[:-1] + 1]
        return float((self.nodes.frame[ends] - self.nodes.frame[starts]).sum() / FPS)


def build(clips: Sequence[Take], threshold_m: float = THRESHOLD_M) -> Graph:
    """The motion graph of clips at 30 Hz (leave a dancer out by not giving their clips).

    ValueError when no two moments of them are alike enough for a way back.
    """
    positions = [joint_positions(clip.root, clip.rotations) for clip in clips]
    ways = transitions(positions, threshold_m)
    ways = sparse(ways.take(twist_rad([clip.rotations for clip in clips], ways) <= TURN_RAD))
    ways = strongly_connected(ways, [len(p) for p in positions])
    if not len(ways):
        raise ValueError(
            f"no way back within {threshold_m:.2f} m between {len(clips)} clips: the walk would run into a dead end; "
            "give more or longer clips, or a larger threshold"
        )
    used = np.unique(ways.clip)
    number = np.full(len(clips), -1)
    number[used] = np.arange(len(used))
    ways = Transitions(number[ways.clip], ways.frame, number[ways.to_clip], *_rest(ways))
    kept = tuple(clips[k] for k in used)
    return Graph(kept, ways, _nodes(kept, ways))


def _rest(ways: Transitions) -> tuple[np.ndarray, ...]:
    return ways.to_frame, ways.distance_m, ways.yaw_rad, ways.shift


def transitions(positions: Sequence[np.ndarray], threshold_m: float) -> Transitions:
    """Every local minimum of the distance between moments of the clips' positions (F, 22, 3), both ways."""
    frames = [np.arange(HALF_BLEND, len(p) - HALF_BLEND, GRID) for p in positions]
    clip = np.repeat(np.arange(len(frames)), [len(f) for f in frames])
    frame = np.concatenate([*frames, np.zeros(0, int)])
    parts = [clouds(p, f) for p, f in zip(positions, frames, strict=True) if len(f)]
    if not parts:
        return Transitions(*[np.zeros(0, int)] * 4, *[np.zeros(0)] * 3)
    moments = joined(parts)
    a, b = near_minima(moments, threshold_m)
    far = (clip[a] != clip[b]) | (np.abs(frame[a] - frame[b]) >= NEAR_FRAMES)
    a, b = np.r_[a[far], b[far]], np.r_[b[far], a[far]]
    order = np.lexsort((frame[b], clip[b], frame[a], clip[a]))
    a, b = a[order], b[order]
    laid = paired(moments.take(a), moments.take(b))
    return Transitions(clip[a], frame[a], clip[b], frame[b], *laid)


def twist_rad(rotations: Sequence[np.ndarray], ways: Transitions) -> np.ndarray:
    """Largest turn (E,) [rad] of any joint but the pelvis between the two frames of each transition."""
    if not len(ways):
        return np.zeros(0)
    start = np.r_[0, np.cumsum([len(r) for r in rotations])]
    local = np.concatenate([r[:, 1:] for r in rotations])
    a, b = local[start[ways.clip] + ways.frame], local[start[ways.to_clip] + ways.to_frame]
    return 2 * np.arccos(np.clip(np.abs((a * b).sum(axis=-1)), 0, 1)).max(axis=1)


def sparse(ways: Transitions) -> Transitions:
    """The best transition of each CELL frames and other clip."""
    cell = np.stack([ways.clip, ways.frame // CELL, ways.to_clip])
    order = np.lexsort((ways.distance_m, *cell[::-1]))
    ordered = cell[:, order]
    first = np.r_[True, (np.diff(ordered, axis=1) != 0).any(axis=0)][: len(order)]
    return ways.take(np.sort(order[first]))


def strongly_connected(ways: Transitions, lengths: Sequence[int]) -> Transitions:
    """Those transitions from each of which a walk can come back to it without ever stopping.

    Blends must not overlap: a transition leaves HALF_BLEND frames before its frame and arrives HALF_BLEND after that
    of the other clip, and between the two a clip runs forward only. Tarjan's components; the one with most time.
    """
    start = np.r_[0, np.cumsum(lengths)]
    total = int(start[-1])
    leave = start[ways.clip] + ways.frame - HALF_BLEND
    arrive = start[ways.to_clip] + ways.to_frame + HALF_BLEND
    on = np.setdiff1d(np.arange(total), start[1:] - 1)
    source, target = np.r_[on, leave], np.r_[on + 1, arrive]
    links = coo_array((np.ones(len(source), np.int8), (source, target)), shape=(total, total))
    _, label = connected_components(links, directed=True, connection="strong")
    largest = np.bincount(label).argmax() if total else 0
    return ways.take((label[leave] == largest) & (label[arrive] == largest))


def _nodes(clips: Sequence[Take], ways: Transitions) -> Nodes:
    """Motion beats between each clip's first way in and last way out, and that way out."""
    clip, frame, is_beat, root, facing_rad, speed_m_s = [], [], [], [], [], []
    for number, take in enumerate(clips):
        first = ways.to_frame[ways.to_clip == number].min()
        last = ways.frame[ways.clip == number].max()
        speed = body_speed(take.root, take.rotations, FPS)
        beats = beats_of_curve(speed, FPS) * FPS
        at = np.r_[beats[(beats >= first) & (beats < last)], last]
        clip.append(np.full(len(at), number))
        frame.append(at)
        is_beat.append(np.r_[np.ones(len(at) - 1, bool), False])
        near = np.round(at).astype(int)
        root.append(take.root[near, 2] + 1j * take.root[near, 0].astype(np.float64))
        facing_rad.append(np.array([yaw_of(rotation) for rotation in take.rotations[near, 0]]))
        speed_m_s.append(
            np.array([speed[a : max(b, a + 1)].mean() for a, b in zip(near, np.r_[near[1:], 0], strict=True)])
        )
    clip, frame = np.concatenate(clip), np.concatenate(frame)
    # One number for clip and frame, so that sorted search works over all clips at once.
    room = 1 + max(float(frame.max()), float(ways.to_frame.max()))
    place, leaving = clip * room + frame, ways.clip * room + ways.frame
    first_way = np.searchsorted(leaving, place)
    return Nodes(
        clip,
        frame,
        np.concatenate(is_beat),
        np.concatenate(root),
        np.concatenate(facing_rad),
        np.concatenate(speed_m_s),
        first_way,
        np.r_[first_way[1:], len(ways)],
        np.searchsorted(place, ways.to_clip * room + ways.to_frame),
    )
