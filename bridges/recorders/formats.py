"""The formats by the names that ``--out`` and the command use, and how a finished file gets its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bridges.recorders.bvh import write_bvh
from bridges.recorders.clip import Clip
from bridges.recorders.gltf import write_glb, write_vrma
from bridges.recorders.smpl_npz import write_amass, write_smplx
from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file."""

    title: str
    suffix: str
    write: Callable[[Clip, BinaryIO], None]


FORMATS = {
    "bvh": Format("BVH", ".bvh", write_bvh),
    "gltf": Format("binary glTF", ".glb", write_glb),
    "vrma": Format("VRM animation", ".vrma", write_vrma),
    "smplx": Format("SMPL-X", ".npz", write_smplx),
    "amass": Format("AMASS", ".npz", write_amass),
}


def check_new_file(path: Path, kind: str, where: str) -> None:
    """Refuse a path that is not of ``kind``, has no folder or is taken. Raises ConfigError; ``where`` names it."""
    wanted = FORMATS[kind].suffix
    if path.suffix.lower() != wanted:
        raise ConfigError(f"{where}: a {FORMATS[kind].title} file is called {path.stem or 'dance'}{wanted}")
    if not path.parent.is_dir():
        raise ConfigError(f"{where}: there is no folder {path.parent}; make it or name another")
    if path.exists():
        raise ConfigError(f"{where}: something is there already; name a new file")


def write_file(clip: Clip, kind: str, path: Path) -> None:
    """Write ``clip`` under another name and rename it when whole. Raises ConfigError, OSError; then nothing is left."""
    half = path.with_name(path.name + ".half")
    try:
        with half.open("wb") as file:
            FORMATS[kind].write(clip, file)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
