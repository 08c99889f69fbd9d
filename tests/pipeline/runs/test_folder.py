"""Which folder a run's search is kept in, and what is refused before anything starts."""

import os

import pytest

from expansion.foundation.errors import InputError
from expansion.search.trace import write_trace
from pipeline.commands.search import run_search
from pipeline.config import load_config, shipped
from pipeline.runs.folder import RunFolder
from tests.expansion.searches import finished


@pytest.mark.slow
def test_a_fresh_search_leaves_the_others(tmp_path):
    folder = RunFolder(str(tmp_path / "mine"))
    assert folder.search_folder == str(tmp_path / "mine" / "search" / "1")
    folder.begin_afresh()  # there is none yet: nothing to begin beside
    assert folder.search_folder.endswith("1")
    for number in range(1, 12):
        assert folder.search_folder.endswith(f"{os.sep}{number}")
        write_trace(folder.search_folder, finished())
        folder.begin_afresh()
        folder.begin_afresh()  # asked for twice before it began: still one
    assert len(folder.traces()) == 11 and folder.search_folder.endswith("12")


def test_changed_settings_are_refused_before_anything_starts(tmp_path):
    config = load_config(shipped("small.yaml"), **{"ingest.videos": "videos", "name": "mine"})
    folder = RunFolder(str(tmp_path / "mine"))
    search = finished(config.search)
    search.made_with = {"data": {"fingerprint": "a"}, "recipe": config.recipe.model_dump(mode="json"),
                        "clips": config.clips.model_dump(mode="json"), "seed": 0}
    write_trace(folder.search_folder, search)
    changed = config.model_copy(update={"recipe": config.recipe.model_copy(update={"epochs": 31})})
    with pytest.raises(InputError, match="recipe.epochs was 30, is now 31.*--fresh"):
        run_search(changed, str(tmp_path))
    assert not os.path.exists(folder.config)  # the run still has the settings that it was made with
    with pytest.raises(InputError, match="videos"):  # nothing is wrong with the settings: it continues, to the videos
        run_search(config.model_copy(update={"search": config.search.model_copy(update={"steps": 9})}), str(tmp_path))
