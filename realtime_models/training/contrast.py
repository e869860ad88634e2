"""Music and the motion danced to it, drawn together; music and other motion, pushed apart (InfoNCE, as DiffDance aligns
its ear with the body)."""

import torch

from realtime_models.network import Generator

SHARPEST = 4.6  #: largest logarithm of what cosines are multiplied by: 100


def info_nce(
    music: torch.Tensor, motion: torch.Tensor, sequence: torch.Tensor, sharpness: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Loss and share of hits of pairs (n, D) of unit vectors; those of one ``sequence`` (n,) are no negatives.

    Moments of one sequence hear the same music and dance on: to tell them apart is not asked.
    """
    same = (sequence[:, None] == sequence[None]) & ~torch.eye(len(sequence), dtype=torch.bool, device=music.device)
    scores = (sharpness.clamp(max=SHARPEST).exp() * music.float() @ motion.float().T).masked_fill(same, -torch.inf)
    own = torch.arange(len(scores), device=scores.device)
    loss = 0.5 * (torch.nn.functional.cross_entropy(scores, own) + torch.nn.functional.cross_entropy(scores.T, own))
    return loss, (scores.argmax(-1) == own).float().mean().item()


def contrast(
    model: Generator, codes: torch.Tensor, condition: torch.Tensor, at: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Loss and hits at rows ``at`` (B, P) of sequences: codes (B, T, G, S D), condition (B, T, N).

    Rows without music take no part; with fewer than two sequences that have any the loss is 0.
    """
    branches = model.plan.branches
    b = torch.arange(len(at), device=at.device)[:, None].expand_as(at)
    present = branches.present("music", condition)[b, at] > 0
    sequence = b[present]
    if len(sequence.unique()) < 2:
        return torch.zeros((), device=codes.device), 0.0
    with torch.autocast(codes.device.type, enabled=False):
        music, motion = model.ear_to_body(branches.said("music", condition.float()), codes.float())
        return info_nce(music[b, at][present], motion[b, at][present], sequence, model.ear_to_body.sharpness)
