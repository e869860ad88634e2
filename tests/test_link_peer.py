"""Ableton Link against a real peer: another process in the same session, in a network namespace of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bridges.clock_link import QUANTUM, LinkClock, LinkReading, load_aalink, parse_quantum, reading2clock
from engine.clock import ClockMap
from engine.errors import ConfigError
from engine.listen.outside import SLEW_MOST

PEERS = Path(__file__).parent / "peers"
INSTALL = "apt-get install util-linux iproute2; pip install 'corybant[link]'"
CHANGE_AT_S, BPM, SECONDS = 20.0, 133.0, 34.0
LOCKED_S = 9.0  # half a beat at 4 % of speed is 6.25 s
PHASE_MOST_S = 0.008


def anchored() -> ClockMap:
    clock = ClockMap()
    clock.observe(0.0, 100.0)
    return clock


def test_a_reading_in_stream_time():
    # 9.25 beats at 102 s, 120 BPM: beat 9 was a quarter of a beat (125 ms) before; 9 = 2 bars + 1: the second beat
    clock = reading2clock(LinkReading(102.0, 9.25, 120.0, True, 1), 4, anchored())
    assert (clock.count, clock.beat_in_bar, clock.meter, clock.playing) == (9, 2, 4, True)
    assert clock.anchor_s == pytest.approx(1.875)
    assert clock.period_s == pytest.approx(0.5)


def test_a_reading_before_the_session_s_beginning():
    clock = reading2clock(LinkReading(102.0, -0.5, 120.0, True, 1), 3, anchored())
    assert (clock.count, clock.beat_in_bar, clock.meter) == (-1, 3, 3)
    assert clock.anchor_s == pytest.approx(1.75)


def test_without_a_peer_or_a_stream_there_is_no_clock():
    assert reading2clock(LinkReading(102.0, 9.25, 120.0, True, 0), 4, anchored()) is None
    assert reading2clock(LinkReading(102.0, 9.25, 120.0, True, 1), 4, ClockMap()) is None


def test_beats_in_a_bar():
    assert parse_quantum("") == QUANTUM
    assert parse_quantum("3") == 3
    for wrong in ("0", "17", "x", "-1", "1.5", "²"):
        with pytest.raises(ConfigError, match=f"link:{wrong}"):
            parse_quantum(wrong)


def test_an_absent_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "aalink", None)
    with pytest.raises(ConfigError, match=r"pip install 'corybant\[link\]'"):
        load_aalink()


class Session:
    """What the clock does with a Link session, without a network."""

    def __init__(self, peers: int) -> None:
        self.num_peers, self.tempo, self.beat, self.playing = peers, 120.0, 3.0, False


@pytest.mark.parametrize(("peers", "own_bpm", "tempo"), [(0, 128.0, 128.0), (0, None, 120.0), (1, 128.0, 120.0)])
def test_the_session_has_our_tempo_only_while_we_are_alone(peers, own_bpm, tempo, monkeypatch):
    monkeypatch.setattr("bridges.clock_link.load_aalink", lambda: None)
    clock, session = LinkClock("", ClockMap()), Session(peers)
    clock.own_bpm = lambda: own_bpm
    clock._poll(session)
    assert session.tempo == tempo


def test_a_transport_counts_once_it_was_seen_to_run(monkeypatch):
    monkeypatch.setattr("bridges.clock_link.load_aalink", lambda: None)
    clock, session = LinkClock("", anchored()), Session(1)
    playing = []
    for session.playing in (False, True, False):
        clock._poll(session)
        playing.append(clock.read().playing)
    assert playing == [True, True, False]


def in_namespace(needs, folder: Path, *scripts: list[str]) -> list[str]:
    """What each script printed; they run side by side where nobody else hears Link's multicast."""
    needs.module("aalink", INSTALL)
    unshare = [needs.program("unshare", INSTALL), "-n" if os.geteuid() == 0 else "-rn"]
    needs.program("ip", INSTALL)
    lo = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo"
    if subprocess.run([*unshare, "sh", "-c", lo], capture_output=True, check=False).returncode:
        needs.absent("the right to make a network namespace", "run as root, or allow unprivileged user namespaces")
    shell = "; ".join((lo, 'for one in "$@"; do eval "$one" & done', "wait"))
    outs = [folder / f"{index}.txt" for index in range(len(scripts))]
    commands = [f"exec {sys.executable} {' '.join(script)} > {out}" for script, out in zip(scripts, outs, strict=True)]
    env = {**os.environ, "PYTHONPATH": str(PEERS.parent.parent)}
    done = subprocess.run(
        [*unshare, "sh", "-c", shell, "sh", *commands], env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    texts = [out.read_text(encoding="utf-8") for out in outs]
    assert all(texts), done.stderr
    return texts


@pytest.fixture(scope="module")
def session(module_needs, tmp_path_factory):
    """The peer's beats (N, 4) [mono s, beat, bpm, peers] and our lines, of one run."""
    peer, ours = in_namespace(
        module_needs,
        tmp_path_factory.mktemp("link"),
        [str(PEERS / "link_peer.py"), str(SECONDS + 1), str(CHANGE_AT_S), str(BPM)],
        [str(PEERS / "follower.py"), "link", "''", str(SECONDS)],
    )
    theirs = np.array([[float(x) for x in line.split()] for line in peer.splitlines()])
    return theirs, [json.loads(line) for line in ours.splitlines()][1:]


def phase_errors(theirs: np.ndarray, lines: list[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] and errors [s] of our beats against the peer's, from the time of the lock on."""
    began_s = lines[0]["mono_s"]
    lines = [one for one in lines if began_s + LOCKED_S < one["mono_s"] < theirs[-1, 0] and one[key] is not None]
    mono_s = np.array([one["mono_s"] for one in lines])
    beats = np.array([one[key] for one in lines]) - np.interp(mono_s, theirs[:, 0], theirs[:, 1])
    periods_s = np.array([one["clock"]["period_s"] for one in lines])
    return mono_s, (beats - np.rint(beats)) * periods_s


def test_the_phase_is_within_8_ms_while_the_peer_changes_the_tempo(session):
    theirs, lines = session
    assert theirs[:, 3].max() == 1.0  # the peer saw us
    mono_s, error_s = phase_errors(theirs, lines, "beats")
    assert mono_s[-1] - mono_s[0] > 20.0
    changed_s = theirs[theirs[:, 2] > 130.0][0, 0]
    assert mono_s[0] + 5.0 < changed_s < mono_s[-1] - 5.0
    print(f"clock: phase error p50, p99, most [ms] {1e3 * np.percentile(np.abs(error_s), (50, 99, 100))}")
    assert np.percentile(np.abs(error_s), 99) <= PHASE_MOST_S
    _, error_s = phase_errors(theirs, lines, "reading_beats")
    assert np.percentile(np.abs(error_s), 99) <= PHASE_MOST_S


def test_the_tempo_is_followed_without_a_jump(session):
    _, lines = session
    assert lines[-1]["clock"]["period_s"] == pytest.approx(60 / BPM, rel=1e-3)
    assert lines[-1]["leader"] == "OUTSIDE"
    following = [one for one in lines if one["leader"] == "OUTSIDE"]
    for before, after in zip(following, following[1:], strict=False):
        passed_s = after["stream_s"] - before["stream_s"]
        gained = after["beats"] - before["beats"]
        periods_s = sorted((before["clock"]["period_s"], after["clock"]["period_s"]))
        slewed = SLEW_MOST * passed_s / periods_s[0]
        assert passed_s / periods_s[1] - slewed - 1e-6 <= gained
        assert gained <= passed_s / periods_s[0] + slewed + 1e-6
        assert after["clock"]["count"] >= before["clock"]["count"]


def test_the_place_in_the_bar_is_the_session_s(session):
    theirs, lines = session
    for one in lines[-30:]:
        clock = one["clock"]
        at_s = one["mono_s"] + clock["anchor_s"] - one["stream_s"]
        if at_s > theirs[-1, 0]:
            continue
        beat = np.interp(at_s, theirs[:, 0], theirs[:, 1])
        assert clock["beat_in_bar"] == round(beat) % QUANTUM + 1
