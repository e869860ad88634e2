"""Ablations: every arm on its budget, a line at a time, gone on with after any stop; on made-up data and toy sizes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine import condition as layout
from engine.dance import Asked
from engine.errors import ConfigError
from engine.types import BeatClock, Controls, MusicFeatures
from realtime_models.spec import ModelSpec

SMALL = ModelSpec(
    identity="made-up", levels=(4, 3), width=16, heads=2, history_layers=1, plan_layers=1, history_rows=4,
    heard_rows=3, encoder_width=8, decoder_width=8, frame_width=8, decoder_rows=8, refine_steps=2,
)  # fmt: skip
SECONDS, PERIOD_S = 12.0, 0.5


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


class MadeUp:
    """Sequences and what they are drawn from in one."""

    def __init__(self, torch, spec, rows, seed):
        self.torch, self.spec, self.length, self.rng, self.rows = torch, spec, rows, np.random.default_rng(seed), []

    def draw(self, count):
        from realtime_models.training.rows import Batch

        spec, rng = self.spec, self.rng
        ahead = rng.normal(size=(count, self.length, spec.plan_rows, spec.condition)).astype(np.float32)
        tokens = rng.integers(0, spec.codes, (count, self.length, spec.groups, spec.stages))
        tensor = self.torch.from_numpy
        return Batch(
            tensor(tokens), tensor(ahead[:, :, 0]), self.torch.ones(count, dtype=self.torch.long), tensor(ahead)
        )


class Material:
    def __init__(self, torch):
        self.torch, self.trained = torch, []

    def sequences(self, spec, rows, seed):
        self.trained.append((spec.guidance_by, spec.attention, seed))
        return MadeUp(self.torch, spec, rows, seed)

    def held_batch(self, spec, rows):
        return MadeUp(self.torch, spec, rows, 0).draw(6)


def song_of(name, bpm_shift=0.0):
    """A song that nobody plays: beats, loudness, and what an ear would have said."""
    from realtime_models.training.judge.programme import Song
    from realtime_models.training.judge.systems.model import Track

    period_s = PERIOD_S + bpm_shift
    beats_s = np.arange(0, SECONDS, period_s)
    track = Track(name, np.zeros(100, np.float32), 100, beats_s)
    frames = 1 + np.arange(round(SECONDS * 30))
    music = []
    for frame in frames:
        count = int(frame / 30 / period_s)
        clock = BeatClock(count * period_s, count, period_s, count % 4 + 1, 4, 0.9, 0.9)
        heard = MusicFeatures(int(2 * frame), clock, 0.5, -20.0 + (count % 4), np.full(4, 0.3, np.float32), 0.6)
        music.append(Asked(heard, Controls(), ()))
    loudness = -20.0 + 3 * np.sin(np.arange(len(frames)) / 40)
    return Song(track, loudness), tuple(music)


@pytest.fixture
def made(torch, tmp_path):
    """Everything that ``ablate`` is given, without arms and seeds."""
    from engine.skeleton import STANDING_HIP_M
    from realtime_models.tokens import Tokeniser
    from realtime_models.training.ablate import Budget, Stage
    from realtime_models.training.judge import columns
    from realtime_models.training.judge.motion import from_pose
    from realtime_models.training.loop import Length

    torch.manual_seed(1)
    tokeniser = Tokeniser(SMALL).eval()
    rng, clips = np.random.default_rng(2), []
    for k in range(6):
        root = np.cumsum(rng.normal(0, 0.004, (320, 3)), 0) + [0, STANDING_HIP_M, 0]
        turn = np.cumsum(rng.normal(0, 0.02, (320, 22, 3)), 0)
        rotations = np.concatenate([turn, np.ones((320, 22, 1))], -1)
        rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
        clips.append(from_pose(f"real {k}", root, rotations, 30.0, dancer=f"dancer {k}"))
    songs = {name: song_of(name, shift) for name, shift in (("one", 0.0), ("two", 0.1))}
    stage = Stage(songs, columns.reference_of(clips, 3), np.zeros((10, 6, 2), np.int64))
    budget = Budget(Length(1.0, 6), batch=3, rows=9, positions=2, rate=1e-3)
    return {"material": Material(torch), "tokeniser": tokeniser, "stage": stage, "budget": budget, "base": SMALL,
            "out": tmp_path / "docs" / "ablations.json", "work": tmp_path / "work"}  # fmt: skip


def quiet(line):
    """Says nothing."""


def test_every_arm_is_trained_measured_and_written_once(made, tmp_path):
    from realtime_models.training.ablate import ablate

    arms = ("shipped", "steps-1", "aligned-gated", "student")
    lines = ablate(arms, (1,), **made, say=quiet)
    stored = [json.loads(line) for line in made["out"].read_text().splitlines()]
    assert stored == lines and [line["arm"] for line in lines] == list(arms)
    trained = made["material"].trained
    two, told = "two passes", "input"
    assert trained[0] == (two, "full", 1) and (two, "aligned", 1) in trained and (told, "full", 1) in trained
    figures = {line["arm"]: line["figures"] for line in lines}
    for found in figures.values():
        assert {"val_coarse", "val_fine", "R", "kernel_kinetic", "jerk_per_speed_hz2", "slide_m_s"} <= set(found)
        assert abs(found["val_coarse"] - np.log(SMALL.codes)) < 0.6 and 0 <= found["R"] <= 1
        assert found["kernel_kinetic"] is not None
    assert figures["shipped"]["val_coarse"] == figures["steps-1"]["val_coarse"]  # the same weights, sampled otherwise
    assert figures["shipped"]["speed_m_s"] != figures["steps-1"]["speed_m_s"]
    assert figures["aligned-gated"]["million_weights"] > figures["shipped"]["million_weights"]
    page = made["out"].with_suffix(".md").read_text()
    assert page.count("| student |") == 1 and "6 steps, batch 3" in page

    before, trained[:] = made["out"].read_bytes(), []
    said = []
    ablate(arms, (1,), **made, say=said.append)
    assert trained == [] and said == [f"{arm}, seed 1: there" for arm in arms]
    kept = before.splitlines(keepends=True)
    made["out"].write_bytes(b"".join(kept[:2]))  # killed before the last two were written
    ablate(arms, (1,), **made, say=quiet)
    assert made["out"].read_bytes() == before


def test_a_stopped_arm_goes_on_and_ends_with_the_same_weights(torch, made, tmp_path, monkeypatch):
    from realtime_models.training import ablate
    from realtime_models.training.checkpoint import load

    arm = ablate.Arm({"physics": 0.1, "masking": "rows-first"})
    rest = (SMALL, made["material"], made["tokeniser"], made["budget"])
    whole = ablate.train_arm(arm, *rest, 3, tmp_path / "a.pt").state_dict()
    edges, asked = ablate.telling, iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(ablate, "telling", lambda label, path: edges(label, path, stop=lambda: next(asked) == 4))
        ablate.train_arm(arm, *rest, 3, tmp_path / "b.pt")
    assert load(tmp_path / "b.pt")["step"] == 4
    parts = ablate.train_arm(arm, *rest, 3, tmp_path / "b.pt").state_dict()
    assert load(tmp_path / "b.pt")["step"] == 6
    assert all(torch.equal(parts[name], value) for name, value in whole.items())
    other = ablate.train_arm(arm, *rest, 4, tmp_path / "c.pt").state_dict()
    assert not torch.equal(other["plan.place"], whole["plan.place"])


def test_what_is_for_training_only_neither_dances_nor_counts(torch, made, tmp_path):
    from realtime_models.training.ablate import ARMS, averaged, train_arm
    from realtime_models.training.checkpoint import load

    train_arm(ARMS["ear-to-body"], SMALL, made["material"], made["tokeniser"], made["budget"], 1, tmp_path / "a.pt")
    saved = load(tmp_path / "a.pt")["model"]
    assert any(name.startswith("ear_to_body.") for name in saved)
    model = averaged(tmp_path / "a.pt")
    assert set(model.state_dict()) == {name for name in saved if not name.startswith("ear_to_body.")}


def test_every_arm_is_a_network_that_may_be(torch):
    from realtime_models.network import Generator
    from realtime_models.training.ablate import ARMS

    kinds = {json.dumps([dict(arm.spec), dict(arm.sampling), arm.student_share]) for arm in ARMS.values()}
    assert len(kinds) == len(ARMS)  # no two are the same
    for arm in ARMS.values():
        Generator(replace(SMALL, **arm.spec, **arm.sampling))


def test_arms_and_files_that_are_none_are_refused_in_one_line(tmp_path):
    from realtime_models.training.ablate import chosen, read_lines

    assert chosen("shipped, gated") == ("shipped", "gated")
    with pytest.raises(ConfigError, match="no arm 'gatde'; did you mean 'gated'"):
        chosen("shipped,gatde")
    with pytest.raises(ConfigError, match="no arms; there is"):
        chosen(" ,")
    path = tmp_path / "ablations.json"
    assert read_lines(path) == []
    for text in ("not json", '{"arm": "x"}', "3"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="holds no ablations") as refused:
            read_lines(path)
        assert "\n" not in str(refused.value)


def test_the_table_has_means_and_spreads_for_each_budget():
    from realtime_models.training.ablation_table import markdown

    def line(arm, seed, r, budget="30 min"):
        return {"arm": arm, "seed": seed, "budget": budget, "figures": {"R": r, "slide_m_s": None}}

    page = markdown([line("a", 1, 0.2), line("b", 1, None), line("a", 2, 0.4), line("a", 1, 0.5, "60 min")])
    assert "| a | 2 | 0.30 ± 0.14 |" in page and "| b | 1 | – |" in page and "slide" not in page.split("## ")[1]
    assert page.index("## 30 min") < page.index("## 60 min") and "| a | 1 | 0.50 |" in page


def test_choices_on_a_command_line_become_a_specification():
    from realtime_models.training.train_generator import with_choices

    spec = with_choices(SMALL, ["attention=aligned", "physics=0.5", "plan_layers=2"])
    assert (spec.attention, spec.physics, spec.plan_layers) == ("aligned", 0.5, 2)
    for wrong, said in (
        ("atention=aligned", "did you mean 'attention'"),
        ("attention=sideways", "no attention 'sideways'"),
        ("plan_layers=many", "plan_layers is no int: 'many'"),
        ("levels=3", "no choice 'levels'"),
    ):
        with pytest.raises(ConfigError, match=said):
            with_choices(SMALL, [wrong])


def test_a_network_in_torch_dances_as_its_steps_say(torch):
    from engine.condition import Condition
    from realtime_models.network import Generator
    from realtime_models.sampler import TokenDancer
    from realtime_models.tokens import Tokeniser
    from realtime_models.training.torch_networks import TorchNetworks

    spec = replace(SMALL, attention="aligned", guidance_by="input")
    torch.manual_seed(3)
    model, tokeniser = Generator(spec), Tokeniser(spec)
    networks = TorchNetworks(tokeniser, model)
    dancer = TokenDancer(networks, spec, np.zeros((10, 6, 2), np.int64))
    state = dancer.start(2)
    window = np.zeros((spec.plan_rows, spec.condition), np.float32)
    window[:, layout.ENERGY] = 0.7
    for _ in range(3):
        state, rows = dancer.step(state, Condition(window, style=1, follow=1.0))
    assert state.row == 3 and np.isfinite(rows.root).all()
    np.testing.assert_allclose(state.heard[:, layout.ENERGY], 0.7)
    codes = torch.randn(1, 9, 6, 4)
    with torch.no_grad():
        np.testing.assert_allclose(networks.decode(codes.numpy()), tokeniser.decode(codes).numpy(), atol=1e-5)
