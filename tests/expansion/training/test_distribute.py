"""tf.distribute on devices that the CPU is divided into: which strategy, and that a training on two of them is one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.distribute import Devices, make_strategy
from expansion.training.fit import new_model, train
from tests.expansion.colours import write_colours

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    # Mixed: of classes that take turns, each of two machines would see but two.
    return write_colours(str(tmp_path_factory.mktemp("colours") / "records"), mixed=True)


def start(data, folder, kind, *precisions, **environment):
    script = Path(__file__).with_name("two_devices.py")
    environment |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.Popen([sys.executable, str(script), data.path, str(folder), kind, *precisions], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | environment)


def result_of(process):
    try:
        out, error = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


def check(result):
    assert result["devices"] == 2
    assert len(result["loss"]) == 3 and np.isfinite(result["loss"]).all() and result["loss"][-1] < result["loss"][0]
    assert result["apart"] == 0  # moving statistics included


@pytest.fixture(scope="module")
def on_two_devices(colours, tmp_path_factory):
    """What trainings on two devices came to, by precision; one process for all of them."""
    return result_of(start(colours, tmp_path_factory.mktemp("two"), "mirrored", "float32", "mixed_float16"))


@pytest.mark.slow
def test_one_training_on_two_devices(on_two_devices):
    result = on_two_devices["float32"]
    check(result)
    assert result["accuracy"] > 0.5  # chance is 0.25
    assert result["random_states"] and all(second == first + 1 for first, second in result["random_states"])
    assert result["resumed_equal"]
    assert result["halves_differ_by"] < 1e-5


@pytest.mark.slow
def test_multigrid_on_two_devices_is_that_on_one(on_two_devices):
    """Without dropout, which devices draw for themselves: the same clips, and batch norm's statistics over the same of them."""
    result = on_two_devices["float32"]["multigrid"]
    assert result["moved"] > 1e-3 and result["weights"] < 1e-5 and result["losses"] < 1e-5


@pytest.mark.slow
def test_mixed_precision_on_two_devices(on_two_devices):
    """Float16: its loss is scaled by all devices alike. Bfloat16 needs none of that."""
    check(on_two_devices["mixed_float16"])


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_one_training_on_two_machines(colours, tmp_path):
    cluster = {"worker": [f"localhost:{free_port()}" for _ in range(2)]}
    processes = [start(colours, tmp_path, "multi_worker", "float32", TF_CONFIG=json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": index}})) for index in range(2)]
    try:
        first, second = (result_of(process)["float32"] for process in processes)
    finally:
        for process in processes:
            process.kill()
    check(first)
    assert first["accuracy"] > 0.5
    assert first["loss"] == second["loss"] and first["weights"] == second["weights"]
    assert first["resumed_equal"] and second["resumed_equal"]
    assert [b[0] - a[0] for a, b in zip(first["random_states"], second["random_states"])] == [1] * len(first["random_states"])


def test_a_machine_without_gpus_is_one_device(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert make_strategy(Devices()).num_replicas_in_sync == make_strategy(Devices(strategy="none")).num_replicas_in_sync == 1
    assert make_strategy(Devices(strategy="mirrored")).num_replicas_in_sync == 1


@pytest.mark.parametrize("devices, message", [
    (Devices(count=2), "devices.count is 2: there is no GPU"),
    (Devices(strategy="none", count=2), "devices.count is 2: strategy 'none' uses one"),
    (Devices(strategy="mirrored", count=3), "devices.count is 3: this machine has 1 CPU"),
    (Devices(strategy="multi_worker"), "TF_CONFIG"),
])
def test_devices_that_are_not_there(devices, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    with pytest.raises(InputError, match=message):
        make_strategy(devices)


def test_a_batch_that_devices_cannot_share(colours):
    class Three:
        num_replicas_in_sync = 3

    recipe = Recipe(epochs=1, batch=16)
    model = new_model(Spec(frames=1, size=24, width=0.34, depth=0.2), colours, recipe)
    model._distribute_strategy = Three()
    with pytest.raises(InputError, match="recipe.batch is 16: 3 devices cannot share it equally"):
        train(model, colours, recipe, ClipSettings())
