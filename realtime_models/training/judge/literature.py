"""Figures of the literature, with where they were printed and whether ours may stand beside them.

Figures are facts of the papers named; where a paper was read through a third party's note that repeats its tables the
row says so. Nothing here is measured by us. Pure data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

Value = float | None  #: None = not printed


class Comparable(Enum):
    """May our figure stand in the same column?"""

    NO = "no"
    PARTLY = "partly"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Entry:
    """A system's row; ``values`` in the order of the columns."""

    system: str
    values: tuple[Value | str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Column:
    """A printed measure: how it relates to ours."""

    title: str
    ours: str  #: key of our measure; "" = we have none
    comparable: Comparable
    why: str


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One protocol of the literature."""

    title: str
    protocol: str
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for entry in self.entries:
            if len(entry.values) != len(self.columns):
                raise ValueError(
                    f"{self.title}, {entry.system}: {len(entry.values)} values, {len(self.columns)} columns"
                )


_MA, _DB, _TD, _NOTE = "Motion Anything", "Danceba", "TokenDance", "by a third party's note"
_MANY = "Motion Anything, Danceba, TokenDance"

_FID = (
    "no common ground: other dancers (AIST++), 20 s at 60 Hz from video instead of 5 s at 30 Hz from capture, 24 SMPL "
    "joints, another implementation of the features, and a training set as reference; the Fréchet distance is biased "
    "by the count besides"
)
_DIV = "mean distance in the same features: no common ground for the same reasons"
_BAS = (
    "the same formula (σ = 3 frames at 60 Hz = 50 ms), but other songs, beats by librosa, 24 joints, and a speed curve "
    "smoothed by 83 ms; the score rises with the number of motion beats"
)

AIST = PaperTable(
    "AIST++",
    "40 test pieces of 20 s; features at 60 Hz; reference = the whole set. BAS is taken from each beat of the music to "
    "the nearest motion beat (Bailando's public scorer and those made from it); Li et al. 2021 defined it the other "
    "way, from each motion beat to the nearest beat of the music.",
    (
        Column("FID kinetic", "fid_kinetic", Comparable.NO, _FID),
        Column("FID geometric", "fid_geometric", Comparable.NO, _FID),
        Column("Div kinetic", "diversity_kinetic", Comparable.NO, _DIV),
        Column("Div geometric", "diversity_geometric", Comparable.NO, _DIV),
        Column("BAS", "bas_music_to_motion", Comparable.PARTLY, _BAS),
    ),
    (
        Entry("real dance of AIST++", (17.10, 10.60, 8.19, 7.45, 0.2374), _MANY),
        Entry("Li et al. (TSMT)", (86.43, 43.46, 6.85, 3.32, 0.1607), _MANY),
        Entry("DanceNet", (69.18, 25.49, 2.86, 2.85, 0.1430), _MANY),
        Entry("Dance Revolution", (73.42, 25.92, 3.52, 4.87, 0.1950), _MANY),
        Entry("FACT", (35.35, 22.11, 5.94, 6.18, 0.2209), _MANY),
        Entry("Bailando", (28.16, 9.62, 7.83, 6.34, 0.2332), _MANY),
        Entry("EDGE (run again by Lodge)", (42.16, 22.12, 3.96, 4.61, 0.2334), _MANY),
        Entry("Lodge", (37.09, 18.79, 5.58, 4.85, 0.2423), _MANY),
        Entry("DiffDance", (24.09, 20.68, 6.02, 2.89, 0.2418), _DB),
        Entry("E3D2", (26.25, 8.94, 7.96, 6.49, 0.2232), _DB),
        Entry("TM2D", (23.94, 9.53, 7.69, 4.53, 0.2127), _MA),
        Entry("MoFusion", (50.31, None, 9.09, None, 0.2530), _MA),
        Entry("BADM", (None, None, 8.29, 6.76, 0.2366), _MA),
        Entry("LMM", (22.08, 21.97, 9.85, 6.72, 0.2249), _MA),
        Entry("UDE", (17.25, 8.69, 7.78, 5.81, 0.2310), _MA),
        Entry("MCM", (15.57, 25.85, 6.50, 5.74, 0.2750), _MA),
        Entry("Bailando++", (17.59, 10.10, 8.64, 6.50, 0.2720), _MA),
        Entry("Bailando++ (official weights, run again)", (22.74, 11.58, 7.94, 6.34, 0.2263), _DB),
        Entry("Motion Anything", (17.22, 8.56, 9.91, 6.79, 0.2757), "its paper; no code"),
        Entry("MEGADance", (25.89, 12.62, None, None, 0.238), _NOTE),
        Entry("TokenDance", (21.55, 11.85, 8.05, 7.12, 0.2313), "its paper"),
        Entry("FlowerDance", (20.50, None, None, 6.52, None), _NOTE),
        Entry("DiscoForcing (causal, live)", (18.87, 11.57, None, None, 0.244), _NOTE),
        Entry("Danceba, best run", (11.67, 11.90, 8.52, 7.55, 0.2714), "its paper"),
        Entry("Danceba, mean of 5", (15.48, 13.57, 7.85, 7.49, 0.2779), "its paper"),
        Entry("Danceba, its authors' later run", (12.92, 14.38, 8.24, 7.44, 0.2902), "fancongyi/Danceba#9"),
        Entry("Danceba, trained by others", (21.90, 11.68, 7.42, 7.84, 0.29), "fancongyi/Danceba#9"),
    ),
    "Real dance has a distance of 17.10 and 10.60 to itself there, and two trainings of one system lie 10 apart: a "
    "figure says something beside what real dance has to itself at the same count, so ours stand in yardsticks.",
)

_MBENCH = (
    "defined the same and measured at 20 Hz on 22 joints, but over 450 spoken prompts instead of songs: a dancer moves "
    "more than a prompt's mean, so read it beside our real dance first"
)
_VLM = "scored by a vision-language model, which the judge does not use"

MBENCH = PaperTable(
    "MBench (ViMoGen)",
    "450 text prompts, 22 joints. Of its nine measures five need joints only; ours are the same formulas on dance.",
    (
        Column("jitter degree", "mbench_jitter_degree", Comparable.PARTLY, _MBENCH),
        Column("dynamic degree", "mbench_dynamic_degree", Comparable.PARTLY, _MBENCH),
        Column("foot sliding", "mbench_foot_sliding", Comparable.PARTLY, _MBENCH),
        Column("consistency", "", Comparable.NO, _VLM),
        Column("generalizability", "", Comparable.NO, _VLM),
    ),
    (
        Entry("MDM", (0.0136, 0.0376, 0.0136, 0.42, 0.51), "ViMoGen paper"),
        Entry("T2M-GPT", (0.0156, 0.0349, 0.0156, 0.39, 0.38), "ViMoGen paper"),
        Entry("MoMask", (0.0147, 0.0396, 0.0147, 0.38, 0.44), "ViMoGen paper"),
        Entry("MotionLCM", (0.0218, 0.0439, 0.0202, 0.48, 0.55), "ViMoGen paper"),
        Entry("MotionDiffuse", (0.0111, 0.0289, 0.0063, 0.44, 0.42), "ViMoGen paper"),
        Entry("ViMoGen", (0.0108, 0.0251, 0.0064, 0.53, 0.68), "ViMoGen paper"),
        Entry("ViMoGen-light", (0.0129, 0.0294, 0.0051, 0.47, 0.55), "ViMoGen paper"),
        Entry("MotionVLA", (None, None, 0.0049, 0.55, None), "its paper"),
    ),
    "Ground penetration and foot floating are not printed in the tables we have.",
)

_OWN = "each measured by its authors on their own data and machine"

STREAMING = PaperTable(
    "Systems that dance or move while they listen",
    "What each says of its speed and of how far it looks ahead. Ours: `make bench`.",
    (
        Column("heard or told", "", Comparable.NO, _OWN),
        Column("speed", "", Comparable.NO, _OWN),
        Column("looks ahead", "", Comparable.NO, _OWN),
        Column("quality as printed", "", Comparable.NO, _OWN),
    ),
    (
        Entry("DiscoForcing", ("live sound", "26 ms a frame, 30 a second, GPU not named", "nothing",
                               "AIST++ FID 18.87 / 11.57, BAS 0.244"), _NOTE),
        Entry("ForeDance / AudioMimic", ("live sound, forecast of 0.56 s", "48-55 ms a plan of 16 frames, 8 kept",
                                         "forecast only", "mostly pending"), "repository"),
        Entry("MEGADance", ("song and genre", "0.19 s of computing a second of dance", "the window of 5.5 s",
                            "AIST++ FID 25.89 / 12.62"), _NOTE),
        Entry("TokenDance", ("song", "1.2 s for 1,024 frames", "whole song", "AIST++ FID 21.55 / 11.85"), "its paper"),
        Entry("FlowerDance", ("song and genre", "2,008 frames a second", "whole clip",
                              "AIST++ FID kinetic 20.50"), _NOTE),
        Entry("DART", ("text", "over 300 frames a second, RTX 4090", "nothing", "BABEL FID 3.79"), "note, repository"),
        Entry("MotionStreamer", ("text", "11 frames a second", "nothing", "own protocol, FID 11.79"), _NOTE),
        Entry("FloodDiffusion", ("text", "about 50 frames a second, RTX 5090", "5 latents",
                                 "HumanML3D FID 0.057"), "note, repository"),
        Entry("CMDM", ("text", "125 frames a second", "uncertainty cascade", "own protocol, FID 0.068"), _NOTE),
        Entry("PRIMAL", ("impulses, targets", "real time inside Unreal", "nothing", "HumanML3D FID 0.511"), _NOTE),
    ),
)  # fmt: skip

TABLES = (AIST, MBENCH, STREAMING)
#: What every reader should know before comparing.
CAUTION = (
    "FID figures of AIST++ and ours **cannot be compared**: other dancers, windows, rates, joints and feature code. "
    "The five joint measures of MBench are defined the same, but over prompts, not songs. The beat alignment score has "
    "two directions: music → motion is what the tables use (Bailando's scorer), motion → music is the definition of Li "
    "et al. 2021; σ is 50 ms in both, and neither says anything without the number of motion beats. Figures of "
    "HumanML3D need a trained evaluator of text and are left out."
)


def ours_beside(table: PaperTable, values: Sequence[tuple[str, dict[str, float]]]) -> tuple[Entry, ...]:
    """Rows of our systems, ``(name, {our key: value})``, for the columns that may be compared; the rest stay empty."""
    return tuple(
        Entry(
            name,
            tuple(
                found.get(column.ours) if column.comparable is not Comparable.NO else None for column in table.columns
            ),
            "this page",
        )
        for name, found in values
    )
