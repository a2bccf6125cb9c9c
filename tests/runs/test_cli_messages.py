"""What the command line says: one sentence that helps, and --help with every choice."""

import argparse
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from model_folders import change_json, model_folder
from small_runs import COMMAND, TINY, refusal, write_config

from reference.__main__ import main, parser
from reference.algorithms.advantages import ADVANTAGES
from reference.algorithms.aggregation import AGGREGATIONS
from reference.algorithms.kl import KL
from reference.algorithms.losses import LOSSES
from reference.algorithms.preference_losses import PREFERENCE_LOSSES
from reference.algorithms.recipes import ROWS
from reference.algorithms.reward_model import load_reward_model
from reference.cli.parser import named_parsers
from reference.cli.values import finite, folder, not_negative, one_of, optional, positive, seed, source
from reference.objectives.shapes import InputError
from reference.runs.checkpoints import checkpoints


def help_of(*command: str) -> str:
    """As it is printed on a wide terminal, so that nothing is broken."""
    environment = {**os.environ, "COLUMNS": "400"}
    done = subprocess.run([*COMMAND, *command, "--help"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    return done.stdout


def offered(output: str, flag: str) -> set[str]:
    """The names that the help offers for an option."""
    line = next(line for line in output.splitlines() if line.strip().startswith(f"{flag} "))
    listed = re.search(r"\{(.*)\}", line) or re.search(r"one of (.*) \(default", line)
    return set(re.split(r",\s*", listed[1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [row for row in ROWS if row.name in ("grpo", "ppo", "dpo", "kto")], ids=lambda r: r.name
)
def test_help_offers_the_names_that_the_registries_have(recipe):
    output = help_of("train", recipe.name)
    if recipe.kind == "rl":
        assert offered(output, "--advantage") == set(ADVANTAGES)
        assert offered(output, "--loss") == set(LOSSES)
        assert offered(output, "--kl") == {*KL, "none"}
        assert offered(output, "--aggregation") == set(AGGREGATIONS)
        assert offered(output, "--critic") == {"shared", "separate", "none"}
    else:
        assert offered(output, "--loss") == set(PREFERENCE_LOSSES)
        assert "--advantage" not in output


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_help_says_whether_a_run_can_be_made_longer(recipe, capsys):
    with pytest.raises(SystemExit):
        main(["train", recipe.name, "--help"])
    output = " ".join(capsys.readouterr().out.split())
    assert ("to go on to N steps" in output) == (recipe.kind in ("rl", "preference"))
    assert ("no other option beside it" in output) == (recipe.kind in ("sft", "reward"))


@pytest.mark.parametrize("recipe", ["ppo", "grpo"])
def test_none_is_no_guess(recipe, capsys):  # a word that is near to it by chance, and that ppo could not use alone
    assert refusal(capsys, "train", recipe, "--critic", "nope").endswith("'nope' is not one of shared, separate, none.")


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_help_speaks_of_its_own_kind_only(recipe, capsys):
    with pytest.raises(SystemExit):
        main(["train", recipe.name, "--help"])
    output = " ".join(capsys.readouterr().out.split())
    assert ("rollouts to learn from" in output) == (recipe.kind == "rl")
    assert ("batches to learn from" in output) == (recipe.kind != "rl")
    assert ("demonstrations per batch" in output) == (recipe.kind == "sft")
    assert ("pairs per batch" in output) == (recipe.kind in ("preference", "reward"))


@pytest.mark.parametrize(
    "command",
    [["train", row.name] for row in ROWS] + [[name] for name, _ in named_parsers(parser()) if name not in [r.name for r in ROWS]],
    ids=" ".join,
)  # fmt: skip
def test_no_help_speaks_python(command, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    output = capsys.readouterr().out
    assert "None" not in output and "SUPPRESS" not in output and "%(" not in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "grpo", "--beta", "0.1"],
         "This command has no --beta; cdpo, dpo, dpo-online, hinge, ipo, kto, ... have it"),
        (["train", "grpo", "--beta=0.1"], "This command has no --beta;"),
        (["train", "sft", "--group-size", "4"], "This command has no --group-size; audit, cdpo,"),
        (["train", "dpo", "--batch-size", "4"], "This command has no --batch-size; pretrain has it"),
        (["evaluate", "base", "--show-all"], "Did you mean --show?"),
        (["evaluate", "base", "--group-size", "4"], "This command has no --group-size;"),
        (["train", "grpo", "--min-batches", "1"], "Did you mean --minibatches"),
        (["train", "grpo", "5"], "unrecognized arguments: 5"),
        (["bench", "--steps", "5"], "This command has no --steps;"),
        (["train", "grpo", "--steps", "1.5"], "argument --steps: 1.5 is not a whole number"),
        (["train", "grpo", "--steps", "1e3"], "argument --steps: 1e3 is not a whole number"),
        (["train", "grpo", "--steps", "ten"], "argument --steps: 'ten' is not a number"),
        (["train", "grpo", "--critic", "nope"], "'nope' is not one of shared, separate, none."),
        (["train", "grpo", "--critic", "share"], "'share' is not one of shared, separate, none. Did you mean shared?"),
        (["train", "grpo", "--kl", "k5"], f"'k5' is not one of {', '.join(KL)}, none."),
        (["train", "grpo", "--advantage", "leave_oneout"], "Did you mean leave_one_out?"),
        (["train", "grpo", "--advantage", "none"], f"'none' is not one of {', '.join(ADVANTAGES)}."),
        (["train", "grpo", "--loss", "dpo"], f"'dpo' is not one of {', '.join(LOSSES)}."),
        (["train", "dpo", "--loss", "ppo_clip"], f"'ppo_clip' is not one of {', '.join(PREFERENCE_LOSSES)}."),
        (["train", "gpro"], "Did you mean gspo or grpo?"),
        (["trian", "grpo"], "Did you mean train"),
        (["train", "GRPO"], "Did you mean grpo"),
        (["recipes", "GRPO"], "there is no recipe 'GRPO'; did you mean 'grpo'? There are: ppo,"),
        (["recipes", ""], "there is no recipe '': there are ppo, grpo,"),
        (["pretrain", "--lr", "1e30"], "lr is 1e+30, expected a finite number that is at most 1"),
        (["evaluate", "base", "--show", "-1"], "argument --show: -1 is below 0"),
        (["evaluate", "base", "--show", "few"], "argument --show: 'few' is not a number"),
        (["evaluate", ""], "argument RUN: the name is empty"),
        (["evaluate", "x" * 300], "is no path (File name too long)"),
        (["figures", "--folder", "x" * 300], "is no path (File name too long)"),
        (["record", "grpo-sed-0"], "there is no experiment 'grpo-sed-0'; did you mean grpo-seed-"),
        (["record", "qqqq"], "there is no experiment 'qqqq': python -m reference record lists them"),
    ],
    ids=lambda part: " ".join(part)[:40] if isinstance(part, list) else "",
)  # fmt: skip
def test_a_mistyped_word_gets_the_right_help(arguments, words, capsys):
    assert words in refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (finite(float), "1e-3", 0.001), (finite(int), "-3", -3), (positive(int), "7", 7), (seed, str(2**63 - 1), 2**63 - 1),
        (not_negative, "0", 0), (optional(positive(int)), "None", None), (one_of(("a", "b")), "b", "b"), (source, "base", "base"),
    ],
)  # fmt: skip
def test_what_the_types_take(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (finite(float), "nan"), (finite(float), "-inf"), (finite(int), str(2**63)), (finite(int), "1" + "0" * 400),
        (finite(int), "9" * 5000), (positive(float), "0"), (seed, "-1"), (seed, str(2**63)), (not_negative, "-1"),
        (one_of(("a", "b")), "c"), (source, ""), (source, "b" * 256), (folder, "\0"), (folder, "\udcff"),
    ],
)  # fmt: skip
def test_what_the_types_refuse(parse, text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


# ---- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["train", "grpo"], ["train", "reward-model"], ["bench"]], ids=" ".join)
def test_a_run_folder_is_no_model_but_its_checkpoint_is(finished, capsys, command):
    message = refusal(capsys, *command, "--model", str(finished))
    assert f"{finished} is the folder of a run, not of a model: name one of its checkpoints" in message
    assert message.endswith(str(checkpoints(finished)[-1]))


def test_a_run_without_checkpoints_says_so(mine, capsys):
    shutil.rmtree(mine / "checkpoints")
    assert "and it has no checkpoint yet" in refusal(capsys, "train", "grpo", "--model", str(mine))


def test_base_is_the_shipped_model_also_where_a_folder_has_that_name(tmp_path, monkeypatch):
    from reference.runs import launch

    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(launch, "run_recipe", lambda recipe, options, **_: asked.append(options["model"]) or True)
    assert main(["train", "grpo"]) == 0
    assert main(["train", "grpo", "--model", "./base"]) == 0
    assert asked == ["base", str(tmp_path / "base")]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "command", [["evaluate"], ["train", "grpo", "--model"], ["train", "reward-model", "--model"]], ids=" ".join
)
def test_weights_that_are_no_numbers_are_told_with_the_model(tmp_path, capsys, base, number, command):
    import copy

    model = copy.deepcopy(base[0])
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] = number
    model_folder(tmp_path / "model", model, base[1])
    message = refusal(capsys, *command, str(tmp_path / "model"), "--device", "cpu")
    assert f"1 of the weights of {tmp_path / 'model'} are NaN or infinite" in message
    assert "model.layers.1.mlp.up_proj.weight" in message
    with pytest.raises(InputError, match="1 of the weights of"):
        load_reward_model(tmp_path / "model")


def test_a_model_folder_is_no_run_and_a_run_without_checkpoints_no_model(mine, capsys):
    model = checkpoints(mine)[-1]
    message = refusal(capsys, "train", "grpo", "--resume", str(model))
    assert f"{model} is the folder of a model, not of a run" in message
    shutil.rmtree(mine / "checkpoints")
    assert f"{mine} has no checkpoint yet: let it take a step" in refusal(capsys, "evaluate", str(mine))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("2", "2 processes would each make this run: start one, or share it with --engine trl"),
        ("two", "WORLD_SIZE is 'two' in the environment, expected the number of processes"),
        ("0", "WORLD_SIZE is '0' in the environment"),
    ],
)
def test_our_loop_is_one_process(capsys, monkeypatch, tmp_path, size, words):
    monkeypatch.setenv("WORLD_SIZE", size)
    assert words in refusal(capsys, "train", "grpo", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["generation_config.json", "config.json"])
def test_a_text_as_eos_is_told(tmp_path, capsys, base, file):
    model_folder(tmp_path, *base)
    change_json(tmp_path / file, eos_token_id="<|end|>")
    assert "eos_token_id" in refusal(capsys, "evaluate", str(tmp_path), "--device", "cpu")


@pytest.mark.parametrize("name", ["group_size", "temperature", "model"])
def test_evaluating_a_reward_model_reads_a_whole_config(tmp_path, capsys, name):
    (tmp_path / "checkpoints").mkdir()
    write_config(tmp_path, "train", "reward-model", **{name: []})
    assert f"config.json: {name} is []" in refusal(capsys, "evaluate", str(tmp_path))


# ---- outside .venv ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_a_python_without_the_packages_is_told_how_to_get_them(module):
    code = (
        f"import sys; sys.modules[{module!r}] = None; from reference.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", code, "train", "grpo"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{module} is not installed for {sys.executable}: make lab" in done.stderr


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("std::bad_alloc"), None],
    ids=repr,
)
def test_memory_that_is_not_there(capsys, monkeypatch, tmp_path, error):
    from reference.runs import launch

    def too_much(*_: object, **__: object) -> None:
        if error is not None:
            raise error
        torch.empty(2**60)

    monkeypatch.setattr(launch, "run_recipe", too_much)
    message = refusal(capsys, "train", "grpo", *TINY, "--out", str(tmp_path / "out"))
    assert "out of memory: lower --micro-batch-size" in message


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    from reference.runs import launch

    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(launch, "run_recipe", fault)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        main(["train", "grpo"])
