import copy
import random
from dataclasses import replace
from functools import partial

import pytest
import torch
from loops import (
    assert_goes_on_bit_for_bit,
    assert_same_updates,
    assert_steps_depend_on_the_seed_alone,
    gradient,
    pairs_in_styles,
    sgd,
    step_metrics,
)

from reference.algorithms.pairs import choose, draw_pairs, draw_pool, encode_pairs
from reference.algorithms.preference import mismatched_pairs, preference_step, train_preference
from reference.algorithms.preference_losses import PREFERENCE_LOSSES
from reference.algorithms.recipes import RECIPES
from reference.objectives import (
    InputError,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    ipo_loss,
    kto_kl,
    kto_loss,
    orpo_loss,
    robust_dpo_loss,
    simpo_loss,
)
from reference.world.model import load
from reference.world.tasks import verify

pytestmark = pytest.mark.slow

ROWS = {r.name: r for r in RECIPES.values() if r.kind == "preference" and not r.online}
SMALL = {"prompts_per_step": 6, "group_size": 4, "pool": 16, "steps": 2, "max_grad_norm": 1e9, "micro_batch_size": 64}


def small(row: str = "dpo", **changed):
    """A recipe with few prompts, and with few pairs where it has a pool."""
    few = {**SMALL, **changed}
    return replace(ROWS[row], **{name: few[name] for name in few if name != "pool" or not few.get("online")})


def preference_metrics(model, tokenizer, recipe, *, optimizer=None, **options) -> list[dict[str, float]]:
    return step_metrics(train_preference, model, tokenizer, optimizer or sgd(model), recipe, **options)


@pytest.fixture(scope="module")
def pool(base):
    return draw_pool(*base, small())


@pytest.fixture
def policy_and_reference(base):
    """A policy that has moved away from its reference, both in float64."""
    ref = copy.deepcopy(base[0]).double()
    model = copy.deepcopy(ref)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model, ref


@pytest.mark.parametrize("row", ROWS)
def test_micro_batches_do_not_change_the_gradient(policy_and_reference, pool, row):
    model, ref = policy_and_reference
    gradients, scalars = [], []
    for rows in (64, 6, 1):
        recipe = small(row, micro_batch_size=rows, sft_coef=0.3)
        scalars.append(preference_step(model, sgd(model), pool.take(list(range(7))), recipe, ref_model=ref))
        gradients.append(gradient(model))
    assert_same_updates(gradients, scalars)


def row_logprobs(model, prompt: torch.Tensor, completion: torch.Tensor) -> torch.Tensor:
    """Log-probs of the completion's tokens, from one row without any padding."""
    with torch.no_grad():
        logits = model(torch.cat([prompt, completion])[None]).logits[0].double()
    at = torch.arange(len(prompt) - 1, len(prompt) + len(completion) - 1)
    return logits[at].log_softmax(dim=-1).gather(1, completion[:, None]).squeeze(1)


def cut(rows) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Prompt and completion ids of each row."""
    start, keep = rows.prompt_width, rows.attention_mask
    return [
        (tokens[:start][kept[:start]], tokens[start:][kept[start:]])
        for tokens, kept in zip(rows.tokens, keep, strict=True)
    ]


def by_hand(recipe, model, ref, rows) -> torch.Tensor:
    def summed(one, average=False, shift=0):
        ids = cut(rows)
        logprobs = [row_logprobs(one, ids[i][0], ids[i - shift][1]) for i in range(len(ids))]
        return torch.stack([row.mean() if average else row.sum() for row in logprobs])

    policy, reference, average = summed(model), summed(ref), summed(model, average=True)
    four = policy[::2], policy[1::2], reference[::2], reference[1::2]
    loss, smoothed = recipe.loss, {"beta": recipe.beta, "label_smoothing": recipe.label_smoothing}
    if loss == "simpo":
        return simpo_loss(average[::2], average[1::2], beta=recipe.beta, gamma=recipe.target_margin)
    if loss == "orpo":
        return orpo_loss(average[::2], average[1::2], beta=recipe.beta)
    if loss == "kto":
        desirable = torch.arange(len(policy)) % 2 == 0
        kl = kto_kl(summed(model, shift=2), summed(ref, shift=2))
        return kto_loss(policy, reference, desirable, kl, beta=recipe.beta)
    if loss in ("cdpo", "robust_dpo"):
        return {"cdpo": cdpo_loss, "robust_dpo": robust_dpo_loss}[loss](*four, **smoothed)
    return {"dpo": dpo_loss, "ipo": ipo_loss, "hinge": hinge_loss}[loss](*four, beta=recipe.beta)


@pytest.mark.parametrize("row", ROWS)
def test_the_loss_is_the_objective_called_by_hand(policy_and_reference, pool, row):
    model, ref = policy_and_reference
    recipe = small(row, beta=0.3, target_margin=0.7, label_smoothing=0.2, micro_batch_size=4)
    pairs = pool.take([5, 2, 0, 3])
    metrics = preference_step(model, sgd(model), pairs, recipe, ref_model=ref)
    assert metrics["loss"] == pytest.approx(by_hand(recipe, model, ref, pairs.completions).mean().item(), rel=1e-5)


def test_the_scalars_are_what_they_say(policy_and_reference, pool):
    model, ref = policy_and_reference
    pairs = pool.take(list(range(6)))
    metrics = preference_step(model, sgd(model), pairs, small(), ref_model=ref)
    gain = torch.stack(
        [row_logprobs(model, *ids).sum() - row_logprobs(ref, *ids).sum() for ids in cut(pairs.completions)]
    )
    margin = gain[::2] - gain[1::2]
    assert metrics["chosen"] == pytest.approx(gain[::2].mean().item(), rel=1e-4)
    assert metrics["rejected"] == pytest.approx(gain[1::2].mean().item(), rel=1e-4)
    assert metrics["margin"] == pytest.approx(margin.mean().item(), rel=1e-4)
    assert metrics["accuracy"] == pytest.approx((margin > 0).double().mean().item()) and 0 < metrics["accuracy"] < 1
    assert metrics["grad_norm"] == pytest.approx(gradient(model).norm().item(), rel=1e-6)


def test_without_a_reference_gains_are_over_the_sampler(policy_and_reference, pool):
    model, ref = policy_and_reference  # the pool was sampled from the reference
    pairs = pool.take(list(range(6)))
    with_ref, without = (
        preference_step(model, sgd(model), pairs, small("simpo"), ref_model=one) for one in (ref, None)
    )
    assert without == pytest.approx(with_ref, rel=1e-3)


def test_the_nll_of_chosen_is_added_with_its_weight(policy_and_reference, pool):
    model, ref = policy_and_reference
    pairs = pool.take(list(range(6)))
    plain, mixed = (
        preference_step(model, sgd(model), pairs, small(sft_coef=coef), ref_model=ref)["loss"] for coef in (0.0, 0.5)
    )
    nll = -torch.cat([row_logprobs(model, *ids) for ids in cut(pairs.completions)[::2]]).mean().item()
    assert mixed - plain == pytest.approx(0.5 * nll, rel=1e-4)


def test_the_policy_starts_at_margin_zero(base, pool):
    model = copy.deepcopy(base[0])
    metrics = preference_step(model, sgd(model), pool, small(), ref_model=base[0])
    assert metrics["margin"] == metrics["chosen"] == 0 and metrics["loss"] == pytest.approx(0.6931472, rel=1e-5)


@pytest.mark.parametrize("row", ROWS)
def test_a_small_step_raises_the_margin_and_leaves_the_reference(base, pool, row):
    model, ref = copy.deepcopy(base[0]), copy.deepcopy(base[0])
    recipe, frozen = small(row, max_grad_norm=0.1), copy.deepcopy(ref.state_dict())
    for _ in range(2):
        metrics = preference_step(model, sgd(model, lr=0.1), pool, recipe, ref_model=ref)
    assert metrics["margin"] > 1e-3 and metrics["accuracy"] > 0.5
    assert all(p.grad is None for p in ref.parameters())
    assert all(torch.equal(frozen[name], p) for name, p in ref.state_dict().items())


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("row", ROWS)
def test_every_loss_trains_any_causal_lm(small_models, row, name):
    model, tokenizer = load(small_models[name])
    ref, _ = load(small_models[name])
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    recipe = small(row, steps=3, prompts_per_step=4, micro_batch_size=4)
    rows = preference_metrics(
        model,
        tokenizer,
        recipe,
        optimizer=optimizer,
        ref_model=ref,
        pool=pairs_in_styles(tokenizer, 4, rejected="sloppy"),
    )
    assert rows[-1]["margin"] > rows[0]["margin"]
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert any(not torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("online", [False, True])
def test_steps_depend_on_the_seed_and_on_nothing_else(base, online):
    def run(seed: int, **part: int) -> list[dict[str, float]]:
        recipe = small(online=online, prompts_per_step=4)
        return preference_metrics(copy.deepcopy(base[0]), base[1], recipe, ref_model=base[0], seed=seed, **part)

    assert_steps_depend_on_the_seed_alone(run)


def test_a_run_that_goes_on_ends_with_the_same_weights(base, pool):
    def new_run():
        model = copy.deepcopy(base[0])
        optimizer, options = torch.optim.AdamW(model.parameters(), lr=1e-3), {"ref_model": base[0], "pool": pool}
        return model, partial(train_preference, model, base[1], optimizer, small(steps=3), **options)

    assert_goes_on_bit_for_bit(new_run)


def test_a_batch_holds_no_pair_twice_and_a_small_pool_is_taken_whole(base, pool):
    seen = []

    def spy(p, r):
        seen.append(p.ref_chosen)
        return p.chosen

    preference_metrics(copy.deepcopy(base[0]), base[1], small(loss=spy, steps=3), ref_model=base[0], pool=pool)
    assert [len(x.unique()) for x in seen[1:]] == [6, 6, 6]  # the first call only tries the function
    few = pool.take([0, 1])
    assert len(preference_metrics(copy.deepcopy(base[0]), base[1], small(steps=1), ref_model=base[0], pool=few)) == 1


def test_training_teaches_which_is_better(base, pool):
    model = copy.deepcopy(base[0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    recipe = small(steps=10, prompts_per_step=8)
    rows = preference_metrics(model, base[1], recipe, optimizer=optimizer, ref_model=base[0], pool=pool)
    assert rows[-1]["margin"] > 2 and rows[-1]["accuracy"] > 0.8 and rows[-1]["loss"] < 0.6


def test_online_pairs_come_from_the_policy_at_each_step(base):
    rows = preference_metrics(copy.deepcopy(base[0]), base[1], small(online=True), ref_model=base[0])
    assert all(0 < row["paired"] <= 1 and row["paired"] * 6 == pytest.approx(round(row["paired"] * 6)) for row in rows)


def test_a_function_of_your_own_may_stand_in_the_slot(policy_and_reference, pool):
    model, ref = policy_and_reference
    for loss in ("dpo", "kto"):
        own, named = (
            preference_step(model, sgd(model), pool.take([0, 1, 2]), small(loss, loss=choice), ref_model=ref)
            for choice in (lambda p, r, loss=loss: PREFERENCE_LOSSES[loss].function(p, r), loss)
        )
        assert own == named


def test_a_pair_is_a_right_and_a_wrong_completion_of_one_prompt(base):
    _, tokenizer = base
    pairs = draw_pairs(*base, small(max_new_tokens=32), random.Random(0), prompts=70, held_out=True)
    assert 10 < len(pairs) <= 70 and len(pairs.completions.tokens) == 2 * len(pairs)
    assert all(problem.held_out for problem in pairs.problems)
    ends = pairs.completions.truncated.view(-1, 2).tolist()
    for problem, texts, cut_off, ids in zip(
        pairs.problems, pairs.texts(tokenizer), ends, cut(pairs.completions)[::2], strict=True
    ):
        right, wrong = (verify(problem, text) == 1 and not c for text, c in zip(texts, cut_off, strict=True))
        assert right and not wrong and problem.question in tokenizer.decode(ids[0])
    assert any(rejected for _, rejected in ends)  # what is cut off is wrong


def test_one_right_and_one_wrong_row_are_chosen_from_each_group_that_has_both():
    correct = torch.tensor([[1.0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0]])
    drawn = [choose(correct, random.Random(seed)) for seed in range(40)]
    assert all(d.keys() == {2, 3} for d in drawn)
    assert {d[2] for d in drawn} == {(7, 6), (7, 8)} and {d[3] for d in drawn} == {(9, 11), (10, 11)}


def test_written_pairs_hold_what_was_written(base):
    pairs = pairs_in_styles(base[1], 3, rejected="sloppy")
    for (chosen, rejected), problem in zip(pairs.texts(base[1]), pairs.problems, strict=True):
        assert verify(problem, chosen) == 1 and verify(problem, rejected) == 0
    again = encode_pairs(base[1], pairs.problems, pairs.texts(base[1]))
    assert torch.equal(again.completions.tokens, pairs.completions.tokens)
    ends = [completion[-1].item() for _, completion in cut(pairs.completions)]
    assert ends == [base[1].eos_token_id] * 6
    assert pairs.completions.completion_mask.sum(dim=1).tolist() == [len(c) for _, c in cut(pairs.completions)]


def test_mismatched_puts_each_completion_under_the_next_prompt(pool):
    rows = pool.take([0, 1, 2]).completions
    before, after = cut(rows), cut(mismatched_pairs(rows))
    for i, (prompt, completion) in enumerate(after):
        assert torch.equal(prompt, before[i][0]) and torch.equal(completion, before[i - 2][1])
    assert torch.equal(mismatched_pairs(rows).completion_mask, rows.completion_mask.roll(2, dims=0))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": "dop"}, "loss is 'dop'; did you mean 'dpo'"),
        ({"beta": 0.0}, "beta is 0.0, expected a finite number above 0"),
        ({"loss": "cdpo", "label_smoothing": 0.7}, "label_smoothing is 0.7"),
        (
            {"loss": lambda p, r: p.chosen.mean()},
            r"which returned shape \(\), expected a tensor \(pairs,\), here \(2,\)",
        ),
        ({"group_size": 1}, "group_size is 1, expected at least 2"),
        ({"kind": "rl"}, "of kind 'rl', not of learning from preferences"),
        ({"max_new_tokens": 3}, "none of 16 prompts gave a pair"),
        ({"max_new_tokens": 3, "online": True}, r"none of 6 prompts gave a pair.*0.0% of them are right"),
        ({"loss": "kto", "prompts_per_step": 1}, "prompts_per_step is 1, expected at least 2"),
    ],
)
def test_bad_recipes_are_refused(base, changed, message):
    with pytest.raises(InputError, match=message):
        preference_metrics(copy.deepcopy(base[0]), base[1], small(**changed), ref_model=base[0])


def test_one_pair_is_too_few_for_kto_and_enough_for_the_others(base, pool):
    model = copy.deepcopy(base[0])
    with pytest.raises(InputError, match="this step has one pair: raise prompts_per_step"):
        preference_step(model, sgd(model), pool.take([0]), small("kto"), ref_model=base[0])
    for loss in ("dpo", PREFERENCE_LOSSES["dpo"].function):
        assert preference_step(model, sgd(model), pool.take([0]), small(loss=loss), ref_model=base[0])["margin"] == 0


def test_a_loss_that_needs_a_reference_asks_for_it(base, pool):
    for row, recipe in ROWS.items():
        if recipe.loss in ("simpo", "orpo"):
            preference_metrics(copy.deepcopy(base[0]), base[1], small(row, steps=1), pool=pool)
        else:
            with pytest.raises(InputError, match=f"loss is '{recipe.loss}' but there is no ref_model"):
                preference_metrics(base[0], base[1], small(row), pool=pool)


def test_going_on_without_a_reference_needs_the_pool(base):
    with pytest.raises(InputError, match="pool is missing: to go on after step 1"):
        preference_metrics(base[0], base[1], small("simpo"), first_step=1)


def test_a_gradient_that_is_not_finite_changes_no_weight(base, pool):
    model = copy.deepcopy(base[0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with pytest.raises(
        InputError,
        match=r"the gradient is nan \(in \d+ of \d+ weights, the first .*\): the weights were left as they were",
    ):
        preference_step(model, optimizer, pool, small(loss=lambda p, r: p.chosen * torch.nan), ref_model=base[0])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), base[0].parameters(), strict=True))
