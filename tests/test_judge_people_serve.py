"""The judge over HTTP: votes arrive, raters go on where they were, no path leads to the key, nonsense is refused."""

import http.client
import json
import socket
from collections import Counter

import pytest
from judge_pairs import SONGS, SYSTEMS, small_judgement

from engine.errors import ConfigError
from realtime_models.training.judge.people import __main__ as command
from realtime_models.training.judge.people import read_key, read_votes, votes
from realtime_models.training.judge.people.folder import FROZEN, read_pairs
from realtime_models.training.judge.people.serve import MAX_BODY_BYTES, JudgeServer, allowed_host, allowed_origin
from realtime_models.training.judge.people.sitting import RefusedError, Sitting
from realtime_models.training.judge.people.votes import Choice


@pytest.fixture
def judge(tmp_path):
    small_judgement(tmp_path)
    server = JudgeServer(tmp_path)
    server.start()
    yield server, tmp_path
    server.stop()


def call(server: JudgeServer, method: str, path: str, body=None, **headers):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    data = json.dumps(body) if isinstance(body, dict | list) else body
    given = {"Content-Type": "application/json", **headers} if method == "POST" else headers
    connection.request(method, path, data, given)
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def joined(server: JudgeServer, name: str = "") -> tuple[str, dict]:
    rater = json.loads(call(server, "POST", "/rater", {"name": name})[2])["rater"]
    return rater, json.loads(call(server, "GET", f"/session?rater={rater}")[2])


def voted(server: JudgeServer, rater: str, question: dict, choice: str) -> int:
    body = {"rater": rater, "left": question["left"], "right": question["right"], "choice": choice}
    return call(server, "POST", "/vote", body)[0]


def test_a_session_from_the_first_question_to_the_report(judge):
    server, folder = judge
    assert json.loads(call(server, "GET", "/extent")[2]) == {"questions": 14, "seconds": 1.0}
    rater, session = joined(server, "Ada <b>Lovelace</b>\n")
    assert session["frames"] == 31 and session["fps"] == 30 and len(session["questions"]) == 14
    key = read_key(folder)["clips"]
    for question in session["questions"]:
        assert set(question) == {"left", "right", "sound", "choice"} and question["choice"] is None
        sizes = {len(call(server, "GET", f"/clip/{question[side]}")[2]) for side in ("left", "right")}
        assert sizes == {31 * 22 * 3 * 2}
        assert call(server, "GET", f"/sound/{question['sound']}")[2][:4] == b"RIFF"
        # This rater always likes ours, and is awake.
        left, right = (key[question[side]]["system"] for side in ("left", "right"))
        choice = (
            "left" if left == "ours" or right == FROZEN else "right" if right == "ours" or left == FROZEN else "tie"
        )
        assert voted(server, rater, question, choice) == 200
    printed = command.report(folder)
    for system in SYSTEMS[1:]:
        assert any(line.startswith(system) and "100 %" in line for line in printed.splitlines())
    assert "0 of 2 failed" in printed
    log = (folder / "votes" / "votes.jsonl").read_text()
    assert len(log.splitlines()) == 14
    for name in (*SYSTEMS, *SONGS, FROZEN):
        assert name not in log
    assert "Ada bLovelaceb" in (folder / "votes" / "raters.jsonl").read_text()


def test_each_rater_gets_an_order_of_their_own_and_goes_on_after_a_restart(judge):
    server, folder = judge
    sessions = [joined(server) for _ in range(4)]
    orders = [[q["sound"] + min(q["left"], q["right"]) for q in session["questions"]] for _, session in sessions]
    assert len({tuple(order) for order in orders}) == 4
    rater, session = sessions[2]
    for question, choice in zip(session["questions"], ("left", "tie", "right"), strict=False):
        assert voted(server, rater, question, choice) == 200
    assert voted(server, rater, session["questions"][0], "right") == 200  # thought again
    server.stop()
    votes.append(folder / "votes" / "votes.jsonl", {"rater": "somebody else"})
    with (folder / "votes" / "votes.jsonl").open("ab") as log:
        log.write(b'{"rater": "' + rater.encode())  # the machine was switched off
    again = JudgeServer(folder)
    again.start()
    try:
        assert again.sitting.damaged == 2
        went_on = json.loads(call(again, "GET", f"/session?rater={rater}")[2])
        assert [q["choice"] for q in went_on["questions"]][:4] == ["right", "tie", "right", None]
        assert [(q["left"], q["right"]) for q in went_on["questions"]] == [
            (q["left"], q["right"]) for q in session["questions"]
        ]
        new, fresh = joined(again)
        assert new not in {r for r, _ in sessions}
        assert [q["sound"] + min(q["left"], q["right"]) for q in fresh["questions"]] not in orders
        assert voted(again, rater, session["questions"][3], "left") == 200
    finally:
        again.stop()
    found, damaged = read_votes(folder / "votes" / "votes.jsonl")
    assert damaged == 2 and len(found) == 5
    printed = command.report(folder)
    assert "1 votes replaced by a later one" in printed and "2 damaged lines" in printed


TRAVERSAL = (
    "/sealed/key.json", "/../sealed/key.json", "/clip/../../sealed/key.json", "/clip/..%2f..%2fsealed%2fkey.json",
    "/%2e%2e/sealed/key.json", "/clip/%2e%2e/%2e%2e/sealed/key.json", "/clip/..\\..\\sealed\\key.json",
    "//sealed/key.json", "/sound/../sealed/key.json", "/pairs.json", "/pairs/pairs.json", "/votes/votes.jsonl",
    "/votes/raters.jsonl", "/page.js/../../sealed/key.json", "/clip/key", "/clip/", "/clip/%00", "/key.json?x=/clip/",
    "http://127.0.0.1/sealed/key.json", "/__main__.py", "/index.html", "/session?rater=../key",
)  # fmt: skip


def test_no_path_leads_to_the_key_or_the_log(judge):
    server, folder = judge
    rater, session = joined(server)
    voted(server, rater, session["questions"][0], "left")
    secret = str(read_key(folder)["secret"])
    assert (folder / "sealed" / "key.json").read_text().count(secret) == 1
    for path in TRAVERSAL:  # raw: a client would tidy the path up
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            reply = b"".join(iter(lambda wire=wire: wire.recv(65536), b""))
        assert reply.split()[1] == b"404", path
        for told in (*SYSTEMS, secret, "sealed", rater):
            assert told.encode() not in reply
    assert server.refused[404] == len(TRAVERSAL)


def test_nothing_that_is_served_names_a_system(judge):
    server, _ = judge
    _, session = joined(server)
    for path in ("/", "/page.css", "/page.js", "/body.js", "/stage.js", "/sound.js", "/extent"):
        status, headers, body = call(server, "GET", path)
        assert status == 200
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert b"http://" not in body and b"https://" not in body
        for system in ("clips on the grid", "motion graph", FROZEN):
            assert system.encode() not in body
    told = json.dumps(session)
    for name in (*SYSTEMS, *SONGS, FROZEN):
        assert name not in told
    names = [q[side] for q in session["questions"] for side in ("left", "right")]
    heads = [call(server, "GET", f"/clip/{name}")[1] for name in names]
    assert len({json.dumps({k: v for k, v in head.items() if k != "Date"}, sort_keys=True) for head in heads}) == 1


def test_the_malformed_is_refused_and_counted(judge):
    server, folder = judge
    rater, session = joined(server)
    good = {"rater": rater, **{k: session["questions"][0][k] for k in ("left", "right")}, "choice": "left"}
    turned = {**good, "left": good["right"], "right": good["left"]}
    bad = (
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 2000, {"rater": rater}, {**good, "choice": "middle"},
        {**good, "choice": 1}, {**good, "rater": "nobody"}, {**good, "rater": [1]}, {**good, "left": "../key"}, turned,
    )  # fmt: skip
    for body in bad:
        assert call(server, "POST", "/vote", body)[0] == 400, body
    assert call(server, "POST", "/rater", {"name": 7})[0] == 400
    assert call(server, "POST", "/vote", good, **{"Content-Type": "text/plain"})[0] == 400
    assert server.refused == Counter({400: len(bad) + 2})
    assert call(server, "POST", "/vote", {**good, "more": "x" * MAX_BODY_BYTES})[0] == 413
    assert call(server, "POST", "/elsewhere", good)[0] == 404
    assert call(server, "POST", "/vote", good, Host="judge.example")[0] == 403
    assert call(server, "POST", "/vote", good, Origin="http://judge.example")[0] == 403
    assert call(server, "GET", "/", Host="judge.example")[0] == 403
    assert call(server, "PUT", "/vote", b"")[0] == 501
    assert read_votes(folder / "votes" / "votes.jsonl") == ([], 0)
    assert call(server, "POST", "/vote", good, Origin=f"http://127.0.0.1:{server.port}")[0] == 200
    assert [v.choice for v in read_votes(folder / "votes" / "votes.jsonl")[0]] == [Choice.LEFT]


def test_hosts_and_origins():
    for host in ("127.0.0.1:80", "localhost", "[::1]:8", "192.168.0.7:8767", socket.gethostname()):
        assert allowed_host(host), host
    for host in (None, "", "judge.example", "127.0.0.1.judge.example", "localhost.judge.example", "[::1", ":80"):
        assert not allowed_host(host), host
    assert allowed_origin(None, "127.0.0.1:8") and allowed_origin("http://127.0.0.1:8", "127.0.0.1:8")
    assert not allowed_origin("http://127.0.0.1:9", "127.0.0.1:8") and not allowed_origin("null", "127.0.0.1:8")


def test_more_raters_than_sessions_begin_the_sessions_again(tmp_path):
    small_judgement(tmp_path)
    ids = iter(range(100))
    sitting = Sitting(read_pairs(tmp_path), tmp_path / "votes", new_id=lambda: f"r{next(ids)}")
    raters = [sitting.join("", "t") for _ in range(13)]
    first, last = (sitting.session(r)["questions"] for r in (raters[0], raters[12]))
    assert first == last
    with pytest.raises(RefusedError, match="no such rater"):
        sitting.session("r77")


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CORYBANT_DATA", raising=False)
    assert command.main(["--report", "--pairs", str(tmp_path)]) == 2
    assert "no sealed key" in capsys.readouterr().err
    assert command.main(["--pairs", str(tmp_path)]) == 2  # nothing to build from
    assert "CORYBANT_DATA must name the folder" in capsys.readouterr().err
    small_judgement(tmp_path)
    assert command.main(["--report", "--pairs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("not yet judged") == 7  # three of ours, three others, attention
    assert command.main(["--serve", "no port", "--pairs", str(tmp_path)]) == 2
    assert "write --serve [HOST:]PORT" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="cannot listen on"):
            JudgeServer(tmp_path, port=port)
    assert command.address_of("0.0.0.0:80") == ("0.0.0.0", 80) and command.address_of("80") == ("127.0.0.1", 80)
