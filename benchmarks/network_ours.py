"""Worker: a training step or a forward pass of this project's network.

Settings: network, mode (train, infer), batch; precision (float32, float16, bfloat16) and xla, if not the defaults.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks import worker  # noqa: E402

CLASSES = 400


def data(spec, batch: int):
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    clips = random.integers(0, 256, (batch, spec.frames, spec.size, spec.size, 3), dtype=np.uint8)
    return tf.constant(clips), tf.constant(random.integers(0, CLASSES, batch))


def peak() -> int:
    """Bytes: the most that was allocated on the first GPU, else that this process held."""
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpu else worker.peak_bytes()


def training_step(model, clips, labels):
    """One step as Keras' fit runs it: forward, backward, update, metrics."""
    import tensorflow as tf

    from expansion.training.grappler import without_passes

    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors((clips, labels)).repeat())

    def step():
        with without_passes(model):
            logs = model.train_function(batches)
            return [float(value) for value in logs.values()]  # waits for the step

    return step


def forward(model, clips):
    """The network as Keras has it, compiled by XLA."""
    import tensorflow as tf

    compiled = tf.function(lambda batch: model(batch, training=False), autograph=False, jit_compile=True)
    return lambda: compiled(clips).numpy()


def start():
    settings = worker.settings()
    precision, xla = settings.get("precision", "float32"), settings.get("xla", False)
    from expansion.foundation.imports import import_keras

    import_keras()  # as `x3d train` and the workers of a search do
    import keras
    import tensorflow as tf

    from expansion.foundation.kernels import onednn_in_use
    from expansion.network.model import build_model
    from expansion.recipe import Recipe
    from expansion.spec import parse_spec
    from expansion.training.fit import compile_model
    from pipeline.commands.eval_tables import device

    spec, batch = parse_spec(settings["network"]), settings["batch"]
    clips, labels = data(spec, batch)
    keras.mixed_precision.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    model = build_model(spec, CLASSES)
    about = {"tensorflow": tf.__version__, "keras": keras.__version__, "oneDNN": "on" if onednn_in_use() else "off"}
    about |= {"device": device()}
    if settings["mode"] == "train":
        compile_model(model, Recipe(batch=batch), 10_000)
        model.jit_compile = xla
        return training_step(model, clips, labels), batch, about
    if xla:
        return forward(model, clips), batch, about
    from expansion.evaluation.networks import keras_network

    pixels, network = clips.numpy(), keras_network(model)
    return lambda: network.predict(pixels), batch, about


if __name__ == "__main__":
    worker.serve(start, peak)
