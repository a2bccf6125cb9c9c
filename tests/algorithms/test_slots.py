"""Functions of your own in a recipe's slots: tried before anything is sampled, and what cannot train is refused."""

from dataclasses import replace

import pytest
import torch

from reference.algorithms.checks import require_preference, require_rl
from reference.algorithms.recipes import RECIPES
from reference.algorithms.slots import MOST_ROWS
from reference.objectives.shapes import InputError


def check(name: str, **changes: object) -> None:
    recipe = replace(RECIPES[name], **changes)
    if recipe.kind == "rl":
        require_rl(recipe, object(), object())
    else:
        require_preference(recipe, object())


def fails(*_: object) -> None:
    raise KeyError("weights")


def nothing(*_: object) -> None:
    """Returns None, as a function does whose return was forgotten."""


WITH_KL = {"kl_coef": 0.1}


@pytest.mark.parametrize(
    ("name", "slot", "function", "others", "message"),
    [
        ("grpo", "advantage", nothing, {}, r"a NoneType, expected a tensor \(rows,\), here \(256,\) or \(rows, 1\), here"),
        ("grpo", "advantage", lambda e, r: e.rewards.mean(), {}, r"shape \(\), expected"),
        ("grpo", "advantage", lambda e, r: e.rewards.tolist(), {}, "a list, expected"),
        ("grpo", "advantage", lambda e, r: e.values.sum(), {}, "raised AttributeError when it was tried: 'NoneType'"),
        ("grpo", "reward", nothing, {}, r"a NoneType, expected a tensor \(rows,\), here \(256,\)"),
        ("grpo", "reward", lambda c, r: c.correct - len(c.trajectories), {}, "raised TypeError"),  # without a tool there are none
        ("tool-rl", "reward", lambda c, r: c.correct.mean(), {}, r"shape \(\), expected"),
        ("tool-rl", "reward", lambda c, r: [len(t.calls) for t in c.trajectories], {}, "a list, expected"),
        ("tool-rl", "reward", lambda c, r: c.calls(), {}, r"returned int64, expected floating-point .*end it with \.float"),
        ("tool-rl", "reward", lambda c, r: c.correct > 0, {}, "returned bool, expected"),
        ("grpo", "loss", fails, {}, "raised KeyError when it was tried: 'weights'"),
        ("grpo", "loss", lambda logp, e, r: -(logp * e.advantages).sum(1, keepdim=True), {},
         r"shape \(256, 1\), expected a tensor \(rows, pred\), here \(256, 2\)"),
        ("grpo", "loss", lambda logp, e, r: -(logp * e.advantages).detach(), {}, "has no gradient: compute it from"),
        ("grpo", "aggregation", lambda loss, mask, n: loss.sum(1), {}, r"shape \(256,\), expected a tensor \(\), a scalar"),
        ("grpo", "aggregation", lambda loss, mask, n: loss.sum().item(), {}, "a float, expected"),
        ("grpo", "aggregation", lambda loss, mask, n: loss.sum().detach(), {}, "has no gradient"),
        ("grpo", "kl", lambda logp, ref, old: (logp - ref).sum(1), WITH_KL, r"shape \(256,\), expected a tensor \(rows, pred\)"),
        ("grpo", "kl", lambda logp, ref, old: old - ref, WITH_KL, "has no gradient"),
        ("rloo", "kl", nothing, {}, "a NoneType, expected"),
        ("dpo", "loss", nothing, {}, r"a NoneType, expected a tensor \(pairs,\), here \(2,\)"),
        ("dpo", "loss", fails, {}, "raised KeyError"),
        ("dpo", "loss", lambda p, r: p.ref_chosen - p.ref_rejected, {}, "has no gradient"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_train_is_refused_with_its_slot(name, slot, function, others, message):
    with pytest.raises(InputError, match=f"^{slot} is a function of your own, .*{message}"):
        check(name, **{slot: function}, **others)


def test_a_function_sees_what_it_sees_in_training():
    def advantage(e, r):
        assert len(e.rewards) == r.prompts_per_step * r.group_size == 256  # a fixed group size is as good
        assert e.group.tolist() == [i // r.group_size for i in range(256)]
        assert e.rewards.view(-1, 8).std(dim=1).all()  # no dead group, by which nobody can divide
        assert e.values is None and e.ref_logprobs is not None and e.correction is None
        return e.rewards

    def loss(logp, e, r):
        assert e.advantages.shape == (256, 1)
        return -logp * e.advantages

    check("grpo", advantage=advantage, loss=loss)
    check("ppo", advantage=lambda e, r: e.gae + e.returns + e.values)
    check("grpo", top_p=0.9, loss=lambda logp, e, r: -logp * e.correction)
    check("rloo", kl=lambda logp, ref, old: (logp - ref).detach())  # in the reward it needs no gradient
    check("grpo", kl=fails)  # nothing charges it
    with torch.no_grad():
        check("dpo", loss=lambda p, r: p.rejected - p.chosen)


def test_few_of_very_many_rows_are_tried():
    sizes = []

    def advantage(e, r):
        sizes.append((len(e.rewards), r.group_size, r.prompts_per_step))
        return e.rewards

    check("grpo", advantage=advantage, prompts_per_step=2**20)
    check("grpo", advantage=advantage, group_size=2**20)
    assert sizes == [(MOST_ROWS, 8, MOST_ROWS // 8), (MOST_ROWS, MOST_ROWS, 1)]
