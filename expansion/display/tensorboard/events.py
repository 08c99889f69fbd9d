"""TensorBoard's event files: what a run holds, and appending what it does not hold yet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2, summary_pb2

from expansion.display.lettering import if_drawn
from expansion.foundation import files, paths


def event_files(folder: str) -> list[str]:
    """Paths of the event files in a run's folder, in order; none where there is no folder."""
    return [path for path in files.listed(folder) if "tfevents" in os.path.basename(path)]


def _events(path: str) -> Iterator[event_pb2.Event]:
    try:
        for record in tf.data.TFRecordDataset(paths.local_copies([path])).as_numpy_iterator():
            yield event_pb2.Event.FromString(record)
    except tf.errors.DataLossError:  # the end is torn: its writer was killed
        return


class Run:
    """Appends to a run what it does not hold yet: each (tag, step) once. A file is made only if there is something to
    write.

    Args:
        folder: the run's folder. Where TensorFlow does not write, files are copied there by `flush` and `close`.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self._held = {(value.tag, event.step) for path in event_files(folder) for event in _events(path)
                      for value in event.summary.value}
        self._writer = None
        self._own = None if paths.in_tensorflow(folder) else tempfile.TemporaryDirectory()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def has(self, tag: str, step: int) -> bool:
        return (tag, step) in self._held

    def scalar(self, tag: str, value: float | None, step: int) -> None:
        """A number; None is left out."""
        if value is not None:
            self._write(tag, step, lambda: tf.summary.scalar(tag, float(value), step))

    def text(self, tag: str, markdown: str, step: int) -> None:
        self._write(tag, step, lambda: tf.summary.text(tag, markdown, step))

    def image(self, tag: str, draw: Callable[[], np.ndarray], step: int) -> None:
        """`draw` makes the picture, (height, width, 3) in uint8; it is called only if the run has none.

        One that cannot be drawn is left out, with a line in the log.
        """
        if not self.has(tag, step) and (picture := if_drawn(f"{tag}, step {step}", draw)) is not None:
            self._write(tag, step, lambda: tf.summary.image(tag, picture[np.newaxis], step))

    def raw(self, tag: str, step: int, summary: summary_pb2.Summary) -> None:
        """A Summary message of a plug-in."""
        self._write(tag, step, lambda: tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step))

    def flush(self) -> None:
        if self._writer:
            self._writer.flush()
            self._hand_over()

    def _hand_over(self) -> None:
        if self._own:
            files.copy_folder(self._own.name, self.folder)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None
            self._hand_over()

    def _write(self, tag: str, step: int, write: Callable[[], object]) -> None:
        if self.has(tag, step):
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._own.name if self._own else self.folder)
        with self._writer.as_default():
            write()
        self._held.add((tag, step))
