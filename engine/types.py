"""What travels through the house: frozen, float32 unless said, never written after being handed over.

House frame as in glTF: right-handed, Y up, +Z forward, +X is the dancer's left, metres, radians,
quaternions xyzw local to the parent, identity = T-pose. Times are float64 seconds of stream time:
stream time t is the moment sample t x rate reached the microphone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

MODEL_HZ = 30  #: frames a second at which the model thinks and the listener reports
POSE_HZ = 60  #: poses a second that leave; ``frame`` counts these ticks everywhere
LISTEN_RATE_HZ = 24_000  #: sample rate that the listener hears, after quantising and resampling
LISTEN_HOP = LISTEN_RATE_HZ // MODEL_HZ  #: samples of one model frame (800)


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A piece of what was heard. No wall clock inside: that is what makes replay exact."""

    start: int  #: index of the first sample since the start of the stream
    samples: np.ndarray  #: (N,) float32 mono in [-1, 1]
    rate: int  #: samples a second [Hz]
    gap: bool = False  #: True where nothing was captured and the samples are zeros put in its place


@dataclass(frozen=True, slots=True)
class BeatClock:
    """Where the beat is and will be. Immutable: a new one is made for every model frame."""

    anchor_s: float = 0.0  #: stream time of beat number ``count``
    count: int = 0  #: running number of the beat at ``anchor_s``; never decreases
    period_s: float = 0.5  #: seconds between beats
    beat_in_bar: int = 0  #: 1..meter of the beat at ``anchor_s``; 0 = unknown
    meter: int = 4  #: beats in a bar
    confidence: float = 0.0  #: 0..1 that the next predicted beat is within 70 ms of a true one
    bar_confidence: float = 0.0  #: 0..1 that ``beat_in_bar`` is right

    def beats_at(self, t_s: float | np.ndarray) -> float | np.ndarray:
        """Beat number (with its fraction) at stream time ``t_s`` [s], past or future."""
        return self.count + (t_s - self.anchor_s) / self.period_s

    def time_of(self, beat: float | np.ndarray) -> float | np.ndarray:
        """Stream time [s] of beat number ``beat``."""
        return self.anchor_s + (beat - self.count) * self.period_s

    @property
    def bpm(self) -> float:
        return 60.0 / self.period_s


@dataclass(frozen=True, slots=True)
class Activations:
    """What an ear's network says of one model frame; every number 0..1.

    Look k of the stream (60 a second, two a model frame) speaks of the time (k + 1) / 60 - ``Ear.delay_s``.
    """

    beat: np.ndarray  #: (2,) once a look
    downbeat: np.ndarray  #: (2,) once a look
    pulse: float  #: something to follow: rhythmic attacks at least every bar
    drums: float
    speech: float
    build: float  #: while a build-up lasts
    breakdown: float  #: while a break lasts
    drop: float  #: at the moment
    phrase: float  #: where a phrase begins
    embedding: np.ndarray  #: (E,) what the music is like
    #: (48,) share of each of ``engine.listen.tempo.TEMPI_BPM`` that a drummer would count; empty = nothing told
    tempo: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class SectionReading:
    """Where in the form of the music we are, and how long it may last. All causal, on the bar grid."""

    phase: str = "plain"  #: "plain", "build" or "break"
    build: float = 0.0  #: 0..1 that this is a build-up
    breakdown: float = 0.0  #: 0..1 that this is a break
    drop: float = 0.0  #: 0..1 that a drop is happening now
    bars_into_phrase: float = 0.0  #: bars since the phrase began, with the fraction of this bar
    phrase_bars: int = 8  #: 4, 8 or 16
    bars_to_change: float = 8.0  #: bars until the likeliest bar line for the next change
    change_probability: float = 0.0  #: 0..1 that the next change comes at that bar line
    began: tuple[tuple[str, float], ...] = ()  #: what begins at this model frame (build, break, drop, phrase), how sure


@dataclass(frozen=True, slots=True)
class MusicFeatures:
    """What the listener knows at the end of one model frame (30 a second)."""

    frame: int  #: 60 Hz tick at which they became known: all audio before frame / POSE_HZ seconds was heard
    beat: BeatClock
    onset: float  #: onset strength of this model frame, 0..~1 (slowly normalised, 1 = a strong hit)
    loudness_db: float  #: short-term loudness [dBFS], -100 = digital silence
    bands: np.ndarray  #: (B,) band-wise onset strength, low to high, scaled as ``onset``
    energy: float = 0.0  #: 0..1 loudness relative to the last half minute; 0 = silence
    silence: bool = False  #: True when nothing but noise has been heard for a while
    section: SectionReading = SectionReading()
    loudness_long_db: float = -100.0  #: loudness of the last seconds [dBFS]
    is_speech: float = 0.0  #: 0..1
    pulse: float = 0.0  #: 0..1 that there is a beat to follow
    embedding: np.ndarray | None = None  #: (E,) what the music is like, of the ear's network


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Joint tree. ``names`` (J), ``parents`` (J,) int with -1 for the root, ``offsets`` (J, 3) [m] in the parent's
    frame.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    offsets: np.ndarray


@dataclass(frozen=True, slots=True)
class Pose:
    """One body at one instant, to be *seen* at ``time_s``."""

    frame: int  #: 60 Hz tick; time_s = frame / POSE_HZ
    time_s: float  #: stream time at which it should be seen, the same for all outputs
    root: np.ndarray  #: (3,) [m] position of the pelvis in the house frame
    rotations: np.ndarray  #: (J, 4) xyzw, local to the parent
    hands: np.ndarray | None = None  #: (30, 4) xyzw, left then right; absent costs nothing
    expressions: Mapping[str, float] = field(default_factory=dict)  #: name -> 0..1


@dataclass(frozen=True, slots=True)
class Tick:
    """The numbers of one frame, for meters and the page."""

    frame: int
    heard_ms: float = 0.0  #: age of the newest sample when the listener finished it
    beat_ms: float = 0.0  #: cost of the listener
    plan_ms: float = 0.0  #: cost of the newest plan
    horizon_ms: float = 0.0  #: how far committed poses reach ahead of stream time
    backlog: int = 0  #: features waiting for the planner
    gaps: int = 0
    held: int = 0  #: poses held or replaced by the guard
    skipped: Mapping[str, int] = field(default_factory=dict)  #: output name -> poses skipped so far


@dataclass(frozen=True, slots=True)
class Controls:
    """What the operator asks for; changes are drained at frame borders and logged in the take."""

    style: str = "auto"  #: a style name of the model, "auto" = the model chooses
    energy: float = 1.0  #: 0..2, scales what the music asks for
    follow: float = 1.0  #: 0..2, 0 = keep the flow, 1 = as trained, 2 = follow the music harder
    freeze: bool = False
    blackout: bool = False
    panic: bool = False
    nudge_ms: float = 0.0  #: moves the beat that the body hits, positive = later
    tempo_min: float = 0.0  #: [BPM] the ear believes no tempo below; 0 = no bound
    tempo_max: float = 0.0  #: [BPM] nor above; 0 = no bound
    lock: bool = False  #: the ear holds its tempo


class Source(Protocol):
    """Iterating yields AudioBlocks in order, without holes: what was lost comes as zero blocks marked ``gap``."""

    rate: int

    def __iter__(self) -> Iterator[AudioBlock]: ...

    def close(self) -> None: ...


class StepModel(Protocol):
    """A network that streams. State goes in and comes out; a state may be kept and restored (it is never written in
    place).
    """

    def start(self, seed: int) -> Any: ...

    def step(self, state: Any, condition: Any) -> tuple[Any, Any]: ...


class Ear(Protocol):
    """A network that listens. State goes in and comes out, is never written in place and may be pickled."""

    identity: str  #: of its weights; a take keeps it
    delay_s: float  #: how long after a beat its activation is largest
    embedding: int  #: length of the embedding

    def start(self) -> Any: ...

    def step(self, state: Any, spectra: np.ndarray) -> tuple[Any, Activations]:
        """``spectra`` (2, 72) of ``engine.listen.mel``: one model frame."""
        ...


class Sink(Protocol):
    """An output. Called by its own lane only."""

    def open(self, skeleton: Skeleton) -> None: ...

    def send(self, pose: Pose) -> None: ...

    def close(self) -> None: ...
