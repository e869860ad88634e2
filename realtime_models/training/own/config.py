"""The training as asked for, in one TOML file. Wrong things are refused here, before an hour is spent."""

import math
import tomllib
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from engine.errors import ConfigError, nearest
from realtime_models.spec import ModelSpec
from realtime_models.training.bank import RICH

RESERVED = ("any", "auto")  #: style names that mean something else


def ranged(default: Any, low: float, high: float) -> Any:
    """A field whose values lie from low to high."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, slots=True)
class MotionFolder:
    """One ``[[motion]]``: a folder of recordings, and what the files do not say."""

    path: str
    licence: str  #: by which the recordings may be used to train; goes into the model card
    credit: str = ""  #: whom to name, likewise
    fps: float = ranged(0.0, 0, 1000)  #: [Hz] for files that say none (goes before what they say); 0 = as they say
    style: str = ""  #: of all its files; "" = the name of the first folder below ``path``
    dance: bool = True  #: False: walking, standing, sport; it is learnt, but not put on a beat
    held: bool = False  #: True: for validation only


@dataclass(frozen=True, slots=True)
class Variations:
    """``[bank]``: what is made of the recordings besides themselves, each at three speeds."""

    mirrored: bool = True
    amplitudes: bool = True  #: smaller and larger movement
    splice_minutes: float = ranged(RICH.splice_minutes, 0, 6000)  #: of one dance's upper body on another's lower


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a network trains: minutes, or steps where these are more than 0."""

    minutes: float = ranged(30.0, 0, 60 * 24 * 90)
    steps: int = ranged(0, 0, 100_000_000)
    batch: int = ranged(32, 1, 65_536)  #: of each process
    rate: float = ranged(1e-3, 1e-7, 1.0)  #: largest learning rate


@dataclass(frozen=True, slots=True)
class TokeniserBudget(Budget):
    """``[tokeniser]``"""

    batch: int = ranged(48, 1, 65_536)
    window: int = ranged(64, 16, 4096)  #: model frames of one example


@dataclass(frozen=True, slots=True)
class GeneratorBudget(Budget):
    """``[generator]``"""

    minutes: float = ranged(60.0, 0, 60 * 24 * 90)
    batch: int = ranged(12, 1, 65_536)
    rate: float = ranged(6e-4, 1e-7, 1.0)
    rows: int = ranged(36, 8, 4096)  #: token rows of one example
    positions: int = ranged(12, 1, 4096)  #: windows guessed in each


@dataclass(frozen=True, slots=True)
class Sizes:
    """``[model]``: sizes of the networks; the defaults are those of the shipped dancer."""

    encoder_width: int = ranged(ModelSpec.encoder_width, 8, 4096)
    decoder_width: int = ranged(ModelSpec.decoder_width, 8, 8192)
    frame_width: int = ranged(ModelSpec.frame_width, 8, 4096)
    width: int = ranged(ModelSpec.width, 8, 8192)
    heads: int = ranged(ModelSpec.heads, 1, 128)
    history_layers: int = ranged(ModelSpec.history_layers, 1, 64)
    plan_layers: int = ranged(ModelSpec.plan_layers, 1, 64)
    history_rows: int = ranged(ModelSpec.history_rows, 2, 4096)


@dataclass(frozen=True, slots=True)
class Sampling:
    """``[sampling]``: how the finished networks dance; can be changed later without training."""

    guidance: float = ranged(ModelSpec.guidance, 0, 20)
    temperature: float = ranged(ModelSpec.temperature, 0.05, 2)
    refine_steps: int = ranged(ModelSpec.refine_steps, 1, 16)
    lag_ms: float = ranged(0.0, -250, 250)


@dataclass(frozen=True, slots=True)
class OwnConfig:
    """The whole file; one field a key or table."""

    name: str  #: identity of the dancer, shown by ``--check`` and kept in takes
    motion: tuple[MotionFolder, ...]
    out: str = ""  #: work folder; "" = runs/NAME. The finished dancer is OUT/weights
    seed: int = ranged(1, 0, 2**31)
    threads: int = ranged(0, 0, 1024)  #: of each process; 0 = the machine's cores shared out
    checkpoint_s: float = ranged(60.0, 0, 86_400)  #: [s] a kill costs at most so much; 0: after every step
    shortest_s: float = ranged(2.5, 1, 600)  #: [s] shorter clips are left out
    held_share: float = ranged(0.1, 0, 0.5)  #: of the dancers, drawn by ``seed``, when no folder is ``held``
    bank: Variations = Variations()
    tokeniser: TokeniserBudget = TokeniserBudget()
    generator: GeneratorBudget = GeneratorBudget()
    model: Sizes = Sizes()
    sampling: Sampling = Sampling()

    @property
    def work(self) -> Path:
        """The work folder."""
        return Path(self.out or f"runs/{self.name}")


def read_config(path: Path) -> OwnConfig:
    """The file as a dataclass. Raises ConfigError, one line."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"training file {path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"training file {path} is not TOML: {error}") from error
    config = _table(OwnConfig, table, f"training file {path}")
    _check(config, f"training file {path}")
    return config


def _table(kind: type, table: Any, where: str) -> Any:
    """A dataclass of a parsed table. Raises ConfigError at the first key or value that does not fit."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is a table of keys, not {table!r}")
    known = {item.name: item for item in fields(kind)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{where} has an unknown key '{key}'{nearest(key, known)}")
    for name, item in known.items():
        if item.default is MISSING and item.default_factory is MISSING and name not in table:
            raise ConfigError(f"{where} needs {_example(kind, name)}")
    hints = get_type_hints(kind)
    return kind(**{key: _value(hints[key], known[key], value, f"{where}: {key}") for key, value in table.items()})


def _example(kind: type, name: str) -> str:
    return {
        "name": "name = 'studio'",
        "motion": "at least one [[motion]] with path = '...' and licence = '...'",
        "path": "path = 'recordings'",
        "licence": "licence = '...' ('own recordings', 'CC BY 4.0'): by which the motion may be used to train",
    }.get(name, f"{name} in [{kind.__name__}]")


def _value(hint: Any, item: Field, value: Any, where: str) -> Any:
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} is a list of tables: [[{item.name}]]")
        inner = get_args(hint)[0]
        return tuple(_table(inner, one, f"{where} {k}") for k, one in enumerate(value, 1))
    assert not isinstance(hint, UnionType)
    if is_dataclass(hint):
        return _table(hint, value, where)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        told = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]
        raise ConfigError(f"{where} is {told}, not {value!r}")
    low, high = item.metadata.get("range", (-math.inf, math.inf))
    if hint in (int, float) and not (low <= value <= high):  # false for nan as well
        raise ConfigError(f"{where} is {low:g} to {high:g}, not {value:g}")
    return value


def _check(config: OwnConfig, where: str) -> None:
    """Refuse what contradicts itself."""
    if not config.name or not all(c.isalnum() or c in "-_." for c in config.name) or config.name[0] == ".":
        raise ConfigError(f"{where}: name is letters, digits, - _ and . (it names a folder), not '{config.name}'")
    if not config.motion:
        raise ConfigError(f"{where} needs {_example(OwnConfig, 'motion')}")
    for folder in config.motion:
        if not Path(folder.path).exists():
            raise ConfigError(f"{where}: motion folder {folder.path} does not exist; paths count from where you are")
        if not folder.licence.strip():
            raise ConfigError(f"{where}: [[motion]] {folder.path} needs {_example(MotionFolder, 'licence')}")
        if folder.style in RESERVED:
            raise ConfigError(f"{where}: style '{folder.style}' has a meaning of its own; name another")
    if all(folder.held for folder in config.motion):
        raise ConfigError(f"{where}: every [[motion]] is held back; nothing is left to train on")
    if not any(folder.dance for folder in config.motion):
        raise ConfigError(f"{where}: no [[motion]] is dance; a dancer needs some")
    for name, budget in (("tokeniser", config.tokeniser), ("generator", config.generator)):
        if not budget.steps and not budget.minutes:
            raise ConfigError(f"{where}: [{name}] needs minutes or steps above 0")
    if config.model.width % config.model.heads:
        raise ConfigError(f"{where}: model width {config.model.width} is no multiple of heads {config.model.heads}")
    if config.tokeniser.window % ModelSpec.row_frames:
        raise ConfigError(f"{where}: tokeniser window is a multiple of {ModelSpec.row_frames} frames")
