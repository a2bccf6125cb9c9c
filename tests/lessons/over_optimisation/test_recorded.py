"""How curves, peaks and stops come out of a log, by hand; Gao et al.'s forms; and what the recorded runs say."""

import json
import math

import pytest

from reference.evaluation.by_length import Bucket
from reference.lessons.evaluation.recorded import lines_of, path_of
from reference.lessons.over_optimisation import recorded
from reference.lessons.over_optimisation.diversity import diversity_table, held_out
from reference.lessons.over_optimisation.experiments import (
    BEST_OF_N,
    COMPLETIONS,
    EXPERIMENTS,
    GROUPS,
    ONE_SEED,
    STEER,
    TERMS,
)
from reference.lessons.over_optimisation.fits import Fit, fit
from reference.lessons.over_optimisation.recorded import (
    CHOSEN,
    Curve,
    at_kl,
    best_of_n_of,
    buckets_of,
    curve_of_log,
    curves_of,
    early_stop,
    mean_curve,
    mean_rows,
    peak,
    point,
    stopped,
)
from reference.lessons.over_optimisation.steering import (
    NO_TERM,
    STOPPED,
    differences,
    equal_kl_table,
    spread,
    steered_curves,
    steering_rows,
    steering_table,
)
from reference.objectives.shapes import InputError
from reference.runs import recorded_runs
from reference.runs.best_of_n import BestOfN
from reference.runs.folder import append_metrics, write_options
from reference.runs.recorded_runs import OVER_OPTIMISED, RUNS, SEEDS

GOLD = [0.4, 0.6, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]


BUCKET = {"least": None, "below": 6, "pairs": 4, "share": 0.5, "low": 0.2, "high": 0.8}


def log(gold=GOLD, *, kl=0.1, proxy=1.0):
    """Steps whose KL per token rises by ``kl`` and whose proxy rises by ``proxy``; completions of 10 tokens."""
    return [
        {
            "step": i + 1, "reward": g, "proxy": 3.0 + proxy * i, "kl_k1": kl * i, "length": 10.0, "truncated": 0.5,
            "entropy": 0.2, "length_right": 8.0, "length_wrong": 12.0,
        }
        for i, g in enumerate(gold)
    ]  # fmt: skip


def record_run(folder, name, rows, *, reward="{proxy-4096-seed-0}", right=0.25):
    run = folder / name
    run.mkdir(parents=True)
    write_options(run, {"recipe": "grpo", "reward": reward})
    measured = {"sampled": right, "greedy": 0.5, "pass_at_k": 0.5, "problems": 200, "samples": 8}
    (run / "accuracy.json").write_text(json.dumps(dict.fromkeys(("before", "after"), measured)))
    for row in rows:
        append_metrics(run, row)


def test_a_log_becomes_running_means_of_nats_per_completion():
    """KL per completion: 0, 1, 2, 3, ... nats. With a window of 2 the means are 0, 0.5, 1.5, ..."""
    curve = curve_of_log(log(), window=2)
    assert curve.kl[:3] == pytest.approx([0.0, 0.5, 1.5]) and curve.gold[:3] == pytest.approx([0.4, 0.5, 0.7])
    assert curve.proxy[:3] == pytest.approx([0.0, 0.5, 1.5])
    assert curve_of_log(log(), base=2.0, window=2).proxy[0] == pytest.approx(1.0)
    assert set(curve.length) == {10.0} and set(curve.truncated) == {0.5}


def test_a_kl_that_is_negative_by_chance_counts_as_zero():
    assert curve_of_log(log(kl=-0.1), window=1).kl == [0.0] * len(GOLD)


def test_a_log_of_another_kind_is_refused():
    rows = [{"step": 1, "reward": 0.5, "length": 10.0, "truncated": 0.0}]
    with pytest.raises(
        InputError, match="the log has no proxy and no kl_k1: read a run that was trained with --reward"
    ):
        curve_of_log(rows)


def test_peak_and_the_place_of_a_kl():
    curve = curve_of_log(log(), window=1)
    assert peak(curve, window=1) == point(curve, 2) and peak(curve, window=1).step == 3
    assert at_kl(curve, 2.5).step == 4 and at_kl(curve, 2.5).gold == 0.6
    assert at_kl(curve, 7.1) is None
    assert point(curve, -1).step == len(GOLD)


def test_the_peak_is_no_mean_of_fewer_steps():
    """The first step is the largest, but it is one step alone."""
    curve = curve_of_log(log([0.9, 0.1, 0.3, 0.5, 0.1]), window=2)
    assert curve.gold[0] == 0.9 and peak(curve, window=2).step == 2
    assert peak(curve_of_log(log([0.9, 0.1, 0.5, 0.7, 0.1]), window=2), window=2).step == 4


def test_early_stopping_by_hand():
    """The running mean of two is 0.4 0.5 0.7 0.7 0.5 ...: best at step 3; with patience 2 it stops after step 5."""
    assert early_stop(GOLD, patience=2, window=2) == 5
    assert early_stop(GOLD, patience=1, window=2) == 4
    assert early_stop([0.1, 0.2, 0.3, 0.4], patience=1, window=1) is None
    with pytest.raises(InputError, match="patience is 0 and window 2, expected at least 1"):
        early_stop(GOLD, patience=0, window=2)


def test_what_is_kept_is_read_from_fresh_samples():
    """Stopped after step 5, read from steps 6 and 7: gold (0.2 + 0.0) / 2, and not the 0.7 that decided."""
    kept = stopped(log(), patience=2, window=2)
    assert kept.step == 5 and kept.gold == pytest.approx(0.1) and kept.kl == pytest.approx(5.5)
    assert stopped(log(GOLD[:6]), patience=2, window=2) is None  # one step is left, and two are needed


def test_the_mean_over_seeds_has_the_steps_that_all_have():
    a, b = (Curve(*([x] * n for _ in range(5))) for x, n in ((1.0, 3), (3.0, 2)))
    assert mean_curve({0: a, 1: b}) == Curve(*([2.0, 2.0] for _ in range(5)))


def rows_of_best(origin, gold):
    return [
        BestOfN(n, kl, kl, origin + p, g, 30.0)
        for n, kl, p, g in zip((1, 2), (0.0, 0.2), (0.0, 0.5), gold, strict=True)
    ]


def test_the_mean_of_best_of_n_counts_the_proxy_from_one_sample():
    mean = mean_rows({0: rows_of_best(-1.0, (0.4, 0.6)), 2: rows_of_best(5.0, (0.5, 0.7))})
    assert [row.proxy for row in mean] == pytest.approx([0.0, 0.5])
    assert [row.gold for row in mean] == pytest.approx([0.45, 0.65]) and [row.n for row in mean] == [1, 2]


def test_runs_are_read_with_the_seeds_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "CHOSEN", tmp_path / "best_of_n")
    record_run(tmp_path / "runs", "climb-4096-seed-1", log())
    found = curves_of("climb-4096", folder=tmp_path / "runs")
    assert list(found) == [1] and found[1].proxy[0] == 0.0
    with pytest.raises(InputError, match="the recorded runs are not at"):
        curves_of("climb-4096", folder=tmp_path / "nowhere")


def test_the_origin_of_the_proxy_is_best_of_one_where_that_is_recorded(tmp_path, monkeypatch):
    """The base model earns 2.0 from this reward model, and the first step 3.0: a gain of 1.0 by chance of its problems."""
    folder = tmp_path / "best_of_n"
    folder.mkdir()
    rows = [row._asdict() for row in rows_of_best(2.0, (0.4, 0.6))]
    (folder / "best-of-n-4096-seed-0.json").write_text(json.dumps({"rows": rows, "by_length": [BUCKET]}))
    monkeypatch.setattr(recorded, "CHOSEN", folder)
    record_run(tmp_path / "runs", "climb-4096-seed-0", log())
    assert curves_of("climb-4096", folder=tmp_path / "runs")[0].proxy[0] == 1.0
    assert list(best_of_n_of(4096, folder=folder)) == [0] and best_of_n_of(512, folder=folder) == {}
    assert buckets_of(4096, folder=folder) == {0: [Bucket(**BUCKET)]}


@pytest.mark.parametrize(
    ("form", "kl", "gold"),
    [
        ("best of n", [0.0, 1.0, 4.0, 9.0], [0.5 + d * (0.3 - 0.1 * d) for d in (0, 1, 2, 3)]),
        ("RL", [0.0, 1.0, 4.0, 9.0], [0.5] + [0.5 + d * (0.3 - 0.1 * math.log(d)) for d in (1, 2, 3)]),
    ],
)
def test_a_form_is_found_again(form, kl, gold):
    found = fit(kl, gold, form=form)
    assert (found.start, found.alpha, found.beta) == pytest.approx((0.5, 0.3, 0.1)) and found.error < 1e-9
    assert [found(x**0.5) for x in kl] == pytest.approx(gold)
    top = found.peak  # no distance nearby has more gold
    assert found(top) > found(0.99 * top) and found(top) > found(1.01 * top)


def test_peaks_by_hand():
    """Best of n: alpha / 2 beta. RL: where alpha - beta (1 + log d) is 0."""
    assert Fit("best of n", 0.5, 0.4, 0.1, 0.0).peak == 2.0
    assert Fit("RL", 0.5, 0.1, 0.1, 0.0).peak == 1.0
    assert Fit("RL", 0.5, 0.1, 0.0, 0.0).peak is None and Fit("best of n", 0.5, -0.1, 0.1, 0.0).peak is None


def test_points_beyond_are_left_out_and_too_few_refused():
    kl, gold = [0.0, 1.0, 4.0, 100.0], [0.5, 0.6, 0.7, -50.0]
    near = fit(kl, gold, form="best of n", up_to=4.0)
    assert near[1:] == pytest.approx(fit(kl[:3], gold[:3], form="best of n")[1:]) and near(2.0) == pytest.approx(0.7)
    with pytest.raises(InputError, match="a fit needs at least 3 different distances, none below 0"):
        fit([0.0, 1.0, 1.0], [0.1, 0.2, 0.3], form="RL")
    with pytest.raises(InputError, match="form is 'square': use 'best of n' or 'RL'"):
        fit(kl, gold, form="square")


@pytest.fixture
def steered(tmp_path, monkeypatch):
    """Two seeds without a term, one seed with an SFT mix that keeps gold at 0.6."""
    monkeypatch.setattr(recorded, "CHOSEN", tmp_path / "none")
    for seed in (0, 1):
        record_run(tmp_path, f"climb-4096-seed-{seed}", log([*GOLD, *[0.0] * 12]))
    record_run(tmp_path, "steer-sft-0.3-seed-0", log([0.6] * 20, proxy=0.5), right=0.75)
    return tmp_path


def test_the_rows_of_the_tables(steered, capsys):
    """The KL of the running mean of five is i - 2 nats at the step i + 1: 3 nats at the step 6."""
    rows = steering_rows(nats=3.0, folder=steered)
    assert list(rows) == [NO_TERM, STOPPED, "SFT mix 0.3"]
    mix, plain = rows["SFT mix 0.3"], rows[NO_TERM]
    assert mix.seeds == [0] and plain.seeds == [0, 1] and mix.held_out == [0.75]
    assert [at.step for at in plain.reached] == [6, 6] and mix.reached[0].gold == pytest.approx(0.6)
    assert plain.reached[0].gold == pytest.approx((0.6 + 0.8 + 0.6 + 0.4 + 0.2) / 5)
    assert differences(mix, plain, "gold") == pytest.approx([0.6 - 0.52])
    assert differences(mix, plain, "proxy") == pytest.approx([-1.5])  # 0.5 less for each of three steps
    steering_table(rows)
    equal_kl_table(rows)
    printed = capsys.readouterr().out
    assert "only 0" in printed and "0.75" in printed and "+0.08" in printed and "1 of 1" in printed
    assert printed.count(STOPPED) == 1  # it has no equal KL


def test_a_kl_that_no_run_reaches_has_no_numbers(steered, capsys):
    rows = steering_rows(["sft-0.3"], nats=100.0, folder=steered)
    equal_kl_table(rows)
    assert "0 of 1" in capsys.readouterr().out and differences(rows["SFT mix 0.3"], rows[NO_TERM], "gold") == []


def test_the_mean_and_the_range_of_a_number():
    assert spread([0.5, 0.6], ".2f") == "0.55 (0.50..0.60)"
    assert spread([0.5], ".2f") == "0.50" and spread([], ".2f") == "-"


def test_what_is_recorded_is_grouped(steered):
    assert {group: list(kinds) for group, kinds in steered_curves(folder=steered).items()} == {"SFT mix": ["0.3"]}
    assert set(GROUPS["SFT mix"].values()) == set(TERMS["SFT mix"].values())
    assert {name for kinds in GROUPS.values() for name in kinds.values()} == STEER.keys()


def test_every_steered_run_differs_from_the_one_without_a_term_in_its_term():
    """Its reward model, learning rate and steps are the same, and so is its seed."""
    for name, (_, options) in STEER.items():
        for seed in SEEDS[: 1 if name in ONE_SEED else None]:
            steered = EXPERIMENTS[f"steer-{name}-seed-{seed}"].replace(options, "").replace("--eval-problems 200 ", "")
            plain = OVER_OPTIMISED[f"climb-4096-seed-{seed}"].replace("--kl-place measure ", "")
            if name.startswith("ensemble"):
                plain = plain.replace(
                    f"{{proxy-4096-seed-{seed}}}", " ".join(f"{{proxy-4096-seed-{s}}}" for s in SEEDS)
                )
            assert steered.split() == plain.split()
    for seed in SEEDS:
        plain = OVER_OPTIMISED[f"climb-4096-seed-{seed}"]
        assert EXPERIMENTS[f"peak-4096-seed-{seed}"] == plain.replace("--steps 60", "--steps 12")
    known = {*EXPERIMENTS, *recorded_runs.EXPERIMENTS, "base"}
    assert all(command.split()[0].strip("{}") in known for command in (COMPLETIONS | BEST_OF_N).values())


def test_gold_rises_and_falls_in_every_recorded_run():
    """The peak of every run lies above its first five steps, and its end far below them; the proxy ends above the peak's."""
    for name in ("climb-4096", "climb-512"):
        runs = curves_of(name)
        assert list(runs) == list(SEEDS)
        for curve in runs.values():
            start, top, end = point(curve, 4), peak(curve), point(curve, -1)
            assert top.gold > start.gold + 0.05 and end.gold < start.gold - 0.15
            assert end.proxy > top.proxy + 0.2 and top.kl < 1 < 8 < end.kl


def test_one_sample_and_the_best_of_eight(tmp_path, capsys):
    """Of two seeds the shares 0.5 and 0.75 have the mean 0.625; the base model is named once."""
    assert held_out(folder=tmp_path) == {}
    for seed, right in ((0, 0.5), (2, 0.75)):
        record_run(tmp_path, f"peak-4096-seed-{seed}", log(), right=right)
    found = held_out(folder=tmp_path)
    assert {when: len(those) for when, those in found.items()} == {"before": 1, "at the peak": 2}
    diversity_table(found)
    printed = capsys.readouterr().out
    assert "pass@8" in printed and "0.625 (0.500..0.750)" in printed


def test_what_the_recorded_runs_lose_on_held_out_problems():
    """After the climb both one sample and the best of eight are worse than before, in every run."""
    found = held_out()
    assert len(found["after"]) == len(SEEDS)
    for name in ("sampled", "pass_at_k", "greedy"):
        assert max(run[name] for run in found["after"]) < found["before"][0][name]


def test_everything_is_recorded():
    assert [name for name in EXPERIMENTS if not (RUNS / name / "accuracy.json").is_file()] == []
    assert [name for name in COMPLETIONS if not path_of(name).is_file()] == []
    assert [name for name in BEST_OF_N if not (CHOSEN / f"{name}.json").is_file()] == []


@pytest.mark.parametrize("name", BEST_OF_N)
def test_a_recorded_choice_is_what_its_command_makes(name):
    reward, _, problems = BEST_OF_N[name].split()
    found = json.loads((CHOSEN / f"{name}.json").read_text())
    assert (found["reward"], found["model"], found["problems"]) == (reward.strip("{}"), "base", int(problems))
    assert (found["samples"], found["seed"]) == (128, 12345)
    assert found["rows"][0]["gold"] == pytest.approx(0.4795, abs=1e-4)  # of one sample: the same samples in every file


@pytest.mark.parametrize("name", COMPLETIONS)
def test_recorded_texts_are_what_their_command_makes(name):
    lines = lines_of(name)
    protocol = lines[0]["protocol"]
    assert len(lines) == 200 and protocol["model"] == COMPLETIONS[name].split()[0].strip("{}")
    assert (protocol["against"], protocol["samples"], protocol["temperature"]) == ("base", 8, 1.0)


def test_what_the_lesson_says_of_each_term():
    """Seed by seed, and with room: at 1 nat, at the end, and on held-out problems."""
    rows = steering_rows()
    plain = rows[NO_TERM]
    gained = {words: differences(row, plain, "gold") for words, row in rows.items()}
    assert max(map(abs, gained["KL in the loss 0.5"])) < 0.03 and max(map(abs, gained["entropy 0.01"])) < 0.04
    assert all(0.02 < gain < 0.07 for gain in gained["KL in the reward 0.1"])
    assert min(gained["SFT mix 0.3"]) > 0.1 and min(gained["three terms together"]) > 0.1
    assert min(rows["three terms together"].held_out) > 0.6 > 0.51 > max(rows["KL in the loss 0.5"].held_out)
    assert max(plain.held_out) < 0.05 and max(rows["entropy 0.01"].held_out) < 0.05
    for how in ("mean", "worst"):
        assert max(rows[f"{how} of three reward models"].held_out) < 0.2
    assert max(end.length for end in rows["length in the reward 2"].ends) < 40
    assert max(rows["length in the reward 2"].held_out) < 0.2


def test_reward_models_of_the_verifier_are_climbed_without_length():
    for curve in curves_of("climb-verifier").values():
        assert peak(curve).gold > 0.5 and point(curve, -1).gold < 0.25
        assert point(curve, -1).length < 60 and max(curve.truncated) < 0.05
