"""Plain HTTP answers of the stage: which files, which parts of them, for whom."""

import socket

import pytest

from bridges.pages import MAX_PART_BYTES, allowed_host, allowed_origin, file_reply, parse_range, static_file


@pytest.fixture
def dist(tmp_path):
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "avatar").mkdir()
    (root / "index.html").write_text("<html>")
    (root / "secret.txt").write_text("no")
    (root / "assets" / "stage.js").write_text("1")
    (root / "avatar" / "dancer.vrm").write_bytes(b"glTF")
    (tmp_path / "outside.txt").write_text("no")
    return root


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/assets/stage.js", "stage.js"),
        ("/avatar/dancer.vrm", "dancer.vrm"),
    ],
)
def test_page_assets_and_avatar_are_found(dist, path, name):
    assert static_file(path, dist).name == name


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/assets",
        "/assets/",
        "/assets/missing.js",
        "/../outside.txt",
        "/assets/../../outside.txt",
        "/assets/..%2f..%2foutside.txt",
        "/assets/%2e%2e/secret.txt/../../../outside.txt",
        "/assets/\0",
        "/assets/%00",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/assets/" + "a" * 5000,
    ],
)
def test_nothing_else_is(dist, path):
    assert static_file(path, dist) is None


def test_a_link_out_of_the_folder_is_not_followed(dist, needs):
    try:
        (dist / "assets" / "link.txt").symlink_to(dist.parent / "outside.txt")
    except OSError:
        needs.absent("the right to make symbolic links", "on Windows: Settings, For developers, Developer Mode")
    assert static_file("/assets/link.txt", dist) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=10-", (10, 99)),
        ("bytes=90-200", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-200", (0, 99)),
        ("bytes = 5 - 5", (5, 5)),
        ("bytes=100-", (1, 0)),
        ("bytes=-0", (1, 0)),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-", None),
    ],
)
def test_ranges(header, expected):
    assert parse_range(header, 100) == expected


def test_a_file_whole_in_part_and_out_of_reach(tmp_path):
    sound = tmp_path / "demo.ogg"
    sound.write_bytes(bytes(range(100)))
    whole = file_reply(sound)
    assert (whole.status, whole.body, whole.headers["Content-Type"]) == (200, bytes(range(100)), "audio/ogg")
    part = file_reply(sound, "bytes=10-19")
    assert (part.status, part.body) == (206, bytes(range(10, 20)))
    assert part.headers["Content-Range"] == "bytes 10-19/100"
    outside = file_reply(sound, "bytes=500-")
    assert (outside.status, outside.body, outside.headers["Content-Range"]) == (416, b"", "bytes */100")


def test_a_long_file_is_given_in_parts_of_bounded_size(tmp_path):
    sound = tmp_path / "long.wav"
    with sound.open("wb") as stream:
        stream.truncate(3 * MAX_PART_BYTES)
    part = file_reply(sound, "bytes=1-")
    assert len(part.body) == MAX_PART_BYTES
    assert part.headers["Content-Range"] == f"bytes 1-{MAX_PART_BYTES}/{3 * MAX_PART_BYTES}"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost", "LOCALHOST:1", "192.168.1.7:80", "[::1]:8765", "[fe80::1]"]
)
def test_addresses_and_loopback_are_good_hosts(host):
    assert allowed_host(host)


def test_our_own_name_is_a_good_host():
    assert allowed_host(f"{socket.gethostname()}:8765")


@pytest.mark.parametrize("host", [None, "", "evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "a b"])
def test_foreign_names_are_not(host):
    """A page of evil.example whose name is made to lead to this machine must get nothing."""
    assert not allowed_host(host)


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        (None, True),
        ("http://192.168.1.7:8765", True),
        ("http://localhost:5173", True),
        ("https://[::1]:3000", True),
        ("http://192.168.1.7:80", False),
        ("http://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
        ("file://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_our_own_and_loopback_pages_may_control(origin, good):
    assert allowed_origin(origin, "192.168.1.7:8765") is good
