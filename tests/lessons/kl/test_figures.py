"""The numbers in the pictures and widgets of the lesson on the KL, and its recorded runs."""

import itertools
import json

import pytest
import torch

from reference import play
from reference.lessons import EXPERIMENTS
from reference.lessons.kl.experiments import RUNS, WAYS
from reference.lessons.kl.figures import (
    REFERENCE,
    batch_means,
    figure_kl_batches,
    figure_kl_curves,
    figure_kl_follow,
    follow,
    shifted,
    value_and_slope,
)
from reference.lessons.kl.figures import WAYS as WAYS_TO_FOLLOW
from reference.lessons.kl.figures_model import figure_kl_along, figure_kl_runs, figure_two_kls
from reference.runs.recorded_runs import at_the_end, recorded_logs
from reference.teaching import show

# ---- pictures and widgets --------------------------------------------------------------------------------------------


def kl_of(shift):
    logp = shifted(shift)
    return (logp.exp() * (logp - REFERENCE)).sum().item()


@pytest.mark.parametrize("shift", [-4.0, -0.3, 3.0])
@pytest.mark.parametrize("samples", [1, 8])
def test_the_exact_mean_of_a_batch_is_the_kl_for_k1_and_k3(shift, samples):
    for name, (values, chance) in batch_means(shift, samples).items():
        assert chance.sum().item() == pytest.approx(1, abs=1e-5)
        mean = (values * chance).sum().item()
        assert (mean == pytest.approx(kl_of(shift), rel=1e-4)) == (name != "k2")
        assert name == "k1" or values.min() >= 0


def test_near_the_reference_k3_is_ten_times_quieter_and_far_away_ten_times_noisier():
    def std(name, shift):
        values, chance = batch_means(shift, 32)[name]
        mean = (values * chance).sum()
        return (chance * (values - mean) ** 2).sum().sqrt().item()

    assert 9 < std("k1", -0.3) / std("k3", -0.3) < 11
    assert 9 < std("k3", -4.0) / std("k1", -4.0) < 11
    assert shifted(-4.0).exp()[2].item() == pytest.approx(1 / 200, rel=0.1)


def test_the_batches_picture_says_what_it_shows():
    text = show.description(figure_kl_batches(shift=-0.3, samples=32))
    assert "KL 0.0063; k1 mean 0.0063, std 0.0193, negative in 38% of batches" in text
    assert "k3 mean 0.0063, std 0.0020, negative in 0% of batches" in text


def test_the_curves_have_the_slopes_of_the_formulas_and_the_clamp_switches_k3_off():
    d = torch.tensor([-3.0, -1.0, 0.0, 2.0], dtype=torch.float64)
    for name, slope in {"k1": torch.ones_like(d), "k2": d, "k3": 1 - torch.exp(-d)}.items():
        torch.testing.assert_close(value_and_slope(name, d, clamped=False)[1], slope)
    assert value_and_slope("k3", d[:1], clamped=True) == (10.0, 0.0)
    figure = figure_kl_curves(log_ratio=-3, clamped=True)
    assert "k3: value 10.00, slope 0.00" in show.description(figure) and len(figure.axes) == 2


def test_following_k1_in_the_loss_goes_nowhere_and_k3_in_the_reward_goes_uphill():
    ends = {way: follow(way, samples=0) for way in ("k1 in the loss", "k2 in the loss", "k3 in the loss")}
    assert max(ends["k1 in the loss"]) - min(ends["k1 in the loss"]) < 1e-12
    assert ends["k2 in the loss"][-1] < 1e-3 and ends["k3 in the loss"][-1] < 1e-3
    assert follow("k1 in the reward", samples=0) == pytest.approx(ends["k2 in the loss"])  # of one token: the same
    uphill = follow("k3 in the reward", samples=0)
    assert uphill == sorted(uphill) and uphill[-1] > 3 * uphill[0]


@pytest.mark.parametrize("samples", [0, 4, 8])
def test_the_follow_picture_names_every_way_once_inside_the_frame_and_without_overlap(samples):
    ax = figure_kl_follow(samples=samples).axes[0]
    assert sorted(text.get_text().strip() for text in ax.texts) == sorted(WAYS_TO_FOLLOW)
    low, high = ax.get_ylim()
    places = sorted(text.xy[1] for text in ax.texts)
    assert low < places[0] and places[-1] < high
    assert all(b - a > 0.09 * (high - low) for a, b in itertools.pairwise(places))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kl_batches", "kl_curves"])
def test_every_control_redraws_over_its_whole_range(name, panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: getattr(play, name)())
    assert len(pictures_at_the_ends(panel)) >= 4


@pytest.mark.slow
def test_the_follow_widget_redraws_for_samples_and_seeds(panel_of):
    panel = panel_of(lambda: play.kl_follow())
    samples, seed = panel.children[0].children
    seen = {panel.children[1].value}
    for drawn, number in ((8, 0), (8, 9), (64, 9)):
        samples.value, seed.value = drawn, number
        seen.add(panel.children[1].value)
    assert len(seen) == 4


def test_a_completion_is_drawn_with_a_bar_and_a_point_per_token():
    figure = figure_kl_along(["a", "b", "c"], [0.5, -0.25, 0.0], [0.1, 0.2, 0.3], title="t")
    ax = figure.axes[0]
    assert [bar.get_height() for bar in ax.patches] == [0.5, -0.25, 0.0]
    assert list(ax.lines[0].get_ydata()) == [0.1, 0.2, 0.3]
    assert "1 of 3 below 0, sum 0.25" in show.description(figure) and "sum 0.60" in show.description(figure)


def test_the_two_kls_stand_side_by_side():
    rows = [{"step": i, "approx_kl": 0.001, "kl_k1": 0.01 * i} for i in (1, 2, 3)]
    figure = figure_two_kls(rows)
    assert [bar.get_height() for bar in figure.axes[1].patches] == pytest.approx([0.01, 0.02, 0.03])
    assert "last 0.03000" in show.description(figure)


# ---- recorded runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for way, kl in (("none", 0.04), ("k2-in-loss", 0.02)):
        run = tmp_path / f"kl-{way}-seed-1"
        run.mkdir()
        rows = [{"step": s, "kl_k1": kl * s / 30, "reward": 0.5} for s in range(1, 31)]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_recorded_runs_are_read_by_way_and_drawn_with_their_ends(folder):
    ways = recorded_logs(RUNS, folder=folder)
    assert list(ways) == ["none", "k2-in-loss"]
    assert at_the_end(ways["none"][0], "kl_k1", last=2) == pytest.approx(0.04 * 59 / 60)
    figure = figure_kl_runs(ways)
    for ax in figure.axes:  # both panels name their lines, and end their ticks with the data
        assert sorted(text.get_text().strip() for text in ax.texts) == ["k2 in the loss", "no KL term"]
        assert max(ax.get_xticks()) == 30
    assert "no KL term: KL 0.0273, reward 0.50" in show.description(figure)


def test_the_recorded_runs_end_as_the_lesson_says():
    ways = recorded_logs(RUNS)
    assert list(ways) == list(WAYS)
    assert all(len(runs) == 3 for runs in ways.values())
    kl, reward, length, norm = (
        {way: [at_the_end(run, name, last=20) for run in runs] for way, runs in ways.items()}
        for name in ("kl_k1", "reward", "length", "grad_norm")
    )
    mean = {way: sum(values) / 3 for way, values in kl.items()}
    assert mean["none"] < mean["k1-in-loss"] < 1.4 * mean["none"] and min(kl["k1-in-loss"]) > min(kl["none"])
    assert max(reward["k1-in-loss"]) < min(reward["none"])
    assert mean["k1-in-reward"] == pytest.approx(mean["k2-in-loss"], rel=0.1)
    for held in ("k2-in-loss", "k1-in-reward"):
        assert max(kl["k3-in-loss"]) < min(kl[held]) and max(kl[held]) < min(kl["none"]) / 2
        assert max(reward["k3-in-loss"]) < min(reward[held]) and max(reward[held]) < min(reward["k1-in-loss"])
    assert max(reward["k1-in-reward"]) < min(reward["k2-in-loss"])  # at one KL, apart in reward,
    assert max(length["k1-in-reward"]) < min(length["k2-in-loss"])  # shorter,
    assert sum(norm["k1-in-reward"]) == pytest.approx(1.5 * sum(norm["k2-in-loss"]), rel=0.1)  # and noisier


def test_the_experiments_differ_in_the_kl_only():
    for way, options in WAYS.items():
        for seed in (0, 1, 2):
            assert EXPERIMENTS[f"kl-{way}-seed-{seed}"] == f"rloo {options} --steps 60 --seed {seed}"
        words = options.split()
        assert words[::2] == ["--kl", "--kl-place", "--kl-coef"] and float(words[5]) in (0.3, 1e-9)
