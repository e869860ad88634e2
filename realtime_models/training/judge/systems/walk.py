"""The walk through a motion graph whose motion beats fall on the beats of the music, and the dance that it is.

A walk goes from motion beat to motion beat, either on in its clip or over a transition into another one. The time for
each such move is the clip's own, stretched within 0.8 and 1.25 so that it ends on a beat; where no beat is within
reach it ends on half a beat or runs at its own speed, which costs. A beam search over the song keeps the cheapest
walks; the costs are in ``Cost``. A seed moves the start and shakes the costs a little.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from engine.skeleton import quat_slerp
from realtime_models.training.data import FPS
from realtime_models.training.judge.systems.clips import STRETCH, Take, sample, turned_and_moved
from realtime_models.training.judge.systems.clips_on_grid import whole_grid
from realtime_models.training.judge.systems.motion_graph import Graph
from realtime_models.training.judge.systems.point_cloud import HALF_BLEND, THRESHOLD_M

STAGE_M = 2.0  #: radius that the pelvis should not leave
BEAM = 48  #: walks kept per quarter of a beat
BRANCHES = 6  #: ways tried on from each
STARTS = 48  #: random starts, of a quarter of the motion beats at most: seeds are to differ
LONGEST_S = 20.0  #: the grid is carried on so far past the end: longer than any move that begins before it
SAME_S = 0.12  #: two motion beats nearer than this across a transition are one
SMOOTH_S = 0.2  #: changes of speed are spread over this


class Cost:
    """What a walk avoids; a motion beat that misses every beat of the music costs 1."""

    OFF = 1.0  #: a motion beat off the grid
    HALF = 0.8  #: on half a beat
    UNDANCED = 0.6  #: a beat without a motion beat
    CALM = 0.6  #: standing still; falls to 0 at the median speed of the clips
    STRETCH = 6.0  #: times the squared logarithm of the speed
    SPEED_CHANGE = 3.0  #: times the squared logarithm of the change of speed
    TRANSITION = 0.3
    DISTANCE = 0.6  #: a transition as far as the threshold
    HURRY = 1.5  #: a transition right after another, falling to 0 at REST_S
    REST_S = 3.0
    AGAIN = 6.0  #: a move that was danced before
    EDGE_PER_M = 3.0  #: each metre further out than EDGE_M
    EDGE_M = 1.3
    AWAY = 0.3  #: with the back to the audience (+Z); half of it in profile
    OUTSIDE_PER_M = 30.0  #: each metre off the stage
    NOISE = 0.3  #: largest random cost of a way


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A walk so far, at its newest node."""

    time_s: float
    number: float  #: of the beat then, fractional
    node: int
    way: int  #: the transition taken to come here; -1 = none
    gap: float  #: clip frames since the step before
    speed: float  #: clip seconds per second since then
    landed: float  #: frame of this clip at which the newest transition ended; -inf = none
    since_s: float  #: time of that transition
    yaw_rad: float  #: floor point c of this clip stands at exp(i yaw) c + shift
    shift: complex
    danced: np.ndarray  #: (N,) bool, moves (by the node they start from) danced so far
    cost: float
    before: "Step | None"


@dataclass(frozen=True, slots=True)
class Walk:
    """A chosen walk, in its order."""

    steps: tuple[Step, ...]

    @property
    def transitions(self) -> int:
        return sum(step.way >= 0 for step in self.steps)

    @property
    def repeated(self) -> int:
        """Moves danced more than once."""
        last = self.steps[-1].danced.sum()
        return max(0, sum(1 + (step.way >= 0) for step in self.steps[1:]) - int(last))

    def speeds(self) -> np.ndarray:
        """Speed (n,) of each move."""
        return np.array([step.speed for step in self.steps[1:]])


def dance(
    graph: Graph, beats_s: np.ndarray, seconds: float, *, fps: float = 60, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) xyzw, float32, of a dance of ``seconds`` to true beats (n,) [s].

    The same arguments give the same dance. ValueError when fewer than two beats are given.
    """
    return perform(graph, find_walk(graph, beats_s, seconds, seed), seconds, fps)


def find_walk(graph: Graph, beats_s: np.ndarray, seconds: float, seed: int = 0) -> Walk:
    """The cheapest walk found to true beats (n,) [s], from before 0 to past ``seconds``.

    ValueError when fewer than two beats are given.
    """
    beats_s = np.asarray(beats_s, np.float64)
    if len(beats_s) < 2:
        raise ValueError(f"{len(beats_s)} beats; a walk needs at least 2")
    return _Search(graph, beats_s, seconds, np.random.default_rng(seed)).run()


class _Search:
    """Beam search; walks meet in buckets of a quarter of a beat, the best BEAM of each go on."""

    def __init__(self, graph: Graph, beats_s: np.ndarray, seconds: float, rng: np.random.Generator) -> None:
        self.graph, self.rng = graph, rng
        self.grid = whole_grid(beats_s, seconds + LONGEST_S)
        self.numbers = np.arange(len(self.grid), dtype=np.float64)
        self.until_s = seconds + 0.5
        speed = graph.nodes.speed_m_s
        self.calm = np.maximum(0, 1 - speed / max(float(np.median(speed)), 1e-6))

    def number(self, time_s: np.ndarray | float) -> np.ndarray:
        """Fractional beat number of times [s]."""
        return np.interp(time_s, self.grid, self.numbers)

    def run(self) -> Walk:
        buckets: dict[int, list[Step]] = {}
        agenda: list[int] = []
        for step in self.starts():
            self.put(step, buckets, agenda, -1)
        while True:
            at = heapq.heappop(agenda)
            kept = _best_of(buckets.pop(at))
            if kept[0].time_s > self.until_s:
                return _walk_to(kept[0])
            for step in kept:
                for child in self.ways_on(step):
                    self.put(child, buckets, agenda, at)

    def put(self, step: Step, buckets: dict[int, list[Step]], agenda: list[int], after: int) -> None:
        at = max(after + 1, int(4 * step.number))
        if at not in buckets:
            buckets[at] = []
            heapq.heappush(agenda, at)
        buckets[at].append(step)

    def starts(self) -> list[Step]:
        """Random motion beats, on the last beat before 0, standing in the middle and facing ahead."""
        nodes = self.graph.nodes
        beats = np.flatnonzero(nodes.is_beat) if nodes.is_beat.any() else np.arange(len(nodes))
        first = int(np.flatnonzero(self.grid <= 0)[-1])
        time_s = float(self.grid[first])
        steps = []
        for node in self.rng.choice(beats, min(STARTS, 1 + len(beats) // 4), replace=False):
            yaw = -float(nodes.facing_rad[node])
            shift = -np.exp(1j * yaw) * nodes.root[node]
            before = {"landed": -np.inf, "since_s": time_s - Cost.REST_S, "danced": np.zeros(len(nodes), bool)}
            cost = float(self.rng.uniform(0, Cost.NOISE))
            steps.append(
                Step(time_s, first, int(node), -1, 0.0, 1.0, yaw_rad=yaw, shift=shift, cost=cost, before=None, **before)
            )
        return steps

    def ways_on(self, step: Step) -> list[Step]:
        """The cheapest BRANCHES ways on."""
        nodes, ways = self.graph.nodes, self.graph.ways
        frame = nodes.frame[step.node]
        over = np.arange(nodes.first_way[step.node], nodes.end_way[step.node])
        over = over[ways.frame[over] >= step.landed + 2 * HALF_BLEND]
        way, node = over, nodes.landing[over]
        into = ways.frame[over] - frame
        gap = into + nodes.frame[node] - ways.to_frame[over]
        if nodes.is_beat[step.node]:  # a clip's last node is its last way out: there is no staying
            way, node, into = np.append(way, -1), np.append(node, step.node + 1), np.append(into, 0.0)
            gap = np.append(gap, nodes.frame[step.node + 1] - frame)
        yaw, shift = self.placed(step, way)
        cost = self.of_going(step, way, node, yaw, shift, into)
        times, numbers, of_time = self.arrivals(step, way, node, gap)
        total = cost + of_time + self.rng.uniform(0, Cost.NOISE, of_time.shape)
        found = []
        for pick in np.argsort(total, axis=None)[:BRANCHES]:
            target, k = divmod(int(pick), len(way))
            if not np.isfinite(total[target, k]):
                break
            arrival = float(times[target, k]), float(numbers[target, k])
            place = float(yaw[k]), complex(shift[k])
            found.append(self.child(step, int(way[k]), int(node[k]), float(gap[k]), arrival, place, total[target, k]))
        return found

    def child(
        self,
        step: Step,
        way: int,
        node: int,
        gap: float,
        arrival: tuple[float, float],
        place: tuple[float, complex],
        cost: float,
    ) -> Step:
        """One move further: to ``node`` at ``arrival`` (time [s], beat number), the clip then laid at ``place``."""
        nodes, ways = self.graph.nodes, self.graph.ways
        danced = step.danced.copy()
        danced[step.node] = True
        took_s = arrival[0] - step.time_s
        speed = gap / FPS / took_s if took_s > 0 else step.speed
        landed, since_s = step.landed, step.since_s
        if way >= 0:
            danced[self.entered(way)] = True
            landed = float(ways.to_frame[way])
            since_s = step.time_s + float(ways.frame[way] - nodes.frame[step.node]) / FPS / speed
        return Step(*arrival, node, way, gap, speed, landed, since_s, *place, danced, step.cost + float(cost), step)

    def entered(self, way: np.ndarray) -> np.ndarray:
        """The move into the middle of which a transition leads, by the node it starts from."""
        nodes = self.graph.nodes
        at = nodes.landing[way]
        before = np.maximum(at - 1, 0)
        return np.where(nodes.clip[before] == nodes.clip[at], before, at)

    def placed(self, step: Step, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ways = self.graph.ways
        yaw = np.where(way >= 0, step.yaw_rad + ways.yaw_rad[way], step.yaw_rad)
        shift = np.where(way >= 0, np.exp(1j * step.yaw_rad) * ways.shift[way] + step.shift, step.shift)
        return yaw, shift

    def of_going(
        self, step: Step, way: np.ndarray, node: np.ndarray, yaw: np.ndarray, shift: np.ndarray, into: np.ndarray
    ) -> np.ndarray:
        """Costs (n,) that do not depend on the music."""
        nodes, ways = self.graph.nodes, self.graph.ways
        over = way >= 0
        cost = np.where(over, Cost.TRANSITION + Cost.DISTANCE * (ways.distance_m[way] / THRESHOLD_M) ** 2, 0.0)
        rest_s = step.time_s - step.since_s + into / FPS
        cost += np.where(over, Cost.HURRY * np.clip(1 - rest_s / Cost.REST_S, 0, 1), 0.0)
        entered = np.where(over, self.entered(way), step.node)
        cost += Cost.AGAIN * (step.danced[step.node] + (over & step.danced[entered])) + Cost.CALM * self.calm[entered]
        cost += Cost.AWAY * (1 - np.cos(yaw + nodes.facing_rad[node])) / 2
        out_m = np.abs(np.exp(1j * yaw) * nodes.root[node] + shift)
        cost += Cost.EDGE_PER_M * np.maximum(out_m - Cost.EDGE_M, 0)
        return cost + Cost.OUTSIDE_PER_M * np.maximum(out_m - STAGE_M + 0.15, 0)

    def arrivals(
        self, step: Step, way: np.ndarray, node: np.ndarray, gap: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """When to arrive: the beat before, the beat after, half a beat, at the clip's own speed.

        Times (4, n) [s], their beat numbers (4, n) and costs (4, n).
        """
        own_s = gap / FPS
        natural = self.number(step.time_s + own_s)
        low = np.floor(natural)
        free_s = step.time_s + own_s / min(max(step.speed, 0.95), 1.05)
        numbers = np.stack([low, np.ceil(natural), low + 0.5, self.number(free_s)])
        times = np.interp(numbers, self.numbers, self.grid)
        times[3] = free_s
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = own_s / (times - step.time_s)
        within = (speed >= STRETCH[0]) & (speed <= STRETCH[1])
        counts = self.graph.nodes.is_beat[node] & ~((way >= 0) & (own_s < SAME_S))
        cost = _MISS * counts
        cost += Cost.UNDANCED * np.maximum(np.ceil(numbers - 0.1) - 1 - np.floor(step.number + 0.1), 0)
        logarithm = np.log(np.where(within, speed, 1.0))
        cost += Cost.STRETCH * logarithm**2 + Cost.SPEED_CHANGE * (logarithm - np.log(step.speed)) ** 2
        cost[:3][~(within[:3] & counts)] = np.inf
        return times, numbers, cost


_MISS = np.array([0.0, 0.0, Cost.HALF, Cost.OFF])[:, None]


def _best_of(steps: list[Step]) -> list[Step]:
    """The cheapest BEAM walks, at most one of those that stand at the same node."""
    kept: dict[int, Step] = {}
    for step in sorted(steps, key=lambda s: s.cost):
        kept.setdefault(step.node, step)
        if len(kept) == BEAM:
            break
    return list(kept.values())


def _walk_to(step: Step) -> Walk:
    steps = []
    while step is not None:
        steps.append(step)
        step = step.before
    return Walk(tuple(reversed(steps)))


@dataclass(frozen=True, slots=True)
class Stay:
    """An uninterrupted part of one clip in a dance, on the dance's own axis of clip frames."""

    clip: Take
    start: float  #: axis position of the transition into it; -inf = the first
    end: float  #: inf = the last
    offset: float  #: clip frame - axis position
    yaw_rad: float
    shift: complex


def stays(graph: Graph, walk: Walk) -> list[Stay]:
    """The parts of clips that a walk consists of. The axis is 0 at its first node."""
    found, axis, start = [], 0.0, -np.inf
    first = walk.steps[0]
    clip, offset, yaw, shift = graph.nodes.clip[first.node], graph.nodes.frame[first.node], first.yaw_rad, first.shift
    for step in walk.steps[1:]:
        if step.way >= 0:
            at = graph.ways.frame[step.way] - offset
            found.append(Stay(graph.clips[clip], start, at, offset, yaw, shift))
            clip, offset = graph.ways.to_clip[step.way], graph.ways.to_frame[step.way] - at
            start, yaw, shift = at, step.yaw_rad, step.shift
        axis += step.gap
    return [*found, Stay(graph.clips[clip], start, np.inf, offset, yaw, shift)]


def axis_at(walk: Walk, times_s: np.ndarray) -> np.ndarray:
    """Position (n,) on the axis of clip frames at times (n,) [s]: straight between nodes, smoothed over SMOOTH_S."""
    knots_s = np.array([step.time_s for step in walk.steps])
    axis = np.cumsum([step.gap for step in walk.steps])
    speed = [step.speed * FPS for step in (walk.steps[1], walk.steps[-1])]
    knots_s = np.r_[knots_s[0] - 1, knots_s, knots_s[-1] + 1]
    axis = np.r_[axis[0] - speed[0], axis, axis[-1] + speed[1]]
    around_s = np.linspace(-SMOOTH_S / 2, SMOOTH_S / 2, 21)
    return np.interp(times_s[:, None] + around_s, knots_s, axis).mean(axis=1)


def perform(graph: Graph, walk: Walk, seconds: float, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Root (F, 3) and rotations (F, 22, 4) xyzw, float32, of a walk: its clips, blended HALF_BLEND frames each way."""
    at = axis_at(walk, np.arange(round(seconds * fps)) / fps)
    root, rotations = np.zeros((len(at), 3)), np.zeros((len(at), 22, 4))
    for stay in stays(graph, walk):
        part = np.flatnonzero((at >= stay.start - HALF_BLEND) & (at < stay.end + HALF_BLEND))
        if not len(part):
            continue
        to = np.array([stay.shift.imag, 0.0, stay.shift.real])
        new_root, new_rotations = turned_and_moved(*sample(stay.clip, at[part] + stay.offset), stay.yaw_rad, to)
        share = np.clip((at[part] - stay.start + HALF_BLEND) / (2 * HALF_BLEND), 0, 1)
        share = share * share * (3 - 2 * share)
        whole = share == 1
        root[part] += (new_root - root[part]) * share[:, None]
        mixed = part[~whole]
        rotations[mixed] = quat_slerp(rotations[mixed], new_rotations[~whole], np.repeat(share[~whole, None], 22, 1))
        rotations[part[whole]] = new_rotations[whole]
    return root.astype(np.float32), rotations.astype(np.float32)
