"""What the lesson says about advantages is asserted here; its figures and widgets show those numbers."""

import math
from pathlib import Path
from statistics import mean

import pytest
import torch

from reference import objectives, play
from reference.algorithms.recipes import RECIPES
from reference.lessons import BUGS
from reference.lessons.advantages.experiments import CHOICES, EXPERIMENTS, Recorded, recorded_choices
from reference.lessons.advantages.figures import (
    difficulty_weight,
    figure_dead,
    figure_difficulty,
    figure_group,
    figure_noise,
    figure_successes,
)
from reference.teaching import show

RUNS = Path(__file__).parents[3] / "figures" / "runs"


def coins(right: int, of: int) -> torch.Tensor:
    return (torch.arange(of) < right).double()


# ---- order and size --------------------------------------------------------------------------------------------------


def test_the_wrong_order_invents_a_signal():
    a, b = [1.0] * 4 + [0.0] * 4, [1.0, 0.0] * 4
    for order, found in ((a, [0.0] * 8), (b, [0.5, -0.5] * 4)):
        rewards = torch.tensor(order)
        assert objectives.group_advantages(rewards, group_size=4, scale="none").tolist() == found


@pytest.mark.parametrize("size", [2, 3, 4, 8, 16, 64])
def test_the_lone_success_for_every_group_size(size):
    lone = coins(1, size)
    one, zero = (objectives.group_advantages(lone, group_size=size, ddof=d, eps=0.0) for d in (1, 0))
    assert one[0].item() == pytest.approx((size - 1) / math.sqrt(size))
    assert one[1].item() == pytest.approx(-1 / math.sqrt(size))
    assert zero[0].item() == pytest.approx(math.sqrt(size - 1))
    plain = objectives.group_advantages(lone, group_size=size, scale="none")
    assert plain[0].item() == pytest.approx(1 - 1 / size)
    assert plain.square().sum().item() == pytest.approx((size - 1) / size)
    assert objectives.rloo_advantages(lone, group_size=size)[0].item() == pytest.approx(1)


def test_every_mixed_group_has_the_same_sum_of_squares_and_without_the_std_the_even_ones_the_largest():
    with_std = [objectives.group_advantages(coins(k, 8), group_size=8, eps=0.0).square().sum() for k in range(1, 8)]
    assert [x.item() for x in with_std] == pytest.approx([7.0] * 7)
    plain = [objectives.group_advantages(coins(k, 8), group_size=8, scale="none").square().sum() for k in range(1, 8)]
    assert [x.item() for x in plain] == pytest.approx([k * (8 - k) / 8 for k in range(1, 8)])
    assert max(plain) == plain[3]


def test_the_batch_std_is_gentler_where_the_group_is_more_of_one_kind_than_the_batch():
    for right, others, gentler in ((1, 12, True), (4, 1, False), (4, 23, False), (7, 12, True)):
        batch = torch.cat([coins(right, 8), coins(others, 24)])
        a = {s: objectives.group_advantages(batch, group_size=8, scale=s)[0] for s in ("group", "batch")}
        assert (a["batch"] < a["group"]) == gentler


def test_the_batch_mean_forgets_how_hard_a_prompt_is():
    two = torch.cat([coins(7, 8), coins(1, 8)])
    for scale in ("none", "group", "batch"):
        a = objectives.group_advantages(two, group_size=8, scale=scale)
        assert (a[8] / a[0]).item() == pytest.approx(7)
    batch = objectives.batch_advantages(two)
    assert batch[8].item() == batch[0].item() == pytest.approx(0.968, abs=0.001)


def test_a_bonus_of_a_tenth_is_blown_up_to_full_size():
    half = coins(4, 8)
    full, tenth = (objectives.group_advantages(r, group_size=8)[0].item() for r in (half, 0.1 * half))
    assert full == pytest.approx(0.935, abs=0.001) and tenth == pytest.approx(0.934, abs=0.001)


def test_eps_is_the_size_of_the_differences_that_are_ignored():
    def advantage(gap, eps):
        r = torch.tensor([0.5 + gap, 0.5, 0.5, 0.5], dtype=torch.float64)
        return objectives.group_advantages(r, group_size=4, eps=eps)[0].item()

    for eps in (1e-4, 1e-6, 1e-9):
        assert advantage(eps, eps) == pytest.approx(0.5, rel=1e-3)  # its std is half of the gap
        assert advantage(eps / 100, eps) < 0.01 and advantage(100 * eps, eps) > 1.45
    assert advantage(1e-5, 1e-9) == pytest.approx(1.5, abs=0.001)


def test_equal_rewards_give_exactly_nothing():
    assert (objectives.group_advantages(torch.full((7,), 0.3), group_size=7, eps=1e-9) == 0).all()
    assert (objectives.rloo_advantages(torch.full((7,), 0.3), group_size=7) == 0).all()


# ---- dead groups -----------------------------------------------------------------------------------------------------


def test_how_often_a_group_dies():
    generator = torch.Generator().manual_seed(0)
    for p, size in ((0.5, 2), (0.9, 8), (0.2, 4)):
        rewards = (torch.rand(40_000 * size, generator=generator) < p).float()
        share = objectives.dead_group_share(rewards, group_size=size).item()
        assert share == pytest.approx(p**size + (1 - p) ** size, abs=0.01)


def test_dead_groups_shorten_the_gradient_by_the_living_share_and_leave_its_direction():
    rewards = torch.cat([coins(k, 4) for k in (1, 4, 0, 2, 4)])
    advantages = objectives.group_advantages(rewards, group_size=4)
    logp = torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.arange(6) < torch.arange(20)[:, None] % 6 + 1

    def gradient(keep):
        losses = objectives.ppo_clip_loss(logp, logp.detach(), advantages[:, None])[keep]
        return torch.autograd.grad(objectives.sequence_mean(losses, mask[keep]), logp)[0]

    everything, alive = gradient(torch.ones(20) > 0), gradient(advantages != 0)
    torch.testing.assert_close(everything, 2 / 5 * alive)


# ---- is it the right gradient? ---------------------------------------------------------------------------------------


def exact(advantages_of, rewards, size):
    """Expected gradient over the true one, and noise over signal: every group, equally likely completions."""
    count = len(rewards)
    groups = torch.cartesian_prod(*[torch.arange(count)] * size)
    score_function = torch.eye(count, dtype=torch.float64)[groups] - 1 / count
    estimates = (advantages_of(rewards[groups].flatten()).view(-1, size, 1) * score_function).mean(dim=1)
    expected, true = estimates.mean(dim=0), (rewards - rewards.mean()) / count
    noise = (estimates - expected).square().sum(dim=1).mean().sqrt() / expected.norm()
    return (expected @ true / (true @ true)).item(), torch.allclose(expected * (true @ true), (expected @ true) * true), noise.item()  # fmt: skip


@pytest.mark.parametrize("size", [2, 3, 4])
def test_which_baselines_leave_the_expected_gradient_alone(size):
    graded = torch.tensor([1.0, 0.7, 0.7, 0.2, 0.0, 0.0], dtype=torch.float64)
    for constant in (0.0, 0.5, 3.0):
        factor, parallel, _ = exact(lambda r, c=constant: r - c, graded, size)
        assert factor == pytest.approx(1) and parallel
    factor, parallel, _ = exact(lambda r: objectives.group_advantages(r, group_size=size, scale="none"), graded, size)
    assert factor == pytest.approx((size - 1) / size) and parallel
    factor, parallel, _ = exact(lambda r: objectives.rloo_advantages(r, group_size=size), graded, size)
    assert factor == pytest.approx(1) and parallel
    _, parallel, _ = exact(lambda r: objectives.group_advantages(r, group_size=size), graded, size)
    assert not parallel


def test_noise_of_the_baselines():
    rloo = lambda r: objectives.rloo_advantages(r, group_size=4)  # noqa: E731
    noise = {k: [exact(f, coins(k, 10), 4)[2] for f in (lambda r: r, lambda r: r - 0.5, rloo)] for k in (1, 5, 9)}
    assert noise[1] == pytest.approx([1.5, 2.449, 1.683], abs=0.001)
    assert noise[5] == pytest.approx([2.062, 1.414, 1.683], abs=0.001)
    assert noise[9] == pytest.approx([4.717, 2.449, 1.683], abs=0.001)
    assert (noise[1][1] / noise[1][2]) ** 2 == pytest.approx(2.12, abs=0.01)  # "about twice as many groups"
    for k in (1, 5, 9):  # an ideal critic: what one half is for prompts solved half of the time
        assert exact(lambda r, k=k: r - k / 10, coins(k, 10), 4)[2] == pytest.approx(1.414, abs=0.001)


# ---- difficulty ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "right"), [(2, 1), (3, 2), (4, 1), (4, 3)])
def test_the_weight_of_a_prompt_is_that_of_enumeration(size, right):
    factor, _, _ = exact(lambda r: objectives.group_advantages(r, group_size=size, eps=0.0), coins(right, 5), size)
    assert factor == pytest.approx(difficulty_weight(right / 5, size))


def test_which_prompts_the_std_favours_and_by_how_much():
    def relative(p, size):
        return difficulty_weight(p, size) / difficulty_weight(0.5, size)

    for size in (2, 3):
        assert relative(0.01, size) == pytest.approx(1)
    assert relative(1e-9, 8) == pytest.approx(1.4258, abs=1e-4)  # "at most 1.43"
    assert max(relative(p / 100, 8) for p in range(1, 100)) < 1.43
    assert relative(0.1, 8) == pytest.approx(1.25, abs=0.005) == relative(0.9, 8)
    for p in (0.2, 0.5, 0.7):  # many completions: 1 / std, the slope of 2 arcsin(sqrt p)
        assert difficulty_weight(p, 1000) == pytest.approx(1 / math.sqrt(p * (1 - p)), rel=0.005)
        slope = (2 * math.asin(math.sqrt(p + 1e-6)) - 2 * math.asin(math.sqrt(p - 1e-6))) / 2e-6
        assert slope == pytest.approx(1 / math.sqrt(p * (1 - p)), rel=1e-6)


def test_a_tidy_format_beats_the_right_answer():
    chance, pays = torch.tensor([0.05, 0.7, 0.25]).double(), torch.tensor([1.0, 0.1, 0.0]).double()
    groups = torch.cartesian_prod(*[torch.arange(3)] * 8)

    def push(scale):
        a = objectives.group_advantages(pays[groups].flatten(), group_size=8, scale=scale).view(-1, 8, 1)
        estimates = (a * (torch.eye(3, dtype=torch.float64)[groups] - chance)).mean(dim=1)
        return chance[groups].prod(dim=1) @ estimates

    true = chance * (pays - chance @ pays)
    assert (chance @ pays).item() == pytest.approx(0.12) and true[1] < 0 < true[0]
    torch.testing.assert_close(push("none"), 7 / 8 * true)
    right, tidy, wrong = push("group").tolist()
    assert wrong < 0 < right < tidy


# ---- strangers -------------------------------------------------------------------------------------------------------


def test_prompt_ids_reveal_strangers():
    ids = torch.arange(8).repeat_interleave(8)
    for sent, neighbours in ((ids, True), (ids.view(8, 8).T.flatten(), False)):
        table = sent.view(-1, 8)
        assert bool((table == table[:, :1]).all()) == neighbours


def test_strangers_are_the_catalogues_groups_across_prompts():
    rewards = torch.rand(64, generator=torch.Generator().manual_seed(0))
    wrong = next(b.wrong for b in BUGS if b.breaks == "group_advantages" and b.name == "groups across prompts")
    shuffled = rewards.view(8, 8).T.flatten()
    broken = objectives.group_advantages(shuffled, group_size=8).view(8, 8).T.flatten()
    torch.testing.assert_close(broken, wrong(rewards, group_size=8, scale="group", eps=1e-4))


# ---- figures and widgets ---------------------------------------------------------------------------------------------


def test_a_group_in_four_panels():
    figure = figure_group([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], others_right=12)
    text = show.description(figure)
    assert "1 of 8 right, 12 of the other 24" in text and "over the group std: 2.47 and -0.35" in text
    assert "mean of the others: 1.00 and -0.14" in text and len(figure.axes) == 4
    heights = [bar.get_height() for bar in figure.axes[2].patches]
    assert heights == pytest.approx([-0.3535] * 2 + [2.474] + [-0.3535] * 5, abs=0.002)
    assert "over the group std: 0.00 and 0.00" in show.description(figure_group([1.0] * 4, others_right=0))


def test_the_rarer_the_success_the_larger_its_advantage():
    assert "a lone success gets 2.47, each failure -0.35" in show.description(figure_successes(8))
    assert "a lone success gets 0.71, each failure -0.71" in show.description(figure_successes(2))


def test_difficulty_tells_the_chosen_size():
    text = show.description(figure_difficulty(8))
    assert "1 time in 100 weighs 1.41" in text and "1 time in 10 1.25" in text
    assert "1 time in 100 weighs 1.00" in show.description(figure_difficulty(2))


def test_noise_names_every_baseline():
    figure = figure_noise([0.1, 0.9], {"none": [1.5, 4.7], "half": [2.4, 2.4], "others": [1.7, 1.7]})
    assert "none 1.50 at 0.1 and 4.70 at 0.9" in show.description(figure) and len(figure.axes[0].lines) == 3


def made_up(reward, dead, accuracy):
    metrics = [{"step": float(i), "reward": reward, "dead_groups": dead} for i in range(1, 21)]
    return Recorded(metrics, {"after": {"sampled": accuracy}})


def test_recorded_figures_cope_with_one_run_or_more():
    runs = {"group": [made_up(0.5, 0.2, 0.9), made_up(0.7, 0.4, 0.91)], "leave_one_out": [made_up(0.6, 0.3, 0.903)]}
    assert "groups dead 30% at step 1, 30% in the last ten" in show.description(figure_dead(runs["group"]))
    assert "GRPO, 1 seed:" in figure_dead(runs["leave_one_out"]).axes[0].get_title("left")


def test_a_choice_without_runs_is_left_out(tmp_path):
    assert recorded_choices(tmp_path) == {}


def test_every_experiment_is_grpo_with_its_advantage_exchanged():
    from reference.algorithms.advantages import ADVANTAGES

    assert set(CHOICES) <= set(ADVANTAGES) and RECIPES["grpo"].advantage == "group"
    for name, command in EXPERIMENTS.items():
        choice = next(c for c, label in CHOICES.items() if name.startswith(f"{label}-seed-"))
        assert command == f"grpo --advantage {choice} --seed {name[-1]}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["successes", "difficulty"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(getattr(play, name))
    assert len(pictures_at_the_ends(panel)) == 3


@pytest.mark.slow
def test_ticking_completions_redraws(panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: play.group(right=(1,), group_size=2))
    assert len(pictures_at_the_ends(panel)) >= 6


# ---- the recorded runs -----------------------------------------------------------------------------------------------


def test_success_kills_groups_in_the_recorded_runs():
    for run in recorded_choices(RUNS)["group"]:
        dead = [row["dead_groups"] for row in run.metrics]
        assert dead[0] < 0.1 and mean(dead[-10:]) > 0.4


def test_no_choice_of_advantage_breaks_the_run_and_three_seeds_do_not_rank_them():
    found = recorded_choices(RUNS)
    assert set(found) == set(CHOICES) and all(len(runs) == 3 for runs in found.values())
    ends = {choice: [run.accuracy["after"]["sampled"] for run in runs] for choice, runs in found.items()}
    assert min(min(each) for each in ends.values()) > 0.85
    means = {choice: mean(each) for choice, each in ends.items()}
    chance = abs(
        means["group_mean"] - means["leave_one_out"]
    )  # the same but for a factor: what chance makes of nothing
    assert 0.008 < chance < 0.015
    assert 1.6 * chance < max(means.values()) - min(means.values()) < 2.4 * chance
