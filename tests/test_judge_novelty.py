"""Laws of novelty: copies are found however they are laid, and distances are the ones put in."""

from dataclasses import replace

import numpy as np
import pytest

from engine.skeleton import JOINTS
from realtime_models.training.judge import novelty as n
from realtime_models.training.judge.features import mirrored
from realtime_models.training.judge.motion import Motion, Windows, windows

HEAD = JOINTS.index("head")


def walk(seed: int, seconds: float = 14.0, name: str = "") -> Motion:
    """A body whose joints wander smoothly, with no period, while its pelvis strays over the floor."""
    rng = np.random.default_rng(seed)
    rest = np.random.default_rng(99).normal(0, 0.4, (len(JOINTS), 3)) + [0, 1, 0]
    time_s = np.arange(round(seconds * 30))[:, None, None] / 30
    places = np.tile(rest, (len(time_s), 1, 1))
    for hz in rng.uniform(0.1, 1.2, 6):
        phase = rng.uniform(0, 2 * np.pi, (len(JOINTS), 3))
        places = places + 0.1 * rng.normal(size=(len(JOINTS), 3)) * np.sin(2 * np.pi * hz * time_s + phase)
    stray = np.cumsum(rng.normal(0, 0.01, (len(places), 1, 3)), axis=0) * [1, 0, 1]
    return Motion(name or f"walk{seed}", places + stray)


CLIPS = [walk(seed) for seed in range(4)]
BANK = n.bank_of(CLIPS)


def turned(positions: np.ndarray, angle: float) -> np.ndarray:
    matrix = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return positions @ matrix.T


def cut(motion: Motion, start: int, frames: int = 150) -> Windows:
    part = replace(motion, name="query", positions=motion.positions[start : start + frames])
    return windows([part], seconds=frames / 30)


def test_a_head_ten_centimetres_higher_is_a_hundred_over_root_22_less_the_common_shift():
    # Differences are 100 mm in a share s of all joints and frames, so their variance is 100² s (1 - s).
    a = n.centred(CLIPS[0].positions[None, :150])
    for frames, share in ((slice(None), 1 / 22), (slice(None, None, 2), 1 / 44)):
        b = a.copy()
        b[:, frames, HEAD, 1] += 0.1
        assert n.window_distance_mm(a, b) == pytest.approx(100 * np.sqrt(share * (1 - share)))  # 20.8, 14.9 mm
    assert n.window_distance_mm(a, a + [0, 0.1, 0]) == pytest.approx(0, abs=1e-6)


def test_the_turn_is_the_best_one_there_is():
    rng = np.random.default_rng(0)
    a, b = (n.centred(rng.normal(size=(30, 22, 3))) for _ in range(2))
    b[..., 1] += (a[..., 1] - b[..., 1]).mean()  # and the best shift in height
    tried = [
        1000 * np.sqrt(((a - turned(b, angle)) ** 2).sum(axis=-1).mean()) for angle in np.linspace(0, 2 * np.pi, 3601)
    ]
    assert n.window_distance_mm(a, b) == pytest.approx(min(tried), rel=1e-5)
    assert n.window_distance_mm(a, turned(a, 1.234)) == pytest.approx(0, abs=1e-6)
    assert n.window_distance_mm(np.zeros((5, 22, 3)), np.zeros((5, 22, 3))) == 0


@pytest.mark.parametrize("start", [0, 1, 47, 250, 270])
def test_a_copy_is_found_at_every_offset_wherever_it_stands_and_faces(start):
    query = cut(CLIPS[2], start)
    query = replace(query, positions=turned(query.positions, -2.0) + [3.0, 0.07, -1.0])
    found = n.find_nearest(query, BANK)
    assert found.distance_mm[0] == pytest.approx(0, abs=0.01) and found.names == ("walk2",)
    assert found.offset_s[0] == pytest.approx(start / 30) and found.speed[0] == 1 and not found.is_mirrored[0]


def test_a_mirrored_copy_is_found_and_said_to_be_one():
    found = n.find_nearest(replace(cut(CLIPS[1], 100), positions=mirrored(cut(CLIPS[1], 100).positions)), BANK)
    assert found.distance_mm[0] == pytest.approx(0, abs=0.01)
    assert found.names == ("walk1",) and found.is_mirrored[0] and found.offset_s[0] == pytest.approx(100 / 30)


@pytest.mark.parametrize("speed", n.SPEEDS)
def test_a_copy_that_was_stretched_is_found(speed):
    clip = CLIPS[3].positions
    at = 31 + np.arange(150) * speed
    low = at.astype(int)
    u = (at - low)[:, None, None]
    query = windows([Motion("query", clip[low] * (1 - u) + clip[low + 1] * u)])
    found = n.find_nearest(query, BANK)
    assert found.distance_mm[0] == pytest.approx(0, abs=0.5) and found.speed[0] == speed
    assert n.nearest(query, n.bank_of(CLIPS, (1.0,)))[0] > (20 if speed != 1 else -1)


def test_the_search_finds_what_trying_everything_finds():
    queries = windows([walk(50 + seed, 5.0) for seed in range(4)])
    bank = n.bank_of(CLIPS, (1.0,))
    for query, got in zip(queries.positions, n.nearest(queries, bank), strict=True):
        tried = [
            n.window_distance_mm(n.centred(side), n.centred(clip.positions[start : start + 150]))
            for clip in CLIPS
            for side in (query, mirrored(query))
            for start in range(len(clip.positions) - 149)
        ]
        assert got == pytest.approx(min(tried), rel=0.01)


def test_a_trembling_copy_is_as_far_as_its_tremble():
    # 10 mm in each of three axes: root mean square 17.3 mm over joints, and the pelvis' own tremble is taken from all.
    rng = np.random.default_rng(0)
    query = cut(CLIPS[0], 60)
    query.positions[:] += rng.normal(0, 0.01, query.positions.shape) * (np.arange(22) > 0)[:, None]
    assert n.nearest(query, BANK)[0] == pytest.approx(10 * np.sqrt(3 * 21 / 22), rel=0.03)


def test_a_clip_is_not_its_own_neighbour_when_it_is_left_out():
    own = windows(CLIPS)
    assert n.nearest(own, BANK) == pytest.approx(0, abs=0.01)
    among = n.find_nearest(own, BANK, own_left_out=True)
    assert (among.distance_mm > 30).all()
    assert all(found != own.names[block] for found, block in zip(among.names, own.blocks, strict=True))


def test_any_length_of_window_and_a_bank_with_nothing_long_enough():
    short = cut(CLIPS[0], 200, frames=60)
    assert n.nearest(short, BANK)[0] == pytest.approx(0, abs=0.01)
    long = windows([walk(7, 30.0)], seconds=20.0)
    found = n.find_nearest(long, BANK)
    assert found.distance_mm[0] == np.inf and found.names == ("",)
    assert len(n.nearest(windows([]), BANK)) == 0
    alone = n.bank_of(CLIPS[:1])
    assert n.nearest(windows(CLIPS[:1]), alone, own_left_out=True) == pytest.approx([np.inf, np.inf])
    assert n.bank_of(CLIPS).seconds == pytest.approx(4 * 14.0)


def test_sixty_hertz_motion_is_searched_at_the_judge_s_rate():
    fast = Motion("fast", np.repeat(CLIPS[0].positions, 2, axis=0), fps=60.0)
    assert n.nearest(windows([fast]), BANK) == pytest.approx(0, abs=0.01)
    assert n.nearest(windows(CLIPS[:1]), n.bank_of([fast])) == pytest.approx(0, abs=0.01)


def test_copied_is_nearer_than_one_in_twenty_of_the_real_ones():
    among = np.arange(1.0, 101.0)  # 5th percentile of 1 to 100: 1 + .05 * 99 = 5.95
    assert n.copied(np.array([5.9, 6.0, 0.0, np.inf]), among).tolist() == [1, 0, 1, 0]
    assert n.copied(among, among).mean() == pytest.approx(0.05)
    assert n.copied(np.array([5.9]), np.r_[among, np.inf]).tolist() == [1]
    with pytest.raises(ValueError, match="no real window"):
        n.copied(among, np.array([np.inf]))


def test_frames_that_are_not_finite_are_refused():
    broken = CLIPS[0].positions.copy()
    broken[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="bad: frames that are not finite"):
        n.bank_of([Motion("bad", broken)])
