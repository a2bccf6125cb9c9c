"""What the numbers of a recipe may be: refused before anything is loaded, or the run works."""

import contextlib
import functools
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from model_folders import model_folder
from small_runs import TINY, refusal
from transformers import PreTrainedModel

from reference.__main__ import main, parser
from reference.algorithms.limits import LIMITS, SIGNS, WEIGHTS, require_limits
from reference.algorithms.recipes import RECIPES, ROWS, options_of, recipe_from
from reference.algorithms.unread_options import unread
from reference.objectives.shapes import InputError
from reference.runs import launch
from reference.runs.folder import read_metrics
from reference.world.gate import require_sampler
from reference.world.model import load

EXTREMES = ("-1", "0", "1e-320", "1e30")
NOT_OF_THE_RECIPE = ("seed", "save_every", "eval_problems", "eval_samples")  # whole numbers, checked by their types


def numbers_of(kind: str) -> list[str]:
    """The options of a recipe that take a number."""
    types = {column.name: get_args(column.type) or (column.type,) for column in options_of(kind)}
    return [name for name, kinds in types.items() if {int, float} & set(kinds)] + list(NOT_OF_THE_RECIPE)


def small(name: str) -> list[str]:
    """A step of seconds: what the recipe does not have is left out."""
    options = dict(zip(TINY[::2], TINY[1::2], strict=True)) | {"--steps": "1", "--eval-problems": "2", "--pool": "12"}
    options |= {"--teacher": "tool-sft"} if name == "distill" else {}
    if RECIPES[name].kind in ("preference", "reward"):
        options |= {"--eval-problems": "12"}
    known = vars(parser().parse_args(["train", name])).keys() - unread(RECIPES[name]).keys()
    return [word for flag, value in options.items() if flag[2:].replace("-", "_") in known for word in (flag, value)]


class Begun(Exception):
    """A run would begin now: everything that can be refused was refused."""


@contextlib.contextmanager
def begins(*_: object) -> Iterator[Path]:
    raise Begun
    yield Path()


def outcome(monkeypatch, out: Path, *arguments: str) -> str:
    """ "refused" before there is a folder, or "begins"."""
    with monkeypatch.context() as patched:
        patched.setattr(launch, "open_run", begins)
        try:
            assert main(["train", *arguments, "--out", str(out)]) == 2
        except SystemExit as end:
            assert end.code == 2
        except Begun:
            return "begins"
    assert not out.exists()
    return "refused"


@pytest.fixture(scope="module")
def reward_model() -> PreTrainedModel:
    return launch.load_reward_model()


@functools.cache
def require_sampler_once(max_new_tokens: int) -> None:
    """The budget is the only number that the gate reads; a refusal is not kept, so it is said again."""
    require_sampler(*load(), max_new_tokens=max_new_tokens)


@pytest.fixture
def loaded_once(monkeypatch, base, reward_model) -> None:
    """Loading and asking a model takes most of the time, and no number changes what comes out."""
    monkeypatch.setattr(launch, "load", lambda *_, **__: base)
    monkeypatch.setattr(launch, "load_reward_model", lambda *_, **__: reward_model)
    monkeypatch.setattr(launch, "require_gradient", lambda *_: None)
    monkeypatch.setattr(launch, "require_sampler", lambda *_, max_new_tokens: require_sampler_once(max_new_tokens))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_every_number_of_every_recipe_is_refused_first_or_can_be_tried(
    recipe, monkeypatch, tmp_path, loaded_once, capsys
):
    found = {}
    for name in numbers_of(recipe.kind):
        for value in EXTREMES:
            option = f"--{name.replace('_', '-')}={value}"
            found[name, value] = outcome(monkeypatch, tmp_path / "out", recipe.name, *small(recipe.name), option)
    refused = {key for key, what in found.items() if what == "refused"}
    negative = {(name, "-1") for name in numbers_of(recipe.kind)}
    assert negative <= refused, negative - refused
    counts = {column.name for column in options_of(recipe.kind) if int in (get_args(column.type) or (column.type,))}
    assert {(name, value) for name in (*counts, *NOT_OF_THE_RECIPE) for value in ("1e-320", "1e30")} <= refused
    assert {(name, "0") for name in {*counts, "temperature", "lr"} - {"ref_sync_every"}} & found.keys() <= refused
    assert {
        ("temperature", "1e-320"),
        ("top_p", "1e-320"),
        ("beta", "1e-320"),
        ("lr", "1e30"),
    } & found.keys() <= refused
    assert {(name, "1e30") for name in (*WEIGHTS, "beta", "clip_high", "target_margin")} & found.keys() <= refused
    assert ("lr", "1e-320") not in refused and ("seed", "0") not in refused


# Those that can be tried do work: one recipe of each kind, the one with the most to weigh.
TRIED = [
    ("ppo", ["--kl-coef=1e6"]), ("ppo", ["--kl-coef=1e-320"]), ("ppo", ["--vf-coef=1e6"]), ("ppo", ["--vf-coef=1e-320"]),
    ("ppo", ["--entropy-coef=1e6"]), ("ppo", ["--sft-coef=1e6"]), ("ppo", ["--length-coef=1e6"]),
    ("ppo", ["--value-clip=1e-320"]), ("ppo", ["--value-clip=1e6"]), ("ppo", ["--critic-lr=1"]),
    ("ppo", ["--critic-lr=1e-320"]), ("ppo", ["--gamma=0"]), ("ppo", ["--gamma=1e-320"]), ("ppo", ["--gae-lambda=1e-320"]),
    ("ppo", ["--kl-target=1e-12"]), ("ppo", ["--kl-target=1e6"]), ("ppo", ["--top-p=1e-6"]), ("ppo", ["--temperature=1e6"]),
    ("ppo", ["--temperature=1e-3"]), ("ppo", ["--max-grad-norm=1e-320"]), ("ppo", ["--max-grad-norm=1e30"]),
    ("ppo", ["--clip-high=1e6"]), ("ppo", ["--clip-low=none", "--clip-high=none"]), ("gspo", ["--clip-low=none"]),
    ("cispo", ["--clip-high=none"]), ("grpo", ["--max-grad-norm=none"]), ("dpo", ["--max-grad-norm=none"]),
    ("sft", ["--max-grad-norm=none"]), ("grpo", ["--kl-place=measure"]), ("ppo", ["--gamma=none"]), ("ppo", ["--clip-high=1e-320"]), ("ppo", ["--clip-low=1e-320"]), ("ppo", ["--dual-clip=1e6"]),
    ("dr-grpo", ["--length-coef=1e6"]), ("cispo", ["--clip-high=1e6"]), ("gspo", ["--clip-high=1e6"]),
    ("grpo", ["--lr=1e-320"]), ("sft", ["--lr=1e-320"]), ("sft", ["--max-grad-norm=1e-320"]),
    ("reward-model", ["--max-grad-norm=1e-320"]), ("dpo", ["--beta=1e6"]), ("dpo", ["--beta=1e-6"]), ("dpo", ["--sft-coef=1e6"]),
    ("ipo", ["--beta=1e-6"]), ("ipo", ["--beta=1e6"]), ("kto", ["--beta=1e6"]), ("orpo", ["--beta=1e6"]),
    ("simpo", ["--beta=1e6", "--target-margin=1e6"]), ("hinge", ["--beta=1e6"]), ("robust-dpo", ["--label-smoothing=1e-320"]),
    ("cdpo", ["--label-smoothing=0"]), ("distill", ["--teacher-share=0"]), ("distill", ["--teacher-share=1e-320"]),
    ("distill", ["--on-policy=0"]), ("distill", ["--temperature=1e-3"]), ("distill", ["--temperature=1e6"]),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), TRIED, ids=lambda part: part if isinstance(part, str) else " ".join(part))
def test_what_is_not_refused_takes_its_step(name, options, monkeypatch, tmp_path, loaded_once, base):
    import copy

    monkeypatch.setattr(launch, "load", lambda *_, **__: (copy.deepcopy(base[0]), base[1]))
    monkeypatch.setattr(launch, "measure_once", lambda run, when, kind, measure: None)
    monkeypatch.setattr(launch, "change", lambda before, after: "")
    assert main(["train", name, *small(name), *options, "--out", str(tmp_path / "out")]) == 0
    taken = read_metrics(tmp_path / "out")
    assert len(taken) == 1 and math.isfinite(taken[0]["grad_norm"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dpo", "--sft-coef", "-1"], "sft_coef is -1.0, expected a finite number that is at least 0"),
        (["reward-model", "--group-size", "1"], "group_size is 1, expected at least 2: a pair is a right and a wrong one"),
        (["dpo", "--group-size", "1"], "group_size is 1, expected at least 2"),
        (["dpo", "--temperature", "1e-320"], "temperature is 1e-320, expected a finite number that is at least 0.001"),
        (["grpo", "--lr", "1e30"], "lr is 1e+30, expected a finite number that is at most 1"),
        (["grpo", "--kl-coef", "-0.1"], "kl_coef is -0.1, expected a finite number that is at least 0"),
        (["dpo", "--pool", "0"], "argument --pool: 0 is not above 0"),
        (["grpo", "--steps", str(10**400)], "is too large: at most 2^63 - 1"),
        (["grpo", "--steps", str(2**40)], f"steps is {2**40}, expected a finite number that is at most 2.14748e+09"),
        (["grpo", "--group-size", str(2**31 - 1), "--minibatches", "3"], "which does not divide the"),
    ],
)  # fmt: skip
def test_the_sentence_names_the_number(capsys, tmp_path, arguments, words):
    assert words in refusal(capsys, "train", *arguments, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_loops_refuse_the_same_from_python(base):
    from reference.algorithms.supervised import train_sft

    with pytest.raises(InputError, match=r"lr is 2.0, expected a finite number that is at most 1"):
        train_sft(*base, None, replace(RECIPES["sft"], lr=2.0), on_step=lambda *_: True)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("grpo", {"steps": "3"}, "^steps is '3', expected a whole number$"),
        ("grpo", {"steps": None}, "^steps is None, expected a whole number$"),
        ("grpo", {"steps": True}, "^steps is True, expected a whole number$"),
        ("sft", {"max_new_tokens": 12.5}, "^max_new_tokens is 12.5, expected a whole number$"),
        ("grpo", {"minibatches": 2.0}, "^minibatches is 2.0, expected a whole number$"),
        ("grpo", {"prompts_per_step": "3", "group_size": "8"}, "^prompts_per_step is '3', expected a whole number$"),
        ("grpo", {"top_k": 2.5}, "^top_k is 2.5, expected a whole number or None$"),
        ("grpo", {"gamma": "1"}, "^gamma is '1', expected a number or None$"),
        ("dpo", {"online": "no"}, "^online is 'no', expected True or False$"),
    ],
)
def test_a_number_of_another_type_is_refused(name, changes, message):
    with pytest.raises(InputError, match=message):
        require_limits(replace(RECIPES[name], **changes))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("kl-coef", "the KL is charged already, so a weight below 0 would pay for moving away from the reference"),
        ("entropy-coef", "the entropy is subtracted from the loss already, so a weight below 0 would punish it"),
        ("sft-coef", "so a weight below 0 would make the demonstrations or chosen completions unlikely"),
        ("length-coef", "the length is charged already, so a weight below 0 would pay for longer completions"),
    ],
)
def test_a_coefficient_of_the_wrong_sign_is_refused_with_what_the_sign_would_do(capsys, tmp_path, option, words):
    said = refusal(capsys, "train", "grpo", f"--{option}", "-0.5", "--out", str(tmp_path / "out"))
    name = option.replace("-", "_")
    assert said.startswith(f"reference: {name} is -0.5, expected a finite number that is at least 0; ")
    assert said.endswith(words) and not (tmp_path / "out").exists()


def test_every_weight_says_what_its_sign_would_do_and_nothing_else_does():
    assert SIGNS.keys() == set(WEIGHTS)
    with pytest.raises(InputError, match=r"^kl_coef is nan, expected a finite number that is at least 0$"):
        require_limits(replace(RECIPES["grpo"], kl_coef=math.nan))


def test_only_several_different_folders_are_combined(tmp_path):
    a, b = (str(tmp_path / name) for name in "ab")
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    recipe = replace(RECIPES["grpo"], reward=(a, b))
    require_limits(recipe)
    require_limits(replace(recipe, reward=(len, abs)))
    for reward, message in (
        ((a, "rubric"), "reward names 2, and 'rubric' is no folder of a reward model: only several reward models"),
        (("success", "rubric"), "'success' is no folder of a reward model"),
        ((a, b, a), f"reward names {a} twice, which would count it double"),
        ((a,), "reward is a tuple of 1, expected at least 2"),
        ((), "reward is a tuple of 0"),
    ):
        with pytest.raises(InputError, match=message):
            require_limits(replace(recipe, reward=reward))


def test_numbers_of_numpy_are_numbers():
    require_limits(replace(RECIPES["grpo"], steps=np.int64(3), lr=np.float32(1e-3), temperature=1))


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_every_row_is_within_the_limits(recipe):
    require_limits(recipe)
    for name in set(LIMITS) & {column.name for column in options_of(recipe.kind)}:
        with pytest.raises(InputError, match=f"{name} is nan"):
            require_limits(replace(recipe, **{name: math.nan}))


def test_a_template_that_marks_nothing_is_refused_before_there_is_a_folder(capsys, tmp_path, base):
    template = model_folder(tmp_path / "model", *base) / "chat_template.jinja"
    text = re.sub(r"\{%-? (end)?generation -?%\}", "", template.read_text())
    assert "generation -%}" not in text
    template.write_text(text)
    for more in (["sft"], ["grpo", "--sft-coef", "0.1"]):
        command = [
            "train",
            *more,
            "--model",
            str(tmp_path / "model"),
            "--out",
            str(tmp_path / "out"),
            "--device",
            "cpu",
        ]
        assert "does not mark the assistant's tokens" in refusal(capsys, *command)
        assert not (tmp_path / "out").exists()


def test_trl_that_is_not_installed_is_told_before_anything_else(capsys, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "trl", None)  # as if it were not there
    monkeypatch.setattr(launch, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    message = refusal(capsys, "train", "grpo", "--engine", "trl", "--out", str(tmp_path / "out"))
    assert "trl is not installed, and --engine trl runs it: pip install" in message
    assert not (tmp_path / "out").exists()


def test_recipes_are_made_of_the_options_of_their_kind():
    options = vars(parser().parse_args(["train", "grpo", "--lr", "0.5"]))
    assert recipe_from(options) == replace(RECIPES["grpo"], lr=0.5)


def test_what_trl_cannot_read_is_refused_before_there_is_a_folder(capsys, tmp_path, small_models):
    # GPT-2 comes without a pad token, so EOS stands in for it: TRL would take the reward one token too early
    out = tmp_path / "out"
    command = ["train", "reward-model", "--engine", "trl", "--model", str(small_models["gpt2"]), "--device", "cpu"]
    assert "pad and EOS are one token" in refusal(capsys, *command, "--out", str(out))
    grpo = ["train", "grpo", "--engine", "trl", "--model", str(small_models["gpt2"]), "--device", "cpu"]
    assert "TRL does not pass positions" in refusal(capsys, *grpo, "--out", str(out))
    assert not out.exists()
