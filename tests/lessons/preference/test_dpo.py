"""What the lesson says about DPO and beta is asserted here; its figures and widgets show those numbers."""

import math
from pathlib import Path

import pytest
import torch

from reference import objectives, play
from reference.lessons import BUGS
from reference.lessons.preference import figures_runs
from reference.lessons.preference.experiments import (
    BETAS,
    SETTLED,
    UNCLIPPED,
    recorded_accuracies,
    recorded_betas,
)
from reference.lessons.preference.figures import (
    FAMILY,
    figure_beta,
    figure_falling,
    figure_family,
    margins_after,
    pull_at,
    rest_of,
)
from reference.lessons.preference.figures_runs import figure_betas, figure_settled
from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import at_the_end
from reference.teaching import show

RUNS = Path(__file__).parents[3] / "figures" / "runs"


def f64(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


# ---- sections 1 to 3: four completions -------------------------------------------------------------------------------

REF, REWARD, RIGHT = f64(0.4, 0.3, 0.2, 0.1), f64(0.0, 1.0, 0.5, 2.0), f64(0.0, 1.0, 0.0, 1.0)
Y, Z = torch.cartesian_prod(torch.arange(4), torch.arange(4)).T
VERIFIED = (RIGHT[Y] > RIGHT[Z]).double()
RATERS = torch.sigmoid(REWARD[Y] - REWARD[Z])
WON, LOST = Y[VERIFIED > 0], Z[VERIFIED > 0]  # the pairs: a right and a wrong completion


def dpo_direction(theta, prefers, *, sampler=REF, beta=0.5):
    theta = theta.clone().requires_grad_()
    logp, ref_logp = theta.log_softmax(dim=0), REF.log()
    loss = objectives.dpo_loss(logp[Y], logp[Z], ref_logp[Y], ref_logp[Z], beta=beta)
    return -torch.autograd.grad((sampler[Y] * sampler[Z] * prefers * loss).sum(), theta)[0]


def rl_direction(theta, reward, *, beta=0.5):
    theta = theta.clone().requires_grad_()
    pi = theta.softmax(dim=0)
    kl = (pi * (pi / REF).log()).sum()
    return torch.autograd.grad((pi * reward).sum() - beta * kl, theta)[0]


def cosine(a, b):
    return torch.cosine_similarity(a, b, dim=0).item()


def kl(pi, other):
    return torch.xlogy(pi, pi / other).sum()


@pytest.mark.parametrize("beta", [0.1, 0.5, 2.0])
def test_the_objective_is_beta_log_z_minus_beta_times_the_kl_to_the_best_policy(beta):
    tilted = REF * (REWARD / beta).exp()
    z = tilted.sum()
    policies = torch.distributions.Dirichlet(torch.ones(4, dtype=torch.float64)).sample((20,))
    for pi in (*policies, REF, f64(0, 0, 0, 1), tilted / z):
        objective = (pi * REWARD).sum() - beta * kl(pi, REF)
        assert torch.allclose(objective, beta * z.log() - beta * kl(pi, tilted / z), atol=1e-12)
        assert objective <= beta * z.log() + 1e-12


def test_the_implicit_reward_of_the_best_policy_is_the_reward_less_beta_log_z():
    best = torch.softmax(REF.log() + REWARD / 0.5, dim=0)
    rest = REWARD - objectives.implicit_reward(best.log(), REF.log(), beta=0.5)
    beta_log_z = 0.5 * (REF * (REWARD / 0.5).exp()).sum().log()
    assert torch.allclose(rest, beta_log_z.expand(4), atol=1e-12)
    assert beta_log_z.item() == pytest.approx(1.0771, abs=5e-5)
    assert rl_direction(best.log(), REWARD).abs().max() < 1e-12
    assert dpo_direction(best.log(), RATERS).abs().max() < 1e-12


@pytest.mark.parametrize("beta", [0.1, 0.5, 2.0])
def test_the_first_step_on_the_references_own_pairs_is_beta_over_2_times_the_policy_gradient(beta):
    rl, dpo = rl_direction(REF.log(), RIGHT, beta=beta), dpo_direction(REF.log(), VERIFIED, beta=beta)
    assert torch.allclose(dpo, beta / 2 * rl, atol=1e-14)
    mean = (REF * RIGHT).sum()
    assert torch.allclose(rl, REF * (RIGHT - mean), atol=1e-14)  # REINFORCE with the mean as its baseline


def test_one_pair_per_prompt_divides_by_the_chance_of_a_pair():
    p = (REF * RIGHT).sum()
    good, bad = REF * RIGHT / p, REF * (1 - RIGHT) / (1 - p)  # what chosen and rejected are drawn from
    theta = REF.log().requires_grad_()
    logp, ref = theta.log_softmax(dim=0), REF.log()
    each = objectives.dpo_loss(logp[WON], logp[LOST], ref[WON], ref[LOST], beta=0.5)
    (slope,) = torch.autograd.grad((good[WON] * bad[LOST] * each).sum(), theta)
    assert torch.allclose(-slope, 0.25 * rl_direction(ref, RIGHT) / (p * (1 - p)), atol=1e-14)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_for_any_raters_it_is_the_policy_gradient_of_the_win_rate(scale):
    reward = scale * REWARD
    win_rate = torch.sigmoid(reward[:, None] - reward[None]) @ REF
    dpo = dpo_direction(REF.log(), torch.sigmoid(reward[Y] - reward[Z]), beta=0.5)
    assert torch.allclose(dpo, 0.5 * rl_direction(REF.log(), win_rate), atol=1e-14)
    assert scale < 1 or cosine(dpo, rl_direction(REF.log(), reward)) < 0.9995  # of the reward: only nearly


def test_elsewhere_the_two_directions_part():
    uniform = f64(0.25, 0.25, 0.25, 0.25)
    assert 0.9 < cosine(rl_direction(REF.log(), RIGHT), dpo_direction(REF.log(), VERIFIED, sampler=uniform)) < 0.95
    theta = REF.log()
    for _ in range(100):
        theta = theta + dpo_direction(theta, VERIFIED)
    assert cosine(rl_direction(theta, RIGHT), dpo_direction(theta, VERIFIED)) < -0.3


@pytest.mark.slow
def test_a_verifier_is_infinitely_sure_for_dpo_and_worth_one_for_rl():
    ends = {}
    for name, direction in (("RL", lambda t: rl_direction(t, RIGHT)), ("DPO", lambda t: dpo_direction(t, VERIFIED))):
        theta, ends[name] = REF.log(), []
        for step in range(3001):
            if step in (300, 3000):
                gained = theta - REF.log()
                ends[name].append((gained[1] - gained[0]).item())
            theta = theta + direction(theta)
    assert ends["RL"] == pytest.approx([2.0, 2.0], abs=1e-5)  # 1 / beta
    assert ends["DPO"][1] > ends["DPO"][0] + 2 > 6


# ---- section 4: beta -------------------------------------------------------------------------------------------------


def train(beta, *, steps, lr, share=1.0, optimizer=torch.optim.SGD):
    logp, zero = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True), f64(0.0)
    optimizer = optimizer([logp], lr=lr)
    for _ in range(steps):
        agree, differ = (objectives.dpo_loss(*pair, zero, zero, beta=beta) for pair in (logp, logp.flip(0)))
        optimizer.zero_grad()
        (share * agree + (1 - share) * differ).sum().backward()
        optimizer.step()
    return (logp[0] - logp[1]).item()


@pytest.mark.slow
def test_beta_speeds_up_the_first_steps_of_sgd_and_shortens_the_way():
    early = [train(b, steps=5, lr=0.1) for b in (0.1, 1.0)]
    assert early[1] / early[0] == pytest.approx(10, rel=0.15)
    late = [train(b, steps=3000, lr=1.0, share=0.8) for b in (0.1, 1.0)]
    assert late == pytest.approx([math.log(4) / 0.1, math.log(4)], rel=1e-3)


def test_adam_does_not_see_the_first_and_a_larger_beta_only_ever_holds_back():
    five = [train(b, steps=5, lr=0.1, optimizer=torch.optim.Adam) for b in (0.1, 0.3, 1.0)]
    assert five == pytest.approx([1.0] * 3, rel=0.05)
    for steps in (5, 30, 100):
        margins = [train(b, steps=steps, lr=0.1, optimizer=torch.optim.Adam) for b in (0.1, 0.3, 1.0)]
        assert margins == sorted(margins, reverse=True)


def test_the_flow_behind_the_widget_is_the_closed_form():
    """u + e^u - 1 = 2 beta^2 t; the furthest has u = 2; at rest u = logit(share)."""
    betas = f64(0.05, 0.1, 0.5, 1.0, 2.0, 5.0)
    margins = margins_after(4.0, betas)
    u = betas * margins
    assert torch.allclose(u + u.exp() - 1, 2 * betas**2 * 4, rtol=1e-4)
    assert [round(m, 2) for m in margins.tolist()] == [0.20, 0.40, 1.58, 1.95, 1.69, 1.06]
    fine = torch.linspace(0.5, 2, 3001, dtype=torch.float64)
    best = margins_after(4.0, fine).argmax()
    assert (fine * margins_after(4.0, fine))[best].item() == pytest.approx(2, abs=0.01)
    assert torch.allclose(margins_after(1e6, betas, share=0.8) * betas, f64(math.log(4)).expand(6), atol=1e-3)
    assert train(0.5, steps=400, lr=0.01, share=0.8) == pytest.approx(
        margins_after(4.0, f64(0.5), share=0.8).item(), rel=0.01
    )


# ---- sections 6 to 10 ------------------------------------------------------------------------------------------------


def test_what_averaging_does_to_beta():
    tokens = [torch.full((1, n), -0.5, dtype=torch.float64, requires_grad=True) for n in (50, 25)]
    pushes = {}
    for average in (False, True):
        whole = [objectives.sequence_logprobs(t, torch.ones_like(t), average=average) for t in tokens]
        loss = objectives.dpo_loss(*whole, *(w.detach() for w in whole), beta=0.1).sum()
        pushes[average] = [-g[0, 0].item() for g in torch.autograd.grad(loss, tokens)]
    assert pushes[False] == pytest.approx([0.05, -0.05])
    assert pushes[True] == pytest.approx([0.05 / 50, -0.05 / 25])


def train_arms(loss, steps=200):
    """The first loss, the share right at the end, and the margin of completion 1 over 0."""
    theta, weight, first = REF.log(), REF[WON] * REF[LOST], None
    weight = weight / weight.sum()
    for _ in range(steps):
        theta = theta.detach().requires_grad_()
        logp, ref_logp = theta.log_softmax(dim=0), REF.log()
        value = (weight * loss(logp[WON], logp[LOST], ref_logp[WON], ref_logp[LOST], beta=0.5)).sum()
        first = value.item() if first is None else first
        theta = theta - torch.autograd.grad(value, theta)[0]
    gained = theta - REF.log()
    return first, (theta.softmax(dim=0) * RIGHT).sum().item(), (gained[1] - gained[0]).item()


@pytest.mark.slow
def test_what_two_curves_can_tell_of_a_mistake():
    """Of those that the lesson shows: two go the wrong way, three begin at another loss, four show in neither."""
    first, right, margin = train_arms(objectives.dpo_loss)
    assert first == pytest.approx(math.log(2)) and right > 0.99
    ends = {b.name: train_arms(b.wrong) for b in BUGS if b.breaks == "dpo_loss"}
    for name in ("chosen and rejected swapped", "log-probs divided"):
        assert ends[name][0] == pytest.approx(math.log(2)) and ends[name][1] < 0.001
    for name in ("no reference", "reference with the wrong sign", "the probability of losing"):
        assert abs(ends[name][0] - math.log(2)) > 0.09 and ends[name][1] > 0.99
    for name in ("beta divides", "beta forgotten", "rejected detached", "averaged over the pairs"):
        assert ends[name][0] == pytest.approx(math.log(2)) and ends[name][1] > 0.945
    assert ends["beta divides"][2] < ends["beta forgotten"][2] < margin


def test_where_a_pair_of_the_excerpt_comes_to_rest():
    """cDPO of averaged log-probs, 50 tokens each: logit(0.9) / 0.1 per token."""
    chosen = torch.tensor([1098.6123], dtype=torch.float64, requires_grad=True)
    loss = objectives.cdpo_loss(chosen / 50, f64(0), f64(0), f64(0), beta=0.1, label_smoothing=0.1)
    assert torch.autograd.grad(loss.sum(), chosen)[0].abs().item() < 1e-9
    assert 50 * math.log(9) / 0.1 == pytest.approx(1098.6123, abs=1e-4)


# ---- figures and widgets ---------------------------------------------------------------------------------------------


def test_figure_beta_says_what_it_draws():
    text = show.description(figure_beta(4.0))
    assert "0.20 at beta 0.05, 1.58 at beta 0.5, 1.06 at beta 5" in text and "furthest: beta = 1" in text
    text = show.description(figure_beta(1e5, share=0.8))
    assert "at rest 2.77 at beta 0.5" in text and "2.77 at beta 0.5" in text.split(";")[0]
    assert len(figure_beta(1.0).axes[0].lines) == 2 and len(figure_beta(1.0, share=0.8).axes[0].lines) == 3


@pytest.mark.parametrize("beta", [0.05, 0.5])
def test_the_family_rests_where_its_gradient_is_zero(beta):
    for name in ("cDPO", "IPO"):
        rest = rest_of(name, beta)
        assert pull_at(name, f64(rest), beta).abs().max() < 1e-9
        assert pull_at(name, f64(0.9 * rest), beta) > 0 > pull_at(name, f64(1.1 * rest), beta)
    assert pull_at("hinge", f64(0.99 / beta, 1.01 / beta), beta).tolist() == [1.0, 0.0]
    for name in ("DPO", "robust DPO"):
        assert pull_at(name, f64(5 / beta), beta) > 0
    assert all(pull_at(name, f64(0.0), beta).item() == 1 for name in FAMILY)
    text = show.description(figure_family(beta=beta))
    assert f"hinge rests at {1 / beta:.2f}" in text and "DPO never rests" in text


def test_falling_draws_a_line_each():
    figure = figure_falling({"a": {"chosen": [0.0, -1.0], "rejected": [0.0, -3.0], "margin": [0.0, 2.0]}})
    assert show.description(figure) == "At the end, in nats. a: chosen -1.0; a: rejected -3.0; a: margin +2.0"
    assert len(figure.axes[0].lines) == 4


def test_the_pictures_of_the_runs_say_how_each_ended(monkeypatch):
    share = {"before": {"sampled": 0.4, "greedy": 0.8}, "after": {"sampled": 0.6, "greedy": 0.9}}
    monkeypatch.setattr(figures_runs, "read_accuracy", lambda run: share)
    rows = [
        {"step": i, "margin": min(i / 2, 4.4), "accuracy": 0.75, "chosen": -1.0, "rejected": -5.4} for i in range(1, 31)
    ]
    text = show.description(figure_settled({0.5: rows}))
    assert (
        "beta 0.5 ends at 4.40, its optimum is 4.39; 75.0% of the pairs won; held out, sampled 60.0%, greedy 90.0%"
        in text
    )
    text = show.description(figure_betas({0.1: rows, 1.0: rows}))
    assert "beta 1: margin 4.4, chosen -1.0, rejected -5.4" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["beta", "family"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: getattr(play, name)())
    assert len(pictures_at_the_ends(panel)) >= 4


# ---- the recorded runs, where they are there -------------------------------------------------------------------------


def test_the_runs_that_rest_do_so_at_the_logit_over_beta_and_a_small_beta_pays_for_it():
    found = recorded_betas(SETTLED)
    assert list(found) == [0.1, 0.5, 2.0]
    for beta, rows in found.items():
        assert at_the_end(rows, "margin") == pytest.approx(math.log(9) / beta, rel=0.015)
    after = {beta: read_accuracy(RUNS / SETTLED[beta])["after"] for beta in found}
    before = read_accuracy(RUNS / SETTLED[0.1])["before"]
    assert after[0.1]["sampled"] < 0.5 * before["sampled"] and after[0.1]["greedy"] < 0.6 * before["greedy"]
    for beta in (0.5, 2.0):
        assert after[beta]["sampled"] > before["sampled"] and after[beta]["greedy"] > before["greedy"]


def test_under_adam_beta_has_no_say_in_the_start_and_then_only_holds_back():
    found = recorded_betas(BETAS)
    assert list(found) == list(BETAS)
    start = [sum(row["margin"] for row in rows[:10]) for rows in found.values()]
    assert max(start) < 1.1 * min(start)
    ends = [at_the_end(rows, "margin") for rows in found.values()]
    assert ends == sorted(ends, reverse=True)
    assert 0.3 < ends[4] / ends[0] < 0.35  # beta 1 and 0.01


def test_one_seed_of_each_beta_does_not_rank_their_accuracies():
    accuracies = recorded_accuracies(BETAS)
    assert list(accuracies) == list(BETAS)
    betas = [accuracy["sampled"] for accuracy in accuracies.values()]
    seeds = [read_accuracy(RUNS / f"dpo-seed-{seed}")["after"]["sampled"] for seed in range(3)]
    assert min(betas) > 0.61 and max(betas) < 0.695
    assert 0.57 < min(seeds) < min(betas) and max(seeds) > 0.67


def test_for_a_large_beta_the_recipe_clips_every_step_and_that_changes_little():
    found, without = recorded_betas(BETAS), recorded_betas(UNCLIPPED)
    clipped = {beta: sum(row["grad_norm"] > 1 for row in rows) / len(rows) for beta, rows in found.items()}
    assert clipped[0.01] == clipped[0.03] == 0 and 0.1 < clipped[0.1] < 0.3
    assert clipped[0.3] == clipped[1.0] == clipped[3.0] == 1
    for beta, rows in without.items():
        assert 0.85 < at_the_end(rows, "margin") / at_the_end(found[beta], "margin") < 1


def test_chosen_rises_first_and_falls_in_the_end():
    chosen = [row["chosen"] for row in recorded_betas(BETAS)[0.1]]
    means = [sum(chosen[i : i + 10]) / 10 for i in range(0, 80, 10)]
    assert 0.2 < max(means) < 0.3 and -0.7 < means[-1] < -0.4
