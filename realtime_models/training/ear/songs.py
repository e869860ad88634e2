"""A song from a seed: style, tempo, form, and every part's notes. ``compose`` is the door."""

import numpy as np

from realtime_models.training.ear import drumming, harmony, instruments, tempo
from realtime_models.training.ear.forms import Section, form_of
from realtime_models.training.ear.score import Event, Grid, Note, Part, Song, Sweep
from realtime_models.training.ear.style_table import STYLES
from realtime_models.training.ear.styles import Style

#: the style whose drums feel half as fast at the same tempo
HALF_TIME = {"dnb": "dnbhalf", "breakbeat": "dnbhalf", "punk": "rockhalf"}


def compose(
    genre: str,
    seed: int,
    seconds: float,
    fonts: tuple[str, ...],
    groove: object = None,
    *,
    grid: Grid | None = None,
    form: tuple[Section, ...] = (),
) -> Song:
    """A song of about ``seconds`` in ``genre`` (a name of ``STYLES``); ``groove``: a drummer's performance.

    The same arguments give the same song. ``fonts`` may be empty: then every sound is our own. ``grid`` and ``form``
    hand in the beats and the sections instead of drawing them; the grid's metre is the genre's, it has a beat for
    every beat of the form and one more. ValueError where it has not.
    """
    if grid is not None:
        return _on_grid(genre, seed, fonts, groove, grid, form)
    rng = np.random.default_rng([seed, 1])
    style = STYLES[genre]
    bpm = float(np.clip(rng.uniform(*style.tempo) * np.exp(rng.normal(0, 0.03)), 44, 244))
    if groove is not None:
        bpm = groove.bpm
    meter = style.meter
    bars = max(4, round(seconds * bpm / 60 / meter))
    sections = form_of(style, bars, rng)
    beats = sum(section.bars for section in sections) * meter
    beats = min(beats, bars * meter)
    periods_s, tempo_kind = tempo.periods(bpm, beats, meter, rng, style.machine)
    if groove is not None:
        periods_s, tempo_kind = tempo.constant(bpm, beats), "drummer"
    elif genre == "ballad" or (genre in ("folk", "orchestra", "tango") and rng.random() < 0.3):
        periods_s, tempo_kind = tempo.rubato(bpm, beats, meter, rng, float(rng.uniform(0.03, 0.16))), "rubato"
    writer = _Writer(style, genre, sections, beats, _font(fonts, rng), rng)
    parts = [part for part in writer.parts(groove) if part.notes]
    return _song(writer, parts, tempo.grid_of(periods_s, meter, float(rng.uniform(0.02, 0.4))), bpm, tempo_kind)


def _on_grid(
    genre: str, seed: int, fonts: tuple[str, ...], groove: object, grid: Grid, form: tuple[Section, ...]
) -> Song:
    """The song whose beats and sections are handed in."""
    style, beats = STYLES[genre], len(grid.beats_s) - 1
    if grid.meter != style.meter or sum(section.bars for section in form) * style.meter != beats:
        raise ValueError(f"{genre}, {style.meter} beats in a bar: {beats} beats in bars of {grid.meter} do not fit")
    rng = np.random.default_rng([seed, 1])
    writer = _Writer(style, genre, list(form), beats, _font(fonts, rng), rng, stops=False)
    parts = [part for part in writer.parts(groove) if part.notes]
    return _song(writer, parts, grid, 60.0 / float(np.median(np.diff(grid.beats_s))), "given")


def _font(fonts: tuple[str, ...], rng: np.random.Generator) -> str:
    return str(rng.choice(fonts, p=_font_share(fonts))) if fonts and rng.random() < 0.9 else ""


def _song(writer: "_Writer", parts: list[Part], grid: Grid, bpm: float, tempo_kind: str) -> Song:
    """What was written as a song, with a word about each choice."""
    about = {
        "bpm": round(bpm, 2),
        "tempo": tempo_kind,
        "font": writer.font or "own",
        "swing": round(writer.swing, 3),
        "machine": writer.style.machine,
        "form": " ".join(f"{section.kind}{section.bars}" for section in writer.sections),
        "mood": writer.mood,
        "bass": writer.bass,
        "chords": writer.chords,
        "second": writer.second,
        "lead": writer.lead,
    }
    return Song(
        writer.genre,
        grid,
        tuple(parts),
        float(writer.beats),
        tuple(writer.events),
        True,
        tuple(writer.kicks),
        tuple(writer.sweeps),
        about,
    )


def _font_share(fonts: tuple[str, ...]) -> np.ndarray:
    share = np.array([0.35 if font.startswith("OPL") else 1.0 for font in fonts])
    return share / share.sum()


class _Writer:
    """Writes one song's notes section by section; the draws of one song live here."""

    def __init__(
        self,
        style: Style,
        genre: str,
        sections: list[Section],
        beats: int,
        font: str,
        rng: np.random.Generator,
        stops: bool = True,
    ) -> None:
        self.style, self.genre, self.sections, self.beats, self.font, self.rng = (
            style,
            genre,
            sections,
            beats,
            font,
            rng,
        )
        self.stops = stops
        self.swing = float(rng.uniform(*style.swing)) if style.swing[1] > 0.5 else 0.5
        if style.steps == 4 and not style.machine and style.swing[1] <= 0.5 and rng.random() < 0.1:
            self.swing = float(rng.uniform(0.52, 0.62))
        self.human_s = float(rng.choice([0, 0.002])) if style.machine else float(rng.uniform(0.001, 0.009))
        self.tune = harmony.harmony(str(rng.choice(style.modes)), rng)
        self.bass, self.chords, self.lead = (
            str(rng.choice(options)) for options in (style.bass, style.chords, style.leads)
        )
        others = [kind for kind in (*style.chords, "pad") if kind != self.chords]
        self.second = str(rng.choice(others)) if self.chords != "none" and rng.random() < 0.45 else "none"
        self.mood = str(rng.choice(["plain", "off", "nokick", "soft"], p=[0.6, 0.24, 0.08, 0.08]))
        self.events: list[tuple[float, Event]] = []
        self.sweeps: list[Sweep] = []
        self.kicks: list[float] = []
        self.drums: list[Note] = []
        self.stop = (-1.0, -1.0)  #: beats in which nobody plays
        self.effects: list[tuple[instruments.Riser, Note]] = []

    def parts(self, groove: object) -> list[Part]:
        rng, style = self.rng, self.style
        kit = instruments.kit_of(style.kits, self.font, rng)
        self._plan()
        if groove is None:
            self._drums()
        else:
            self._drummer(groove)
        self.drums = [note for note in self.drums if note.at < self.beats]
        self.kicks = [note.at for note in self.drums if note.pitch == "kick" and note.strength > 0.5]
        if style.machine and (self.mood == "nokick" or rng.random() < 0.2):  # a side-chain whose kick is not heard
            self.kicks = [float(beat) for beat in range(self.beats)]
        out = []
        for role in sorted({str(note.pitch) for note in self.drums}):
            notes = [note for note in self.drums if note.pitch == role]
            if groove is None:
                notes = drumming.humanised(self._in_time(notes), rng, self.human_s)
            out.append(Part("drums", kit[role], tuple(notes), self._drum_gain_db(role, notes)))
        pump = float(rng.choice([0.0, 0.5])) if style.machine else 0.0
        if "pumped" in (self.chords, self.second):
            pump = float(rng.uniform(0.4, 1.0))
        machine, font = style.machine, self.font
        out.append(self._line("bass", instruments.bass_of(self.bass, machine, font, rng), self._bass(), pump))
        for kind, gain_db in ((self.chords, 0.0), (self.second, -3.0)):
            if kind != "none":
                sound = instruments.chords_of(kind, machine, font, rng)
                out.append(self._line("chords", sound, self._chords(kind), pump, gain_db))
        if self.lead != "none":
            out.append(self._line("lead", instruments.lead_of(self.lead, machine, font, rng), self._lead(), 0.0))
        return out + [Part("effects", sound, (note,), float(rng.uniform(-4, 4))) for sound, note in self.effects]

    def _line(self, group: str, sound: object, notes: list[Note], pump: float, gain_db: float = 0.0) -> Part:
        """A pitched part as it is played: in time, uneven, louder where the mood favours what is off the beat."""
        gain_db += float(self.rng.normal(0, 2.5))
        if self.mood == "off" and _off_share(notes) > 0.6:
            gain_db += float(self.rng.uniform(2, 8))
        played = drumming.humanised(self._in_time(notes), self.rng, self.human_s)
        return Part(group, sound, tuple(note for note in played if self._sounds(note)), gain_db, pump)

    def _sounds(self, note: Note) -> bool:
        return note.at < self.beats and not self.stop[0] - 0.01 <= note.at < self.stop[1] - 0.01

    def _in_time(self, notes: list[Note]) -> list[Note]:
        if self.swing == 0.5 and self.style.steps != 3:
            return notes
        knot = 2 / 3 if self.style.steps == 3 else 0.5
        if self.style.steps == 3 and self.style.swing[1] <= 0.5:
            return notes
        unit = self.style.swing_at
        return [note._replace(at=drumming.swung(note.at, self.swing, unit, knot)) for note in notes]

    def _drum_gain_db(self, role: str, notes: list[Note]) -> float:
        """The mix's taste; in the mood "off" what plays off the beat is louder than what plays on it."""
        gain_db = float(self.rng.normal(0, 2.0))
        if self.mood == "off":
            gain_db += float(self.rng.uniform(3, 10)) if _off_share(notes) > 0.6 else 0.0
            gain_db -= float(self.rng.uniform(0, 8)) if role == "kick" else 0.0
        if self.mood == "soft" and role in ("kick", "snare", "clap"):
            gain_db -= float(self.rng.uniform(4, 12))
        return gain_db

    def _plan(self) -> None:
        """Events of the form, where sections start; risers and sweeps of the builds."""
        start, meter, rng = 0.0, self.style.meter, self.rng
        phrase = int(rng.choice([4, 8])) * meter
        before: Section | None = None
        for section in self.sections:
            length = section.bars * meter
            for at in np.arange(start, min(start + length, self.beats), phrase):
                self.events.append((float(at), Event.PHRASE))
            if start >= self.beats:
                break
            if section.kind == "build":
                self.events.append((start, Event.BUILD))
                self._rise(start, length)
            if section.kind == "break" and before is not None:
                self.events.append((start, Event.BREAK))
            if before is not None and before.kind in ("build", "break") and before.drums == 0 and section.drums >= 2:
                self.events.append((start, Event.DROP))
            before, start = section, start + length
        self.events.append((float(self.beats), Event.END))

    def _rise(self, start: float, length: float) -> None:
        rng = self.rng
        if rng.random() < 0.75:
            self.effects.append((instruments.Riser(True, int(rng.integers(2**31))), Note(start, length, 60, 0.7)))
        if rng.random() < 0.6:
            low_cut = bool(rng.random() < 0.6)
            ends = (60.0, float(rng.uniform(400, 1500))) if low_cut else (float(rng.uniform(300, 800)), 9000.0)
            self.sweeps.append(Sweep(start, start + length, low_cut, *ends))
        if rng.random() < 0.5 and start + length < self.beats:
            self.effects.append((instruments.Riser(False, int(rng.integers(2**31))), Note(start + length, 8, 60, 0.6)))

    def _drums(self) -> None:
        rng, style, meter = self.rng, self.style, self.style.meter
        base, loud = self._grooves()
        over = [dict(style.over[rng.integers(len(style.over))]) if style.over else {} for _ in range(2)]
        more = {**over[0], **(over[1] if rng.random() < 0.5 else {})}
        light = {**over[0]} if over[0] and rng.random() < 0.6 else dict(list(base.items())[:1])
        fills, crashes = rng.random() < (0.25 if style.machine else 0.7), rng.random() < 0.5
        if not base or ("kick" not in base and "snare" not in base):
            fills = crashes = False
        unit = (int(rng.choice([4, 8]))) * meter
        start = 0.0
        for section in self.sections:
            length = section.bars * meter
            if section.kind == "build":
                self._build(start, length)
            layers = {0: {}, 1: light, 2: {**base, **over[0]}, 3: {**loud, **more}}[section.drums]
            for role, line in layers.items():
                self.drums += drumming.strokes(line, role, start, length, style.steps, rng)
            if section.drums >= 2 and fills:
                self._fills(start, length, unit)
            if section.drums >= 2 and crashes:
                self.drums.append(Note(start, 1.0, "crash", 0.8))
            start += length
        if self.stops:
            self._stops()

    def _grooves(self) -> tuple[dict[str, str], dict[str, str]]:
        """The song's groove and that of its loud sections: the same, another of the style, or half as fast in feel."""
        rng, style = self.rng, self.style
        amount = float(rng.choice([0, 1, 1, 2]))
        others = style.grooves
        if self.genre in HALF_TIME and rng.random() < 0.25:
            others = STYLES[HALF_TIME[self.genre]].grooves
        base = style.grooves[rng.integers(len(style.grooves))]
        loud = others[rng.integers(len(others))] if others is not style.grooves or rng.random() < 0.35 else base
        pair = [drumming.varied(groove, style.steps, rng, amount) for groove in (base, loud)]
        if rng.random() < 0.5:
            pair.reverse()
        if self.mood == "nokick":
            pair = [{role: line for role, line in groove.items() if role not in ("kick", "surdo")} for groove in pair]
        return pair[0], pair[1]

    def _fills(self, start: float, length: float, unit: float) -> None:
        for at in np.arange(start + unit, start + length + 0.5, unit):
            beats = int(self.rng.choice([1, 2, min(4, self.style.meter)]))
            if self.rng.random() < 0.6 and beats <= self.style.meter:
                self._clear(at - beats, at, keep=("hat", "ride") if self.rng.random() < 0.3 else ())
                self.drums += drumming.fill(at - beats, beats, self.style.steps, self.rng)

    def _build(self, start: float, length: float) -> None:
        rng = self.rng
        silent = float(rng.choice([0, 0, 1, 2, self.style.meter]))
        role = str(rng.choice(["snare", "snare", "clap", "tom1"]))
        roll = drumming.build(start, int(length), rng, role)
        if rng.random() < 0.5:
            roll += drumming.strokes("X...", "kick", start, int(length * rng.choice([0.5, 0.75])), 4, rng)
        self.drums += [note for note in roll if note.at < start + length - silent]

    def _stops(self) -> None:
        """Now and then a bar or two beats in which nothing is struck."""
        draw = self.rng.random()
        if draw < 0.25:
            bar = int(self.rng.integers(2, max(3, self.beats // self.style.meter))) * self.style.meter
            length = self.style.meter if self.rng.random() < 0.6 else 2
            self._clear(bar - length, bar, keep=())
            if draw < 0.1:  # all stop
                self.stop = (float(bar - length), float(bar))

    def _clear(self, start: float, end: float, keep: tuple[str, ...]) -> None:
        self.drums = [note for note in self.drums if not start - 1e-6 <= note.at < end - 1e-6 or note.pitch in keep]

    def _drummer(self, groove: object) -> None:
        """A drummer's performance instead of patterns: chained on its bars, silent where the form has no drums."""
        start = 0.0
        played = groove.notes(self.beats)
        for section in self.sections:
            end = start + section.bars * self.style.meter
            if section.drums:
                self.drums += [note for note in played if start - 0.25 <= note.at < end - 0.25]
            start = end

    def _bass(self) -> list[Note]:
        table = harmony.BASS3 if self.style.steps == 3 and self.bass in harmony.BASS3 else harmony.BASS
        if self.bass == "none":
            return []
        options = table[self.bass]
        pattern, steps = options[self.rng.integers(len(options))], 3 if table is harmony.BASS3 else 4
        return self._lines(
            "bass", lambda bar, at: harmony.bass_bar(self.tune, pattern, bar, at, steps, self.style.meter, self.rng)
        )

    def _chords(self, kind: str) -> list[Note]:
        rng, meter = self.rng, self.style.meter
        low = int(rng.integers(48, 62))
        if kind in harmony.BROKEN:
            order = harmony.BROKEN[kind][rng.integers(len(harmony.BROKEN[kind]))]
            rate = (
                3
                if self.style.steps == 3 or kind == "triplets"
                else int(rng.choice([2, 4, 4]))
                if kind in ("arp", "chiparp", "ostinato")
                else 2
            )
            if meter == 7 and self.style.steps == 2:
                rate = 2 if kind == "arp" else 1
            return self._lines(
                "chords", lambda bar, at: harmony.broken_bar(self.tune, order, rate, bar, at, meter, rng, low)
            )
        table = harmony.CHORDS3 if self.style.steps == 3 and kind in harmony.CHORDS3 else harmony.CHORDS
        pattern, steps = table[kind][rng.integers(len(table[kind]))], 3 if table is harmony.CHORDS3 else 4
        if kind in ("chug", "gallop", "power"):
            low = int(rng.integers(40, 48))
        return self._lines(
            "chords", lambda bar, at: harmony.chord_bar(self.tune, pattern, bar, at, steps, meter, rng, low)
        )

    def _lead(self) -> list[Note]:
        rng = self.rng
        kind = "melody" if self.lead == "horns" else self.lead
        lines = [harmony.motif(self.style.meter, self.style.steps, rng, kind) for _ in range(2)]
        low = int(rng.integers(60, 74))
        return self._lines(
            "lead",
            lambda bar, at: [] if bar % 2 else harmony.melody_bars(self.tune, lines[(bar // 4) % 2], bar, at, rng, low),
        )

    def _lines(self, layer: str, write: object) -> list[Note]:
        """The bars of all sections that have ``layer``; the stop before a drop is kept clear."""
        notes: list[Note] = []
        meter, bar = self.style.meter, 0
        for section in self.sections:
            for _ in range(section.bars):
                if getattr(section, layer) and bar * meter < self.beats:
                    notes += write(bar, float(bar * meter))
                bar += 1
        return notes


def _off_share(notes: list[Note]) -> float:
    """Share of the strength that falls off the beat."""
    if not notes:
        return 0.0
    off = sum(note.strength for note in notes if abs(note.at - round(note.at)) > 0.12)
    return off / sum(note.strength for note in notes)
