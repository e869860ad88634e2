"""What a model is, without any framework: the numbers that its makers and its users must agree on."""

import json
from dataclasses import asdict, dataclass

from engine import condition
from engine.errors import ConfigError, nearest
from realtime_models import features

CONDITION = condition.SIZE  #: numbers that condition one row
#: What a part of the generator may be; the first of each is what the first network was.
CHOICES = {
    "branches": ("joined", "gated"),
    "attention": ("full", "axial", "aligned"),
    "music_encoder": ("row", "causal"),
    "masking": ("random", "rows-first", "attended"),
    "guidance_by": ("two passes", "input"),
}


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
    # the second network, each part by itself; see ``CHOICES``
    branches: str = "joined"  #: one encoder for all of the condition, or one with a gate for each branch of it
    attention: str = "full"  #: over all tokens; by row, by group and over all in turn; and to the condition before each
    heard_rows: int = 8  #: rows behind the window whose music ``aligned`` attention and a ``causal`` encoder hear
    music_encoder: str = "row"  #: the music branch row by row, or by a causal encoder over rows
    guidance_by: str = "two passes"  #: with and without the music, or one pass that is told how hard the music pushes
    # how it is trained
    masking: str = "random"  #: single tokens, whole rows before single tokens, or what the condition attends to most
    physics: float = 0.0  #: weight of position, velocity and foot contact of the decoded window
    ear_to_body: float = 0.0  #: weight of the contrast (InfoNCE) between the music encoder and a motion encoder

    def __post_init__(self) -> None:
        """Raises ConfigError, one line."""
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigError(f"model: no {name} '{value}'{nearest(str(value), choices)}")
        for needed, name, value in (
            (self.music_encoder == "causal" and self.branches != "gated", "branches", "gated"),
            (self.masking == "attended" and self.attention != "aligned", "attention", "aligned"),
            (self.ear_to_body > 0 and self.music_encoder != "causal", "music_encoder", "causal"),
        ):
            if needed:
                asking = {"branches": "music_encoder 'causal'", "attention": "masking 'attended'"}
                what = asking.get(name, f"ear_to_body {self.ear_to_body:g}")
                raise ConfigError(f"model: {what} needs {name} '{value}', not '{getattr(self, name)}'")
        for name, least in (("refine_steps", 1), ("heard_rows", 2), ("plan_layers", 1), ("plan_rows", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"model: {name} is {getattr(self, name)}, it must be {least} or more")
        for name in ("physics", "ear_to_body"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"model: the weight {name} is {getattr(self, name)}, it must be 0 or more")

    @property
    def hears_past(self) -> bool:
        """Whether the plan is told the condition of the rows behind its window."""
        return self.attention == "aligned" or self.music_encoder == "causal"

    @property
    def told_strength(self) -> bool:
        """Whether the plan is told how hard the music pushes."""
        return self.guidance_by == "input"

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
