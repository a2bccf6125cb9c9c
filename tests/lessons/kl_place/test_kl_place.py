"""The numbers in the figures and the prose of the lesson on the place of the KL."""

from pathlib import Path

import pytest
import torch

from reference import play
from reference.lessons.kl_place.experiments import KL_REWARD
from reference.lessons.kl_place.figures import figure_credit, figure_kl_group, figure_kl_reward, group_with_kl
from reference.objectives import (
    discounted_returns,
    group_advantages,
    kl_penalised_rewards,
    rloo_advantages,
    token_rewards,
)
from reference.runs.folder import append_metrics
from reference.runs.recorded_runs import mean_at, recorded_logs
from reference.teaching.show import description

RUNS = Path(__file__).parents[3] / "figures" / "runs"


def test_in_a_dead_group_the_coefficient_cancels():
    _, small = group_with_kl(4, 0.01, "group")
    _, large = group_with_kl(4, 0.1, "group")
    torch.testing.assert_close(small, large, rtol=0.02, atol=0)
    plain, unscaled = group_with_kl(4, 0.01, "none")
    assert (plain == 0).all() and small.abs().max() > 1.2 and unscaled.abs().max() < 0.015
    assert small.abs().max() / unscaled.abs().max() > 80  # the size of kl_coef
    drift = torch.tensor([[0.5], [1.0], [2.0], [3.0]])
    charged = kl_penalised_rewards(torch.ones(4), drift, torch.ones(4, 1), kl_coef=0.001)
    assert 0.9 < group_advantages(charged, group_size=4).abs().max() < 1.2


def test_in_a_mixed_group_the_ratio_of_kl_to_reward_is_kept():
    right, kl = torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([[1.0], [1.0], [3.0], [3.0]])
    a = group_advantages(kl_penalised_rewards(right, kl, torch.ones(4, 1), kl_coef=0.1), group_size=4)
    assert (a[0] - a[2]) / (a[0] - a[1]) == pytest.approx(0.1 * 2 / 1)


def test_a_charge_that_all_share_is_removed_by_a_baseline():
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0])
    torch.testing.assert_close(rloo_advantages(rewards - 0.7, group_size=4), rloo_advantages(rewards, group_size=4))


def test_the_group_figure_and_the_credit_figure_tell_their_numbers():
    assert "with KL +1.006, +0.559, -0.335, -1.229" in description(figure_kl_group(4, kl_coef=0.01))
    text = description(figure_credit([0.2, 1.0, -0.3, 0.5]))
    assert "to_go charges [0.14, 0.12, 0.02, 0.05]" in text and "sequence charges [0.14, 0.14, 0.14, 0.14]" in text


def test_returns_of_token_rewards_are_the_score_minus_the_kl_to_go():
    mask, kl = torch.ones(1, 4), torch.tensor([[0.2, 1.0, -0.3, 0.5]])
    returns = discounted_returns(token_rewards(torch.ones(1), mask, kl=kl, kl_coef=0.1), mask)
    torch.testing.assert_close(returns, torch.tensor([[0.86, 0.88, 0.98, 0.95]]))


def test_kl_in_the_reward_is_read_and_drawn(tmp_path):
    assert recorded_logs(KL_REWARD, folder=tmp_path) == {}
    for name, kl in (("group-std", 0.03), ("no-std", 0.05)):
        (tmp_path / f"kl-reward-{name}-seed-0").mkdir()
        for step in range(1, 21):
            row = {"step": step, "reward": 0.8, "dead_groups": 0.25 if step < 16 else 0.75, "kl_k1": kl}
            append_metrics(tmp_path / f"kl-reward-{name}-seed-0", row)
    figure = figure_kl_reward(recorded_logs(KL_REWARD, folder=tmp_path))
    assert [len(ax.lines) for ax in figure.axes] == [4, 4, 4]  # two runs, and a stroke from each to its name
    for words in ("nats per token, no std: 0.050", "groups dead, group's std: 0.50", "share right, no std: 0.80"):
        assert words in description(figure)  # five rows of 0.25 and five of 0.75
    heights = sorted(text.get_position()[1] for text in figure.axes[0].texts)
    low, high = figure.axes[0].get_ylim()
    assert heights[1] - heights[0] > 0.05 * (high - low)  # two lines that end at one height: their names do not collide


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kl_group", "credit"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(getattr(play, name))
    if name == "credit":  # of its four sliders two will do
        panel.children[0].children = panel.children[0].children[:2]
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children) / 2


def mean_of_ten(log, name, start):
    return mean_at([log], name, slice(start, start + 10))


def test_a_small_coefficient_brakes_only_through_the_groups_std():
    found = recorded_logs(KL_REWARD, folder=RUNS)
    assert list(found) == ["group-std", "no-std", "no-kl"] and all(len(logs) == 3 for logs in found.values())
    end = {name: [mean_of_ten(log, "kl_k1", 30) for log in logs] for name, logs in found.items()}
    for log in found["group-std"]:
        assert mean_of_ten(log, "kl_k1", 30) < 1.05 * mean_of_ten(log, "kl_k1", 10)  # it stops growing
        assert 0.2 < mean_of_ten(log, "dead_groups", 10) < 0.35
    for log in (*found["no-std"], *found["no-kl"]):
        assert mean_of_ten(log, "kl_k1", 30) > 1.2 * mean_of_ten(log, "kl_k1", 10)
    assert sum(end["no-std"]) == pytest.approx(sum(end["no-kl"]), rel=0.15)
    assert max(end["group-std"]) < 0.75 * min(*end["no-std"], *end["no-kl"])
    scaled, *others = ([mean_of_ten(log, "reward", 30) for log in logs] for logs in found.values())
    assert all(0 < sum(other) / 3 - sum(scaled) / 3 < 0.05 for other in others)
