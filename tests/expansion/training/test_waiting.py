"""Waiting for input: a slow dataset is waited for, one that is ahead is not, and the elements stay what they are."""

import time

import pytest
import tensorflow as tf

from expansion.training.waiting import InputWait

SECONDS, ELEMENTS = 0.02, 10


def slow(number):
    return tf.numpy_function(lambda n: time.sleep(SECONDS) or n, [number], tf.int64), -number


@pytest.fixture
def pairs():
    return tf.data.Dataset.range(ELEMENTS).map(slow).prefetch(1)


def test_the_elements_are_the_same(pairs):
    assert list(InputWait().measured(pairs).as_numpy_iterator()) == [(n, -n) for n in range(ELEMENTS)]


def test_all_of_a_slow_dataset_is_waiting(pairs):
    wait = InputWait()
    for _ in wait.measured(pairs):
        pass
    assert wait.take() >= 0.9 * SECONDS * ELEMENTS
    assert wait.take() == 0


def test_what_is_ready_is_not_waited_for(pairs):
    wait = InputWait()
    batches = iter(wait.measured(pairs))
    next(batches)
    wait.take()
    for _ in range(ELEMENTS - 1):
        time.sleep(3 * SECONDS)
        next(batches)
    assert wait.take() < 0.5 * SECONDS * ELEMENTS
