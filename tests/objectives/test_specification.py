"""Every function against a specification in plain Python loops, written from the docstring's formula, one number at a time.

Here: log-probs, masks, normalisers, and what is computed from them. The files beside this one, test_specification_*.py, hold
the others, ``generated.py`` what all of them share.

Tolerances. Python floats are float64, so the specification is exact beside a narrower dtype: what may differ is the
rounding of the code under test. ``eps`` of its dtype is 1.2e-7 (float32), 1e-3 (float16), 7.8e-3 (bfloat16). Each
comparison states how many such roundings its result can hold and of numbers how large; where that exceeds a relative
1e-3, the dtype alone is the reason: two neighbouring bfloat16 numbers are 8e-3 apart. What sums over tokens does so in float32 at least: its tolerance
is that of float32, whatever came in, and only a gradient is rounded to the dtype of the input when it gets there.
"""

import math
from unittest.mock import patch

import pytest
import torch
from generated import (
    DTYPES,
    INF,
    NAN,
    close,
    computed_in,
    eps,
    generated,
    grouped_rewards,
    largest,
    least,
    logits_and_tokens,
    losses_and_masks,
    masks,
    numbers,
    shapes,
    spec_kept,
    spec_log_softmax,
    spec_std,
    token_ids,
    two_policies,
    weights_for,
    with_gradient,
    zeros,
)
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reference.objectives import (
    aggregate,
    approx_kl,
    chunked_token_logprobs,
    clip_frac,
    completion_mask,
    dead_group_share,
    entropy,
    fixed_length,
    group_reward_std,
    kl_k3,
    logprob_chunks,
    masked_mean,
    overlong_mask,
    position_ids,
    ppo_clip_loss,
    prediction_mask,
    ratio,
    sequence_logprobs,
    sequence_mean,
    sequence_sum,
    sft_loss,
    token_logprobs,
    token_mean,
    token_nll,
)
from reference.objectives.logprob_chunks import pieces

pytestmark = pytest.mark.slow

# Log-probabilities and entropy


@generated
@given(logits_and_tokens(), st.none() | st.integers(1, 30))
def test_token_logprobs(case, chunk_size):
    logits, tokens, temperature = case
    logits.requires_grad_()
    ours = token_logprobs(logits, tokens, temperature=temperature, chunk_size=chunk_size)
    weights = weights_for(ours)
    (gradient,) = torch.autograd.grad(ours, logits, weights)

    batch, time, vocab = logits.shape
    expected = zeros(batch, time - 1)
    slope = zeros(batch, time, vocab)  # of the last position: 0, it scores nothing
    for b in range(batch):
        for t in range(time - 1):
            scores = spec_log_softmax(logits[b, t].tolist(), temperature)
            token = tokens[b, t + 1].item()
            expected[b][t] = scores[token]
            for v in range(vocab):
                slope[b][t][v] = weights[b, t].item() * ((v == token) - math.exp(scores[v])) / temperature

    assert ours.dtype == computed_in(logits.dtype)
    # Scaling, subtracting the maximum, exp, sum, log: under 8 roundings of numbers no larger than the largest logit.
    rounding = 8 * eps(ours.dtype) * (1 + largest(logits, temperature))
    close(ours, expected, rounding)
    # The same relative error in p, then one rounding when the gradient is stored in the dtype of the logits.
    close(gradient, slope, (rounding + eps(logits.dtype)) / temperature)


LAYOUTS = {
    "contiguous": lambda x: x,
    "time first in memory": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "vocabulary first in memory": lambda x: x.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "every other number of a larger tensor": lambda x: torch.stack((x, torch.full_like(x, NAN)), dim=-1)[..., 0],
    "one row shown several times": lambda x: x[:1].expand(x.shape),
}


@generated
@given(logits_and_tokens(), st.sampled_from(sorted(LAYOUTS)), st.integers(1, 30), st.sampled_from([0.0, NAN, -INF]))
def test_token_logprobs_in_chunks_are_those_in_one_piece(case, layout, chunk_size, last):
    """Values and gradients, of any layout in memory, from one position at a time to more than there are."""
    logits, tokens, temperature = case
    logits[:, -1] = last  # the last position scores nothing
    logits = LAYOUTS[layout](logits).requires_grad_()
    whole = token_logprobs(logits, tokens, temperature=temperature)
    ours = token_logprobs(logits, tokens, temperature=temperature, chunk_size=chunk_size)
    assert ours.shape == whole.shape
    assert ours.dtype == whole.dtype == computed_in(logits.dtype)
    weights = weights_for(ours)
    (expected,) = torch.autograd.grad(whole, logits, weights)
    (gradient,) = torch.autograd.grad(ours, logits, weights)
    assert gradient.dtype == expected.dtype == logits.dtype
    # The same few operations on the same row of logits, vectorised differently at most: one rounding each way.
    close(ours, whole.tolist(), 2 * eps(ours.dtype) * (1 + largest(logits[:, :-1], temperature)))
    # p comes from softmax here and from exp(log_softmax) there: 8 roundings each of the largest logit, and one when the
    # gradient is stored in the dtype of the logits.
    rounding = 16 * eps(ours.dtype) * (1 + largest(logits[:, :-1], temperature)) + eps(logits.dtype)
    close(gradient, expected.tolist(), (rounding + least(logits.dtype)) / temperature)
    assert (gradient[:, -1] == 0).all()


class NewTensors(TorchDispatchMode):
    """Notes the size in bytes of every tensor that is newly allocated; views and in-place results are not."""

    def __init__(self):
        super().__init__()
        self.seen, self.sizes = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        old = {x.untyped_storage().data_ptr() for x in [*self.seen, *tree_leaves(args)] if isinstance(x, torch.Tensor)}
        result = function(*args, **(kwargs or {}))
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor) and x.untyped_storage().data_ptr() not in old:
                self.seen.append(x)  # kept alive, so that no address is given out twice
                self.sizes.append(x.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("pred", [1, 2, 3, 7])
@pytest.mark.parametrize("chunk_size", [1, 2, 3, 6, 7, 8, 100])
def test_pieces_cover_every_position_once_and_are_as_large_as_they_may_be(batch, pred, chunk_size):
    """Whole rows while at least one fits, else parts of one row."""
    seen, rows = torch.zeros(batch, pred), chunk_size // pred
    for here in pieces(batch, pred, chunk_size):
        seen[here] += 1
        assert 1 <= seen[here].numel() <= chunk_size
    assert (seen == 1).all()
    expected = math.ceil(batch / rows) if rows else batch * math.ceil(pred / chunk_size)
    assert len(list(pieces(batch, pred, chunk_size))) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("chunk_size", [1, 5, 16, None])
def test_token_logprobs_in_chunks_make_no_second_tensor_of_the_logits_size(chunk_size, temperature, dtype):
    batch, time, vocab = 4, 9, 50
    logits = torch.randn(batch, time, vocab, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    tokens = torch.arange(batch * time).view(batch, time) % vocab
    saved = []
    with (
        torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x),
        NewTensors() as forward,
    ):
        ours = token_logprobs(logits, tokens, temperature=temperature, chunk_size=chunk_size)
    with NewTensors() as backward:
        (gradient,) = torch.autograd.grad(ours.sum(), logits)
    large = [x for x in saved if x.numel() >= batch * (time - 1) * vocab]
    if chunk_size is None:  # what the chunks are for: the log-softmax of every position is kept
        assert any(x.data_ptr() != logits.data_ptr() for x in large)
        assert max(forward.sizes) >= batch * (time - 1) * vocab * ours.element_size()
        return
    assert [x.data_ptr() for x in large] == [logits.data_ptr()]
    of_a_chunk = max(chunk_size * vocab, batch * time) * torch.float64.itemsize  # or of one number per position
    assert max(forward.sizes) <= of_a_chunk
    *rest, most = sorted(backward.sizes)
    assert most == gradient.untyped_storage().nbytes()  # the gradient of the logits itself, once
    assert rest[-1] <= of_a_chunk


@generated
@given(losses_and_masks())
def test_token_nll(case):
    x, _ = case
    ours, gradient, weights = with_gradient(token_nll, x)
    assert ours.dtype == x.dtype
    assert ours.nan_to_num().tolist() == [[-v for v in row] for row in x.nan_to_num().tolist()]  # changes a sign only
    assert ours.isnan().equal(x.isnan())
    assert gradient.tolist() == [[-w for w in row] for row in weights.tolist()]


@generated
@given(logits_and_tokens())
def test_entropy(case):
    logits, _, temperature = case
    logits.requires_grad_()
    ours = entropy(logits, temperature=temperature)
    weights = weights_for(ours)
    (gradient,) = torch.autograd.grad(ours, logits, weights)

    batch, time, vocab = logits.shape
    expected = zeros(batch, time - 1)
    slope = zeros(batch, time, vocab)
    for b in range(batch):
        for t in range(time - 1):
            scores = spec_log_softmax(logits[b, t].tolist(), temperature)
            alive = [v for v in range(vocab) if scores[v] > -INF]  # p log p -> 0
            expected[b][t] = math.fsum(-math.exp(scores[v]) * scores[v] for v in alive)
            for v in alive:  # dH/dx_v = -p_v (log p_v + H) / temperature
                slope[b][t][v] = (
                    -weights[b, t].item() * math.exp(scores[v]) * (scores[v] + expected[b][t]) / temperature
                )

    assert ours.dtype == computed_in(logits.dtype)
    # As for the log-probs, times sum p |log p| <= ln(vocab).
    rounding = 8 * eps(ours.dtype) * (1 + largest(logits, temperature)) * (1 + math.log(vocab))
    close(ours, expected, rounding)
    close(gradient, slope, (rounding + eps(logits.dtype)) * (1 + math.log(vocab)) / temperature)


@st.composite
def hidden_states(draw):
    dtype = draw(st.sampled_from(DTYPES))
    batch, time = draw(shapes())
    vocab, width = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    hidden = draw(numbers((batch, time, width), dtype, scales=(0.1, 1.0, 3.0)))
    head = draw(numbers((vocab, width), dtype, scales=(0.1, 1.0, 3.0)))
    tokens = draw(token_ids((batch, time), vocab))
    return hidden, head, tokens, draw(st.sampled_from([1.0, 0.5])), draw(st.integers(1, 30))


@generated
@given(hidden_states(), st.sampled_from([1, 12, 2**22]))
def test_chunked_token_logprobs(case, tile):
    """The vocabulary in one piece, in several, and word by word."""
    hidden, head, tokens, temperature, chunk_size = case
    hidden.requires_grad_()
    head.requires_grad_()
    with patch.object(logprob_chunks, "TILE", tile):
        ours = chunked_token_logprobs(hidden, head, tokens, temperature=temperature, chunk_size=chunk_size)
        weights = weights_for(ours)
        to_hidden, to_head = torch.autograd.grad(ours, (hidden, head), weights)

    (batch, time, width), vocab = hidden.shape, len(head)
    h, w = hidden.tolist(), head.tolist()
    expected = zeros(batch, time - 1)
    hidden_slope = zeros(batch, time, width)
    head_slope = zeros(vocab, width)
    size = 0.0  # the largest sum of |h * w| behind one logit
    for b in range(batch):
        for t in range(time - 1):
            row = [math.fsum(h[b][t][i] * w[v][i] for i in range(width)) for v in range(vocab)]
            size = max([size, *(sum(abs(h[b][t][i] * w[v][i]) for i in range(width)) for v in range(vocab))])
            scores = spec_log_softmax(row, temperature)
            token = tokens[b, t + 1].item()
            expected[b][t] = scores[token]
            for v in range(vocab):
                slope = weights[b, t].item() * ((v == token) - math.exp(scores[v])) / temperature
                for i in range(width):
                    hidden_slope[b][t][i] += slope * w[v][i]
                    head_slope[v][i] += slope * h[b][t][i]

    assert ours.dtype == computed_in(hidden.dtype)
    # The logits are made in the dtype of the hidden states, and gradients are rounded to it: under 4 roundings of `size`.
    rounding = (4 * eps(hidden.dtype) * size + 8 * eps(ours.dtype) * (1 + size)) / temperature
    close(ours, expected, rounding)
    most_h, most_w = hidden.abs().max().item(), head.abs().max().item()
    slack = (2 * rounding + 4 * eps(hidden.dtype)) / temperature
    close(to_hidden, hidden_slope, slack * vocab * most_w)
    close(to_head, head_slope, slack * batch * time * most_h)


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_probs_and_entropy_of_extreme_logits_are_finite_and_exact(dtype):
    """1e4 nats apart: exp would overflow, log(softmax) would be -inf. The winner has 0 nats, the loser -1e4, entropy is 0."""
    logits = torch.tensor([[[1e4, 0.0], [0.0, 0.0]]], dtype=dtype, requires_grad=True)
    both = logits.expand(2, 2, 2)
    logp = token_logprobs(both, torch.tensor([[0, 0], [0, 1]]))
    uncertainty = entropy(both)
    top = logits[0, 0, 0].item()  # 1e4 as this dtype rounds it
    assert logp.tolist() == [[0.0], [-top]]
    assert uncertainty.tolist() == [[0.0], [0.0]]
    (slope,) = torch.autograd.grad(logp.sum() + uncertainty.sum(), logits)
    assert slope.tolist() == [[[-1.0, 1.0], [0.0, 0.0]]]  # (1 - 1, 0 - 0) + (0 - 1, 1 - 0)


def test_a_forbidden_token_has_log_prob_minus_infinity_and_the_others_ignore_it():
    logits = torch.tensor([[[0.0, 0.0, -INF], [0.0, 0.0, 0.0]]], dtype=torch.float64).expand(3, 2, 3)
    logp = token_logprobs(logits, torch.tensor([[0, 0], [0, 1], [0, 2]]))
    close(logp, [[-math.log(2)], [-math.log(2)], [-INF]], 1e-15)
    close(entropy(logits), [math.log(2)] * 3, 1e-15)


# Sums over a row


@generated
@given(losses_and_masks(), st.sampled_from(["sum", "log-prob", "average"]))
def test_sequence_sum_and_sequence_logprobs(case, kind):
    x, mask = case
    if kind == "sum":
        ours, gradient, weights = with_gradient(sequence_sum, x, mask)
    else:
        ours, gradient, weights = with_gradient(sequence_logprobs, x, mask, average=kind == "average")

    batch, pred = x.shape
    expected, within, slope = [], [], zeros(batch, pred)
    for b, where in enumerate(spec_kept(mask)):
        length = max(len(where), 1) if kind == "average" else 1
        expected.append(math.fsum(x[b, t].item() for t in where) / length)
        # One rounding per addition and one for the division, each of at most the sum of the magnitudes.
        within.append(len(where) * eps(ours.dtype) * sum(abs(x[b, t].item()) for t in where) / length)
        for t in where:
            slope[b][t] = weights[b].item() / length
    close(ours, expected, within)
    # The division, and the rounding to the dtype that the gradient arrives in.
    close(gradient, slope, [[(eps(ours.dtype) + eps(x.dtype) / 2) * abs(w) for w in row] for row in slope])
    assert ours.dtype == computed_in(x.dtype)


SUMS = {
    "sequence_sum": lambda x, mask: sequence_sum(x, mask).sum(),
    "sequence_logprobs": lambda x, mask: sequence_logprobs(x, mask).sum(),
    "masked_mean": lambda x, mask: masked_mean(x, mask) * mask.sum(),
    "token_mean": lambda x, mask: token_mean(x, mask, num_tokens=1),
    "sequence_mean": lambda x, mask: sequence_mean(x, mask) * mask.shape[1],
    "fixed_length": lambda x, mask: fixed_length(x, mask, max_length=1),
    "sft_loss": lambda x, mask: -sft_loss(x, mask, num_tokens=1),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_beyond_what_float16_holds_are_right(name):
    """A thousand times -100 nats is -100000; float16 ends at 65504. In float32 every partial sum here is exact."""
    x = torch.full((1, 1000), -100.0, dtype=torch.float16)
    assert SUMS[name](x, torch.ones(1, 1000)).item() == -100_000.0


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_many_small_bfloat16_numbers_are_right(name):
    """In bfloat16, 256 + 1 is 256: a sum of a thousand ones would stop there."""
    assert SUMS[name](torch.ones(1, 1000, dtype=torch.bfloat16), torch.ones(1, 1000)).item() == 1000.0


# Masks and positions: few enough to try them all


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_position_ids_of_every_mask(width, dtype):
    rows = torch.tensor([[(n >> t) & 1 for t in range(width)] for n in range(2**width)])
    ours = position_ids(rows.to(dtype))
    assert ours.dtype == torch.int64
    for row, positions in zip(rows.tolist(), ours.tolist(), strict=True):
        real_so_far = 0
        for t in range(width):
            real_so_far += row[t]
            assert positions[t] == max(real_so_far - 1, 0)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_prediction_mask_of_every_mask(width, dtype):
    rows = torch.tensor([[(n >> t) & 1 for t in range(width)] for n in range(2**width)])
    ours = prediction_mask(rows.to(dtype))
    assert ours.shape == (2**width, width - 1)
    assert ours.dtype == torch.bool
    for row, moved in zip(rows.tolist(), ours.tolist(), strict=True):
        for t in range(width - 1):
            assert moved[t] == bool(row[t + 1])


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.uint8, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_overlong_mask_of_every_mask(width, dtype):
    rows = torch.tensor([[(n >> t) & 1 for t in range(width)] for n in range(2**width)])
    both = torch.cat((rows, rows)).to(dtype)  # each row once as a truncated one, once not
    truncated = torch.arange(len(both)) < len(rows)
    ours = overlong_mask(both, truncated)
    assert ours.shape == both.shape
    assert ours.dtype == torch.bool
    for b, row in enumerate(ours.tolist()):
        for t in range(width):
            assert row[t] == (both[b, t].item() == 1 and not truncated[b].item())


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("time", [1, 2, 4])
@pytest.mark.parametrize("eos", [2, [2], [0, 2], [2, 7]])
def test_completion_mask_of_every_sequence_and_every_start(time, eos, dtype):
    ends_turn = eos if isinstance(eos, list) else [eos]
    for start in range(1, time + 1):
        rows = torch.cartesian_prod(*[torch.arange(3)] * time).view(-1, time).to(dtype)
        ours = completion_mask(rows, torch.full((len(rows),), start, dtype=dtype), eos_token_id=eos)
        assert ours.shape == (len(rows), time - 1)
        assert ours.dtype == torch.bool
        for row, mask in zip(rows.tolist(), ours.tolist(), strict=True):
            ends = [i for i in range(start, time) if row[i] in ends_turn]
            last = ends[0] if ends else time - 1
            for t in range(time - 1):
                assert mask[t] == (start <= t + 1 <= last)


def test_completion_mask_takes_another_start_in_every_row():
    tokens = torch.tensor([[7, 7, 7, 7, 7]] * 5)
    ours = completion_mask(tokens, torch.tensor([1, 2, 3, 4, 5]), eos_token_id=0)
    assert ours.sum(dim=1).tolist() == [4, 3, 2, 1, 0]


# Normalisers


def spec_weights(mask, strategy, max_length, num_tokens, num_sequences):
    """What each kept token's loss is multiplied by."""
    where = spec_kept(mask)
    weights = [[0.0] * mask.shape[1] for _ in where]
    tokens = num_tokens or sum(len(row) for row in where)
    nonempty = num_sequences or sum(1 for row in where if row)
    rows = num_sequences or len(where)
    for b, row in enumerate(where):
        for t in row:
            if strategy == "token_mean":
                weights[b][t] = 1 / tokens
            elif strategy == "sequence_mean":
                weights[b][t] = 1 / (len(row) * nonempty)
            else:
                weights[b][t] = 1 / (rows * max_length)
    return weights


def check_weighted_sum(ours, x, weights):
    (gradient,) = torch.autograd.grad(ours, x)
    terms = [
        w * value
        for w_row, x_row in zip(weights, x.tolist(), strict=True)
        for w, value in zip(w_row, x_row, strict=True)
        if w
    ]
    # One rounding per addition, over each row and over the rows, and three divisions; each of at most the size.
    close(ours, math.fsum(terms), (sum(x.shape) + 3) * eps(ours.dtype) * sum(map(abs, terms)))
    # Three divisions, and the rounding to the dtype that the gradient arrives in.
    close(gradient, weights, [[(3 * eps(ours.dtype) + eps(x.dtype) / 2) * abs(w) for w in row] for row in weights])
    for b, row in enumerate(weights):
        for t, w in enumerate(row):
            assert (gradient[b, t].item() == 0) == (w == 0)  # what is left out has no gradient at all
    assert ours.dtype == computed_in(x.dtype)


global_counts = st.one_of(st.none(), st.integers(1, 50))


@generated
@given(
    losses_and_masks(),
    st.sampled_from(["token_mean", "sequence_mean", "fixed_length"]),
    st.integers(1, 20),
    global_counts,
    global_counts,
)
def test_the_three_normalisers(case, strategy, max_length, num_tokens, num_sequences):
    x, mask = case
    given_count = num_tokens if strategy == "token_mean" else num_sequences
    if given_count is None and not mask.any():
        mask[0, 0] = 1  # an empty batch is an error, tested as such
        x[0, 0] = 1.5
    x.requires_grad_()
    if strategy == "token_mean":
        direct = token_mean(x, mask, num_tokens=num_tokens)
    elif strategy == "sequence_mean":
        direct = sequence_mean(x, mask, num_sequences=num_sequences)
    else:
        direct = fixed_length(x, mask, max_length=max_length, num_sequences=num_sequences)
    by_name = aggregate(
        x, mask, strategy=strategy, max_length=max_length, num_tokens=num_tokens, num_sequences=num_sequences
    )
    for ours in (direct, by_name):
        check_weighted_sum(ours, x, spec_weights(mask, strategy, max_length, num_tokens, num_sequences))


@generated
@given(losses_and_masks(), global_counts)
def test_masked_mean_and_sft_loss(case, num_tokens):
    x, mask = case
    if not mask.any():
        mask[0, 0] = 1
        x[0, 0] = 1.5
    x.requires_grad_()
    check_weighted_sum(masked_mean(x, mask), x, spec_weights(mask, "token_mean", None, None, None))
    negative = [[-w for w in row] for row in spec_weights(mask, "token_mean", None, num_tokens, None)]
    check_weighted_sum(sft_loss(x, mask, num_tokens=num_tokens), x, negative)


@pytest.mark.parametrize("strategy", ["token_mean", "sequence_mean", "fixed_length"])
def test_an_infinite_kept_loss_makes_an_infinite_mean(strategy):
    """Infinities mean something (a token the policy calls impossible); hiding them would hide the bug."""
    loss = torch.tensor([[1.0, INF], [2.0, -INF]])
    assert aggregate(loss, torch.tensor([[1, 1], [1, 0]]), strategy=strategy, max_length=2).item() == INF


@pytest.mark.parametrize("strategy", ["token_mean", "sequence_mean", "fixed_length"])
def test_a_micro_batch_without_kept_tokens_adds_nothing_to_the_global_loss(strategy):
    loss = torch.tensor([[NAN, 5.0]], requires_grad=True)
    ours = aggregate(loss, torch.zeros(1, 2), strategy=strategy, max_length=4, num_tokens=9, num_sequences=3)
    ours.backward()
    assert ours.item() == 0.0
    assert loss.grad.tolist() == [[0.0, 0.0]]


@generated
@given(logits_and_tokens().filter(lambda c: c[0].shape[1] > 1 and c[0].isfinite().all()), st.data())
def test_sft_loss_is_pytorchs_cross_entropy_with_ignored_labels(case, data):
    logits, tokens, _ = case
    batch, time, vocab = logits.shape
    mask = data.draw(masks(batch, time - 1)).bool()
    mask[0, -1] = True
    ours = sft_loss(token_logprobs(logits, tokens), mask)
    labels = tokens[:, 1:].long().masked_fill(~mask, -100)
    exact = torch.nn.functional.cross_entropy(
        logits[:, :-1].double().reshape(-1, vocab), labels.reshape(-1), ignore_index=-100
    )
    # As for the log-probs, and one rounding per addition.
    within = (8 + mask.numel()) * eps(ours.dtype) * (1 + 2 * largest(logits, 1.0) + math.log(vocab))
    close(ours, exact.item(), within)


# Policy losses and KL


@generated
@given(two_policies())
def test_ratio(case):
    new, old = case
    new.requires_grad_()
    ours = ratio(new, old)
    weights = weights_for(ours)
    (gradient,) = torch.autograd.grad(ours, new, weights)
    for b in range(new.shape[0]):
        for t in range(new.shape[1]):
            d = new[b, t].item() - old[b, t].item()
            # d is rounded once, which exp turns into a relative error of |d| eps; exp and the gradient round once each.
            close(ours[b, t], math.exp(d), (2 + abs(d)) * eps(new.dtype) * math.exp(d))
            close(gradient[b, t], weights[b, t].item() * math.exp(d), (3 + abs(d)) * eps(new.dtype) * math.exp(d))


@generated
@given(
    two_policies(),
    st.booleans(),
    st.sampled_from([(0.2, 0.2), (0.2, 0.28), (0.5, 0.1), (0.0, 0.0), (0.0, 3.0), (0, 1)]),
    st.integers(0, 10_000),
)
def test_ppo_clip_loss_and_clip_frac(case, per_token, clip, seed):
    new, old = case
    batch, pred = new.shape
    low, high = clip
    made = torch.Generator().manual_seed(seed)
    advantages = torch.randint(-2, 3, (batch, pred if per_token else 1), generator=made).to(new.dtype)
    new.requires_grad_()
    ours = ppo_clip_loss(new, old, advantages, clip_low=low, clip_high=high)
    weights = weights_for(ours)
    (gradient,) = torch.autograd.grad(ours, new, weights)
    clipped, unclear = 0, 0
    for b in range(batch):
        for t in range(pred):
            a = advantages[b, t if per_token else 0].item()
            d = new[b, t].item() - old[b, t].item()
            r = math.exp(d)
            bounded = 1 - low if r < 1 - low else 1 + high if r > 1 + high else r
            rounding = (3 + abs(d)) * eps(new.dtype) * r
            close(ours[b, t], -min(a * r, a * bounded), (abs(a) + 1) * (rounding + eps(new.dtype) * (1 + high)))
            # Within a rounding of a bound either side of it is right; at d = 0, r is 1 exactly and the clip never acts.
            if d != 0 and min(abs(r - 1 + low), abs(r - 1 - high)) <= rounding + eps(new.dtype):
                unclear += 1
                continue
            too_far = (a > 0 and r > 1 + high) or (a < 0 and r < 1 - low)
            clipped += too_far
            slope = 0.0 if too_far else -a * r
            close(gradient[b, t], weights[b, t].item() * slope, 2 * (abs(a) + 1) * rounding * (slope != 0))
    share = clip_frac(new, old, advantages, torch.ones(batch, pred), clip_low=low, clip_high=high)
    assert share.dtype == computed_in(new.dtype)
    count = share.item() * batch * pred
    slack = 2 * eps(share.dtype) * batch * pred  # the share is rounded once
    assert clipped - slack <= count <= clipped + unclear + slack


@generated
@given(two_policies(), st.data())
def test_approx_kl(case, data):
    new, old = case
    mask = data.draw(masks(*new.shape))
    mask[0, 0] = 1
    where = [(b, t) for b, row in enumerate(spec_kept(mask)) for t in row]
    expected, size = 0.0, 0.0
    for b, t in where:
        log_ratio = new[b, t].item() - old[b, t].item()
        expected += (math.exp(log_ratio) - 1 - log_ratio) / len(where)
        size = max(size, math.exp(abs(log_ratio)) * (1 + abs(log_ratio)))
    new[~mask.bool()] = data.draw(st.sampled_from([NAN, INF, -INF]))  # padding may hold anything
    ours = approx_kl(new, old, mask)
    assert ours.dtype == computed_in(new.dtype)
    # Each k3 as in test_specification_kl.py, in the dtype of the log-probs; then one rounding per addition.
    close(ours, expected, (3 * eps(new.dtype) + len(where) * eps(ours.dtype)) * size)


@pytest.mark.parametrize(
    ("name", "new", "other"),  # log-probs at a padding, in float32, where exp(89) is inf
    [
        ("ppo_clip_loss", 0.0, -100.0),
        ("ppo_clip_loss", -INF, -INF),
        ("ppo_clip_loss", -1.0, NAN),
        ("kl_k3", -100.0, 0.0),
        ("kl_k3", -INF, -1.0),
        ("kl_k3", -1.0, NAN),
    ],
)
def test_what_is_masked_out_does_not_reach_the_gradient_through_a_ratio_either(name, new, other):
    logp = torch.tensor([[-1.0, new]], requires_grad=True)
    given = torch.tensor([[-1.0, other]])
    loss = kl_k3(logp, given) if name == "kl_k3" else ppo_clip_loss(logp, given, -torch.ones(1, 1))
    token_mean(loss, torch.tensor([[1, 0]])).backward()
    assert logp.grad[0, 1].item() == 0.0


# Groups


@generated
@given(grouped_rewards())
def test_group_reward_std_and_dead_group_share(case):
    rewards, group_size, dtype = case
    flat = torch.tensor([r for group in rewards for r in group], dtype=dtype)
    dead = sum(1 for group in rewards if len(set(group)) == 1)
    close(dead_group_share(flat, group_size=group_size), dead / len(rewards), eps(dtype))
    if group_size > 1:
        expected = math.fsum(spec_std(group) for group in rewards) / len(rewards)
        close(group_reward_std(flat, group_size=group_size), expected, (4 + len(rewards)) * eps(dtype) * (1 + expected))
