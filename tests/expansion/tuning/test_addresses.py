"""Records, state, checkpoints, networks and logs at an address of fsspec: a whole search on its file system in memory."""

import os

import fsspec
import pytest

import expansion
from expansion.display.progress import SearchProgress
from expansion.display.tensorboard.events import event_files
from expansion.foundation import files, paths
from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.spec import Spec

RECIPE = expansion.Recipe(epochs=2, batch=16, rate=0.05, rate_batch=16)


def test_small_files(tmp_path):
    for place in (str(tmp_path), "memory://small"):
        folder = f"{place}/folder"
        files.write_json(f"{folder}/a.json", [1])
        files.write_json(f"{folder}/b.json", [2])
        assert files.create_folder(f"{place}/attempt") and not files.create_folder(f"{place}/attempt")
        assert files.read_json(f"{folder}/b.json") == [2] and [
            os.path.basename(path) for path in files.listed(folder, suffix=".json")] == ["a.json", "b.json"]
        with files.written_whole(f"{folder}/c.txt") as partial:
            with open(partial, "w") as file:
                file.write("whole")
            assert not files.exists(f"{folder}/c.txt")
        files.copy_folder(folder, f"{place}/copy")
        files.move_into(f"{place}/copy", f"{place}/goal", "b.json", leave=("a.json",))
        assert files.read_text(f"{place}/goal/c.txt") == "whole" and not files.exists(f"{place}/goal/a.json")
        (there,) = paths.local_copies([f"{folder}/c.txt"])
        with open(there) as file:
            assert file.read() == "whole"


@pytest.mark.slow
def test_a_search_at_an_address(demo_records):
    """It stops after the first epoch and resumes there, with a step that begins with its parent's weights."""
    memory = fsspec.filesystem("memory")
    memory.put(demo_records.path, "/there/records", recursive=True)

    def tuner(**changes):
        return expansion.ExpansionTuner(
            "memory://there/records",
            SearchSettings(start=Spec(frames=1, stride=4, size=24, width=0.34, depth=0.2), steps=1, axes=("fast",),
                           warm_start=True, without_gain="continue"),
            recipe=RECIPE, clips=expansion.ClipSettings(flip=False, views=2), directory="memory://there", project_name="search",
            progress=SearchProgress(quiet=True), **changes)

    first = tuner()
    first.progress.epoch_ended = lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        first.search()
    again = tuner()
    again.search()
    assert [winner.axis for winner in again.state.path] == ["seed", "fast"]
    assert again.get_best_models()[0].spec == again.state.path[-1].spec
    assert event_files("memory://there/search/logs/step01/fast") and event_files("memory://there/search/logs/summary")
    assert memory.exists("/there/search/path.png") and not memory.glob("/there/search/trial_*/checkpoint")
    assert not os.path.exists("memory:")  # nothing was taken for a path of this machine
    with pytest.raises(InputError, match="recipe.epochs was 2, is now 3"):
        expansion.ExpansionTuner("memory://there/records", again.state.settings, recipe=RECIPE.model_copy(update={"epochs": 3}),
                                 clips=again.clips, directory="memory://there", project_name="search")
