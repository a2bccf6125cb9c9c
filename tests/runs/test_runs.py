"""Interruption and resumption, through the command line, as a user meets them."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from model_folders import change_json
from small_runs import (
    AFTER_LOGGING_STEP,
    PATIENCE,
    TINY,
    WHILE_SAVING_STEP,
    assert_same_run,
    fork,
    last_weights,
    start,
    wait_for,
)

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES
from reference.runs import measure
from reference.runs.folder import checkpoints, read_metrics

pytestmark = pytest.mark.slow


def train(out: Path, steps: int, *more: str) -> int:
    return main(["train", "grpo", "--out", str(out), "--steps", str(steps), *TINY, *more])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Six steps without interruption."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert train(run, 6, "--save-every", "3") == 0
    return run


def six_steps(out: Path) -> list[str]:
    return ["train", "grpo", "--out", str(out), "--steps", "6", *TINY, "--save-every", "1"]


def test_a_run_leaves_what_the_help_promises(whole):
    assert [row["step"] for row in read_metrics(whole)] == [1, 2, 3, 4, 5, 6]
    assert (whole / "training.png").read_bytes().startswith(b"\x89PNG")
    accuracy = json.loads((whole / "accuracy.json").read_text())
    assert accuracy.keys() == {"before", "after", "seconds"} and accuracy["after"]["problems"] == 4
    assert json.loads((whole / "config.json").read_text())["group_size"] == 4
    assert [c.name for c in checkpoints(whole)] == ["step-000003", "step-000006"]


def start_in_foreground(*command: str, held: str) -> subprocess.Popen:
    """A fresh interpreter, which shares nothing with the process of the whole run."""
    # tests of Ctrl-C want default handling, whatever the test runner does with SIGINT
    default_handling = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    return start(*command, held=held, preexec_fn=default_handling)


@pytest.mark.parametrize(("stop", "begin"), [(signal.SIGINT, start_in_foreground), (signal.SIGKILL, fork)])
def test_an_interrupted_run_goes_on_bit_for_bit(whole, tmp_path, stop, begin):
    run = tmp_path / "run"
    process = begin(*six_steps(run), held=AFTER_LOGGING_STEP.format(step=3))
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(read_metrics(run)) == 3, process)
    process.send_signal(stop)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == (130 if stop == signal.SIGINT else -signal.SIGKILL)
    if stop == signal.SIGINT:
        assert "go on with: python -m reference train grpo --resume" in output
    assert len(read_metrics(run)) == 3
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    assert_same_run(run, whole)


MOMENTS = {  # what the folder looks like when the process is killed
    "before it is measured": lambda run: (run / "config.json").exists(),
    "before its first checkpoint": lambda run: (run / "accuracy.json").exists(),
    "after a line of the log": lambda run: len(read_metrics(run)) >= 3,
    "in the middle of saving": lambda run: list((run / "checkpoints").glob(".step-*")) and checkpoints(run),
    "after a checkpoint": lambda run: len(checkpoints(run)) >= 2,
    "after its last step": lambda run: checkpoints(run) and checkpoints(run)[-1].name == "step-000006",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment(whole, tmp_path, moment):
    run = tmp_path / "run"
    process = fork(*six_steps(run), held=WHILE_SAVING_STEP.format(step=3) if "saving" in moment else "")
    wait_for(lambda: MOMENTS[moment](run), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    assert_same_run(run, whole)
    accuracies = [json.loads((r / "accuracy.json").read_text()) for r in (run, whole)]
    assert all(accuracies[0][when] == accuracies[1][when] for when in ("before", "after"))
    assert not list((run / "checkpoints").glob(".*"))


def test_steps_logged_after_the_last_checkpoint_are_taken_again(whole, tmp_path):
    # as if the machine had died between the log line of step 5 and the checkpoint that never came
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    subprocess.run(["rm", "-r", run / "checkpoints" / "step-000006"], check=True)
    (run / "metrics.jsonl").write_text((whole / "metrics.jsonl").read_text()[:-40])  # and a torn last line
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    assert_same_run(run, whole)


# ---- bad input: one sentence, exit code 2, nothing lost --------------------------------------------------------------


def refused(capsys, *arguments: str) -> str:
    assert main(["train", "grpo", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.strip().replace("\r", "\n").splitlines() if line.strip()]
    bars, message = lines[:-1], lines[-1]
    assert message.startswith("reference: ")
    assert all(
        "it/s" in bar or "step" in bar or "completion" in bar or "Loading" in bar for bar in bars
    )  # progress only
    return message


def test_a_model_that_does_not_exist(capsys, tmp_path):
    assert "no model folder at" in refused(capsys, "--model", "./nowhere", "--out", str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()


def test_a_folder_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = refused(capsys, "--out", str(tmp_path / "file" / "run"), *TINY)
    assert "cannot write to" in message and "--out" in message


def test_a_folder_that_holds_a_run_already(capsys, whole):
    before = (whole / "metrics.jsonl").read_text()
    assert "already holds a run: continue it with --resume" in refused(capsys, "--out", str(whole), *TINY)
    assert (whole / "metrics.jsonl").read_text() == before


def test_resuming_what_is_no_run(capsys, tmp_path):
    assert "holds no run" in refused(capsys, "--resume", str(tmp_path))


@pytest.mark.parametrize("file", ["model.safetensors", "state.pt", "checksums.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(capsys, whole, tmp_path, file, damage):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    victim = run / "checkpoints" / "step-000006" / file
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes(content if damage == "flip" else content[:-10])
    message = refused(capsys, "--resume", str(run))
    assert "step-000006 is damaged" in message and "delete that folder to go on from step-000003" in message
    assert len(read_metrics(run)) == 6  # nothing was lost by asking


def test_following_that_advice_works(whole, tmp_path):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    subprocess.run(["rm", "-r", run / "checkpoints" / "step-000006"], check=True)
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    assert last_weights(run) == last_weights(whole)


def test_a_damaged_log_is_named_by_line(capsys, whole, tmp_path):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([lines[0], lines[1][:20], *lines[2:]]))
    assert "damaged at line 2" in refused(capsys, "--resume", str(run))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_the_earlier_checkpoint(capsys, whole, tmp_path, monkeypatch):
    import errno

    import torch

    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    subprocess.run(["rm", "-r", run / "checkpoints" / "step-000006"], check=True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    message = refused(capsys, "--resume", str(run))
    assert "No space left on device" in message and "earlier checkpoints are untouched" in message
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step-000003"]


def test_a_disk_that_fills_up_while_logging(capsys, whole, tmp_path, monkeypatch):
    import errno

    from reference.runs import session

    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    subprocess.run(["rm", "-r", run / "checkpoints" / "step-000006"], check=True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(session, "append_metrics", full)
        assert "No space left on device: make room" in refused(capsys, "--resume", str(run))
    assert main(["train", "grpo", "--resume", str(run)]) == 0  # with room again
    assert_same_run(run, whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minibatches", "3"], "minibatches is 3, which does not divide"),
        (["--group-size", "1"], "group_size is 1"),
        (["--max-new-tokens", "900"], "lower max_new_tokens"),
        (["--max-new-tokens", "500"], "lower max_new_tokens"),
        (["--kl-coef", "-0.1"], "kl_coef is -0.1"),
        (["--device", "tpu"], "device tpu is not available"),
        (["--clip-low", "1.5"], "expected 0 <= clip_low < 1"),
    ],
)
def test_options_that_cannot_work(capsys, tmp_path, arguments, words):
    assert words in refused(
        capsys, "--out", str(tmp_path / "r"), "--eval-problems", "2", "--eval-samples", "1", *arguments
    )


def refused_by_the_parser(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_code:
        main(list(arguments))
    assert exit_code.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (["train", "gpro"], "Did you mean gspo or grpo?"),
        (["train", "grpo", "--min-batches", "1"], "Did you mean --minibatches"),
        (["train", "grpo", "--group-sise=4"], "Did you mean --group-size"),
        (["trian", "grpo"], "Did you mean train"),
        (["train", "grpo", "--aggregation", "token_means"], "Did you mean token_mean"),
    ],
)
def test_the_nearest_name_is_suggested(capsys, arguments, suggested):
    output = refused_by_the_parser(capsys, *arguments)
    assert suggested in output


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--lr", "fast"], ["--aggregation", "mean"], ["--nonsense"]])
def test_options_that_argparse_refuses(capsys, arguments):
    with pytest.raises(SystemExit) as exit_code:
        main(["train", "grpo", *arguments])
    assert exit_code.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["--help"], ["train", "--help"], ["train", "grpo", "--help"], ["pretrain", "--help"]]
)
def test_help_is_there(command):
    done = subprocess.run([sys.executable, "-m", "reference", *command], capture_output=True, text=True)
    assert done.returncode == 0 and "usage: python -m reference" in done.stdout


def test_help_does_not_wait_for_torch():
    code = "import sys; from reference.__main__ import parser; parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- a run folder that was edited or damaged -------------------------------------------------------------------------


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", whole, run], check=True)
    return run


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "a"),
        ("steps", 3.5),
        ("lr", -1),
        ("temperature", 0),
        ("group_size", []),
        ("kl_coef", None),
        ("colour", 1),
    ],
)
def test_an_edited_config_goes_through_the_parser(copied, capsys, name, value):
    change_json(copied / "config.json", **{name: value})
    message = refused(capsys, "--resume", str(copied))
    assert "config.json" in message and name in message and "argument --" not in message


@pytest.mark.parametrize("text", ["[]", "3", "{"])
def test_a_config_that_is_none(copied, capsys, text):
    (copied / "config.json").write_text(text)
    message = refused(capsys, "--resume", str(copied))
    assert "config.json is damaged" in message or "config.json names no recipe" in message


@pytest.mark.parametrize("text", ['{"before":', "[]", "null", '{"before": {"x": 1}}', '{"before": {"problems": 0}}'])
def test_a_damaged_accuracy_file(copied, capsys, text):
    (copied / "accuracy.json").write_text(text)
    assert "accuracy.json is damaged: delete it" in refused(capsys, "--resume", str(copied))


@pytest.mark.parametrize("line", ["null", "1", '{"a": 1}', "\udcff"])
def test_a_log_line_that_is_no_step(copied, capsys, line):
    lines = (copied / "metrics.jsonl").read_bytes().splitlines()
    lines[1] = line.encode("utf-8", "surrogateescape")
    (copied / "metrics.jsonl").write_bytes(b"\n".join(lines))
    assert "damaged at line 2" in refused(capsys, "--resume", str(copied))


@pytest.mark.parametrize("text", ["[]", "{}", '{"config.json": 1}'])
def test_damaged_checksums(copied, capsys, text):
    (copied / "checkpoints" / "step-000006" / "checksums.json").write_text(text)
    assert "step-000006 is damaged" in refused(capsys, "--resume", str(copied))


def test_other_folders_beside_the_checkpoints_are_left_alone(copied, whole):
    for name in ("step-000006.bak", "step-old"):
        (copied / "checkpoints" / name).mkdir()
    (copied / "checkpoints" / ".step-000007.123").mkdir()  # of a process that died while saving
    assert main(["train", "grpo", "--resume", str(copied)]) == 0
    left = sorted(p.name for p in (copied / "checkpoints").iterdir())
    assert left == ["step-000003", "step-000006", "step-000006.bak", "step-old"]


def test_other_options_are_refused_with_resume(copied, capsys):
    assert "leave out --kl-coef" in refused(capsys, "--resume", str(copied), "--kl-coef", "0.1")
    assert "leave out --out" in refused(capsys, "--resume", str(copied), "--out", "elsewhere")


def lose_checkpoints(run: Path, *, steps: int) -> str:
    """Delete the checkpoints and all of the log but its first lines, which are returned."""
    subprocess.run(["rm", "-r", run / "checkpoints"], check=True)
    kept = "".join((run / "metrics.jsonl").read_text().splitlines(keepends=True)[:steps])
    (run / "metrics.jsonl").write_text(kept)
    return kept


def test_a_run_that_died_before_its_first_checkpoint_begins_again(copied, whole):
    before = lose_checkpoints(copied, steps=3)  # step 3 was logged, and its checkpoint never came
    (copied / "checkpoints").mkdir()
    assert main(["train", "grpo", "--resume", str(copied)]) == 0
    assert (copied / "metrics.old.jsonl").read_text() == before
    assert_same_run(copied, whole)


@pytest.mark.parametrize("steps", [4, 6])
def test_a_run_whose_checkpoints_are_gone_is_refused_and_stays_as_it_is(copied, capsys, steps):
    before = lose_checkpoints(copied, steps=steps)  # what is left is what a recorded run keeps
    message = refused(capsys, "--resume", str(copied))
    assert f"{copied} has the log of step {steps} and no checkpoint: its weights are not there" in message
    assert (copied / "metrics.jsonl").read_text() == before and not (copied / "metrics.old.jsonl").exists()


def test_a_lost_accuracy_file_is_measured_again_before_on_the_starting_model(copied, whole):
    subprocess.run(["rm", "-r", copied / "checkpoints" / "step-000006", copied / "accuracy.json"], check=True)
    assert main(["train", "grpo", "--resume", str(copied)]) == 0
    again, first = (json.loads((r / "accuracy.json").read_text()) for r in (copied, whole))
    assert (again["before"], again["after"]) == (first["before"], first["after"])


# ---- other recipes, and what is kept beside the model ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ppo", "dapo", "distill", "sft", "reward-model", "dpo", "simpo", "dpo-online"])
def test_a_recipe_with_more_state_goes_on_bit_for_bit(tmp_path, name):
    # The critic with its optimizer state, the moving reference and the adaptive coefficient are part of a checkpoint.
    more = ["--kl-coef", "0.05", "--kl-target", "0.01", "--ref-sync-every", "2"] if name == "ppo" else []
    more += ["--teacher", "tool-sft", "--on-policy", "0.5"] if name == "distill" else []
    small = ["--prompts-per-step", "8"] if name == "ppo" else []
    tiny = TINY if RECIPES[name].kind != "sft" else [*TINY[:2], *TINY[4:]]  # no groups of demonstrations
    if RECIPES[name].kind in ("preference", "reward"):
        more = ["--max-new-tokens", "64", *([] if RECIPES[name].online else ["--pool", "12"])]
        more += ["--prompts-per-step", "6"]
    if RECIPES[name].kind == "reward":  # measured on pairs: no samples
        tiny = [*TINY[:8], *TINY[10:]]
    command = ["train", name, "--steps", "5", *tiny, *small, *more]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([*command, "--out", str(whole), "--save-every", "3"]) == 0
    subprocess.run(["cp", "-r", whole, run], check=True)
    subprocess.run(["rm", "-r", run / "checkpoints" / "step-000005"], check=True)  # died after step 5 was logged
    assert main(["train", name, "--resume", str(run)]) == 0
    assert_same_run(run, whole)
    state = [checkpoints(r)[-1] / "state.pt" for r in (run, whole)]
    saved = [torch.load(path, weights_only=True) for path in state]
    assert saved[0].keys() == ({"optimizer", "critic", "ref_model"} if name == "ppo" else {"optimizer"})
    for part in saved[0].keys() - {"optimizer"}:
        assert all(torch.equal(saved[0][part][key], saved[1][part][key]) for key in saved[0][part])


def test_a_run_of_another_recipe_is_not_resumed(capsys, whole):
    assert main(["train", "dapo", "--resume", str(whole)]) == 2
    assert "is a run of grpo, not of dapo" in capsys.readouterr().err


def test_tensorboard_holds_the_same_numbers(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(whole / "tensorboard"))
    board.Reload()
    for name in ("reward", "grad_norm", "entropy"):
        logged = {event.step: event.value for event in board.Scalars(name)}
        assert logged == pytest.approx({row["step"]: row[name] for row in read_metrics(whole)}, rel=1e-6)


def test_evaluate_shows_completions_and_their_verdict(capsys, whole):
    for source in (str(whole), "base", str(checkpoints(whole)[-1])):
        assert main(["evaluate", source, "--problems", "6", "--samples", "2", "--show", "3", "--device", "cpu"]) == 0
        output = capsys.readouterr().out
        assert "sampled" in output and "n = 6 problems" in output
        assert output.count("What is ") == 3
        assert sum(output.count(verdict) for verdict in ("[right]", "[wrong, the answer is", "[cut off]")) == 3


@pytest.mark.parametrize(
    ("source", "typed", "budget"), [("run", [], 64), ("run", ["--max-new-tokens", "9"], 9), ("base", [], 96)]
)
def test_evaluate_takes_the_budget_of_the_run(monkeypatch, whole, source, typed, budget):
    seen = []
    monkeypatch.setattr(measure, "evaluate", lambda *_, max_new_tokens, **__: seen.append(max_new_tokens))
    run = str(whole) if source == "run" else source
    assert main(["evaluate", run, "--show", "0", "--device", "cpu", *typed]) == 0
    assert seen == [budget]


def test_evaluate_shows_pairs_and_rewards_of_a_reward_model(capsys, tmp_path):
    run = tmp_path / "rm"
    few = ["--steps", "1", "--pool", "64", "--prompts-per-step", "4", "--eval-problems", "40", "--device", "cpu"]
    assert main(["train", "reward-model", "--out", str(run), *few]) == 0
    after = json.loads((run / "accuracy.json").read_text())["after"]
    capsys.readouterr()
    assert main(["evaluate", str(run), "--problems", "40", "--show", "2", "--device", "cpu"]) == 0
    output = capsys.readouterr().out
    assert f"pairs {after['share']:6.1%}" in output  # the same pairs as at the end of the run
    assert output.count("[right, reward ") == output.count("[wrong, reward ") == 2


def test_evaluate_refuses_what_is_no_model(capsys, tmp_path):
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "has no config.json" in capsys.readouterr().err
    (tmp_path / "checkpoints").mkdir()
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err


# ---- TRL as the engine -----------------------------------------------------------------------------------------------------

TWO_PROCESSES = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "reference",
]  # fmt: skip


@pytest.mark.parametrize("name", ["grpo", "dpo", "reward-model"])
def test_trl_leaves_the_same_run_folder(tmp_path, name, capsys):
    run = tmp_path / "run"
    more = [] if name == "grpo" else ["--max-new-tokens", "64", "--pool", "12", "--prompts-per-step", "4"]
    tiny = TINY if name != "reward-model" else [*TINY[:8], *TINY[10:]]  # measured on pairs: no samples
    assert main(["train", name, "--engine", "trl", "--steps", "2", *tiny, *more, "--out", str(run)]) == 0
    assert [row["step"] for row in read_metrics(run)] == [1, 2] and "grad_norm" in read_metrics(run)[0]
    assert json.loads((run / "accuracy.json").read_text()).keys() == {"before", "after", "seconds"}
    assert (run / "training.png").exists() and checkpoints(run)[-1].name == "step-000002"
    assert main(["train", name, "--resume", str(run)]) == 2
    assert "was run by TRL" in capsys.readouterr().err


def test_two_processes_under_accelerate(tmp_path):
    run = tmp_path / "run"
    environment = {**os.environ, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    command = [*TWO_PROCESSES, "train", "grpo", "--engine", "trl", "--steps", "2", *TINY]
    done = subprocess.run([*command, "--out", str(run)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [row["step"] for row in read_metrics(run)] == [1, 2]  # one log, not two
    assert done.stdout.count("saved    ") == 1 and checkpoints(run)[-1].name == "step-000002"


def test_two_processes_want_a_folder_by_name(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "grpo", "--engine", "trl", "--steps", "1", *TINY]) == 2
    assert "2 processes would not agree on a run folder: name one with --out" in capsys.readouterr().err


def test_what_trl_cannot_do_is_said_before_there_is_a_folder(capsys, tmp_path):
    assert main(["train", "ppo", "--engine", "trl", "--out", str(tmp_path / "r")]) == 2
    assert "TRL has none since it dropped PPO in 1.13" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
