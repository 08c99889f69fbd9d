"""The command line as a person meets it: costs at once, errors in one line, exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from expansion.foundation.errors import InputError
from pipeline.config import load_config, save_config, shipped
from tests.commands import x3d
from tests.expansion.paper import SPECS
from tests.expansion.searches import finished
from tests.pipeline.folders import make_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_process_of_its_own_ends_as_a_call_here(tmp_path):
    """The other tests of commands call them in this process."""
    for args in (["describe", "X2D"], ["plan", "--config", "nowhere.yaml"]):
        done = subprocess.run([sys.executable, "-m", "pipeline.cli", *args], capture_output=True, text=True, cwd=tmp_path,
                              env={"PYTHONPATH": str(ROOT), "PATH": ""}, timeout=300)
        here = x3d(*args, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (here.returncode, here.stdout, here.stderr)


def test_describe_prints_the_papers_figures_to_the_digit():
    names = ["X2D", "XS", "S", "M", "L", "XL", "XXL"]
    lines = {line.split()[0]: line for line in x3d("describe", *names).stdout.splitlines() if line.split()}
    for name in names:
        golden = SPECS[name]
        for key in ("macs", "params", "params_without_bn"):
            assert f"{golden[key]:,}" in lines[name].split()


@pytest.mark.parametrize("args", [["--help"], ["plan"], ["describe", "M"], ["runs"]])
def test_what_needs_no_tensorflow_does_not_load_it(args):
    code = ("import sys; sys.argv = ['x3d', *sys.argv[1:]]\nfrom pipeline.cli import main\n"
            "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
            "heavy = {'tensorflow', 'keras', 'tfx', 'apache_beam', 'matplotlib'} & set(sys.modules)\n"
            "assert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr


def test_plan_names_candidates_and_saturated_axes(tmp_path):
    done = x3d("plan", "--runs", str(tmp_path))
    assert "fast=temporal" in done.stdout and "2x16" in done.stdout and done.returncode == 0


def test_plan_by_another_cost_under_constraints(tmp_path):
    done = x3d("plan", "--runs", str(tmp_path), "--cost", "memory", "--constraint", "params < 2.5M", "--constraint", "gmacs < 1",
               "--json")
    plan = json.loads(done.stdout)
    assert plan["cost"] == "memory" and {c["axis"] for c in plan["candidates"]} == {"fast", "spatial", "depth"}
    assert all(c["cost"] / 5_823_680 == pytest.approx(2, rel=0.1) for c in plan["candidates"])
    assert [rejected["axis"] for rejected in plan["saturated"]] == ["width", "bottleneck"]
    assert all(rejected["reason"].endswith("the constraint is params < 2.5 M") for rejected in plan["saturated"])


@pytest.mark.parametrize("args, complaint", [
    (["--cost", "flops"], "search.cost is 'flops': input should be 'macs', 'params', 'memory' or 'latency'"),
    (["--constraint", "params > 1M"], "search.constraints.0 is 'params > 1M': a quantity, < or <=, a number and a unit"),
    (["--constraint", "params < 1M"], "the seed does not meet the constraints: params of 1.63 M"),
    (["--hours", "0"], "search.hours is 0.0: input should be greater than 0"),
])
def test_costs_and_constraints_that_cannot_be_are_one_line(args, complaint):
    done = x3d("plan", *args)
    assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("config, complaint", [
    ("search: {stepz: 3}", "unknown key 'search.stepz'; allowed are start, classes, axes"),
    ("serch: {}", "unknown key 'serch'; allowed are name, ingest, expected, search"),
    ("search: {axes: [time]}", "search.axes.0 is 'time': input should be 'fast', 'temporal'"),
    ("search: {start: XQ}", "'XQ' is not known; allowed are X2D, XS"),
    ("recipe: {epochs: 0}", "recipe.epochs is 0: input should be greater than 0"),
    ("ingest: 3", "ingest is 3: input should be a valid dictionary"),
    ("- a list", "sections are expected"),
    ("search: {", "not valid YAML"),
    ("!!python/object/apply:os.system [exit]", "not valid YAML"),
])
def test_configuration_errors_are_one_line(tmp_path, config, complaint):
    (tmp_path / "c.yaml").write_text(config)
    done = x3d("plan", "--config", str(tmp_path / "c.yaml"))
    assert done.returncode == 2 and done.stdout == ""
    assert complaint in done.stderr and done.stderr.count("\n") == 1 and done.stderr.startswith("x3d: ")


@pytest.mark.parametrize("args, complaint", [
    (["search", "--videos", "nowhere"], "nowhere"),
    (["search"], "ingest.videos is missing"),
    (["plan", "--config", "nowhere.yaml"], "no such file"),
    (["tensorboard", "nowhere"], "no run 'nowhere'"),
    (["describe", "M", "--classes", "1"], "at least 2"),
    (["show"], "no search under runs/"),
    (["report", "nowhere"], "no run 'nowhere'"),
])
def test_errors_of_use_are_one_line(tmp_path, args, complaint):
    done = x3d(*args, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert complaint in done.stderr and done.stderr.count("\n") == 1 and done.stderr.startswith("x3d: ")


@pytest.mark.parametrize("name", [
    "demo.yaml", "small.yaml", "kinetics400_search.yaml", "kinetics400_paper.yaml", "kinetics400_pyslowfast.yaml",
    "charades.yaml", "charades_localize.yaml",
    "kinetics400_multigrid.yaml"])
def test_shipped_configurations_are_valid_and_say_what_they_are_for(name, tmp_path):
    text = Path(shipped(name)).read_text()
    head = text[:text.index("\nname:")]
    for word in ("Hardware:", "Time:", "Expected:", "Command:"):
        assert word in head
    config = load_config(shipped(name), **{"ingest.videos": "videos"})
    save_config(config, str(tmp_path / "a" / "c.yaml"))
    assert load_config(str(tmp_path / "a" / "c.yaml")) == config
    assert yaml.safe_load((tmp_path / "a" / "c.yaml").read_text())["recipe"]["momentum"] == 0.9


def test_options_go_over_the_file():
    config = load_config(shipped("small.yaml"), **{"ingest.videos": "v", "search.steps": 7, "recipe.epochs": None})
    assert config.search.steps == 7 and config.recipe.epochs == 30
    with pytest.raises(InputError, match="steps is -1"):
        load_config(shipped("small.yaml"), **{"ingest.videos": "v", "search.steps": -1})


def test_json_is_all_that_is_on_standard_output(tmp_path):
    plan = json.loads(x3d("plan", "--json", "--runs", str(tmp_path)).stdout)
    assert plan["step"] == 1 and plan["candidates"][0]["merged"] == ["temporal"] and plan["videos"] is None
    described = json.loads(x3d("describe", "M", "XS", "--json").stdout)
    assert [row["macs"] for row in described] == [SPECS[name]["macs"] for name in ("M", "XS")]
    assert json.loads(x3d("runs", "--json", cwd=tmp_path).stdout) == []


def test_plan_counts_the_labels(tmp_path):
    rows = "".join(f"{name}{n}.mp4,{name},train\n" for name in ("fall", "walk") for n in range(10))
    for row in rows.splitlines():
        (tmp_path / row.split(",")[0]).touch()
    (tmp_path / "labels.csv").write_text("path,label,split\n" + rows)
    args = ("plan", "--videos", str(tmp_path), "--labels", str(tmp_path / "labels.csv"), "--runs", str(tmp_path))
    plan = json.loads(x3d(*args, "--json", "--steps", "3", "--gmacs-per-second", "10").stdout)
    assert plan["videos"] == 20 and plan["classes"] == 2 and [row["step"] for row in plan["later"]] == [1, 2, 3]
    for row in plan["candidates"]:
        assert row["seconds"] == pytest.approx(10 + 3 * row["macs"] * 20 * 30 / 10e9)
    assert "the whole search" in x3d(*args).stdout


def test_ctrl_c_is_one_line_and_130(tmp_path):
    """TensorBoard's own end is quiet; here the command is stopped before it has one."""
    code = ("import os, signal, sys\nfrom pipeline import cli\nfrom pipeline.commands import describe\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what runs in the background ignores it
            "def stopped(spec: str) -> None:\n    'Is stopped.'\n    os.kill(os.getpid(), signal.SIGINT)\n"
            "describe.describe = stopped\n"
            "sys.argv = ['x3d', 'describe', 'M']\ncli.main()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (done.returncode, done.stderr, done.stdout) == (130, "x3d: stopped\n", "")


@pytest.mark.slow
def test_bash_completes_commands_and_runs(tmp_path):
    make_run(tmp_path / "runs" / "fights", finished())
    make_run(tmp_path / "runs" / "falls", finished())

    def complete(*words):
        environment = {"PYTHONPATH": str(ROOT), "PATH": "", "_X3D_COMPLETE": "complete_bash",
                       "COMP_WORDS": " ".join(["x3d", *words]), "COMP_CWORD": str(len(words))}
        code = "import sys; sys.argv = ['x3d']; from pipeline.cli import app; app(prog_name='x3d')"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path,
                              timeout=300).stdout.split()

    assert complete("rep") == ["reproduce", "report"]
    assert complete("show", "f") == ["falls", "fights"]
    assert complete("tensorboard", "fi") == ["fights"]
