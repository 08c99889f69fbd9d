"""The linear probe: the closed form of leaving one out, and that it finds what features tell."""

import numpy as np
import pytest

from expansion.evaluation import probe
from expansion.evaluation.probe import least_squares, linear_probe
from expansion.network.model import build_model
from expansion.search.probe import Probe
from expansion.spec import Spec
from tests.expansion.colours import write_colours
from tests.expansion.networks import awake


def blobs(rng, videos, classes=3, features=40):
    """Features whose first few tell the class; the others are noise."""
    labels = rng.integers(0, classes, videos)
    found = rng.normal(0, 1, (videos, features))
    found[np.arange(videos), labels] += 3
    return found, labels


def test_features_that_tell_the_class_are_found_among_noise():
    rng = np.random.default_rng(0)
    (train, labels), (val, expected) = blobs(rng, 60), blobs(rng, 300)
    assert (least_squares(train, labels, val, 3).argmax(1) == expected).mean() > 0.8
    assert (least_squares(train, rng.permutation(labels), val, 3).argmax(1) == expected).mean() < 0.55


def test_what_is_left_out_is_what_training_without_it_gives(monkeypatch):
    """The closed form against a training without each video in turn, with the same centre and scale."""
    rng = np.random.default_rng(1)
    train, labels = blobs(rng, 20)
    monkeypatch.setattr(probe, "STRENGTHS", np.array([0.01]))
    whole = train - train.mean(0)
    whole /= np.sqrt((whole**2).mean() * whole.shape[1])
    targets = np.eye(3)[labels] - np.eye(3)[labels].mean(0)
    gram, strength = whole @ whole.T, 0.01 * 20
    inverse = np.linalg.inv(gram + strength * np.eye(20))
    closed = targets - (inverse @ targets) / np.diag(inverse)[:, None]
    for one in range(20):
        rest = np.delete(np.arange(20), one)
        weights = np.linalg.solve(gram[np.ix_(rest, rest)] + strength * np.eye(19), targets[rest])
        np.testing.assert_allclose(closed[one], gram[one, rest] @ weights, atol=1e-8)
    scores = least_squares(train, labels, train, 3)
    np.testing.assert_allclose(scores, gram @ inverse @ targets + np.eye(3)[labels].mean(0), atol=1e-8)


@pytest.mark.slow
def test_the_features_of_a_network_that_learnt_nothing_tell_colours(tmp_path):
    data = write_colours(str(tmp_path / "records"), train=32)
    found = linear_probe(awake(build_model(Spec(size=24, width=0.34, depth=0.2), 4)), data)
    assert (found.train, found.val, found.largest_class) == (32, 8, 0.25) and found.accuracy > 0.7
    few = linear_probe(awake(build_model(Spec(size=24, width=0.34, depth=0.2), 4)), data, work=1)
    assert (few.train, few.val) == (20, 8)


def test_in_words():
    text = Probe(0.71, 0.5, 200, 50, 12.4).text("m.pyth")
    assert text == ("a linear classifier on the features of m.pyth as they are has 71.0 % of 50 validation videos (the largest "
                    "class alone 50.0 %; 200 training videos, 12 s)")
