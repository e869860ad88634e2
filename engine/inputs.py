"""Which source a show means: the demo track, a file or a device; live (paced) or as fast as it can be read."""

import threading
from pathlib import Path
from typing import Any

from engine.clock import ClockMap
from engine.config import ShowConfig
from engine.errors import SourceError
from engine.sources import open_device, open_file, paced
from engine.spare import SpareSource
from engine.types import Source

DEMO = Path(__file__).parent / "demo.ogg"
SOUND_FILES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".m4a")


def music_file(show: ShowConfig) -> Path | None:
    """The file that the show listens to; None when it listens to a device."""
    if show.demo:
        return DEMO
    path = Path(show.input)
    return path if path.is_file() or path.suffix.lower() in SOUND_FILES else None


def open_input(show: ShowConfig, clock: ClockMap, stop: threading.Event) -> Source:
    """The source of a live show. Raises SourceError, one line."""
    music = music_file(show)
    if music is None:
        main = open_device(show.input, clock, stop, block=show.block)
        return _with_spare(main, show, clock, stop) if show.spare else main
    if show.spare:
        raise SourceError(f"--spare stands in for a device, and {music} is a file; give --input DEVICE")
    return paced(open_file(str(music), block=show.block, loop=show.demo), clock, stop)


def _with_spare(main: Source, show: ShowConfig, clock: ClockMap, stop: threading.Event) -> SpareSource:
    spare_clock = ClockMap()
    try:
        spare = open_device(show.spare, spare_clock, stop, block=show.block)
    except SourceError as error:
        main.close()
        raise SourceError(f"--spare: {error}") from error
    return SpareSource(main, spare, (clock, spare_clock), stop)


def offered_music(show: ShowConfig) -> dict[str, Any] | None:
    """What a page may play by itself, at the stream's time: url, length and whether it loops; None for a device."""
    music = music_file(show)
    if music is None:
        return None
    import soundfile

    return {"url": "/audio", "duration_s": soundfile.info(music).duration, "loop": show.demo}


def open_music(show: ShowConfig) -> Source:
    """The source of an offline show, read as fast as it is asked for. Raises SourceError, one line."""
    return open_file(str(music_file(show) or show.input), block=show.block)
