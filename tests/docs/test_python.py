"""Every Python block of the documentation compiles, imports what there is, and runs on small data."""

import ast
import contextlib
import importlib
import shutil

import pytest

import expansion
from tests.commands import x3d
from tests.docs.pages import blocks

BLOCKS = blocks("python")

# What makes a block small enough to run: a network of 16 channels on records of 32 pixels, one epoch.
SMALLER = {
    "expansion.Spec(size=112), steps=4": "expansion.Spec(stride=2, size=32, width=0.34, depth=0.2), steps=1, axes=('fast',)",
    "epochs=30": "epochs=1",
    'constraints=["macs <= 100M"]': "smallest=expansion.Spec(size=24, width=0.34, depth=0.2), constraints=['macs <= 2M']",
    "max_trials=20": "max_trials=1",
    'expansion.NAMED["XS"], ': "expansion.Spec(frames=2, stride=2, size=32, width=0.34, depth=0.2), ",
    "at_size(model, 182)": "at_size(model, 40)",
    'expansion.NAMED["M"]': 'expansion.Spec(frames=2, stride=2, size=32, width=0.34, depth=0.2)',
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_compiles_and_what_it_imports_is_there(block):
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom):
            assert all(hasattr(importlib.import_module(node.module), name.name) for name in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "expansion":
            assert node.attr in expansion.__all__, node.attr


def test_what_is_made_smaller_is_there():
    assert all(any(text in block.text for block in BLOCKS) for text in SMALLER)


@pytest.fixture(scope="module")
def folder(demo_records, demo_labels, tmp_path_factory):
    """A folder with the files that the blocks name: records, videos, a network in three forms, public weights."""
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "records").symlink_to(demo_records.path)
    (folder / "folder").mkdir()
    for name in ("clip.mp4", "folder/other.mp4"):
        shutil.copy(next(demo_labels.parent.rglob("*.mp4")), folder / name)
    spec = expansion.Spec(frames=2, stride=2, size=32, width=0.34, depth=0.2)
    with contextlib.chdir(folder):
        model = expansion.new_model(spec, demo_records, expansion.Recipe())
        from expansion.network.saving import save_model

        save_model(model, "m.keras")
        for form in ("tflite", "saved_model"):
            done = x3d("export", "m.keras", "--format", form, "--records", "records", cwd=folder)
            assert done.returncode == 0, done.stderr
        expansion.save_weights(expansion.build(spec, classes=400), "x3d_m.pyth")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_runs(block, folder):
    text = block.text
    for long, short in SMALLER.items():
        text = text.replace(long, short)
    with contextlib.chdir(folder):
        exec(compile(text, str(block), "exec"), {"__name__": "block"})
