"""What the entries of a recipe say about themselves, where a test of the loop would not notice."""

from dataclasses import replace

import pytest
import torch

from reference.algorithms.advantages import ADVANTAGES, gae_of
from reference.algorithms.checks import require_rl
from reference.algorithms.data import Experience, PairLogprobs
from reference.algorithms.losses import LOSSES, loss_of, no_clip_frac
from reference.algorithms.preference_losses import PREFERENCE_LOSSES
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.registry import options_in
from reference.objectives import sequence_mean
from reference.objectives.shapes import InputError


@pytest.fixture
def experience() -> Experience:
    """Two tokens of one completion with advantage 1, sampled at log-prob 0, and a teacher that knows two words."""
    logits = torch.tensor([[[0.0, 0.0], [0.5, 0.0], [0.0, 0.0]]])
    old, tokens = torch.zeros(1, 2), torch.zeros(1, 3, dtype=torch.long)
    return Experience(
        tokens=tokens, attention_mask=tokens == 0, prompt_width=1, group=tokens[:, 0], mask=old == 0,
        old_logprobs=old, rewards=old[:, 0], token_rewards=old, advantages=torch.ones(1, 1),
        teacher_logprobs=torch.tensor([[-0.1, -0.2]]), logits=logits, teacher_logits=logits + torch.tensor([0.3, 0.9]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "share"),
    [
        ("ppo_clip", 0.5),  # ratios 1 and 2: the second is above 1.2
        ("gspo", 1.0),  # their geometric mean is 1.41, which clips the whole completion
        ("cispo", 0.5),  # the weight 2 is capped at 1.2
        ("luspo", 1.0),
        ("gmpo", 0.5),  # log-ratios 0 and 0.69: the second is above 0.2
        ("sapo", 0.0),
        ("vespo", 0.0),
        ("reinforce", 0.0),
        (lambda logp, experience, recipe: logp, 0.0),  # nobody has said how: not PPO's 0.5
    ],
)
def test_the_clipped_share_is_that_of_the_loss(experience, loss, share):
    recipe = replace(RECIPES["grpo"], loss=loss)
    assert loss_of(recipe).clip_frac(torch.tensor([[0.0, 0.6931472]]), experience, recipe).item() == share


def test_dppo_counts_changes_of_a_probability(experience):
    # both are 2.5 times as likely; 0.2 -> 0.5 is a change of 0.3, 0.02 -> 0.05 is one of 0.03
    new, old = torch.tensor([[0.5, 0.05]]).log(), torch.tensor([[0.2, 0.02]]).log()
    e, recipe = replace(experience, old_logprobs=old), replace(RECIPES["grpo"], loss="dppo")
    for changes, advantage, share in (
        ({}, 1.0, 0.5), ({}, -1.0, 0.0), ({"clip_high": 0.01}, 1.0, 1.0), ({"clip_high": None}, 1.0, 0.0),
    ):  # fmt: skip
        one, its = replace(recipe, **changes), replace(e, advantages=torch.full((1, 1), advantage))
        assert loss_of(one).clip_frac(new, its, one).item() == share
        loss = loss_of(one).function(new, its, one)
        assert ((loss == 0).float().mean().item()) == share  # a token that is stopped has no loss
        down = replace(its, advantages=-its.advantages, old_logprobs=new)
        assert loss_of(one).clip_frac(old, down, replace(one, clip_low=one.clip_high)).item() == share


@pytest.mark.parametrize(
    ("loss", "slope"),
    [("sapo", -0.5), ("vespo", -0.5), ("dppo", -0.5), ("gmpo", -0.5), ("luspo", -1.0), ("ppo_clip", -0.5)],
)
def test_at_ratio_one_all_of_them_are_reinforce(experience, loss, slope):
    """Two tokens of one completion with advantage 1: half of it each; luspo takes no mean over them."""
    new = torch.zeros(1, 2, requires_grad=True)
    recipe = replace(RECIPES["grpo"], loss=loss)
    sequence_mean(loss_of(recipe).function(new, experience, recipe), experience.mask).backward()
    assert new.grad.tolist() == [[pytest.approx(slope)] * 2]


def test_a_loss_of_your_own_may_say_what_it_clips(experience):
    def own(logp, e, recipe):
        return logp

    own.clip_frac = lambda logp, e, recipe: (logp > 0.5).float().mean()
    entry = loss_of(replace(RECIPES["grpo"], loss=own))
    assert entry.clip_frac(torch.tensor([[0.0, 0.6, 0.7, 0.8]]), experience, None).item() == 0.75


@pytest.mark.parametrize("loss", ["ppo_clip", "gspo", "cispo", "dppo", "gmpo", "luspo"])
def test_without_bounds_nothing_is_clipped(experience, loss):
    recipe = replace(RECIPES["grpo"], loss=loss, clip_low=None, clip_high=None)
    assert loss_of(recipe).clip_frac(torch.tensor([[-9.0, 9.0]]), experience, recipe).item() == 0


def other(recipe: Recipe, option: str) -> Recipe:
    """The recipe with another number there: a tenth, and 1.1 instead of none, which is a ratio that bounds something."""
    value = getattr(recipe, option)
    return replace(recipe, **{option: 1.1 if value is None else value / 10 or 0.1})


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_loss_reads_is_what_changes_it(experience, name):
    """Log-ratios below and above 0 and advantages of both signs: each option that some losses read acts on one of them."""
    recipe, entry = replace(RECIPES["grpo"], loss=name, clip_low=0.9, clip_high=2.0), LOSSES[name]
    experience = replace(experience, old_logprobs=torch.full((1, 2), -1.0))

    def losses(changed: Recipe) -> torch.Tensor:
        return torch.stack([
            entry.function(torch.full((1, 2), log_ratio - 1), replace(experience, advantages=torch.full((1, 1), sign)), changed)
            for log_ratio in (-0.9, 0.9)
            for sign in (-1.0, 1.0)
        ])  # fmt: skip

    for option in options_in(LOSSES):
        changes = not torch.equal(losses(recipe), losses(other(recipe, option)))
        assert changes == (option in entry.reads), option
    assert (entry.clip_frac is no_clip_frac) == ("clip_low" not in entry.reads)
    assert entry.reads_advantage == (not torch.equal(losses(recipe)[0], losses(recipe)[1]))
    other_teacher = replace(experience, teacher_logits=experience.logits)
    both = [entry.function(torch.zeros(1, 2), e, recipe) for e in (experience, other_teacher)]
    assert entry.reads_teacher == (not torch.equal(*both))


@pytest.mark.parametrize("name", PREFERENCE_LOSSES)
def test_what_a_preference_loss_reads_is_what_changes_it(name):
    entry, recipe = PREFERENCE_LOSSES[name], replace(RECIPES["dpo"], loss=name)
    pairs = PairLogprobs(*torch.tensor([[-1.0], [-2.0], [-0.3], [-0.4], [-1.5], [-1.6]]), torch.tensor(0.2))
    loss = entry.function(pairs, recipe)
    for option in options_in(PREFERENCE_LOSSES):
        changes = not torch.equal(entry.function(pairs, other(recipe, option)), loss)
        assert changes == (option in entry.reads), option
    assert entry.reference == (not torch.equal(entry.function(replace(pairs, ref_chosen=pairs.chosen), recipe), loss))
    assert entry.kl == (not torch.equal(entry.function(replace(pairs, kl=torch.tensor(0.5)), recipe), loss))


@pytest.mark.parametrize("name", ADVANTAGES)
def test_what_an_advantage_reads_is_what_changes_it(experience, name):
    entry, recipe = ADVANTAGES[name], replace(RECIPES["grpo"], advantage=name, gamma=1.0, gae_lambda=1.0, group_size=2)
    mask = torch.ones(2, 2, dtype=torch.bool)
    some = replace(
        experience, mask=mask, rewards=torch.tensor([1.0, 0.0]), token_rewards=torch.tensor([[0.0, 1.0], [0.2, 0.0]]),
        values=torch.tensor([[0.3, 0.6], [0.2, 0.1]]), old_logprobs=torch.zeros(2, 2),
        teacher_logprobs=torch.tensor([[-0.3, -0.6], [-0.2, -0.1]]),
    )  # fmt: skip

    def advantages(changed: Recipe) -> torch.Tensor:
        return entry.function(replace(some, gae=gae_of(some, changed)), changed)

    for option in options_in(ADVANTAGES):
        changes = not torch.equal(advantages(recipe), advantages(other(recipe, option)))
        assert changes == (option in entry.reads), option
    assert entry.per_token == (advantages(recipe).ndim == 2 and not advantages(recipe).diff(dim=1).eq(0).all())
    assert entry.needs_critic == entry.reads_critic == ("gae_lambda" in entry.reads)
    earned = replace(some, rewards=torch.tensor([0.0, 1.0]), token_rewards=some.token_rewards.flip(0))
    taught = replace(some, teacher_logprobs=some.teacher_logprobs.flip(0))
    for other_, reads in ((earned, entry.reads_reward), (taught, entry.reads_teacher)):
        both = [entry.function(replace(e, gae=gae_of(e, recipe)), recipe) for e in (some, other_)]
        assert reads == (not torch.equal(*both))
    if entry.needs_group:
        with pytest.raises(InputError, match="group_size is 1"):
            require_rl(replace(recipe, gamma=None, gae_lambda=None, group_size=1), None, None)


def test_maxrl_gives_a_dead_group_nothing_and_a_hard_prompt_more(experience):
    recipe = replace(RECIPES["grpo"], advantage="maxrl", group_size=2)
    some = replace(experience, rewards=torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 1.0]))
    assert ADVANTAGES["maxrl"].function(some, recipe).tolist() == [1.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    hard = replace(experience, rewards=torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert ADVANTAGES["maxrl"].function(hard, replace(recipe, group_size=4)).tolist() == [3.0, -1.0, -1.0, -1.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length_coef": 0.1}, "with length_coef that may fall below 0"),
        ({"overlong": "penalty"}, "with overlong 'penalty' that may"),
        ({"kl": "k1", "kl_place": "reward", "kl_coef": 0.1}, "with a KL in the reward that may"),
    ],
)
def test_maxrl_is_refused_where_something_is_taken_off_the_reward(changes, words):
    recipe = replace(RECIPES["grpo"], advantage="maxrl")
    require_rl(recipe, None, None)
    with pytest.raises(InputError, match=f"^advantage is 'maxrl', which divides by a group's mean reward, and {words}"):
        require_rl(replace(recipe, **changes), object(), None)


def test_no_discount_is_a_discount_of_one(experience):
    recipe = replace(RECIPES["reinforce++"], gamma=None)
    some = replace(experience, token_rewards=torch.tensor([[0.5, 1.0]]))
    both = [ADVANTAGES["reinforce_plus_plus"].function(some, r) for r in (recipe, replace(recipe, gamma=1.0))]
    assert torch.equal(*both)
    assert not torch.equal(both[0], ADVANTAGES["reinforce_plus_plus"].function(some, replace(recipe, gamma=0.1)))
