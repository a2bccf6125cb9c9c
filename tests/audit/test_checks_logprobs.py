"""Log-probs of a few dozen tokens: what no distribution gives, shifts, ratios, temperatures, two engines."""

import math

import pytest
import torch
from made import made

from reference.audit.checks_logprobs import aligned, engines, ratio, values
from reference.audit.compare import best_shift, difference, line

GENERATOR = torch.Generator().manual_seed(0)
LONG = ("q" + "c" * 39, "q" + "c" * 39)
SOME = -torch.rand(2, 40, generator=GENERATOR) * 3


def batch(**tables):
    return made(*LONG, per_token=tables, start=1)


def test_a_line_by_hand():
    """y = 2 x + 1 on 30 points; 29 are too few."""
    x = torch.arange(30, dtype=torch.double)
    assert line(x, 2 * x + 1) == pytest.approx((2.0, 1.0))
    assert all(math.isnan(value) for value in line(x[:29], 2 * x[:29] + 1))
    assert all(math.isnan(value) for value in line(x, torch.ones(30)))


def test_a_difference_by_hand():
    a, b = torch.tensor([[-1.0, -2.0, -3.0]]), torch.tensor([[-1.0, -2.5, -9.0]])
    d = difference(a, b, torch.tensor([[True, True, False]]))
    assert (d.count, d.mean, d.mean_size, d.largest, d.beyond) == (2, 0.25, 0.25, 0.5, 0.5)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_shift_is_found_in_either_direction(by):
    kept = torch.ones_like(SOME, dtype=torch.bool)
    kept[:, [0, -1]] = False
    assert best_shift(SOME.roll(-by, dims=1), SOME, kept)[0] == by
    found = aligned(batch(logprobs=SOME.roll(-by, dims=1), old_logprobs=SOME))
    assert [one.level for one in found] == (["fault"] if by else [])
    if by:
        assert ("next" if by == 1 else "previous") in found[0].what


def test_unlike_tables_are_not_called_shifted():
    other = -torch.rand(2, 40, generator=GENERATOR)
    assert not aligned(batch(logprobs=SOME, ref_logprobs=other))


@pytest.mark.parametrize(
    ("table", "level", "says"),
    [
        (SOME, None, ""),
        (SOME.exp(), "fault", "probabilities"),
        (-SOME, "fault", "the sign is wrong"),
        (torch.zeros(2, 40), "fault", "never filled in"),
        (torch.where(torch.arange(40) == 5, torch.nan, SOME), "fault", "NaN"),
        (torch.where(torch.arange(40) == 5, -torch.inf, SOME), "fault", "infinity"),
        (torch.where(torch.arange(40) == 5, 0.3, SOME), "fault", "above 0"),
        (torch.where(torch.arange(40) == 5, 5e-4, SOME), None, ""),  # rounding
    ],
)
def test_numbers_that_no_distribution_gives(table, level, says):
    found = values(batch(old_logprobs=table))
    assert [one.level for one in found] == ([] if level is None else [level])
    assert not found or says in found[0].what


def test_nan_out_of_the_loss_is_a_doubt_and_numbers_on_padding_a_note():
    rows = ("qcce__", "qccce_")
    table = torch.tensor([[0, -1, -1, -1, torch.nan, 0.0], [0, -1, -1, -1, -1, -0.5]])
    found = values(made(*rows, per_token={"old_logprobs": table}, start=1))
    assert [(one.level, one.where) for one in found] == [
        ("doubt", "1 token in 1 of 2 rows, the first in row 0, column 4"),
        ("note", ""),
    ]


def test_entropy_below_0_is_a_fault():
    assert values(batch(entropy=SOME))[0].what.startswith("The entropy is below 0")


@pytest.mark.parametrize(("size", "level"), [(0.0, "note"), (5e-4, "note"), (0.01, "doubt"), (0.05, "fault")])
def test_a_ratio_by_its_size(size, level):
    """Every other log-prob lower by twice the size: the mean of the sizes is the size."""
    lower = 2 * size * (torch.arange(40) % 2)
    (found,) = ratio(batch(logprobs=SOME - lower, old_logprobs=SOME))
    assert found.level == level
    assert ratio(batch(logprobs=SOME - lower, old_logprobs=SOME), later=True)[0].level == "note"


def test_the_ratio_s_mean_and_its_worst_token():
    """One token of 78 is lower by 7.8: the mean difference is -0.1, and exp of it 0.9048."""
    low = torch.zeros(2, 40)
    low[1, 7] = 7.8
    (found,) = ratio(batch(logprobs=SOME - low, old_logprobs=SOME))
    assert "0.9048" in found.what and found.where == "the worst in row 1, column 7"


@pytest.mark.parametrize(("slope", "kind"), [(1.25, "lower"), (0.8, "higher")])
def test_a_slope_is_told_as_a_temperature(slope, kind):
    (found,) = ratio(batch(logprobs=slope * SOME, old_logprobs=SOME))
    assert (
        found.level == "fault"
        and f"slope {slope:.2f}" in found.what
        and f"{kind} temperature, about {1 / slope:.2f}" in found.what
    )


def test_two_engines_by_hand():
    """The sampler is lower and higher by 0.03 in turn: k1 0, and k3 the mean of cosh(0.03) - 1 = 0.00045."""
    sign = 0.03 * (-1.0) ** torch.arange(40)
    wide = made("q" + "c" * 40, per_token={"sampler_logprobs": SOME[:1, :40].repeat(1, 2)[:, :41] + torch.nn.functional.pad(sign, (1, 0)), "old_logprobs": SOME[:1, :40].repeat(1, 2)[:, :41]}, start=1)  # fmt: skip
    (found,) = engines(wide)
    assert found.level == "doubt"
    assert "0.03 nats per token, at most by 0.03; 100.0 % of the tokens" in found.what and "0.00045 (k3)" in found.what


@pytest.mark.parametrize(
    ("gap", "level", "says"), [(0.0, "note", "differ by 0 nats"), (0.2, "doubt", "top-p"), (1.5, "fault", "1.5")]
)
def test_a_sampler_that_finds_every_token_likelier(gap, level, says):
    (found,) = engines(batch(sampler_logprobs=SOME + gap, old_logprobs=SOME))
    assert found.level == level and says in found.what
