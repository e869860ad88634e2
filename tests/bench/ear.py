"""How right the ear is, beside other trackers on the same tracks, and what it costs: ``make bench-ear``.

CORYBANT_DATA=../shared python -m tests.bench.ear                  our listener beside the results kept of the peers
CORYBANT_DATA=../shared python -m tests.bench.ear --peers all      install the peers and run what is not kept yet
CORYBANT_DATA=../shared python -m tests.bench.ear --peers none --verbose --tracks syn_dnb syn_waltz

The measures are in ``ear_score``, what is said of the form in ``ear_sections``, goals and table in ``ear_table``, the
other trackers in ``peers``.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.listen import Front
from engine.sources import open_file
from engine.types import MODEL_HZ, POSE_HZ, BeatClock, Ear, MusicFeatures
from realtime_models.backends import load_ear
from realtime_models.training.ear.section_score import told_of
from tests.bench import peers
from tests.bench.__main__ import LOG, stamp
from tests.bench.ear_score import clocks_of_beats, levels, predictions, score_beatless, score_beats, score_track
from tests.bench.ear_sections import Measured, measure_sections, print_said, print_sections, summarise_sections
from tests.bench.ear_table import figure, print_table, print_tracks, summarise
from tests.bench.ear_tracks import Track, made_up_tracks, music_folder, read_tracks, write_sound
from tests.bench.hearing import hear_file, new_listener
from tests.bench.running import TRACK, one_core, spread

PROCESSES = 2
WARM_UP = 30


def hear(path: Path, ear: Ear) -> tuple[list[tuple[float, BeatClock]], float]:
    """Clocks (time at which each stood, clock) over a file, and processor seconds of front and listener."""
    known, cpu_s = hear_file(path, ear)
    return clocks_of(known), cpu_s


def clocks_of(known: list[MusicFeatures]) -> list[tuple[float, BeatClock]]:
    return [(features.frame / POSE_HZ, features.beat) for features in known]


def measure_ours(track: Track, weights: Path | None = None) -> dict:
    known, cpu_s = hear_file(track.path, load_ear(folder=weights))
    clocks = clocks_of(known)
    about = {"cpu_share": cpu_s * MODEL_HZ / len(clocks), "said": told_of(known).began}
    if not track.scored:
        return {**about, "unsure": score_beatless(clocks)}
    return {**about, **score_track(clocks, track.truth, track.numbers, track.returns_s)}


def measure_peer(track: Track, result: dict) -> dict:
    """The same measures where a tracker that tells only beats has them; its predictions are its last interval's."""
    rows = result["beats"]
    beats, said, numbers = (np.array([row[key] for row in rows]) for key in ("beat_s", "said_s", "number"))
    clocks = clocks_of_beats(beats, said, numbers, result["sound_s"])
    known = predictions(clocks, track.truth)
    for key in [key for key in known if key.startswith("sure")]:
        del known[key]
    told = score_beats(beats, numbers, track.truth, track.numbers, track.returns_s)
    if not numbers.any():
        del told["downbeat_f"]
    return {"cpu_share": result["cpu_s"] / result["sound_s"], **told, **levels(clocks, track.truth), **known}


def one_thread() -> None:
    """For the processes to come: a listener lives on one core."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def all_ours(tracks: list[Track], weights: Path | None = None) -> dict[str, dict]:
    one_thread()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        rows = pool.starmap(measure_ours, [(track, weights) for track in tracks], chunksize=1)
    return dict(zip((track.name for track in tracks), rows, strict=True))


def all_sections(weights: Path | None = None) -> list[Measured]:
    one_thread()
    return measure_sections(peers.cache_folder() / "sounds", PROCESSES, weights)


def all_of_peer(peer: peers.Peer, tracks: list[Track], compute: bool) -> dict[str, dict]:
    """Scores per scored track, without ``compute`` of those kept. Raises PeerMissing where there is none."""
    rows = {}
    for track in [track for track in tracks if track.scored]:
        sound_hash = track.hash
        result = peers.cached(peer, sound_hash)
        if result is None and not compute:
            continue
        if result is None:
            result = peers.run(peer, sound_of(track, sound_hash), sound_hash)
            print(f"# {peer.name} heard {track.name}", file=sys.stderr, flush=True)
        rows[track.name] = measure_peer(track, result)
    if not rows:
        raise peers.PeerMissing(peers.remembered_failure(peer) or "not run here yet; --peers all installs and runs it")
    return rows


def sound_of(track: Track, sound_hash: str) -> Path:
    """The track as a mono WAV file in the cache, the mix that our listener hears."""
    path = peers.cache_folder() / "sounds" / f"{sound_hash}.wav"
    if not path.exists():
        source = open_file(str(track.path))
        write_sound(path, np.concatenate([block.samples for block in source]), source.rate)
    return path


def systems(
    tracks: list[Track], which: str, weights: Path | None = None
) -> tuple[dict[str, dict[str, dict]], dict[str, str]]:
    """Scores per system and track, ours first; what is missing and why."""
    found, missing = {"ours": all_ours(tracks, weights)}, {}
    for peer in peers.PEERS:
        if which == "none":
            missing[peer.name] = "not asked for (--peers none)"
            continue
        try:
            found[peer.name] = all_of_peer(peer, tracks, compute=which == "all")
        except peers.PeerMissing as reason:
            missing[peer.name] = str(reason)
    return found, missing


def all_tracks() -> list[Track]:
    return [*read_tracks(music_folder()), *made_up_tracks(peers.cache_folder() / "sounds")]


def run(short: bool = False) -> list[dict]:
    """For ``make bench``: cost of the listener; with CORYBANT_DATA also how right it is, beside kept peers."""
    with one_core():
        costs_ms = listen_costs(10.0 if short else 60.0)
    share = 100 * costs_ms.mean() * MODEL_HZ / 1e3
    figures = [
        spread("listener, one model frame", costs_ms, cores=1),
        {"figure": "listener share of one core", "unit": "%", "value": round(float(share), 2)},
    ]
    if "CORYBANT_DATA" not in os.environ:
        print("# ear: CORYBANT_DATA is not set: cost alone, no tracks to be right about", file=sys.stderr)
        return figures
    tracks = all_tracks()[:: 5 if short else 1]
    found, _ = systems(tracks, "cached")
    means = {name: summarise(tracks, rows) for name, rows in found.items()}
    if not short:
        means["ours"] |= summarise_sections(all_sections())
    return figures + [figure(name, mean) for name, mean in means.items()]


def listen_costs(seconds: float) -> np.ndarray:
    """Cost [ms] of the blocks and the step of each model frame."""
    source = open_file(str(TRACK), loop=True)
    front, listen, costs, begin = Front(source.rate), new_listener(load_ear()), [], time.perf_counter()
    for block in source:
        for heard in front.push(block):
            listen(heard)
            costs.append(1e3 * (time.perf_counter() - begin))
            begin = time.perf_counter()
        if len(costs) >= seconds * MODEL_HZ:
            break
    return np.array(costs[WARM_UP:])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ear", description="The ear beside other trackers.")
    parser.add_argument("--peers", choices=("none", "cached", "all"), default="cached", help="(default: cached)")
    parser.add_argument("--tracks", nargs="+", metavar="NAME", help="these alone, no sections; nothing is logged then")
    parser.add_argument(
        "--ear", type=Path, metavar="DIR", help="weights of ours (default: the shipped ones); not logged"
    )
    parser.add_argument("--verbose", action="store_true", help="one table per system with every track")
    parser.add_argument("--no-log", action="store_true", help=f"do not append to {LOG.name}")
    args = parser.parse_args(argv)
    try:
        load_ear(folder=args.ear)
        tracks = all_tracks()
        if unknown := set(args.tracks or ()) - {track.name for track in tracks}:
            there = ", ".join(track.name for track in tracks)
            raise ConfigError(f"no track {', '.join(sorted(unknown))}; there is: {there}")
    except ConfigError as error:
        print(f"bench-ear: {error}", file=sys.stderr)
        return 2
    tracks = [track for track in tracks if not args.tracks or track.name in args.tracks]
    found, missing = systems(tracks, args.peers, args.ear)
    means = {name: summarise(tracks, rows) for name, rows in found.items()}
    sections = [] if args.tracks else all_sections(args.ear)
    if sections:
        means["ours"] |= summarise_sections(sections)
    whole = sum(track.scored for track in tracks)
    for name, rows in found.items():
        if name != "ours" and len(rows) < whole:
            same = summarise([track for track in tracks if track.name in rows], found["ours"])
            on_these = f"F {same['f']:.3f}, AMLt {same['amlt']:.3f}" if "f" in same else "not scored"
            missing[f"{name} on {whole - len(rows)} of {whole} tracks"] = f"--peers all; ours on its tracks: {on_these}"
    if args.verbose:
        for name, rows in found.items():
            print_tracks(name, tracks, rows)
        print_sections(sections)
    print_said(tracks, found["ours"])
    print_table(means, missing, {peer.name: peer.about for peer in peers.PEERS})
    if not (args.no_log or args.tracks or args.ear):
        where = stamp(short=False)
        with LOG.open("a", encoding="utf-8") as log:
            for name, mean in means.items():
                log.write(json.dumps({"bench": "ear", **figure(name, mean), **where}, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
