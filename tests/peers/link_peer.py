"""A member of the Link session that owns nothing of ours: says where its beats are, and changes the tempo once.

Usage: link_peer.py SECONDS CHANGE_AT_S BPM. Prints a line "monotonic beat bpm peers" every 10 ms.
"""

import asyncio
import sys
import time

import aalink


async def main(seconds: float, change_at_s: float, bpm: float) -> None:
    link = aalink.Link(120.0)
    link.quantum = 4.0
    link.enabled = True
    began_s = time.perf_counter()
    changed = False
    while (passed_s := time.perf_counter() - began_s) < seconds:
        if passed_s >= change_at_s and not changed:
            link.tempo, changed = bpm, True
        before_s = time.perf_counter()
        beat, tempo, peers = link.beat, link.tempo, link.num_peers
        after_s = time.perf_counter()
        if after_s - before_s < 0.002:  # else it was interrupted, and the time of the beat is not known
            print((before_s + after_s) / 2, beat, tempo, peers, flush=True)
        await asyncio.sleep(0.01)
    link.enabled = False


asyncio.run(main(*map(float, sys.argv[1:4])))
