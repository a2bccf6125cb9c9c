"""The numbers in the figures and the prose of the lesson on aggregation."""

from pathlib import Path

import pytest
import torch

from reference import play
from reference.lessons import BUGS, EXPERIMENTS
from reference.lessons.aggregation.experiments import LENGTHS
from reference.lessons.aggregation.figures import (
    figure_length_push,
    figure_lengths,
    figure_split,
    length_push,
    rambler,
    smooth,
    split_weights,
)
from reference.lessons.aggregation.processes import ddp_weights, process_loss, simulated
from reference.lessons.masking.figures import STRATEGIES, token_weights
from reference.objectives import aggregate, reinforce_loss
from reference.runs.folder import append_metrics
from reference.runs.recorded_runs import mean_at, recorded_logs
from reference.teaching.show import description

RUNS = Path(__file__).parents[3] / "figures" / "runs"


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
    assert "The weights are right" in description(figure_split([2, 8], rows=1, own=False))


# ---- processes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_the_factor_makes_the_mean_over_processes_the_gradient_of_the_whole_batch(strategy, world_size, rows):
    for lengths in ([2, 8, 3, 7], [2, 0, 5, 1]):
        got = ddp_weights(process_loss, lengths, strategy=strategy, world_size=world_size, rows=rows)
        torch.testing.assert_close(got, token_weights(lengths, strategy=strategy, max_length=10))


def test_a_factor_that_is_missing_shows_on_several_processes_only():
    (no_factor,) = [bug.wrong for bug in BUGS if bug.breaks == "process_loss" and bug.name == "factor forgotten"]
    whole = token_weights([2, 8, 3, 7], strategy="token_mean", max_length=10)
    for world_size in (1, 4):
        got = ddp_weights(no_factor, [2, 8, 3, 7], strategy="token_mean", world_size=world_size, rows=1)
        torch.testing.assert_close(got, whole / world_size)
    assert "another gradient" in simulated(no_factor) and "Four processes" in simulated(process_loss)


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
    assert recorded_logs(LENGTHS, folder=tmp_path) == {}
    for strategy, wrong in zip(STRATEGIES, (50.0, 40.0, 30.0), strict=True):
        run = tmp_path / f"lengths-{strategy}-seed-0"
        run.mkdir()
        for step in range(1, 31):
            row = {"step": step, "length_right": 35.0, "length_wrong": wrong}
            append_metrics(run, row if step % 7 else {k: v for k, v in row.items() if k != "length_wrong"})
    found = recorded_logs(LENGTHS, folder=tmp_path)
    assert list(found) == list(STRATEGIES) and mean_at(found["token_mean"], "length_wrong", slice(-20, None)) == 40
    text = description(figure_lengths(found))
    assert "wrong answers, sequence_mean: 50.0 to 50.0" in text and "right answers, fixed_length: 35.0 to 35.0" in text
    assert sum(name.startswith("lengths-") for name in EXPERIMENTS) == 9
    assert [text.get_text() for ax in figure_lengths(found).axes for text in ax.texts] == [
        "steps 1 to 10:\nsequence_mean +0.0 tokens",
        "steps 1 to 10:\nsequence_mean +10.0 tokens",
    ]


def test_what_the_runs_say_of_a_step_is_kept_together():
    logs = [[{"step": 1, "x": 2.0}, {"step": 2, "x": 4.0}, {"step": 3}], [{"step": 2, "x": 6.0}, {"step": 3, "x": 8.0}]]
    assert smooth(logs, "x", 1, 30) == ([2], [(4.0, 6.0)])


# ---- widgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_control_redraws_over_its_whole_range(panel_of, pictures_at_the_ends):
    panel = panel_of(play.micro_batches)
    controls = panel.children[0].children  # of its four sliders of lengths one will do; the size is in the tests above
    panel.children[0].children = (controls[0], controls[2], controls[3])
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children) / 2


# ---- the recorded runs -----------------------------------------------------------------------------------------------


def test_what_the_recorded_lengths_show():
    found = recorded_logs(LENGTHS, folder=RUNS)

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
