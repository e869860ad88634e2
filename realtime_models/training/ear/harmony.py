"""Bass lines, chords, arpeggios, melodies: rhythm as patterns, pitches from drawn progressions."""

from dataclasses import dataclass

import numpy as np

from realtime_models.training.ear.score import Note

SCALES = {
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "blues": (0, 2, 4, 5, 7, 9, 10),
    "jazz": (0, 2, 4, 5, 7, 9, 11),
}
PROGRESSIONS = {
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 0, 5, 6), (0,), (0, 5), (0, 3), (0, 2, 6, 3)),
    "major": ((0, 4, 5, 3), (0, 3, 4, 3), (0, 5, 3, 4), (0, 3), (0, 4), (3, 0, 4, 0), (0, 0, 3, 4)),
    "dorian": ((0, 3), (0, 6, 3, 0), (0,), (0, 3, 0, 6)),
    "blues": ((0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4), (0, 3, 0, 4)),
    "jazz": ((1, 4, 0, 0), (2, 5, 1, 4), (0, 5, 1, 4), (1, 4, 0, 5), (0, 0, 3, 3, 1, 4, 0, 4)),
}

#: R root, o octave, 3 5 6 steps of the chord's scale, n the next bar's root, - held, r soft root; 4 steps a beat
BASS = {
    "roots": ("R---------------", "R-------R-------", "R---R---R---R---"),
    "eighths": ("R-R-R-R-R-R-R-R-",),
    "offbeat": ("..R-..R-..R-..R-", "..R-..R-..R-..5-", "..RR..RR..RR..RR", "..R-..o-..R-..o-", "..R...R...R...R."),
    "rolling": (".RRR.RRR.RRR.RRR", ".RoR.RoR.RoR.RoR"),
    "octaves": ("R-o-R-o-R-o-R-o-", "R.oRR.o.R.oRR.o.", "R..oR..oR..oR..o"),
    "disco": ("R-..o-..R.Ro5-o-", "R-o-R-o-R.o.5-6-"),
    "syncop": (
        "R--R--R---R-5---",
        "R..R..R.....R.5.",
        "...R..R.R..R....",
        "R.....R..R....R.",
        "..R..R..R.R...R-",
        "R..R..R..R..R.o.",
    ),
    "sixteenths": ("RRRRRRRRRRRRRRRR", "RRoRRRoRRRoRRoRo", "R.RR.RR.R.RR.R.R"),
    "held": ("R---------------", "R-----------5---", "R-----R---------"),
    "rumble": (".rrr.rrr.rrr.rrr", ".r.r.r.r.r.r.r.r"),
    "wobble": ("R---------------", "R-------R---R---", "R-R-R-R-R---R---"),
    "reese": ("R---------------", "R-----R---------"),
    "logdrum": ("...R..R...R..R..", "..R...RR..R..R.5", "R..R..R...R..R.o"),
    "sub808": ("R------R--R-----", "R---------......", "R-----R-----R---"),
    "tresillo": ("R--R--R-R--R--R-", "R--R--R-........", "R-----R-R-----R-"),
    "chugbass": ("R-RRR-RRR-RRR-RR", "RRRRRRRRRRRRRRRR"),
    "dub": (
        "R--.R-5-....R-..",
        "....R-..R-3-5-..",
        "R-..R-..3-..5-..",
        "..R-R-..R-..5---",
        "........R-3-5-R-",
        "..R-..3-..5-R---",
    ),
    "rootfifth": ("R---....5---....", "R-------5-------"),
    "rootfifth2": ("R---5---",),
    "walkpop": ("R-R-3-3-5-5-6-5-", "R---3---5---6---"),
    "walking": ("R---3---5---6---", "R---o---6---5---", "R---3---5---n---", "5---3---R---n---"),
    "bossa": ("R-----5-5-----R-",),
    "samba": ("R--55--RR--55--R",),
    "tumbao": ("......5-----n---", "......5-----n---", "......R-----5---"),
    "tango": ("R-----5-R---5---", "R-----R-R---R---"),
    "waltz": ("R-----------", "R-----------"),
    "follow": ("R-....R-R-......", "R-..R-....R-....", "R-------R-R-...."),
    "slap": ("R..o.RR.o..R.o..", "R...o..R.R..o.5."),
    "pizz": ("R...5...R...5...", "R...R...R...R..."),
    "voice": ("R---....R---....", "R-..R-..R-..R-.."),
}
BASS3 = {  # three steps a beat
    "shuffle": ("R.RR.RR.RR.R", "R.R3.35.56.5", "..R..R..R..R"),
    "walking": ("R--3--5--6--", "R--o--6--5--", "R--3--5--n--", "R--3-R5--n--"),
    "walkpop": ("R--3--5--6--", "R-R3-35-56-5"),
    "roots": ("R-----------", "R-----R-----", "R----RR-----"),
    "held": ("R-----------",),
}
#: when chords strike; x short, X accented, - held
CHORDS = {
    "pad": ("x---------------",),
    "pumped": ("x---------------", "x-------x-------", "x-x-x-x-x-x-x-x-"),
    "offstabs": ("..X...X...X...X.", "..X-..X-..X-..X-", "..X..x....X..x..", "..X...X...X..xX."),
    "stabs": ("x..x..x...x..x..", "x.....x...x.....", "...x..x.......x.", "x--x--x-x--x--x-", "..x..x..x..x..x."),
    "skank": ("..X...X...X...X.", "..X...X...X...X.", "..Xx..Xx..Xx..Xx"),
    "skank2": ("....X.......X...",),
    "skankhorns": ("..X...X...X...X.",),
    "bubble": ("..xx..xx..xx..xx", ".xX..xX..xX..xX."),
    "comp": ("x-----x--x------", "x---..x-..x-....", "..x-..x---..x---", "x---x---x---x---"),
    "epiano": ("x-----x---------", "x-------x-x-----"),
    "strum": ("X-x-X-x-X-x-X-x-", "X---x-x---x-x-x-", "X---X-x-.-x-X-x-", "X-xxX-xxX-xxX-xx"),
    "strum8": ("X-X-X-X-X-X-X-X-", "X-x-x-X-x-x-X-x-"),
    "chug": ("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx", "x.xxx.xxX.......", "X..x..x.X..x..x."),
    "gallop": ("x.xxx.xxx.xxx.xx",),
    "power": ("X-------X-------", "X---------------", "X--X--X-X-------", "..X-..X-..X-..X-"),
    "chuckle": ("x.xxgx.gx.xxgx.g", "..xx..xx..xx..x.", "gxXggxXggxXggxXg", "x..x..xx..x..xx."),
    "clav": ("x..xx.x..x.xx.x.", "x.xx.xx.x.xx.x.x"),
    "horns": ("..x..x..........", "x..x......x.....", "..............X.", "..X-....X-..X-.."),
    "strings": ("x---------------", "x---x---x-x-x---"),
    "montuno": (
        "x---x-x---x-x-x---x-x-x---x-x-x-",
        "x-x---x-x-x---x-x-x---x-x-x---x-",
        "..x-..x-..x-..x-x-..x-..x-..x-..",
    ),
    "boomchick": ("....x.......x...", "..x...x...x...x."),
    "boomchick3": ("..x..x",),
    "oompah": ("....x.......x...", "..x...x...x...x."),
    "oompah2": ("..x...x.", "..x...x.", "..xx..xx"),
    "oompah3": ("....x---x---", "....x...x..."),
    "stride": ("....x.......x...",),
    "bossa": ("x-----x-....x-..x-....x-......x-", "x-..x-....x-..x-....x-..x-....x-", "..x-..x-x-..x---"),
    "tangochords": ("x...x...x...x...", "X..xx.x.X..xx.x."),
    "brass": ("X---....X---....", "X-..x-x-X-......"),
    "pizz": ("x...x...x...x...", "..x...x...x...x.", "x.x.x.x.x.x.x.x."),
    "strings8": ("X.x.x.x.X.x.x.x.", "XxxxXxxxXxxxXxxx", "X--x--x-X--x--x-"),
    "organ": ("x---------------", "..x-..x-..x-..x-"),
    "choir": ("x---------------", "x-------x-------"),
    "ballad": ("x---x---x---x---", "x-------x-------", "x---x-x-x---x---"),
}
CHORDS3 = {
    "comp3": ("..x..x......", "x....x......", ".....x.....x", "..x.....x...", "x....x..x..x", "..x..x..x..x"),
    "charleston": ("x----x......", "..x.....x--x", ".....x-....."),
    "shuffle": ("x.xx.xx.xx.x", "..x..x..x..x", "x--..xx--..x"),
    "organ": ("x-----------", "..x..x..x..x"),
    "offstabs3": ("..X..X..X..X",),
    "pumped": ("x-----------",),
    "pad": ("x-----------",),
    "strum": ("X--x-xX--x-x", "X-xX-xX-xX-x"),
    "boomchick3": ("..x..x..x..x", ".xx.xx.xx.xx"),
}
#: the order in which a broken chord's notes come; None stands for a rest
BROKEN = {
    "arp": ((0, 1, 2, 3), (0, 2, 1, 3), (3, 2, 1, 0), (0, 1, 2, 3, 2, 1), (0, None, 2, 0, None, 2, 3, None)),
    "chiparp": ((0, 1, 2),),
    "fingers": ((0, 2, 1, 2), (0, 1, 2, 3, 2, 1), (0, 2, 3, 2), (0, None, 1, 2, 3, None, 2, 1)),
    "travis": ((0, None, 3, None, 1, 2, 3, None), (0, 3, 1, 2)),
    "triplets": ((0, 1, 2), (0, 2, 3), (2, 2, 2)),
    "alberti": ((0, 2, 1, 2),),
    "ostinato": ((0, 0, 2, 0), (0, 2, 0, 1), (0, 0, 0, 1, 0, 0, 2, 0)),
}


@dataclass(frozen=True)
class Harmony:
    """A progression: one chord a bar (or two), as MIDI pitches around ``root``."""

    root: int
    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    bars_each: int
    seventh: bool

    def degree(self, bar: int) -> int:
        return self.degrees[(bar // self.bars_each) % len(self.degrees)]

    def pitch(self, step: int) -> int:
        """Pitch of scale step ``step`` (any sign) from the key's root."""
        return self.root + 12 * (step // 7) + self.scale[step % 7]

    def chord(self, bar: int, low: int = 55) -> list[int]:
        """Three or four pitches, close together from ``low`` upward."""
        tones = [self.pitch(self.degree(bar) + k) for k in ((0, 2, 4, 6) if self.seventh else (0, 2, 4))]
        return sorted(low + (tone - low) % 12 for tone in tones)


def harmony(mode: str, rng: np.random.Generator) -> Harmony:
    options = PROGRESSIONS[mode]
    return Harmony(
        int(rng.integers(36, 48)),
        SCALES[mode],
        options[rng.integers(len(options))],
        int(rng.choice([1, 2], p=[0.75, 0.25])),
        mode in ("jazz", "blues", "dorian") or bool(rng.random() < 0.25),
    )


def _fit(pattern: str, steps: int, meter: int) -> str:
    """A bar pattern for ``meter`` beats: cut, or repeated; a multiple of the bar stays whole."""
    length = steps * meter
    if len(pattern) % length == 0:
        return pattern
    return (pattern * (length // len(pattern) + 1))[:length]


def struck(pattern: str, bar: int, steps: int, meter: int) -> list[tuple[float, float, str]]:
    """(place in the bar, length, letter) of the strokes of bar ``bar``, in beats."""
    whole = _fit(pattern, steps, meter)
    length = steps * meter
    first = (bar * length) % len(whole)
    line = whole[first : first + length]
    out = []
    for step, letter in enumerate(line):
        if letter not in ".-":
            held = 1
            while step + held < length and line[step + held] == "-":
                held += 1
            out.append((step / steps, held / steps, letter))
    return out


def bass_bar(
    tune: Harmony, pattern: str, bar: int, start: float, steps: int, meter: int, rng: np.random.Generator
) -> list[Note]:
    """One bar of bass."""
    low = 28 + (tune.pitch(tune.degree(bar)) - 28) % 12
    after = 28 + (tune.pitch(tune.degree(bar + 1)) - 28) % 12
    fifth, third, sixth = (tune.pitch(tune.degree(bar) + k) - tune.pitch(tune.degree(bar)) for k in (4, 2, 5))
    pitch_of = {"R": low, "r": low, "o": low + 12, "5": low + fifth, "3": low + third, "6": low + sixth, "n": after}
    notes = []
    for place, length, letter in struck(pattern, bar, steps, meter):
        level = 0.5 if letter == "r" else float(rng.uniform(0.75, 0.95))
        notes.append(Note(start + place, length * 0.9, pitch_of[letter], level))
    return notes


def chord_bar(
    tune: Harmony, pattern: str, bar: int, start: float, steps: int, meter: int, rng: np.random.Generator, low: int
) -> list[Note]:
    """One bar of struck chords; a stroke that is not held is short."""
    pitches = tune.chord(bar, low)
    notes = []
    for place, length, letter in struck(pattern, bar, steps, meter):
        level = {"X": 0.95, "g": 0.35}.get(letter, 0.75) * float(rng.uniform(0.9, 1.0))
        held = length * 0.92 if length > 1 / steps + 1e-6 else 0.7 / steps
        notes += [Note(start + place, held, pitch, level) for pitch in pitches]
    return notes


def broken_bar(
    tune: Harmony, order: tuple, rate: int, bar: int, start: float, meter: int, rng: np.random.Generator, low: int
) -> list[Note]:
    """One bar of a broken chord at ``rate`` notes a beat; the beat's first note a little stronger."""
    pitches = tune.chord(bar, low)
    pitches = [*pitches, pitches[0] + 12, pitches[1] + 12]
    notes = []
    for k in range(meter * rate):
        which = order[k % len(order)]
        if which is not None:
            level = (0.85 if k % rate == 0 else 0.65) * float(rng.uniform(0.85, 1.0))
            notes.append(Note(start + k / rate, 0.9 / rate, pitches[which % len(pitches)], level))
    return notes


def motif(meter: int, steps: int, rng: np.random.Generator, kind: str) -> list[tuple[float, float, int]]:
    """Two bars of melody as (place, length, step up or down): ``kind`` "melody", "riff", "solo", "ragtime", "jig"."""
    unit = 1 / 3 if steps == 3 else 0.25 if kind in ("riff", "ragtime") else 0.5
    density = {"melody": 0.42, "riff": 0.5, "solo": 0.62, "ragtime": 0.6, "jig": 0.9}[kind]
    if kind in ("solo", "melody") and steps == 3:
        places = [beat + part for beat in range(2 * meter) for part in (0.0, 2 / 3)]
    else:
        places = [k * unit for k in range(round(2 * meter / unit))]
    bias = float(rng.uniform(-0.3, 0.3))  # melodies that lean on the beat, and melodies that lean off it
    chosen = [
        place
        for place in places
        if rng.random() < density + (bias if abs(place - round(place)) < 1e-6 else -bias) * 0.6
    ]
    chosen = chosen or [0.0]
    ends = chosen[1:] + [2.0 * meter]
    leap = [int(round(step)) for step in rng.normal(0, 1.7, len(chosen))]
    return [(place, min(end - place, 2.0) * 0.92, step) for place, end, step in zip(chosen, ends, leap, strict=True)]


def melody_bars(
    tune: Harmony, line: list[tuple[float, float, int]], bar: int, start: float, rng: np.random.Generator, low: int
) -> list[Note]:
    """The motif from bar ``bar`` on: steps through the scale from a note of the chord, pulled back to the middle."""
    base = (low - tune.root) // 12 * 7
    step = tune.degree(bar) + base
    notes = []
    for place, length, leap in line:
        step += leap
        if abs(step - base - 3) > 7:
            step = base + int(rng.integers(0, 7))
        notes.append(Note(start + place, length, tune.pitch(step), float(rng.uniform(0.65, 0.95))))
    return notes
