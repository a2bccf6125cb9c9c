"""The numbers in the pictures of runs, of logs made by hand; the widgets over their range; and the recorded runs."""

import math

import pytest
import torch

from reference.faults import FAULTS
from reference.lessons.debug_lab import widgets
from reference.lessons.debug_lab.figures import figure_beside, figure_up_to, limits, mean_series
from reference.lessons.debug_lab.guard import shifted
from reference.lessons.debug_lab.reading import VERDICTS, read_scalars
from reference.lessons.debug_lab.recorded import SYMPTOMS, at_the_start, in_the_end, log_of, means, verdicts
from reference.runs.recorded_runs import RUNS
from reference.teaching.show import description

UP = [{"step": s, "reward": 0.1 * s, "approx_kl": 0.001} for s in range(1, 9)]
DOWN = [{"step": s, "reward": 0.9 - 0.1 * s, "approx_kl": 0.0} for s in range(1, 9)]


def test_the_mean_over_seeds_is_taken_step_by_step():
    assert mean_series([UP, DOWN], "reward") == pytest.approx([0.45] * 8)
    assert math.isnan(mean_series([UP], "kl_k3")[0])


def test_quarters_leave_out_what_was_not_logged():
    rows = [{"step": s, "x": float(s)} if s != 2 else {"step": s} for s in range(1, 9)]
    assert means(rows, "x").tolist() == [1.0, 3.5, 5.5, 7.5]
    assert means(rows, "y").isnan().all()


def test_figure_beside_says_where_each_kind_begins_and_ends():
    figure = figure_beside(
        {"healthy": [UP, UP], "broken": [DOWN]}, {"reward": "reward", "approx_kl": "approx_kl"}, title="T."
    )
    words = description(figure)
    assert words.startswith(
        "T. From the first three steps to the last three. healthy: reward 0.2 to 0.7, approx_kl 0.001"
    )
    assert "broken: reward 0.7 to 0.2, approx_kl 0 to 0." in words
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "log"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["healthy", "broken"]


def test_figure_up_to_tells_the_values_at_the_step_and_keeps_its_axes():
    early, late = (figure_up_to(UP, DOWN, {"reward": "mean reward"}, step=step, title="run") for step in (2, 8))
    assert description(early) == "run at step 2: reward 0.2, healthy 0.7."
    assert description(late) == "run at step 8: reward 0.8, healthy 0.1."
    assert early.axes[0].get_ylim() == late.axes[0].get_ylim()


def test_an_axis_begins_at_0_unless_something_is_below():
    assert limits([0.2, math.nan, 1.0]) == pytest.approx((0.0, 1.05))
    assert limits([-1.0, 1.0]) == pytest.approx((-1.0, 1.1))


def test_a_shifted_mask_loses_what_leaves_the_row():
    mask = torch.tensor([[False, True, True], [False, False, True]])
    assert shifted(mask, 1).tolist() == [[False, False, True], [False, False, False]]
    assert shifted(mask, -1).tolist() == [[True, True, False], [False, True, False]]


def test_every_cause_of_the_article_s_table_is_a_fault():
    assert {name for causes in SYMPTOMS.values() for name in causes} <= FAULTS.keys()


# --- the recorded runs ---


def test_what_the_lesson_says_of_the_recorded_runs():
    said = verdicts(read_scalars)
    assert {word for words in said.values() for word in words} <= set(VERDICTS)
    for name, word in (("healthy", "learns"), ("weights_frozen", "frozen"), ("verifier_broken", "no signal")):
        assert set(said[name]) == {word}, name
    for name in ("lr_too_high", "mask_off_by_one", "dropout_in_scoring"):
        assert set(said[name]) == {"too far"}, name
    for name in ("temperature_forgotten", "micro_batch_count", "advantages_not_centred", "entropy_sign"):
        assert set(said[name]) == {"learns"}, name


def test_the_identities_that_the_lesson_reads():
    assert at_the_start("healthy", "ratio", "advantage_mean") == pytest.approx([1, 0], abs=1e-5)
    assert at_the_start("advantages_not_centred", "advantage_mean") == at_the_start("advantages_not_centred", "reward")
    assert at_the_start("micro_batch_count", "grad_norm")[0] > 5 * at_the_start("healthy", "grad_norm")[0]
    assert abs(at_the_start("temperature_forgotten", "ratio")[0] - 1) > 1e-3
    assert at_the_start("group_of_two", "dead_groups")[0] > 0.5
    assert in_the_end("tool_result_missing", "made_up")[0] > 0.5 > in_the_end("tool_output_trained", "made_up")[0]


def test_a_run_is_read_by_the_doctor_under_its_own_name():
    log = log_of("lr_too_high")
    assert log.source == "bug-lr_too_high-seed-0" and log.framework == "ours" and str(RUNS) not in log.source


# --- the widgets ---


@pytest.mark.slow
def test_six_scalars_over_its_whole_range(panel_of, pictures_at_the_ends):
    assert len(pictures_at_the_ends(panel_of(widgets.six_scalars))) >= 2 * len(FAULTS)


def test_find_the_fault_shows_its_first_round(shown, monkeypatch, capsys):
    monkeypatch.setattr(widgets, "display", lambda data, raw=False: shown.append(data))
    widgets.find_the_fault(rounds=2)
    assert shown[-1]["text/plain"].startswith("Round 1 of 2: ")
    assert "application/vnd.jupyter.widget-view+json" in shown[-1]
    monkeypatch.setattr(widgets.controls, "STATIC", True)
    widgets.find_the_fault(rounds=2)
    assert capsys.readouterr().out.startswith("Round 1 of 2: ")
