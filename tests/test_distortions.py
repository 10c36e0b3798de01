import numpy as np
import pytest
from scipy import ndimage, stats

from lenet1998 import data, distortions
from lenet1998.distortions import distorted, matrices, warp

# Of the 100 matrices measured on figure 7 (Myy, Myx, Mxy, Mxx, ty, tx) those that reach furthest: the smallest and the
# largest scale, both ends of squeeze and shear, both ends of ty and of tx, and shears with a shift to the same side.
FIGURE7 = np.array(
    [
        (0.7073, 0.0005, 0.0455, 0.8424, 2.1657, 1.0730),
        (1.5123, -0.0020, 0.0826, 1.2882, -5.2224, -0.2086),
        (1.4471, 0.0012, 0.1130, 1.1858, -5.7512, -2.2853),
        (0.8797, 0.0000, 0.1121, 0.7273, 0.5050, -1.0396),
        (0.9830, 0.0006, -0.0912, 1.1838, 1.0257, -1.1606),
        (0.8326, 0.0044, -0.0871, 0.7282, 0.7479, 1.2706),
        (0.8414, -0.0002, 0.1045, 0.8273, 2.2714, 1.3873),
        (1.3132, -0.0015, -0.1773, 1.4128, -2.1403, 2.0003),
        (0.7807, 0.0007, 0.0830, 0.8885, 3.8933, -0.7151),
        (1.1254, -0.0001, 0.1565, 1.0716, -1.7864, -1.0463),
        (1.2744, -0.0005, -0.1582, 1.3886, -3.1516, 2.0179),
    ]
)
RANGES = [
    distortions.SCALE,
    distortions.SQUEEZE,
    distortions.SHEAR,
    distortions.SHIFT_X,
    distortions.SHIFT_Y,
]


@pytest.fixture(scope="module")
def images():
    return data.load("sample").train.images[:200]


def quantities(m):
    """Scale, squeeze, shear and the two shifts of matrices (n, 6), as figure 7 has them."""
    myy, _, mxy, mxx, ty, tx = m.T
    scale = (myy + mxx) / 2
    return np.array(
        [scale, (mxx - myy) / (mxx + myy), mxy / scale, tx + 3.1 * mxy, ty - 0.13 + 10.8 * (myy - 1)],
    )


def many(seed=0, patterns=2000, copies=9):
    base, copy = np.meshgrid(np.arange(patterns), np.arange(1, copies + 1))
    return matrices(seed, base.ravel(), copy.ravel())


def by_scipy(image, m):
    """The warp of one image by scipy, in float64 and not rounded."""
    frame = np.pad(image.astype(np.float64), 2)
    (linear, shift), centre = (m[:4].reshape(2, 2), m[4:]), np.full(2, 15.5)
    offset = centre + shift - linear @ centre
    return ndimage.affine_transform(frame, linear, offset, order=1, mode="grid-constant", cval=0)


def test_figure7_lies_within_the_ranges():
    names = ("scale", "squeeze", "shear", "x", "y")
    for name, values, (low, high) in zip(names, quantities(FIGURE7), RANGES, strict=True):
        slack = 0.06 * (high - low)  # figure 7 shows 100 draws; y reaches -2.1
        assert low - slack < values.min() < values.max() < high + slack, name
        # and reach both ends, so that no range is wider than the figure makes likely
        if name in ("scale", "squeeze", "shear"):
            assert values.min() < low + 0.15 * (high - low) and values.max() > high - 0.15 * (high - low), name


def test_draws_are_uniform_over_the_ranges_and_independent():
    drawn = quantities(many())
    for values, (low, high) in zip(drawn, RANGES, strict=True):
        assert low <= values.min() < values.max() < high
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4
    correlations = np.corrcoef(drawn) - np.eye(5)
    assert np.abs(correlations).max() < 0.03  # 4 standard deviations of 18,000 draws
    along = drawn.reshape(5, 9, 2000)
    for neighbours in ((along[:, 1:], along[:, :-1]), (along[..., 1:], along[..., :-1])):  # copies; base patterns
        a, b = (part.reshape(5, -1) for part in neighbours)
        assert max(abs(np.corrcoef(x, y)[0, 1]) for x, y in zip(a, b, strict=True)) < 0.03


def test_no_rotation():
    assert (many()[:, 1] == 0).all()


def test_mixing_is_splitmix64():
    # The generator's published first outputs for the seed 1234567.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    counters = np.uint64(1234567) + np.arange(4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert distortions._mixed(counters).tolist() == expected


def test_draws_depend_on_seed_base_and_copy_alone():
    base, copy = np.array([5, 7, 5, 59_999]), np.array([1, 1, 2, 9])
    together = matrices(3, base, copy)
    order = np.array([2, 0, 3, 1])
    assert np.array_equal(matrices(3, base[order], copy[order]), together[order])
    for i in range(4):
        assert np.array_equal(matrices(3, base[i : i + 1], copy[i : i + 1])[0], together[i])
    # Neither exchanging the two nor moving one up and the other down gives the same draw again.
    keys = [(s, b, c) for s in range(4) for b in range(12) for c in range(1, 12)]
    drawn = np.concatenate([matrices(s, np.array([b]), np.array([c])) for s, b, c in keys])
    assert len(np.unique(drawn[:, 4])) == len(keys)


def test_copy_0_is_the_original(images):
    patterns = distorted(images, 0, np.arange(200))
    assert patterns.shape == (200, 32, 32) and patterns.dtype == np.uint8
    assert np.array_equal(patterns[:, 2:30, 2:30], images)
    assert patterns.sum() == images.sum(dtype=np.uint64)


def test_pattern_i_is_copy_i_over_n_of_base_i_modulo_n(images):
    indices = np.array([1999, 203, 7, 1204])
    patterns = distorted(images, 4, indices)
    copies, bases = [9, 1, 0, 6], [199, 3, 7, 4]
    for pattern, copy, base in zip(patterns, copies, bases, strict=True):
        m = matrices(4, np.array([base]), np.array([copy]))
        assert np.array_equal(pattern, warp(images[base : base + 1], m)[0])


def test_patterns_do_not_depend_on_how_the_work_is_split(images):
    indices = np.random.default_rng(0).permutation(2000)[:300]
    together = distorted(images, 1, indices)
    apart = [distorted(images, 1, part) for part in np.split(indices, [1, 100, 101])]
    assert np.array_equal(np.concatenate(apart), together)
    assert not np.array_equal(distorted(images, 2, indices), together)


@pytest.mark.parametrize("source", ["figure 7", "drawn", "wild"])
def test_warp_agrees_with_scipy(images, source):
    generator = np.random.default_rng(0)
    wild = generator.normal(0, 1, (40, 6)) * (1, 1, 1, 1, 12, 12)  # turned over, torn apart, out of the frame
    chosen = {"figure 7": FIGURE7, "drawn": many(patterns=5), "wild": wild}[source]
    some = np.concatenate([images[: len(chosen) - 1], generator.integers(0, 256, (1, 28, 28)).astype(np.uint8)])
    for image, m, warped in zip(some, chosen, warp(some, chosen), strict=True):
        assert np.abs(warped - by_scipy(image, m)).max() < 0.5 + 1e-3  # rounded to whole grey levels, no further


def test_strokes_that_reach_the_padding_are_kept():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 10, 0] = 200
    moved = warp(image, np.array([[1, 0, 0, 1, 0, 2.0]]))[0]
    assert moved[12, 0] == 200 and moved.sum() == 200


def test_whole_pixel_shift_and_shear():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 3:25, 14] = 100  # a vertical bar
    sheared = warp(image, np.array([[1, 0, 0.1, 1, 0, 0.0]]))[0].astype(float)
    centres = (sheared[6:26] * np.arange(32)).sum(1) / sheared[6:26].sum(1)
    np.testing.assert_allclose(np.diff(centres), -0.1, atol=0.02)  # what lies lower comes from further right


@pytest.mark.parametrize(
    ("shape", "count", "message"), [((1, 33, 28), 1, "33x28"), ((2, 28, 28), 1, "2 images"), ((1, 28, 40), 1, "28x40")]
)
def test_what_does_not_fit_is_refused(shape, count, message):
    with pytest.raises(ValueError, match=message):
        warp(np.zeros(shape, np.uint8), np.zeros((count, 6)))


def test_inputs_stay_as_they_are(images):
    before, indices = images.copy(), np.arange(300, 340)
    distorted(images, 0, indices)
    assert np.array_equal(images, before) and np.array_equal(indices, np.arange(300, 340))
