"""Which inputs exist and which one a name means. Knows PortAudio's lists; opens nothing."""

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.errors import SourceError

MONITOR = "monitor"  #: the name that stands for what the system plays
DEFAULT = "default"
_CHANNELS = re.compile(r"^(?P<name>.+):(?P<channels>\d+(?:\+\d+)*)$")
#: Host APIs in the order in which one is chosen when the same device is listed under several.
_HOSTS = ("Windows WASAPI", "Core Audio", "ALSA", "JACK Audio Connection Kit", "Windows WDM-KS", "Windows DirectSound")
#: Names under which the system's own sound appears among the inputs, best first.
_LOOPBACKS = {
    "win32": ("[loopback]", "stereo mix", "what u hear", "cable output", "voicemeeter out"),
    "darwin": ("blackhole", "loopback audio", "soundflower"),
    "linux": ("monitor",),
}
_LOOPBACK_ADVICE = {
    "win32": "enable 'Stereo Mix' in the sound settings or install VB-CABLE",
    "darwin": "install BlackHole (brew install blackhole-2ch) and route the output through it",
    "linux": "install the ALSA plug-in (apt-get install libasound2-plugins) for PulseAudio or PipeWire",
}
_PORTAUDIO_ADVICE = {
    "win32": "pip install --force-reinstall sounddevice",
    "darwin": "pip install --force-reinstall sounddevice, or brew install portaudio",
    "linux": "sudo apt-get install libportaudio2 (Fedora: sudo dnf install portaudio; Arch: sudo pacman -S portaudio)",
}


@dataclass(frozen=True, slots=True)
class Device:
    """An input as it will be opened."""

    index: int  #: PortAudio's number
    name: str
    host: str  #: host API
    inputs: int  #: channels that it has
    rate: float  #: its own sample rate [Hz]
    channels: tuple[int, ...] = (1,)  #: those to be averaged, from 1
    monitor: bool = False  #: opened through PulseAudio's monitor of the default output


def load_sounddevice() -> Any:
    """The sounddevice module. Raises SourceError with the install command when it or PortAudio is absent."""
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise SourceError("live input needs the package sounddevice: pip install sounddevice") from error
    except OSError as error:
        advice = _PORTAUDIO_ADVICE.get(sys.platform, _PORTAUDIO_ADVICE["linux"])
        raise SourceError(f"live input needs the PortAudio library, which is not here: {advice}") from error
    return sounddevice


def inputs(refresh: bool = False) -> list[Device]:
    """All inputs. ``refresh`` asks the system again (only while no stream is open)."""
    sounddevice = load_sounddevice()
    try:
        if refresh:
            sounddevice._terminate()  # PortAudio reads its list of devices once; there is no public way to renew it
            sounddevice._initialize()
        hosts = [host["name"] for host in sounddevice.query_hostapis()]
        found = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise SourceError(f"the sound system does not answer: {' '.join(str(error).split())}") from error
    return [
        Device(
            entry["index"],
            " ".join(entry["name"].split()),
            hosts[entry["hostapi"]],
            entry["max_input_channels"],
            entry["default_samplerate"],
        )
        for entry in found
        if entry["max_input_channels"] > 0
    ]


def list_devices() -> list[str]:
    """One printable line for each input: number, name, channels, rate, host API. SourceError without PortAudio."""
    lines = [
        f"{device.index:3}  {device.name}  ({device.inputs} in, {device.rate:.0f} Hz, {device.host})"
        for device in inputs()
    ]
    lines.append("     default  (the system's default input)")
    lines.append("     monitor  (what the system plays)")
    return lines


def find_device(spec: str, refresh: bool = False) -> Device:
    """The input that ``spec`` means: ``NAME``, ``NUMBER``, ``default`` or ``monitor``, each with ``:1+2`` behind it.

    A name is a part of a device's name, in any case. SourceError: unknown (what exists), ambiguous (what matches).
    """
    return choose_device(spec, inputs(refresh), default_input())


def default_input() -> int:
    """PortAudio's number of the default input, -1 = none."""
    return int(load_sounddevice().default.device[0])


def choose_device(spec: str, devices: list[Device], default: int = -1, platform: str = sys.platform) -> Device:
    """As :func:`find_device`, from a given list."""
    match = _CHANNELS.match(spec)
    if match is None:
        return _with_channels(_by_name(spec, devices, default, platform), None, spec)
    wanted = tuple(int(channel) for channel in match["channels"].split("+"))
    try:
        device = _by_name(match["name"], devices, default, platform)
    except SourceError:
        whole = _matches(spec, devices)  # names such as "hw:1" hold a colon themselves
        if len(whole) != 1:
            raise
        return _with_channels(whole[0], None, spec)
    return _with_channels(device, wanted, spec)


def _by_name(name: str, devices: list[Device], default: int, platform: str) -> Device:
    if not devices:
        raise SourceError(f"no input '{name}': this machine has no sound input; give an audio file, or use --demo")
    if name.lower() == MONITOR:
        return _monitor(devices, platform)
    if name.lower() == DEFAULT:
        chosen = [device for device in devices if device.index == default]
    elif name.isdigit():
        chosen = [device for device in devices if device.index == int(name)]
    else:
        chosen = _matches(name, devices)
    if not chosen:
        raise SourceError(f"no input '{name}'; there is: {_names(devices)}, default, monitor")
    if len(chosen) > 1:
        raise SourceError(
            f"input '{name}' is ambiguous, it matches: {_names(chosen)}; give more of the name or its number"
        )
    return chosen[0]


def _matches(name: str, devices: list[Device]) -> list[Device]:
    """Devices with this name, or else with it as a part; of one host API where several have them."""
    wanted = name.lower()
    chosen = [device for device in devices if device.name.lower() == wanted]
    chosen = chosen or [device for device in devices if wanted in device.name.lower()]
    hosts = {device.host for device in chosen}
    if len(chosen) > 1 and len(hosts) > 1:
        best = min(hosts, key=lambda host: _HOSTS.index(host) if host in _HOSTS else len(_HOSTS))
        chosen = [device for device in chosen if device.host == best]
    return chosen


def _monitor(devices: list[Device], platform: str) -> Device:
    """What the system plays: a loopback input, or on Linux PulseAudio's monitor of the default output."""
    for part in _LOOPBACKS.get(platform, _LOOPBACKS["linux"]):
        found = _matches(part, devices)
        if found:
            return found[0]
    pulse = [device for device in devices if device.name.lower() in ("pulse", "pipewire")]
    if platform not in ("win32", "darwin") and pulse:
        first = min(pulse, key=lambda device: device.name.lower() != "pulse")
        return Device(first.index, "monitor", first.host, first.inputs, first.rate, monitor=True)
    advice = _LOOPBACK_ADVICE.get(platform, _LOOPBACK_ADVICE["linux"])
    raise SourceError(f"no input carries what the system plays: {advice}; there is: {_names(devices)}")


def _with_channels(device: Device, wanted: tuple[int, ...] | None, spec: str) -> Device:
    if wanted is None:
        wanted = tuple(range(1, min(device.inputs, 2) + 1))
    wrong = [channel for channel in wanted if not 1 <= channel <= device.inputs]
    if wrong:
        raise SourceError(f"input '{spec}': '{device.name}' has channels 1 to {device.inputs}, not {wrong[0]}")
    return Device(device.index, device.name, device.host, device.inputs, device.rate, wanted, device.monitor)


def _names(devices: Iterable[Device]) -> str:
    return ", ".join(f"{device.index} '{device.name}'" for device in devices)


@contextlib.contextmanager
def monitor_environment(device: Device) -> Iterator[None]:
    """While a monitor is being opened, tell PulseAudio's client library to record from it; kept if already said."""
    if not device.monitor or "PULSE_SOURCE" in os.environ:
        yield
        return
    os.environ["PULSE_SOURCE"] = "@DEFAULT_MONITOR@"
    try:
        yield
    finally:
        os.environ.pop("PULSE_SOURCE", None)
