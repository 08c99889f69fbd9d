"""A small data set of real MP4 files for the tests, ingested once a session."""

import pytest

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from expansion.data.dataset import VideoDataset
from pipeline.demo_data import make_demo_videos
from pipeline.demo_segments import make_segment_videos


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


@pytest.fixture(scope="session")
def segment_labels(tmp_path_factory):
    """segments.csv beside 12 + 5 + 4 videos of 24 frames at 32 pixels, with motions that have times."""
    return make_segment_videos(tmp_path_factory.mktemp("segments") / "videos", train=12, val=5, test=4, frames=24, size=32)


@pytest.fixture(scope="session")
def segment_records(segment_labels, tmp_path_factory) -> VideoDataset:
    """The same, as records."""
    folder = str(tmp_path_factory.mktemp("segment-records"))
    ingest_folder(IngestSettings(videos=str(segment_labels.parent), labels=str(segment_labels), format="segments",
                                 short_side=32), folder)
    return VideoDataset.open(folder)
