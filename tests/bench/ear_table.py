"""Means over tracks, the goals, and tables for the terminal. Pure but for printing."""

import math
import re
from dataclasses import dataclass

import numpy as np

from tests.bench.ear_score import calibration_error, prediction_shares
from tests.bench.ear_tracks import Track

MEANS = ("f", "cmlt", "amlt", "downbeat_f", "octave", "offbeat")
KINDS = ("synthetic", "human drums rendered", "real")
KIND_MEANS = ("f", "amlt", "downbeat_f", "ahead")
SHORT = {"human drums rendered": "human drums"}
RAMP = "syn_accelerando"


@dataclass(frozen=True)
class Goal:
    """A row of the table: a figure of the summary, and what ours must reach."""

    key: str
    title: str
    digits: int = 3
    least: float | None = None
    most: float | None = None
    beats: str | None = None  #: name of a peer that ours must be ahead of, too

    def met(self, means: dict[str, dict]) -> bool | None:
        """None where nothing is asked or nothing was measured."""
        value = means["ours"].get(self.key, math.nan)
        if (self.least is None and self.most is None) or math.isnan(value):
            return None
        good = value >= (self.least if self.least is not None else -math.inf)
        good = good and value <= (self.most if self.most is not None else math.inf)
        return good and not (self._rival(means) and value <= means[self.beats].get(self.key, -math.inf))

    def _rival(self, means: dict[str, dict]) -> bool:
        """The rival was measured on as many tracks."""
        return self.beats in means and means[self.beats]["tracks"] == means["ours"]["tracks"]

    def asked(self, means: dict[str, dict]) -> str:
        limits = [(">=", self.least), ("<=", self.most)]
        text = " ".join(f"{sign} {value:g}" for sign, value in limits if value is not None)
        if not self.beats:
            return text
        return f"{text}, > {self.beats}{'' if self._rival(means) else ' (not measured)'}"


GOALS = (
    Goal("f", "beat F (70 ms)", least=0.85, beats="madmom"),
    Goal("cmlt", "CMLt"),
    Goal("amlt", "AMLt", least=0.86, beats="madmom"),
    Goal("downbeat_f", "downbeat F", least=0.60),
    Goal("octave", "share at half or double tempo"),
    Goal("offbeat", "share half a beat off"),
    Goal("octave_70", "  at half or double, made-up 70 BPM", most=0.02),
    Goal("octave_174", "  at half or double, made-up 174 BPM", most=0.02),
    Goal("f_70", "  beat F, made-up 70 BPM"),
    Goal("f_174", "  beat F, made-up 174 BPM"),
    Goal("lock_median_s", "lock, median [s]", 2, most=2.0),
    Goal("lock_p90_s", "lock, p90 [s]", 2, most=4.0),
    Goal("relock_median_s", "after a sudden tempo, median [s]", 2, most=3.0),
    Goal("return_worst_bars", "after silence or breakdown, worst [bars]", 2, most=1.0),
    Goal("ramp_lag_ms", "lag in the accelerando, median [ms]", 1),
    Goal("ahead", "150 ms ahead, right (< 70 ms)", least=0.85),
    Goal("ahead_median_ms", "  median of those [ms]", 1, most=8.0),
    Goal("ahead_p90_ms", "  p90 of those [ms]", 1, most=20.0),
    Goal("sure_ahead", "  right where confidence > .8", least=0.93),
    Goal("sure_share", "  share of beats with confidence > .8"),
    Goal("sure_ahead_median_ms", "  median of those right [ms]", 1),
    Goal("sure_ahead_p90_ms", "  p90 of those right [ms]", 1),
    Goal("beat_ahead", "one beat ahead, right", least=0.80),
    Goal("beat_ahead_median_ms", "  median of those [ms]", 1),
    Goal("beat_ahead_p90_ms", "  p90 of those [ms]", 1),
    Goal("unsure", "no beat: time with confidence < .3", least=0.90),
    Goal("unsure_speech", "speech: the same", least=0.90),
    Goal("ece", "calibration error of confidence", least=None, most=0.08),
    Goal("drop_f", "drop F (one beat), rendered club pieces", least=0.7),
    Goal("drop_precision", "  precision"),
    Goal("drop_recall", "  recall"),
    Goal("drop_f, clean", "  F, clean"),
    Goal("drop_f, room", "  F, in a room"),
    Goal("drop_late_beats", "  said after it, median [beats]", 2),
    Goal("false_drops_per_min", "  said in music without one [1/min]", 2),
    Goal("build_f", "build-up F (one bar)"),
    Goal("break_f", "break F (one bar)"),
    Goal("phrase_f", "phrase F (half a beat)"),
    Goal("change_right", "next change, right (one beat) where > .5"),
    Goal("change_sure_share", "  share of the time above .5"),
    Goal("change_ece", "  calibration error of its probability"),
    Goal("cpu_share", "share of one core", 4, most=0.05),
    *(
        Goal(f"{key}, {kind}", f"{key.replace('_', ' ')}, {SHORT.get(kind, kind)}")
        for kind in KINDS
        for key in KIND_MEANS
    ),
)


def summarise(tracks: list[Track], rows: dict[str, dict]) -> dict[str, float]:
    """All figures of one system: means over the scored tracks; predictions and calibration pooled over their beats.

    ``rows``: the scores of each track by its name. Made-up tracks, sound without a beat and speech stand apart. A
    figure that the system does not have is absent.
    """
    tracks = [track for track in tracks if track.name in rows]
    scored = [(track, rows[track.name]) for track in tracks if track.scored and track.kind != "made up"]
    result: dict[str, float] = {"tracks": len(scored)}
    if scored:
        result |= _means([row for _, row in scored], MEANS)
        result |= _pooled([row for _, row in scored])
    for kind in KINDS:
        of_kind = [row for track, row in scored if track.kind == kind]
        result |= {f"{key}, {kind}": value for key, value in _means(of_kind, KIND_MEANS).items()}
    for track in tracks:
        if track.kind == "made up" and (bpm := re.search(r"\d+", track.name)):
            result |= {f"{key}_{bpm[0]}": rows[track.name][key] for key in ("octave", "f")}
        if track.name == RAMP:
            result["ramp_lag_ms"] = rows[track.name]["offset_ms"]
    for kind, key in (("no beat", "unsure"), ("speech", "unsure_speech")):
        shares = [rows[track.name]["unsure"] for track in tracks if track.kind == kind]
        if shares:
            result[key] = float(np.mean(shares))
    result["cpu_share"] = float(np.mean([rows[track.name]["cpu_share"] for track in tracks]))
    return result


def _means(rows: list[dict], keys: tuple[str, ...]) -> dict[str, float]:
    return {key: float(np.nanmean([row[key] for row in rows])) for key in keys if rows and key in rows[0]}


def _pooled(rows: list[dict]) -> dict[str, float]:
    locks = [row["lock_s"] for row in rows]
    # the percentile without interpolation: a track that never locks is infinite
    result = {"lock_median_s": float(np.median(locks)), "lock_p90_s": float(np.percentile(locks, 90, method="higher"))}
    if len(relocks := np.concatenate([row["relocks_s"] for row in rows])):
        result["relock_median_s"] = float(np.median(relocks))
    if len(returns := np.concatenate([row["returns_bars"] for row in rows])):
        result["return_worst_bars"] = float(returns.max())
    errors, beat_ahead = (np.concatenate([row[key] for row in rows]) for key in ("errors_s", "beat_ahead_s"))
    if "sure" in rows[0]:
        result |= prediction_shares(errors, np.concatenate([row["sure"] for row in rows]), beat_ahead)
        result["ece"] = calibration_error(sum(row["calibration"] for row in rows))
    else:
        shares = prediction_shares(errors, np.zeros(len(errors), bool), beat_ahead)
        result |= {key: value for key, value in shares.items() if not key.startswith("sure")}
    return result


def figure(name: str, means: dict[str, float]) -> dict:
    """One line of the log; what never came (infinite) is the text "never", what was not there is left out."""
    values = {key: "never" if math.isinf(value) else round(value, 4) for key, value in means.items() if value == value}
    return {"figure": f"ear, {name}", **values}


def print_table(means: dict[str, dict], missing: dict[str, str], about: dict[str, str]) -> None:
    names = list(means)
    print(f"\n{'':42}" + "".join(f"{name:>11}" for name in names) + "   goal")
    print(f"{'scored tracks':42}" + "".join(f"{means[name]['tracks']:>11}" for name in names))
    met = []
    for goal in GOALS:
        if not any(goal.key in means[name] for name in names):
            continue
        cells = "".join(f"{_cell(means[name].get(goal.key), goal.digits):>11}" for name in names)
        passed = goal.met(means)
        met += [passed] if passed is not None else []
        mark = {None: "", True: "   ok    ", False: "   MISSED "}[passed]
        print(f"{goal.title:42}{cells}{mark}{goal.asked(means) if passed is not None else ''}")
    print(f"\nours meets {sum(met)} of {len(met)} goals")
    for name in names[1:]:
        print(f"{name}: {about[name]}; predictions: its beats, carried on by its last intervals")
    for name, reason in missing.items():
        print(f"{name}: NOT MEASURED: {reason}")


def print_tracks(name: str, tracks: list[Track], rows: dict[str, dict]) -> None:
    keys = ("f", "cmlt", "amlt", "downbeat_f", "octave", "offbeat", "lock_s", "ahead", "beat_ahead", "sure_ahead")
    keys += ("sure_share", "offset_ms", "ece", "unsure", "cpu_share")
    print(f"\n{name:24}" + "".join(f"{key:>11}" for key in keys) + "  relock [s], return [bars]")
    for track in [track for track in tracks if track.name in rows]:
        row = rows[track.name]
        cells = "".join(f"{_cell(row.get(key), 1 if key.endswith('ms') else 3):>11}" for key in keys)
        events = [*np.round(row.get("relocks_s", []), 2), *np.round(row.get("returns_bars", []), 2)]
        print(f"{track.name[:24]:24}{cells}  {' '.join(f'{value:g}' for value in events)}")


def _cell(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return "-"
    return "never" if math.isinf(value) else f"{value:.{digits}f}"
