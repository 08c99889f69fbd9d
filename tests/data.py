"""A small data set of real MP4 files for the tests, ingested once a session."""

import pytest

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from expansion.data.dataset import VideoDataset
from pipeline.demo_data import make_demo_videos


@pytest.fixture(scope="session")
def demo_labels(tmp_path_factory):
    """labels.csv beside 8 classes of 6 + 3 + 3 videos of 12 frames at 32 pixels."""
    return make_demo_videos(tmp_path_factory.mktemp("demo") / "videos", train=6, val=3, test=3, frames=12, size=32)


@pytest.fixture(scope="session")
def demo_records(demo_labels, tmp_path_factory) -> VideoDataset:
    """The same, as records."""
    folder = str(tmp_path_factory.mktemp("records"))
    ingest_folder(IngestSettings(videos=str(demo_labels.parent), labels=str(demo_labels), short_side=32), folder)
    return VideoDataset.open(folder)
