"""Folders whose names are patterns to the libraries: what is asked for is ingested, and nothing else is touched."""

import pytest

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from expansion.data.dataset import VideoDataset
from expansion.data.frame_index import FrameIndex
from tests.components.ingestion.videos import class_folders

IN_MEMORY = ("--runner=DirectRunner", "--direct_running_mode=in_memory")
NAMES = ["rec?", "rec*", "rec[1]", "rec[", "**", "rec{1,2}", "~", "$HOME", r"rec\1", "rec 1", " [copy] "]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory):
    """A folder with the records rec1, made of other videos."""
    folder = tmp_path_factory.mktemp("odd")
    other = class_folders(folder / "other videos", ("sit", "stand"), each=3)
    ingest_folder(IngestSettings(videos=str(other), short_side=32), str(folder / "rec1"), IN_MEMORY)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_outside_of_the_folder_is_touched(neighbour, name):
    before = contents(neighbour / "rec1")
    videos = class_folders(neighbour / "videos" / name, each=3)
    settings = IngestSettings(videos=str(videos), short_side=32)
    for end in ("", "/"):  # the second finds it whole
        manifest = ingest_folder(settings, str(neighbour / name) + end, IN_MEMORY)
        assert manifest.accepted == 6
    assert contents(neighbour / "rec1") == before
    assert set(contents(neighbour / name)) == {*manifest.files, "manifest.json", "videos.jsonl"}
    data = VideoDataset.open(str(neighbour / name) + "/")
    assert data.classes == ("jump", "run") and len(FrameIndex.open(data, "train").videos) == data.videos("train")
    again = ingest_folder(settings.model_copy(update={"short_side": 24}), str(neighbour / name), IN_MEMORY)
    assert again.short_side == 24 and contents(neighbour / "rec1") == before, "what is stale there is removed, and only that"
