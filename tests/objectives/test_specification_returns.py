"""Returns, advantages per token and the critic against plain loops. Tolerances: see test_specification.py.

The specification sums over the kept tokens directly; the code under test runs one recursion from the end.
"""

import math

import pytest
import torch
from generated import (
    DTYPES,
    INF,
    NAN,
    close,
    coarsest,
    computed_in,
    eps,
    garbage,
    least,
    losses_and_masks,
    masks,
    numbers,
    often,
    shapes,
    spec_kept,
    with_gradient,
    zeros,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import (
    discounted_returns,
    explained_variance,
    gae,
    td_residuals,
    token_rewards,
    value_loss,
)

pytestmark = pytest.mark.slow

discounts = st.sampled_from([1.0, 0.99, 0.5, 0.0, 1])


# Rewards per token


@often
@given(losses_and_masks(), st.sampled_from(DTYPES), st.sampled_from([0.0, 0.1, 3, None]), st.data())
def test_token_rewards(case, dtype, kl_coef, data):
    kl, mask = case
    batch, pred = kl.shape
    rewards = data.draw(numbers((batch,), dtype))
    if kl_coef is None or kl_coef == 0:  # then there must be no KL either
        ours = token_rewards(rewards.requires_grad_(), mask)
        kl_coef, result = 0.0, dtype
    else:
        ours = token_rewards(rewards.requires_grad_(), mask, kl=kl.requires_grad_(), kl_coef=kl_coef)
        result = torch.promote_types(dtype, kl.dtype)
    assert ours.dtype == result
    assert not ours.requires_grad
    expected, within = zeros(batch, pred), zeros(batch, pred)
    for b, where in enumerate(spec_kept(mask)):
        for t in where:
            score = rewards[b].item() if t == where[-1] else 0.0
            charge = kl_coef * kl[b, t].item() if kl_coef else 0.0
            expected[b][t] = score - charge
            # The coefficient and the product are rounded in the dtype of the KL, the difference in the result's.
            within[b][t] = 2 * eps(kl.dtype) * abs(charge) + eps(result) * abs(score - charge) + 2 * least(kl.dtype)
            within[b][t] *= charge != 0  # without a KL it is the score itself
    close(ours, expected, within)


# Returns and advantages


@st.composite
def episodes(draw):
    """(rewards, values, mask, bootstrap or None, masked): where nothing may be read there is NaN or an infinity."""
    batch, pred = draw(shapes())
    mask = draw(masks(batch, pred))
    masked = draw(st.sampled_from(["skip", "decay"]))
    rewards = draw(numbers((batch, pred), draw(st.sampled_from(DTYPES))))
    values = draw(numbers((batch, pred), draw(st.sampled_from(DTYPES))))
    bootstrap = draw(st.none() | numbers((batch,), draw(st.sampled_from(DTYPES))))
    if bootstrap is not None:
        bootstrap.requires_grad_()  # nothing may flow into it
    for b, where in enumerate(spec_kept(mask)):
        steps = spec_steps(where, masked)
        for t in range(pred):
            if t not in where:
                rewards[b, t] = draw(garbage)
            if t not in steps:
                values[b, t] = draw(garbage)
    return rewards, values, mask, bootstrap, masked


def spec_steps(where, masked):
    """The positions of one row that are steps of the process."""
    if masked == "skip" or not where:
        return where
    return list(range(where[0], where[-1] + 1))


@often
@given(episodes(), discounts)
def test_discounted_returns(case, gamma):
    rewards, _, mask, bootstrap, masked = case
    ours = discounted_returns(rewards.requires_grad_(), mask, gamma=gamma, bootstrap=bootstrap, masked=masked)
    assert ours.dtype == computed_in(rewards.dtype)
    assert not ours.requires_grad
    batch, pred = rewards.shape
    expected, within = zeros(batch, pred), zeros(batch, pred)
    for b, where in enumerate(spec_kept(mask)):
        steps = spec_steps(where, masked)
        for i, t in enumerate(steps):
            if t not in where:
                continue  # a gap has no return of its own
            terms = [gamma ** (j - i) * rewards[b, s].item() for j, s in enumerate(steps) if j >= i and s in where]
            if bootstrap is not None:
                terms.append(gamma ** (len(steps) - i) * bootstrap[b].item())
            expected[b][t] = math.fsum(terms)
            # Per step: gamma, the product and the sum are rounded, half an eps each, of at most the sum of magnitudes.
            within[b][t] = 1.5 * len(steps) * eps(ours.dtype) * sum(map(abs, terms)) + least(ours.dtype) * len(steps)
    close(ours, expected, within)


@often
@given(episodes(), discounts, st.sampled_from([1.0, 0.95, 0.3, 0.0, 1]), st.booleans())
def test_gae_and_td_residuals(case, gamma, gae_lambda, one_step):
    rewards, values, mask, bootstrap, masked = case
    rewards.requires_grad_()
    values.requires_grad_()
    options = {"gamma": gamma, "bootstrap": bootstrap, "masked": masked}
    if one_step:
        gae_lambda = 0.0
        ours = td_residuals(rewards, values, mask, **options)
    else:
        ours = gae(rewards, values, mask, gae_lambda=gae_lambda, **options)
    assert ours.dtype == computed_in(torch.promote_types(rewards.dtype, values.dtype))
    assert not ours.requires_grad
    batch, pred = rewards.shape
    expected, within = zeros(batch, pred), zeros(batch, pred)
    for b, where in enumerate(spec_kept(mask)):
        if not where:
            continue
        steps = spec_steps(where, masked)
        ahead = [values[b, s].item() for s in steps[1:]] + [0.0 if bootstrap is None else bootstrap[b].item()]
        deltas, sizes = [], []
        for s, following in zip(steps, ahead, strict=True):
            terms = (rewards[b, s].item() if s in where else 0.0, gamma * following, -values[b, s].item())
            deltas.append(math.fsum(terms))
            sizes.append(sum(map(abs, terms)))
        for i, t in enumerate(steps):
            if t not in where:
                continue
            decay = [(gamma * gae_lambda) ** (j - i) for j in range(i, len(steps))]
            expected[b][t] = math.fsum(w * d for w, d in zip(decay, deltas[i:], strict=True))
            # Per step: the bootstrap, gamma, its product, two sums, gamma * lambda, its product and a sum: 8 halves.
            size = sum(w * d for w, d in zip(decay, sizes[i:], strict=True))
            unit = coarsest(rewards, values)
            within[b][t] = 4 * len(steps) * unit * size + 4 * len(steps) * least(ours.dtype)
    close(ours, expected, within)


@pytest.mark.parametrize("masked", ["skip", "decay"])
def test_a_tool_call_between_two_tokens_by_hand(masked):
    """Token, two positions of a tool, token; gamma 0.5, lambda 0.25. By "decay" the last token is 3 steps away, not 1."""
    rewards = torch.tensor([[1.0, NAN, INF, 8.0, NAN]], dtype=torch.float64)
    values = torch.tensor([[2.0, 0.0, 0.0, 16.0, NAN]], dtype=torch.float64)
    mask = torch.tensor([[1, 0, 0, 1, 0]])
    bootstrap = torch.tensor([4.0], dtype=torch.float64)
    options = {"gamma": 0.5, "bootstrap": bootstrap, "masked": masked}
    steps = {"skip": 1, "decay": 3}[masked]
    last = 8 + 0.5 * 4
    assert discounted_returns(rewards, mask, **options).tolist() == [[1 + 0.5**steps * last, 0, 0, last, 0]]
    following = {"skip": 0.5 * 16, "decay": 0.0}[masked]  # the state after the first token is worth 16, or 0 to a tool
    assert td_residuals(rewards, values, mask, **options).tolist() == [[1 + following - 2, 0, 0, last - 16, 0]]
    crossed = {"skip": following + 0.125 * (last - 16), "decay": 0.125**2 * (0.5 * 16 + 0.125 * (last - 16))}[masked]
    assert gae(rewards, values, mask, gae_lambda=0.25, **options).tolist() == [[1 + crossed - 2, 0, 0, last - 16, 0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_returns_of_half_precision_rewards_are_added_up_in_float32(dtype):
    """40000 + 40000 + 40000 is inf in float16; 256 + 1 is 256 in bfloat16."""
    large = torch.full((1, 3), 40_000.0 if dtype == torch.float16 else 256.0, dtype=dtype)
    rewards = torch.cat((large, torch.ones(1, 1, dtype=dtype)), dim=1)
    assert discounted_returns(rewards, torch.ones(1, 4))[0, 0].item() == 3 * large[0, 0].item() + 1
    advantages = gae(rewards, torch.zeros_like(rewards), torch.ones(1, 4), gae_lambda=1.0)
    assert advantages[0, 0].item() == 3 * large[0, 0].item() + 1


# The critic


@st.composite
def critics(draw):
    """(values, returns, old values) of one dtype, up to a few units apart, with equal ones among them."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(shapes())
    values = draw(numbers(shape, dtype, scales=(0.1, 1.0, 5.0)))
    apart = st.shared(st.sampled_from((0.0, 0.1, 1.0)))
    returns = (values.double() + draw(numbers(shape, torch.float64, scales=(0.0, 0.1, 1.0)))).to(dtype)
    old = (values.double() + draw(numbers(shape, torch.float64, scales=(draw(apart),)))).to(dtype)
    return values, returns, old


@often
@given(critics(), st.sampled_from([None, 0.05, 0.2, 0.5, 1]))
def test_value_loss(case, clip):
    values, returns, old = case
    dtype = values.dtype
    unit = eps(computed_in(dtype))  # squares are made in float32; only the gradient goes back to the dtype
    constants = {"old_values": old.requires_grad_(), "clip": clip} if clip else {}
    ours, gradient, weights = with_gradient(value_loss, values, returns.requires_grad_(), **constants)
    assert (ours.dtype, gradient.dtype) == (computed_in(dtype), dtype)
    batch, pred = values.shape
    for b in range(batch):
        for t in range(pred):
            v, target, old_v = values[b, t].item(), returns[b, t].item(), old[b, t].item()
            w = weights[b, t].item()
            error, off = v - target, unit * abs(v - target)
            expected, slope, slope_off, clear = error**2 / 2, error, 3 * off, True
            within = 2 * unit * expected
            if clip:
                moved = min(max(v - old_v, -clip), clip)
                clipped = old_v + moved - target
                # v - old, the clip, the sum with old and the difference to the target: half a rounding each.
                clipped_off = unit * (abs(moved) + abs(old_v + moved) + abs(clipped))
                if abs(clipped) > abs(error):
                    slope, slope_off = clipped if moved == v - old_v else 0.0, 3 * clipped_off
                    within = 2 * unit * clipped**2
                expected = max(error**2, clipped**2) / 2
                within += clipped_off * (abs(clipped) + clipped_off)
                # Within a rounding of the bound, or of equally bad, either side is right.
                at_bound = abs(abs(v - old_v) - clip) <= 2 * unit * (clip + abs(v - old_v))
                inside = moved == v - old_v
                tie = not inside and abs(abs(clipped) - abs(error)) <= off + clipped_off
                clear, slope_off = not (at_bound or tie), slope_off + 3 * clipped_off * inside
            close(ours[b, t], expected, within + least(ours.dtype))
            if clear:
                close(gradient[b, t], w * slope, abs(w) * slope_off + eps(dtype) * abs(w * slope) + least(dtype))


@pytest.mark.parametrize("clip", [None, 0.2])
def test_returns_and_old_values_are_constants_of_the_value_loss(clip):
    values, returns, old = (torch.tensor([[x, -x]], requires_grad=True) for x in (1.0, 1.5, 0.9))
    loss = value_loss(values, returns, old_values=old, clip=clip) if clip else value_loss(values, returns)
    to_values, *others = torch.autograd.grad(loss.sum(), (values, returns, old), allow_unused=True)
    close(to_values, [[-0.5, 0.5]], 1e-7)
    assert others == [None, None]


def test_value_loss_clipped_has_no_gradient_beyond_the_clip_even_past_the_return():
    """The critic went from 0 to 2, past the return 1.5; clipped at 0.2 it would be worse off, and that is what counts."""
    values = torch.tensor([[2.0, 2.0, 0.1, -2.0]])
    returns = torch.tensor([[1.5, 0.0, 1.0, 1.0]])
    ours, gradient, weights = with_gradient(value_loss, values, returns, old_values=torch.zeros(1, 4), clip=0.2)
    close(ours, [[1.3**2 / 2, 2.0, 0.9**2 / 2, 9 / 2]], 1e-6)
    close(gradient / weights, [[0.0, 2.0, -0.9, -3.0]], 1e-6)


@often
@given(losses_and_masks(), st.sampled_from([0.0, 0.1, 1.0, 10.0]), st.sampled_from(DTYPES), st.data())
def test_explained_variance(case, apart, dtype, data):
    returns, mask = case
    returns[:, -1] = data.draw(st.sampled_from([0.5, 2.0]))  # with equal returns among them
    mask[0, 0] = 1
    returns[0, 0] = 0.5
    if returns.shape[1] > 1:
        mask[0, -1] = 1
    values = (returns.double() + data.draw(numbers(returns.shape, torch.float64, scales=(apart,)))).to(dtype)
    values[~mask.bool()] = data.draw(garbage)
    ours = explained_variance(values.requires_grad_(), returns.requires_grad_(), mask)
    result = computed_in(torch.promote_types(values.dtype, returns.dtype))
    assert not ours.requires_grad
    pairs = [(values[b, t].item(), returns[b, t].item()) for b, where in enumerate(spec_kept(mask)) for t in where]
    target = [r for _, r in pairs]
    if len(set(target)) == 1:
        assert math.isnan(ours.item())
        return
    assert ours.dtype == result
    total, errors = spec_variance(target), [r - v for v, r in pairs]
    share = spec_variance(errors) / total
    # The errors are rounded once. A variance of n numbers up to m is off by an eps of m * m per number: means and
    # squares are rounded, and the mean's own error comes in squared.
    unit, n = coarsest(values, returns), len(pairs)
    slack = [(n + 3) * unit * max(map(abs, several)) ** 2 / total for several in (errors, target)]
    close(ours, 1 - share, slack[0] + share * slack[1] + 2 * unit * (1 + share))


def spec_variance(several):
    mean = math.fsum(several) / len(several)
    return math.fsum((x - mean) ** 2 for x in several) / len(several)


def test_explained_variance_of_a_perfect_a_constant_and_a_wrong_critic():
    returns = torch.tensor([[1.0, 2.0, 3.0, NAN]], dtype=torch.float16)
    mask = torch.tensor([[1, 1, 1, 0]])
    assert explained_variance(returns, returns, mask).item() == 1.0
    assert explained_variance(returns + 5, returns, mask).item() == 1.0  # a constant offset costs nothing
    assert explained_variance(torch.zeros_like(returns), returns, mask).item() == 0.0
    close(explained_variance(-returns, returns, mask), -3.0, 4 * eps(torch.float32) * 4)
