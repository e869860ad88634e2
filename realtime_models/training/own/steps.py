"""From a bank to a dancer.

    tokeniser   bank/ -> tokeniser.pt
    tokens      bank/ -> rows/, rows_held/
    generator   rows/ -> generator.pt
    ship        all -> weights/             what the show loads, with its model card

The two trainings are done by all processes, the rest by the first. ``material`` makes the bank.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from engine.errors import ConfigError
from realtime_models.export import export
from realtime_models.spec import ModelSpec
from realtime_models.training import checkpoint
from realtime_models.training.bank import Entry
from realtime_models.training.data import FPS, data_root
from realtime_models.training.grooves import Groove, read_grooves
from realtime_models.training.loop import Length, rank_and_count, telling, train
from realtime_models.training.own import card
from realtime_models.training.own.config import OwnConfig, Sizes
from realtime_models.training.own.drums import made_up_grooves
from realtime_models.training.own.motion_set import Part, digest, file_digest, read_part
from realtime_models.training.own.work import GENERATOR, TOKENISER, Edges, Stopped, keep, kept, refuse_if_trained
from realtime_models.training.primer import standing_tokens
from realtime_models.training.rows import ROW, Rows, Sequences, tokenise_bank
from realtime_models.training.ship import load_trained
from realtime_models.training.store import read_store, write_store
from realtime_models.training.train_generator import GeneratorLearner, load_tokeniser
from realtime_models.training.train_tokeniser import TokeniserLearner, Windows, longest_run

HELD_WINDOWS, HELD_SEQUENCES = 64, 32  #: examples that validation is made of


def spec_of(config: OwnConfig) -> ModelSpec:
    """The networks' sizes and the dancer's styles."""
    notes = kept(config.work)
    sizes = {name: getattr(config.model, name) for name in Sizes.__dataclass_fields__}
    return ModelSpec(
        identity=config.name, styles=tuple(notes["styles"]), auto_styles=tuple(notes["auto_styles"]), **sizes
    )


def seed_of(config: OwnConfig) -> int:
    """A seed of this process's own."""
    return config.seed + 1000 * rank_and_count()[0]


def nothing_left(path: Path, spec: ModelSpec, length: Length) -> bool:
    """Has the checkpoint used up its budget? Raises ConfigError when it is of another size or other styles."""
    if not path.exists():
        return False
    state = checkpoint.load(path)
    trained = ModelSpec.from_json(state["spec"])
    for name in (*Sizes.__dataclass_fields__, "styles"):
        if getattr(trained, name) != getattr(spec, name):
            raise ConfigError(
                f"{path} was trained with {name} = {getattr(trained, name)}, not {getattr(spec, name)}: give that, "
                "name another out, or remove the file to train anew"
            )
    return length.done(int(state["step"]), float(state.get("gone_s", 0.0))) >= 1


def learn_tokeniser(config: OwnConfig, edges: Edges) -> None:
    """Step ``tokeniser``, by all processes."""
    budget, path = config.tokeniser, config.work / TOKENISER
    length = Length(budget.minutes, budget.steps)
    if nothing_left(path, spec_of(config), length):
        return
    windows = Windows(read_store(config.work / "bank", Entry), budget.window, seed_of(config))
    held_bank = [e for e in read_store(config.work / "bank_held", Entry) if longest_run(e.valid) >= budget.window]
    held = Windows(held_bank, budget.window, 0).draw(HELD_WINDOWS) if held_bank else None
    torch.manual_seed(seed_of(config))
    learner = TokeniserLearner(spec_of(config), windows, held, batch=budget.batch, rate=budget.rate)
    if not train(learner, length, path, telling("tokeniser", path, stop=edges.stop), checkpoint_s=config.checkpoint_s):
        raise Stopped


def tokenise(config: OwnConfig, edges: Edges) -> None:
    """Step ``tokens``."""
    work = config.work
    key = digest(kept(work)["bank"], file_digest(work / TOKENISER))
    if kept(work).get("tokens") == key:
        return
    refuse_if_trained(work, GENERATOR, "the tokeniser has been trained on")
    tokeniser = load_tokeniser(work / TOKENISER)
    for bank_name, name in (("bank", "rows"), ("bank_held", "rows_held")):
        entries = read_store(work / bank_name, Entry)
        rows = (
            replace(row, entry=number)
            for number, entry in edges.each(name, list(enumerate(entries)))
            for row in tokenise_bank([entry], tokeniser)
        )
        write_store(work / name, rows)
    keep(work, tokens=key)


def drums(seed: int) -> tuple[list[Groove], str]:
    """Human drumming where CORYBANT_DATA has it, else made-up patterns; and what to say about it."""
    try:
        if (data_root() / "music" / "groove_midi" / "info.csv").is_file():
            grooves = read_grooves()
            return grooves, f"drums: {len(grooves)} human performances (Groove MIDI Dataset, CC BY 4.0)"
    except ConfigError:
        pass  # a studio has no CORYBANT_DATA
    grooves = made_up_grooves(seed)
    return grooves, f"drums: {len(grooves)} made-up patterns (CORYBANT_DATA with music/groove_midi brings human ones)"


def sequences_of(
    config: OwnConfig, names: tuple[str, str], grooves: list[Groove], spec: ModelSpec, seed: int
) -> Sequences | None:
    """Sequences of the stores ``names`` (bank, rows); None when no clip is long enough."""
    bank, rows = read_store(config.work / names[0], Entry), read_store(config.work / names[1], Rows)
    length = config.generator.rows
    long = {k for k, entry in enumerate(bank) if longest_run(entry.valid) >= (length + 1) * ROW}
    rows = [row for row in rows if row.entry in long]
    if not any(len(row.tokens) >= length for row in rows) or not any(entry.clip.is_dance for entry in bank):
        return None
    return Sequences(bank, rows, grooves, spec, length, seed)


def learn_generator(config: OwnConfig, edges: Edges) -> None:
    """Step ``generator``, by all processes. Raises ConfigError when no clip is long enough."""
    budget, spec, path = config.generator, spec_of(config), config.work / GENERATOR
    length = Length(budget.minutes, budget.steps)
    if nothing_left(path, spec, length):
        return
    grooves, said = drums(config.seed)
    sequences = sequences_of(config, ("bank", "rows"), grooves, spec, seed_of(config))
    if sequences is None:
        raise ConfigError(
            f"no clip has {(budget.rows + 1) * ROW / FPS:.1f} s without a bad frame: give longer recordings, or fewer "
            "rows in [generator]"
        )
    held = sequences_of(config, ("bank_held", "rows_held"), grooves, spec, 0)
    torch.manual_seed(seed_of(config))
    learner = GeneratorLearner(
        spec, sequences, held and held.draw(HELD_SEQUENCES), batch=budget.batch, positions=budget.positions,
        rate=budget.rate, seed=seed_of(config),
    )  # fmt: skip
    if rank_and_count()[0] == 0:
        edges.say(said)
        keep(config.work, drums=said)
    if not train(learner, length, path, telling("generator", path, stop=edges.stop), checkpoint_s=config.checkpoint_s):
        raise Stopped


def ship(config: OwnConfig, parts: Sequence[Part], edges: Edges) -> Path:
    """Step ``ship``: the weights folder, whole or as it was."""
    work, folder = config.work, config.work / "weights"
    key = digest(file_digest(work / GENERATOR), file_digest(work / TOKENISER), asdict(config.sampling))
    if kept(work).get("ship") == key and (folder / "spec.json").is_file():
        return folder
    edges.say("ship       ONNX files, checked against torch")
    tokeniser, generator, spec = load_trained(work / TOKENISER, work / GENERATOR)
    asked = asdict(config.sampling)
    spec = replace(spec, identity=config.name, lag_s=asked.pop("lag_ms") / 1000, **asked)
    taken = [read_part(part) for part in parts]
    at_ease = [clip for one in taken for clip in one.clips if clip.is_dance]
    made = work / "weights.part"
    shutil.rmtree(made, ignore_errors=True)
    export(tokeniser, generator, spec, standing_tokens(tokeniser, at_ease), made)
    (made / "MODEL_CARD.md").write_text(
        card.model_card(config, spec, taken, kept(work).get("drums", ""), work), encoding="utf-8"
    )
    shutil.rmtree(folder, ignore_errors=True)
    made.replace(folder)
    keep(work, ship=key)
    return folder
