"""CSV tables: names, separators, times; damaged ones say why in one line."""

import numpy as np
import pytest
from foreign_motion import SCHEMES, csv_text, positions, z_up

from engine.errors import ConfigError
from engine.skeleton import JOINTS
from realtime_models.training.motion_files import read_file

WITHIN_M = 1e-3
T = np.arange(90) / 30


def read(tmp_path, text, fps=None, name="walk.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    (reading,) = read_file(path, fps)
    return reading


def far(reading):
    return np.linalg.norm(reading.motion.positions - positions(), axis=-1).max()


@pytest.mark.parametrize(
    "pattern",
    ["{}_{}", "{}.{}", "{}:{}", "{} {}", "{}_pos_{}", "{}_position_{}", "{}.location.{}", "{}[{}]"],
)
def test_headers(tmp_path, pattern):
    reading = read(tmp_path, csv_text(positions(), pattern=pattern, time=("time", T)))
    assert far(reading) < WITHIN_M and reading.motion.fps == 30.0


def test_upper_case_axes_right_behind_the_name(tmp_path):
    text = csv_text(positions(), names=SCHEMES["Mixamo"], time=("Time", T))
    for axis in "xyz":
        text = text.replace(f"_{axis},", f"{axis.upper()},").replace(f"_{axis}\n", f"{axis.upper()}\n", 1)
    assert text.startswith("Time,mixamorig:HipsX,mixamorig:HipsY,")
    assert far(read(tmp_path, text)) < WITHIN_M


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names(tmp_path, scheme):
    assert far(read(tmp_path, csv_text(positions(), names=SCHEMES[scheme], time=("time", T)))) < WITHIN_M


@pytest.mark.parametrize(("separator", "name"), [(";", "a.csv"), ("\t", "a.tsv"), ("\t", "a.csv")])
def test_separators(tmp_path, separator, name):
    assert far(read(tmp_path, csv_text(positions(), separator=separator, time=("t", T)), name=name)) < WITHIN_M


def test_millimetres_with_z_up(tmp_path):
    reading = read(tmp_path, csv_text(1000 * z_up(positions()), time=("time_ms", 1000 * T)))
    assert far(reading) < WITHIN_M
    assert reading.notes == (
        "Z is up in the file: turned to Y",
        "in millimetres (legs 81 cm): scaled by 0.001 to our legs of 81 cm",
    )


def test_frames_need_a_rate(tmp_path):
    text = csv_text(positions(), time=("frame", np.arange(90)))
    with pytest.raises(ConfigError, match="says no frame rate: name it"):
        read(tmp_path, text)
    assert read(tmp_path, text, fps=24.0).motion.fps == 24.0


def test_other_columns_are_passed_over(tmp_path):
    lines = csv_text(positions(), time=("time", T)).splitlines()
    text = "\n".join([lines[0] + ",left_knee_rotation_x,label", *(line + ",,walk" for line in lines[1:])])
    assert far(read(tmp_path, text)) < WITHIN_M


def test_the_rate_is_that_of_all_rows(tmp_path):
    """Times rounded to a millisecond: 33, 33, 34 ms are 30 Hz, not 1 / .033."""
    reading = read(tmp_path, csv_text(positions(), time=("time", np.round(T, 3))))
    assert reading.motion.fps == pytest.approx(30.0, rel=2e-4) and far(reading) < WITHIN_M


def test_uneven_times_are_resampled_and_said(tmp_path):
    """A row is lost: what was in between is drawn straight, what comes after stays in its time."""
    keep = np.r_[0:40, 42:90]
    reading = read(tmp_path, csv_text(positions()[keep], time=("time", T[keep])))
    assert len(reading.motion.positions) == 90 and reading.motion.fps == pytest.approx(30.0, rel=1e-4)
    assert "uneven times (33.3 to 100.0 ms): resampled at 30 Hz" in reading.notes
    assert far(reading) < 0.01
    reading = read(tmp_path, csv_text(positions()[keep], time=("frame", keep)), fps=30.0)
    assert "2 missing frames: drawn straight between their neighbours" in reading.notes
    assert len(reading.motion.positions) == 90 and far(reading) < 0.01


def test_a_late_start_is_kept(tmp_path):
    assert read(tmp_path, csv_text(positions(), time=("time", T + 1.25))).start_s == 1.25
    clock = read(tmp_path, csv_text(positions(), time=("time", T + 5000)))
    assert clock.start_s == 0.0 and clock.notes[0] == "times start at 5000.000 s: taken as the start of the music"


LINES = csv_text(positions(frames=12), time=("time", T[:12])).splitlines()


def with_cell(row, cell):
    cells = LINES[row].split(",")
    return "\n".join([*LINES[:row], ",".join([*cells[:5], cell, *cells[6:]]), *LINES[row + 1 :]])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "names no positions"),
        ("a,b,c,d\n1,2,3,4\n", "names no positions: 'a,b,c,d'"),
        ("\n".join(LINES[1:]), "names no positions"),
        ("\n".join(LINES[:4]), "holds 3 frames, expected 8"),
        ("\n".join([*LINES[:6], LINES[6][:80], *LINES[7:]]), "line 7 has not 67 columns"),
        (with_cell(5, "five"), "line 6 has something else than a number"),
        (with_cell(5, ""), "positions of 1 of 12 frames are not finite numbers (first: frame 4)"),
        (with_cell(5, "nan"), "positions of 1 of 12 frames are not finite numbers (first: frame 4)"),
        (with_cell(5, "1e30"), "not finite numbers (first: frame 4)"),
        ("\n".join([LINES[0], *LINES[:0:-1]]), "its times do not go up"),
        (
            "\n".join([LINES[0].replace("left_knee", "lamp"), *LINES[1:]]),
            "found for left_knee among pelvis, l",
        ),
        ("\n".join([LINES[0].replace("left_knee_y", "left_knee"), *LINES[1:]]), "no joint found for left_knee"),
        (csv_text(np.zeros((12, 22, 3)), time=("time", T[:12])), "the legs have no length"),
    ],
)
def test_damaged_tables_say_why_in_one_line(tmp_path, text, reason):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        read_file(path)
    line = str(told.value)
    assert line.startswith(str(path)) and reason in line and "accepted: CSV" in line and "\n" not in line


def test_our_own_names_come_in_our_order(tmp_path):
    """Columns in any order: joints go by name."""
    turned = list(reversed(JOINTS))
    text = csv_text(positions()[:, ::-1], names=turned, time=("time", T))
    assert far(read(tmp_path, text)) < WITHIN_M
