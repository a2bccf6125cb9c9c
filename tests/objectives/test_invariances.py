"""What must not change a result: padding, row order, how a batch is split, how many processes share it.

Gradients are compared too, in float64 to 1e-12: the sums are the same numbers, added in another order.
"""

import itertools
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from reference.objectives import (
    aggregate,
    approx_kl,
    batch_advantages,
    cispo_loss,
    clip_frac,
    completion_mask,
    discounted_returns,
    dpo_loss,
    entropy,
    explained_variance,
    gae,
    group_advantages,
    gspo_loss,
    kl_charge,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_penalised_rewards,
    kl_unbiased,
    mean_kl,
    mean_length,
    mean_ratio,
    position_ids,
    ppo_clip_loss,
    prediction_mask,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    sampler_correction,
    sequence_logprobs,
    sequence_ratio,
    sequence_sum,
    sft_loss,
    td_residuals,
    token_logprobs,
    token_mean,
    token_rewards,
    total_loss,
    value_loss,
    whiten,
)

VOCAB, PAD_AND_EOS, BUDGET = 5, 4, 6
STRATEGIES = ["token_mean", "sequence_mean", "fixed_length"]
#        prompt  completion; the third completion is empty, the last is truncated: no EOS
ROWS = [([0, 1], [2, 3, 4]), ([2], [4]), ([1, 2, 0], []), ([3], [0, 0, 1, 2, 4]), ([1, 1], [3, 2])]


def same(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# Padding


class Packed:
    """The rows side by side in one rectangle, with paddings before them, after them, or both.

    Padding id and EOS id are the same, and what the models say at paddings is large and different for each of them.
    """

    def __init__(self, side, extra):
        self.width = max(len(prompt) + len(completion) for prompt, completion in ROWS) + extra
        rooms = [self.width - len(prompt) - len(completion) for prompt, completion in ROWS]
        self.before = [{"right": 0, "left": room, "both": room // 2}[side] for room in rooms]
        rows = [prompt + completion for prompt, completion in ROWS]
        self.tokens = self.pad([torch.tensor(row) for row in rows], torch.full((len(ROWS), self.width), PAD_AND_EOS))
        self.attention = self.pad([torch.ones(len(row)) for row in rows], torch.zeros(len(ROWS), self.width))
        start = torch.tensor([lead + len(prompt) for lead, (prompt, _) in zip(self.before, ROWS, strict=True)])
        # The attention mask is what ends a truncated row: without an EOS of its own it would run on to the paddings.
        self.mask = completion_mask(self.tokens, start, eos_token_id=PAD_AND_EOS) & prediction_mask(self.attention)

    def pad(self, rows, background):
        """Each row of its own length laid over the background, which shows through at the paddings."""
        laid = zip(rows, background, self.before, strict=True)
        return torch.stack([torch.cat([under[:a], row, under[a + len(row) :]]) for row, under, a in laid])

    def logits(self, rows, seed):
        noise = torch.randn(len(ROWS), self.width, VOCAB, dtype=torch.float64, generator=seeded(seed))
        return self.pad(rows, 30 * noise)


def loss_of(packed, strategy):
    """A loss with everything in it, the scalars beside it, and the gradients of the rows' own logits."""
    made = seeded(0)
    sizes = [len(prompt) + len(completion) for prompt, completion in ROWS]
    new, old, ref = ([torch.randn(n, VOCAB, dtype=torch.float64, generator=made) for n in sizes] for _ in range(3))
    advantages = torch.randn(len(ROWS), 1, dtype=torch.float64, generator=made)
    for row in new:
        row.requires_grad_()

    tokens, mask = packed.tokens, packed.mask
    logits = packed.logits(new, seed=1)
    logp = token_logprobs(logits, tokens, temperature=0.8)
    old_logp = token_logprobs(packed.logits(old, seed=2), tokens, temperature=0.8)
    ref_logp = token_logprobs(packed.logits(ref, seed=3), tokens, temperature=0.8)
    loss = ppo_clip_loss(logp, old_logp, advantages) + 0.1 * kl_k3(logp, ref_logp) - 0.01 * entropy(logits)
    total = aggregate(loss, mask, strategy=strategy, max_length=BUDGET)
    scalars = [approx_kl(logp, old_logp, mask), clip_frac(logp, old_logp, advantages, mask)]
    per_row = [sequence_logprobs(logp, mask), sequence_logprobs(logp, mask, average=True)]
    values = torch.cat([torch.stack([total, *scalars]), *per_row]).detach()
    return values, torch.cat(torch.autograd.grad(total, new))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("side", ["right", "left", "both"])
@pytest.mark.parametrize("extra", [0, 1, 7])
def test_padding_changes_no_result_and_no_gradient(side, extra, strategy):
    values, gradients = loss_of(Packed("right", 0), strategy)
    assert (
        values.isfinite().all() and values.count_nonzero() == len(values) - 2
    )  # the empty completion's two sums are 0
    assert (gradients.abs().sum(dim=1) > 1e-3).sum() == 11  # one row of logits for each kept token: 3 + 1 + 0 + 5 + 2
    padded_values, padded_gradients = loss_of(Packed(side, extra), strategy)
    same(padded_values, values)
    same(padded_gradients, gradients)


def critic_losses_of(packed):
    """PPO with a critic and the KL in the reward, GSPO, CISPO and DPO, and the gradients of the rows' own numbers."""
    made = seeded(4)
    sizes = [len(prompt) + len(completion) for prompt, completion in ROWS]
    new, old, ref = ([torch.randn(n, VOCAB, dtype=torch.float64, generator=made) for n in sizes] for _ in range(3))
    values = [torch.randn(n, dtype=torch.float64, generator=made).requires_grad_() for n in sizes]
    rewards = torch.randn(len(ROWS), dtype=torch.float64, generator=made)
    bootstrap = torch.randn(len(ROWS), dtype=torch.float64, generator=made)
    for row in new:
        row.requires_grad_()

    tokens, mask = packed.tokens, packed.mask
    logp = token_logprobs(packed.logits(new, seed=1), tokens)
    old_logp = token_logprobs(packed.logits(old, seed=2), tokens)
    ref_logp = token_logprobs(packed.logits(ref, seed=3), tokens)
    noise = 30 * torch.randn(len(ROWS), packed.width, dtype=torch.float64, generator=seeded(5))
    v = packed.pad(values, noise)[:, :-1]  # the value of the state before each predicted token

    token_reward = token_rewards(rewards, mask, kl=kl_k1(old_logp, ref_logp), kl_coef=0.1)
    advantages = gae(token_reward, v, mask, gamma=0.9, bootstrap=bootstrap)
    ppo = total_loss(
        token_mean(ppo_clip_loss(logp, old_logp, whiten(advantages, mask), dual_clip=3.0), mask),
        value_loss=token_mean(value_loss(v, advantages + v.detach(), old_values=v.detach() - 0.1, clip=0.2), mask),
        vf_coef=0.5,
    )
    of_rows = rloo_advantages(kl_penalised_rewards(rewards, kl_k1(old_logp, ref_logp), mask, kl_coef=0.1), group_size=5)
    correction = sampler_correction(old_logp, ref_logp, mask, level="geometric")
    gspo = aggregate(gspo_loss(logp, old_logp, of_rows[:, None], mask, clip_high=1.0), mask, strategy="sequence_mean")
    plus = reinforce_plus_plus_advantages(token_reward, mask)
    cispo = token_mean(
        correction * cispo_loss(logp, old_logp, plus) + 0.1 * kl_unbiased(logp, ref_logp, old_logp), mask
    )
    chosen, rejected = sequence_logprobs(logp, mask)[[0, 3]], sequence_logprobs(logp, mask)[[1, 4]]
    ref_chosen, ref_rejected = sequence_logprobs(ref_logp, mask)[[0, 3]], sequence_logprobs(ref_logp, mask)[[1, 4]]
    dpo = dpo_loss(chosen, rejected, ref_chosen, ref_rejected).mean()
    losses = torch.stack([ppo, gspo, cispo, dpo])
    gradients = [torch.autograd.grad(x, new + values, retain_graph=True, allow_unused=True) for x in losses]
    per_row = [discounted_returns(token_reward, mask), kl_charge(kl_k1(logp, ref_logp), mask), advantages]
    scalars = [mean_ratio(logp, old_logp, mask), mean_kl(logp, ref_logp, mask), mean_length(mask)]
    scalars += [explained_variance(v, discounted_returns(token_reward, mask), mask)]
    numbers = [losses, torch.stack(scalars), *[sequence_sum(x, mask) for x in per_row]]
    return torch.cat(numbers).detach(), [torch.cat([g.flatten() for g in gs if g is not None]) for gs in gradients]


@pytest.mark.parametrize("side", ["right", "left", "both"])
@pytest.mark.parametrize("extra", [0, 1, 7])
def test_padding_changes_neither_ppo_with_a_critic_nor_gspo_cispo_and_dpo(side, extra):
    values, gradients = critic_losses_of(Packed("right", 0))
    padded_values, padded_gradients = critic_losses_of(Packed(side, extra))
    same(padded_values, values)
    for ours, expected in zip(padded_gradients, gradients, strict=True):
        assert expected.abs().max() > 0.01
        same(ours, expected)


@pytest.mark.parametrize("side", ["right", "left", "both"])
def test_the_padded_rows_keep_their_completions(side):
    assert Packed(side, 3).mask.sum(dim=1).tolist() == [len(completion) for _, completion in ROWS]


# Tool tokens


def with_a_tool_between(x, fill):
    """The same rows with three more positions after the second one, written by a tool."""
    return torch.cat([x[:, :2], torch.full((len(x), 3), fill, dtype=x.dtype), x[:, 2:]], dim=1)


@pytest.mark.parametrize("written", [0.0, -5.0, 1e6])
def test_what_a_tool_writes_between_two_tokens_changes_nothing_when_it_is_skipped(written):
    made = seeded(9)
    mask = torch.tensor([[1, 1, 1, 1, 0], [0, 1, 1, 0, 0], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    rewards, values, logp, old = (torch.randn(4, 5, dtype=torch.float64, generator=made) for _ in range(4))
    bootstrap = torch.randn(4, dtype=torch.float64, generator=made)
    longer = with_a_tool_between(mask, 0)

    def results(rewards, values, logp, old, mask, masked="skip"):
        options = {"gamma": 0.9, "bootstrap": bootstrap, "masked": masked}
        advantages = gae(rewards, values, mask, **options)
        per_token = [
            discounted_returns(rewards, mask, **options),
            td_residuals(rewards, values, mask, **options),
            advantages,
            whiten(advantages, mask),
            kl_charge(logp - old, mask),
            kl_charge(logp - old, mask, credit="sequence"),
            sampler_correction(logp, old, mask, level="sequence"),
        ]
        per_row = [
            sequence_ratio(logp, old, mask)[:, 0],
            sequence_logprobs(logp, mask, average=True),
            kl_penalised_rewards(bootstrap, logp - old, mask, kl_coef=0.1),
        ]
        return [x[mask.bool()] for x in per_token], per_row

    inputs = (rewards, values, logp, old)
    longer_inputs = [with_a_tool_between(x, written) for x in inputs]
    for ours, expected in zip(results(*longer_inputs, longer), results(*inputs, mask), strict=True):
        for x, y in zip(ours, expected, strict=True):
            same(x, y)
    decayed = results(*longer_inputs, longer, masked="decay")[0][0]
    assert (decayed - results(*inputs, mask)[0][0]).abs().max() > 0.01  # a step per position is something else


# A model with learned positions


@pytest.fixture(scope="module")
def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel  # not at the top: the two processes below import this file

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=11, n_positions=16, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).double().eval()
    with torch.no_grad():
        model.transformer.wpe.weight.mul_(20)  # initialised at 0.02: too small for a wrong position to show
    return model


ROW = [3, 7, 1, 9, 2, 5]


def gpt2_loss(model, left, right=0, *, with_positions=True):
    """(token log-probs of ROW, gradient of its SFT loss) with so much padding around it."""
    tokens = torch.tensor([[0] * left + ROW + [0] * right])
    attention_mask = torch.tensor([[0] * left + [1] * len(ROW) + [0] * right])
    positions = {"position_ids": position_ids(attention_mask)} if with_positions else {}
    logits = model(input_ids=tokens, attention_mask=attention_mask, **positions).logits
    logp = token_logprobs(logits, tokens)
    mask = completion_mask(tokens, torch.tensor([left + 2]), eos_token_id=ROW[-1])
    gradient = torch.autograd.grad(sft_loss(logp, mask), model.transformer.wte.weight)[0]
    return logp[0, left : left + len(ROW) - 1].detach(), gradient


@pytest.mark.parametrize(("left", "right"), [(3, 0), (1, 0), (10, 0), (0, 4), (2, 2)])
def test_position_ids_make_padding_invisible_to_learned_positions(gpt2, left, right):
    logp, gradient = gpt2_loss(gpt2, 0)
    padded_logp, padded_gradient = gpt2_loss(gpt2, left, right)
    torch.testing.assert_close(padded_logp, logp, rtol=0, atol=1e-10)  # the model adds in another order
    torch.testing.assert_close(padded_gradient, gradient, rtol=0, atol=1e-10)


def test_without_position_ids_left_padding_changes_every_log_prob(gpt2):
    logp, _ = gpt2_loss(gpt2, 0)
    moved, _ = gpt2_loss(gpt2, 3, with_positions=False)
    assert (moved - logp).abs().min() > 1e-3
    assert (moved - logp).abs().max() > 0.1


# Order


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_order_of_the_rows_does_not_matter(strategy):
    loss, mask = ragged_losses()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = loss.detach()[order].requires_grad_()
    expected = aggregate(loss, mask, strategy=strategy, max_length=BUDGET)
    ours = aggregate(moved, mask[order], strategy=strategy, max_length=BUDGET)
    same(ours, expected)
    same(torch.autograd.grad(ours, moved)[0], torch.autograd.grad(expected, loss)[0][order])


BASELINES = {
    "group std": lambda r, mask: group_advantages(r, group_size=3),
    "no std": lambda r, mask: group_advantages(r, group_size=3, scale="none"),
    "batch std": lambda r, mask: group_advantages(r, group_size=3, scale="batch"),
    "leave one out": lambda r, mask: rloo_advantages(r, group_size=3),
    "whitened": lambda r, mask: reinforce_plus_plus_baseline_advantages(r, mask, group_size=3),
    "batch": lambda r, mask: batch_advantages(r),
}


@pytest.mark.parametrize("baseline", BASELINES)
def test_advantages_move_with_their_rewards(baseline):
    """Groups may be reordered, and completions within a group; a completion that changes group is another matter."""
    rewards = torch.randn(4, 3, dtype=torch.float64, generator=seeded(1))
    mask = torch.arange(4) < torch.tensor([[1, 4, 2], [3, 3, 1], [0, 2, 2], [4, 4, 4]])[:, :, None]

    def advantages(rewards, mask):
        ours = BASELINES[baseline](rewards.flatten(), mask.flatten(0, 1))
        return (ours if ours.dim() == 2 else ours[:, None].expand(12, 4)).view(*rewards.shape, 4)

    expected = advantages(rewards, mask)
    groups, within = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])
    moved = advantages(rewards[groups][:, within], mask[groups][:, within])
    same(moved, expected[groups][:, within])
    interleaved = advantages(rewards.T, mask.transpose(0, 1))
    changed = (interleaved.reshape(3, 4, 4).transpose(0, 1) - expected).abs().max() > 0.1
    assert changed == (baseline != "batch")  # which has no groups


def test_advantages_ignore_the_zero_of_the_reward_and_scaled_ones_its_unit():
    rewards = torch.randn(12, dtype=torch.float64, generator=seeded(2))
    for scale in ("group", "batch", "none"):
        expected = group_advantages(rewards, group_size=4, scale=scale)
        same(group_advantages(rewards + 8.0, group_size=4, scale=scale), expected)
    same(rloo_advantages(rewards + 8.0, group_size=4), rloo_advantages(rewards, group_size=4))
    same(rloo_advantages(100 * rewards, group_size=4), 100 * rloo_advantages(rewards, group_size=4))
    expected = group_advantages(rewards, group_size=4, eps=0.0)
    same(group_advantages(100 * rewards, group_size=4, eps=0.0), expected)
    same(group_advantages(-rewards, group_size=4, eps=0.0), -expected)
    same(
        group_advantages(100 * rewards, group_size=4, scale="none"),
        100 * group_advantages(rewards, group_size=4, scale="none"),
    )


def test_adding_a_constant_to_the_logits_of_a_position_changes_nothing():
    logits = torch.randn(2, 4, VOCAB, dtype=torch.float64, generator=seeded(3))
    shift = torch.tensor([-50.0, 0.0, 3.0, 200.0], dtype=torch.float64)[:, None]
    tokens = torch.tensor([[0, 1, 2, 3], [4, 3, 2, 1]])
    # The largest shift costs digits: 200 * 1.1e-16 = 2e-14, far below the 1e-12 asked for.
    same(token_logprobs(logits + shift, tokens), token_logprobs(logits, tokens))
    same(entropy(logits + shift), entropy(logits))


def test_nothing_writes_into_what_it_is_given():
    logits = torch.randn(2, 4, VOCAB, dtype=torch.float64, generator=seeded(4))
    tokens = torch.tensor([[0, 1, 2, 4], [4, 3, 2, 1]])
    loss, mask, rewards = torch.full((2, 3), float("nan")), torch.tensor([[1, 1, 0], [0, 0, 0]]), torch.arange(4.0)
    loss[0, :2] = 1.0
    before = [x.clone() for x in (logits, tokens, loss, mask, rewards)]
    token_logprobs(logits, tokens, temperature=0.5)
    entropy(logits, temperature=0.5)
    completion_mask(tokens, torch.tensor([1, 2]), eos_token_id=4)
    position_ids(mask)
    token_mean(loss, mask)
    sequence_logprobs(loss, mask)
    group_advantages(rewards, group_size=2)
    for now, then in zip((logits, tokens, loss, mask, rewards), before, strict=True):
        assert torch.equal(now.nan_to_num(7.0), then.nan_to_num(7.0))


# Splitting the batch


def ragged_losses():
    """Six rows of 1, 6, 0, 2, 4 and 0 kept tokens, and losses that have nothing in common."""
    loss = torch.randn(6, BUDGET, dtype=torch.float64, generator=seeded(5)).requires_grad_()
    lengths = torch.tensor([1, 6, 0, 2, 4, 0])
    return loss, torch.arange(BUDGET) < lengths[:, None]


def global_counts(mask, strategy):
    """Over the whole batch: its tokens, and its rows, of which sequence_mean counts those with a token."""
    rows = (mask.sum(dim=1) > 0).sum().item() if strategy == "sequence_mean" else len(mask)
    return {"num_tokens": mask.sum().item(), "num_sequences": rows}


def splits_of(rows):
    """Every way to cut the rows into consecutive micro-batches: 2^5 = 32 for six."""
    for cuts in itertools.product([False, True], repeat=rows - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), rows]
        yield [slice(a, b) for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_global_counts_every_split_into_micro_batches_has_the_gradient_of_the_whole_batch(strategy):
    loss, mask = ragged_losses()
    whole = aggregate(loss, mask, strategy=strategy, max_length=BUDGET)
    (exact,) = torch.autograd.grad(whole, loss)
    counts = global_counts(mask, strategy)
    tried = 0
    for split in splits_of(len(loss)):
        parts = [aggregate(loss[s], mask[s], strategy=strategy, max_length=BUDGET, **counts) for s in split]
        total = torch.stack(parts).sum()
        same(total, whole)
        same(torch.autograd.grad(total, loss)[0], exact)
        tried += 1
    assert tried == 32


def test_sft_loss_with_global_counts_can_be_split_too():
    logp, mask = ragged_losses()
    parts = [sft_loss(logp[s], mask[s], num_tokens=13) for s in (slice(0, 2), slice(2, 3), slice(3, 6))]
    same(torch.stack(parts).sum(), sft_loss(logp, mask))


def test_local_counts_turn_token_mean_into_something_else():
    """Mean of the means over a row of 2 and one of 8 tokens: each row counts alike, so it is sequence_mean."""
    loss = torch.randn(2, 8, dtype=torch.float64, generator=seeded(6)).requires_grad_()
    mask = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 0], [1] * 8])
    local = (token_mean(loss[:1], mask[:1]) + token_mean(loss[1:], mask[1:])) / 2
    (ours,) = torch.autograd.grad(local, loss)
    (whole,) = torch.autograd.grad(token_mean(loss, mask), loss)
    (per_row,) = torch.autograd.grad(aggregate(loss, mask, strategy="sequence_mean"), loss)
    same(ours, per_row)
    assert ours[0, 0] == 1 / 4 and whole[0, 0] == 1 / 10
    direction = torch.nn.functional.cosine_similarity(ours.flatten(), whole.flatten(), dim=0)
    assert direction < 0.9  # no learning rate can make up for it


# Whole losses, split

REWARDS = torch.randn(6, dtype=torch.float64, generator=seeded(10))


def rollout():
    """What is known before the first update: log-probs, values and advantages of all six rows, two groups of three."""
    made = seeded(11)
    features = torch.randn(6, BUDGET + 1, 3, dtype=torch.float64, generator=made)
    tokens = torch.randint(0, VOCAB, (6, BUDGET + 1), generator=made)
    old, ref = (
        token_logprobs(features @ torch.randn(3, VOCAB, dtype=torch.float64, generator=made), tokens) for _ in range(2)
    )
    values = torch.randn(6, BUDGET, dtype=torch.float64, generator=made)
    _, mask = ragged_losses()
    rewards = token_rewards(REWARDS, mask, kl=kl_k1(old, ref), kl_coef=0.1)
    advantages = gae(rewards, values, mask)
    return {
        "features": features,
        "tokens": tokens,
        "mask": mask,
        "old": old,
        "ref": ref,
        "old_values": values,
        "returns": advantages + values,
        "raw": advantages,
        "whitened": whiten(advantages, mask),
        "of_rows": rloo_advantages(kl_penalised_rewards(REWARDS, kl_k1(old, ref), mask, kl_coef=0.1), group_size=3),
    }


def ppo(logp, logits, values, d, counts):
    tokens = {"num_tokens": counts["tokens"]}
    policy = token_mean(ppo_clip_loss(logp, d["old"], d["whitened"], dual_clip=3.0), d["mask"], **tokens)
    critic = token_mean(value_loss(values, d["returns"], old_values=d["old_values"], clip=0.5), d["mask"], **tokens)
    bonus = token_mean(entropy(logits), d["mask"], **tokens)
    kl = token_mean(kl_k2(logp, d["ref"]), d["mask"], **tokens)
    return total_loss(policy, value_loss=critic, vf_coef=0.5, kl=kl, kl_coef=0.05, entropy=bonus, entropy_coef=0.01)


def gspo(logp, logits, values, d, counts):
    loss = gspo_loss(logp, d["old"], d["of_rows"][:, None], d["mask"], clip_low=0.5, clip_high=1.0)
    return aggregate(loss, d["mask"], strategy="sequence_mean", num_sequences=counts["nonempty"])


def cispo(logp, logits, values, d, counts):
    loss = cispo_loss(logp, d["old"], d["of_rows"][:, None]) + 0.1 * kl_unbiased(logp, d["ref"], d["old"])
    return token_mean(loss, d["mask"], num_tokens=counts["tokens"])


def dpo(logp, logits, values, d, counts):
    """The rows are pairs: chosen, rejected, chosen, rejected ... A loss per pair, added up, over all pairs."""
    ours, ref = (sequence_logprobs(x, d["mask"]) for x in (logp, d["ref"]))
    return dpo_loss(ours[::2], ours[1::2], ref[::2], ref[1::2]).sum() / counts["pairs"]


RECIPES = {"ppo": ppo, "gspo": gspo, "cispo": cispo, "dpo": dpo}


def all_counts(mask):
    return {"tokens": int(mask.sum()), "nonempty": int((mask.sum(dim=1) > 0).sum()), "pairs": len(mask) // 2}


def weights():
    """A linear policy and a linear critic, side by side."""
    return torch.randn(3, VOCAB + 1, dtype=torch.float64, generator=seeded(12)).requires_grad_()


def loss_of_rows(recipe, weight, rows, known, counts):
    d = {name: x[rows] for name, x in known.items()}
    logits = d["features"] @ weight[:, :VOCAB]
    values = (d["features"] @ weight[:, VOCAB])[:, :-1]
    return RECIPES[recipe](token_logprobs(logits, d["tokens"]), logits, values, d, counts)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_split_of_a_whole_loss_has_its_gradient(recipe):
    """The sum over micro-batches, each divided by the counts of the batch. Pairs stay together."""
    weight, known = weights(), rollout()
    counts = all_counts(known["mask"])
    whole = loss_of_rows(recipe, weight, slice(0, 6), known, counts)
    (exact,) = torch.autograd.grad(whole, weight)
    assert exact.abs().max() > 0.01
    splits = [s for s in splits_of(6) if recipe != "dpo" or all(part.start % 2 == 0 for part in s)]
    assert len(splits) == (4 if recipe == "dpo" else 32)
    for split in splits:
        total = torch.stack([loss_of_rows(recipe, weight, rows, known, counts) for rows in split]).sum()
        same(total, whole)
        same(torch.autograd.grad(total, weight)[0], exact)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_order_of_the_rows_does_not_matter_to_a_whole_loss(recipe):
    weight, known = weights(), rollout()
    counts = all_counts(known["mask"])
    order = torch.tensor([4, 5, 0, 1, 2, 3] if recipe == "dpo" else [3, 0, 5, 1, 4, 2])
    expected = loss_of_rows(recipe, weight, slice(0, 6), known, counts)
    moved = loss_of_rows(recipe, weight, order, known, counts)
    same(moved, expected)
    same(*(torch.autograd.grad(x, weight)[0] for x in (moved, expected)))


def test_advantages_whitened_after_the_split_are_other_advantages():
    """Each part then has mean 0 and variance 1 of its own: a part in which all went well learns that half went badly."""
    x, ones = torch.tensor([[5.0, 6.0], [-6.0, -5.0]], dtype=torch.float64), torch.ones(2, 2)
    assert whiten(x, ones).sign().tolist() == [[1, 1], [-1, -1]]
    assert whiten(x[:1], ones[:1]).sign().tolist() == [[-1, 1]]

    known = rollout()
    mask, before = known["mask"], known["whitened"]
    after = torch.cat([whiten(known["raw"][rows], mask[rows]) for rows in (slice(0, 2), slice(2, 6))])
    assert (after - before).abs().max() > 0.1
    weight, counts = weights(), all_counts(mask)
    gradients = [
        torch.autograd.grad(loss_of_rows("ppo", weight, slice(0, 6), known | {"whitened": x}, counts), weight)[0]
        for x in (before, after)
    ]
    of_policy = [g[:, :VOCAB].flatten() for g in gradients]
    assert torch.nn.functional.cosine_similarity(*of_policy, dim=0) < 0.999  # another direction, not another length
    same(gradients[0][:, VOCAB], gradients[1][:, VOCAB])  # the critic's target was taken before


def test_a_mean_over_pairs_of_each_micro_batch_is_not_the_mean_over_pairs():
    """Parts of 1 and 2 pairs: the first pair gets half of the weight instead of a third."""
    weight, known = weights(), rollout()
    parts = [slice(0, 2), slice(2, 6)]
    local = [
        loss_of_rows("dpo", weight, rows, known, {"pairs": pairs}) for rows, pairs in zip(parts, (1, 2), strict=True)
    ]
    each = [loss_of_rows("dpo", weight, slice(i, i + 2), known, {"pairs": 1}) for i in (0, 2, 4)]
    same(torch.stack(local).mean(), each[0] / 2 + each[1] / 4 + each[2] / 4)
    whole = loss_of_rows("dpo", weight, slice(0, 6), known, {"pairs": 3})
    same(whole, torch.stack(each).mean())
    assert (torch.stack(local).mean() - whole).abs() > 1e-3


# Two processes


def grpo_loss(weight, rows, strategy, counts):
    """One GRPO-like loss of the given rows under a linear policy: what every process computes on its share."""
    made = seeded(7)
    features = torch.randn(6, BUDGET + 1, 3, dtype=torch.float64, generator=made)
    tokens = torch.randint(0, VOCAB, (6, BUDGET + 1), generator=made)
    old = torch.randn(6, BUDGET, dtype=torch.float64, generator=made) - 2.0
    advantages = group_advantages(torch.randn(6, dtype=torch.float64, generator=made), group_size=3)
    _, mask = ragged_losses()
    logp = token_logprobs(features[rows] @ weight.T, tokens[rows])
    loss = ppo_clip_loss(logp, old[rows], advantages[rows, None])
    return aggregate(loss, mask[rows], strategy=strategy, max_length=BUDGET, **counts)


def shared_weight():
    return torch.randn(VOCAB, 3, dtype=torch.float64, generator=seeded(8)).requires_grad_()


def one_of_two_processes(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    rows = slice(0, 2) if rank == 0 else slice(2, 6)  # 7 tokens and 6, 2 rows and 4, of which 2 are empty
    _, mask = ragged_losses()
    gradients = {}
    for strategy in STRATEGIES:
        own = global_counts(mask[rows], strategy)
        counted = torch.tensor(list(own.values()))
        dist.all_reduce(counted)  # the counts are summed first: the denominator is that of both
        weight = shared_weight()
        grpo_loss(weight, rows, strategy, dict(zip(own, counted.tolist(), strict=True))).backward()
        dist.all_reduce(weight.grad)  # a sum, not a mean
        gradients[strategy] = weight.grad
    known = rollout()  # advantages and whitening are of the whole batch
    for recipe in RECIPES:
        own = all_counts(known["mask"][rows])
        counted = torch.tensor(list(own.values()))
        dist.all_reduce(counted)
        weight = weights()
        loss_of_rows(recipe, weight, rows, known, dict(zip(own, counted.tolist(), strict=True))).backward()
        dist.all_reduce(weight.grad)
        gradients[recipe] = weight.grad
    torch.save(gradients, f"{folder}/gradients-{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one(tmp_path: Path):
    mp.spawn(one_of_two_processes, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        shared = torch.load(tmp_path / f"gradients-{rank}.pt")
        for strategy in STRATEGIES:
            weight = shared_weight()
            grpo_loss(weight, slice(0, 6), strategy, {}).backward()
            assert weight.grad.abs().max() > 0.01
            same(shared[strategy], weight.grad)
        for recipe in RECIPES:
            weight, known = weights(), rollout()
            loss_of_rows(recipe, weight, slice(0, 6), known, all_counts(known["mask"])).backward()
            assert weight.grad.abs().max() > 0.01
            same(shared[recipe], weight.grad)
