"""How the second network is trained: what is masked, bodies that are measured, an ear that meets the body, students."""

from dataclasses import replace

import numpy as np
import pytest

from engine import condition as layout
from engine.errors import ConfigError
from realtime_models.spec import ModelSpec

SMALL = ModelSpec(
    identity="made-up", levels=(4, 3), width=16, heads=2, history_layers=1, plan_layers=1, history_rows=4,
    heard_rows=3, encoder_width=8, decoder_width=8, frame_width=8, decoder_rows=8,
)  # fmt: skip
ATTENDED = replace(SMALL, attention="aligned", branches="gated", masking="attended")


@pytest.fixture
def torch(needs):
    return needs.module("torch", "pip install torch==2.13.0")


@pytest.fixture
def random(torch):
    return torch.Generator().manual_seed(1)


def batch_of(torch, spec, count=4, rows=14, seed=2):
    """Made-up sequences: what is danced follows from what is heard, row by row."""
    from realtime_models.training.rows import Batch

    random = torch.Generator().manual_seed(seed)
    ahead = torch.randn(count, rows, spec.plan_rows, spec.condition, generator=random)
    loud = ahead[:, :, 0, layout.AUDIO].mean(-1, keepdim=True)[..., None]
    tokens = ((torch.randn(count, rows, spec.groups, spec.stages, generator=random) + 6 * loud) * 2).long() + 6
    return Batch(tokens.clamp(0, spec.codes - 1), ahead[:, :, 0].clone(), torch.ones(count, dtype=torch.long), ahead)


# masks


def test_masks_are_never_empty_and_hide_everything_in_about_half_of_the_windows(torch, random):
    """Three of ten, and of the others what the two schedules come to."""
    from realtime_models.training import masking

    for kind, whole in ((masking.single_tokens, 0.494), (masking.rows_first, 0.517)):
        mask = masking.some_kind(SMALL, kind(SMALL, 4000, random), random)
        assert mask.shape == (4000, SMALL.plan_rows, SMALL.groups) and mask.dtype == torch.bool
        assert mask.any(2).any(1).all()
        assert mask.all(2).all(1).float().mean().item() == pytest.approx(whole, abs=0.03)


def test_rows_are_hidden_whole_before_single_tokens(torch, random):
    from realtime_models.training import masking

    single = masking.single_tokens(SMALL, 4000, random).float()
    rows = masking.rows_first(SMALL, 4000, random).float()
    assert abs(single.mean() - 2 / np.pi) < 0.03  # the mean of the cosine schedule
    assert abs(rows.mean() - single.mean()) < 0.03  # kinds are compared at equal shares
    whole = [m.all(2).float().mean().item() for m in (single.bool(), rows.bool())]
    assert whole == pytest.approx([0.313, 0.490], abs=0.03)


def test_the_rows_and_groups_that_the_condition_attends_to_most_are_hidden(torch):
    from realtime_models.network import Readings
    from realtime_models.training import masking

    rows, memory = SMALL.plan_rows + 2, SMALL.plan_rows + 3
    time, space = torch.zeros(2, 2, rows, 6, memory), torch.zeros(2, rows, 2, 6, 5)
    time[0, :, 2 + 1, :, -SMALL.plan_rows :], time[1, :, 2 + 3, 5, -SMALL.plan_rows :] = 2.0, 2.0
    time[:, :, 0], time[..., 0] = 50.0, 50.0  # rows before the window, and music long past, are not asked
    space[:, :, :, 4, 0], space[:, :, :, 0, 0], space[:, :, :, 2, 1] = 3.0, 2.0, 9.0
    gates = torch.zeros(2, SMALL.plan_rows, 5)
    gates[..., 0] = 1.0  # the second branch, which would have chosen group 2, is missing
    readings = Readings(gates, (time,), (space,))
    of_rows, of_groups = masking.attention_received(readings, SMALL.plan_rows)
    torch.testing.assert_close(of_rows.sum(1), torch.ones(2))
    torch.testing.assert_close(of_groups.sum(1), torch.ones(2))
    mask = masking.attended(SMALL, readings)
    expected = torch.zeros(2, 4, 6, dtype=torch.bool)
    expected[0, 1], expected[1, 3] = True, True
    expected[:, :, [0, 4]] = True
    assert torch.equal(mask, expected)
    assert mask.float().mean() == 0.5  # 30 % of four rows is one, 30 % of six groups is two


def test_attention_is_asked_for_on_a_share_of_the_steps_only(torch):
    from realtime_models.training.masking import ATTENDED_STEPS
    from realtime_models.training.trainer import Trainer

    trainer, batch, looks = Trainer(ATTENDED, positions=1, seed=3), batch_of(torch, ATTENDED, count=2, rows=7), []
    read = trainer.model.plan.read
    trainer.model.plan.read = lambda *told: looks.append(torch.is_grad_enabled()) or read(*told)
    for _ in range(30):
        trainer.loss(batch, own=False)
    without_gradient = looks.count(False)
    assert looks.count(True) == 30 and 0 < without_gradient < 30
    assert abs(without_gradient / 30 - ATTENDED_STEPS) < 0.3


# bodies


@pytest.fixture
def body(torch):
    from realtime_models.tokens import Tokeniser
    from realtime_models.training.physics import Body

    torch.manual_seed(4)
    return Body(SMALL, Tokeniser(SMALL))


def guess_of(torch, body, windows=3, seed=5):
    """Random logits of random tokens, and the tokens."""
    from realtime_models.training.physics import Guess

    random = torch.Generator().manual_seed(seed)
    spec, shape = body.spec, (windows, body.spec.plan_rows, 6)
    tokens = torch.randint(0, spec.codes, (*shape, 2), generator=random)
    context = torch.randn(windows, 7, 6, 4, generator=random).clamp(-1, 1)
    logits = [torch.randn(*shape, spec.codes, generator=random) for _ in range(2)]
    masked = torch.rand(shape, generator=random) < 0.5
    return Guess(context, body.tokeniser.quantiser.codes(tokens), masked, *logits), tokens


def test_a_right_guess_is_a_right_body_and_what_is_known_is_no_guess(torch, body):
    guess, tokens = guess_of(torch, body)
    sure = [20.0 * torch.nn.functional.one_hot(tokens[..., i], SMALL.codes).float() for i in range(2)]
    right = body.loss(replace(guess, coarse=sure[0], fine=sure[1]))
    assert right["position"] < 1e-3 and right["velocity"] < 1e-3
    known = body.loss(replace(guess, masked=torch.zeros_like(guess.masked)))
    assert known["position"] < 1e-3
    wrong = body.loss(guess)
    assert wrong["position"] > 0.1 and wrong["velocity"] > 0.1


def test_the_best_code_is_decoded_and_the_mean_is_learnt_from(torch, body):
    guess, _ = guess_of(torch, body)
    logits = guess.coarse.clone().requires_grad_()
    codes = body.expected(logits)
    torch.testing.assert_close(codes, body.values[logits.argmax(-1)])
    codes[0, 0, 0, 0].backward()
    mean = logits.detach()[0, 0, 0].softmax(-1)
    torch.testing.assert_close(logits.grad[0, 0, 0], mean * (body.values[:, 0] - mean @ body.values[:, 0]))


def test_logits_learn_the_body_and_the_decoder_learns_nothing(torch, body):
    guess, _ = guess_of(torch, body)
    before = {name: value.clone() for name, value in body.tokeniser.state_dict().items()}
    logits = [guess.coarse.clone().requires_grad_(), guess.fine.clone().requires_grad_()]
    optimiser, seen = torch.optim.Adam(logits, lr=0.1), []
    for _ in range(25):
        loss = body.loss(replace(guess, coarse=logits[0], fine=logits[1]))["position"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(loss.item())
    assert min(seen[-5:]) < 0.7 * seen[0]
    assert all(torch.equal(value, before[name]) for name, value in body.tokeniser.state_dict().items())


def test_windows_of_which_much_is_masked_count_less(torch, body):
    from realtime_models.training.physics import FADE

    guess, _ = guess_of(torch, body, windows=2)
    masked = torch.ones_like(guess.masked)
    masked[1, 1:] = False
    guess = replace(guess, masked=masked)

    def alone(i):
        parts = {name: getattr(guess, name)[i : i + 1] for name in ("context", "true", "masked", "coarse", "fine")}
        return body.loss(type(guess)(**parts))["position"]

    weights = np.exp(-FADE * np.array([1.0, 0.25]))
    expected = (weights[0] * alone(0) + weights[1] * alone(1)) / weights.sum()
    torch.testing.assert_close(body.loss(guess)["position"], expected)


def test_feet_that_should_stand_are_to_stand_wherever_they_are(torch):
    from realtime_models.features import CONTACTS, VELOCITY
    from realtime_models.training.physics import distances

    goal = torch.zeros(1, 8, SMALL.frame_size)
    goal[..., 4:] = 1.0
    goal[..., CONTACTS] = 1.0
    slips = goal.clone()
    slips[..., VELOCITY] = 0.02  # 2 cm a frame to the side and ahead
    told, jumps = distances(slips, goal), distances(slips, torch.cat([goal[..., :-1], 0 * goal[..., -1:]], -1))
    assert told["contact"].item() == pytest.approx(200 * 2 * 0.02**2, rel=1e-3)
    assert jumps["contact"].item() == pytest.approx(told["contact"].item() / 2, rel=1e-3)  # one foot is in the air
    assert told["position"].item() == pytest.approx(0.0, abs=1e-4)  # the path is no pose
    assert distances(goal, goal)["contact"].item() == 0.0


def test_a_training_with_physics_needs_a_tokeniser_and_has_its_terms(torch):
    from realtime_models.tokens import Tokeniser
    from realtime_models.training.trainer import Trainer

    spec = replace(SMALL, physics=0.5)
    with pytest.raises(ConfigError, match="need the tokeniser"):
        Trainer(spec, positions=2, seed=0)
    batch = batch_of(torch, spec)
    torch.manual_seed(6)
    trainer = Trainer(spec, positions=2, seed=0, tokeniser=Tokeniser(spec))
    loss, told = trainer.loss(batch, own=True)
    assert {"position", "velocity", "contact"} < set(told)
    terms = told["position"] + told["velocity"] + told["contact"]
    assert loss.item() == pytest.approx(told["coarse"] + 0.5 * told["fine"] + 0.5 * terms, rel=1e-4)


# ear and body


def test_pairs_are_told_from_others_but_not_from_their_own_sequence(torch, random):
    from realtime_models.training.contrast import info_nce

    vectors = torch.nn.functional.normalize(torch.randn(12, 32, generator=random), dim=-1)
    sharp, apart = torch.tensor(4.0), torch.arange(12)
    right, hits = info_nce(vectors, vectors, apart, sharp)
    assert right < 0.01 and hits == 1.0
    wrong, missed = info_nce(vectors, vectors.roll(1, 0), apart, sharp)
    assert wrong > 5 and missed == 0.0
    same = vectors[:6].repeat_interleave(2, 0)  # two moments of one sequence sound the same
    torch.testing.assert_close(info_nce(same, same, apart // 2, sharp)[0], torch.tensor(0.0), atol=0.01, rtol=0)
    assert info_nce(same, same, apart, sharp)[0] > 0.6


def test_the_ear_learns_which_motion_is_danced_to_what_it_hears(torch):
    from realtime_models.training.trainer import Trainer

    spec = replace(SMALL, branches="gated", music_encoder="causal", ear_to_body=1.0)
    torch.manual_seed(7)
    trainer = Trainer(spec, positions=4, seed=1)
    batches = (batch_of(torch, spec, count=8, seed=step) for step in range(60))
    seen = [trainer.step(batch, 5e-3, own=False)["contrast"] for batch in batches]
    chance = np.log(29)  # of 8 sequences with 4 moments each, 28 are no own
    assert abs(seen[0] - chance) < 1.0
    assert np.mean(seen[-10:]) < 0.8 * np.mean(seen[:5])


def test_silence_is_matched_with_nothing(torch):
    from realtime_models.training.contrast import contrast
    from realtime_models.training.trainer import Trainer

    spec = replace(SMALL, branches="gated", music_encoder="causal", ear_to_body=1.0)
    trainer, batch = Trainer(spec, positions=2, seed=0), batch_of(torch, spec)
    batch.condition[1:] = 0.0
    codes, at = trainer.quantiser.codes(batch.tokens), torch.full((4, 2), 5)
    assert contrast(trainer.model, codes, batch.condition, at)[0] == 0.0


# students


def teacher_of(torch, spec=SMALL):
    """A teacher with opinions."""
    from realtime_models.network import Generator

    torch.manual_seed(8)
    teacher = Generator(spec, dropout=0.0).eval()
    for name, weight in teacher.named_parameters():
        weight.data *= 6.0 if ".shared." in name else 1.0
    for weight in teacher.plan.condition.parameters():
        weight.data *= 3.0
    return teacher


def test_divergence_is_that_of_the_masked_tokens(torch):
    from realtime_models.training.distil import kl

    p, q = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.2, 0.4, 0.4])
    teacher, student = p.log().expand(1, 1, 2, 3), torch.stack([q.log(), 9 * p])[None, None]
    masked = torch.tensor([[[True, False]]])
    assert kl(teacher, student, masked).item() == pytest.approx(float((p * (p / q).log()).sum()))
    assert kl(teacher, teacher + 7, ~masked).item() == pytest.approx(0.0, abs=1e-6)


def test_a_student_is_refused_what_it_cannot_be(torch):
    from realtime_models.training.distil import Distiller, student_spec

    with pytest.raises(ConfigError, match="1 or 2 rounds, not 3"):
        student_spec(SMALL, 3)
    teacher = teacher_of(torch)
    spec = student_spec(SMALL, 2)
    assert (spec.guidance_by, spec.refine_steps) == ("input", 2)
    with pytest.raises(ConfigError, match="stages must be its teacher's: 2, not 1"):
        Distiller(replace(spec, stages=1), positions=1, seed=0, teacher=teacher)
    with pytest.raises(ConfigError, match="a teacher has guidance_by 'two passes'"):
        Distiller(SMALL, positions=1, seed=0, teacher=teacher)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_student_begins_as_its_teacher_and_comes_nearer_to_what_guidance_does(torch, steps):
    """Made up and small; the push of the music on the student's scores then rises with the strength it is told."""
    from realtime_models.training.distil import Distiller, student_spec
    from realtime_models.training.refine import Window, pushed

    teacher = teacher_of(torch)
    frozen = {name: value.clone() for name, value in teacher.state_dict().items()}
    student = Distiller(student_spec(SMALL, steps), positions=4, seed=1, teacher=teacher, teacher_steps=4)
    for module in student.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    held = batch_of(torch, SMALL, count=6, seed=99)
    codes = student.quantiser.codes(held.tokens)
    with torch.no_grad():
        hidden = teacher.history(codes, held.condition, held.style)[:, 6]
    nothing, masked = torch.zeros(6, 4, 6, 4), torch.ones(6, 4, 6, dtype=torch.bool)
    window = Window(hidden, codes[:, 5:7], held.ahead[:, 7], held.style)
    silent = window.without(student.told)

    def divergence():
        student.random.manual_seed(3)
        strength = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0, 4.0])
        with torch.no_grad():
            return student.imitate(window, window.of_strength(strength), strength)[1]["coarse_kl"]

    with torch.no_grad():
        plain = window.of_strength(torch.ones(6)).see(student.model.eval(), nothing, masked)
        torch.testing.assert_close(plain, window.see(teacher, nothing, masked))
    before = divergence()
    for step in range(80):
        told = student.step(batch_of(torch, SMALL, count=6, seed=step), 2e-3, own=step % 4 == 0)
        assert np.isfinite(list(told.values())).all()
    assert divergence() < 0.7 * before
    assert all(torch.equal(value, frozen[name]) for name, value in teacher.state_dict().items())
    with torch.no_grad():
        _, with_music = pushed(teacher, window, None, 1.0, nothing, masked)
        _, without = pushed(teacher, silent, None, 1.0, nothing, masked)
        push, moved = with_music - without, []
        for strength in (0.0, 1.0, 2.0, 3.0):
            told = window.of_strength(torch.full((6,), strength))
            logits = student.model.plan.coarse_logits(told.see(student.model.eval(), nothing, masked))
            moved.append((logits * (push - push.mean(-1, keepdim=True))).sum(-1).mean().item())
    assert moved == sorted(moved) and moved[-1] - moved[0] > 0.2 * (push.var(-1) * SMALL.codes).mean().item()


def test_the_teachers_push_is_that_of_the_show(torch):
    """Guided scores in a batch are those of the sampler, strength by strength."""
    from realtime_models.training.refine import Window, pushed

    teacher = teacher_of(torch)
    random = torch.Generator().manual_seed(9)
    condition = torch.randn(3, 4, SMALL.condition, generator=random)
    window = Window(
        torch.randn(3, 16, generator=random), torch.randn(3, 2, 6, 4, generator=random), condition,
        torch.ones(3, dtype=torch.long),
    )  # fmt: skip
    silent = window.without(layout.music_columns(SMALL.condition))
    codes, masked = torch.zeros(3, 4, 6, 4), torch.ones(3, 4, 6, dtype=torch.bool)
    strengths = torch.tensor([0.0, 1.0, 3.0])
    with torch.no_grad():
        _, guided = pushed(teacher, window, silent, strengths, codes, masked)
        with_music = teacher.plan.coarse_logits(window.see(teacher, codes, masked))
        without = teacher.plan.coarse_logits(silent.see(teacher, codes, masked))
    torch.testing.assert_close(guided[0], without[0])
    torch.testing.assert_close(guided[1], with_music[1])
    torch.testing.assert_close(guided[2], without[2] + 3 * (with_music[2] - without[2]))
    assert torch.equal(silent.condition[..., layout.STEER], condition[..., layout.STEER])
    assert not silent.condition[..., layout.BEAT].any()
    one = window.without(layout.music_columns(SMALL.condition), torch.tensor([False, True, False]))
    assert torch.equal(one.condition[::2], condition[::2]) and not one.condition[1, :, layout.BEAT].any()
