"""Which tokens of a window a generator has to guess in training. (count, W, G) bool, True = to be guessed.

Three tenths of the windows hide everything, as every plan of the show begins; three tenths hide the later rows and some
of the earlier, as it goes on. The rest is what ``ModelSpec.masking`` names: single tokens; whole rows and then single
tokens among what is left (as MoGenTS masks in time and space); or the rows and groups that the condition attends to
most (Motion Anything), where the lesson is.
"""

import torch

from realtime_models.network import Readings
from realtime_models.spec import ModelSpec

EVERYTHING, LATER = 0.3, 0.3  #: shares of windows
ATTENDED_ROWS, ATTENDED_GROUPS = 0.3, 0.3  #: parts of a window that the condition attends to most
ATTENDED_STEPS = 0.5  #: share of the steps that look where the condition attends: each costs a forward more


def shares(count: int, random: torch.Generator) -> torch.Tensor:
    """(count, 1, 1) parts of a window to hide, many more often than few."""
    return torch.cos(torch.rand(count, 1, 1, generator=random) * torch.pi / 2)


def single_tokens(spec: ModelSpec, count: int, random: torch.Generator) -> torch.Tensor:
    """Any tokens."""
    return torch.rand(count, spec.plan_rows, spec.groups, generator=random) < shares(count, random)


def rows_first(spec: ModelSpec, count: int, random: torch.Generator) -> torch.Tensor:
    """Whole rows, then single tokens of the others, as many of these as of those; as much in all as single tokens."""
    share = 1 - (1 - shares(count, random)).sqrt()
    rows = torch.rand(count, spec.plan_rows, 1, generator=random) < share
    return rows | (torch.rand(count, spec.plan_rows, spec.groups, generator=random) < share)


def some_kind(spec: ModelSpec, rest: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Everything, the later rows, or ``rest`` (count, W, G), window by window; never nothing."""
    count, rows = rest.shape[:2]
    earlier = single_tokens(spec, count, random)
    begin = torch.randint(0, rows, (count, 1, 1), generator=random)
    later = earlier | (torch.arange(rows)[None, :, None] >= begin)
    kind = torch.rand(count, 1, 1, generator=random)
    mask = torch.where(kind < EVERYTHING, True, torch.where(kind < EVERYTHING + LATER, later, rest))
    mask[:, 0, 0] |= mask.sum((1, 2)) == 0
    return mask


def attention_received(readings: Readings, window_rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """How much the condition attends to every row (B, W) and every group (B, G), each summing to 1.

    The scores of the window's attention to its condition, looked at from the other side: what a row of music, or a
    branch, would choose among the tokens. Branches count as far as their gates are open.
    """
    rows, groups = 0.0, 0.0
    for time, space in zip(readings.time, readings.space, strict=True):
        asked = time.float()[:, :, -window_rows:, :, -window_rows:]  # (B, H, W, G, M) of the window's own music
        chosen = asked.flatten(2, 3).softmax(2).unflatten(2, asked.shape[2:4])
        rows = rows + chosen.sum(3).mean((1, 3))
        chosen = space.float()[:, -window_rows:].softmax(3)  # (B, W, H, G, K)
        open_ = torch.ones_like(chosen[:, :, 0, 0]) if readings.gates is None else readings.gates.float() + 1e-3
        said = (chosen * open_[:, :, None, None]).sum(-1) / open_.sum(-1)[:, :, None, None]
        groups = groups + said.mean((1, 2))
    return rows / len(readings.time), groups / len(readings.space)


def attended(spec: ModelSpec, readings: Readings) -> torch.Tensor:
    """The rows and the groups that the condition attends to most."""
    rows, groups = attention_received(readings, spec.plan_rows)
    return top_share(rows, ATTENDED_ROWS)[:, :, None] | top_share(groups, ATTENDED_GROUPS)[:, None]


def top_share(scores: torch.Tensor, share: float) -> torch.Tensor:
    """(B, n) bool: the ``share`` of each row with the highest scores, at least one."""
    count = max(1, round(share * scores.shape[1]))
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, scores.topk(count).indices, True)
