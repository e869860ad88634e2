"""How the report writes pictures: small, the same bytes for the same figures. Needs matplotlib, no display."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

COLOURS = 192  #: of a picture's palette: a plot has few, the shading of a body gets by


def save(figure: Figure, path: str | Path, colours: int = COLOURS) -> None:
    """Write a figure as a PNG with a palette of its own: a fifth of the size, no difference to the eye."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgb = np.asarray(canvas.buffer_rgba())[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    picture = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(path, format="PNG", optimize=True)
