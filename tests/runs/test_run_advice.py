"""Advice that can be followed, and folders of a run that are not another run's place."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from model_folders import change_json, model_folder
from small_runs import TINY, assert_same_run, refusal, write_config
from transformers import LlamaConfig, LlamaForCausalLM

from reference.__main__ import main
from reference.algorithms.recipes import ROWS, from_checkpoint
from reference.cli.failures import sentence
from reference.interrupt import received_signals
from reference.objectives.shapes import InputError
from reference.runs import launch, session
from reference.runs.checkpoints import checkpoints, clear_drafts, newest_checkpoint, save_checkpoint
from reference.runs.folder import new_run, read_metrics

pytestmark = pytest.mark.slow

PAIRS = ["--prompts-per-step", "4", "--group-size", "4", "--max-new-tokens", "64", "--eval-problems", "12", "--pool", "12",
         "--device", "cpu", "--steps", "2"]  # fmt: skip


@pytest.fixture(autouse=True)
def forgotten():
    received_signals.clear()
    yield
    received_signals.clear()


# ---- a run inside a run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside", ["checkpoints/step-000001", "checkpoints", "checkpoints/.step-1", "more/new", "tensorboard"]
)
def test_a_run_inside_another_is_refused(finished, capsys, inside, tmp_path):
    before = sorted(finished.rglob("*"))
    message = refusal(capsys, "train", "grpo", "--out", str(finished / inside), *TINY)
    assert f"{finished / inside} is inside {finished}, the folder of another run" in message
    (tmp_path / "link").symlink_to(finished)
    assert "the folder of another run" in refusal(
        capsys, "train", "grpo", "--out", str(tmp_path / "link" / inside), *TINY
    )
    assert sorted(finished.rglob("*")) == before


def test_a_run_beside_another_is_not(finished):
    with new_run(finished.parent / "beside", {"recipe": "grpo"}) as run:
        assert run.is_dir()
    shutil.rmtree(run)


class Saved:
    """A model, or a tokenizer, as far as a checkpoint asks."""

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")


def test_cleaning_deletes_only_checkpoints(tmp_path):
    other = tmp_path / "checkpoints" / "step-000001"
    for path in (other, other.with_name(".step-mine")):
        path.mkdir(parents=True)
        (path / "notes.txt").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "checksums.json").write_text("{}")
    (tmp_path / "checkpoints" / "step-000002").symlink_to(elsewhere)
    for step in (3, 4, 5):
        save_checkpoint(tmp_path, step, Saved(), Saved(), {})
    clear_drafts(tmp_path)
    assert [path.name for path in checkpoints(tmp_path)] == [f"step-{n:06d}" for n in (1, 2, 4, 5)]
    assert (other / "notes.txt").exists() and other.with_name(".step-mine").exists() and elsewhere.is_dir()


def test_what_is_no_checkpoint_is_not_to_be_deleted(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(tmp_path, 4, Saved(), Saved(), {})
    other = tmp_path / "checkpoints" / "step-000009"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"recipe": "grpo"}))
    with pytest.raises(
        InputError, match=r"step-000009 is no checkpoint .*: move it elsewhere to go on from step-000004"
    ):
        newest_checkpoint(tmp_path)
    (other / "state.pt").write_text("")  # ours, and damaged
    with pytest.raises(InputError, match=r"step-000009 is damaged .*: delete that folder to go on from step-000004"):
        newest_checkpoint(tmp_path)


def test_a_checkpoint_is_not_taken_for_saved_where_something_else_stands(tmp_path):
    place = tmp_path / "checkpoints" / "step-000004"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="cannot save a checkpoint"):
        save_checkpoint(tmp_path, 4, Saved(), Saved(), {})
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "training.png", "config.json", "accuracy.json", "checkpoints", "tensorboard"]
)
def test_a_link_that_leads_nowhere_is_refused_before_anything_is_written(tmp_path, capsys, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "nowhere")
    message = refusal(capsys, "train", "grpo", "--out", str(out), *TINY)
    assert f"{out} holds" in message and name in message
    assert [path.name for path in out.iterdir()] == [name] and not (tmp_path / "nowhere").exists()


# ---- a signal while pairs are drawn ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory) -> Callable[[str], Path]:
    """Of a recipe, a run that nothing stopped; made when it is first asked for."""
    runs: dict[str, Path] = {}

    def whole(name: str) -> Path:
        if name not in runs:
            runs[name] = tmp_path_factory.mktemp(name) / "whole"
            assert main(["train", name, *pairs_of(name), "--out", str(runs[name])]) == 0
        return runs[name]

    return whole


def pairs_of(name: str) -> list[str]:
    return [*PAIRS, *(["--eval-samples", "1"] if name == "dpo" else [])]  # a reward model is measured on pairs


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", ["dpo", "reward-model"])
def test_a_signal_while_pairs_are_drawn_stops_at_once_and_the_run_can_go_on(
    name, number, code, tmp_path, monkeypatch, capsys, whole_runs
):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(launch, "draw_pool", lambda *_, **__: os.kill(os.getpid(), number) or pytest.fail("it went on"))
        assert main(["train", name, *pairs_of(name), "--out", str(run)]) == code
    output = "".join(capsys.readouterr())
    assert "finishing this step" not in output and "interrupted" in output
    assert read_metrics(run) == [] and checkpoints(run) == []
    assert main(["train", name, "--resume", str(run)]) == 0
    assert_same_run(run, whole_runs(name))
    monkeypatch.setattr(launch, "draw_pool", lambda *_, **__: pytest.fail("drawn for a run that is through"))
    assert main(["train", name, "--resume", str(run)]) == 0


def test_so_it_is_on_trl(tmp_path, monkeypatch, capsys):
    from reference.engines.trl import trainer

    monkeypatch.setattr(
        trainer, "draw_pool", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM) or pytest.fail("it went on")
    )
    assert (
        main(["train", "dpo", "--engine", "trl", *PAIRS, "--eval-samples", "1", "--out", str(tmp_path / "run")]) == 143
    )
    assert "finishing this step" not in "".join(capsys.readouterr())


# ---- what to do next -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "engine", "words"),
    [
        ("grpo", "native", "go on with: python -m reference train grpo --resume RUN"),
        ("pretrain", None, "go on with: python -m reference pretrain --resume RUN"),
        ("grpo", "trl", "a run of TRL cannot be resumed: start a new one, from its newest checkpoint with --model if you like"),
        ("reward-model", "trl", "a run of TRL cannot be resumed: start a new one"),
    ],
)  # fmt: skip
def test_a_stopped_run_says_how_to_go_on(recipe, engine, words):
    assert session.what_next(Path("RUN"), {"recipe": recipe} | ({"engine": engine} if engine else {})) == words


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_a_reward_model_is_never_to_be_the_model(recipe):
    assert ("--model" in from_checkpoint(recipe.name)) == (recipe.kind != "reward")


@pytest.mark.parametrize(("name", "possible"), [("sft", True), ("reward-model", False), ("pretrain", False)])
def test_more_steps_are_refused_with_advice_that_is_not(tmp_path, capsys, name, possible):
    command = ["pretrain"] if name == "pretrain" else ["train", name]
    write_config(tmp_path, *command, "--steps", "6")
    message = refusal(capsys, *command, "--resume", str(tmp_path), "--steps", "8")
    assert "start a new run with --steps 8" in message and ("--model" in message) == possible


def test_a_full_disk_tells_only_a_run_that_can_go_on_to_go_on(tmp_path, monkeypatch):
    full = OSError(28, "No space left on device")
    assert sentence(full).endswith("make room or fix the rights, then go on with --resume")
    assert sentence(full, resumable=False).endswith("make room or fix the rights, then try again")


def test_a_command_that_makes_no_run_is_not_told_to_go_on(monkeypatch, capsys):
    from reference.algorithms import table

    monkeypatch.setattr(
        table, "recipes_overview", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    assert refusal(capsys, "recipes").endswith("then try again")


def test_bench_does_not_advise_an_option_that_it_lacks(tmp_path, capsys, base):
    config = LlamaConfig(vocab_size=len(base[1]), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                         num_attention_heads=2, max_position_embeddings=100)  # fmt: skip
    model_folder(tmp_path, LlamaForCausalLM(config), base[1])
    message = refusal(capsys, "bench", "--model", str(tmp_path), "--device", "cpu")
    assert "the model has 100: bench runs grpo as it stands in the table, so take a model with more" in message


# ---- --resume --------------------------------------------------------------------------------------------------------


def test_a_start_model_that_is_gone_is_named_as_such(mine, capsys, tmp_path):
    change_json(mine / "config.json", model=str(tmp_path / "gone"))
    message = refusal(capsys, "train", "grpo", "--resume", str(mine))
    assert f"the start model of {mine} is gone: its config.json says model {tmp_path / 'gone'}" in message
    assert message.endswith("put it back, or write there where it is now")


def test_a_start_model_of_a_reward_model_too(tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    write_config(tmp_path, "train", "reward-model", "--model", str(tmp_path / "gone"))
    assert f"the start model of {tmp_path} is gone" in refusal(capsys, "evaluate", str(tmp_path))


def test_a_folder_in_the_place_of_the_lock(mine, capsys):
    (mine / ".lock").unlink()
    (mine / ".lock").mkdir()
    message = refusal(capsys, "train", "grpo", "--resume", str(mine))
    assert f"{mine / '.lock'} is in the way: a file of that name belongs there" in message


def test_a_run_that_cannot_be_written_is_not_sent_to_out(mine, capsys, monkeypatch):
    whole = Path.open

    def denied(path, *arguments, **options):
        if path.name == ".lock":
            raise PermissionError(13, "Permission denied")
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    message = refusal(capsys, "train", "grpo", "--resume", str(mine))
    assert message.endswith(f"cannot write to {mine} (Permission denied): make it writable, then --resume it again")


def test_a_damaged_accuracy_is_told_before_anything_is_loaded_or_written(mine, capsys, monkeypatch):
    monkeypatch.setattr(launch, "load", lambda *_, **__: pytest.fail("loaded"))
    shutil.rmtree(mine / "checkpoints" / "step-000004")
    (mine / "accuracy.json").write_text("{")
    kept = [mine / name for name in ("config.json", "metrics.jsonl", "accuracy.json")]
    before = [path.read_bytes() for path in kept]
    assert "accuracy.json is damaged" in refusal(capsys, "train", "grpo", "--resume", str(mine), "--steps", "9")
    assert [path.read_bytes() for path in kept] == before and not (mine / "metrics.old.jsonl").exists()
