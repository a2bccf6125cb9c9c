"""Training on trajectories with calls: the tool's words are in no loss and in no mean, and time steps over them."""

import copy
import random
from dataclasses import replace

import pytest
import torch
from loops import assert_same_updates, gradient, sgd
from scripted import BROKEN, CALL, scripted

from reference.algorithms import collect as collecting
from reference.algorithms.collect import collect, logprobs_of
from reference.algorithms.critic import Critic
from reference.algorithms.data import PER_TOKEN
from reference.algorithms.recipes import RECIPES
from reference.algorithms.rewards import reward_of
from reference.algorithms.rl import update
from reference.algorithms.supervised import draw_demonstrations
from reference.objectives import gae
from reference.objectives.shapes import InputError
from reference.world.tool_tasks import ToolProblem

PRODUCT = ToolProblem("product", "What is 47*86?", 4042, ("47*86",))
TWO = ToolProblem("two calls", "What is 31 times the last two digits of 47*86?", 1302, ("47*86", "31*42"))
TURNS = [
    [CALL.format("47*86"), "Answer: 4042<|end|>"],
    ["Answer: 4000<|end|>"],
    [CALL.format("47*86"), CALL.format("31*42"), "Answer: 1302<|end|>"],
    [BROKEN, CALL.format("31*86"), "Answer: 2666<|end|>"],
]
pytestmark = pytest.mark.slow

SMALL = {"prompts_per_step": 2, "group_size": 2, "minibatches": 1, "max_grad_norm": 1e9}
VARIANTS = {
    "tool-rl": replace(RECIPES["tool-rl"], **SMALL, kl="k3", kl_place="loss", kl_coef=0.1, entropy_coef=0.01),
    "ppo": replace(RECIPES["ppo"], **SMALL, task="tools"),
    "gspo": replace(RECIPES["gspo"], **SMALL, task="tools"),
}


@pytest.fixture
def exact(base, monkeypatch):
    """The model in float64, and ``collect`` given the four trajectories."""
    model = copy.deepcopy(base[0]).double()
    completions = scripted((model, base[1]), [PRODUCT, PRODUCT, TWO, TWO], TURNS)
    monkeypatch.setattr(collecting, "sample_groups", lambda *_: (completions, 1))
    return model, base[1], completions


def experience_of(exact, recipe, **options):
    model, tokenizer, _ = exact
    critic = Critic(model, shared=False) if recipe.critic else None
    if critic is not None:
        torch.nn.init.normal_(critic.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    ref = copy.deepcopy(model)
    torch.nn.init.normal_(ref.model.norm.weight, 1.0, 0.1, generator=torch.Generator().manual_seed(1))
    made, metrics = collect(
        model, tokenizer, recipe, random.Random(0), critic=critic, ref_model=ref, kl_coef=recipe.kl_coef
    )
    return made, metrics, critic


@pytest.mark.parametrize("name", VARIANTS)
def test_the_tools_tokens_are_in_no_term_and_in_no_mean(name, exact):
    recipe, model = VARIANTS[name], exact[0]
    experience, _, critic = experience_of(exact, recipe)
    answers = experience.attention_mask[:, experience.prompt_width :] & ~experience.mask
    assert answers.sum() > 20  # there are such tokens
    changed = {
        name: value + 3.0 * answers
        for name in PER_TOKEN
        if name != "mask" and (value := getattr(experience, name)) is not None and value.shape == answers.shape
    }
    assert {"old_logprobs", "ref_logprobs"} <= changed.keys()
    gradients, scalars = [], []
    for batch in (experience, replace(experience, **changed)):
        scalars.append(update(model, sgd(model, critic), batch, recipe, critic=critic, kl_coef=recipe.kl_coef))
        gradients.append(gradient(model))
    assert_same_updates(gradients, scalars)


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_of_different_numbers_of_turns_go_through_one_batch_or_through_several(name, exact):
    recipe, model = VARIANTS[name], exact[0]
    experience, _, critic = experience_of(exact, recipe)
    gradients, scalars = [], []
    for size in (4, 1):
        cut = replace(recipe, micro_batch_size=size)
        scalars.append(update(model, sgd(model, critic), experience, cut, critic=critic, kl_coef=recipe.kl_coef))
        gradients.append(gradient(model))
    assert_same_updates(gradients, scalars)
    assert scalars[0]["ratio"] == pytest.approx(1.0)


def test_scored_again_the_models_words_have_the_log_probs_they_were_written_with(exact):
    model, _, completions = exact
    part = slice(completions.rollout.prompt_width - 1, None)
    again = logprobs_of(model, completions.rollout, VARIANTS["tool-rl"])
    assert torch.allclose(again, completions.rollout.sampler_logprobs[:, part], atol=1e-9)
    assert not again[~completions.rollout.completion_mask[:, part]].any()  # 0 on the tool's words


def test_gae_steps_over_the_tools_words(exact):
    """The advantages are those of a trajectory from which the tool's words are cut out."""
    recipe = VARIANTS["ppo"]
    experience, _, _ = experience_of(exact, recipe)
    row = 2
    kept = experience.mask[row]
    alone = [x[row][kept][None] for x in (experience.token_rewards, experience.values)]
    cut_out = gae(*alone, torch.ones_like(alone[0]), gamma=1.0, gae_lambda=recipe.gae_lambda)
    assert torch.allclose(experience.gae[row][kept], cut_out[0], atol=1e-12)


def test_what_a_trajectory_earns(exact):
    _, _, completions = exact
    recipe = replace(RECIPES["tool-rl"], call_price=0.125, invalid_price=0.25, valid_bonus=0.5)
    # calls 1, 0, 2, 2 (the last: one broken); right, wrong, right, wrong (2666 is what the tool said, and not the answer)
    assert completions.correct.tolist() == [1, 0, 1, 0]
    earned = reward_of(recipe).function(completions, recipe)
    assert earned.tolist() == [1 - 0.125 + 0.5, 0, 1 - 0.25 + 1.0, -0.25 - 0.25 + 0.5]
    free = replace(recipe, call_price=0.0, invalid_price=0.0, valid_bonus=0.0)
    rubric = reward_of(replace(recipe, reward="rubric")).function(completions, free)
    assert rubric.tolist() == [1, 0.25, 1, 0.75]


def test_the_log_counts_every_kind_of_call_and_of_ending(exact):
    _, metrics, _ = experience_of(exact, VARIANTS["tool-rl"])
    assert metrics["calls"] == 5 / 4 and metrics["call malformed"] == pytest.approx(1 / 5)
    assert metrics["reward"] == 1 / 2 and metrics["earned"] == pytest.approx(1 / 2 - 0.05 * 5 / 4)
    assert metrics["recall"] == 3 / 4 and metrics["made_up"] == 1 / 4 and metrics["ending answer"] == 1.0


def test_a_reward_of_your_own_stands_in_the_row(exact):
    mine = replace(VARIANTS["tool-rl"], reward=lambda c, r: c.correct - 0.5 * c.calls())
    experience, metrics, _ = experience_of(exact, mine)
    assert experience.rewards.tolist() == [0.5, 0, 0, -1] and metrics["earned"] == -0.125


def test_a_reward_that_is_no_number_is_refused_by_its_name(exact):
    """Of the calls that could be run, the share: without a call 0 / 0."""
    mine = replace(VARIANTS["tool-rl"], reward=lambda c, r: 1 - c.calls(failed=True) / c.calls())
    with pytest.raises(InputError, match="reward is a function of your own, which returned nan for completion 1"):
        experience_of(exact, mine)


def test_a_template_that_leaves_out_calls_is_nothing_to_imitate(base, monkeypatch):
    from reference.algorithms.supervised import require_demonstrations
    from reference.world.chat import PLAIN_TEMPLATE

    monkeypatch.setattr(base[1], "chat_template", PLAIN_TEMPLATE)
    require_demonstrations(*base, RECIPES["sft"])
    with pytest.raises(InputError, match="does not print a call"):
        require_demonstrations(*base, RECIPES["tool-sft"])


def test_results_are_imitated_only_on_request(base):
    recipe = replace(RECIPES["tool-sft"], prompts_per_step=12)
    (tokens, mask), (same, whole) = (
        draw_demonstrations(base[1], random.Random(0), replace(recipe, mask_results=masked)) for masked in (True, False)
    )
    assert torch.equal(tokens, same) and bool((mask <= whole).all())
    tool, assistant = base[1].convert_tokens_to_ids(["<|tool|>", "<|assistant|>"])
    targets = tokens[:, 1:]
    assert not mask[targets == tool].any() and whole[targets == tool].all() and (targets == tool).any()
    first = (targets == assistant).int().argmax(dim=1)  # the header of the first turn is part of the prompt in both
    assert not whole[torch.arange(12), first].any()
    assert not whole[targets == base[1].pad_token_id].any()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("grpo", {"reward": "rubric"}, "reward is 'rubric', which reads calls, and task is 'chains'"),
        ("dpo", {"pairs": "written"}, "pairs are written for tools, once, before training"),
        ("tool-dpo", {"online": True}, "pairs are written for tools, once, before training"),
        ("tool-rl", {"call_price": -1.0}, "call_price is -1.0, expected a finite number that is at least 0"),
        ("tool-rl", {"task": "tool"}, "task is 'tool'; did you mean 'tools'"),
    ],
)
def test_what_does_not_go_together_is_refused(name, changes, message):
    from reference.algorithms.checks import require_preference, require_rl

    recipe = replace(RECIPES[name], **changes)
    with pytest.raises(InputError, match=message):
        if recipe.kind == "rl":
            require_rl(recipe, None, None)
        else:
            require_preference(recipe, object())
