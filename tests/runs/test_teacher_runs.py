"""Runs that learn from a teacher: started, resumed, recorded, refused."""

import json
import os
import shutil

import pytest
from small_runs import TINY, assert_same_run, refusal, write_config

from reference.__main__ import main
from reference.objectives.shapes import InputError
from reference.runs.folder import read_metrics
from reference.runs.record import record, with_starts
from reference.runs.recorded_runs import EXPERIMENTS
from reference.runs.teacher import teacher_source
from reference.world.model import SHIPPED

SFT = [*TINY[:2], *TINY[4:], "--steps", "2"]  # no groups of demonstrations


@pytest.fixture(scope="module")
def better(tmp_path_factory):
    """A run of the teacher's recipe, two steps of it."""
    run = tmp_path_factory.mktemp("better") / "run"
    assert main(["train", "sft", "--out", str(run), *SFT]) == 0
    return run


@pytest.mark.slow
def test_a_run_names_its_teacher_logs_the_kl_and_goes_on_bit_for_bit(better, tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    command = ["train", "distill", "--teacher", os.path.relpath(better), *TINY]
    assert main([*command, "--out", str(whole), "--steps", "2"]) == 0
    assert main([*command, "--out", str(parts), "--steps", "1"]) == 0
    assert main(["train", "distill", "--resume", str(parts), "--steps", "2"]) == 0
    assert_same_run(whole, parts)
    row = read_metrics(whole)[-1]
    assert row["teacher_kl"] > 0 and 0 <= row["reward"] <= 1
    named = json.loads((whole / "config.json").read_text())["teacher"]
    assert named == os.path.realpath(better / "checkpoints" / "step-000002")
    assert f"teacher  {named}" in capsys.readouterr().out

    for teacher, words in (
        ("{sft-seed-0}", "learns from the model of the experiment sft-seed-0, which is not here"),
        (str(tmp_path / "gone"), f"the teacher of {parts} is gone: its config.json says teacher {tmp_path / 'gone'}"),
    ):
        config = json.loads((parts / "config.json").read_text()) | {"teacher": teacher}
        (parts / "config.json").write_text(json.dumps(config))
        assert words in refusal(capsys, "train", "distill", "--resume", str(parts), "--steps", "3")


@pytest.mark.slow
def test_a_recorded_run_names_the_experiment_that_taught_it(tmp_path):
    experiments = {
        "better-seed-0": " ".join(["sft", *SFT]),
        "run-seed-0": " ".join(
            ["distill", "--teacher", "{better-seed-0}", "--loss", "reinforce", *TINY, "--steps", "1"]
        ),
    }
    assert record(["run"], experiments, tmp_path, main) == 0
    assert json.loads((tmp_path / "run-seed-0" / "config.json").read_text())["teacher"] == "{better-seed-0}"
    assert "teacher_kl" in read_metrics(tmp_path / "run-seed-0")[0]


def test_the_recorded_runs_of_distill_have_a_recorded_teacher(tmp_path):
    assert with_starts(["distill-seed-1"], EXPERIMENTS, tmp_path) == ["sft-seed-0", "distill-seed-1"]


def test_what_a_teacher_may_be_called(tmp_path):
    assert teacher_source(None) is None
    assert [teacher_source(name) for name in ("base", "tool-sft", "org/model")] == ["base", "tool-sft", "org/model"]
    shutil.copy(SHIPPED["base"] / "config.json", tmp_path)
    assert teacher_source(os.path.relpath(tmp_path)) == os.path.realpath(tmp_path)


def test_a_run_that_cannot_teach_is_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    write_config(tmp_path, "train", "reward-model")
    with pytest.raises(InputError, match="is a run of reward-model, which writes nothing: name the run of a policy"):
        teacher_source(str(tmp_path))
    write_config(tmp_path, "train", "sft")
    with pytest.raises(InputError, match="has no checkpoint yet"):
        teacher_source(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "distill learns from a teacher, and none is named"),
        (["--teacher", "none"], "distill learns from a teacher, and none is named"),
        (["--teacher", "base"], "the teacher base says the same as the policy"),
        (["--teacher", "nowhere/at/all"], "there is no model folder at nowhere/at/all"),
        (
            ["--teacher", "tool-sft", "--teacher-share", "2"],
            "teacher_share is 2.0, expected a finite number that is at most 1",
        ),
        (
            ["--teacher", "tool-sft", "--engine", "trl"],
            "which ask a teacher: TRL's DistillationTrainer does, and it is not run here",
        ),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused_before_there_is_a_folder(tmp_path, capsys, options, words):
    message = refusal(capsys, "train", "distill", *options, "--out", str(tmp_path / "run"), "--device", "cpu")
    assert words in message and not (tmp_path / "run").exists()
    if "engine" not in words and "teacher_share" not in words and "TRL" not in words:
        assert "python -m reference train sft --out runs/teacher trains one" in message
