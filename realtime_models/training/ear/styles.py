"""What a style is: tempo (the one that a drummer counts), metre, feel, drum patterns, and who plays along.

A pattern has ``steps`` steps a beat and any whole number of bars: X accent, x stroke, o medium, g ghost, r roll,
? perhaps, . rest. ``over`` are hat and percussion patterns of which one or two are laid over a groove.
"""

from dataclasses import dataclass

EDM, POP, LOOP, FREE = "edm", "pop", "loop", "free"


@dataclass(frozen=True)
class Style:
    tempo: tuple[float, float]
    grooves: tuple[dict[str, str], ...]
    over: tuple[dict[str, str], ...] = ()
    bass: tuple[str, ...] = ("roots",)
    chords: tuple[str, ...] = ("pad",)
    leads: tuple[str, ...] = ("melody", "riff", "none")
    meter: int = 4
    steps: int = 4
    swing: tuple[float, float] = (0.5, 0.5)  #: where the second of two eighths (``swing_at`` 0.5) or sixteenths stands
    swing_at: float = 0.25
    kits: tuple[str, ...] = ("own", "gm")
    machine: bool = False
    form: str = POP
    modes: tuple[str, ...] = ("minor", "major")
    weight: float = 1.0
    human: tuple[str, ...] = ()  #: styles of drummers' performances that fit


#: what kind of music a style counts as; the rest (breakbeat, drums alone) is none of them
KIND_OF = {
    "house": "house garage jersey amapiano bigroom",
    "techno": "techno hardstyle electro schaffel",
    "trance": "trance psytrance",
    "dnb": "dnb dnbhalf footwork",
    "dubstep": "dubstep",
    "hiphop": "hiphop lofi trap rnb",
    "reggaeton": "reggaeton dancehall bailefunk moombah soca",
    "disco": "disco",
    "funk": "funk soul afrobeat",
    "rock": "rock rockhalf rock34 shuffle slowblues five seven",
    "metal": "metal",
    "punk": "punk",
    "ska": "ska",
    "reggae": "reggae",
    "latin": "bossa samba salsa chacha cumbia merengue tango",
    "jazz": "swing jazzwaltz ragtime",
    "waltz": "waltz",
    "ballad": "ballad sixeight",
    "folk": "folk country polka jig seven8",
    "orchestra": "orchestra baroque march",
    "pop": "synthwave gospel chiptune acapella",
    "ambient": "ambient drone unmeasured",
    "noise": "noise silence applause crowd",
    "speech": "speech",
}


def named(style: str) -> str:
    """ "kind" or "kind style": the first word is one of ``KIND_OF`` where the style belongs to one."""
    kind = next((kind for kind, styles in KIND_OF.items() if style in styles.split()), style)
    return kind if kind == style else f"{kind} {style}"
