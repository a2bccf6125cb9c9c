"""The recorded runs can be made again by name, and an interruption costs nothing."""

import json
from pathlib import Path

import pytest

from reference.__main__ import main, parser
from reference.lessons import EXPERIMENTS
from reference.objectives.shapes import InputError
from reference.runs import record as recording
from reference.runs.record import KEPT, experiments_overview, find_experiments, record


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_a_command_that_the_parser_takes(name):
    args = parser().parse_args(["train", *EXPERIMENTS[name].split()])
    assert name.endswith(f"-seed-{args.seed}")


def test_a_name_without_its_seed_stands_for_all():
    assert find_experiments(["grpo"], EXPERIMENTS) == ["grpo-seed-0", "grpo-seed-1", "grpo-seed-2"]
    assert find_experiments(["grpo-trl-seed-1", "ppo-seed-0"], EXPERIMENTS) == ["grpo-trl-seed-1", "ppo-seed-0"]
    with pytest.raises(InputError, match="there is no experiment 'grop'"):
        find_experiments(["grop"], EXPERIMENTS)


def test_the_overview_says_what_is_there(tmp_path):
    (tmp_path / "grpo-seed-1").mkdir()
    for file in KEPT:
        (tmp_path / "grpo-seed-1" / file).write_text("")
    lines = experiments_overview(EXPERIMENTS, tmp_path).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("recorded")] == ["grpo-seed-1"]
    assert any(line.split() == ["-", "ppo-seed-0", "train", "ppo", "--seed", "0"] for line in lines)


@pytest.mark.slow
def test_only_the_log_is_kept_and_a_stopped_recording_goes_on(tmp_path, capsys):
    small = (
        "grpo --seed 3 --steps 3 --prompts-per-step 2 --group-size 4 --max-new-tokens 24 --eval-problems 4 --device cpu"
    )
    experiments = {"small-seed-3": small}
    calls = []

    def interrupted(arguments: list[str]) -> int:
        calls.append(arguments)
        main(arguments)  # takes all its steps, but is stopped before anything is copied
        return 130

    assert record(["small"], experiments, tmp_path, interrupted) == 130
    assert not (tmp_path / "small-seed-3").exists() and (tmp_path / ".small-seed-3" / "config.json").exists()
    assert record(["small"], experiments, tmp_path, lambda arguments: calls.append(arguments) or main(arguments)) == 0
    assert "--out" in calls[0] and calls[1][2:] == ["--resume", str(tmp_path / ".small-seed-3")]
    run = tmp_path / "small-seed-3"
    assert sorted(path.name for path in run.iterdir()) == sorted(KEPT)
    assert json.loads((run / "config.json").read_text())["seed"] == 3
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3]
    assert not (tmp_path / ".small-seed-3").exists()


def test_the_command_lists_and_refuses(capsys):
    assert main(["record"]) == 0
    assert "grpo-seed-0" in capsys.readouterr().out
    assert main(["record", "nothing"]) == 2
    assert "there is no experiment 'nothing'" in capsys.readouterr().err


def test_half_a_copy_of_a_model_does_not_pass_for_the_model(tmp_path, monkeypatch):
    """Another experiment starts from what has the model's name: an interruption must not leave half of it there."""
    run, place = tmp_path / "run", tmp_path / ".models" / "tool-sft-seed-0"
    (run / "checkpoints" / "step-000001").mkdir(parents=True)
    (run / "checkpoints" / "step-000001" / "model.safetensors").write_text("weights")
    monkeypatch.setattr(recording, "newest_checkpoint", lambda folder: (folder / "checkpoints" / "step-000001", 1))

    def interrupted(source, target, **_):
        target.mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(recording.shutil, "copytree", interrupted)
        recording.keep_model(run, place)
    assert not place.exists()
    recording.keep_model(run, place)
    assert (place / "model.safetensors").read_text() == "weights" and len(list(place.parent.iterdir())) == 1


def test_a_file_is_recorded_by_its_own_command(tmp_path):
    """The experiment that it needs comes first, its model's folder stands for the name, and half a file is no file."""
    runs, files = tmp_path / "runs", {"choice": "best-of-n {small-seed-3} --seed 5", "texts": "complete {small-seed-3}"}
    (runs / recording.MODELS / "small-seed-3").mkdir(parents=True)
    calls = []

    def write(arguments: list[str]) -> int:
        calls.append(arguments)
        path = Path(arguments[-1])
        path.parent.mkdir(exist_ok=True)
        path.write_text("written")
        return 0

    model = str(runs / recording.MODELS / "small-seed-3")
    assert record(["choice", "texts"], {"small-seed-3": "grpo --seed 3"}, runs, write, files) == 0
    assert [call[:-1] for call in calls] == [
        ["best-of-n", model, "--seed", "5", "--out"],
        ["complete", model, "--name", "small-seed-3", "--out"],
    ]
    assert (tmp_path / "best_of_n" / "choice.json").read_text() == "written"
    assert (tmp_path / "completions" / "texts.jsonl.gz").exists()
    assert record(["choice"], {"small-seed-3": "grpo"}, runs, lambda arguments: write(arguments) or 130, files) == 130
    moved = {"moved": "complete base --against {small-seed-3} --samples 2"}
    assert record(["moved"], {"small-seed-3": "grpo"}, runs, write, moved) == 0
    names = ["--name", "base", "--against-name", "small-seed-3"]  # no protocol holds a path of this machine
    assert calls[-1][:-1] == ["complete", "base", "--against", model, "--samples", "2", *names, "--out"]
    overview = experiments_overview({}, runs, files | {"later": "complete base"})
    assert [line.split()[:4] for line in overview.splitlines()[:3]] == [
        ["recorded", "choice", "best-of-n", "{small-seed-3}"],
        ["recorded", "texts", "complete", "{small-seed-3}"],
        ["-", "later", "complete", "base"],
    ]
