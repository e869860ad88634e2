"""Distil a generator: a student that needs one or two rounds and one pass, and is told how hard the music pushes.

    CORYBANT_DATA=../data python -m realtime_models.training.distil --tokeniser runs/tokeniser.pt \\
        --teacher runs/generator.pt --songs runs/songs --minutes 40 --student-steps 2 --out runs/student.pt

The teacher refines in many rounds, each with and without the music (classifier-free guidance); strengths are drawn
anew for every window. The student learns the tokens that the teacher ends with, where nothing is known yet, and the
teacher's distribution wherever the student itself gets to: its own mistakes are where it has to be told. Run again, it
goes on from ``--out``.
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from engine import condition as layout
from engine.errors import ConfigError
from realtime_models.network import Generator
from realtime_models.spec import ModelSpec
from realtime_models.training import checkpoint
from realtime_models.training.loop import Length, device, join_processes, telling, train
from realtime_models.training.refine import Round, Window, fine_of, pushed, refine
from realtime_models.training.rows import Batch
from realtime_models.training.train_generator import GeneratorLearner, add_arguments, prepared, with_choices
from realtime_models.training.trainer import Trainer, windows

STRONGEST = 4.0  #: strengths are drawn up to here; beyond (the slider's end at ``guidance`` 3 is 5) nothing was taught
PLAIN = 0.2  #: share of windows of strength 1, as the music was in the training
LABELS = 0.5  #: weight of the teacher's tokens beside its distribution


def kl(teacher: torch.Tensor, student: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Mean over masked tokens of KL(teacher, student); logits (B, W, G, codes), masked (B, W, G) bool."""
    true, told = teacher[masked].float().log_softmax(-1), student[masked].float().log_softmax(-1)
    return (true.exp() * (true - told)).sum(-1).mean()


def student_spec(teacher: ModelSpec, steps: int) -> ModelSpec:
    """A teacher's specification with what a student has of its own. ConfigError for more rounds than two."""
    if steps not in (1, 2):
        raise ConfigError(f"a student refines in 1 or 2 rounds, not {steps}")
    values = {name: getattr(teacher, name) for name in teacher.__dataclass_fields__}
    own = {"guidance_by": "input", "refine_steps": steps, "physics": 0.0, "ear_to_body": 0.0}
    return ModelSpec(**values | own)


def begin_alike(student: Generator, teacher: Generator) -> int:
    """Give the student the teacher's weights where names and sizes agree; how many did."""
    theirs, ours = teacher.state_dict(), student.state_dict()
    alike = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
    student.load_state_dict(ours | alike)
    return len(alike)


class Distiller(Trainer):
    """A student in training."""

    def __init__(
        self, spec: ModelSpec, *, positions: int, seed: int, teacher: Generator, teacher_steps: int = 6,
    ):  # fmt: skip
        """``teacher`` is frozen. ConfigError where the two do not speak of the same tokens, or it is told strengths."""
        super().__init__(spec, positions=positions, seed=seed)
        for name in ("levels", "stages", "groups", "plan_rows", "condition", "styles"):
            ours, theirs = getattr(spec, name), getattr(teacher.spec, name)
            if ours != theirs:
                raise ConfigError(f"a student's {name} must be its teacher's: {theirs}, not {ours}")
        if teacher.spec.told_strength or not spec.told_strength:
            raise ConfigError("a teacher has guidance_by 'two passes' and its student 'input'")
        self.teacher, self.teacher_steps = teacher.eval().requires_grad_(False), teacher_steps
        begin_alike(self.model, teacher)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.told = list(range(layout.STEER.start, layout.STEER.stop))
        self.told += layout.music_columns(spec.condition).tolist()  # as the sampler takes away for its second pass

    def strengths(self, count: int) -> torch.Tensor:
        """(count,) how hard the music pushes."""
        return torch.where(self.uniform(count) < PLAIN, 1.0, STRONGEST * self.uniform(count))

    def loss(self, batch: Batch, *, own: bool) -> tuple[torch.Tensor, dict[str, float]]:
        """Divergence from the teacher in all rounds that the student goes through, and from its tokens."""
        true = self.quantiser.codes(batch.tokens)
        codes = self.disturb(self.own_output(true, batch) if own else true)
        at = torch.randint(1, codes.shape[1] - self.spec.plan_rows, (len(codes), self.positions), generator=self.random)
        strength = self.strengths(at.numel())
        with torch.no_grad():
            hidden = self.teacher.history(codes, batch.condition, batch.style)
            taught, _ = windows(self.teacher.spec, codes, hidden, batch, at)
        hidden = self.model.history(codes, batch.condition, batch.style)
        window = self.windows(codes, hidden, batch, at)[0].of_strength(strength)
        return self.imitate(taught, window, strength)

    def imitate(
        self, taught: Window, window: Window, strength: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float]]:  # fmt: skip
        """The same windows as the teacher and as the student is told of them; ``strength`` (B,)."""
        silent, rounds = taught.without(self.told), []
        with torch.no_grad():
            labels = refine(
                self.teacher, self.quantiser, taught, steps=self.teacher_steps, random=self.random, temperature=1.0,
                follow=strength, silent=silent,
            )  # fmt: skip
            self.model.eval()
            refine(
                self.model, self.quantiser, window, steps=self.spec.refine_steps, random=self.random,
                temperature=self.spec.temperature, visit=rounds.append,
            )  # fmt: skip
            self.model.train()
        parts = [self.round(taught, silent, window, strength, one) for one in rounds]
        coarse, fine = (sum(values) / len(parts) for values in zip(*parts, strict=True))
        label = self.labelled(window, rounds[0], labels)
        total = coarse + 0.5 * fine + LABELS * label
        return total, {"coarse_kl": coarse.item(), "fine_kl": fine.item(), "label": label.item()}

    def round(
        self, taught: Window, silent: Window, window: Window, strength: torch.Tensor, one: Round
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Divergences of first and refining tokens where the student stood."""
        codes = self.quantiser.codes(one.tokens)
        with torch.no_grad():
            seen, goal = pushed(self.teacher, taught, silent, strength, codes, one.masked)
            fine_goal = fine_of(self.teacher, self.quantiser, seen, one.first)
        hidden = window.see(self.model, codes, one.masked)
        coarse = kl(goal, self.model.plan.coarse_logits(hidden), one.masked)
        return coarse, kl(fine_goal, fine_of(self.model, self.quantiser, hidden, one.first), one.masked)

    def labelled(self, window: Window, one: Round, labels: torch.Tensor) -> torch.Tensor:
        """Cross entropy of the tokens (B, W, G, S) that the teacher ended with, from nothing."""
        hidden = window.see(self.model, self.quantiser.codes(one.tokens), one.masked)
        coarse = self.model.plan.coarse_logits(hidden).float().flatten(0, 2)
        fine = fine_of(self.model, self.quantiser, hidden, labels[..., 0]).flatten(0, 2)
        entropy = torch.nn.functional.cross_entropy
        return entropy(coarse, labels[..., 0].flatten()) + 0.5 * entropy(fine, labels[..., 1].flatten())


def load_teacher(path: Path) -> Generator:
    """The averaged weights of a trained generator. Raises ConfigError."""
    saved = checkpoint.load(path)
    teacher = Generator(ModelSpec.from_json(saved["spec"]))
    try:
        teacher.load_state_dict(saved["model"])
    except RuntimeError as error:
        raise ConfigError(f"{path} is no generator of its own specification: train it again") from error
    return teacher.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.set_defaults(positions=6, rate=3e-4)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--teacher-steps", type=int, default=6, help="rounds of the teacher, 4 to 8")
    parser.add_argument("--student-steps", type=int, default=2, help="rounds of the student, 1 or 2")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="sizes of the student")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rank, _ = join_processes(args.threads)
    seed = args.seed + 1000 * rank
    torch.manual_seed(seed)
    teacher = load_teacher(args.teacher).to(device())
    spec = with_choices(student_spec(teacher.spec, args.student_steps), args.set)
    _, material = prepared(args, rank)
    learner = GeneratorLearner(
        spec, material.sequences(spec, args.rows, seed), material.held_batch(spec, args.rows), batch=args.batch,
        positions=args.positions, rate=args.rate, seed=seed, own_from=0.0,
        make=partial(Distiller, teacher=teacher, teacher_steps=args.teacher_steps),
    )  # fmt: skip
    train(learner, Length(args.minutes, args.steps), args.out, telling("student", args.out))


if __name__ == "__main__":
    main()
