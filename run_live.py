"""The show on one screen: who hears, who listens, who plans, who sends. The details live in the house.

sound -> Source -> Listener -> PlannerWorker -> Timeline -> Hub, one lane per output -> VMC, OSC, the stage page
"""

import sys
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bridges.clocks import open_clock
from bridges.hub import Hub, OutputSpec, open_sink
from bridges.websocket import StageServer
from engine.clock import ClockMap
from engine.config import ShowConfig, check_style, load_show
from engine.dance import ModelPlanner, Planner
from engine.errors import ConfigError
from engine.guard import guard_step
from engine.inputs import music_file, open_input
from engine.live import LiveShow
from engine.replay import read_take
from engine.sources import list_devices
from engine.studio import dance_again, dance_file, listen_file
from engine.take import TakeWriter, check_new_take
from engine.types import Ear, Sink
from engine.worker import PlannerWorker


def load_planner(backend: str, weights: str) -> Planner:
    """The planner around the network; called in the planner process, or here for a show without a clock."""
    from realtime_models.backends import load_model

    return ModelPlanner(load_model(backend, Path(weights) if weights else None))


def load_own_ear() -> Ear:
    """The network that hears; it runs in the listener's thread, on one core, whatever runs the dancer."""
    from realtime_models.backends import load_ear

    return load_ear("onnx")


def perform(show: ShowConfig) -> int:
    """Hear, plan and send until the music ends or Ctrl-C. Whatever can be wrong is found before the first sound."""
    stop, clock = threading.Event(), ClockMap()
    with ExitStack() as house:  # closed from the last line to the first
        source = open_input(show, clock, stop)
        house.callback(source.close)
        live = LiveShow(show, source, clock, stop, load_own_ear())
        live.beats = open_clock(show.ear, clock, source.rate)
        if live.beats:
            live.beats.start()
            house.callback(live.beats.stop)
        if not show.listen_only:
            load = partial(load_planner, show.backend, show.weights)
            answers = {"on_planned": live.planned, "on_event": live.event}
            live.worker = PlannerWorker(load, seed=show.seed, horizon_ticks=show.horizon_ticks, **answers)
            house.callback(live.worker.stop)
        live.hub = Hub(open_outputs(show, live, house), live.timeline, clock, live.state, guard_step)
        if live.worker:  # it loads while the outputs are opened
            live.worker.wait_ready()
            check_style(show, live.worker.styles)
            live.state.styles = live.worker.styles
        house.callback(live.close_take)
        live.hub.start()
        house.callback(live.hub.stop)
        if show.check:
            print("\n".join(live.check()))
            return 0
        if show.take:
            live.take = TakeWriter(show.take, live.take_header(), live=True)
        house.callback(live.finish)
        live.start()
        live.wait()
    return 0


def open_outputs(show: ShowConfig, live: LiveShow, house: ExitStack) -> list[tuple[OutputSpec, Sink]]:
    """Every --out, and the stage page with its own; while only listening the page shows the beat and no lane runs."""
    specs = [OutputSpec(out.kind, out.address, out.lead_ms / 1000, out.name, dict(out.options)) for out in show.output]
    outputs = [(spec, open_sink(spec, live.state)) for spec in specs]
    if show.stage:
        at, lead_s = show.stage, show.stage.lead_ms / 1000
        stage = StageServer(at.host, at.port, live.state, music_file(show), lead_s=lead_s)
        stage.start()
        house.callback(stage.stop)
        outputs.append((OutputSpec("ws", stage.url, lead_s, "stage"), stage.sink()))
        print(f"{live.source.name} -> {stage.url}   (Ctrl-C ends the show)", flush=True)
    return [] if show.listen_only else outputs


def without_clock(show: ShowConfig) -> int:
    """--offline and --replay: the same pipeline in this process, as fast as it goes."""
    other_ear = partial(open_clock, show.ear, ClockMap())
    if show.replay:
        take = read_take(show.replay)
        again = dance_again(take, show, load_planner(show.backend, show.weights), load_own_ear())
        where = "" if again.first_difference is None else f", the first at index {again.first_difference}"
        print(
            f"{again.compared} of {again.recorded} poses compared: {'the same' if again.same else 'different' + where}"
        )
        return 0 if again.same else 1
    if show.listen_only:
        print(f"heard {listen_file(show, load_own_ear(), other_ear)['heard_s']:.1f} s")
        return 0
    metrics = dance_file(show, load_planner(show.backend, show.weights), load_own_ear(), other_ear)
    print(f"danced {metrics['danced_s']:.1f} s: {metrics['poses']} poses, guard {metrics['guard'].to_dict() or 'idle'}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 on a clean end (Ctrl-C is one), 2 on a wrong argument or configuration, 1 on a failure."""
    try:
        show = load_show(argv)
        if show.list_devices:
            print("\n".join(list_devices()))
            return 0
        if show.take:
            check_new_take(show.take)
        return without_clock(show) if show.replay or show.offline else perform(show)
    except ConfigError as error:
        print(f"corybant: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
