"""The show as asked for: command line over show file over defaults. Wrong things are refused here, before the show."""

import argparse
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import ConfigError, nearest
from engine.show import RANGES
from engine.types import MODEL_HZ, POSE_HZ, Controls

DEFAULT_STAGE_PORT = 8765
DEFAULT_LEAD_MS = 80.0
MAX_LEAD_MS = 250.0
PLAN_BUDGET_MS = 40.0
EARS = ("own", "aubio", "link", "midi")  #: who says where the beat is
TIMED_EARS = ("link", "midi")  #: of them those that have settings, and a clock of their own
MODEL_FRAME_TICKS = POSE_HZ // MODEL_HZ  #: what is heard is up to so old before the planner is asked again


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """One ``--out`` or ``[[output]]``: where poses go and how long they take from being sent to being seen."""

    kind: str
    address: str
    lead_ms: float = DEFAULT_LEAD_MS  #: [ms] delay of this output from send to seen
    name: str = ""  #: for status and takes; made from kind and address where empty
    options: tuple[tuple[str, str], ...] = ()  #: (key, value) of what only this kind knows; its bridge reads them


@dataclass(frozen=True, slots=True)
class StageConfig:
    """Where the stage page and its WebSocket are served."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_STAGE_PORT
    lead_ms: float = DEFAULT_LEAD_MS


@dataclass(frozen=True, slots=True)
class ShowConfig:
    """One field per command-line option and show-file key; the file writes the same names."""

    input: str = "default"  #: a device (``NAME``, ``NAME:17+18``, ``default``, ``monitor``) or an audio file
    spare: str = ""  #: another device, heard when the input stalls until it is given back by hand
    demo: bool = False  #: the bundled track, looping, paced
    offline: bool = False  #: as fast as possible, from a file
    seconds: float | None = None  #: stop after so much stream time [s]
    seed: int = 1
    performers: int = 1
    text: str = ""
    style: str = "auto"
    energy: float = 1.0
    follow: float = 1.0
    nudge_ms: float = 0.0
    tempo_min: float = 0.0
    tempo_max: float = 0.0
    take: str = ""  #: folder to record into
    replay: str = ""  #: folder of a take to play again
    output: tuple[OutputConfig, ...] = ()
    stage: StageConfig | None = field(default_factory=StageConfig)
    backend: str = "onnx"
    weights: str = ""  #: folder with other weights than the shipped ones
    ear: str = "own"  #: ``own``, ``aubio``, ``link[:BEATS IN A BAR]`` or ``midi[:PORT NAME]``
    listen_only: bool = False
    calibrate: bool = False
    list_devices: bool = False
    check: bool = False
    block: int = 480  #: samples per block of a file source; no result depends on it

    @property
    def controls(self) -> Controls:
        """The controls at the start of the show."""
        return Controls(
            style=self.style,
            energy=self.energy,
            follow=self.follow,
            nudge_ms=self.nudge_ms,
            tempo_min=self.tempo_min,
            tempo_max=self.tempo_max,
        )

    @property
    def max_lead_ms(self) -> float:
        """The largest lead of all outputs [ms]."""
        stage = [self.stage.lead_ms] if self.stage else []
        return max([0.0, *stage, *(output.lead_ms for output in self.output)])

    @property
    def horizon_ticks(self) -> int:
        """How far ahead of the newest model frame poses are committed: largest lead + plan budget + one model frame."""
        return math.ceil((self.max_lead_ms + PLAN_BUDGET_MS) * POSE_HZ / 1000 - 1e-9) + MODEL_FRAME_TICKS


def load_show(argv: list[str] | None = None) -> ShowConfig:
    """Read the command line and the show file it names. Raises ConfigError, one line."""
    asked = vars(_parser().parse_args(argv))
    file = asked.pop("show")
    config = _read_file(Path(file)) if file else ShowConfig()
    config = replace(config, **{key: _typed(key, value, "") for key, value in asked.items() if value is not None})
    _check(config)
    return config


def parse_output(text: str) -> OutputConfig:
    """``KIND=ADDRESS[?lead_ms=80&name=left&OPTION=VALUE]`` -> OutputConfig. Raises ConfigError."""
    kind, equals, rest = text.partition("=")
    address, _, query = rest.partition("?")
    if not (kind and equals and address):
        raise ConfigError(f"--out '{text}' is not KIND=ADDRESS, as in vmc=127.0.0.1:39539?lead_ms=80")
    table: dict[str, Any] = {"kind": kind, "address": address, **_query(query, f"--out '{text}'")}
    return _output(table, f"--out '{text}'")


def parse_stage(text: str) -> StageConfig | None:
    """``[HOST:]PORT[?lead_ms=80]`` or ``off`` -> StageConfig or None. Raises ConfigError."""
    if text == "off":
        return None
    place, _, query = text.partition("?")
    host, _, port = place.rpartition(":")
    if not (port.isdecimal() and 0 <= int(port) <= 65535):
        raise ConfigError(f"--stage '{text}' is not [HOST:]PORT or off, as in 8765 or 0.0.0.0:8765")
    settings = _query(query, f"--stage '{text}'")
    for key in settings:
        if key != "lead_ms":
            raise ConfigError(f"--stage '{text}' has no setting '{key}'; there is: lead_ms")
    lead_ms = _lead(settings.get("lead_ms", DEFAULT_LEAD_MS), f"--stage '{text}'")
    return StageConfig(host.strip("[]") or "127.0.0.1", int(port), lead_ms)


def check_style(config: ShowConfig, styles: tuple[str, ...]) -> None:
    """Refuse a style that the model does not have. Raises ConfigError."""
    if config.style not in ("auto", *styles):
        raise ConfigError(f"unknown --style '{config.style}'{nearest(config.style, ('auto', *styles))}")


_OUTPUTS = "vmc, osc, ws, vrchat, livelink, sacn, artnet, or a file: bvh, gltf, vrma, smplx, amass"


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line and leaves the exit to the caller."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="corybant",
        description="Live music in, dancing bodies out.",
        allow_abbrev=False,
        argument_default=None,
    )
    add = parser.add_argument
    add("show", nargs="?", metavar="SHOW.toml", help="show file; its keys are the long options below, with _ for -")
    add("--input", metavar="DEVICE[:CHANNELS]|FILE", help="'NAME', 'NAME:17+18', 'default', 'monitor' (system sound)")
    add("--spare", metavar="DEVICE", help="a second input, heard when the first stalls; given back by hand only")
    add("--demo", action="store_true", default=None, help="dance to the bundled track; needs no sound card")
    add("--offline", action="store_true", default=None, help="from a file, as fast as it goes, without outputs")
    add("--seconds", type=float, metavar="S", help="stop after S seconds of the stream")
    add("--seed", type=int, metavar="N", help="seed of the dance (1)")
    add("--performers", type=int, metavar="N", help="number of dancers (1)")
    add("--text", metavar="TEXT", help="a prompt in words")
    add("--style", metavar="NAME", help="a style of the model, or auto")
    add("--energy", type=float, metavar="X", help="0 to 2, scales what the music asks for (1)")
    add("--take", metavar="DIR", help="record the performance into a new folder")
    add("--replay", metavar="DIR", help="play a take again, exactly; with --take, into a new folder")
    add("--out", dest="output", action="append", metavar="KIND=ADDRESS[?lead_ms=MS]", help=f"{_OUTPUTS}; repeat")
    add("--stage", metavar="[HOST:]PORT|off", help=f"where the stage page is served (127.0.0.1:{DEFAULT_STAGE_PORT})")
    add("--backend", metavar="onnx|torch|tensorrt", help="what runs the model (onnx)")
    add("--weights", metavar="DIR", help="other weights than the shipped ones")
    add("--ear", metavar="own|aubio|link|midi[:PORT]", help="who says where the beat is (own)")
    add("--listen-only", action="store_true", default=None, help="stop after the ear: a take without poses")
    add("--calibrate", action="store_true", default=None, help="measure the room")
    add("--list-devices", action="store_true", default=None, help="list what --input can name")
    add("--check", action="store_true", default=None, help="say on one screen whether a show could start")
    add("--block", type=int, metavar="N", help=argparse.SUPPRESS)
    return parser


def _read_file(path: Path) -> ShowConfig:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"show file {path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"show file {path} is not TOML: {error}") from error
    return table2show(table, f"show file {path}")


def table2show(table: dict[str, Any], where: str) -> ShowConfig:
    """A parsed show file -> ShowConfig; ``where`` names it in the ConfigError that anything wrong raises."""
    known = [item.name for item in fields(ShowConfig)]
    for key in table:
        if key not in known:
            raise ConfigError(f"{where} has an unknown key '{key}'{nearest(key, known)}")
    return ShowConfig(**{key: _typed(key, value, f"{where}: ") for key, value in table.items()})


def show2table(config: ShowConfig) -> dict[str, Any]:
    """What ``table2show`` reads back; fields that are None are left out."""
    table = {key: value for key, value in asdict(config).items() if value is not None}
    stage = config.stage
    host = f"[{stage.host}]" if stage and ":" in stage.host else stage.host if stage else ""
    table["stage"] = f"{host}:{stage.port}?lead_ms={stage.lead_ms:g}" if stage else "off"
    table["output"] = [_output2table(output) for output in config.output]
    return table


def _output2table(output: OutputConfig) -> dict[str, Any]:
    table = asdict(output)
    own = table.pop("options")
    return {**table, **dict(own)}


def _typed(key: str, value: Any, where: str) -> Any:
    """Bring one option into the type of its field. ``where`` names the file it came from, or is empty."""
    if key == "output":
        return _outputs(value, where)
    if key == "stage":
        return parse_stage(str(value))
    default = getattr(_DEFAULTS, key)
    if key in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"{where}{_option(key)} is a number, not {value!r}")
        return float(value)
    if type(value) is not type(default):
        raise ConfigError(f"{where}{_option(key)} is {_KINDS[type(default)]}, not {value!r}")
    return value


_DEFAULTS = ShowConfig()
_NUMBERS = ("seconds", "energy", "follow", "nudge_ms", "tempo_min", "tempo_max")
_EVERY_OUTPUT = ("kind", "address", "lead_ms", "name")
_KINDS = {str: "a text", int: "a whole number", bool: "true or false"}


def _option(key: str) -> str:
    in_file_only = ("follow", "nudge_ms", "tempo_min", "tempo_max", "output")
    return key if key in in_file_only else f"--{key.replace('_', '-')}"


def _outputs(value: Any, where: str) -> tuple[OutputConfig, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str | dict) for item in value):
        raise ConfigError(f"{where}output is a list of tables: [[output]] kind = 'vmc' address = '127.0.0.1:39539'")
    return tuple(parse_output(item) if isinstance(item, str) else _output(item, f"{where}[[output]]") for item in value)


def _output(table: dict[str, Any], where: str) -> OutputConfig:
    for key in ("kind", "address"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise ConfigError(f"{where} needs {key} = '...', as in kind = 'vmc', address = '127.0.0.1:39539'")
    name = str(table.get("name", "")) or f"{table['kind']}={table['address']}"
    lead_ms = _lead(table.get("lead_ms", DEFAULT_LEAD_MS), where)
    own = tuple((key, _text(key, value, where)) for key, value in table.items() if key not in _EVERY_OUTPUT)
    return OutputConfig(table["kind"], table["address"], lead_ms, name, own)


def _text(key: str, value: Any, where: str) -> str:
    """An option as it would stand on the command line."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float | str):
        return str(value)
    raise ConfigError(f"{where}: {key} is a text or a number, not {value!r}")


def _query(query: str, where: str) -> dict[str, str]:
    settings = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{where}: '{part}' is not key=value, as in lead_ms=80")
        settings[key] = value
    return settings


def _lead(value: Any, where: str) -> float:
    try:
        lead_ms = float(value)
    except (TypeError, ValueError):
        lead_ms = math.nan
    if not 0.0 <= lead_ms <= MAX_LEAD_MS:
        raise ConfigError(f"{where}: lead_ms is 0 to {MAX_LEAD_MS:g}, not {value!r}")
    return lead_ms


def _check(config: ShowConfig) -> None:
    """Refuse what contradicts itself and what is not there yet."""
    for key, (low, high) in RANGES.items():
        if not low <= getattr(config, key) <= high:
            raise ConfigError(f"{_option(key)} is {low:g} to {high:g}, not {getattr(config, key):g}")
    if 0.0 < config.tempo_max < config.tempo_min:
        raise ConfigError(f"tempo_min {config.tempo_min:g} is above tempo_max {config.tempo_max:g}")
    if config.seconds is not None and config.seconds <= 0:
        raise ConfigError(f"--seconds is more than 0, not {config.seconds:g}")
    if config.seed < 0:
        raise ConfigError(f"--seed is 0 or more, not {config.seed}")
    if not 1 <= config.block <= 1 << 16:
        raise ConfigError(f"--block is 1 to {1 << 16}, not {config.block}")
    if config.demo and config.input != _DEFAULTS.input:
        raise ConfigError("--demo brings its own input; leave out --input or --demo")
    if config.replay and (config.demo or config.input != _DEFAULTS.input or config.listen_only):
        raise ConfigError("--replay brings its own input; leave out --input, --demo and --listen-only")
    if config.offline and not config.demo and not config.replay and config.input in ("default", "monitor"):
        raise ConfigError("--offline needs a file: --offline --input FILE (or --demo)")
    if config.spare and (config.demo or config.offline or config.replay):
        raise ConfigError("--spare stands in for a device: give --input DEVICE, without --demo, --offline or --replay")
    names = [output.name for output in config.output]
    for name in names:
        if names.count(name) > 1 or name == "stage":
            raise ConfigError(f"two outputs are called '{name}'; give one another name=")
    _check_ear(config)
    _refuse_unbuilt(config)


def _check_ear(config: ShowConfig) -> None:
    kind, _, settings = config.ear.partition(":")
    if kind not in EARS:
        raise ConfigError(f"unknown --ear '{kind}'{nearest(kind, EARS)}")
    if settings and kind not in TIMED_EARS:
        raise ConfigError(f"--ear {kind} has no settings: leave out ':{settings}'")
    if config.offline and kind in TIMED_EARS:
        raise ConfigError(f"--ear {kind} needs a show in real time; leave out --offline, or take: own, aubio")


def _refuse_unbuilt(config: ShowConfig) -> None:
    if config.performers != 1:
        raise ConfigError(f"--performers {config.performers} is not there yet; there is: 1 dancer")
    if config.text:
        raise ConfigError("--text is not there yet: the model has no words; there is: --style NAME, --energy X")
    if config.calibrate:
        raise ConfigError("--calibrate is not there yet; there is: a lead per output, --out KIND=ADDRESS?lead_ms=MS")
    if config.backend == "tensorrt":
        raise ConfigError("--backend tensorrt is not there yet; there is: onnx, torch")
    if config.backend not in ("onnx", "torch"):
        raise ConfigError(f"unknown --backend '{config.backend}'{nearest(config.backend, ('onnx', 'torch'))}")
