"""Policy losses, importance ratios and the scalars one watches, against plain loops. Tolerances: test_specification.py.

Everything is a product of few numbers and of one exp, so errors are relative. Of r = exp(d) with d = logp - old_logp: d is
rounded once, by half an eps of d, which exp turns into a relative half an eps times |d|; so is the cap on d where it
acts; exp itself rounds once or twice: (2 + |d|) eps of r in all.
"""

import math

import pytest
import torch
from generated import (
    DTYPES,
    INF,
    NAN,
    cap,
    close,
    computed_in,
    eps,
    garbage,
    generated,
    largest,
    least,
    logits_and_tokens,
    masks,
    numbers,
    shapes,
    spec_kept,
    spec_log_softmax,
    with_gradient,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import (
    cispo_loss,
    clip_frac,
    grad_norm,
    gspo_loss,
    mean_entropy,
    mean_kl,
    mean_length,
    mean_ratio,
    ppo_clip_loss,
    ratio,
    reinforce_loss,
    reward_mean,
    sampler_correction,
    sequence_ratio,
    truncated_share,
)

pytestmark = pytest.mark.slow


@st.composite
def policies(draw, apart=(0.0, 0.1, 1.0, 30.0)):
    """(new, old) log-probs: equal, close, or so far apart that the cap on the exponent acts."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(shapes())
    new = draw(numbers(shape, dtype, scales=(0.1, 1.0, 2.0), low=-4.0, high=0.0))
    old = (new.double() + draw(numbers(shape, torch.float64, scales=apart))).to(dtype)
    return new, old


@st.composite
def masked_policies(draw, apart=(0.0, 0.1, 1.0, 30.0)):
    """(new, old, mask); at masked positions there may be anything."""
    new, old = draw(policies(apart))
    mask = draw(masks(*new.shape))
    new[~mask.bool()] = draw(garbage)
    old[~mask.bool()] = draw(garbage)
    return new, old, mask


@st.composite
def advantages_for(draw, new, per_token):
    """Halves between -2 and 2, exact in every dtype, zeros among them."""
    made = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    width = new.shape[1] if per_token else 1
    return (torch.randint(-4, 5, (new.shape[0], width), generator=made) / 2).to(new.dtype)


def spec_ratio(new, old, dtype):
    """(r, how far off it may be, whether it still has a slope or None where that is a matter of rounding)."""
    d = new - old
    r = math.exp(min(d, cap(dtype)))
    moves = None if abs(d - cap(dtype)) <= 2 * eps(dtype) * cap(dtype) else d < cap(dtype)
    return r, (2 + abs(min(d, cap(dtype)))) * eps(dtype) * r + least(dtype), moves


def entries(x):
    return [(b, t) for b in range(x.shape[0]) for t in range(x.shape[1])]


def at(advantages, b, t):
    return advantages[b, t if advantages.shape[1] > 1 else 0].item()


# Ratios


@generated
@given(policies())
def test_ratio(case):
    new, old = case
    ours, gradient, weights = with_gradient(ratio, new, old)
    assert ours.dtype == new.dtype
    for b, t in entries(new):
        r, within, moves = spec_ratio(new[b, t].item(), old[b, t].item(), new.dtype)
        close(ours[b, t], r, within)
        if moves is not None:
            w = weights[b, t].item()
            close(gradient[b, t], w * r * moves, w * (within + eps(new.dtype) * r) + least(new.dtype))


def spec_sequence_ratio(new, old, where, dtype):
    """(s, how far off it may be, its slope in each kept token)."""
    d = [new[t].item() - old[t].item() for t in where]
    mean = math.fsum(d) / len(where) if where else 0.0
    s = math.exp(min(mean, cap(computed_in(dtype))))
    size = sum(map(abs, d)) / len(where) if where else 0.0
    # Each d is rounded in the dtype of the log-probs. The sum, the division, the cap and exp follow in at least float32.
    within = (eps(dtype) * size + (4 + len(where)) * eps(computed_in(dtype)) * (1 + size)) * s
    return s, within, [s / len(where) for _ in where]


@generated
@given(masked_policies(apart=(0.0, 0.1, 1.0)))
def test_sequence_ratio(case):
    new, old, mask = case
    ours, gradient, weights = with_gradient(sequence_ratio, new, old, mask)
    assert ours.dtype == computed_in(new.dtype)
    assert ours.shape == (len(new), 1)
    slopes, slack = torch.zeros(new.shape, dtype=torch.float64), torch.zeros(new.shape, dtype=torch.float64)
    for b, where in enumerate(spec_kept(mask)):
        s, within, slope = spec_sequence_ratio(new[b], old[b], where, new.dtype)
        close(ours[b, 0], s, within)
        for t, value in zip(where, slope, strict=True):
            slopes[b, t] = weights[b, 0].item() * value
            slack[b, t] = weights[b, 0].item() * (within + 2 * eps(new.dtype) * s) + least(new.dtype)
    close(gradient, slopes.tolist(), slack.tolist())


@pytest.mark.parametrize("dtype", DTYPES)
def test_ratios_of_policies_a_thousand_nats_apart_are_finite(dtype):
    new = torch.tensor([[0.0, -1000.0]], dtype=dtype, requires_grad=True)
    old = torch.tensor([[-1000.0, 0.0]], dtype=dtype)
    r = ratio(new, old)
    assert r[0, 0].item() == pytest.approx(math.exp(cap(dtype)), rel=0.01 + cap(dtype) * eps(dtype))
    close(r[0, 1], math.exp(-1000), least(dtype))
    s = sequence_ratio(new, old, torch.tensor([[1, 0]]))  # the mean of one, capped in at least float32
    wide = computed_in(dtype)
    assert s.item() == pytest.approx(math.exp(cap(wide)), rel=cap(wide) * eps(wide))
    assert sequence_ratio(new, old, torch.ones(1, 2)).item() == 1.0  # they cancel in the mean
    (r.sum() + s.sum()).backward()
    assert new.grad.tolist() == [[0.0, r[0, 1].item()]]  # beyond the cap there is no slope


# Losses per token


@generated
@given(policies(), st.booleans(), st.data())
def test_reinforce_loss(case, per_token, data):
    new, _ = case
    advantages = data.draw(advantages_for(new, per_token))
    ours, gradient, weights = with_gradient(reinforce_loss, new, advantages)
    assert ours.dtype == new.dtype
    for b, t in entries(new):
        a = at(advantages, b, t)
        close(ours[b, t], -a * new[b, t].item(), eps(new.dtype) * abs(a * new[b, t].item()) + least(new.dtype))
        close(gradient[b, t], -a * weights[b, t].item(), eps(new.dtype) * abs(a) + least(new.dtype))


clips = st.sampled_from([(None, 4.0), (None, 0), (0.2, 0.2), (0.2, 0.28), (0.5, 0.1), (0.0, 0.0), (0.0, 3.0), (0, 1), (0.9, 50.0),
                         (None, 0.2), (0.2, None), (None, None)])  # fmt: skip


def spec_bounds(low, high):
    """The bounds on the ratio: none below is 0, none above is infinity."""
    return 0.0 if low is None else 1 - low, INF if high is None else 1 + high


def spec_clipped(a, r, low, high, dual_clip):
    """(loss, its derivative in r) of the clipped surrogate, straight from the four cases of the docstring."""
    least, most = spec_bounds(low, high)
    loss = max(-a * r, -a * min(max(r, least), most))
    stopped = (a > 0 and r > most) or (a < 0 and r < least)
    if dual_clip is not None and a < 0:
        stopped = stopped or r > dual_clip
        loss = min(loss, -a * dual_clip)
    return loss, 0.0 if stopped else -a


def near_a_bound(r, within, low, high, dual_clip, dtype):
    """Whether a rounding of r or of the bound decides on which side r lies."""
    bounds = [*([] if low is None else [1 - low]), *([] if high is None else [1 + high]), dual_clip]
    bounds = [bound for bound in bounds if bound is not None]
    return any(abs(r - bound) <= within + eps(dtype) * bound for bound in bounds)


@generated
@given(policies(), st.booleans(), clips, st.sampled_from([None, 1.5, 3, 10.0]), st.data())
def test_ppo_clip_loss(case, per_token, clip, dual_clip, data):
    new, old = case
    low, high = clip
    advantages = data.draw(advantages_for(new, per_token))
    options = {"clip_low": low, "clip_high": high, "dual_clip": dual_clip}
    ours, gradient, weights = with_gradient(ppo_clip_loss, new, old, advantages, **options)
    assert ours.dtype == new.dtype
    for b, t in entries(new):
        a = at(advantages, b, t)
        d = new[b, t].item() - old[b, t].item()
        r, within, moves = spec_ratio(new[b, t].item(), old[b, t].item(), new.dtype)
        loss, slope = spec_clipped(a, r, low, high, dual_clip)
        # The loss is -A times r, or times a bound that is rounded to the dtype, and their product is rounded.
        close(ours[b, t], loss, abs(a) * within + 3 * eps(new.dtype) * abs(loss) + least(new.dtype))
        # Within a rounding of a bound either side of it is right; at d = 0, r is 1 exactly and the clip never acts.
        if moves is None or (d != 0 and near_a_bound(r, within, low, high, dual_clip, new.dtype)):
            continue
        expected = weights[b, t].item() * slope * r * moves
        close(gradient[b, t], expected, (abs(slope) * within + 3 * eps(new.dtype) * abs(expected)) + least(new.dtype))


@generated
@given(masked_policies(apart=(0.0, 0.1, 1.0)), clips, st.data())
def test_gspo_loss(case, clip, data):
    new, old, mask = case
    low, high = clip
    advantages = data.draw(advantages_for(new, False))
    ours, gradient, weights = with_gradient(gspo_loss, new, old, advantages, mask, clip_low=low, clip_high=high)
    assert ours.shape == new.shape
    wide = computed_in(new.dtype)
    assert ours.dtype == wide
    for b, where in enumerate(spec_kept(mask)):
        a = advantages[b, 0].item()
        s, within, slopes = spec_sequence_ratio(new[b], old[b], where, new.dtype)
        loss, slope = spec_clipped(a, s, low, high, None)
        for t in range(new.shape[1]):  # one loss for the whole row
            close(ours[b, t], loss, abs(a) * within + 3 * eps(wide) * abs(loss))
        if s != 1 and near_a_bound(s, within, low, high, None, wide):
            continue
        total = math.fsum(weights[b].tolist())
        for t in range(new.shape[1]):
            of_token = total * slope * slopes[0] if t in where else 0.0
            # One rounding per addition over the row, a few products, and one when it is stored in the dtype of the input.
            slack = total * abs(slope) * within + (4 + new.shape[1]) * eps(new.dtype) * abs(of_token) + least(new.dtype)
            close(gradient[b, t], of_token, slack * (of_token != 0))


@generated
@given(policies(), st.booleans(), clips, st.data())
def test_cispo_loss(case, per_token, clip, data):
    new, old = case
    low, high = clip
    advantages = data.draw(advantages_for(new, per_token))
    ours, gradient, weights = with_gradient(cispo_loss, new, old, advantages, clip_low=low, clip_high=high)
    assert ours.dtype == new.dtype
    for b, t in entries(new):
        a, logp = at(advantages, b, t), new[b, t].item()
        r, within, _ = spec_ratio(logp, old[b, t].item(), new.dtype)
        least_weight, most_weight = spec_bounds(low, high)
        weight = min(max(r, least_weight), most_weight)
        # The weight is r or a rounded bound; two products follow, and for the gradient one more. The clip moves no slope.
        slack = within + 4 * eps(new.dtype) * weight
        close(ours[b, t], -weight * a * logp, slack * abs(a * logp) + 2 * least(new.dtype))
        close(gradient[b, t], -weight * a * weights[b, t].item(), slack * abs(a) + 2 * least(new.dtype))


@generated
@given(
    masked_policies(),
    st.sampled_from(["token", "sequence", "geometric"]),
    st.sampled_from(["truncate", "mask"]),
    st.sampled_from([(0.0, 2.0), (0.5, 5), (1, 1), (0.9, 1.1), (0.0, INF), (0, 3.0)]),
)
def test_sampler_correction(case, level, mode, bounds):
    old, sampler, mask = case
    low, high = bounds
    ours = sampler_correction(old.requires_grad_(), sampler, mask, level=level, mode=mode, low=low, high=high)
    assert not ours.requires_grad
    dtype = old.dtype if level == "token" else computed_in(old.dtype)
    assert ours.dtype == dtype
    for b, where in enumerate(spec_kept(mask)):
        d = {t: old[b, t].item() - sampler[b, t].item() for t in where}
        size = sum(map(abs, d.values()))
        total = math.fsum(d.values())
        for t in range(old.shape[1]):
            if t not in where:
                assert ours[b, t].item() == 0.0
                continue
            exponent = {"token": d[t], "sequence": total, "geometric": total / len(where)}[level]
            # Each d is rounded in the dtype of the log-probs, the sums of a row in at least float32, once per addition.
            off = {
                "token": eps(dtype) * abs(d[t]),
                "sequence": eps(old.dtype) * size + len(where) * eps(dtype) * size,
                "geometric": (eps(old.dtype) * size + (1 + len(where)) * eps(dtype) * size) / len(where),
            }[level]
            w = math.exp(min(exponent, cap(dtype)))
            within = (2 * eps(dtype) + off + eps(dtype) * min(abs(exponent), cap(dtype))) * w * math.exp(off)
            within += least(dtype)
            if mode == "truncate":
                close(ours[b, t], min(max(w, low), high), within + eps(dtype) * (0 if high == INF else high))
            elif exponent != 0 and min(abs(w - low), abs(w - high)) <= within + eps(dtype) * w:
                assert ours[b, t].item() == 0.0 or abs(ours[b, t].item() - w) <= within  # either side of a bound
            else:
                close(ours[b, t], w if low <= w <= high else 0.0, within)


# Scalars


@generated
@given(masked_policies(), clips, st.sampled_from(["no_gradient", "outside"]), st.booleans(), st.data())
def test_clip_frac(case, clip, definition, per_token, data):
    new, old, mask = case
    low, high = clip
    if not mask.any():
        return  # refused, and tested as such
    advantages = data.draw(advantages_for(new, per_token))
    options = {"clip_low": low, "clip_high": high, "definition": definition}
    share = clip_frac(new, old, advantages, mask, **options)
    assert share.dtype == computed_in(new.dtype)
    sure, unclear, total = 0, 0, int(mask.sum())
    for b, where in enumerate(spec_kept(mask)):
        for t in where:
            r, within, _ = spec_ratio(new[b, t].item(), old[b, t].item(), new.dtype)
            a = at(advantages, b, t)
            below, above = r < spec_bounds(low, high)[0], r > spec_bounds(low, high)[1]
            if definition == "no_gradient":
                above, below = above and a > 0, below and a < 0
            if new[b, t] != old[b, t] and near_a_bound(r, within, low, high, None, new.dtype):
                unclear += 1
            else:
                sure += above or below
    # A sum of ones is exact; the division rounds once.
    assert sure / total - eps(share.dtype) <= share.item() <= (sure + unclear) / total + eps(share.dtype)


KL = {
    "k1": lambda d: d,
    "k2": lambda d: d * d / 2,
    "k3": lambda d: math.expm1(-d) + d,
    "abs": abs,
}
SLOPE = {"k1": lambda d: 1.0, "k2": abs, "k3": lambda d: abs(math.expm1(-d)), "abs": lambda d: 1.0}


@generated
@given(masked_policies(apart=(0.0, 0.1, 1.0)), st.sampled_from(sorted(KL)))
def test_mean_kl(case, estimator):
    new, ref, mask = case
    if not mask.any():
        return
    ours = mean_kl(new, ref, mask, estimator=estimator)
    d = [new[b, t].item() - ref[b, t].item() for b, where in enumerate(spec_kept(mask)) for t in where]
    values = [KL[estimator](x) for x in d]
    # Each d is off by half an eps of itself, which its slope passes on; k3 is a difference of numbers of that size (and of
    # d), two more roundings. All this in the dtype of the log-probs; then one rounding per addition.
    of_tokens = sum(eps(new.dtype) * (3 * abs(x) * (1 + SLOPE[estimator](x))) for x in d) + len(d) * least(new.dtype)
    of_sum = (2 + len(d)) * eps(ours.dtype) * sum(map(abs, values))
    assert ours.dtype == computed_in(new.dtype)
    close(ours, math.fsum(values) / len(d), (of_tokens + of_sum) / len(d))


@generated
@given(masked_policies(apart=(0.0, 0.1, 1.0)))
def test_mean_ratio(case):
    new, old, mask = case
    if not mask.any():
        return
    ours = mean_ratio(new, old, mask)
    kept = [
        spec_ratio(new[b, t].item(), old[b, t].item(), new.dtype)
        for b, where in enumerate(spec_kept(mask))
        for t in where
    ]
    total, n = math.fsum(r for r, _, _ in kept), len(kept)
    assert ours.dtype == computed_in(new.dtype)
    close(ours, total / n, (sum(within for _, within, _ in kept) + (2 + n) * eps(ours.dtype) * total) / n)


@generated
@given(logits_and_tokens().filter(lambda case: case[0].shape[1] > 1), st.data())
def test_mean_entropy(case, data):
    logits, _, temperature = case
    batch, time, vocab = logits.shape
    mask = data.draw(masks(batch, time - 1))
    if not mask.any():
        return
    ours = mean_entropy(logits, mask, temperature=temperature)
    total = 0.0
    for b, where in enumerate(spec_kept(mask)):
        for t in where:
            scores = spec_log_softmax(logits[b, t].tolist(), temperature)
            total += math.fsum(-math.exp(s) * s for s in scores if s > -INF)
    assert ours.dtype == computed_in(logits.dtype)
    # As for entropy in test_specification: under 8 roundings of the largest logit, and one more per addition.
    within = (8 + mask.numel()) * eps(ours.dtype) * (1 + largest(logits, temperature)) * (1 + math.log(vocab))
    close(ours, total / int(mask.sum()), within)


@generated
@given(st.data())
def test_mean_length_and_truncated_share(data):
    batch, pred = data.draw(shapes())
    mask = data.draw(masks(batch, pred))
    truncated = data.draw(st.lists(st.booleans(), min_size=batch, max_size=batch))
    lengths = [len(where) for where in spec_kept(mask)]
    close(mean_length(mask), sum(lengths) / batch, eps(torch.float32) * pred)
    close(truncated_share(torch.tensor(truncated)), sum(truncated) / batch, eps(torch.float32))


@generated
@given(st.sampled_from(DTYPES), st.integers(1, 20), st.data())
def test_reward_mean(dtype, batch, data):
    rewards = data.draw(numbers((batch,), dtype, scales=(1e-3, 1.0, 20.0, 1e4)))
    ours = reward_mean(rewards)
    assert ours.dtype == computed_in(dtype)
    # One rounding per addition and one for the division.
    size = sum(abs(r) for r in rewards.tolist()) / batch
    close(ours, math.fsum(rewards.tolist()) / batch, (1 + batch) * eps(ours.dtype) * size)


@generated
@given(st.lists(st.tuples(st.sampled_from(DTYPES), st.integers(1, 8), st.booleans()), max_size=5), st.data())
def test_grad_norm(described, data):
    parameters, squares = [], []
    for dtype, size, frozen in [*described, (torch.float32, 2, False)]:
        p = torch.nn.Parameter(torch.zeros(size, dtype=dtype))
        if not frozen:
            p.grad = data.draw(numbers((size,), dtype, scales=(1e-3, 1.0, 1e4)))
            squares += [g * g for g in p.grad.tolist()]
        parameters.append(p)
    ours = grad_norm(p for p in parameters)
    # Squares, sum and root of positive numbers, at the coarsest in float32: one relative rounding each.
    exact = math.sqrt(math.fsum(squares))
    close(ours, exact, (4 + len(squares)) * eps(torch.float32) * exact)


def test_the_norm_of_float16_gradients_is_taken_in_float32():
    """300^2 = 90000 is beyond float16, whose largest number is 65504; and an infinite gradient is reported, not refused."""
    p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float16))
    p.grad = torch.tensor([300.0, 400.0], dtype=torch.float16)
    assert grad_norm([p]).item() == 500.0
    p.grad[0] = INF
    assert grad_norm([p]).item() == INF
    p.grad[0] = NAN
    assert math.isnan(grad_norm([p]).item())
