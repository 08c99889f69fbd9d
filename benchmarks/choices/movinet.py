"""MoViNet-A0 (arXiv 2103.11511) of tf-models-official from scratch, on the same clips, in an environment of its own.

benchmarks/README.md has the recipe of that environment, .venv-movinet. `python -m benchmarks.choices.movinet JOB` runs there;
it needs of this project what reads clips alone.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.choices.results import Result, letters
from benchmarks.choices.sets import SETS, TINY, DataSet
from expansion.data.dataset import VideoDataset
from expansion.spec import Spec

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-movinet" / "bin" / "python"
LAST_SEED = 1000
ABOUT_MACS = 1.35e9 / (50 * 172**2)  # of A0 for a pixel of a clip (the paper's 2.71 GFLOPs), to begin looking at


class Missing(RuntimeError):
    """The environment is not there."""


def run(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Result:
    """Trains and evaluates it in its environment.

    Raises:
        Missing: there is none.
    """
    if not PYTHON.exists():
        raise Missing(f"{PYTHON.parents[1].name} is not there: see benchmarks/README.md")
    job, done = folder / "job.json", folder / "movinet.json"
    job.write_text(json.dumps({"set": terms.name, "records": data.path, "seed": seed, "done": str(done)}), encoding="utf-8")
    subprocess.run([PYTHON, "-m", "benchmarks.choices.movinet", job], check=True, cwd=ROOT,
                   env=os.environ | {"TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": str(ROOT)})
    return Result(**json.loads(done.read_text(encoding="utf-8")))


def _spec(limit: float, terms: DataSet, data: VideoDataset) -> Spec:
    """Frames and size that come nearest to a cost from below."""
    span = data.limits.span or 1
    specs = [Spec(frames=frames, stride=min(terms.start.stride, max(1, (span - 1) // (frames - 1))), size=size)
             for frames in (4, 8, 16) if frames <= span for size in range(terms.start.size, data.short_side + 1, 8)]
    return min(specs, key=lambda spec: (ABOUT_MACS * spec.pixels > limit, abs(math.log(ABOUT_MACS * spec.pixels / limit))))


def worker(job: dict) -> Result:
    """In the environment."""
    import tensorflow as tf
    from official.core.train_utils import try_count_flops
    from official.projects.movinet.modeling import movinet, movinet_model

    from expansion.data.clips import training_clips
    from expansion.data.views import evaluation_views

    terms = {**SETS, TINY.name: TINY}[job["set"]]
    data, seed, began = VideoDataset.open(job["records"]), job["seed"], time.perf_counter()
    classes, videos = len(data.classes), data.videos("train")
    spec = _spec(terms.limit(classes), terms, data)
    recipe = terms.recipe.model_copy(update={"epochs": terms.final * terms.recipe.epochs})
    steps, total = recipe.steps(videos)
    tf.keras.utils.set_random_seed(seed + LAST_SEED)
    backbone = movinet.Movinet(model_id="a0", kernel_regularizer=tf.keras.regularizers.L2(recipe.weight_decay / 2))
    model = movinet_model.MovinetClassifier(backbone=backbone, num_classes=classes, dropout_rate=recipe.dropout)
    shape = (1, spec.frames, spec.size, spec.size, 3)
    model.build(shape)
    flops = try_count_flops(model, {"inputs": {"image": tf.ones(shape)}}) or 0
    rate = tf.keras.optimizers.schedules.CosineDecay(0.01 * recipe.scaled_rate, total, warmup_target=recipe.scaled_rate,
                                                     warmup_steps=round(recipe.warmup_epochs * steps))
    model.compile(tf.keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=True),
                  tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def pixels(clips):
        return {"image": tf.cast(clips, tf.float32) / 255.0}

    clips = training_clips(data, spec, terms.clips, recipe.batch, seed + LAST_SEED).map(lambda clip, label: (pixels(clip), label))
    model.fit(clips, epochs=math.ceil(recipe.epochs), steps_per_epoch=steps, verbose=0)
    asked = tf.function(lambda batch: tf.nn.softmax(model(pixels(batch), training=False)), autograph=False)

    def right(split: str) -> list[bool]:
        from expansion.data.videos import labels_and_ids

        labels, _ = labels_and_ids(data, split)
        sums = [[0.0] * classes for _ in labels]
        for batch, numbers in evaluation_views(data, split, spec, terms.clips, 16, spec.size):
            for number, said in zip(numbers.numpy(), asked(batch).numpy()):
                sums[number] = [a + b for a, b in zip(sums[number], said)]
        return [max(range(classes), key=row.__getitem__) == label for row, label in zip(sums, labels)]

    val, test = right("val"), right("test")
    params = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return Result(terms.name, "", seed, f"A0 {spec.frames}x{spec.stride} {spec.size}px", flops / 2, params, letters(test),
                  sum(val) / len(val), 0.0, 3.0 * flops / 2 * steps * recipe.batch * recipe.epochs, time.perf_counter() - began)


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(given["done"]).write_text(json.dumps(vars(worker(given))), encoding="utf-8")
