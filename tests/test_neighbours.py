"""Nearest neighbours: the answers by brute force, and the record of them."""

import os
from pathlib import Path

import numpy as np
import pytest
import tiny

from lenet1998 import data, neighbours, records
from lenet1998.data import Digits

ROOT = Path(__file__).parents[1]


def by_hand(train: Digits, image: np.ndarray, k: int) -> tuple[int, bool]:
    """The commonest class of the k nearest, and whether that is free of ties."""
    squared = ((train.images.astype(np.int32) - image) ** 2).sum(axis=(1, 2))
    nearest = np.argsort(squared, kind="stable")
    votes = np.bincount(train.labels[nearest[:k]], minlength=10)
    return int(votes.argmax()), bool(squared[nearest[k - 1]] != squared[nearest[k]])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_answers_are_those_of_the_nearest(k):
    digits = tiny.digits(300, 60)
    answers = neighbours.answers(digits.train, digits.test.images, k)
    expected, clear = zip(*(by_hand(digits.train, image, k) for image in digits.test.images), strict=True)
    assert all(clear) and answers.dtype == np.uint8
    assert answers.tolist() == list(expected)


def test_three_classes_among_three_give_the_smallest():
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 0, 0] = 10, 20, 30
    train = Digits(images, np.array([7, 4, 9], np.uint8))
    assert neighbours.answers(train, np.zeros((1, 28, 28), np.uint8)).tolist() == [4]


def test_the_command_records_what_it_prints(monkeypatch, tmp_path, capsys):
    digits = tiny.digits(300, 60)
    monkeypatch.setattr(data, "load", lambda *_: digits)
    monkeypatch.setattr(neighbours, "RECORDS", tmp_path)
    assert neighbours.main([]) == 0 and not list(tmp_path.iterdir())
    printed = capsys.readouterr().out
    assert neighbours.main(["--record"]) == 0
    assert capsys.readouterr().out.startswith(printed)
    (record,) = records.find(tmp_path, "sample", "neighbours")
    wrong = int((record.arrays["predictions"] != digits.test.labels).sum())
    assert wrong > 0 and printed == f"3 nearest neighbours: {wrong} of 60 test digits misread\n"
    assert record.recipe["k"] == 3 and record.data_sha256 == digits.sha256


def test_without_mnist_the_command_says_so(tmp_path, capsys):
    assert neighbours.main(["--data", str(tmp_path)]) == 2
    assert "holds none of MNIST's files" in capsys.readouterr().err


@pytest.mark.skipif(not os.environ.get(data.VARIABLE), reason="LENET1998_DATA names no full MNIST")
def test_recorded_answers_are_those_of_the_nearest():
    mnist = data.load("mnist")
    (record,) = records.find(ROOT / "results" / "records", "mnist", "neighbours")
    answers = record.arrays["predictions"]
    for index in (0, *np.flatnonzero(answers != mnist.test.labels)[:2].tolist()):
        assert by_hand(mnist.train, mnist.test.images[index], record.recipe["k"]) == (answers[index], True)
