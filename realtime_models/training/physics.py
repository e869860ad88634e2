"""Losses on the body that a window's tokens become: the tokeniser's decoder, frozen, behind the generator.

Cross entropy does not know that two codes are one millimetre or one metre apart. Here it is measured: joint
positions, velocities and feet that stand (DiffDance's geometric terms), each weighed down the more of the window is
masked, because then many dances are right and one is no goal.
"""

from dataclasses import dataclass

import torch

from realtime_models.features import CONTACTS, TOES
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training.kinematics import joints_in_heading, joints_in_world

MOST = 24  #: windows of a step that are decoded: a decoder is dearer than a plan
FADE = 2.0  #: the weight of a window is exp(-FADE x masked share)
POSITION, VELOCITY, CONTACT = 12.0, 25.0, 200.0  #: a centimetre, a centimetre a frame, a foot slipping 3 cm: about 0.1


@dataclass(frozen=True)
class Guess:
    """Windows as guessed, for P windows."""

    context: torch.Tensor  #: (P, K, G, S D) codes of the rows before
    true: torch.Tensor  #: (P, W, G, S D)
    masked: torch.Tensor  #: (P, W, G) bool
    coarse: torch.Tensor  #: (P, W, G, codes) logits
    fine: torch.Tensor  #: (P, W, G, codes)


class Body:
    """A frozen decoder and what its bodies should do."""

    def __init__(self, spec: ModelSpec, tokeniser: Tokeniser):
        self.spec, self.tokeniser = spec, tokeniser.eval().requires_grad_(False)
        every = torch.arange(spec.codes)[:, None].expand(-1, spec.stages)
        self.values = tokeniser.quantiser.codes(every)[:, : len(spec.levels)]  # (codes, D)

    def expected(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (..., codes) -> numbers (..., D): of the best code, with the gradient of the mean over all codes."""
        mean = logits.float().softmax(-1) @ self.values
        best = self.values[logits.argmax(-1)]
        return mean + (best - mean).detach()

    def loss(self, guess: Guess) -> dict[str, torch.Tensor]:
        """Terms ``position``, ``velocity``, ``contact``; means over windows with their weights."""
        with torch.autocast(guess.coarse.device.type, enabled=False):
            guessed = torch.cat([self.expected(guess.coarse), self.expected(guess.fine)], -1)
            codes = torch.where(guess.masked[..., None], guessed, guess.true)
            made, goal = self.decoded(guess.context, codes), self.decoded(guess.context, guess.true)
            weight = torch.exp(-FADE * guess.masked.float().mean((1, 2)))
            terms = distances(made, goal)
        return {name: (weight * term).sum() / weight.sum() for name, term in terms.items()}

    def decoded(self, context: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Features (P, W x row_frames, 126) of the window."""
        frames = codes.shape[1] * self.spec.row_frames
        return self.tokeniser.decode(torch.cat([context, codes], 1).float())[:, -frames:]


def distances(made: torch.Tensor, goal: torch.Tensor) -> dict[str, torch.Tensor]:
    """Each term (P,) of features (P, F, 126): a foot that should stand is to stand wherever it is."""
    world_m, world_g = joints_in_world(made), joints_in_world(goal)
    step_m, step_g = world_m.diff(dim=1), world_g.diff(dim=1)
    still = goal[..., CONTACTS].clamp(0, 1)
    slip = step_m[:, :, TOES].square().sum(-1) * still[:, 1:] * still[:, :-1]
    return {
        "position": POSITION * (joints_in_heading(made) - joints_in_heading(goal)).norm(dim=-1).mean((1, 2)),
        "velocity": VELOCITY * (step_m - step_g).norm(dim=-1).mean((1, 2)),
        "contact": CONTACT * slip.mean((1, 2)),
    }
