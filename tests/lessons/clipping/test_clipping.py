"""What the lesson on clipping says is asserted here; its figures and widgets show those numbers."""

from pathlib import Path
from statistics import mean

import pytest
import torch

from reference import objectives, play
from reference.lessons import BUGS
from reference.lessons.clipping.experiments import RUNS as PASSES
from reference.lessons.clipping.experiments import WAYS
from reference.lessons.clipping.figures import (
    FAMILY,
    clipped_alone,
    figure_push,
    figure_quadrants,
    figure_ways_back,
    loss_and_push,
)
from reference.lessons.clipping.figures_runs import LOOKS, RATES, early_kl, figure_passes, figure_ten_steps, late_reward
from reference.runs.recorded_runs import recorded_logs
from reference.teaching import show

RUNS = Path(__file__).parents[3] / "figures" / "runs"


# ---- what the prose says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "r", "moves"), [(1, 0.5, True), (1, 1.5, False), (-1, 0.5, False), (-1, 1.5, True), (1, 1.0, True)]
)
def test_the_gradient_is_off_in_two_corners_and_the_clip_alone_turns_it_off_in_all_four(a, r, moves):
    at = torch.tensor([r], dtype=torch.float64)
    _, push = loss_and_push(objectives.ppo_clip_loss, at, float(a))
    assert push.item() == pytest.approx(a * r if moves else 0.0)
    _, alone = loss_and_push(lambda *x: clipped_alone(*x, clip_low=0.2, clip_high=0.2), at, float(a))
    assert alone.item() == pytest.approx(a * r if r == 1 else 0.0)


def test_the_clip_alone_is_the_catalogues_first_entry():
    wrong = next(b.wrong for b in BUGS if b.breaks == "ppo_clip_loss" and b.name == "clipped alone")
    new, old, a = torch.randn(3, 4, 6, dtype=torch.float64)
    options = {"clip_low": 0.2, "clip_high": 0.3}
    assert torch.equal(wrong(new, old, a, **options), clipped_alone(new, old, a, **options))


@pytest.mark.parametrize(("factor", "varies_by"), [(1.0, 0.768), (0.1, 0.277), (0.0, 0.229)])
def test_how_much_a_batch_of_16_varies(factor, varies_by):
    old, far, a = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [-1.0, 0.0, 2.0]], dtype=torch.float64)
    weighted = ((1 - factor) * old + factor * far) / old * a
    variance = (old * weighted.square()).sum() - (old * weighted).sum().square()
    assert (variance / 16).sqrt().item() == pytest.approx(varies_by, abs=0.001)


def climb(token_loss, start, steps=60, lr=0.15):
    old, a = torch.full((1, 2), 0.5).log(), torch.tensor([[1.0, -1.0]])
    logits = torch.tensor([[start, 1 - start]]).log()
    for _ in range(steps):
        logits.requires_grad_()
        loss = (0.5 * token_loss(logits.log_softmax(1), old, a)).sum()
        logits = (logits - lr * torch.autograd.grad(loss, logits)[0]).detach()
    return logits.softmax(1)[0, 0].item()


def test_only_the_max_of_two_brings_a_policy_back_and_it_stops_beyond_the_edge():
    alone = lambda *x: clipped_alone(*x, clip_low=0.2, clip_high=0.2)  # noqa: E731
    for start in (0.3, 0.5):
        assert 0.6 < climb(objectives.ppo_clip_loss, start) < 0.64
        assert climb(lambda new, old, a: -a * (new - old).exp(), start) > 0.95
    assert climb(alone, 0.3) == pytest.approx(0.3)
    assert climb(alone, 0.5) == pytest.approx(climb(objectives.ppo_clip_loss, 0.5))


def test_what_the_catalogues_mistakes_do_to_two_arms():
    wrong = [b for b in BUGS if b.breaks == "ppo_clip_loss" and "averaged" not in b.name]
    ends = [round(climb(lambda *x, f=b.wrong: f(*x, clip_low=0.2, clip_high=0.2), 0.3), 2) for b in wrong]
    right = climb(objectives.ppo_clip_loss, 0.3)
    assert sum(end == 0.30 for end in ends) >= 6 and sum(end < 0.25 for end in ends) == 1
    assert sum(end > 0.8 for end in ends) >= 6 and sum(abs(end - right) < 0.02 for end in ends) == 6


def test_before_the_first_step_the_clip_changes_neither_loss_nor_gradient():
    old = torch.randn(4, 6)
    a = torch.randn(4, 1)
    gradients = []
    for bounds in (
        {"clip_low": 0.0, "clip_high": 0.0},
        {"clip_low": 0.2, "clip_high": 0.2},
        {"clip_low": 0.99, "clip_high": 1e6},
    ):
        new = old.clone().requires_grad_()
        gradients.append(torch.autograd.grad(objectives.ppo_clip_loss(new, old, a, **bounds).sum(), new)[0])
    assert all(torch.allclose(g, gradients[0]) for g in gradients)


def test_without_dual_clip_one_token_of_a_hundred_gets_a_third_of_all_pushes():
    ratios, signs = torch.ones(1, 100), torch.ones(1, 100)
    ratios[0, 0], signs[0, ::2] = 50.0, -1.0
    for cap, share in ((None, 50 / 149), (3.0, 0.0)):
        new = ratios.log().requires_grad_()
        objectives.ppo_clip_loss(new, torch.zeros(1, 100), signs, dual_clip=cap).sum().backward()
        assert (new.grad.abs()[0, 0] / new.grad.abs().sum()).item() == pytest.approx(share)


def test_dual_clip_takes_the_largest_push_out():
    new = torch.tensor([[50.0, 1.0]]).log().requires_grad_()
    for cap, expected in ((None, 50.0), (3.0, 0.0)):
        loss = objectives.ppo_clip_loss(new, torch.zeros(1, 2), torch.tensor([[-1.0, 1.0]]), dual_clip=cap)
        assert torch.autograd.grad(loss.sum(), new)[0][0, 0].item() == pytest.approx(expected)


# ---- figures and widgets ---------------------------------------------------------------------------------------------


def test_the_quadrants_are_shaded_where_the_gradient_is_zero():
    text = show.description(figure_quadrants(clip_high=0.28))
    assert "A = +1: gradient zero at ratios above 1.28" in text and "A = -1: gradient zero at ratios below 0.8" in text
    figure = figure_quadrants(dual_clip=3.0)
    assert "below 0.8, or above 3" in show.description(figure)
    good, bad = figure.axes
    assert [len(ax.collections[0].get_paths()) for ax in (good, bad)] == [1, 2]  # the grey regions
    r, loss = good.lines[1].get_data()
    assert loss == pytest.approx([-min(x, 1.2) for x in r.tolist()])


def test_at_ratio_one_all_losses_push_alike_and_far_up_they_differ():
    assert show.description(figure_push(ratio=1.0)).count("1.00 up, 1.00 down") == len(FAMILY)
    text = show.description(figure_push(ratio=4.0))
    assert "PPO 0.00 up, 4.00 down" in text and "PPO, dual clip 3 0.00 up, 0.00 down" in text
    assert "CISPO, cap 3 3.00 up, 3.00 down" in text and "REINFORCE 1.00 up, 1.00 down" in text
    assert len(figure_push(("PPO", "REINFORCE")).axes[0].patches) == 4


def test_ways_back_draws_a_line_per_loss_and_says_where_it_ends():
    figure = figure_ways_back({"a": {"PPO": [0.3, 0.62], "no clip": [0.3, 0.9]}, "b": {"PPO": [0.5, 0.61]}})
    assert [len(ax.lines) for ax in figure.axes] == [4, 2]  # a line per loss, and a stroke from each to its name
    assert show.description(figure) == "a: PPO ends at 0.62; a: no clip ends at 0.90; b: PPO ends at 0.61"


def test_ten_steps_draws_a_line_and_a_bar_per_loss_and_says_both():
    moved = {"PPO": [0.0, 0.02, 0.07], "clipped alone": [0.0, 0.02, 0.12]}
    figure = figure_ten_steps(moved, {"PPO": (111, 18), "clipped alone": (122, 23)})
    text = show.description(figure)
    assert (
        "3 steps" in text
        and "PPO: approx_kl 0.070 before step 3, tokens outside 111 as asked and 18 the wrong way" in text
    )
    assert "clipped alone: approx_kl 0.120 before step 3, tokens outside 122 as asked and 23 the wrong way" in text
    lines, bars = figure.axes
    assert [list(line.get_ydata()) for line in lines.lines[:2]] == list(moved.values())
    assert [bar.get_width() for bar in bars.patches] == [111, 18, 122, 23]


def made_up(reward, kl=0.01):
    return [{"step": i, "reward": reward, "approx_kl": kl if i < 4 else 0.0} for i in range(1, 9)]


def test_passes_draws_every_seed_and_says_what_is_missing():
    assert sorted(way for names in RATES.values() for way in names) == sorted(WAYS)
    assert [float(rate) for rate in RATES] == sorted(map(float, RATES))  # the smallest first
    assert {name for names in RATES.values() for name in names.values()} == set(LOOKS)
    figure = figure_passes({"clip": [made_up(0.7), made_up(0.8)], "no-clip": [made_up(0.1, kl=0.5)]})
    assert [len([line for line in ax.lines if len(line.get_xdata()) == 8]) for ax in figure.axes] == [0, 0, 3]
    text = show.description(figure)
    assert "lr 3e-4, 8 passes, clip: 0.7 to 0.8; lr 3e-4, 8 passes, no clip: 0.1" in text
    assert "lr 3e-5: no runs yet; lr 1e-4: no runs yet" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quadrants", "push"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: getattr(play, name)())
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children)


# ---- the recorded runs, where they are there -------------------------------------------------------------------------


def test_the_recorded_runs_show_what_section_7_says():
    ways = recorded_logs(PASSES, folder=RUNS)
    assert list(ways) == list(WAYS)
    kl = {way: [early_kl(run) for run in runs] for way, runs in ways.items()}
    reward = {way: [late_reward(run) for run in runs] for way, runs in ways.items()}
    for rate in ("", "gentle-", "slow-"):  # at every rate the clip shortens the move
        assert min(kl[f"{rate}no-clip"]) > max(kl[f"{rate}clip"])
    assert max(reward["no-clip"]) < 0.1  # collapse
    assert min(kl["gentle-no-clip"]) > 2 * max(kl["gentle-clip"])  # several times
    best = {way: max(late_reward(run[:i]) for run in runs for i in range(5, 21)) for way, runs in ways.items()}
    assert best["gentle-clip"] > best["gentle-no-clip"]
    assert abs(mean(reward["slow-clip"]) - mean(reward["slow-no-clip"])) < 0.1  # hardly matters
    assert mean(reward["one-pass"]) > mean(reward["slow-clip"]) - 0.05
    assert max(reward["clip"]) < 0.5 < min(reward["one-pass"])  # with the clip too, only later
    assert min(reward["slow-clip"] + reward["slow-no-clip"]) > 0.5  # a rate at which nothing breaks


def test_the_bounds_that_stand_for_no_clip_hardly_ever_bound():
    ways = recorded_logs(PASSES, folder=RUNS)
    shares = [row["clip_frac"] for way in ways if way.endswith("no-clip") for log in ways[way] for row in log]
    assert 0 < max(shares) < 0.01  # "fewer than 1 % of the tokens of a step": not never
