"""Augmentation: the same for all frames, a function of the seed alone, and labels that say what was mixed."""

import numpy as np
import pytest
import tensorflow as tf

from expansion.data import augment
from expansion.data.augment import OPERATIONS, augment_clip, mix_batch
from expansion.data.clips import training_clips
from expansion.recipe import Augmentation, ClipSettings
from expansion.spec import Spec

SEED = tf.constant([3, 5], tf.int64)


def clip(frames=3, size=32, seed=0):
    picture = np.random.default_rng(seed).triangular(20, 60, 240, (size, size, 3))
    return tf.constant(np.repeat(picture[None], frames, 0), tf.uint8)


def keyed(number):
    return tf.random.fold_in(SEED, number)


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_an_operation_treats_all_frames_alike_and_keeps_the_range(number):
    pixels = tf.cast(clip(), tf.float32)
    for signed in (0.6, -0.6):
        found = np.clip(OPERATIONS[number](pixels, tf.constant(signed)), 0, 255)
        assert found.shape == pixels.shape and np.isfinite(found).all()
        np.testing.assert_allclose(found, np.repeat(found[:1], 3, 0), atol=1e-3)
        assert number == 0 or np.abs(found - pixels).max() > 1


@pytest.mark.parametrize("number, signed, expected", [
    (3, -0.5, lambda p: 0.55 * p), (7, 0.5, lambda p: p // 4 * 4), (8, 0.25, lambda p: np.where(p >= 192, 255 - p, p))])
def test_operations_do_what_their_names_say(number, signed, expected):
    pixels = clip().numpy().astype("float32")
    np.testing.assert_allclose(OPERATIONS[number](tf.constant(pixels), tf.constant(signed)), expected(pixels), atol=1e-3)


def test_rotations_turn_about_the_middle_and_shifts_move():
    cross = np.full((2, 33, 33, 3), augment.FILL, "float32")
    cross[:, 16, 16] = 255
    turned = augment._rotate(tf.constant(cross), tf.constant(1.0)).numpy()
    assert turned[0, 16, 16, 0] == pytest.approx(255, abs=1)
    shifted = OPERATIONS[12](tf.constant(cross), tf.constant(-1 / augment.SHIFT * 3 / 33)).numpy()
    assert shifted[0, 16, 19, 0] == pytest.approx(255, abs=1) and shifted[0, 16, 16, 0] == pytest.approx(augment.FILL)


def test_a_clip_is_a_function_of_its_seed():
    settings = Augmentation(randaugment=2, colour=0.4, erasing=1.0)
    one, again, other = (augment_clip(clip(), seed, settings).numpy() for seed in (keyed(1), keyed(1), keyed(2)))
    assert one.dtype == np.uint8 and np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(one[0], one[2])
    assert np.array_equal(augment_clip(clip(), keyed(1), Augmentation()), clip())


def test_what_is_erased_is_one_window_of_the_stated_size():
    shares = []
    for number in range(30):
        gone = (augment_clip(clip() * 0, keyed(number), Augmentation(erasing=1.0)).numpy() == round(augment.FILL)).all((0, 3))
        rows, columns = gone.any(1).nonzero()[0], gone.any(0).nonzero()[0]
        assert gone[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].all()
        shares.append(gone.mean())
    assert 0.01 < min(shares) < 0.1 and 0.2 < max(shares) < 0.4
    erased = [np.any(augment_clip(clip() * 0, keyed(n), Augmentation(erasing=0.25)).numpy()) for n in range(60)]
    assert 5 < sum(erased) < 27


def black_and_white(batch=4):
    return tf.constant(np.stack([np.full((2, 16, 16, 3), 255 * (n % 2)) for n in range(batch)]), tf.uint8)


@pytest.mark.parametrize("settings", [Augmentation(mixup=1.0), Augmentation(cutmix=1.0), Augmentation(mixup=0.5, cutmix=0.5)])
def test_labels_say_what_was_mixed(settings):
    shares = set()
    for number in range(8):
        clips, labels = mix_batch(black_and_white(), tf.constant([0, 1, 0, 1]), keyed(number), 3, settings)
        assert clips.dtype == tf.uint8 and labels.shape == (4, 3) and not labels.numpy()[:, 2].any()
        np.testing.assert_allclose(labels.numpy().sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(clips.numpy().mean((1, 2, 3, 4)) / 255, labels.numpy()[:, 1], atol=3e-3)
        shares.add(round(float(labels[1, 1]), 4))
        if not settings.mixup:
            assert set(np.unique(clips)) <= {0, 255} and np.array_equal(clips[:, 0], clips[:, 1])
    assert len(shares) > 4


def batches(data, count=3, **options):
    spec = Spec(frames=2, stride=2, size=24)
    return [tuple(map(np.asarray, each)) for each in
            training_clips(data, spec, ClipSettings(), 8, 1, **options).take(count).as_numpy_iterator()]


@pytest.mark.slow
def test_augmented_clips_of_an_epoch_do_not_hang_on_what_was_read_before(demo_records):
    options = {"augment": Augmentation(randaugment=1, colour=0.3, mixup=0.4, cutmix=0.4)}
    plain, one, again = batches(demo_records), batches(demo_records, **options), batches(demo_records, **options)
    late = batches(demo_records, 1, first_epoch=0, **options)
    for (clips, labels), (other, others) in zip([*one, one[0]], [*again, late[0]]):
        assert np.array_equal(clips, other) and np.array_equal(labels, others) and labels.shape == (8, 8)
    hard = np.eye(8)[plain[0][1]]
    assert not np.array_equal(plain[0][0], one[0][0]) and np.all((one[0][1] > 0) <= ((hard + hard[::-1]) > 0))


@pytest.mark.slow
def test_several_clips_of_a_video_come_one_after_the_other(demo_records):
    epoch = batches(demo_records, 12, clips_per_video=2)
    labels = np.concatenate([labels for _, labels in epoch])
    assert np.array_equal(labels[::2], labels[1::2]) and np.array_equal(np.bincount(labels[:96]), [12] * 8)
    assert not any(np.array_equal(clips[0], clips[1]) for clips, _ in epoch)
