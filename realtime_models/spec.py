"""What a model is, without any framework: the numbers that its makers and its users must agree on."""

import json
from dataclasses import asdict, dataclass

from engine import condition
from realtime_models import features

CONDITION = condition.SIZE  #: numbers that condition one row


@dataclass(frozen=True)
class ModelSpec:
    """Sizes of tokeniser and generator; written into every checkpoint and read back from it."""

    identity: str = "unnamed"
    row_frames: int = 4  #: model frames in a token row
    groups: int = features.GROUPS
    frame_size: int = features.SIZE
    levels: tuple[int, ...] = (8, 5, 5, 5)  #: finite scalar quantisation of one token
    stages: int = 2  #: tokens a group and row: a coarse one and a refining one
    # tokeniser
    encoder_width: int = 128
    decoder_width: int = 384
    frame_width: int = 256
    decoder_rows: int = 11  #: rows that a decoded row may depend on, itself included
    # generator
    width: int = 256
    heads: int = 4
    history_layers: int = 4
    plan_layers: int = 3
    history_rows: int = 32  #: attention span of each history layer
    plan_rows: int = 4  #: rows in the two-way window
    refine_steps: int = 4
    temperature: float = 0.9  #: of token sampling
    guidance: float = 2.0  #: how hard the music pushes at ``follow`` = 1
    lag_s: float = 0.0  #: how late the body's stops come after the beat that it was told; the planner tells it earlier
    condition: int = CONDITION
    styles: tuple[str, ...] = ("any", "salsa", "indian", "pop", "modern", "lindy", "karate", "walk", "other")
    auto_styles: tuple[str, ...] = ("pop", "pop", "salsa", "indian")  #: what ``style = auto`` changes between

    @property
    def codes(self) -> int:
        """Number of values of one token."""
        n = 1
        for level in self.levels:
            n *= level
        return n

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> "ModelSpec":
        fields = json.loads(text)
        return ModelSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
