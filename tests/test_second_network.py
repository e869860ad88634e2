"""The second network, part by part: attention of every kind, branches with gates, told strength; the first still
loads."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from engine import condition as layout
from engine.condition import Condition
from engine.errors import ConfigError
from realtime_models.sampler import TokenDancer
from realtime_models.spec import CHOICES, ModelSpec

SMALL = ModelSpec(
    identity="made-up", levels=(4, 3), width=16, heads=2, history_layers=1, plan_layers=3, history_rows=4,
    heard_rows=3, encoder_width=8, decoder_width=8, frame_width=8,
)  # fmt: skip
WHOLE = replace(SMALL, branches="gated", attention="aligned", music_encoder="causal", guidance_by="input")
KINDS = {
    "shipped": SMALL,
    "gated": replace(SMALL, branches="gated"),
    "axial": replace(SMALL, attention="axial"),
    "aligned": replace(SMALL, attention="aligned"),
    "causal": replace(SMALL, branches="gated", music_encoder="causal"),
    "strength": replace(SMALL, guidance_by="input"),
    "whole": WHOLE,
}
SIZE = len(SMALL.levels) * SMALL.stages


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


def made(torch, spec, seed=1):
    """A network whose every weight matters: nothing is at the 0 that it starts from."""
    from realtime_models.network import Generator

    torch.manual_seed(seed)
    model = Generator(spec).eval()
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return model


def window_of(torch, spec, count=2, seed=3):
    """Random inputs of the plan network, by name."""
    random = torch.Generator().manual_seed(seed)

    def r(*shape):
        return torch.randn(*shape, generator=random)

    inputs = {
        "history": r(count, spec.width), "before": r(count, 2, 6, SIZE), "codes": r(count, spec.plan_rows, 6, SIZE),
        "masked": (r(count, spec.plan_rows, 6) > 0).float(), "condition": r(count, spec.plan_rows, spec.condition),
        "style": torch.full((count,), 2),
    }  # fmt: skip
    if spec.hears_past:
        inputs["heard"] = r(count, spec.heard_rows, spec.condition)
    if spec.told_strength:
        inputs["strength"] = r(count).abs()
    return inputs


# choices


def test_what_is_shipped_is_what_a_specification_without_choices_says():
    first = {name: choices[0] for name, choices in CHOICES.items()}
    assert {name: getattr(ModelSpec(), name) for name in CHOICES} == first
    old = ModelSpec.from_json('{"identity": "first", "width": 256, "condition": 29, "refine_steps": 4}')
    assert {name: getattr(old, name) for name in CHOICES} == first
    assert (old.physics, old.ear_to_body, old.hears_past, old.told_strength) == (0.0, 0.0, False, False)


@pytest.mark.parametrize("name", CHOICES)
def test_a_wrong_choice_is_refused_in_one_line_that_says_what_exists(name):
    with pytest.raises(ConfigError, match=f"no {name} 'sideways'") as refused:
        replace(WHOLE, **{name: "sideways"})
    assert "\n" not in str(refused.value)
    assert any(choice in str(refused.value) for choice in CHOICES[name])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"masking": "attended"}, "needs attention 'aligned'"),
        ({"music_encoder": "causal"}, "needs branches 'gated'"),
        ({"ear_to_body": 0.1}, "needs music_encoder 'causal'"),
        ({"refine_steps": 0}, "1 or more"),
        ({"heard_rows": 1}, "2 or more"),
        ({"physics": -1.0}, "0 or more"),
        ({"physics": float("nan")}, "0 or more"),
    ],
)
def test_choices_that_need_one_another_say_so(wrong, said):
    with pytest.raises(ConfigError, match=said):
        replace(ModelSpec(), **wrong)


def test_every_choice_survives_its_file():
    assert ModelSpec.from_json(WHOLE.to_json()) == WHOLE


def test_weights_of_the_first_network_have_the_names_and_sizes_they_had(torch):
    from realtime_models.network import Generator

    block = ("norm.weight", "norm.bias", "attend.query.weight", "attend.query.bias", "attend.key_value.weight",
             "attend.key_value.bias", "attend.out.weight", "attend.out.bias", "widen.0.weight", "widen.0.bias",
             "widen.1.weight", "widen.1.bias", "widen.3.weight", "widen.3.bias")  # fmt: skip
    head = (*(f"shared.{d}" for d in range(2)), "own", "bias")
    history = ("distance", "enter.weight", "enter.bias", "style.weight", "norm.weight", "norm.bias")
    plan = ("masked", "place", "enter.weight", "enter.bias", "condition.0.weight", "condition.0.bias",
            "condition.2.weight", "condition.2.bias", "style.weight", "summary.weight", "summary.bias", "norm.weight",
            "norm.bias", "told.weight", "told.bias", "refine.0.weight", "refine.0.bias", "refine.2.weight",
            "refine.2.bias", "refine.3.weight", "refine.3.bias")  # fmt: skip
    names = {f"history.{n}" for n in history} | {f"history.blocks.0.{n}" for n in block}
    names |= {f"plan.{n}" for n in plan} | {f"plan.blocks.{i}.{n}" for i in range(3) for n in block}
    names |= {f"plan.{which}.{n}" for which in ("coarse", "fine") for n in head}
    model = Generator(SMALL)
    assert set(model.state_dict()) == names
    sizes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert sizes["plan.condition.0.weight"] == (16, SMALL.condition)
    assert sizes["plan.place"] == (6, 6, 16) and sizes["history.distance"] == (1, 2, 4)
    assert sizes["plan.coarse.own"] == (12, 16) and sizes["plan.blocks.2.attend.key_value.weight"] == (32, 16)


# every kind of attention


@pytest.mark.parametrize("kind", KINDS)
def test_history_step_equals_forward_for_every_kind(torch, kind):
    spec, rows = KINDS[kind], 10
    model = made(torch, spec)
    codes, condition, style = torch.randn(1, rows, 6, SIZE), torch.randn(1, rows, spec.condition), torch.tensor([1])
    with torch.no_grad():
        whole = model.history(codes, condition, style)
        past = torch.zeros(1, 1, spec.history_rows - 1, spec.width)
        for row in range(rows):
            out, past = model.history.step(codes[:, row], condition[:, row], style, past, torch.tensor([row]))
            torch.testing.assert_close(out, whole[:, row], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_token_is_never_seen_and_every_input_counts(torch, kind):
    spec = KINDS[kind]
    model, inputs = made(torch, spec), window_of(torch, spec)
    inputs["masked"][:] = 0
    inputs["masked"][:, 1, 2] = 1
    with torch.no_grad():
        first = model.plan(**inputs)
        hidden = dict(inputs, codes=inputs["codes"].clone())
        hidden["codes"][:, 1, 2] = 99.0
        torch.testing.assert_close(model.plan(**hidden), first)
        assert not torch.allclose(model.plan(**dict(hidden, masked=torch.zeros_like(inputs["masked"]))), first)
        for name in inputs:
            changed = dict(inputs)
            changed[name] = 1 - inputs[name] if name == "masked" else inputs[name] + 1
            assert not torch.allclose(model.plan(**changed), first, atol=1e-4), f"{name} says nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_of_the_window_sees_every_other(torch, kind):
    """Two-way: also what is far away, by rows and then by groups where the attention is axial."""
    spec = KINDS[kind]
    model, inputs = made(torch, spec), window_of(torch, spec, count=1)
    inputs["masked"][:] = 0
    with torch.no_grad():
        first = model.plan(**inputs)
        inputs["codes"][0, -1, -1] += 1
        assert ((model.plan(**inputs) - first).abs().amax(-1) > 1e-6).all()


def test_axial_stacks_join_rows_then_groups_then_all(torch):
    from realtime_models.attention import Over, attend_over, turns

    assert turns("full", 2) == (Over.ALL, Over.ALL)
    assert turns("axial", 4) == (Over.ROW, Over.GROUP, Over.ALL, Over.ROW)
    model = made(torch, KINDS["axial"])
    x, beside = torch.randn(1, 4, 6, 16), torch.randn(1, 1, 16)
    moved = x.clone()
    moved[0, 2, 3] += torch.randn(16)
    with torch.no_grad():
        for over, seen in ((Over.ROW, (4, 6)), (Over.GROUP, (4, 6)), (Over.ALL, (4, 6))):
            block = model.plan.blocks[0]
            apart = attend_over(block, over, moved, beside)[0] - attend_over(block, over, x, beside)[0]
            touched = (apart.abs().amax(-1) > 1e-7)[0]
            expected = torch.zeros(seen, dtype=torch.bool)
            expected[2 if over is Over.ROW else slice(None), 3 if over is Over.GROUP else slice(None)] = True
            assert torch.equal(touched, expected), over


def test_a_causal_encoder_never_hears_what_comes(torch):
    from realtime_models.branches import CausalEncoder

    torch.manual_seed(1)
    encoder = CausalEncoder(5, 8)
    rows = torch.randn(1, 40, 5)
    later, early = rows.clone(), rows.clone()
    later[:, 20:] = 0
    early[:, : 20 - encoder.BACK] = 0
    with torch.no_grad():
        torch.testing.assert_close(encoder(rows)[:, :20], encoder(later)[:, :20])
        torch.testing.assert_close(encoder(rows)[:, 20:], encoder(early)[:, 20:])
        assert not torch.allclose(encoder(rows)[:, 19], encoder(early)[:, 19])


def test_music_of_rows_long_past_is_heard_where_it_is_asked_for(torch):
    for kind in ("aligned", "causal", "whole"):
        spec = KINDS[kind]
        model, inputs = made(torch, spec), window_of(torch, spec)
        with torch.no_grad():
            first = model.plan(**inputs)
            inputs["heard"][:, 0, layout.AUDIO] += 1.0
            assert not torch.allclose(model.plan(**inputs), first), kind


# branches


def test_every_number_belongs_to_one_branch(torch):
    from realtime_models.branches import BRANCHES, told_columns

    columns = sorted(column for parts in BRANCHES.values() for column in parts)
    assert columns == list(range(layout.SIZE))
    assert all(told_columns(name, layout.FIRST_SIZE) for name in BRANCHES)


@pytest.mark.parametrize("kind", ["gated", "whole"])
@pytest.mark.parametrize("name", ["beat", "music", "energy", "steer", "style"])
def test_a_missing_branch_says_its_learned_nothing_whatever_its_encoder_holds(torch, kind, name):
    from realtime_models.branches import BRANCHES, NAMES

    spec = KINDS[kind]
    model, inputs = made(torch, spec), window_of(torch, spec)
    present = dict(inputs)
    if name == "style":
        inputs["style"] = torch.zeros_like(inputs["style"])
    else:
        for rows in ("condition", "heard"):
            if rows in inputs:
                inputs[rows] = inputs[rows].clone()
                inputs[rows][..., list(BRANCHES[name])] = 0.0
    with torch.no_grad():
        without, readings = model.plan.read(**inputs)
        with_it, open_ = model.plan.read(**present)
        place = NAMES.index(name)
        assert (readings.gates[..., place] == 0).all() and (open_.gates[..., place] > 0.05).all()
        assert (open_.gates <= 1).all() and not torch.allclose(without, with_it)
        branches = model.plan.branches
        encoder = branches.style if name == "style" else branches.encoders[name]
        for weight in [*encoder.parameters(), *branches.gates[name].weigh.parameters()]:
            weight += torch.randn_like(weight)
        torch.testing.assert_close(model.plan(**inputs), without)
        assert not torch.allclose(model.plan(**present), with_it)
        branches.gates[name].nothing += 1.0
        assert not torch.allclose(model.plan(**inputs), without)


def test_how_late_the_ear_is_says_nothing_without_a_beat(torch):
    model, inputs = made(torch, KINDS["gated"]), window_of(torch, KINDS["gated"])
    inputs["condition"][..., layout.BEAT] = 0.0
    inputs["condition"][..., layout.BAR] = 0.0
    with torch.no_grad():
        first = model.plan(**inputs)
        inputs["condition"][..., layout.DELAY] += 0.5
        torch.testing.assert_close(model.plan(**inputs), first)


def test_attention_to_the_condition_may_be_read(torch):
    spec = WHOLE
    _, readings = made(torch, spec).plan.read(**window_of(torch, spec))
    rows, memory = spec.plan_rows + 2, spec.plan_rows + spec.heard_rows
    assert [tuple(s.shape) for s in readings.time] == [(2, 2, rows, 6, memory)] * 3
    assert [tuple(s.shape) for s in readings.space] == [(2, rows, 2, 6, 5)] * 3
    assert tuple(readings.gates.shape) == (2, spec.plan_rows, 5)


# export, and the show's sampler


@pytest.mark.parametrize("kind", ["axial", "aligned", "causal", "whole"])
def test_the_plan_of_every_kind_is_exported_as_torch_has_it(torch, kind, tmp_path, needs):
    needs.module("onnxscript", "pip install onnx onnxscript")
    from realtime_models.export import PlanStep, check_network, examples, export_network, halve, rounded

    spec, path = replace(KINDS[kind], plan_layers=3), tmp_path / "plan.onnx"
    network = rounded(PlanStep(made(torch, spec)))
    export_network("plan", network, spec, examples(spec)["plan"], path)
    halve(path)
    golden = check_network("plan", network, spec, examples(spec)["plan"], path)
    assert golden["plan.out.logits"].shape == (2, spec.plan_rows, 6, spec.codes)
    assert ("plan.in.heard" in golden, "plan.in.strength" in golden) == (spec.hears_past, spec.told_strength)
    one = tuple(x[:1] for x in examples(spec)["plan"])  # alone, as it runs when it is told the strength
    check_network("plan", network, spec, one, path)


class Watched:
    """Networks that answer with noise of their inputs and remember what the plan was given."""

    def __init__(self, spec):
        self.spec, self.seen = spec, []

    def history(self, codes, condition, style, past, age):
        return np.tanh(codes.sum((1, 2))[:, None] + np.ones((1, self.spec.width), np.float32)), past

    def plan(self, history, before, codes, masked, condition, style, **more):
        self.seen.append((condition, more))
        shape = (len(codes), self.spec.plan_rows, 6)
        told = condition[:, :, None, layout.BEAT.start, None]
        told = told * np.linspace(-1, 1, self.spec.codes, dtype=np.float32)
        strength = more["strength"][:, None, None, None] if "strength" in more else 1.0
        logits = np.broadcast_to(told * strength, (*shape, self.spec.codes))
        return np.zeros((*shape, self.spec.width), np.float32), logits

    def fine(self, hidden, coarse_codes):
        return np.zeros((*hidden.shape[:3], self.spec.codes), np.float32)

    def decode(self, codes):
        return np.ones((1, codes.shape[1] * 4, self.spec.frame_size), np.float32)


def condition_of(spec, row, follow=1.0):
    window = np.zeros((spec.plan_rows, spec.condition), np.float32)
    window[:, layout.BEAT.start], window[:, layout.STEER.start] = row + 1, 1.0
    return Condition(window, style=1, follow=follow)


@pytest.mark.parametrize(("guidance_by", "follow"), list(product(CHOICES["guidance_by"], (0.0, 1.0))))
def test_a_told_strength_needs_no_second_pass(guidance_by, follow):
    spec = replace(SMALL, guidance_by=guidance_by, guidance=3.0, refine_steps=2, attention="aligned")
    networks = Watched(spec)
    dancer = TokenDancer(networks, spec, np.zeros((10, 6, 2), np.int64))
    state = dancer.start(1)
    for row in range(5):
        state, _ = dancer.step(state, condition_of(spec, row, follow))
    assert len(networks.seen) == 5 * 2
    condition, more = networks.seen[-1]
    assert list(more["heard"][0, :, layout.BEAT.start]) == [2, 3, 4]  # the rows before the fifth
    if guidance_by == "input":
        assert len(condition) == 1 and more["strength"] == [3.0 * follow]
    else:
        assert len(condition) == 2 and "strength" not in more
        assert not condition[1, :, layout.BEAT].any() and not more["heard"][1].any()
        assert condition[0, :, layout.STEER.start].all() and not condition[1, :, layout.STEER].any()
    assert len(state.heard) == spec.heard_rows
    assert len(TokenDancer(Watched(SMALL), SMALL, np.zeros((10, 6, 2), np.int64)).start(1).heard) == 0


def test_the_more_strength_the_more_the_music_is_followed():
    """Made up: the music pushes every score in proportion to the strength. Told or worked out, it is the same dance."""
    dances = {}
    for guidance_by in CHOICES["guidance_by"]:
        spec = replace(SMALL, guidance_by=guidance_by, guidance=4.0, temperature=1.0, refine_steps=1)
        dancer = TokenDancer(Watched(spec), spec, np.zeros((10, 6, 2), np.int64))
        follows = (0.0, 0.25, 0.5, 1.0)
        tokens = [dancer.step(dancer.start(5), condition_of(spec, 0, f))[0].tokens[..., 0] for f in follows]
        means = [t.mean() for t in tokens]
        assert means == sorted(means) and means[0] + 1 < means[-1]
        dances[guidance_by] = np.stack(tokens)
    np.testing.assert_array_equal(dances["input"], dances["two passes"])
