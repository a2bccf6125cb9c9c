"""What must not change a result: padding, row order, how a batch is split, how many processes share it.

Gradients are compared too, in float64 to 1e-12: the sums are the same numbers, added in another order.
"""

import itertools
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from transformers import GPT2Config, GPT2LMHeadModel

from reference.objectives import (
    aggregate,
    approx_kl,
    clip_frac,
    completion_mask,
    entropy,
    group_advantages,
    kl_k3,
    position_ids,
    ppo_clip_loss,
    prediction_mask,
    sequence_logprobs,
    sft_loss,
    token_logprobs,
    token_mean,
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


@pytest.mark.parametrize("side", ["right", "left", "both"])
def test_the_padded_rows_keep_their_completions(side):
    assert Packed(side, 3).mask.sum(dim=1).tolist() == [len(completion) for _, completion in ROWS]


# A model with learned positions


@pytest.fixture(scope="module")
def gpt2():
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


@pytest.mark.parametrize("scale", ["group", "none"])
def test_advantages_move_with_their_rewards(scale):
    """Groups may be reordered, and completions within a group; a completion that changes group is another matter."""
    rewards = torch.randn(4, 3, dtype=torch.float64, generator=seeded(1))
    expected = group_advantages(rewards.flatten(), group_size=3, scale=scale).view(4, 3)
    groups, within = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])
    moved = rewards[groups][:, within].flatten()
    same(group_advantages(moved, group_size=3, scale=scale).view(4, 3), expected[groups][:, within])
    interleaved = group_advantages(rewards.T.flatten(), group_size=3, scale=scale).view(3, 4).T
    assert (interleaved - expected).abs().max() > 0.1


def test_advantages_ignore_the_zero_of_the_reward_and_scaled_ones_its_unit():
    rewards = torch.randn(12, dtype=torch.float64, generator=seeded(2))
    for scale in ("group", "none"):
        expected = group_advantages(rewards, group_size=4, scale=scale)
        same(group_advantages(rewards + 8.0, group_size=4, scale=scale), expected)
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
    torch.save(gradients, f"{folder}/gradients-{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_gradient_of_one(tmp_path: Path):
    mp.spawn(one_of_two_processes, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        shared = torch.load(tmp_path / f"gradients-{rank}.pt")
        for strategy in STRATEGIES:
            weight = shared_weight()
            grpo_loss(weight, slice(0, 6), strategy, {}).backward()
            assert weight.grad.abs().max() > 0.01
            same(shared[strategy], weight.grad)
