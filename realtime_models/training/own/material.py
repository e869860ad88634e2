"""From recordings to a bank that can be trained on.

    data     recordings -> motion/     one part a file, made again when the file changed
    clean    motion/ -> clean/         bursts, tremor, floor, feet
    bank     clean/ -> bank/           mirrored, at several speeds, on fitted beats, spliced; and bank_held/

Each step looks what is there and makes what is missing. All of it is done by the first process alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import numpy as np

from engine.errors import ConfigError
from realtime_models.training import bank as bank_module
from realtime_models.training import bursts, clean, motion_files, steady
from realtime_models.training.bank import Entry, Variety, build_bank, entry_of, fits
from realtime_models.training.data import FPS, Clip, mirror
from realtime_models.training.motion_files import bvh, house, joints, pose, smpl, table, take
from realtime_models.training.own import intake
from realtime_models.training.own.config import OwnConfig
from realtime_models.training.own.folders import Found, Split, find, is_set, motion_of, split
from realtime_models.training.own.intake import Taken, take_in
from realtime_models.training.own.motion_set import (
    Part,
    content_of,
    cut,
    digest,
    is_made,
    read_part,
    sources_digest,
    write_part,
)
from realtime_models.training.own.table import shown, sums
from realtime_models.training.own.table import table as table_of
from realtime_models.training.own.work import TOKENISER, Edges, keep, kept, refuse_if_trained
from realtime_models.training.splice import BEATS, FIT_LEAST, STRETCH, splices
from realtime_models.training.store import write_store
from realtime_models.training.vary import AMPLITUDES

MOST_STYLES = 63  #: beside ``any``; further ones, those with the least motion, are danced as ``any``
SPLICE_MOST = 2.0  #: times the dance


def stamp(found: Found) -> list[Any]:
    """What tells whether a recording changed: sizes and times of its files."""
    paths = [found.path, motion_of(found.path)] if is_set(found.path) else [found.path]
    if found.path.is_dir():
        paths = sorted(p for p in found.path.iterdir() if p.name.startswith("poses."))
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]


def gather(config: OwnConfig, edges: Edges) -> list[Part]:
    """Step ``data``. Raises ConfigError when nothing at all can be danced."""
    found = find(config.motion)
    if not found:
        raise ConfigError(
            f"no motion below {', '.join(f.path for f in config.motion)}; accepted: {', '.join(motion_files.FORMATS)}, "
            "take folders and sets NAME_index.json with NAME_motion.npz"
        )
    code = sources_digest(intake, motion_files, bvh, house, joints, pose, smpl, table, take)
    parts, fresh, trained = [], False, (config.work / TOKENISER).exists()
    for one in edges.each("data", found):
        made_of = digest(stamp(one), asdict(one.folder), one.style, one.subject, config.shortest_s)
        part = Part(config.work / "motion" / digest(str(one.path)), made_of, code)
        if not is_made(part, by_any_code=trained):
            write_part(part, take_in(one, config.shortest_s))
            fresh = True
        parts.append(part)
    taken = [read_part(part) for part in parts]
    lines = [*table_of(taken), "", *sums(taken)]
    (config.work / "recordings.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in shown(lines, str(config.work / "recordings.txt")) if fresh else sums(taken)[-1:]:
        edges.say(line)
    if not any(clip.is_dance for one in taken for clip in one.clips):
        raise ConfigError(f"no dance was taken in; {config.work / 'recordings.txt'} says why each file was refused")
    return parts


def scrub(config: OwnConfig, parts: Sequence[Part], edges: Edges) -> list[Part]:
    """Step ``clean``."""
    code, trained = sources_digest(clean, bursts, steady), (config.work / TOKENISER).exists()
    done, bridged, left = [], 0, 0
    for raw in edges.each("clean", parts):
        part = Part(config.work / "clean" / raw.stem.name, content_of([raw]), code)
        if not is_made(part, by_any_code=trained):
            taken = read_part(raw)
            found = [clean.clean(clip) for clip in taken.clips]
            bridged, left = bridged + sum(len(c.bridged) for c in found), left + sum(len(c.left) for c in found)
            write_part(part, replace(taken, clips=tuple(c.clip for c in found)))
        done.append(part)
    if bridged or left:
        edges.say(f"bursts: {bridged} bridged, {left} left out of training")
    return done


def split_clips(config: OwnConfig, taken: Sequence[Taken]) -> tuple[list[Clip], str]:
    """All clips with their split, and how it was made: as folders and sets say, else drawn."""
    clips = [(clip, subject, one.name) for one in taken for clip, subject in zip(one.clips, one.subjects, strict=True)]
    if any(clip.split != "train" for clip, _, _ in clips):
        return [clip for clip, _, _ in clips], "held back: what folders and sets name so"
    drawn = split([(name, subject) for _, subject, name in clips], config.held_share, config.seed)
    return [part for clip, subject, name in clips for part in _parted(clip, subject, name, drawn)], drawn.said


def _parted(clip: Clip, subject: str, name: str, drawn: Split) -> list[Clip]:
    if subject in drawn.subjects or name in drawn.names:
        return [replace(clip, split="val")]
    frames = len(clip.root)
    border = frames - round(drawn.tail * frames)
    return [clip] if border == frames else [cut(clip, 0, border, "train"), cut(clip, border, frames, "val")]


def make_bank(config: OwnConfig, parts: Sequence[Part], edges: Edges) -> None:
    """Step ``bank``. Raises ConfigError when nothing long enough is left to train on."""
    code = sources_digest(bank_module, *bank_module.MADE_OF)
    key = digest(content_of(parts), asdict(config.bank), config.held_share, config.seed, config.shortest_s)
    trained, notes = (config.work / TOKENISER).exists(), kept(config.work)
    if notes.get("bank") == key and (trained or notes["bank_code"] == code):
        return
    refuse_if_trained(config.work, TOKENISER, "the recordings, or what is held back of them, have changed")
    clips, said = split_clips(config, [read_part(part) for part in parts])
    edges.say(said)
    dancing = [clip for clip in clips if clip.split == "train"]
    if not any(clip.is_dance for clip in dancing):
        raise ConfigError("all dance is held back; give more dancers or recordings, or a smaller held_share")
    holding = [clip for clip in clips if clip.split != "train"]
    plain = {"shortest_s": config.shortest_s, "cleaned": False}
    own = (
        entry
        for k, clip in enumerate(edges.each("bank", dancing))
        for entry in build_bank([clip], variety=variety_of(config, k), **plain)
    )
    write_store(config.work / "bank", chain(own, splice_entries(config, dancing, edges)))
    held = (e for clip in edges.each("bank_held", holding) for e in build_bank([clip], speeds=(1.0,), **plain))
    write_store(config.work / "bank_held", held)
    keep(config.work, bank=key, bank_code=code, **styles_of(dancing))


def variety_of(config: OwnConfig, number: int) -> Variety:
    """What is made of one clip; splices need two and are made apart."""
    asked = config.bank
    return Variety(asked.mirrored, AMPLITUDES if asked.amplitudes else None, 0.0, config.seed + number)


def splice_entries(config: OwnConfig, clips: Sequence[Clip], edges: Edges) -> Iterable[Entry]:
    """Upper bodies on other lower bodies, mirrored too; never more than ``SPLICE_MOST`` times the dance there is."""
    dances = [clip for clip in clips if clip.is_dance and len(clip.root) >= config.shortest_s * FPS]
    danced = sum(len(clip.root) for clip in dances)
    wanted = int(min(config.bank.splice_minutes * 60 * FPS, SPLICE_MOST * danced))
    if not wanted:
        return
    fitted = [fit for clip in edges.each("splices", dances) for fit in fits(clip)]
    if not can_splice(fitted):
        edges.say("splices: none, no two recordings have tempi near enough to each other's")
        return
    made = splices(fitted, wanted, config.seed)
    edges.say(f"splices: {sum(len(c.root) for c in made.clips) / FPS / 60:.1f} min, {made.tried} tried")
    for clip in made.clips:
        yield from map(entry_of, (clip, mirror(clip)) if config.bank.mirrored else (clip,))


def can_splice(fitted: Sequence[Clip]) -> bool:
    """Are there two recordings of which one could be played on the other's beats?"""
    even = [c for c in fitted if c.fit >= FIT_LEAST and len(c.beats_s) > BEATS]
    periods = [(c.name, float(np.median(np.diff(c.beats_s)))) for c in even]
    return any(
        name != other and STRETCH[0] < period / mate < STRETCH[1] for name, period in periods for other, mate in periods
    )


def styles_of(clips: Sequence[Clip]) -> dict[str, list[str]]:
    """The dancer's style names, and those that ``auto`` changes between."""
    frames: dict[str, int] = {}
    for clip in clips:
        frames[clip.style] = frames.get(clip.style, 0) + len(clip.root)
    known = sorted(sorted(frames, key=frames.get, reverse=True)[:MOST_STYLES])
    danced = {clip.style for clip in clips if clip.is_dance}
    return {"styles": ["any", *known], "auto_styles": [style for style in known if style in danced] or ["any"]}
