"""Lanes: leads side by side, late wake-ups, broken outputs, latch and guard, on a simulated clock and for real."""

import heapq
import threading

import numpy as np
import pytest
from bridge_doubles import WAIT_S, FakeLive, StillClock, let_through, made_up_pose

from bridges.flags import BLACKOUT, FREEZE, HELD, PANIC
from bridges.hub import FIRST_RETRY_S, SINKS, Hub, Lane, OutputSpec, open_sink
from engine.clock import now_s
from engine.errors import ConfigError
from engine.guard import guard_step
from engine.idle import idle_pose
from engine.timeline import Timeline
from engine.types import POSE_HZ, Controls, Pose

TICK_S = 1 / POSE_HZ


class Recorder:
    """A sink that keeps what it is given; ``cost_s`` is read by the simulation."""

    def __init__(self, cost_s: float = 0.0):
        self.cost_s = cost_s
        self.got: list[tuple[Pose, int, float]] = []
        self.opened = self.closed = 0

    def open(self, skeleton):
        self.opened += 1

    def send(self, pose):
        raise AssertionError("a lane gives flags where the sink takes them")

    def deliver(self, pose, flags, sent_s):
        self.got.append((pose, flags, sent_s))

    def close(self):
        self.closed += 1


class PlainSink(Recorder):
    """Only what the Sink protocol asks for."""

    deliver = None

    def send(self, pose):
        self.got.append((pose, 0, 0.0))


class Faulty(Recorder):
    """Raises while ``broken``, when sending and when opened."""

    broken = False

    def open(self, skeleton):
        super().open(skeleton)
        if self.broken:
            raise OSError("the cable is out")

    def deliver(self, pose, flags, sent_s):
        if self.broken:
            raise RuntimeError("nobody there")
        super().deliver(pose, flags, sent_s)


def filled(ticks: range) -> Timeline:
    timeline = Timeline()
    timeline.append(made_up_pose(tick) for tick in ticks)
    return timeline


def lane_of(sink, timeline, *, lead_s=0.0, live=None, guard=let_through, name="out") -> Lane:
    lane = Lane(OutputSpec("vmc", "x", lead_s, name), sink, timeline, StillClock(100.0), live or FakeLive(), guard)
    lane.open(None)
    return lane


def simulate(lanes: list[Lane], until_s: float) -> None:
    """Run lanes on one simulated clock, each as if on its own thread: a send takes the sink's ``cost_s``."""
    queue = [(lane.deadline(100.0), order) for order, lane in enumerate(lanes)]
    free_s = [100.0] * len(lanes)
    heapq.heapify(queue)
    while queue and queue[0][0] < until_s:
        deadline_s, order = heapq.heappop(queue)
        lane = lanes[order]
        now = max(deadline_s, free_s[order])
        lane.step(now, deadline_s)
        free_s[order] = now + lane.sink.cost_s
        heapq.heappush(queue, (lane.deadline(free_s[order]), order))


def frames(sink: Recorder) -> list[int]:
    return [pose.frame for pose, _, _ in sink.got]


def test_leads_side_by_side_do_not_touch_each_other():
    """0, 80 and 200 ms on one timeline: every output gets every pose, each exactly its own lead early."""
    timeline = filled(range(600))
    leads_s = (0.0, 0.08, 0.2)
    together = [Recorder() for _ in leads_s]
    simulate([lane_of(s, timeline, lead_s=lead) for s, lead in zip(together, leads_s, strict=True)], 105.0)
    for sink, lead_s in zip(together, leads_s, strict=True):
        assert frames(sink) == list(range(frames(sink)[0], frames(sink)[0] + len(sink.got)))
        early_s = [pose.time_s - sent_s for pose, _, sent_s in sink.got]
        assert early_s == pytest.approx([lead_s] * len(early_s), abs=1e-9)
        alone = Recorder()
        simulate([lane_of(alone, timeline, lead_s=lead_s)], 105.0)
        assert frames(alone) == frames(sink)
        assert [sent_s for *_, sent_s in alone.got] == [sent_s for *_, sent_s in sink.got]


def test_a_slow_output_skips_to_the_newest_due_pose_and_the_others_miss_nothing():
    timeline = filled(range(600))
    quick, slow = Recorder(), Recorder(cost_s=2.5 * TICK_S)
    lanes = [lane_of(quick, timeline), lane_of(slow, timeline, lead_s=0.2)]
    simulate(lanes, 104.0)
    assert np.all(np.diff(frames(quick)) == 1)
    assert lanes[0].skipped == 0
    steps = np.diff(frames(slow))
    assert set(steps.tolist()) <= {2, 3}
    assert lanes[1].skipped == steps.sum() - len(steps)
    for pose, _, sent_s in slow.got:  # never older than the newest due one
        assert -1e-9 <= sent_s + 0.2 - pose.time_s < TICK_S + 1e-9


def test_deadlines_do_not_drift():
    sink = Recorder(cost_s=0.4 * TICK_S)
    lane = lane_of(sink, filled(range(4000)))
    simulate([lane], 160.0)
    assert [sent_s for *_, sent_s in sink.got] == pytest.approx([pose.time_s for pose, *_ in sink.got], abs=1e-9)
    assert lane.stats()["late_ms"]["max"] < 1e-6


def test_flags_tell_what_the_operator_asked_for_and_the_pose_is_held():
    sink, live = Recorder(), FakeLive()
    lane = lane_of(sink, filled(range(600)), live=live)
    simulate([lane], 101.0)
    shown = sink.got[-1][0]
    live.controls = Controls(freeze=True, blackout=True)
    simulate([lane], 102.0)
    pose, flags, _ = sink.got[-1]
    assert flags == FREEZE | BLACKOUT
    assert np.array_equal(pose.rotations, shown.rotations)
    assert pose.frame > shown.frame
    live.controls = Controls(panic=True)
    simulate([lane], 104.0)
    pose, flags, _ = sink.got[-1]
    assert flags == PANIC
    assert np.allclose(pose.rotations[1:], idle_pose(pose.frame).rotations[1:], atol=1e-5)


def test_a_dry_timeline_is_flagged_and_counted_and_the_tail_of_the_plan_used_first():
    sink, timeline = Recorder(), filled(range(60))
    timeline.set_tail(made_up_pose(tick) for tick in range(60, 66))
    lane = lane_of(sink, timeline)
    simulate([lane], 103.0)
    flagged = [pose.frame for pose, flags, _ in sink.got if flags == HELD]
    assert flagged == list(range(66, frames(sink)[-1] + 1))
    assert lane.held == len(flagged)
    by_frame = {pose.frame: pose for pose, *_ in sink.got}
    assert np.array_equal(by_frame[65].rotations, made_up_pose(65).rotations)


def test_before_the_first_plan_the_idle_is_sent_and_not_counted_as_held():
    sink = Recorder()
    lane = lane_of(sink, Timeline())
    simulate([lane], 101.0)
    assert len(sink.got) >= 59
    assert {flags for _, flags, _ in sink.got} == {HELD}
    assert lane.held == 0


def test_the_guard_is_asked_last_and_what_it_gives_is_sent():
    """A pose with a NaN in it is never sent, neither from the timeline nor held by a freeze afterwards."""
    timeline = Timeline()
    broken = made_up_pose(30)
    broken.rotations[3] = np.nan
    still = made_up_pose(1)
    timeline.append(
        broken if tick == 30 else Pose(tick, tick / POSE_HZ, still.root, still.rotations) for tick in range(60)
    )
    sink, live = Recorder(), FakeLive()
    lane = lane_of(sink, timeline, live=live, guard=guard_step)
    simulate([lane], 100.0 + 30.5 * TICK_S)
    live.controls = Controls(freeze=True)
    simulate([lane], 101.5)
    assert all(np.isfinite(pose.rotations).all() for pose, *_ in sink.got)
    assert lane.guarded["not_finite"] == 1
    assert next(pose.frame for pose, flags, _ in sink.got if flags & HELD) == 30


def test_a_sink_that_raises_is_counted_reopened_with_back_off_and_alone():
    timeline = filled(range(1000))
    good, bad = Recorder(), Faulty()
    lanes = [lane_of(good, timeline), lane_of(bad, timeline, name="bad")]
    simulate(lanes, 101.0)
    bad.broken = True
    simulate(lanes, 104.0)
    assert np.all(np.diff(frames(good)) == 1)
    # sent, then tried at once, after 0.5, 1 and 2 s ...: far fewer than the 180 ticks
    assert lanes[1].errors == 3
    assert lanes[1].last_error == "OSError: the cable is out"
    assert lanes[1].missed + lanes[1].errors >= 179
    bad.broken = False
    simulate(lanes, 109.0)
    assert lanes[1].reopened == 1
    assert frames(bad)[-1] == frames(good)[-1]
    assert lanes[1].stats()["errors"] == 3
    assert bad.opened == bad.closed + 1


def test_back_off_grows_and_a_steady_output_is_trusted_again():
    bad = Faulty()
    lane = lane_of(bad, filled(range(5)))
    bad.broken = True
    simulate([lane], 140.0)
    assert lane.errors == 9  # at 0, then 0.5, 1, 2, 4, 8, 8, 8 and 8 s apart
    bad.broken = False
    simulate([lane], 160.0)
    bad.broken = True
    simulate([lane], 160.0 + FIRST_RETRY_S / 2)
    bad.broken = False
    reopened = lane.reopened
    simulate([lane], 160.0 + 2 * FIRST_RETRY_S)
    assert lane.reopened == reopened + 1


def test_a_pose_that_cannot_even_be_looked_at_costs_one_frame():
    """The guard never raises; should it once, the lane goes on with the next pose."""

    def touchy(state, pose):
        if pose.frame == 20:
            raise ValueError("what is this?")
        return state, pose, None

    sink = Recorder()
    lane = lane_of(sink, filled(range(60)), guard=touchy)
    simulate([lane], 100.5)
    assert frames(sink) == [frame for frame in range(1, 30) if frame != 20]
    assert (lane.errors, lane.last_error) == (1, "ValueError: what is this?")


def test_a_sink_of_the_bare_protocol_will_do():
    sink = PlainSink()
    simulate([lane_of(sink, filled(range(60)))], 100.5)
    assert len(sink.got) >= 29


def test_send_times_are_kept_until_fetched_and_bounded():
    lane = lane_of(Recorder(), filled(range(60)))
    simulate([lane], 100.5)
    sent_frames, sent_s = lane.drain_sent()
    assert sent_frames.tolist() == list(range(1, 30))
    assert sent_s == pytest.approx(sent_frames / POSE_HZ, abs=1e-9)
    assert len(lane.drain_sent()[0]) == 0
    simulate([lane], 100.0 + 16_384 / POSE_HZ + 2)
    assert len(lane.drain_sent()[0]) == 16_384
    assert lane.sent_log_lost > 0


@pytest.fixture
def real_hub():
    hubs = []

    def start(sinks: dict, timeline, **more) -> Hub:
        specs = [(OutputSpec("vmc", "x", lead_s, name), sink) for name, (lead_s, sink) in sinks.items()]
        hubs.append(Hub(specs, timeline, StillClock(now_s()), more.get("live") or FakeLive(), guard_step))
        hubs[-1].start()
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.stop()


class Waiting(Recorder):
    """Says when it has got ``count`` poses."""

    def __init__(self, count: int):
        super().__init__()
        self._count, self.enough = count, threading.Event()

    def deliver(self, pose, flags, sent_s):
        super().deliver(pose, flags, sent_s)
        if len(self.got) >= self._count:
            self.enough.set()


def test_real_threads_send_in_order_and_one_that_hangs_stops_nobody(real_hub):
    release = threading.Event()

    class Hanging(Recorder):
        def deliver(self, pose, flags, sent_s):
            release.wait(WAIT_S)

    good = {f"out{lead}": (lead / 1000, Waiting(30)) for lead in (0, 80, 200)}
    hub = real_hub({**good, "hanging": (0.0, Hanging())}, filled(range(1000)))
    try:
        assert all(sink.enough.wait(WAIT_S) for _, sink in good.values())
    finally:
        release.set()
    for _, sink in good.values():
        assert np.all(np.diff(frames(sink)) >= 1)
    hub.stop()
    stats = hub.stats()
    assert set(stats) == {*good, "hanging"}
    assert all(sink.closed == 1 for _, sink in good.values())
    assert stats["out80"]["lead_ms"] == 80
    assert hub.drain_sent()["out0"][0].tolist() == frames(good["out0"][1])


def test_the_first_opening_that_fails_is_a_config_error_and_closes_the_rest(real_hub):
    good, bad = Recorder(), Faulty()
    bad.broken = True
    with pytest.raises(ConfigError, match=r"the output bad cannot be opened: the cable is out"):
        real_hub({"good": (0.0, good), "bad": (0.0, bad)}, Timeline())
    assert good.closed >= 1


def test_two_outputs_of_one_name_are_refused():
    spec = OutputSpec("vmc", "127.0.0.1:1")
    with pytest.raises(ConfigError, match="two outputs are called"):
        Hub([(spec, Recorder()), (spec, Recorder())], Timeline(), StillClock(), FakeLive(), let_through)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        (OutputSpec("vcm", "127.0.0.1:1"), "did you mean 'vmc'?"),
        (OutputSpec("laser", "127.0.0.1:1"), "there is: " + ", ".join(sorted(SINKS))),
        (OutputSpec("vmc", "127.0.0.1:1", lead_s=0.251), "0 to 250 ms"),
        (OutputSpec("vmc", "127.0.0.1:1", lead_s=-0.01), "0 to 250 ms"),
        (OutputSpec("vmc", "127.0.0.1:1", options={"lead": "3"}), "did you mean 'lead_ms'?"),
        (OutputSpec("ws", "127.0.0.1:1", options={"vrm": "1"}), "has no option 'vrm'; there is: lead_ms, name"),
    ],
)
def test_wrong_outputs_are_refused_in_one_line(spec, part):
    with pytest.raises(ConfigError) as caught:
        open_sink(spec, FakeLive())
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
