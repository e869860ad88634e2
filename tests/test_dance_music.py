"""Music made for dances: on their beats, as wild as they are, going with their limbs; and what training is told."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine import condition
from engine.plan import plan_step, start_plan
from engine.types import LISTEN_HOP, LISTEN_RATE_HZ, Controls
from realtime_models.spec import ModelSpec
from realtime_models.training.bank import Entry
from realtime_models.training.data import Clip, clip_features, fit_beats, mirror
from realtime_models.training.ear import human, render, sampler, songs, speech
from realtime_models.training.ear.forms import Section
from realtime_models.training.music import dances, fit, follow, heard, pack, song, told
from realtime_models.training.rows import Drops, Rows, Sequences
from tests.dance_clips import read_pose
from tests.doubles import LoudEar
from tests.test_plan import Swayer

RATE = LISTEN_RATE_HZ


@pytest.fixture(autouse=True, scope="module")
def alone():
    """No soundfont, no drummers, no voices of this machine: what is made here is made of numpy."""
    with pytest.MonkeyPatch.context() as patch:
        forget(patch)
        yield


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "fonts", lambda: ())
    monkeypatch.setattr(human, "performances", lambda validation: ())
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    monkeypatch.setattr(speech, "_prompts", lambda: ())


def dance_of(energy: np.ndarray, bpm: float = 118.0, **curves: np.ndarray) -> dances.Dance:
    """A dance of a slightly uneven tempo; every limb works as the body does unless ``curves`` say otherwise."""
    frames = len(energy)
    periods = 60 / bpm * (1 + 0.03 * np.sin(np.arange(int(frames / 30 * bpm / 60) - 1) / 5))
    beats_s = 0.37 + np.concatenate([[0], np.cumsum(periods)])
    parts = {limb: curves.get(limb, energy) for limb in dances.LIMBS}
    return dances.Dance("0123456789ab", "made up", "pop", frames, beats_s, 2, dances.Curves(energy, **parts))


def waves(frames: int = 1800, period_s: float = 16.0) -> np.ndarray:
    """Energy that comes and goes."""
    return 0.5 - 0.45 * np.cos(2 * np.pi * np.arange(frames) / 30 / period_s)


def bar_strength(fitted: song.Fitted, roles: frozenset[str] | None = None) -> np.ndarray:
    """Sum of the strengths of the notes in each bar; of all, or of the strokes of some roles."""
    grid = fitted.song.grid
    out = np.zeros((len(grid.beats_s) - 1) // grid.meter)
    for part in fitted.song.parts:
        for note in part.notes:
            if roles is None or note.pitch in roles:
                out[min(int(note.at // grid.meter), len(out) - 1)] += note.strength
    return out


def ranks(x: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(x)).astype(float)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def in_the_dance(fitted: song.Fitted) -> slice:
    """The bars within the dance."""
    bars_s = fitted.song.grid.beats_s[:: fitted.song.grid.meter]
    return slice(int(np.searchsorted(bars_s, fitted.lead / 30)), len(bars_s) - 2)


# The frame


@pytest.mark.parametrize("meter", [2, 4])
@pytest.mark.parametrize("bpm", [63.0, 97.0, 141.0])
def test_the_grid_is_the_dances_beats_with_bars_where_it_sets_off(bpm, meter):
    dance = dance_of(np.full(900, 0.6), bpm)
    grid, lead = fit.lay_grid(dance, meter, 6.0)
    first = int(np.argmin(np.abs(grid.beats_s - lead / 30 - dance.beats_s[0])))
    np.testing.assert_allclose(grid.beats_s[first : first + len(dance.beats_s)], lead / 30 + dance.beats_s, atol=1e-9)
    assert grid.numbers[first + dance.downbeat] == 1
    assert (len(grid.beats_s) - 1) % meter == 0
    assert grid.beats_s[0] >= fit.FIRST_S - 1e-9 and lead / 30 >= 6.0
    assert grid.beats_s[-1] >= lead / 30 + dance.frames / 30 - 1e-9
    assert np.diff(grid.beats_s).max() / np.diff(grid.beats_s).min() < 1.1


def test_a_form_follows_energy_and_builds_up_to_a_rise():
    energy = np.array([0.5] * 4 + [0.03] * 4 + [0.9] * 4 + [0.3] * 4)
    assert fit.rises(energy) == [8]
    found = 0
    for seed in range(10):
        form = fit.sections_of(energy, energy, np.random.default_rng(seed))
        drums = np.concatenate([[section.drums] * section.bars for section in form])
        kinds = [section.kind for section in form for _ in range(section.bars)]
        assert len(drums) == len(energy)
        assert (drums[4:7] == 0).all() and (drums[8:12] == 3).all() and drums[:4].max() <= 2
        if kinds[8] == "drop":
            found += 1
            assert kinds[7] == "build" and drums[7] == 0
    assert found >= 5


def test_a_style_fits_the_tempo_and_mostly_the_dance():
    drawn = [
        fit.choose_style(replace(dance_of(waves(), 120.0), style="salsa"), np.random.default_rng(k)) for k in range(99)
    ]
    suited = fit.SUITS["salsa"].split()
    assert 0.5 < np.mean([name in suited for name in drawn]) < 0.95
    assert len(set(drawn) - set(suited)) >= 5
    assert all(fit.tempo_fit(fit.STYLES[name].tempo, 120.0) > 0.01 for name in drawn)


def test_handed_in_beats_must_fill_the_form():
    grid, _ = fit.lay_grid(dance_of(np.full(600, 0.5)), 4, 5.0)
    with pytest.raises(ValueError, match="do not fit"):
        songs.compose("house", 1, 0.0, (), grid=grid, form=(Section("verse", 3, 2),))


# The sound


@pytest.mark.parametrize("genre", ["house", "merengue", "disco"])
def test_what_is_struck_on_the_beat_sounds_on_the_dances_beat(monkeypatch, genre):
    monkeypatch.setattr(song, "choose_style", lambda dance, rng: genre)
    dance = dance_of(np.full(900, 0.9))
    fitted = song.write(dance, 3, ())
    kick = next(part for part in fitted.song.parts if part.notes[0].pitch == "kick")
    on_beat = tuple(note for note in kick.notes if abs(note.at - round(note.at)) < 1e-6)
    audio = render.render(replace(fitted.song, parts=(replace(kick, notes=on_beat, pump=0.0),), sweeps=()), 3)
    beats_s, error, late_s = fitted.lead / 30 + dance.beats_s, [], []
    for note in on_beat:
        time_s = float(fitted.song.grid.time_of(note.at))
        if np.abs(beats_s - time_s).min() < 0.1:  # before and after the dance the tempo just goes on
            first = round((time_s - 0.04) * RATE)
            near = np.abs(audio[first : round((time_s + 0.04) * RATE)])
            attack_s = (first + np.argmax(near >= 0.5 * near.max())) / RATE
            error.append(attack_s - beats_s[np.argmin(np.abs(beats_s - attack_s))])
            late_s.append(note.late_s)
    assert len(error) > 0.6 * len(beats_s)
    assert np.median(np.abs(error)) <= 0.005
    assert np.abs(np.subtract(error, late_s)).max() <= 0.005, "but for the player's own unevenness"


def test_more_is_played_where_the_body_works_harder():
    found = []
    for seed in range(12):
        fitted = song.write(dance_of(waves()), seed, ())
        bars = in_the_dance(fitted)
        energy = fit.bar_means(fitted.song.grid, fitted.curves.energy)
        found.append(rank_correlation(energy[bars], bar_strength(fitted)[bars]))
    assert np.median(found) > 0.8 and min(found) > 0.5


def test_it_is_louder_there_too():
    found = []
    for seed in range(4):
        fitted = song.write(dance_of(waves(900, 12.0)), seed, ())
        audio, _ = song.sound(fitted, seed)
        assert audio.shape == (fitted.frames * LISTEN_HOP,) and np.isfinite(audio).all()
        seconds = audio[fitted.lead * LISTEN_HOP :][: 30 * RATE].reshape(-1, 2 * RATE)
        energy = fitted.curves.energy[fitted.lead :][:900].reshape(-1, 60).mean(1)
        found.append(rank_correlation(energy, (seconds**2).mean(1)))
    assert np.median(found) > 0.7


def test_kicks_go_with_the_feet_and_hats_with_the_arms(monkeypatch):
    monkeypatch.setattr(song, "choose_style", lambda dance, rng: "house")
    monkeypatch.setattr(follow, "SOLO_SHARE", 0.0)
    level, low, high = np.full(1800, 0.6), np.full(1800, 0.1), np.full(1800, 0.95)
    kick, hats = np.zeros(2), np.zeros(2)
    for seed in range(8):
        for k, (feet, arms) in enumerate(((high, low), (low, high))):
            fitted = song.write(dance_of(level, feet=feet, arms=arms), seed, ())
            kick[k] += bar_strength(fitted, follow.FEET)[in_the_dance(fitted)].sum()
            hats[k] += bar_strength(fitted, follow.ARMS)[in_the_dance(fitted)].sum()
    assert kick[0] > 1.4 * kick[1] and hats[1] > 1.4 * hats[0]


def test_one_family_plays_alone_where_its_limbs_do_most():
    low, high = np.full(300, 0.2), np.full(300, 0.8)
    tastes = [follow.Taste.drawn(dances.Curves(low, high, low, low), np.random.default_rng(k)).solo for k in range(600)]
    alone = [taste for taste in tastes if taste]
    assert 0.08 < len(alone) / len(tastes) < 0.25
    assert np.mean([taste == "kick" for taste in alone]) > 0.7


# The dances


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    root, rotations = read_pose("salsa")
    clip = fit_beats(Clip("salsa", "salsa", True, "train", root.astype("f4"), rotations.astype("f4"), np.zeros(0, int)))
    calm = replace(clip, name="walk", style="walk", is_dance=False)
    return [Entry(c, clip_features(c), np.ones(len(c.root), bool)) for c in (clip, mirror(clip), calm)]


def test_a_mirrored_clip_is_the_same_dance(entries):
    found = dances.dances_of(entries)
    assert len(found) == 1 and found[0].key == dances.key_of(entries[1].clip)
    curves = found[0].curves
    for curve in (curves.energy, curves.feet, curves.arms, curves.head):
        assert curve.shape == (len(entries[0].clip.root),) and curve.min() >= 0 and curve.max() <= 1
        assert 0.3 < curve.mean() < 0.7, "ranks among itself"


def test_bars_begin_where_the_body_sets_off_hardest():
    beats_s = 0.5 * np.arange(40)
    speed = np.ones(620)
    for beat in range(3, 40, 4):
        speed[15 * beat : 15 * beat + 7] = 2.0
    assert dances.downbeat_of(speed, beats_s) == 3


# What is told


@pytest.fixture(scope="module")
def sung(entries) -> heard.HeardSong:
    """A song for the dance of ``entries``, heard by a made-up ear."""
    dance, ear = dances.dances_of(entries)[0], LoudEar()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(song, "choose_style", lambda dance, rng: "house")
        fitted = song.write(dance, 3, ())
    audio, _ = song.sound(fitted, 3)
    return heard.HeardSong(
        dance.key, fitted.lead, fitted.song.grid.beats_s, heard.listen(ear, audio), {"ear": ear.identity}
    )


@pytest.mark.parametrize("horizon", [5, 6, 12, 20])
def test_training_is_told_what_the_show_is_told(sung, horizon):
    """The planner of the show over the same features commits the same rows with the same numbers."""
    model = Swayer()
    state, rows, seen = start_plan(model, seed=1, horizon_ticks=horizon), 4, []
    for n in range(len(sung)):
        before = len(model.told)
        state, _ = plan_step(model, state, sung.features(n), Controls())
        seen += [n] * (len(model.told) - before)
    first = next(f for f in range(4) if (sung.lead + f) % 4 == 0)
    row = (sung.lead + first) // 4
    count = len(model.told) - row - 2
    assert count > 100
    assert [told.committed_at(4 * (row + k), horizon) for k in range(count)] == seen[row : row + count]
    ours = told.windows(sung, first, count, rows, horizon)
    theirs = np.stack([asked.window for asked in model.told[row : row + count]])
    music = [c for c in condition.music_columns() if c != condition.ENERGY]
    np.testing.assert_array_equal(ours[..., music], theirs[..., music])
    assert ours[..., condition.BEAT].any() and ours[..., condition.BUSY].any() and ours[..., condition.LOUDNESS].any()
    assert not ours[..., condition.STEER].any()


def test_a_song_is_kept_as_it_was_heard(sung, tmp_path):
    heard.save(tmp_path / "song_x.npz", sung)
    again = heard.load(tmp_path / "song_x.npz")
    assert (again.key, again.lead, again.info) == (sung.key, sung.lead, sung.info)
    np.testing.assert_array_equal(again.beats_s, sung.beats_s)
    for n in (0, 100, len(sung) - 1):
        ours, theirs = sung.features(n), again.features(n)
        np.testing.assert_array_equal(ours.bands, theirs.bands)
        np.testing.assert_array_equal(ours.embedding, theirs.embedding)
        plain = {"bands": None, "embedding": None}
        assert replace(ours, **plain) == replace(theirs, **plain)
    assert not list(tmp_path.glob("*.part"))


def clicking(beats_s: np.ndarray, period_s: float, anchor_s: float, frames: int = 900) -> heard.HeardSong:
    """A song of true beats whose listener tells a steady clock."""
    n = np.ones(frames)
    told_ = {"anchor_s": anchor_s * n, "period_s": period_s * n, "count": np.full(frames, 7)}
    told_ |= {"onset": 0.0 * n}
    return heard.HeardSong("k", 90, beats_s, told_, {})


@pytest.mark.parametrize(
    ("period_s", "anchor_s", "right"),
    [(0.5, 0.0, True), (0.5, 0.04, True), (0.5, 0.25, False), (0.25, 0.0, True), (1.0, 0.5, True), (0.41, 0.0, False)],
)
def test_who_follows_the_beat_is_right_in_any_octave(period_s, anchor_s, right):
    assert clicking(0.5 * np.arange(64), period_s, anchor_s).right.mean() == float(right)


def test_at_half_the_tempo_the_dances_own_beats_are_counted():
    """Beats twice as fast as the dance's: of the told ones every second is danced, those on the dance's beats."""
    for anchor_s in (0.0, 0.375):
        fast = clicking(0.75 * np.arange(40), 0.375, anchor_s)
        known = np.arange(100, 500, 4)
        shifts = {told.count_shift(fast, known, 1, np.random.default_rng(k)) for k in range(20)}
        now_s = (known + 1) / 30
        for shift in shifts:
            danced = (7 + shift + (now_s - anchor_s) / 0.375) / 2
            assert np.abs(heard.wrapped(danced - now_s / 0.75)).max() < 1e-6
        assert len(shifts) == 2, "which of them is even stays chance"


# Rows


SPEC = ModelSpec(plan_rows=4)
NONE = Drops(**dict.fromkeys(Drops.__dataclass_fields__, 0.0))


def sequences(entries: list[Entry], songs_: told.Songs | None, drops: Drops, which: int = 0) -> Sequences:
    tokens = np.zeros((len(entries[0].features) // 4, SPEC.groups, SPEC.stages), np.int16)
    groove = SimpleNamespace(bpm=120.0, beats=np.arange(16) / 2, strength=np.ones(16), band=np.arange(16) % 4)
    return Sequences(entries, [Rows(tokens, 0, which)], [groove], SPEC, 36, 1, songs_, drops)


def test_a_dance_with_a_song_is_told_of_it(entries, sung):
    batch = sequences(entries, told.Songs([sung]), NONE).draw(6)
    assert batch.ahead.shape == (6, 36, 4, condition.SIZE)
    np.testing.assert_array_equal(batch.condition, batch.ahead[:, :, 0])
    for part in (condition.BUSY, condition.LOUDNESS, condition.EMBEDDING, condition.STEER):
        assert (batch.condition[..., part] != 0).any(dim=-1).float().mean() > 0.5
    assert (batch.condition[..., condition.ENERGY] > 0).float().mean() > 0.5
    later = list(range(condition.BEAT.stop, condition.SIZE))
    np.testing.assert_array_equal(batch.ahead[:, :, 3, later], batch.ahead[:, :, 0, later])


def test_what_is_no_dance_or_has_no_song_hears_strokes(entries, sung):
    for songs_, which in ((told.Songs([sung]), 2), (None, 0)):
        batch = sequences(entries, songs_, NONE, which).draw(4)
        assert (batch.condition[..., condition.BEAT] != 0).any() and (batch.condition[..., condition.AUDIO] != 0).any()
        assert not batch.condition[..., condition.FIRST_SIZE :].any()
        beats = batch.ahead[..., condition.BEAT]
        np.testing.assert_array_equal(beats[:, :-3, 3], beats[:, 3:, 0])


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("beat", [0, 13, 14, 21]), ("audio", [14, 21]), ("energy", [22]), ("form", [29, 37]), ("loudness", [38, 39]),
        ("busy", [41, 44]), ("like", [45, 60]), ("steer", [24, 28]),
    ],
)  # fmt: skip
def test_what_is_always_dropped_is_never_told(entries, sung, name, columns):
    batch = sequences(entries, told.Songs([sung]), replace(NONE, **{name: 1.0})).draw(3)
    assert not batch.condition[..., columns].any() and not batch.ahead[..., columns].any()


def test_a_wrong_beat_is_not_taught(entries, sung):
    wrong = replace(sung, beats_s=sung.beats_s + 0.5 * float(np.diff(sung.beats_s).mean()))
    if sung.right[sung.lead :].mean() < 0.9:
        pytest.fail("the made-up ear must follow this song for the test to say anything")
    batch = sequences(entries, told.Songs([wrong]), NONE).draw(4)
    assert not batch.condition[..., condition.BEAT].any() and batch.condition[..., condition.BUSY].any()


# The command


def test_packing_resumes_and_refuses_another_ear(entries, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "ear_of", lambda folder: LoudEar())
    made = dances.dances_of(entries)
    pack.save_dances(tmp_path / pack.DANCES, made)
    again = pack.load_dances(tmp_path / pack.DANCES)
    assert [(d.key, d.style, d.frames, d.downbeat) for d in again] == [
        (d.key, d.style, d.frames, d.downbeat) for d in made
    ]
    np.testing.assert_allclose(again[0].curves.arms, made[0].curves.arms, atol=1e-6)
    np.testing.assert_array_equal(again[0].beats_s, made[0].beats_s)
    jobs = pack.jobs_of(tmp_path, again, 2, 1)
    assert [job.number for job in jobs] == [0, 1]
    first = [pack.make(job) for job in jobs]
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("song_*.npz"))]
    assert len(stamps) == 2 and [pack.make(job) for job in jobs] == first
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("song_*.npz"))] == stamps
    library = told.Songs.of(tmp_path)
    assert len(library) == 2 and library.share(entries) == 1.0
    assert library.pick(entries[1], np.random.default_rng(0)) is not None, "mirrored, it has the same songs"
    assert library.pick(entries[2], np.random.default_rng(0)) is None
    other = LoudEar()
    other.identity = "loud-2"
    monkeypatch.setattr(pack, "ear_of", lambda folder: other)
    with pytest.raises(pack.ConfigError, match="another --out"):
        pack.make(jobs[0])


def test_bad_arguments_and_an_empty_folder_end_with_one_line(tmp_path, capsys):
    assert pack.main(["--out", str(tmp_path), "--songs", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: --songs 0")
    assert pack.main(["--out", str(tmp_path / "new"), "--songs", "1", "--bank", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: no bank in")
    with pytest.raises(pack.ConfigError, match="no songs in"):
        told.Songs.of(tmp_path)
