"""Every measure of the judge in one list: unit, aim and what passes. ``definitions.py`` says what each means.

To change what passes, change it here; nothing else knows a limit. Values come in SI units and shares unless the key
ends in another unit; the unit given is the one shown. Reasons for the limits:

- A distance passes up to 1.5 x what real dance has to itself (median over halves that share no clip). Where that cannot
  be told from zero (an unbiased kernel distance), it passes up to what real halves reach.
- What has a real counterpart passes within a fifth of it. Real dance slides and stands still at times, so zero is
  nobody's goal. The figure in brackets is the difference that nobody sees, in the unit of the value.
- Real dance clips come without their music, so beat and music are set beside controls of the same system: the wrong
  music, silence, and random minima (as many motion beats, placed by chance).
"""

from realtime_models.training.judge.definitions import DEFINITIONS
from realtime_models.training.judge.table import Better, Control, Group, Kind, Measure, Rule

#: Names of systems that rules and controls speak of.
FROZEN, SHUFFLED, MINIMA = "frozen pose", "shuffled clips", "random minima"

_SCALE = {"%": 100.0, "mm": 1000.0, "cm": 100.0, "ms": 1000.0}  #: shown = value x this


def _row(group: Group, key: str, title: str, unit: str, aim: Better, digits: int, *rules: Rule) -> Measure:
    scale = 1.0 if key.endswith(f"_{unit}") else _SCALE.get(unit, 1.0)
    return Measure(key, title, unit, aim, digits, group, rules, scale, *DEFINITIONS[key])


def near(slack: float = 0.0) -> Rule:
    """Within a fifth of real dance, either way."""
    return Rule(Kind.NEAR_REAL, 0.2, slack)


def not_above(slack: float = 0.0) -> Rule:
    """At most a fifth above real dance."""
    return Rule(Kind.NOT_ABOVE_REAL, 1.2, slack)


def not_below(slack: float = 0.0) -> Rule:
    """At most a fifth below real dance."""
    return Rule(Kind.NOT_BELOW_REAL, 0.8, slack)


def at_least(value: float) -> Rule:
    return Rule(Kind.AT_LEAST, value)


def at_most(value: float) -> Rule:
    return Rule(Kind.AT_MOST, value)


def between(low: float, high: float) -> tuple[Rule, Rule]:
    return at_least(low), at_most(high)


def times_minima(times: float) -> Rule:
    """So many times what random minima have in the same row."""
    return Rule(Kind.TIMES_SYSTEM, times, other=MINIMA)


YARDSTICK = Rule(Kind.YARDSTICK, 1.5)
ABOVE_ZERO = Rule(Kind.LOW_END_ABOVE, 0.0)
TWICE_WRONG = Rule(Kind.TIMES_ROW, 2.0, other="beat_r_wrong")
ABOVE_SILENCE = Rule(Kind.ABOVE_ROW, 0.15, other="beat_r_silent")
#: Seeds must differ, but dances of one song need not differ as songs do.
QUARTER_KINETIC = Rule(Kind.TIMES_ROW, 0.25, other="diversity_kinetic")
QUARTER_GEOMETRIC = Rule(Kind.TIMES_ROW, 0.25, other="diversity_geometric")

LOWER, HIGHER, NEAR = Better.LOWER, Better.HIGHER, Better.REAL
BEAT, DISTRIBUTION, BODY, MUSIC, FORM, PEOPLE = Group

#: group, key, title, unit as shown, aim, digits, rules (all must hold; none = shown only)
MEASURES = (
    # Beat
    _row(BEAT, "beat_r", "R, right music", "", HIGHER, 2, at_least(0.3), TWICE_WRONG, ABOVE_SILENCE),
    _row(BEAT, "beat_r_shifted", "R, music half a beat late", "", HIGHER, 2),
    _row(BEAT, "beat_r_wrong", "R, wrong music", "", LOWER, 2),
    _row(BEAT, "beat_r_silent", "R, silence", "", LOWER, 2),
    _row(BEAT, "beat_r_floor", "R of as many random minima", "", LOWER, 2),
    _row(BEAT, "beat_lag_s", "lag", "ms", NEAR, 0, *between(-0.07, 0.07)),
    _row(BEAT, "beat_lag_moved", "lag moved by the late music", "%", NEAR, 0, *between(0.8, 1.2)),
    _row(BEAT, "beat_f1", "F1 at 70 ms", "", HIGHER, 2, times_minima(1.3)),
    _row(BEAT, "beat_precision", "precision", "", HIGHER, 2),
    _row(BEAT, "beat_recall", "recall", "", HIGHER, 2),
    _row(BEAT, "bas_music_to_motion", "BAS, music → motion", "", HIGHER, 3),
    _row(BEAT, "bas_motion_to_music", "BAS, motion → music", "", HIGHER, 3, times_minima(1.1)),
    _row(BEAT, "beats_per_beat", "motion beats a beat", "", NEAR, 2),
    # Distribution
    _row(DISTRIBUTION, "fid_kinetic", "FID, kinetic", "", LOWER, 2, YARDSTICK),
    _row(DISTRIBUTION, "fid_energies", "FID, kinetic as in papers", "", LOWER, 2, YARDSTICK),
    _row(DISTRIBUTION, "fid_geometric", "FID, geometric", "", LOWER, 2, YARDSTICK),
    _row(DISTRIBUTION, "kd_kinetic", "kernel distance, kinetic", "", LOWER, 3, YARDSTICK),
    _row(DISTRIBUTION, "kd_geometric", "kernel distance, geometric", "", LOWER, 3, YARDSTICK),
    _row(DISTRIBUTION, "two_sample", "told from real by a classifier", "%", LOWER, 0, YARDSTICK),
    _row(DISTRIBUTION, "diversity_kinetic", "diversity, kinetic", "", NEAR, 1, near()),
    _row(DISTRIBUTION, "diversity_geometric", "diversity, geometric", "", NEAR, 1, near()),
    _row(DISTRIBUTION, "multimodality_kinetic", "multimodality, kinetic", "", HIGHER, 1, QUARTER_KINETIC),
    _row(DISTRIBUTION, "multimodality_geometric", "multimodality, geometric", "", HIGHER, 1, QUARTER_GEOMETRIC),
    _row(DISTRIBUTION, "novelty_mm", "nearest training window", "mm", HIGHER, 0, not_below()),
    _row(DISTRIBUTION, "copied_share", "copied windows", "%", LOWER, 0, not_above(0.03)),
    # Body
    _row(BODY, "nonfinite_frames", "frames not finite", "", LOWER, 0, at_most(0)),
    _row(BODY, "speed_m_s", "mean joint speed", "m/s", NEAR, 2, near()),
    _row(BODY, "speed_relative_m_s", "the same beside the pelvis", "m/s", NEAR, 2, near()),
    _row(BODY, "frozen_s", "longest standstill", "s", LOWER, 1, not_above(0.5)),
    _row(BODY, "still_share", "holding still", "%", NEAR, 1, near(0.02)),
    _row(BODY, "contact_share", "frames with a foot down", "%", NEAR, 0, near(0.02)),
    _row(BODY, "slide_m_s", "foot slide", "m/s", LOWER, 2, not_above(0.01)),
    _row(BODY, "slide_p95_m_s", "foot slide, 95th percentile", "m/s", LOWER, 2, not_above(0.03)),
    _row(BODY, "floating_mm", "floating", "mm", LOWER, 1, not_above(2)),
    _row(BODY, "floating_share", "frames afloat", "%", LOWER, 1, not_above(0.01)),
    _row(BODY, "penetration_mm", "penetration", "mm", LOWER, 1, not_above(1)),
    _row(BODY, "sunk_share", "frames under the floor", "%", LOWER, 1, not_above(0.005)),
    _row(BODY, "sunk_max_m", "deepest joint", "cm", LOWER, 1, not_above(0.02)),
    _row(BODY, "pfc", "physical foot contact", "", LOWER, 2, not_above(0.1)),
    _row(BODY, "jerk_m_s3", "jerk", "m/s³", NEAR, 0),
    _row(BODY, "jerk_per_speed_hz2", "jerk by speed", "1/s²", NEAR, 0, near()),
    _row(BODY, "jitter_mm", "jitter", "mm", NEAR, 1),
    _row(BODY, "jitter_per_speed_ms", "jitter by speed", "ms", NEAR, 1, near()),
    _row(BODY, "tremor_mm", "tremble", "mm", LOWER, 2, not_above(0.2)),
    _row(BODY, "turn_p999_rad_s", "joint turning, 99.9th percentile", "rad/s", LOWER, 1, not_above(1)),
    _row(BODY, "seams_per_minute", "seam jumps a minute", "", LOWER, 1, not_above(0.5)),
    _row(BODY, "mbench_jitter_degree", "MBench jitter degree", "", LOWER, 4, not_above()),
    _row(BODY, "mbench_ground_penetration", "MBench ground penetration", "", LOWER, 4, not_above(0.001)),
    _row(BODY, "mbench_foot_floating", "MBench foot floating", "", LOWER, 3, not_above(0.01)),
    _row(BODY, "mbench_foot_sliding", "MBench foot sliding", "", LOWER, 4, not_above(0.0005)),
    _row(BODY, "mbench_dynamic_degree", "MBench dynamic degree", "", NEAR, 4, near()),
    # Music
    _row(MUSIC, "energy_correlation", "energy of music and body", "", HIGHER, 2, ABOVE_ZERO),
    _row(MUSIC, "energy_correlation_wrong", "the same beside wrong music", "", LOWER, 2),
    # Form
    _row(FORM, "section_answer_db", "answer to sections", "dB", HIGHER, 2, ABOVE_ZERO),
    _row(FORM, "drift_speed_ratio", "speed, minute 10 / minute 1", "", NEAR, 2, *between(0.7, 1.3)),
    _row(FORM, "drift_radius_m", "furthest from the centre in 10 minutes", "m", LOWER, 2, at_most(2.5)),
    _row(FORM, "drift_floor_mm", "floor, minute 10 − minute 1", "mm", NEAR, 1, *between(-10, 10)),
    _row(FORM, "held_poses", "poses held by the guard", "", LOWER, 0, at_most(0)),
    # People
    _row(PEOPLE, "wins_clips_on_grid", "preferred to clips on the grid", "%", HIGHER, 0, at_least(0.5)),
    _row(PEOPLE, "wins_motion_graph", "preferred to the motion graph", "%", HIGHER, 0, at_least(0.5)),
    _row(PEOPLE, "wins_real", "preferred to real dance", "%", HIGHER, 0, at_least(0.5)),
)

#: Systems that must fail, and where: else the judge is at fault.
CONTROLS = (
    Control(FROZEN, ("beat_r", "fid_kinetic", "fid_geometric", "two_sample", "diversity_kinetic", "frozen_s")),
    Control(SHUFFLED, ("beat_r", "seams_per_minute")),
    Control(MINIMA, ("beat_r", "beat_f1", "bas_motion_to_music")),
)
