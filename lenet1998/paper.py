"""What the paper states, each value with its place: the one source of every "paper" column.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of
the IEEE 86(11), November 1998. Sections, equations, tables and figures are numbered as in the authors' preprint.
Values marked "digitised" are measured in a figure's vector graphics, those of figure 13 are fitted to what it prints,
and one number at the end is of a later page by the same authors; all others are printed. Nothing here is computed.
"""

# --- Section II.B, LeNet-5 -------------------------------------------------------------------------------------------

INPUT_SIZE = 32  # pixels a side
BACKGROUND = -0.1  # grey level of white; the field of 28x28 is extended with it (section III.A)
INK = 1.175  # grey level of black
SQUASH_AMPLITUDE = 1.7159  # A of equation 6
SQUASH_SLOPE = 2 / 3  # S of equation 6
INPUT_MEAN = 0  # "roughly"
INPUT_VARIANCE = 1  # "roughly"
SQUASHED = ((1, 1), (-1, -1))  # a and f(a) (appendix A)
SHARPEST_AT = 1  # and -1: where the absolute value of the second derivative of f is greatest (appendix A)
TRAINABLE_LAYERS = 7  # "7 layers, not counting the input, all of which contain trainable parameters"
C3_FIELD_CENTRES = 20  # pixels a side of the area that the centres of C3's receptive fields form
FREE_PARAMETERS = 60_000
CONNECTIONS = 340_908

# Layer, maps and their size, trainable parameters, connections. None: the paper does not state it. The ten RBF units
# are fixed and not among the free parameters; their 840 connections follow from the total.
LAYERS = (
    ("C1", "6@28x28", 156, 122_304),
    ("S2", "6@14x14", 12, 5_880),
    ("C3", "16@10x10", 1_516, 151_600),
    ("S4", "16@5x5", 32, 2_000),
    ("C5", "120", 48_120, 48_120),
    ("F6", "84", 10_164, None),
    ("output", "10", None, None),
)

# Table I, the paper's only table: a row for each map of S2, a column for each of the 16 maps of C3.
TABLE_I = (
    "X . . . X X X . . X X X X . X X",
    "X X . . . X X X . . X X X X . X",
    "X X X . . . X X X . . X . X X X",
    ". X X X . . X X X X . . X . X X",
    ". . X X X . . X X X X . X X . X",
    ". . . X X X . . X X X X . X X X",
)

# --- Section III.B, training -----------------------------------------------------------------------------------------

PASSES = 20  # "20 iterations through the entire training data"
SCHEDULE = ((2, 0.0005), (3, 0.0002), (3, 0.0001), (4, 0.00005), (8, 0.00001))  # passes, global learning rate
MU = 0.02
CURVATURE_PATTERNS = 500  # a pass's diagonal Hessian is estimated on so many
FIRST_PASS_RATES = (7e-5, 0.016)  # smallest and largest effective rate "during the first pass", approximately
TRAINING_TIME = "2 to 3 days"  # section III.D, "of CPU"
TRAINING_MACHINE = "200 MHz R10000"  # section III.D, one processor of a Silicon Graphics Origin 2000

# --- Section III.B, results ------------------------------------------------------------------------------------------

TEST_ERROR_PCT = 0.95  # regular training set
STABLE_AFTER_PASSES = (10, 12)  # "around 10 passes" in the text, "10 to 12" under figure 5
TRAINING_ERROR_PCT = 0.35  # "after 19 passes"
DISTORTED_TEST_ERROR_PCT = 0.8  # 60,000 patterns and 540,000 distortions of them
DISTORTED_PATTERNS = 540_000
DISTORTED_VISITS = 2  # "the network effectively sees each individual sample only twice"
OVER_TRAINING = "not observed"  # "in our case"
MISCLASSIFIED = 82  # figure 8; these are errors of the network trained with distortions
ERROR_UNCERTAINTY_PCT = 0.1  # "about", under figure 9

# Figure 5, digitised: pass, on-the-fly training error in per cent, test error in per cent. The figure has 21 points
# where the text says 20 passes.
FIGURE_5_RESOLUTION_PCT = 0.026
FIGURE_5 = (
    (1, 4.889, 2.653),
    (2, 3.043, 2.236),
    (3, 1.768, 1.482),
    (4, 1.482, 1.430),
    (5, 1.222, 1.430),
    (6, 0.910, 1.092),
    (7, 0.780, 1.040),
    (8, 0.702, 1.066),
    (9, 0.572, 0.988),
    (10, 0.494, 0.962),
    (11, 0.468, 0.962),
    (12, 0.442, 0.988),
    (13, 0.416, 0.962),
    (14, 0.390, 0.962),
    (15, 0.390, 0.962),
    (16, 0.390, 0.962),
    (17, 0.390, 0.962),
    (18, 0.364, 0.962),
    (19, 0.364, 0.962),
    (20, 0.364, 0.962),
    (21, 0.364, 0.962),
)

# Figure 6: training patterns (section III.B) and, digitised, training and test error in per cent.
FIGURE_6_RESOLUTION_PCT = 0.01
FIGURE_6 = ((15_000, 0.05, 1.68), (30_000, 0.31, 1.14), (60_000, 0.35, 0.94))
FIGURE_6_DISTORTED_TEST_ERROR_PCT = 0.82  # the hollow square

# --- Section III.C, figures 9 to 12 ----------------------------------------------------------------------------------

NEAREST_NEIGHBOURS = 3  # k of section III.C.2's deslanted images; for regular ones it is not stated

# Method, training data, test error in per cent (figure 9), per cent rejected for 0.5% error (figure 10), thousands of
# multiply-accumulates (figure 11), thousands of variables (figure 12). None: not in that figure.
CLASSIFIERS = (
    ("Linear", "regular", 12.0, None, 4, 4),
    ("Linear", "deslanted", 8.4, None, None, None),
    ("Pairwise", "regular", 7.6, None, 36, 35),
    ("K-NN Euclidean", "regular", 5.0, None, None, None),
    ("K-NN Euclidean", "deslanted", 2.4, 8.1, 24_000, 24_000),
    ("40 PCA + quadratic", "regular", 3.3, None, 39, 40),
    ("1000 RBF + linear", "regular", 3.6, None, 794, 794),
    ("Tangent Distance", "16x16", 1.1, 1.9, 20_000, 25_000),
    ("SVM poly 4", "regular", 1.1, 1.8, 14_000, 14_000),
    ("RS-SVM poly 5", "regular", 1.0, None, 650, 650),
    ("V-SVM poly 9", "distorted", 0.8, None, 28_000, 28_000),
    ("28x28-300-10", "regular", 4.7, None, None, None),
    ("28x28-300-10", "distorted", 3.6, None, None, None),
    ("20x20-300-10", "deslanted", 1.6, 3.2, 123, 123),
    ("28x28-1000-10", "regular", 4.5, None, 795, 795),
    ("28x28-1000-10", "distorted", 3.8, None, None, None),
    ("28x28-300-100-10", "regular", 3.05, None, 267, 267),
    ("28x28-300-100-10", "distorted", 2.5, None, None, None),
    ("28x28-500-150-10", "regular", 2.95, None, 469, 469),
    ("28x28-500-150-10", "distorted", 2.45, None, None, None),
    ("LeNet-1", "16x16", 1.7, 3.7, 100, 3),
    ("LeNet-4", "regular", 1.1, 1.8, 260, 17),
    ("LeNet-4 / Local", "regular", 1.1, 1.4, 20_000, 24_000),
    ("LeNet-4 / K-NN", "regular", 1.1, 1.6, 10_000, 24_000),
    ("LeNet-5", "regular", 0.95, None, 401, 60),
    ("LeNet-5", "distorted", 0.8, None, None, None),
    ("Boosted LeNet-4", "distorted", 0.7, 0.5, 460, 51),
)

# --- Section III.E, figure 13 ----------------------------------------------------------------------------------------

# Coefficients of its network, fitted to the states that the figure prints (inputs added): all of S2; the smallest and
# the largest of S4, but for one map that has about -0.01. It was trained with noise: every pixel inverted with
# probability 0.1.
FIGURE_13_S2_COEFFICIENTS = (0.235, 0.126, 0.120, 0.312, 0.250, 0.140)
FIGURE_13_S4_COEFFICIENTS = (0.045, 0.076)

# --- Later statements by the same authors ----------------------------------------------------------------------------

# README of QMNIST (C. Yadav and L. Bottou, 2019), the entry "Train on MNIST", "Test on MNIST10K": LeNet-5 of the Lush
# package, without the RBF units, 30 passes over MNIST. Its error bars are "two-sigma".
LATER_TEST_ERROR_PCT = 0.82
LATER_TEST_ERROR_TWO_SIGMA_PCT = 0.2
