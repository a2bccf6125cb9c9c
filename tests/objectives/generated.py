"""What the specification tests share: inputs from hypothesis, the comparison, and a few loops that many formulas need.

Nothing here calls a function under test.
"""

import math
import random

import torch
from hypothesis import settings
from hypothesis import strategies as st

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INF, NAN = math.inf, math.nan
generated = settings(deadline=None, max_examples=100, derandomize=True)  # the same cases in every run
garbage = st.sampled_from([0.0, NAN, INF, -INF])  # where nothing may be read
often = settings(generated, max_examples=200)  # where what matters is how a mask's rows look, and a case is cheap


def eps(dtype):
    return torch.finfo(dtype).eps


def least(dtype):
    """The smallest number above 0: a result that underflows is off by at most this, whatever ``eps`` says."""
    return torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps


def cap(dtype):
    """The largest exponent that is taken: three quarters of what the dtype can hold, 66 nats in float32."""
    return 0.75 * math.log(torch.finfo(dtype).max)


def computed_in(dtype):
    """Half-precision logits and sums are computed, and come out, in float32."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def coarsest(*tensors):
    """The eps of a result whose parts come in several dtypes: each is computed in its own, at least in float32."""
    return max(eps(computed_in(tensor.dtype)) for tensor in tensors)


def zeros(*shape):
    """Nested lists of 0.0, for loops to fill."""
    first, *others = shape
    return [zeros(*others) if others else 0.0 for _ in range(first)]


def close(actual, expected, within):
    """Each number of ``actual`` within the given distance of the expected one; infinities and shapes must be the same."""
    expected = torch.tensor(expected, dtype=torch.float64).reshape(actual.shape)
    within = torch.tensor(within, dtype=torch.float64).expand(actual.shape)
    actual = actual.detach().double()
    wrong = ~((actual == expected) | ((actual - expected).abs() <= within))
    assert not wrong.any(), f"got {actual[wrong].tolist()}, expected {expected[wrong].tolist()}"


# What is generated


@st.composite
def shapes(draw, least=1):
    return draw(st.integers(1, 4)), draw(st.integers(least, 6))  # rows, and predictions or tokens; 1 included


@st.composite
def masks(draw, rows, width):
    """Right-padded, left-padded, empty and holed rows, in any dtype a mask may have."""
    made = random.Random(draw(st.integers(0, 10_000)))  # one seed: drawn one by one, most rows would be copies
    mask = []
    for _ in range(rows):
        n = made.randint(0, width)
        right_padded, left_padded = [1] * n + [0] * (width - n), [0] * (width - n) + [1] * n
        holed = [made.randint(0, 1) for _ in range(width)]
        mask.append(made.choice([right_padded, left_padded, holed, holed, [0] * width]))
    return torch.tensor(mask, dtype=draw(st.sampled_from([torch.bool, torch.int64, torch.uint8, torch.float32])))


@st.composite
def numbers(draw, shape, dtype, scales=(1e-3, 1.0, 20.0), low=-INF, high=INF):
    made = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    x = torch.randn(shape, generator=made, dtype=torch.float64) * draw(st.sampled_from(scales))
    return x.clamp(low, high).to(dtype)


@st.composite
def token_ids(draw, shape, vocab):
    made = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    return torch.randint(vocab, shape, generator=made)


@st.composite
def logits_and_tokens(draw):
    """Logits with some -inf in them (forbidden tokens, sampled ones included), never a whole row of -inf."""
    dtype = draw(st.sampled_from(DTYPES))
    batch, time = draw(shapes())
    vocab = draw(st.integers(1, 5))
    logits = draw(numbers((batch, time, vocab), dtype))
    for b, t, v in draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in (batch, time, vocab))), max_size=4)):
        if v > 0:
            logits[b, t, v] = -INF
    tokens = draw(token_ids((batch, time), vocab)).to(draw(st.sampled_from([torch.int16, torch.int32, torch.int64])))
    return logits, tokens, draw(st.sampled_from([1.0, 0.5, 1.7, 1]))


@st.composite
def losses_and_masks(draw):
    """Per-token numbers of any dtype; where the mask is 0 there may be anything, NaN and inf included."""
    dtype = draw(st.sampled_from(DTYPES))
    batch, pred = draw(shapes())
    mask = draw(masks(batch, pred))
    x = draw(numbers((batch, pred), dtype))
    x[~mask.bool()] = draw(st.sampled_from([0.0, NAN, INF, -INF]))
    return x, mask


@st.composite
def two_policies(draw, dtypes=DTYPES):
    """(new, old or reference) log-probs that differ by up to a few nats, either way."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(shapes())
    new = draw(numbers(shape, dtype, scales=(0.1, 1.0, 2.0), low=-4.0, high=0.0))
    old = (new.double() + draw(numbers(shape, torch.float64, scales=(0.0, 0.1, 1.0), low=-4.0, high=4.0))).to(dtype)
    return new, old


@st.composite
def grouped_rewards(draw):
    """Groups of small multiples of 1/4, exact in every dtype, with all-equal groups among them."""
    dtype = draw(st.sampled_from(DTYPES))
    group_size, groups = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    quarter = st.integers(-8, 8).map(lambda n: n / 4)
    group = st.one_of(
        st.lists(quarter, min_size=group_size, max_size=group_size),
        quarter.map(lambda r: [r] * group_size),
    )
    rewards = [draw(group) for _ in range(groups)]
    return rewards, group_size, dtype


# Loops that many formulas need


def spec_log_softmax(row, temperature):
    row = [x / temperature for x in row]
    top = max(row)
    log_total = math.log(math.fsum(math.exp(x - top) for x in row))
    return [x - top - log_total for x in row]


def largest(logits, temperature):
    """The largest finite scaled logit: roundings are relative to it."""
    return max([abs(x) / temperature for x in logits.double().flatten().tolist() if math.isfinite(x)], default=0.0)


def weights_for(x):
    """A different weight for every entry, so that no entry's gradient can stand in for another's."""
    return torch.arange(1, x.numel() + 1, dtype=torch.float64).view(x.shape).to(x.dtype) / max(1, x.numel())


def with_gradient(function, x, *others, **options):
    """(result, gradient in x, weights): the gradient of the sum of the results, each times its own weight."""
    x = x.detach().requires_grad_()
    result = function(x, *others, **options)
    weights = weights_for(result)
    (gradient,) = torch.autograd.grad(result, x, weights)
    return result.detach(), gradient, weights


def spec_kept(mask):
    """The kept positions of each row, in order."""
    return [[t for t in range(len(row)) if row[t] == 1] for row in mask.tolist()]


def spec_std(group):
    mean = math.fsum(group) / len(group)
    return math.sqrt(math.fsum((r - mean) ** 2 for r in group) / (len(group) - 1))
