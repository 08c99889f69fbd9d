"""What a whole search takes: bytes, hours to ingest, device-hours, and the optional savings."""

import json
import os

import pytest

from expansion.foundation.errors import InputError
from expansion.search.forecast import Speed, raced
from pipeline.commands import plan, plan_estimate
from pipeline.config import load_config, shipped
from pipeline.options import Given

CONFIG = load_config(shipped("kinetics400_search.yaml"))


def of_kinetics(tflops=None, gmacs=None, runs="runs-that-are-not-there"):
    return plan.make_plan(CONFIG, runs, gmacs, tflops)


def test_the_plan_for_kinetics_needs_no_videos():
    whole = of_kinetics(gmacs=1000)
    found = whole.budget
    assert found.videos == 260_000 and (whole.videos, whole.classes) == (240_000, 400)
    # 300 frames of 356 x 633 pixels, 0.28 bytes each; 85 million pixels a second of a core.
    pixels = 260_000 * 300 * 356 * 356 * 16 / 9
    assert found.stored_bytes == pytest.approx(0.28 * pixels, rel=1e-6) and 4e12 < found.stored_bytes < 6e12
    assert found.ingest_seconds == pytest.approx(pixels / 85e6, rel=1e-6)
    assert [row.candidates for row in found.steps] == [1, 5] + 10 * [6]
    assert found.steps[0].macs == 20_662_304 and found.steps[11].macs == 20_662_304 * 2**11


def test_device_hours_are_macs_by_speed():
    slow, fast = of_kinetics(gmacs=1000).budget, of_kinetics(tflops=100).budget
    assert slow.device_seconds / fast.device_seconds == pytest.approx(5, rel=0.01)  # a tenth of 50 T multiply-adds
    step = slow.steps[3]
    clips = 128 * 240_000 + 20_000 * 10 / 3
    assert step.seconds == pytest.approx(6 * Speed(1000).seconds(step.macs, clips))
    assert slow.final_seconds == pytest.approx(Speed(1000).seconds(slow.steps[-1].macs, 256 * 240_000))


def test_savings_are_shares_of_the_whole():
    found = of_kinetics(gmacs=1000).budget
    shares = {saving.name: saving.device_seconds / found.device_seconds for saving in found.savings}
    assert shares["as configured"] == 1 and shares["full schedule"] == pytest.approx(2)
    assert shares["racing"] == pytest.approx(3.25 / 6, abs=0.01) and shares["proxy"] == pytest.approx(0.25)
    assert shares["warm start"] == pytest.approx(0.5, abs=0.01)
    assert shares["all of these"] == pytest.approx(0.25 * 0.5 * 3.25 / 6, abs=0.01)


@pytest.mark.parametrize("candidates, share", [(6, 3.25 / 6), (5, 3.0 / 5), (1, 1.0), (2, 1.25 / 2)])
def test_what_a_race_trains(candidates, share):
    assert raced(plan_estimate.RACE, candidates)[1] / candidates == pytest.approx(share)


def test_it_is_printed_and_what_cannot_be_is_refused(tmp_path, capsys):
    plan.show(CONFIG, str(tmp_path), 1000.0, devices=8)
    shown = capsys.readouterr().out
    assert "4.92 TB of records" in shown and "the whole search on 8 devices" in shown and "optional savings" in shown
    plan.show(CONFIG, str(tmp_path), 1000.0, True)
    assert json.loads(capsys.readouterr().out)["budget"]["videos"] == 260_000
    with pytest.raises(InputError, match="--devices is 0"):
        plan.plan(Given(shipped("kinetics400_search.yaml")), devices=0, runs=str(tmp_path))


def test_what_was_measured_elsewhere_is_not_used(tmp_path, monkeypatch):
    measured = plan_estimate.Throughput(machine=plan_estimate.this_machine(), gmacs_per_second=7.0)
    (tmp_path / plan_estimate.MEASURED).write_text(measured.model_dump_json())
    assert plan_estimate.kept_throughput(str(tmp_path)) == measured
    monkeypatch.setattr(plan_estimate, "this_machine", lambda: "another")
    assert plan_estimate.kept_throughput(str(tmp_path)) is None


@pytest.mark.slow
def test_a_measurement_is_kept_and_used(demo_labels, tmp_path):
    config = load_config(None, **{"name": "m", "ingest.videos": str(demo_labels.parent), "ingest.labels": str(demo_labels),
                                  "ingest.short_side": 32, "search.start": {"frames": 1, "stride": 8, "size": 32}})
    plan.measure_speed(config, str(tmp_path))
    found = plan_estimate.kept_throughput(os.path.join(tmp_path, "m"))
    assert 0.01 < found.gmacs_per_second and 0.05 < found.bytes_per_pixel < 3 and found.pixels_per_second > 1000
    made = plan.make_plan(config, str(tmp_path))
    assert made.speed.measured and made.speed.gmacs_per_second == found.gmacs_per_second
