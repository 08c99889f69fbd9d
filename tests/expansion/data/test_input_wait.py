"""Waiting for input: a slow dataset is waited for, one that is ahead is not, and the elements stay what they are."""

import threading
import time

import pytest
import tensorflow as tf

from expansion.data.input_wait import InputWait

SECONDS, ELEMENTS = 0.05, 10


@pytest.fixture
def made():
    """Counts the elements that have been made."""
    return threading.Semaphore(0)


@pytest.fixture
def pairs(made):
    def make(number):
        time.sleep(SECONDS)
        made.release()
        return number

    def slow(number):
        return tf.numpy_function(make, [number], tf.int64), -number

    return tf.data.Dataset.range(ELEMENTS).map(slow)


def test_the_elements_are_the_same(pairs):
    assert list(InputWait().measured(pairs).as_numpy_iterator()) == [(n, -n) for n in range(ELEMENTS)]


def test_all_of_a_slow_dataset_is_waiting(pairs):
    wait = InputWait()
    for _ in wait.measured(pairs):
        pass
    assert wait.take() >= 0.99 * SECONDS * ELEMENTS  # of two clocks
    assert wait.take() == 0


def test_what_is_ready_is_not_waited_for(pairs, made):
    wait = InputWait()
    batches = iter(wait.measured(pairs.prefetch(ELEMENTS)))
    next(batches)
    for _ in range(ELEMENTS):
        made.acquire()
    time.sleep(SECONDS)  # the last one was made, and is now on its way into the buffer
    wait.take()
    for _ in range(ELEMENTS - 1):
        next(batches)
    assert wait.take() < 0.5 * SECONDS * ELEMENTS
