"""Grey images in rows and columns: what figures 3, 4, 7 and 8 share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import STYLE

DOTS = STYLE["savefig.dpi"]  # of the PNG, per inch


def framed(images: np.ndarray) -> np.ndarray:
    """The (n, 28, 28) digits with two pixels of background around them, (n, 32, 32): as the paper prints them."""
    return np.pad(images, ((0, 0), (2, 2), (2, 2)))


def mosaic(images: np.ndarray, columns: int, gap: int = 0, between: int = 0) -> np.ndarray:
    """The (n, height, width) uint8 images row by row, `gap` pixels of grey level `between` around each."""
    n, height, width = images.shape
    rows, over = divmod(n, columns)
    if over:
        raise ValueError(f"{n} images do not fill rows of {columns}")
    laid = np.full((gap + rows * (height + gap), gap + columns * (width + gap)), between, np.uint8)
    for i, image in enumerate(images):
        top, left = (gap + at * (size + gap) for at, size in zip(divmod(i, columns), (height, width), strict=True))
        laid[top : top + height, left : left + width] = image
    return laid


def place(figure: Figure, pixels: np.ndarray, left: float, top: float, scale: float) -> Axes:
    """Axes at `left` and `top` dots of the PNG, filled by the (rows, columns) uint8 `pixels`, 0 white and 255 black.

    A pixel is `scale` dots wide and high, so that with a whole number all are equally large.
    """
    across, down = (DOTS * inches for inches in figure.get_size_inches())
    rows, columns = pixels.shape
    bounds = (left / across, 1 - (top + scale * rows) / down, scale * columns / across, scale * rows / down)
    axes = figure.add_axes(bounds)
    interpolation = "none" if float(scale).is_integer() else "antialiased"
    axes.imshow(pixels, cmap="gray_r", vmin=0, vmax=255, aspect="auto", interpolation=interpolation)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xticks=[], yticks=[])
    return axes
