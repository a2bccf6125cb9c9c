"""The toy MDP against enumeration, what the pictures of the lesson show, and what its prose says."""

import matplotlib
import pytest
import torch

from reference import objectives, play
from reference.lessons import BUGS
from reference.lessons.value.figures import (
    LAMBDAS,
    calibration,
    figure_along,
    figure_calibration,
    figure_lambda,
    figure_value_clip,
    figure_values,
    gradient_errors,
    standard_error,
)
from reference.lessons.value.toy_mdp import (
    chances,
    every_text,
    gradient_moments,
    true_gradient,
    value,
    values_before,
    verdicts,
)
from reference.teaching import show

matplotlib.use("Agg")


# ---- the toy MDP -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "slips", "p"), [(3, 1, 0.7), (5, 2, 0.4), (4, 0, 0.9)])
def test_values_are_the_mean_verdicts_of_all_texts_that_share_a_prefix(length, slips, p):
    texts = every_text(length)
    chance, passed, values = chances(texts, p), verdicts(texts, slips), values_before(texts, slips, p)
    assert chance.sum().item() == pytest.approx(1) and len(texts) == 2**length
    for row in range(len(texts)):
        for t in range(length + 1):
            same = (texts[:, :t] == texts[row, :t]).all(dim=1)
            mean = (chance * passed)[same].sum() / chance[same].sum()
            assert values[row, t].item() == pytest.approx(mean.item(), abs=1e-12)
    assert torch.equal(values[:, -1], passed)


@pytest.mark.parametrize(("length", "slips", "p"), [(3, 1, 0.7), (8, 2, 0.7)])
def test_the_true_gradient_is_that_of_autograd(length, slips, p):
    texts = every_text(length)
    logits = torch.full((length,), p, dtype=torch.float64).logit().requires_grad_()
    signs = 2 * texts - 1
    chance = torch.nn.functional.logsigmoid(signs * logits).sum(dim=1).exp()
    (gradient,) = torch.autograd.grad((chance * verdicts(texts, slips)).sum(), logits)
    assert gradient.tolist() == pytest.approx([true_gradient(length, slips, p)] * length)


def test_with_lambda_1_every_critic_gives_the_true_gradient_and_below_it_only_the_exact_one():
    texts = every_text(4)
    exact = values_before(texts, 1, 0.7)[:, :-1]
    truth = [true_gradient(4, 1, 0.7)] * 4
    for critic in (exact, 0 * exact, 0.5 * exact + 3):
        assert gradient_moments(critic, texts, 1, 0.7, 1.0)[0].tolist() == pytest.approx(truth)
    for lam in (0.0, 0.5):
        assert gradient_moments(exact, texts, 1, 0.7, lam)[0].tolist() == pytest.approx(truth)
        assert gradient_moments(0.5 * exact, texts, 1, 0.7, lam)[0].tolist() != pytest.approx(truth, rel=0.05)


# ---- what the prose says ---------------------------------------------------------------------------------------------


def test_the_numbers_of_the_process():
    assert [round(value(*state, 0.7), 3) for state in ((3, 1), (2, 1), (2, 0), (1, 0), (1, 1))] == [
        0.784,
        0.91,
        0.49,
        0.7,
        1,
    ]
    assert abs(0.7 * (0.91 - 0.784) - 0.3 * (0.784 - 0.49)) < 1e-12  # advantages average to 0
    assert 0.70 - 0.91 < 0 < 1 - 0.91  # TD blames the slip, Monte Carlo praises it


def test_a_value_read_after_the_token_takes_the_whole_gradient_away():
    texts = every_text(3)
    chance, passed, values = chances(texts, 0.7), verdicts(texts, 1), values_before(texts, 1, 0.7)
    for read, expected in ((values[:, :-1], true_gradient(3, 1, 0.7)), (values[:, 1:], 0.0)):
        gradient = (chance[:, None] * (passed[:, None] - read) * (texts - 0.7)).sum(dim=0)
        assert gradient.tolist() == pytest.approx([expected] * 3, abs=1e-15)


def test_and_yet_it_explains_more_of_the_variance():
    texts = every_text(3)
    texts = texts.repeat_interleave((chances(texts, 0.7) * 1000).round().long(), dim=0)
    assert len(texts) == 1000
    values, returns = values_before(texts, 1, 0.7), verdicts(texts, 1)[:, None].repeat(1, 3)
    before, after = (
        objectives.explained_variance(read.contiguous(), returns, torch.ones(1000, 3)).item()
        for read in (values[:, :-1], values[:, 1:])
    )
    assert after > 1.5 * before > 0


def test_a_critic_that_only_counts_explains_its_own_targets():
    texts = every_text(8)
    clock = torch.linspace(0, 1, 8).double().repeat(256, 1)
    rewards = torch.zeros(256, 8).double()
    rewards[:, -1] = verdicts(texts, 4)
    everything = torch.ones(256, 8)
    targets = {lam: objectives.gae(rewards, clock, everything, gae_lambda=lam) + clock for lam in (0.0, 1.0)}
    explained = {lam: objectives.explained_variance(clock, t, everything).item() for lam, t in targets.items()}
    assert explained[1.0] < 0 and explained[0.0] > 0.3


def test_adam_does_not_see_the_half_and_sgd_does():
    def fitted(factor, optimizer, lr):
        value = torch.zeros(1, requires_grad=True)
        steps = optimizer([value], lr=lr)
        for _ in range(50):
            steps.zero_grad()
            (factor * (value - 3.0) ** 2).sum().backward()
            steps.step()
        return value.item()

    adam, sgd = (torch.optim.Adam, 0.05), (torch.optim.SGD, 0.01)
    assert fitted(0.5, *adam) == pytest.approx(fitted(1.0, *adam), abs=1e-5)
    assert fitted(1.0, *sgd) > fitted(0.5, *sgd) + 0.5
    assert fitted(1.0, *sgd) == pytest.approx(fitted(0.5, torch.optim.SGD, 0.02), abs=1e-5)


def test_the_best_forecast_is_v_for_the_squared_error_and_a_verdict_for_the_absolute_one():
    texts = every_text(3)
    chance, passed = chances(texts, 0.7), verdicts(texts, 1)
    forecasts = torch.linspace(0, 1, 1001).double()
    errors = forecasts[:, None] - passed
    assert forecasts[(chance * errors**2).sum(dim=1).argmin()].item() == pytest.approx(value(3, 1, 0.7))
    assert forecasts[(chance * errors.abs()).sum(dim=1).argmin()].item() == 1


def test_g_minus_v_of_one_text_is_an_estimate_of_q_minus_v():
    texts = every_text(3)
    chance, passed = chances(texts, 0.7), verdicts(texts, 1)
    estimate, good = passed - value(3, 1, 0.7), texts[:, 0] == 1
    mean = (chance * estimate)[good].sum() / chance[good].sum()
    assert mean.item() == pytest.approx(value(2, 1, 0.7) - value(3, 1, 0.7))
    assert (estimate[good] - mean).abs().min() > 0.05  # and no single text has it


def test_the_targets_below_lambda_1_hide_a_critic_that_is_too_low_everywhere():
    texts = every_text(3)
    rewards = torch.zeros(8, 3).double()
    rewards[:, -1] = verdicts(texts, 1)
    low = values_before(texts, 1, 0.7)[:, :-1] - 0.2
    for lam, above in {0.0: [0, 0, 0.2], 0.5: [0.05, 0.1, 0.2], 1.0: [0.2, 0.2, 0.2]}.items():
        advantages = objectives.gae(rewards, low, torch.ones(8, 3), gae_lambda=lam)  # the target minus the critic
        assert (chances(texts, 0.7)[:, None] * advantages).sum(dim=0).tolist() == pytest.approx(above)


# ---- the mistakes that the lesson shows ------------------------------------------------------------------------------


def named(exercise):
    return {bug.name: bug.wrong for bug in BUGS if bug.breaks == exercise}


@pytest.mark.parametrize(
    ("name", "exact", "half"),
    [
        ("value read at the token", [-0.0475, -0.05, 1], [0.428, 0.45, 1]),
        ("next value missing", [-0.95, 0, 1], [-0.024, 0.475, 1]),
        ("loop runs forwards", [1, 1, 1], [0.5, 0.5, 1]),
        ("padding flows back", [1, 1, 1], [0.951, 0.975, 1]),
    ],
)
def test_a_wrong_gae_has_another_gradient_or_needs_a_wrong_critic_to_show_it(name, exact, half):
    texts = every_text(3)
    chance, values = chances(texts, 0.7), values_before(texts, 1, 0.7)[:, :-1]
    rewards = torch.zeros(8, 3).double()
    rewards[:, -1] = verdicts(texts, 1)
    options = {"gamma": 1.0, "gae_lambda": 0.95, "bootstrap": torch.zeros(8).double()}
    for share, expected in ((1.0, exact), (0.5, half)):
        advantages = named("gae")[name](rewards, share * values, torch.ones(8, 3).bool(), **options)
        gradient = (chance[:, None] * advantages * (texts - 0.7)).sum(dim=0) / true_gradient(3, 1, 0.7)
        assert gradient.tolist() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["clipped value alone", "the smaller of the two", "clipped error"])
def test_a_wrong_value_loss_leaves_a_value_that_went_the_wrong_way(name):
    value_now = torch.tensor([[-0.5]], requires_grad=True)
    for loss, expected in ((objectives.value_loss, -1.5), (named("value_loss")[name], 0.0)):
        per_token = loss(value_now, torch.ones(1, 1), old_values=torch.zeros(1, 1), clip=0.2)
        assert torch.autograd.grad(per_token.sum(), value_now)[0].item() == expected


def test_explained_variance_does_not_notice_an_offset_and_a_constant_explains_nothing():
    returns = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    everything = torch.ones(1, 4)
    forecast = torch.tensor([[0.2, 0.7, 0.9, 0.1]])
    ours = [objectives.explained_variance(v, returns, everything).item() for v in (forecast, forecast + 0.3)]
    assert ours[0] == pytest.approx(ours[1], abs=1e-6) and ours[0] > 0
    assert objectives.explained_variance(torch.full((1, 4), 0.5), returns, everything).item() == pytest.approx(0)


# ---- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "slips"), [(0.7, 1), (0.05, 0), (0.95, 2)])
def test_the_tree_shows_every_state_with_its_value(p, slips):
    figure = figure_values(p, slips=slips)
    drawn = [text.get_text() for text in figure.axes[0].texts]
    assert f"{value(3, slips, p):.2f}" in drawn and drawn.count(f"good {p:.0%}") == 6
    assert f"after 0 tokens, 0 bad: {value(3, slips, p):.3f}" in show.description(figure)


@pytest.mark.parametrize(("learned", "batch"), [(0.0, 8), (0.6, 64), (1.0, 4096)])
def test_the_dial_names_the_lambda_of_least_error(learned, batch):
    errors = gradient_errors(learned=learned, batch=batch)
    assert errors["bias"][-1] == pytest.approx(0, abs=1e-12)
    assert all(b**2 + n**2 == pytest.approx(t**2) for b, n, t in zip(*errors.values(), strict=True))
    best = LAMBDAS[min(range(len(LAMBDAS)), key=lambda i: errors["both"][i])]
    assert f"least error at λ {best:g}" in show.description(figure_lambda(learned=learned, batch=batch))


def test_trust_in_the_critic_and_small_batches_turn_the_dial_down():
    def best(learned, batch):
        both = gradient_errors(learned=learned, batch=batch)["both"]
        return LAMBDAS[both.index(min(both))]

    assert best(1.0, 64) == 0.0 < best(0.5, 64) <= best(0.5, 4096)
    assert best(0.0, 4096) >= 0.95


def test_the_clip_takes_the_gradient_between_the_band_and_its_mirror_image():
    text = show.description(figure_value_clip(target=1.0, old=0.0, clip=0.2))
    assert "no gradient for values 0.20 to 1.80" in text  # 1.8 is as far from 1 as 0.2 is
    assert "nowhere" in show.description(figure_value_clip(target=0.1, old=0.0, clip=0.2))


def test_one_completion_names_the_token_where_the_truth_falls_most():
    truth = torch.tensor([[1.0] * 4, [1.0] * 4, [0.0] * 4])
    figure = figure_along(["1", "6", "<|end|>"], torch.tensor([0.9, 0.8, 0.1]), truth, passed=False, title="t")
    assert "Largest drop at '6': resampled 1.00 to 0.00, critic 0.80 to 0.10" in show.description(figure)
    assert [label.get_rotation() for label in figure.axes[0].get_xticklabels()] == [0, 0, 90]


def test_calibration_averages_fifths_in_order_of_the_forecast():
    predicted = torch.tensor([0.9, 0.1, 0.5, 0.3, 0.7] * 2)
    resampled = (predicted[:, None] > torch.linspace(0.05, 0.95, 10)).float()
    parts = calibration(predicted, resampled)
    assert [round(a, 2) for a, _, _ in parts] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert all(abs(a - b) < 0.06 for a, b, _ in parts)
    assert "V 0.90: 0.9" in show.description(figure_calibration(predicted, resampled))


def test_even_unanimous_endings_have_an_error():
    assert (standard_error(torch.ones(1, 8)) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["values", "lambda_dial", "value_clip"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: getattr(play, name)())
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children)
