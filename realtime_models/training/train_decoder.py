"""Train a tokeniser's decoder further while its tokens stay what they are, so that no generator has to learn again.

    CORYBANT_DATA=../data python -m realtime_models.training.train_decoder --tokeniser runs/tokeniser.pt \\
        --minutes 10 --out runs/tokeniser2.pt

A generator joins tokens as no clip did, and misses some by a step; a decoder that has only seen clips answers with
tremble. Here it sees bodies whose torso and arms are another dancer's than the legs, and tokens some of which are a
step off, and shall still say the motion that was meant.
"""

import argparse
from pathlib import Path

import torch

from realtime_models.features import GROUP_SIZES, GROUP_STARTS
from realtime_models.spec import ModelSpec
from realtime_models.training import checkpoint
from realtime_models.training.bank import RICH, build_bank
from realtime_models.training.data import read_clips
from realtime_models.training.loop import Length, half_precision, join_processes, rate_at, telling, train
from realtime_models.training.train_tokeniser import WINDOW, TokeniserLearner, Windows, losses
from realtime_models.training.trainer import share_gradients

DECODER = ("merge", "rows", "unfold", "frames", "out")  #: what is trained
UPPER = (1, 2, 3)  #: torso, left arm, right arm: what may be another dancer's
MIXED, OTHERS = 0.5, 0.5  #: share of bodies that are mixed; share of such a body's upper groups that are another's
ASTRAY = 0.1  #: at most so many of a window's numbers are a step off


def mix(batch: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """(B, F, 126) with some bodies' torso and arms from other bodies of the batch; legs and path stay together."""
    out, count = batch.clone(), len(batch)
    mixed = torch.rand(count, generator=random) < MIXED
    for group in UPPER:
        columns = slice(GROUP_STARTS[group], GROUP_STARTS[group] + GROUP_SIZES[group])
        change = mixed & (torch.rand(count, generator=random) < OTHERS)
        other = batch[torch.randperm(count, generator=random)]
        out[change, :, columns] = other[change, :, columns]
    return out


def step_off(codes: torch.Tensor, levels: torch.Tensor, stages: int, random: torch.Generator) -> torch.Tensor:
    """Codes (B, R, G, S D) with some numbers one level higher or lower."""
    half = torch.div(levels, 2, rounding_mode="floor").repeat(stages)
    share = ASTRAY * torch.rand(len(codes), 1, 1, 1, generator=random)
    chosen = torch.rand(codes.shape, generator=random) < share
    way = torch.randint(0, 2, codes.shape, generator=random) * 2 - 1
    return (codes + chosen * way / half).clamp(-1, 1)


class DecoderLearner(TokeniserLearner):
    """The decoder in training; the encoder does not change by a bit."""

    def __init__(
        self, trained: dict, windows: Windows, held: torch.Tensor | None, *, batch: int, rate: float, seed: int
    ):
        """``trained``: a tokeniser's checkpoint."""
        super().__init__(ModelSpec.from_json(trained["spec"]), windows, held, batch=batch, rate=rate)
        self.model.load_state_dict(trained["model"])
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in DECODER)
        free = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(free, lr=rate, betas=(0.9, 0.98), weight_decay=1e-4)
        self.random = torch.Generator().manual_seed(seed)
        self.generators = (windows.rng, self.random)

    def step(self, done: float, step: int) -> dict[str, float]:
        """One update on mixed bodies with tokens a little astray, the refining tokens left out now and then."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(done, step, self.rate, warm_steps=50, least=1e-5)
        target, model = mix(self.windows.draw(self.batch), self.random), self.model
        with half_precision():
            with torch.no_grad():
                codes, _ = model.quantiser(model.encode(target))
                codes = step_off(codes, model.quantiser.levels, model.spec.stages, self.random)
                keep = torch.rand(self.batch, 1, 1, 1, generator=self.random) > 0.1
                first = len(model.spec.levels)
                codes[..., first:] *= keep
            made = model.decode(codes)
        parts = losses(model, target, made.float())
        self.optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        share_gradients(model)
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        self.optimiser.step()
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.average[name].lerp_(value, 1 - min(0.998, (step + 1) / (step + 10)))
        return {name: value.item() for name, value in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokeniser", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder for the prepared bank, to start faster the next time")
    args = parser.parse_args()
    rank, _ = join_processes(args.threads)
    seed = args.seed + 1000 * rank
    torch.manual_seed(seed)
    windows = Windows(build_bank(read_clips(), variety=RICH, folder=args.cache), WINDOW, seed)
    held_bank = build_bank(read_clips(splits=("val",)), speeds=(1.0,), folder=args.cache)
    held = Windows([entry for entry in held_bank if entry.clip.is_dance], WINDOW, 0).draw(64)
    learner = DecoderLearner(
        checkpoint.load(args.tokeniser), windows, held, batch=args.batch, rate=args.rate, seed=seed
    )
    train(learner, Length(args.minutes, args.steps), args.out, telling("decoder", args.out))


if __name__ == "__main__":
    main()
