"""The distorted training set: random planar affine distortions of the training patterns (section III.B, figure 7).

The paper adds 540,000 distorted patterns to its 60,000, "combinations of the following planar affine transformations:
horizontal and vertical translations, scaling, squeezing (simultaneous horizontal compression and vertical elongation,
or the reverse), and horizontal shearing", and gives no ranges. Those below were measured on the 100 images of figure
7: each is an affine warp, bilinearly interpolated, of one MNIST training image in two pixels of padding, up to 0.7 to
1.7 of 255 grey levels (root mean square). That the other 540,000 had the same ranges is assumed.

With rows y and columns x of the 32x32 pixels counted downwards and rightwards from the centre (15.5, 15.5), the
distorted image has at (y, x) what the original has at (Myy y + Myx x + ty, Mxy y + Mxx x + tx). All quantities are
therefore inverse: a large scale makes a small digit.

The set is virtual: pattern i of n * (1 + copies) is copy i // n of base pattern i % n, and copy 0 is the original. A
copy's distortion is a function of seed, base pattern and copy alone, so none is stored, and neither the order nor the
number of the patterns that are asked for together changes any.
"""

import numpy as np
from numba import njit

SIZE = 32  # pixels a side
CENTRE = (SIZE - 1) / 2

# Each uniform. Observed over figure 7's 100 images: 0.775 to 1.400, -0.099 to 0.093, -0.130 to 0.142,
# -1.95 to 1.88 and -2.10 to 1.91. There is no rotation: |Myx| is at most 0.011, its mean 0.0001.
SCALE = (0.77, 1.40)  # (Myy + Mxx) / 2
SQUEEZE = (-0.1, 0.1)  # (Mxx - Myy) / (Mxx + Myy)
SHEAR = (-0.14, 0.15)  # Mxy over the scale
SHIFT_X = (-2.0, 2.0)  # pixels, beside what goes with the shear
SHIFT_Y = (-2.0, 2.0)  # pixels, beside what goes with the vertical scale

# The row that shearing leaves in place, and the one that vertical scaling does (the baseline of the digits, whose
# 20x20 box ends there), both in pixels below the centre. Without them tx and Mxy, and ty and Myy, are correlated.
SHEAR_ROW = 3.1
SCALE_ROW = 10.8
OFFSET_Y = 0.13  # pixels, what remains of the mean of ty

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: SplitMix64's step


def matrices(seed: int, base: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """The distortions of base patterns `base` (n,) in their copies `copy` (n,): (n, 6) float64 Myy, Myx, Mxy, Mxx,
    ty, tx; the identity where the copy is 0.
    """
    ranges = (SCALE, SQUEEZE, SHEAR, SHIFT_X, SHIFT_Y)
    uniforms = _uniforms(seed, base, copy, len(ranges))
    scale, squeeze, shear, shift_x, shift_y = (
        low + (high - low) * u for (low, high), u in zip(ranges, uniforms, strict=True)
    )
    drawn = np.empty((len(scale), 6))
    drawn[:, 0] = scale * (1 - squeeze)
    drawn[:, 1] = 0
    drawn[:, 2] = scale * shear
    drawn[:, 3] = scale * (1 + squeeze)
    drawn[:, 4] = shift_y + OFFSET_Y - SCALE_ROW * (drawn[:, 0] - 1)
    drawn[:, 5] = shift_x - SHEAR_ROW * drawn[:, 2]
    drawn[np.asarray(copy) == 0] = (1, 0, 0, 1, 0, 0)
    return drawn


def warp(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Each of the images (n, rows, columns) uint8, centred in 32x32 pixels of zeros, under its own of the (n, 6)
    `matrices`: (n, 32, 32) uint8, bilinear, zero outside, rounded to whole grey levels.

    Raises ValueError where images are larger than 32x32 or their number is not that of the matrices.
    """
    n, rows, columns = images.shape
    if rows > SIZE or columns > SIZE:
        raise ValueError(f"images of {rows}x{columns} pixels do not fit in {SIZE}x{SIZE}")
    if matrices.shape != (n, 6):
        raise ValueError(f"{n} images want matrices of shape {(n, 6)}, not {matrices.shape}")
    warped = np.empty((n, SIZE, SIZE), np.uint8)
    _warp(np.ascontiguousarray(images, np.uint8), np.ascontiguousarray(matrices, np.float64), warped)
    return warped


def distorted(images: np.ndarray, seed: int, indices: np.ndarray) -> np.ndarray:
    """Patterns `indices` (m,) of the distorted set of the images (n, rows, columns) uint8: (m, 32, 32) uint8."""
    copy, base = np.divmod(indices, len(images))
    return warp(images[base], matrices(seed, base, copy))


def _uniforms(seed: int, base: np.ndarray, copy: np.ndarray, count: int) -> np.ndarray:
    """(count, n) numbers in [0, 1), each a function of seed, base pattern, copy and its place along the first axis.

    SplitMix64 (Steele, Lea and Flood 2014), whose output is a mixed counter, keyed by mixing one number after the
    other into where it counts from; the 53 highest bits make a float64.
    """
    key = _mixed(np.array([seed], np.uint64))
    for number in (base, copy):
        key = _mixed(key ^ np.asarray(number).astype(np.uint64))
    counters = np.arange(1, count + 1, dtype=np.uint64)[:, None]
    return (_mixed(key + counters * _GOLDEN) >> np.uint64(11)) * 2.0**-53


def _mixed(z: np.ndarray) -> np.ndarray:
    """SplitMix64's mixing function of (..., n) uint64, after one step of its counter."""
    z = z + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def _warp(images, matrices, warped):
    """`warp` into `warped`. One function without fast mathematics, so that it rounds alike wherever it is compiled."""
    n, rows, columns = images.shape
    top, left = (SIZE - rows) // 2 + 1, (SIZE - columns) // 2 + 1
    # Rows of the frame one after another, in a border of zeros one pixel above and left, two below and right: a place
    # clamped into it reads what a place anywhere outside reads.
    pitch = SIZE + 3
    frame = np.zeros(pitch * pitch, np.float32)
    at = np.empty(SIZE, np.int32)
    down, right = np.empty(SIZE, np.float32), np.empty(SIZE, np.float32)
    corners = np.empty((4, SIZE), np.float32)
    first, last = 0.0, float(SIZE + 1)
    for k in range(n):
        for i in range(rows):
            for j in range(columns):
                frame[(top + i) * pitch + left + j] = images[k, i, j]
        myy, myx, mxy, mxx, ty, tx = matrices[k]
        for i in range(SIZE):
            # Where to look, looking, and what is made of it, one after the other: the first and the last are vectors.
            for j in range(SIZE):
                y = myy * (i - CENTRE) + myx * (j - CENTRE) + (CENTRE + 1 + ty)
                x = mxy * (i - CENTRE) + mxx * (j - CENTRE) + (CENTRE + 1 + tx)
                y = y if y > first else first
                y = y if y < last else last
                x = x if x > first else first
                x = x if x < last else last
                row, column = np.int32(y), np.int32(x)
                down[j], right[j] = y - row, x - column
                at[j] = row * pitch + column
            for j in range(SIZE):
                corner = np.uint64(at[j])
                corners[0, j] = frame[corner]
                corners[1, j] = frame[corner + np.uint64(1)]
                corners[2, j] = frame[corner + np.uint64(pitch)]
                corners[3, j] = frame[corner + np.uint64(pitch + 1)]
            for j in range(SIZE):
                upper = corners[0, j] + right[j] * (corners[1, j] - corners[0, j])
                lower = corners[2, j] + right[j] * (corners[3, j] - corners[2, j])
                warped[k, i, j] = np.int32(upper + down[j] * (lower - upper) + np.float32(0.5))
