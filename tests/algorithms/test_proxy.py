"""A reward model in the place of the verifier: what it says is what teaches, and the verifier is logged beside it."""

import random
from dataclasses import replace

import pytest
import torch
from loops import pairs_in_styles, sgd, step_metrics

from reference.algorithms.collect import collect
from reference.algorithms.pairs import compare, draw_pairs
from reference.algorithms.proxy import baseline_of, load_proxy, proxy_rewards, reward_by
from reference.algorithms.recipes import RECIPES
from reference.algorithms.reward_model import load_reward_model, rewards_of
from reference.algorithms.rl import train_rl
from reference.objectives import InputError
from reference.world.raters import utility
from reference.world.tasks import verify

pytestmark = pytest.mark.slow

SMALL = replace(RECIPES["grpo"], prompts_per_step=2, group_size=4, steps=1)
PEOPLE = replace(RECIPES["reward-model"], raters="people", group_size=4)


@pytest.fixture(scope="module")
def opinionated():
    """A reward model whose head is not 0."""
    model = load_reward_model()
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(0))
    return model


@pytest.fixture(scope="module")
def folder(opinionated, base, tmp_path_factory):
    """The same, saved as a run saves it."""
    place = tmp_path_factory.mktemp("rewards")
    opinionated.save_pretrained(place)
    base[1].save_pretrained(place)
    return place


# ---- people ------------------------------------------------------------------------------------------------------------


def test_people_are_asked_once_about_each_group_with_two_texts():
    long, short = "1+1=2\nCheck: 2-1=1\nAnswer: 2", "Answer: 2"
    texts = [short, short, short, *[long] * 2, short]
    rows = compare(texts, torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]), random.Random(0))
    assert list(rows) == [1] and sorted(rows[1]) == [3, 5]


def test_people_prefer_as_often_as_their_utilities_say():
    texts = ["1+1=2\nCheck: 2-1=1\n2+1=3\nAnswer: 3", "Answer: 4"]
    rng, verdicts = random.Random(0), torch.tensor([[0.0, 1.0]])
    share = sum(compare(texts, verdicts, rng)[0] == (0, 1) for _ in range(3000)) / 3000
    difference = utility(texts[0], right=False) - utility(texts[1], right=True)
    assert share == pytest.approx(torch.tensor(difference).sigmoid().item(), abs=0.03)


def test_people_compare_two_wrong_or_two_right_ones_too(base):
    pairs = draw_pairs(*base, PEOPLE, random.Random(0), prompts=24)
    verdicts = [
        [verify(problem, text) for text in both]
        for problem, both in zip(pairs.problems, pairs.texts(base[1]), strict=True)
    ]
    assert len(pairs) > 20 and any(a == b for a, b in verdicts) and any(a != b for a, b in verdicts)
    assert all(a != b for a, b in pairs.texts(base[1]))


def test_where_all_completions_are_equal_the_refusal_says_so(base):
    with pytest.raises(InputError, match="none of 4 prompts gave two different completions"):
        draw_pairs(*base, replace(PEOPLE, max_new_tokens=8, temperature=1e-3), random.Random(0), prompts=4)


# ---- the reward model in the slot ------------------------------------------------------------------------------------------


def test_what_was_saved_scores_as_it_did_whatever_the_micro_batches(folder, base, opinionated):
    rows = pairs_in_styles(base[1], 5, rejected="hasty", seed=0).completions
    with torch.no_grad():
        expected = rewards_of(opinionated, rows)
    loaded = load_proxy(folder, base[1])
    for size in (1, 3, 64):
        assert torch.allclose(proxy_rewards(loaded, rows, micro_batch_size=size), expected, atol=1e-4)
    assert not any(weight.requires_grad for weight in loaded.parameters())


def test_the_reward_model_teaches_and_the_verifier_is_logged(base, opinionated):
    recipe = replace(SMALL, reward=reward_by(opinionated))
    experience, metrics = collect(*base, recipe, random.Random(0))
    plain, of_verifier = collect(*base, SMALL, random.Random(0))
    assert metrics["reward"] == of_verifier["reward"] and "proxy" not in of_verifier
    assert torch.equal(experience.tokens, plain.tokens) and not torch.equal(experience.rewards, plain.rewards)
    assert metrics["proxy"] == pytest.approx(experience.rewards.mean().item(), abs=1e-5)
    groups = experience.rewards.view(-1, SMALL.group_size)
    expected = (groups - groups.mean(dim=1, keepdim=True)) / groups.std(dim=1, keepdim=True)
    assert torch.allclose(experience.advantages.flatten(), expected.flatten(), atol=1e-3)


def test_the_proxy_is_logged_before_length_is_priced(base, opinionated):
    recipe = replace(SMALL, reward=reward_by(opinionated), length_coef=5.0)
    experience, metrics = collect(*base, recipe, random.Random(0))
    price = 5.0 * experience.mask.sum(dim=1).float().mean() / recipe.max_new_tokens
    assert metrics["proxy"] == pytest.approx((experience.rewards.mean() + price).item(), abs=1e-4)


def test_training_on_it_leaves_it_as_it_was(base, opinionated, small_models):
    from reference.world.model import load

    policy, tokenizer = load()
    before = {name: weight.clone() for name, weight in opinionated.state_dict().items()}
    start = policy.state_dict()["model.norm.weight"].clone()
    recipe = replace(SMALL, reward=reward_by(opinionated), kl_place="measure")
    rows = step_metrics(train_rl, policy, tokenizer, sgd(policy, lr=0.1), recipe, ref_model=base[0])
    assert {"proxy", "reward", "kl_k1", "length"} <= rows[0].keys()
    assert all(torch.equal(before[name], weight) for name, weight in opinionated.state_dict().items())
    assert not torch.equal(policy.state_dict()["model.norm.weight"], start)


# ---- several reward models ---------------------------------------------------------------------------------------------


def by_length(completions, recipe):
    """A member whose rewards can be followed by hand: a tenth of the completion's tokens."""
    return completions.rollout.completion_mask.sum(dim=1) / 10


def by_verdict(completions, recipe):
    return 3 * completions.correct


@pytest.mark.parametrize("ensemble", ["mean", "worst"])
def test_several_rewards_teach_together_and_the_log_says_how_far_apart_they_are(base, ensemble):
    recipe = replace(SMALL, reward=(by_length, by_verdict), ensemble=ensemble)
    experience, metrics = collect(*base, recipe, random.Random(0))
    lengths, right = experience.mask.sum(dim=1).tolist(), collect(*base, SMALL, random.Random(0))[0].rewards.tolist()
    members = [(length / 10, 3 * verdict) for length, verdict in zip(lengths, right, strict=True)]
    assert {0, 1} == set(right) and any(a < b for a, b in members) and any(a > b for a, b in members)
    expected = [min(both) if ensemble == "worst" else sum(both) / 2 for both in members]
    assert experience.rewards.tolist() == pytest.approx(expected, abs=1e-5)
    assert metrics["proxy"] == pytest.approx(sum(expected) / len(expected), abs=1e-5)
    spread = sum(abs(a - b) / 2 for a, b in members) / len(members)  # the standard deviation of two numbers
    assert metrics["proxy_spread"] == pytest.approx(spread, abs=1e-5)
    assert metrics["reward"] == sum(right) / len(right)


def test_one_reward_has_no_spread(base, opinionated):
    _, metrics = collect(*base, replace(SMALL, reward=reward_by(opinionated)), random.Random(0))
    assert "proxy" in metrics and "proxy_spread" not in metrics


def test_a_baseline_takes_a_constant_of_the_model_off_again(base, opinionated):
    plain, _ = collect(*base, replace(SMALL, reward=reward_by(opinionated)), random.Random(0))
    zero = baseline_of(opinionated, base[1])
    hook = opinionated.score.register_forward_hook(lambda module, inputs, output: output + 5)
    shifted = baseline_of(opinionated, base[1])
    assert shifted == pytest.approx(zero + 5, abs=1e-4)
    recipe = replace(SMALL, reward=reward_by(opinionated, baseline=shifted))
    found, _ = collect(*base, recipe, random.Random(0))
    hook.remove()
    assert found.rewards.tolist() == pytest.approx((plain.rewards - zero).tolist(), abs=1e-4)
    assert baseline_of(opinionated, base[1]) == zero  # the same solutions every time


def test_a_function_among_several_that_returns_no_number_is_refused(base):
    recipe = replace(SMALL, reward=(by_length, lambda completions, recipe: completions.correct / 0))
    with pytest.raises(InputError, match=r"reward is a function of your own, which returned (nan|inf) for completion"):
        collect(*base, recipe, random.Random(0))


def test_each_of_several_functions_is_tried_before_anything_is_sampled(base):
    recipe = replace(SMALL, reward=(by_length, lambda completions, recipe: completions.correct[:1]))
    with pytest.raises(InputError, match=r"reward is a function of your own, which returned shape \(1,\)"):
        train_rl(*base, sgd(base[0]), recipe, on_step=lambda *_: True)


# ---- refusals ----------------------------------------------------------------------------------------------------------


def test_a_reward_model_of_another_tokenizer_is_refused(folder, base, tmp_path, opinionated):
    other = type(base[1]).from_pretrained(folder)
    other.add_tokens(["<strange>"])
    opinionated.save_pretrained(tmp_path)
    other.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has another tokenizer than the policy"):
        load_proxy(tmp_path, base[1])


def test_a_folder_without_a_tokenizer_is_refused(opinionated, base, tmp_path):
    opinionated.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="cannot be loaded as a tokenizer"):
        load_proxy(tmp_path, base[1])


def test_a_model_without_an_opinion_is_refused(base, tmp_path):
    load_reward_model().save_pretrained(tmp_path)
    base[1].save_pretrained(tmp_path)
    with pytest.raises(InputError, match="gives every completion the reward 0, so nothing could be learned"):
        load_proxy(tmp_path, base[1])


def test_a_folder_in_the_slot_is_refused_with_what_to_pass(base, tmp_path):
    with pytest.raises(
        InputError, match=r"only the command line loads: pass reward_by\(load_proxy\(folder, tokenizer\)\)"
    ):
        train_rl(*base, sgd(base[0]), replace(SMALL, reward=str(tmp_path)), on_step=lambda *_: True)


def test_a_reward_that_is_no_number_is_refused(base, opinionated):
    rows = pairs_in_styles(base[1], 2, rejected="hasty", seed=0).completions
    hook = opinionated.score.register_forward_hook(lambda module, inputs, output: output * torch.nan)
    with pytest.raises(InputError, match="the reward model gives nan to completion 0"):
        proxy_rewards(opinionated, rows)
    hook.remove()
