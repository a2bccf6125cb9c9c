"""The game and what it prints, on two made runs."""

import json

import pytest

from reference.faults import FAULTS
from reference.lessons.debug_lab import game as module
from reference.lessons.debug_lab.game import debug_game, rounds_of, verdict
from reference.lessons.debug_lab.game_panel import build
from reference.lessons.debug_lab.recorded import recorded_faults, six_of
from reference.lessons.debug_lab.telling import scalar_rows
from reference.objectives.shapes import InputError


def write_run(folder, name, **last):
    """A run of four steps whose scalars go from 0.1 to 0.4, or to what is given."""
    run = folder / name
    run.mkdir()
    names = ("reward", "reward_std", "approx_kl", "clip_frac", "entropy", "grad_norm")
    rows = [{"step": step} | {n: last.get(n, 0.4) * step / 4 for n in names} for step in (1, 2, 3, 4)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def folder(tmp_path):
    for name in ("healthy-grpo", "bug-lr_too_high", "bug-weights_frozen", "bug-mask_off_by_one"):
        write_run(tmp_path, f"{name}-seed-0")
    return tmp_path


def test_rounds_are_drawn_from_what_is_recorded_and_none_twice(folder):
    assert recorded_faults(folder=folder) == ["lr_too_high", "mask_off_by_one", "weights_frozen"]
    rounds = rounds_of(0, folder=folder)
    assert sorted(one.answer for one in rounds) == ["healthy", "lr_too_high", "mask_off_by_one", "weights_frozen"]
    for one in rounds:
        assert one.answer in one.choices and "healthy" in one.choices and len(set(one.choices)) == 4
        assert one.choices == tuple(sorted(one.choices))  # so their order says nothing
    assert rounds_of(1, folder=folder) != rounds == rounds_of(0, folder=folder)


def test_a_whole_game(folder, capsys):
    game = debug_game(0, folder=folder)
    game.show()
    assert capsys.readouterr().out.startswith("Round 1 of 4: a run of grpo. Each second line is healthy.")
    game.guess("nothing")
    assert "'nothing' is not among the names of this round: healthy, lr_too_high" in capsys.readouterr().out
    answers = [one.answer for one in game.rounds]
    for answer in answers[:3]:
        game.guess(answer)
        assert capsys.readouterr().out.startswith("Right. ")
    game.guess(wrong := next(name for name in game.round.choices if name not in (answers[3], "healthy")))
    told = capsys.readouterr().out
    assert told.startswith(f"No, it is {answers[3]}.") and wrong in told
    assert "3 of 4 found. The game is over. Missed: " + answers[3] in told
    for more in (game.show, game.batch, lambda: game.guess("healthy")):
        more()
        assert capsys.readouterr().out.startswith("3 of 4 found.")


def test_a_healthy_run_is_not_shown_beside_itself(tmp_path):
    for seed in (0, 3):
        write_run(tmp_path, f"healthy-grpo-seed-{seed}", reward=0.1 + seed)
    for number in range(3):
        one = module.Round("healthy", "grpo", ("healthy",), number)
        assert one.rows(folder=tmp_path) != one.healthy(folder=tmp_path)


def test_a_verdict_says_what_both_faults_do_and_where_to_go_back_to():
    said = verdict("lr_too_high", "weights_frozen")
    fault, other = FAULTS["lr_too_high"], FAULTS["weights_frozen"]
    assert fault.mistake in said and fault.symptom in said and other.symptom in said and "notebook 04" in said
    assert verdict("healthy", "healthy") == "Right. Nothing is wrong with this run."


def test_the_first_step_and_the_quarters_stand_beside_a_healthy_run():
    rows = [{"step": s, "reward": 0.1 * s} for s in (1, 2, 3, 4)]
    found = scalar_rows(rows, [{"step": 1, "entropy": 0.5}])
    assert found["reward"] == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.4]) and found["  reward, healthy"] == ["-"] * 5
    assert list(found) == ["reward", "  reward, healthy"]
    long = [{"step": s, "reward": float(s)} for s in range(1, 9)]
    assert six_of(long)["reward"].tolist() == [1.5, 3.5, 5.5, 7.5]


def test_without_recorded_faults_it_says_so(tmp_path):
    with pytest.raises(InputError, match="no run with a fault is recorded"):
        debug_game(folder=tmp_path)


@pytest.mark.slow
def test_the_panel_plays_a_round_with_its_buttons(folder, monkeypatch):
    monkeypatch.setattr(module.Game, "batch_page", lambda game: "row 1 <end>")
    game = debug_game(0, folder=folder)
    page, controls, told, batch, news, _ = build(game).children
    names, guess, look = controls.children
    assert "Round 1 of 4" in page.value and page.value.startswith("<img") and "alt=" in page.value
    assert names.description and list(names.options) == list(game.round.choices) and guess.description == "guess"
    look.click()
    assert "row 1 &lt;end&gt;" in batch.value and news.value == "The batch is shown below the buttons."
    guess.click()
    assert told.value == "Choose a name first." and guess.description == "guess"
    names.value = game.round.answer
    guess.click()
    assert told.value.startswith("Right.") and guess.description == "next round" and look.disabled
    guess.click()  # it keeps the focus of the keyboard: it is never switched off
    assert "Round 2 of 4" in page.value and news.value.startswith("Round 2 of 4") and told.value == batch.value == ""
    for _ in range(3):
        names.value = "healthy"
        guess.click()
        guess.click()
    assert "The game is over" in page.value and "The game is over" in news.value and names.disabled
    guess.click()
    assert len(game.guesses) == 4 and not guess.disabled
