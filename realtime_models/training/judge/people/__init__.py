"""Blind pairs for people: which of two dances fits the music better?

excerpts.py  pieces of a song and of everybody's dance to it, alike in all but the dance
plan.py      who beside whom, on which side, in which order: balanced in every session
folder.py    build(): the pairs that are served, and the sealed key
sitting.py   raters, their sessions, their votes      votes.py   the log
serve.py     the page (page/) over HTTP, on this machine
results.py   votes and key joined: win rates with intervals, or "not yet judged"
"""

from realtime_models.training.judge.people.folder import Built, build, read_key
from realtime_models.training.judge.people.results import NOT_YET, PairCell, Results, results
from realtime_models.training.judge.people.votes import Vote, read_votes

__all__ = ["NOT_YET", "Built", "PairCell", "Results", "Vote", "build", "read_key", "read_votes", "results"]
