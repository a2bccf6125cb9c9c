"""Runs whose folders came to hold other weights while they were stopped, and ensembles of one reward model."""

import json
import os
import shutil
from pathlib import Path

import pytest
from model_folders import change_json
from small_runs import refusal, write_config

from reference.__main__ import main
from reference.runs import launch
from reference.runs.folder import read_options
from reference.runs.noted_weights import fingerprints
from reference.world.model import SHIPPED
from reference.world.weights import fingerprint


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """The options of every run that would have been started or resumed."""
    options = []
    monkeypatch.setattr(launch, "run_recipe", lambda recipe, given, **_: options.append(given) or True)
    return options


@pytest.fixture
def folders(tmp_path) -> dict[str, Path]:
    """Folders that look like models. Nothing is loaded here."""
    found = {name: tmp_path / name for name in ("start", "teacher", "one", "two")}
    for name, folder in found.items():
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text(f"the weights of {name}")
    return found


def begun(tmp_path: Path, asked: list[dict], *command: object) -> Path:
    """The folder of a run with this command, as far as its config.json goes."""
    assert main(["train", *map(str, command)]) == 0
    (run := tmp_path / "run").mkdir()
    (run / "config.json").write_text(json.dumps(asked.pop()))
    return run


def test_a_run_notes_the_weights_that_its_options_name(tmp_path, asked, folders, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = begun(tmp_path, asked, "grpo", "--model", "start", "--reward", folders["one"], folders["two"])
    assert read_options(run)["weights"] == {
        "model": [fingerprint(folders["start"])], "reward": [fingerprint(folders["one"]), fingerprint(folders["two"])]
    }  # fmt: skip
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    assert asked[-1]["weights"] == read_options(run)["weights"]


def test_a_shipped_model_is_noted_and_what_names_no_folder_is_not():
    assert fingerprints({"model": "base", "teacher": None, "reward": "success"}) == {
        "model": [fingerprint(SHIPPED["base"])]
    }
    assert fingerprints({"model": "org/model", "steps": 3}) == {}


@pytest.mark.parametrize(
    ("changed", "words", "command"),
    [
        ("start", "the start model of", ["grpo"]),
        ("start", "the start model of", ["sft"]),
        ("one", "the reward model of", ["grpo", "--reward", "one"]),
        ("two", "the reward model of", ["grpo", "--reward", "one", "two"]),
        ("teacher", "the teacher of", ["distill", "--teacher", "teacher"]),
    ],
)
def test_other_weights_in_a_folder_are_named_when_a_run_is_resumed(
    tmp_path, asked, folders, capsys, monkeypatch, changed, words, command
):
    monkeypatch.chdir(tmp_path)
    run = begun(tmp_path, asked, *[folders.get(word, word) for word in command], "--model", folders["start"])
    before = (run / "config.json").read_bytes()
    (folders[changed] / "model.safetensors").write_text("others")
    said = refusal(capsys, "train", command[0], "--resume", str(run))
    place = os.path.realpath(folders[changed])
    assert f"{place}, {words} {run}, holds other weights than when the run began: put those back" in said
    assert not asked and (run / "config.json").read_bytes() == before
    (folders[changed] / "model.safetensors").write_text(f"the weights of {changed}")
    assert main(["train", command[0], "--resume", str(run)]) == 0


def test_a_run_goes_on_with_its_weights_in_another_place_and_not_with_others_there(tmp_path, asked, folders, capsys):
    run = begun(tmp_path, asked, "grpo", "--reward", folders["one"])
    folders["one"].rename(tmp_path / "moved")
    change_json(run / "config.json", reward=os.path.realpath(tmp_path / "moved"))
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    change_json(run / "config.json", reward=os.path.realpath(folders["two"]))
    assert "holds other weights than when the run began" in refusal(capsys, "train", "grpo", "--resume", str(run))


def test_a_run_of_an_older_version_goes_on_as_before(tmp_path, asked, folders):
    write_config(tmp_path, "train", "grpo", "--reward", str(folders["one"]))
    (folders["one"] / "model.safetensors").write_text("others")
    assert main(["train", "grpo", "--resume", str(tmp_path)]) == 0
    assert "weights" not in asked[-1]  # nobody knows what they were when it began


@pytest.mark.parametrize("noted", [3, [], {"model": "abc"}])
def test_a_note_that_is_none_is_refused(tmp_path, capsys, noted):
    write_config(tmp_path, "train", "grpo", weights=noted)
    said = refusal(capsys, "train", "grpo", "--resume", str(tmp_path))
    assert f"config.json: weights is {json.dumps(noted)}, which is no value for it" in said


def test_a_copy_of_a_reward_model_is_no_second_member(tmp_path, asked, folders, capsys):
    copied = shutil.copytree(folders["one"], tmp_path / "copied")
    several = [str(folders[name]) for name in ("one", "two")]
    said = refusal(capsys, "train", "grpo", "--reward", *several, str(copied))
    assert f"{os.path.realpath(copied)} holds the same weights as {os.path.realpath(folders['one'])}" in said
    assert not asked and main(["train", "grpo", "--reward", *several]) == 0
