"""The digits: where they are found, what is refused, what ships, and what they cost."""

import contextlib
import gzip
import hashlib
import os
import re
import socket
import struct
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lenet1998 import data
from lenet1998.errors import UserError

REAL_MNIST = os.environ.get("LENET1998_DATA")
needs_mnist = pytest.mark.skipif(not REAL_MNIST, reason="LENET1998_DATA names no full MNIST")

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = data.FILES


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """An empty current directory, no LENET1998_DATA, and mirrors that refuse the connection at once."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv(data.VARIABLE, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(data, "MIRRORS", (f"http://127.0.0.1:{unused.getsockname()[1]}/",))
        yield here


def idx(array: np.ndarray) -> bytes:
    """The bytes of MNIST's file format, written down from its specification: 0, 0, 8 (bytes), dimensions, sizes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def tiny_files(counts=(20, 10)) -> dict[str, bytes]:
    """Four files in MNIST's format: random pixels, labels 0, 1, ... 9, 0, 1, ..."""
    rng = np.random.default_rng(0)
    arrays = []
    for n in counts:
        arrays += [rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10]
    return dict(zip(data.FILES, map(idx, arrays), strict=True))


def write(folder: Path, files: dict[str, bytes], packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name).write_bytes(content)


@pytest.fixture
def tiny(monkeypatch) -> dict[str, bytes]:
    """The files of a tiny MNIST that the loader takes for the full one."""
    files = tiny_files()
    checksums = tuple(hashlib.sha256(content).hexdigest() for content in files.values())
    monkeypatch.setattr(data, "MNIST", replace(data.MNIST, counts=(20, 10), sha256=checksums))
    return files


def assert_is_tiny(digits: data.Dataset, files: dict[str, bytes]) -> None:
    assert (digits.name, digits.title) == ("mnist", "MNIST")
    assert digits.train.images.tobytes() == files[TRAIN_IMAGES][16:]
    assert digits.train.labels.tobytes() == files[TRAIN_LABELS][8:]
    assert digits.test.images.tobytes() == files[TEST_IMAGES][16:]
    assert digits.test.labels.tobytes() == files[TEST_LABELS][8:]
    assert digits.train.images.shape == (20, 28, 28)
    assert digits.test.images.shape == (10, 28, 28)
    assert digits.sha256 == hashlib.sha256(b"".join(files.values())).hexdigest()


def refusal(*arguments) -> str:
    """The sentence with which loading is refused: one line, one full stop at its end."""
    with pytest.raises(UserError) as caught:
        data.load(*arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence
    return sentence


# Where MNIST is found


@pytest.mark.parametrize("layout", [".", "MNIST/raw"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dataset", ["auto", "mnist"])
@pytest.mark.parametrize("given_by", ["--data", "variable", "default"])
def test_finds_mnist(tiny, tmp_path, monkeypatch, layout, packed, dataset, given_by):
    place = Path("data") if given_by == "default" else tmp_path / "elsewhere"
    write(place / layout, tiny, packed)
    if given_by == "variable":
        monkeypatch.setenv(data.VARIABLE, str(place))
    assert_is_tiny(data.load(dataset, place if given_by == "--data" else None), tiny)


def test_data_comes_before_variable_before_default(tiny, tmp_path, monkeypatch):
    write(tmp_path / "good", tiny)
    write(tmp_path / "bad", {**tiny, TEST_LABELS: b""})
    write(Path("data"), {**tiny, TEST_LABELS: b""})
    monkeypatch.setenv(data.VARIABLE, str(tmp_path / "bad"))
    assert_is_tiny(data.load("auto", tmp_path / "good"), tiny)
    monkeypatch.setenv(data.VARIABLE, str(tmp_path / "good"))
    assert_is_tiny(data.load("auto"), tiny)


def test_packed_and_unpacked_files_may_lie_together_under_either_name(tiny, tmp_path):
    (tmp_path / TRAIN_IMAGES).write_bytes(tiny[TRAIN_IMAGES])
    (tmp_path / f"{TRAIN_LABELS}.gz").write_bytes(gzip.compress(tiny[TRAIN_LABELS]))
    (tmp_path / TEST_IMAGES).write_bytes(gzip.compress(tiny[TEST_IMAGES]))
    (tmp_path / f"{TEST_LABELS}.gz").write_bytes(tiny[TEST_LABELS])
    assert_is_tiny(data.load("mnist", tmp_path), tiny)


# What is refused


def set_bytes(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


DAMAGE = {
    "magic number": (TEST_IMAGES, lambda c: set_bytes(c, 0, struct.pack(">I", 2049)), "magic number 2049.*2051"),
    "labels' magic number": (TEST_LABELS, lambda c: set_bytes(c, 0, struct.pack(">I", 2051)), "number 2051.*2049"),
    "image size": (TRAIN_IMAGES, lambda c: set_bytes(c, 8, struct.pack(">2I", 32, 27)), "32x27 pixels.*28x28"),
    "label": (TRAIN_LABELS, lambda c: set_bytes(c, 8 + 17, b"\x0a"), "label 10 at position 17"),
    "fewer images than labels": (TRAIN_IMAGES, lambda c: idx(np.zeros((19, 28, 28), np.uint8)), "19 images.*20 labels"),
    "fewer labels than images": (TEST_LABELS, lambda c: idx(np.zeros(9, np.uint8)), "10 images.*9 labels"),
    "end": (TEST_IMAGES, lambda c: c[:-1], "truncated.*7,855 of the 7,856 bytes"),
    "end within header": (TEST_LABELS, lambda c: c[:7], "truncated.*after 7 bytes"),
    "nothing in it": (TEST_LABELS, lambda c: b"", "truncated.*after 0 bytes"),
    "trailing byte": (TEST_LABELS, lambda c: c + b"\0", "beyond the 18 bytes"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_structure_is_refused_before_checksums(tiny, tmp_path, what, packed):
    name, damage, complaint = DAMAGE[what]
    write(tmp_path / "d", {**tiny, name: damage(tiny[name])}, packed)
    sentence = refusal("auto", tmp_path / "d")
    assert name in sentence
    assert "sha256" not in sentence
    assert re.search(complaint, sentence), sentence


@pytest.mark.parametrize(("name", "position"), [(TRAIN_IMAGES, 5000), (TEST_LABELS, 12)])
def test_wrong_checksum_names_file_expected_and_found(tiny, tmp_path, name, position):
    changed = set_bytes(tiny[name], position, bytes([(tiny[name][position] + 1) % 10]))
    write(tmp_path / "d", {**tiny, name: changed})
    sentence = refusal("mnist", tmp_path / "d")
    assert name in sentence
    assert hashlib.sha256(tiny[name]).hexdigest() in sentence
    assert hashlib.sha256(changed).hexdigest() in sentence
    assert sentence.index(hashlib.sha256(tiny[name]).hexdigest()) < sentence.index(hashlib.sha256(changed).hexdigest())


def test_truncated_gzip_is_refused(tiny, tmp_path):
    write(tmp_path, tiny)
    for length in (12, 5000, -1):  # within its header, in its middle, in its closing checksum
        whole = gzip.compress(tiny[TRAIN_IMAGES])
        (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(whole[:length])
        sentence = refusal("auto", tmp_path)
        assert f"{TRAIN_IMAGES}.gz is truncated" in sentence


def test_damaged_gzip_is_refused(tiny, tmp_path):
    write(tmp_path, tiny)
    whole = gzip.compress(tiny[TRAIN_IMAGES])
    for changed in (set_bytes(whole, 6000, b"\xff" * 40), set_bytes(whole, len(whole) - 8, b"\0\0\0\0")):
        (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(changed)
        assert f"{TRAIN_IMAGES}.gz is damaged" in refusal("auto", tmp_path)


def test_wrong_count_is_refused(tmp_path):
    write(tmp_path, tiny_files())
    sentence = refusal("auto", tmp_path)
    assert TRAIN_IMAGES in sentence
    assert "20 images where MNIST has 60,000" in sentence


def test_sample_is_not_taken_for_the_full_set():
    assert "4,000 images where MNIST has 60,000" in refusal("auto", data.SAMPLE_DIRECTORY)


@pytest.mark.parametrize("missing", data.FILES)
def test_one_missing_file_is_refused(tiny, tmp_path, missing):
    write(tmp_path / "d", {name: content for name, content in tiny.items() if name != missing})
    assert f"neither {missing} nor {missing}.gz" in refusal("auto", tmp_path / "d")


def test_a_file_that_cannot_be_read_is_refused(tiny, tmp_path):
    write(tmp_path / "d", {name: content for name, content in tiny.items() if name != TEST_LABELS})
    (tmp_path / "d" / TEST_LABELS).mkdir()
    assert f"{TEST_LABELS} cannot be read" in refusal("auto", tmp_path / "d")


@contextlib.contextmanager
def allowed(mode: int, folder: Path):
    """With no more than these rights to `folder`, even for a superuser."""
    folder.chmod(mode)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)
        folder.chmod(0o700)


@pytest.mark.parametrize("dataset", ["auto", "mnist"])
@pytest.mark.parametrize("given_by", ["--data", data.VARIABLE])
def test_named_directory_is_never_passed_over(tiny, tmp_path, monkeypatch, capsys, dataset, given_by):
    def refusal_of(directory: Path) -> str:
        monkeypatch.setenv(data.VARIABLE, str(directory) if given_by == data.VARIABLE else "")
        return refusal(dataset, directory if given_by == "--data" else None)

    directory = tmp_path / "d"
    for complaint in ("cannot be read (No such file or directory)", "holds none of MNIST's files"):
        sentence = refusal_of(directory)
        assert f"{directory}, given by {given_by}, {complaint}" in sentence
        directory.mkdir(exist_ok=True)
    write(directory, tiny)
    with allowed(0, directory):
        assert f"{directory}, given by {given_by}, cannot be read (Permission denied)" in refusal_of(directory)
    file = directory / f"{TRAIN_IMAGES}.gz"
    assert f"{file}, given by {given_by}, cannot be read (Not a directory)" in refusal_of(file)
    assert capsys.readouterr() == ("", "")
    assert os.listdir() == []


def test_default_directory_with_a_part_of_mnist_is_not_passed_over(tiny):
    write(Path("data/MNIST/raw"), {TRAIN_IMAGES: tiny[TRAIN_IMAGES]})
    assert TRAIN_LABELS in refusal("auto")
    assert os.listdir("data/MNIST/raw") == [f"{TRAIN_IMAGES}.gz"]


def test_contradicting_and_unknown_choices_are_refused(tmp_path):
    assert "--dataset sample" in refusal("sample", tmp_path)
    assert "'emnist'" in refusal("emnist")


# Without a network


def test_auto_falls_back_to_the_sample_and_says_so(offline, capsys):
    (offline / "data").mkdir()
    digits = data.load("auto")
    assert (digits.name, digits.title) == ("sample", "5,000-digit sample")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for part in ("--data", "LENET1998_DATA", "data/", "127.0.0.1", "'5,000-digit sample'"):
        assert part in err
    assert [path.name for path in offline.rglob("*")] == ["data"]


def test_mnist_insists(offline, capsys):
    sentence = refusal("mnist")
    assert "download failed (no answer from http://127.0.0.1" in sentence
    assert "--dataset sample" in sentence
    assert capsys.readouterr() == ("", "")
    assert os.listdir(offline) == []


def test_a_server_that_never_answers_costs_the_time_out(monkeypatch):
    monkeypatch.setattr(data, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(data, "MIRRORS", (f"http://127.0.0.1:{silent.getsockname()[1]}/",) * 4)
        start = time.monotonic()
        assert "no answer" in refusal("mnist")
        assert time.monotonic() - start < 2


def test_a_name_that_is_looked_up_for_ever_costs_the_time_out(monkeypatch):
    released = threading.Event()

    def look_up(*_, **__):
        released.wait(30)
        raise socket.gaierror("released")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(data, "TIMEOUT", 0.2)
    start = time.monotonic()
    try:
        assert "no answer" in refusal("mnist")
        assert time.monotonic() - start < 2
    finally:
        released.set()


# Downloads


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class StallingHandler(Handler):
    """Answers the question whether it is there, and then sends half of the file that it promises."""

    released: threading.Event

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"\x1f\x8b" + bytes(498))
        self.released.wait(30)


@contextlib.contextmanager
def served(handler):
    """The address of a server on the loopback address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def tiny_served(tiny, tmp_path, monkeypatch) -> dict[str, bytes]:
    """The tiny MNIST on a server, behind the mirror that does not answer; torchvision expects its md5 checksums."""
    write(tmp_path / "server", tiny)
    resources = [
        (path.name, hashlib.md5(path.read_bytes()).hexdigest())
        for path in (tmp_path / "server" / f"{name}.gz" for name in data.FILES)
    ]
    monkeypatch.setattr(data._torchvision_mnist(), "resources", resources)
    with served(partial(Handler, directory=tmp_path / "server")) as address:
        monkeypatch.setattr(data, "MIRRORS", (*data.MIRRORS, address))
        yield tiny


@pytest.mark.parametrize("dataset", ["auto", "mnist"])
def test_downloads_through_torchvision(tiny_served, offline, capsys, dataset):
    socket.setdefaulttimeout(123)
    try:
        assert_is_tiny(data.load(dataset), tiny_served)
        assert socket.getdefaulttimeout() == 123
    finally:
        socket.setdefaulttimeout(None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"downloading MNIST (11 MB) from {data.MIRRORS[1]} into data/\n"
    assert os.listdir(offline) == ["data"]
    for name, content in tiny_served.items():
        assert (offline / "data" / "MNIST" / "raw" / name).read_bytes() == content


def test_downloaded_files_are_found_again_by_us_and_by_torchvision(tiny_served, monkeypatch, capsys):
    data.load("mnist")
    capsys.readouterr()
    monkeypatch.setattr(data, "MIRRORS", ())
    assert_is_tiny(data.load("mnist"), tiny_served)
    assert capsys.readouterr() == ("", "")
    downloader = data._torchvision_mnist()
    assert downloader("data", train=True, download=False).targets.tolist() == list(range(10)) * 2


def test_download_keeps_what_another_process_has_put_there(tiny_served, monkeypatch):
    read = data.read

    def slow_read(edition, folder):
        write(Path("data/MNIST/raw"), tiny_served)  # the other process is faster
        return read(edition, folder)

    monkeypatch.setattr(data, "read", slow_read)
    assert_is_tiny(data.load("mnist"), tiny_served)
    assert os.listdir() == ["data"]
    assert sorted(os.listdir("data/MNIST/raw")) == sorted(f"{name}.gz" for name in data.FILES)


@pytest.mark.parametrize("failure", ["wrong md5", "file missing"])
def test_failed_download_leaves_nothing(tiny_served, tmp_path, offline, capsys, failure):
    last = tmp_path / "server" / f"{TEST_LABELS}.gz"
    if failure == "wrong md5":
        last.write_bytes(last.read_bytes() + b"\0")
    elif failure == "file missing":
        last.unlink()
    reason = {"wrong md5": "RuntimeError: Error downloading", "file missing": "HTTP Error 404"}[failure]
    assert reason in refusal("mnist")
    assert data.load("auto").name == "sample"
    assert reason in capsys.readouterr().err
    assert os.listdir(offline) == []


def test_download_into_a_read_only_directory_is_refused(tiny_served, offline):
    with allowed(0o555, offline):
        assert "PermissionError" in refusal("mnist")
    assert os.listdir(offline) == []


def test_download_that_stalls_costs_the_time_out(tiny, offline, monkeypatch):
    data._torchvision_mnist()  # importing it is not what is timed
    monkeypatch.setattr(data, "TIMEOUT", 0.3)
    StallingHandler.released = threading.Event()
    with served(StallingHandler) as address:
        monkeypatch.setattr(data, "MIRRORS", (address,))
        start = time.monotonic()
        assert "download failed" in refusal("mnist")
        elapsed = time.monotonic() - start
        StallingHandler.released.set()
    assert 0.3 <= elapsed < 3
    assert socket.getdefaulttimeout() is None
    assert os.listdir(offline) == []


def test_mirrors_and_files_are_torchvisions(monkeypatch):
    monkeypatch.undo()
    downloader = data._torchvision_mnist()
    assert list(data.MIRRORS) == downloader.mirrors
    assert [f"{name}.gz" for name in data.FILES] == [name for name, _ in downloader.resources]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A torchvision whose import raises the given message until an operator is declared, and the declared operators."""
    import torch

    declared = []
    monkeypatch.setattr(torch.library, "define", lambda name, schema: declared.append(name))
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchvision"}

    def make(message: str | None):
        package = tmp_path / "site" / "torchvision"
        (package / "datasets").mkdir(parents=True)
        (package / "datasets" / "__init__.py").write_text("class MNIST:\n    pass\n")
        (package / "__init__.py").write_text(
            "import builtins\n"
            "message, declared = builtins.stand_in\n"
            "if message and not declared:\n"
            "    raise RuntimeError(message)\n"
        )
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.setattr("builtins.stand_in", (message, declared), raising=False)
        return declared

    for name in before:
        del sys.modules[name]
    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    sys.modules.update(before)


def test_operators_are_not_declared_where_torchvision_imports(stand_in):
    declared = stand_in(None)
    assert data._torchvision_mnist().__name__ == "MNIST"
    assert declared == []


def test_operators_are_declared_where_exactly_they_are_missing(stand_in):
    declared = stand_in("operator torchvision::nms does not exist")
    assert data._torchvision_mnist().__name__ == "MNIST"
    assert declared == ["torchvision::nms", "torchvision::qnms"]


def test_operators_are_not_declared_after_another_failure(stand_in):
    declared = stand_in("operator torchvision::roi_align does not exist")
    with pytest.raises(RuntimeError, match="roi_align"):
        data._torchvision_mnist()
    assert declared == []


# What ships


def test_sample_is_4000_and_1000_digits_round_the_classes():
    digits = data.load("sample")
    assert (digits.name, digits.title) == ("sample", "5,000-digit sample")
    assert digits.train.images.shape == (4000, 28, 28)
    assert digits.test.images.shape == (1000, 28, 28)
    assert digits.train.images.dtype == digits.train.labels.dtype == np.uint8
    assert digits.train.labels.tolist() == list(range(10)) * 400
    assert digits.test.labels.tolist() == list(range(10)) * 100
    images = np.concatenate([digits.train.images, digits.test.images]).reshape(5000, -1)
    assert len(np.unique(images, axis=0)) == 5000
    shipped = b"".join(gzip.decompress((data.SAMPLE_DIRECTORY / f"{name}.gz").read_bytes()) for name in data.FILES)
    assert digits.sha256 == hashlib.sha256(shipped).hexdigest()


def test_sample_is_small_and_alone_in_its_directory():
    assert sorted(os.listdir(data.SAMPLE_DIRECTORY)) == sorted(f"{name}.gz" for name in data.FILES)
    assert sum(path.stat().st_size for path in data.SAMPLE_DIRECTORY.iterdir()) < 1_500_000


def test_damaged_sample_is_refused(tmp_path, monkeypatch):
    files = {name: gzip.decompress((data.SAMPLE_DIRECTORY / f"{name}.gz").read_bytes()) for name in data.FILES}
    pixel = files[TRAIN_IMAGES][1000]
    write(tmp_path, {**files, TRAIN_IMAGES: set_bytes(files[TRAIN_IMAGES], 1000, bytes([pixel ^ 1]))})
    monkeypatch.setattr(data, "SAMPLE_DIRECTORY", tmp_path)
    assert "sha256" in refusal("sample")


@pytest.fixture(scope="module")
def mnist() -> data.Dataset:
    return data.load("mnist", Path(REAL_MNIST))


@needs_mnist
def test_mnist_is_mnist(mnist):
    assert mnist.train.images.shape == (60_000, 28, 28)
    assert mnist.test.images.shape == (10_000, 28, 28)
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_mnist
def test_sample_holds_training_digits_of_mnist_and_no_test_digit(mnist):
    where = {image.tobytes(): i for i, image in enumerate(mnist.train.images)}
    tested = {image.tobytes() for image in mnist.test.images}
    sample = data.load("sample")
    indices = []
    for part in (sample.train, sample.test):
        indices.append(np.array([where[image.tobytes()] for image in part.images]))
        assert not any(image.tobytes() in tested for image in part.images)
        assert np.array_equal(mnist.train.labels[indices[-1]], part.labels)
    # Per class in MNIST's order, the sample's test digits after its training digits.
    per_class = np.concatenate([part.reshape(-1, 10) for part in indices])
    assert (np.diff(per_class, axis=0) > 0).all()


# What they cost


def test_loading_takes_less_than_70_mb(tmp_path, monkeypatch):
    files = {}
    for name, shape in zip(data.FILES, [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)], strict=True):
        files[name] = idx(np.zeros(shape, np.uint8))
    checksums = tuple(hashlib.sha256(content).hexdigest() for content in files.values())
    monkeypatch.setattr(data, "MNIST", replace(data.MNIST, sha256=checksums))
    write(tmp_path / "packed", files)
    write(tmp_path / "unpacked", files, packed=False)
    del files
    for folder in ("packed", "unpacked"):
        tracemalloc.start()
        try:
            digits = data.load("mnist", tmp_path / folder)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert digits.train.images.nbytes == 47_040_000
        assert 47_040_000 < peak < 70_000_000
        del digits


# Grey levels


@pytest.mark.parametrize(("background", "ink"), [(-0.1, 1.175), (0.0, 1.0)])
@pytest.mark.parametrize(("rows", "columns", "size"), [(28, 28, 32), (20, 16, 28), (16, 16, 16)])
def test_grey_levels_are_linear_and_centred(background, ink, rows, columns, size):
    images = np.random.default_rng(1).integers(0, 256, (3, rows, columns), np.uint8)
    images[0, 0, :2] = 0, 255
    levels = data.grey_levels(images, size, background, ink, np.float64)
    top, left = (size - rows) // 2, (size - columns) // 2
    expected = np.full((3, size, size), background)
    for n in range(3):
        for y in range(rows):
            for x in range(columns):
                expected[n, top + y, left + x] = background + int(images[n, y, x]) / 255 * (ink - background)
    np.testing.assert_allclose(levels, expected, rtol=0, atol=1e-14)
    assert levels.min() == background
    assert levels.max() == ink
    single = data.grey_levels(images, size, background, ink)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=2e-7, atol=1e-8)


def test_grey_levels_do_not_cut():
    with pytest.raises(ValueError, match="28x28"):
        data.grey_levels(np.zeros((1, 28, 28), np.uint8), size=20)


def mean_and_variance(images: np.ndarray) -> tuple[float, float]:
    levels = data.grey_levels(images)
    mean = levels.mean(dtype=np.float64)
    return mean, np.square(levels - np.float32(mean)).mean(dtype=np.float64)


def test_mean_and_variance_of_the_sample():
    assert mean_and_variance(data.load("sample").train.images) == pytest.approx((0.0277, 0.1231), abs=5e-5)


@needs_mnist
def test_mean_and_variance_of_mnist_are_those_of_the_docstring(mnist):
    parts = [mean_and_variance(part) for part in np.split(mnist.train.images, 12)]
    mean = np.mean([m for m, _ in parts])
    variance = np.mean([v + m**2 for m, v in parts]) - mean**2
    assert f"mean {mean:.3f} and variance {variance:.3f}" in data.grey_levels.__doc__
