"""Ship a finished training: choose the sampling, export, and write the weights folder.

CORYBANT_DATA=../data python -m realtime_models.training.ship --tokeniser runs/tokeniser.pt --generator
runs/generator.pt --identity NAME
"""

import argparse
from dataclasses import replace
from pathlib import Path

from realtime_models.export import FOLDER, export
from realtime_models.network import Generator
from realtime_models.spec import ModelSpec
from realtime_models.tokens import Tokeniser
from realtime_models.training import checkpoint
from realtime_models.training.data import read_clips
from realtime_models.training.primer import beginnings, primer_frames, standing_tokens


def load_trained(tokeniser_path: Path, generator_path: Path) -> tuple[Tokeniser, Generator, ModelSpec]:
    """Both checkpoints; the generator's averaged weights. Raises ConfigError."""
    saved = checkpoint.load(tokeniser_path)
    tokeniser = Tokeniser(ModelSpec.from_json(saved["spec"]))
    tokeniser.load_state_dict(saved["model"])
    made = checkpoint.load(generator_path)
    spec = ModelSpec.from_json(made["spec"])
    generator = Generator(spec)
    generator.load_state_dict(made["model"])
    return tokeniser.eval(), generator.eval(), spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokeniser", type=Path, required=True)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--guidance", type=float, default=ModelSpec.guidance)
    parser.add_argument("--temperature", type=float, default=ModelSpec.temperature)
    parser.add_argument("--steps", type=int, help="rounds; without it as many as it was trained for")
    parser.add_argument("--lag-ms", type=float, default=0.0, help="as measured on validation tracks")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    tokeniser, generator, spec = load_trained(args.tokeniser, args.generator)
    spec = replace(
        spec,
        identity=args.identity,
        guidance=args.guidance,
        temperature=args.temperature,
        refine_steps=args.steps or spec.refine_steps,
        lag_s=args.lag_ms / 1000,
    )
    at_ease = beginnings(read_clips(), primer_frames(tokeniser))
    export(tokeniser, generator, spec, standing_tokens(tokeniser, at_ease), args.out)
    print(f"exported to {args.out}")


if __name__ == "__main__":
    main()
