"""A proxy is part of the data, by hashes, with labels that index its own classes."""

import os

import pytest

from expansion import InputError, Recipe
from expansion.data.subset import ProxySettings, make_proxy
from expansion.data.videos import labels_and_ids, parse, read
from expansion.foundation.settings import parse_settings
from expansion.tuning.jobs import SearchJob
from expansion.tuning.tuner import ExpansionTuner


def held(data, split):
    labels, ids = labels_and_ids(data, split)
    return {video: data.classes[label] for video, label in zip(ids, labels)}


def test_classes_and_share(demo_records, tmp_path):
    proxy = make_proxy(demo_records, ProxySettings(classes=3, share=0.5), str(tmp_path / "p"))
    assert len(proxy.classes) == 3 and set(proxy.classes) < set(demo_records.classes)
    assert (proxy.videos("train"), proxy.videos("val"), proxy.videos("test")) == (9, 9, 0)  # 6, 3 and 3 of each class
    for split in ("train", "val"):
        found, of_all = held(proxy, split), held(demo_records, split)
        assert found.items() <= of_all.items() and set(found.values()) == set(proxy.classes)
        assert proxy.manifest.splits[split].per_class == {
            name: list(found.values()).count(name) for name in proxy.classes}
    assert proxy.short_side == demo_records.short_side and proxy.limits == demo_records.limits


def test_frames_are_the_same(demo_records, tmp_path):
    proxy = make_proxy(demo_records, ProxySettings(classes=2), str(tmp_path / "p"))
    frames = {parse(record).video_id.numpy(): parse(record).frames.numpy().tolist() for record in read(demo_records, "train")}
    for record in read(proxy, "train"):
        video = parse(record)
        assert video.frames.numpy().tolist() == frames[video.video_id.numpy()]


def test_a_larger_share_holds_the_smaller_one_and_seeds_differ(demo_records, tmp_path):
    def ids(name, **settings):
        return set(held(make_proxy(demo_records, ProxySettings(**settings), str(tmp_path / name)), "train"))

    small, large, other = ids("a", share=0.3), ids("b", share=0.7), ids("c", share=0.3, seed=1)
    assert small < large and len(small) == len(other) and small != other


def test_it_is_made_once_and_again_for_other_settings(demo_records, tmp_path):
    folder = str(tmp_path / "p")
    first = make_proxy(demo_records, ProxySettings(share=0.5), folder)
    made = (tmp_path / "p" / "manifest.json").stat().st_mtime_ns
    assert make_proxy(demo_records, ProxySettings(share=0.5, epochs=3), folder) == first
    assert (tmp_path / "p" / "manifest.json").stat().st_mtime_ns == made
    second = make_proxy(demo_records, ProxySettings(share=0.3), folder)
    assert second.videos("train") < first.videos("train")
    assert second.manifest.fingerprint != first.manifest.fingerprint != demo_records.manifest.fingerprint
    assert make_proxy(demo_records, ProxySettings(epochs=1), folder) is demo_records


def test_one_that_was_stopped_is_made_again_and_nothing_else_is_removed(demo_records, tmp_path):
    whole = make_proxy(demo_records, ProxySettings(classes=2), str(tmp_path / "whole"))
    (tmp_path / "p" / "Split-train").mkdir(parents=True)
    (tmp_path / "p" / "Split-train" / "data_tfrecord-00007").write_bytes(b"left by a stopped one")
    (tmp_path / "p" / "notes.txt").write_text("mine")
    assert make_proxy(demo_records, ProxySettings(classes=2), str(tmp_path / "p")).manifest == whole.manifest
    assert sorted(os.listdir(tmp_path / "p")) == ["Split-train", "Split-val", "index", "manifest.json", "notes.txt"]
    for name, size in whole.manifest.files.items():
        assert (tmp_path / "p" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "p" / name).stat().st_size == size
    assert os.listdir(tmp_path / "p" / "Split-train") == ["data_tfrecord-00000"]


def test_epochs_are_the_proxys_at_every_step():
    recipe = ProxySettings(epochs=2).recipe(Recipe(epochs=30, by_step={3: {"epochs": 60, "batch": 8}}))
    assert (recipe.at(0).epochs, recipe.at(3).epochs, recipe.at(3).batch) == (2, 2, 8)
    kept = Recipe(epochs=30)
    assert ProxySettings(share=0.5).recipe(kept) is kept


@pytest.mark.parametrize("values, message", [
    ({}, "proxy: a proxy takes fewer classes, a share below 1, or fewer epochs"),
    ({"share": 0}, "share is 0: input should be greater than 0"),
    ({"classes": 1}, "classes is 1: input should be greater than or equal to 2"),
])
def test_settings_that_cannot_be(values, message):
    with pytest.raises(InputError, match=message):
        parse_settings(ProxySettings, values, "proxy")


def test_more_classes_than_there_are(demo_records, tmp_path):
    with pytest.raises(InputError, match="proxy.classes is 9; .* has 8"):
        make_proxy(demo_records, ProxySettings(classes=9), str(tmp_path))


@pytest.mark.slow
def test_a_search_on_a_proxy(demo_records, tmp_path):
    job = SearchJob.model_validate({
        "search": {"start": {"frames": 1, "stride": 8, "size": 24, "width": 0.34, "depth": 0.2}, "steps": 0},
        "recipe": {"epochs": 5, "batch": 8, "rate": 0.05, "rate_batch": 8}, "clips": {"flip": False, "views": 2},
        "seed": 0, "retries": 0, "engine": "in-process", "proxy": {"classes": 3, "share": 0.5, "epochs": 1}})
    folder = str(tmp_path / "search")
    tuner = ExpansionTuner.from_job(job, demo_records, folder)
    tuner.search()
    search = tuner.state
    assert search.settings.classes == 3 and search.made_with["recipe"]["epochs"] == 1
    assert search.made_with["data"]["videos"] == {"train": 9, "val": 9}
    job.check_folder(folder)
    with pytest.raises(InputError, match="recipe.epochs"):
        job.model_copy(update={"proxy": job.proxy.model_copy(update={"epochs": 2})}).check_folder(folder)
