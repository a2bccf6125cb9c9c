"""The whole loop of the lesson: it is the real one, its check names what is wrong, and functions come from notebooks."""

import copy
import inspect
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from reference.algorithms.recipes import RECIPES
from reference.algorithms.rl import train_rl
from reference.lessons.kl_place import loop
from reference.lessons.kl_place.own import own, run_definitions, written
from reference.lessons.kl_place.slips import SLIPS

pytestmark = pytest.mark.slow


def changed(right: str, wrong: str):
    """The reference loop with other lines, as a learner might have written it."""
    source = inspect.getsource(loop.train)
    assert source.count(right) == 1, right
    namespace = dict(vars(loop))
    exec(source.replace(right, wrong), namespace)
    return namespace["train"]


def in_float64(model: nn.Module) -> nn.Module:
    """In float64, its norms too: Llama's own compute in float32."""
    model = copy.deepcopy(model).double()
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ == "LlamaRMSNorm":
                norm = nn.RMSNorm(len(child.weight), eps=child.variance_epsilon, dtype=torch.float64)
                norm.weight = child.weight
                setattr(parent, name, norm)
    return model


def test_in_float64_it_takes_the_weights_where_train_rl_takes_them(base):
    settings = {"steps": 2, "prompts": 2, "group_size": 8, "max_new_tokens": 48, "kl_coef": 0.03, "seed": 0}
    recipe = replace(RECIPES["grpo"], steps=2, prompts_per_step=2, max_new_tokens=48, kl="k2", kl_coef=0.03)
    start, rewards = in_float64(base[0]), {"one": [], "real": []}
    models = {name: copy.deepcopy(start) for name in rewards}
    adam = {n: torch.optim.AdamW(m.parameters(), 3e-4, (0.9, 0.95), weight_decay=0.0) for n, m in models.items()}
    loop.train(
        models["one"], copy.deepcopy(start), base[1], adam["one"],
        on_step=lambda step, reward: rewards["one"].append(reward), **settings,
    )  # fmt: skip
    train_rl(
        models["real"], base[1], adam["real"], recipe, ref_model=copy.deepcopy(start),
        on_step=lambda step, metrics: rewards["real"].append(metrics["reward"]),
    )  # fmt: skip
    assert rewards["one"] == pytest.approx(rewards["real"], abs=1e-7)
    one, real, before = loop.flat(models["one"]), loop.flat(models["real"]), loop.flat(start)
    assert (real - before).abs().max() > 1e-3  # they have learned something
    assert (one - real).abs().max() < 1e-9


def test_the_reference_passes_and_so_does_a_loop_that_rounds_otherwise():
    passed, message = loop.verdict(loop.train)
    assert passed and message.startswith("✓ train: after 2 steps"), message
    other = changed(
        "losses = losses + kl_coef * kl_k2(logp, ref_logp)",
        "losses = kl_coef * (logp - ref_logp).double().square() / 2 + losses",
    )
    assert loop.verdict(other)[0]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.mistake)
def test_every_slip_is_named(slip):
    passed, message = loop.verdict(changed(slip.right, slip.wrong))
    assert not passed and message == f"✗ train: {slip.mistake}.\n  In a run: {slip.symptom}."


def raises(*args, **kwargs):
    raise ValueError("no such thing")


def unsolved(*args, **kwargs):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (unsolved, "○ train: not attempted yet"),
        (raises, "✗ train: it raised ValueError"),
        (lambda *args, **kwargs: None, "the weights did not move"),
        (changed("torch.tensor(verdicts)", "(1 - torch.tensor(verdicts))"), "look at parts 1 and 2"),
        (changed("rewards.mean().item()", "rewards.sum().item()"), "the weights are right. But on_step"),
        (changed("(step + 1, rewards", "(step, rewards"), "But on_step did not get"),
        (changed("loss = aggregate(", "loss = 3 * kl_coef * logp.mean() + aggregate("), "look at parts 3, 4 and 5"),
        (changed("        on_step(step + 1, rewards.mean().item())", "        rewards += 1"), "But on_step did not get"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_loop_that_is_on_no_list(wrong, words, capsys):
    assert loop.check_loop(wrong) is False
    assert words in capsys.readouterr().out


def notebook(folder, *cells: str) -> None:
    found = [{"cell_type": "code", "source": [cell]} for cell in cells]
    (folder / "04_clipping.ipynb").write_text(json.dumps({"cells": found}))


RIGHT = """
def ppo_clip_loss(logp, old, advantages, *, clip_low, clip_high):
    ratio = exp(logp - old)
    return -T.min(advantages * ratio, advantages * ratio.clamp(1 - clip_low, 1 + clip_high))


check.ppo_clip_loss(ppo_clip_loss)
"""


def test_a_function_is_read_from_a_saved_notebook(tmp_path, capsys):
    helper = "def exp(x):\n    return x.exp()"
    notebook(tmp_path, "import torch as T\nimport nothing_of_the_kind", "%matplotlib inline", helper, RIGHT)
    mine = own("ppo_clip_loss", tmp_path)
    assert (
        mine is not loop.ppo_clip_loss and capsys.readouterr().out == "✓ ppo_clip_loss: yours, from 04_clipping.ipynb\n"
    )
    assert mine(*[torch.zeros(1, 1)] * 2, torch.ones(1, 1), clip_low=0.2, clip_high=0.2) == -1


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("def ppo_clip_loss(*args, **options):\n    raise NotImplementedError", "not written"),
        ("def ppo_clip_loss(logp, old, advantages, *, clip_low, clip_high):\n    return -logp", "not right yet"),
        ("from reference.objectives import ppo_clip_loss", "not written"),
    ],
)
def test_the_reference_stands_in_for_what_is_not_there(cell, why, tmp_path, capsys):
    notebook(tmp_path, cell)
    assert own("ppo_clip_loss", tmp_path) is loop.ppo_clip_loss
    told = f"○ ppo_clip_loss: {why} in the saved 04_clipping.ipynb, so the reference stands in\n"
    assert capsys.readouterr().out == told


def test_a_name_that_is_no_exercise_is_told():
    with pytest.raises(ValueError, match="no notebook before this one has an exercise 'token_rewards'"):
        own("token_rewards")


def test_only_imports_and_definitions_are_run(tmp_path):
    namespace = {}
    run_definitions("import math\nx = 1 / 0\nprint(x)\ndef f(y=x): ...\ndef g():\n    return 2", namespace)
    assert namespace["g"]() == 2 and "f" not in namespace and "x" not in namespace
    assert written(tmp_path / "nothing.ipynb", "g") is None
