"""Notebook 06: the numbers in its figures and its prose, and solutions written in other ways than the reference."""

from pathlib import Path

import pytest
import torch

from reference.objectives import (
    aggregate,
    discounted_returns,
    group_advantages,
    kl_penalised_rewards,
    reinforce_loss,
    rloo_advantages,
    token_rewards,
)
from reference.teaching import play
from reference.teaching.check import judge
from reference.teaching.experiments import EXPERIMENTS, mean_at, recorded_logs
from reference.teaching.experiments.aggregation import KL_REWARD, LENGTHS
from reference.teaching.figures import (
    figure_credit,
    figure_kl_group,
    figure_kl_reward,
    figure_length_push,
    figure_lengths,
    figure_split,
)
from reference.teaching.figures.aggregation import length_push, rambler, split_weights
from reference.teaching.figures.kl_place import group_with_kl
from reference.teaching.figures.weights import STRATEGIES, token_weights
from reference.teaching.show import description
from reference.training.runs import append_metrics

RUNS = Path(__file__).parents[2] / "figures" / "runs"
SEEDS = range(5)

# ---- micro-batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_global_counts_make_every_split_exact(strategy, rows):
    for lengths in ([2, 8, 3, 7], [2, 0, 5, 1]):
        asked = token_weights(lengths, strategy=strategy, max_length=10)
        got = split_weights(lengths, rows, strategy=strategy, max_length=10, own=False)
        torch.testing.assert_close(got, asked, rtol=1e-12, atol=1e-15)


def test_token_mean_by_own_counts_of_single_rows_is_sequence_mean():
    got = split_weights([2, 8, 3, 7], 1, strategy="token_mean", max_length=10, own=True)
    torch.testing.assert_close(got, token_weights([2, 8, 3, 7], strategy="sequence_mean", max_length=10))


def test_own_counts_do_no_harm_to_a_number_of_rows_or_where_the_tokens_are_as_many():
    for strategy in ("sequence_mean", "fixed_length"):
        got = split_weights([2, 8, 3, 7], 2, strategy=strategy, max_length=10, own=True)
        torch.testing.assert_close(got, token_weights([2, 8, 3, 7], strategy=strategy, max_length=10))
    same = split_weights([2, 8, 3, 7], 2, strategy="token_mean", max_length=10, own=True)  # 10 tokens each
    torch.testing.assert_close(same, token_weights([2, 8, 3, 7], strategy="token_mean", max_length=10))
    apart = split_weights([2, 3, 7, 8], 2, strategy="token_mean", max_length=10, own=True)  # sorted: 5 and 15
    assert (apart - 1 / 20)[apart > 0].abs().max() > 0.01


def test_a_token_of_a_thin_micro_batch_weighs_four_times_as_much():
    got = split_weights([2, 2, 8, 8], 2, strategy="token_mean", max_length=10, own=True)
    assert got[0].max() / got[2].max() == pytest.approx(4)


def test_the_figure_says_how_far_off_a_split_is():
    text = description(figure_split([2, 8], rows=1, own=True))
    assert "1/10, 1/10 per token; in micro-batches of 1: 1/4, 1/16 per token" in text and "% off" in text
    assert "the same" in description(figure_split([2, 8], rows=1, own=False))


# ---- lengths ---------------------------------------------------------------------------------------------------------


def test_the_rambler_is_a_distribution():
    go_on, logp, mask = rambler()
    chance = logp.sum(dim=1).exp()
    assert chance.sum().item() == pytest.approx(1) and go_on.shape == (5,)
    assert chance.tolist() == pytest.approx([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 32])
    assert (logp[~mask] == 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_push_is_that_of_aggregate_over_all_batches(strategy):
    """``length_push`` sums over batches at once; here they are aggregated one by one."""
    go_on, logp, mask = rambler(4)
    lengths, chance = mask.sum(dim=1), logp.sum(dim=1).exp()
    (longer,) = torch.autograd.grad((chance * lengths).sum(), go_on, retain_graph=True)
    losses = reinforce_loss(logp, -torch.ones(4, 1))
    total = torch.zeros((), dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            pair = [i, j]
            loss = aggregate(losses[pair], mask[pair], strategy=strategy, max_length=4)
            total = total + chance[pair].prod().detach() * loss
    (uphill,) = torch.autograd.grad(total, go_on)
    assert length_push(strategy, 2, -1.0, longest=4) == pytest.approx(-(uphill @ longer).item(), abs=1e-12)


def test_where_each_strategy_pushes_lengths():
    for rows in (1, 2, 4):
        assert length_push("fixed_length", rows, -1.0) == pytest.approx(0, abs=1e-12)
        assert length_push("sequence_mean", rows, -1.0) == pytest.approx(length_push("sequence_mean", 1, -1.0))
        assert length_push("sequence_mean", rows, 1.0) == pytest.approx(-length_push("sequence_mean", rows, -1.0))
    tokens = [length_push("token_mean", rows, -1.0) for rows in (1, 2, 4)]
    assert tokens[0] == pytest.approx(length_push("sequence_mean", 1, -1.0)) and tokens[0] > 0.08
    assert tokens[1] / tokens[0] == pytest.approx(0.544, abs=0.001)  # roughly as one over their number
    assert tokens[2] / tokens[0] == pytest.approx(0.268, abs=0.001)
    assert "token_mean, all -1: +0.082 to +0.022" in description(figure_length_push(4))


def test_recorded_lengths_are_read_and_drawn(tmp_path):
    assert recorded_logs(tmp_path, LENGTHS) == {}
    for strategy, wrong in zip(STRATEGIES, (50.0, 40.0, 30.0), strict=True):
        run = tmp_path / f"lengths-{strategy}-seed-0"
        run.mkdir()
        for step in range(1, 31):
            row = {"step": step, "length_right": 35.0, "length_wrong": wrong}
            append_metrics(run, row if step % 7 else {k: v for k, v in row.items() if k != "length_wrong"})
    found = recorded_logs(tmp_path, LENGTHS)
    assert list(found) == list(STRATEGIES) and mean_at(found["token_mean"], "length_wrong", slice(-20, None)) == 40
    text = description(figure_lengths(found))
    assert "wrong answers, sequence_mean: 50.0 to 50.0" in text and "right answers, fixed_length: 35.0 to 35.0" in text
    assert sum(name.startswith("lengths-") for name in EXPERIMENTS) == 9


# ---- KL --------------------------------------------------------------------------------------------------------------


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
    assert recorded_logs(tmp_path, KL_REWARD) == {}
    for name, kl in (("group-std", 0.03), ("no-std", 0.05)):
        (tmp_path / f"kl-reward-{name}-seed-0").mkdir()
        for step in range(1, 21):
            row = {"step": step, "reward": 0.8, "dead_groups": 0.25 if step < 16 else 0.75, "kl_k1": kl}
            append_metrics(tmp_path / f"kl-reward-{name}-seed-0", row)
    figure = figure_kl_reward(recorded_logs(tmp_path, KL_REWARD))
    assert [len(ax.lines) for ax in figure.axes] == [4, 4, 4]  # two runs, and a stroke from each to its name
    for told in ("nats per token, no std: 0.050", "groups dead, group's std: 0.50", "share right, no std: 0.80"):
        assert told in description(figure)  # five rows of 0.25 and five of 0.75
    heights = sorted(text.get_position()[1] for text in figure.axes[0].texts)
    low, high = figure.axes[0].get_ylim()
    assert heights[1] - heights[0] > 0.05 * (high - low)  # two lines that end at one height: their names do not collide


# ---- widgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["micro_batches", "kl_group", "credit"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(getattr(play, name))
    controls = panel.children[0].children
    if name == "micro_batches":  # of its four sliders of lengths one will do; the size is in the tests above
        panel.children[0].children = (controls[0], controls[2], controls[3])
    elif name == "credit":
        panel.children[0].children = controls[:2]
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children) / 2


# ---- solutions written differently, and wrong ones that are on no list -------------------------------------------------


def loop_token_mean(token_loss, mask, *, num_tokens=None):
    kept = [token_loss[i, j] for i in range(len(mask)) for j in range(mask.shape[1]) if mask[i, j]]
    return sum(kept, 0 * token_loss.sum()) / (len(kept) if num_tokens is None else num_tokens)


def float32_sequence_mean(token_loss, mask, *, num_sequences=None):
    m = mask.float()
    means = (token_loss.float() * m).sum(1) / torch.clamp(m.sum(1), min=1)
    return means.sum() / (num_sequences or (m.sum(1) > 0).sum())


def share_token_mean(token_loss, mask, *, num_tokens=None):  # verl's form: a mean, times the share of the tokens
    mean = (token_loss * mask).sum() / mask.sum().clamp(min=1)
    return mean if num_tokens is None else mean * mask.sum() / num_tokens


def loop_fixed_length(token_loss, mask, *, max_length, num_sequences=None):
    rows = [torch.where(keep, row, 0.0).sum() / max_length for row, keep in zip(token_loss, mask, strict=True)]
    return sum(rows) / (num_sequences or len(rows))


def loop_token_rewards(rewards, mask, *, kl, kl_coef):
    out = -kl_coef * kl * mask
    for row, keep in enumerate(mask):
        if keep.any():
            out[row, keep.nonzero()[-1, 0]] += rewards[row]
    return out


def einsum_penalised(rewards, kl, mask, *, kl_coef):
    return rewards - kl_coef * torch.einsum("bt,bt->b", kl, mask.double())


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("token_mean", loop_token_mean),
        ("token_mean", share_token_mean),
        ("sequence_mean", float32_sequence_mean),
        ("fixed_length", loop_fixed_length),
        ("token_rewards", loop_token_rewards),
        ("kl_penalised_rewards", einsum_penalised),
    ],
)
def test_a_right_solution_passes_however_it_is_written(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).passed, judge(name, solution, seed).message


def sampled_places(rewards, mask, *, kl, kl_coef):  # finds the last token by the reward's own row, wrong with holes
    out = -kl_coef * kl * mask
    ends = mask.int().argmax(1) + mask.sum(1) - 1
    out[torch.arange(len(mask)), ends.clamp_min(0)] += rewards * mask.any(1)
    return out


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("token_mean", lambda x, m, *, num_tokens=None: torch.where(m, x, 0.0).mean()),
        ("token_mean", lambda x, m, *, num_tokens=None: torch.where(m, x, 0.0).sum() / (num_tokens or 1e3)),
        ("sequence_mean", lambda x, m, *, num_sequences=None: (x * m).sum() / m.sum() / (num_sequences or 1)),
        ("fixed_length", lambda x, m, *, max_length, num_sequences=None: (x * m).sum() / max_length / m.any(0).sum()),
        ("kl_penalised_rewards", lambda r, k, m, *, kl_coef: r * (1 - kl_coef * (k * m).sum(1))),
        ("kl_penalised_rewards", lambda r, k, m, *, kl_coef: r - kl_coef * (k * m)[:, -1]),
        ("token_rewards", sampled_places),
        (
            "token_rewards",
            lambda r, m, *, kl, kl_coef: m * (r[:, None] / m.sum(1, keepdim=True).clamp_min(1) - kl_coef * kl),
        ),
    ],
)
def test_a_wrong_solution_that_is_on_no_list_is_refused(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).status in ("wrong", "mistake")


def test_a_gradient_through_the_reward_is_remarked_upon():
    def attached(rewards, kl, mask, *, kl_coef):
        return rewards - kl_coef * torch.where(mask, kl, 0.0).sum(dim=1)

    def detached(rewards, kl, mask, *, kl_coef):
        return attached(rewards, kl.detach(), mask, kl_coef=kl_coef)

    assert "gradient would flow" in judge("kl_penalised_rewards", attached).message
    assert "gradient would flow" not in judge("kl_penalised_rewards", detached).message
    assert judge("kl_penalised_rewards", attached).passed


# ---- the recorded runs -----------------------------------------------------------------------------------------------


def test_what_the_recorded_lengths_show():
    found = recorded_logs(RUNS, LENGTHS)

    assert all(len(logs) == 3 for logs in found.values())

    def length(strategy, whose, steps, seed):
        return mean_at([found[strategy][seed]], f"length_{whose}", steps)

    early, later = slice(10), slice(10, None)
    for seed in range(3):
        for strategy in STRATEGIES:
            assert length(strategy, "wrong", slice(1), seed) < 27 and length(strategy, "wrong", later, seed) > 40
        others = [length(s, "wrong", early, seed) for s in ("token_mean", "fixed_length")]
        assert abs(others[0] - others[1]) < 1 and length("sequence_mean", "wrong", early, seed) - max(others) > 2
    at_last = [mean_at(found[s], "length_wrong", later) for s in STRATEGIES]
    assert max(at_last) - min(at_last) < 1.5
    right = [[length(s, "right", later, seed) for seed in range(3)] for s in STRATEGIES]
    between_seeds = min(max(of_one) - min(of_one) for of_one in right)
    means = [sum(of_one) / 3 for of_one in right]
    assert max(means) - min(means) < between_seeds


def mean_of_ten(log, name, start):
    return mean_at([log], name, slice(start, start + 10))


def test_a_small_coefficient_brakes_only_through_the_groups_std():
    found = recorded_logs(RUNS, KL_REWARD)
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
