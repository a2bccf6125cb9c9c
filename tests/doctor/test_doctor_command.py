"""What the command prints, draws and returns."""

import json

import pytest

from reference.__main__ import main
from reference.doctor.cause import LESSONS
from reference.doctor.diagnose import diagnose
from reference.doctor.figure import figure_doctor
from reference.doctor.logs import read_log
from reference.style import description


def write(path, *, ratio: float = 1.0, steps: int = 12, **others: float) -> str:
    """A metrics.jsonl that learns, with a ratio after the first step."""
    rows = [
        {"step": step, "reward": 0.4 + 0.02 * step, "entropy": 0.2 - 0.01 * step, "grad_norm": 0.3, "approx_kl": 1e-3,
         "ratio": ratio if step > 1 else 1.0} | others
        for step in range(1, steps + 1)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_healthy_run_gets_two_lines_and_exit_code_0(tmp_path, capsys):
    log = write(tmp_path / "metrics.jsonl")
    assert main(["doctor", log]) == 0
    text = capsys.readouterr().out
    first, *rest = text.splitlines()
    assert "reinforcement learning, 12 steps, 1 to 12. Nothing found in reward" in first and "ratio" in first
    assert len(rest) <= 4 and "Not in the log: dead_groups, advantage_mean" in text


def test_a_cause_is_told_with_evidence_advice_and_lesson_and_exit_code_1(tmp_path, capsys):
    log = write(tmp_path / "metrics.jsonl", ratio=1.02)
    assert main(["doctor", log]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "1. The old log-probs are those of an earlier policy than the one that sampled." in text
    assert "1 at step 1 and 1.02 at step 2" in text and "Steps 2 to 12. A right loop cannot do this." in text
    assert "try first Compute old_logprobs after sampling" in text and "lesson 04 Clipping" in text
    assert "shown by train RECIPE --bug stale_logprobs" in text


def test_json_has_the_same_and_nothing_else(tmp_path, capsys):
    assert main(["doctor", write(tmp_path / "metrics.jsonl", ratio=1.02), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (cause,) = found["causes"]
    assert (cause["cause"], cause["sure"], cause["steps"]) == ("stale_logprobs", "identity", [2.0, 12.0])
    assert cause["lesson"] == {"number": 4, "title": "Clipping"} and cause["faults"] == ["stale_logprobs"]
    assert found["kind"] == "rl" and {"cause": "over_optimised", "missing": ["proxy"]} in found["not_checked"]


def test_what_no_scalar_shows_is_said_where_it_could_be(tmp_path, capsys):
    main(["doctor", write(tmp_path / "metrics.jsonl", explained_variance=0.1)])
    assert 'check "values at the action"' in " ".join(capsys.readouterr().out.split())
    main(["doctor", write(tmp_path / "metrics.jsonl")])
    assert "No scalar shows" not in capsys.readouterr().out


def test_columns_name_the_scalars_of_any_table(tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("it,first ratio,kl\n" + "".join(f"{i},{1.0 if i == 1 else 1.5},0.01\n" for i in range(1, 9)))
    columns = ["--columns", "step=it", "ratio=first ratio", "approx_kl=kl"]
    assert main(["doctor", str(table), *columns]) == 1
    assert "--bug stale_logprobs" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refused:
        main(["doctor", str(table), "--columns", "reward"])
    assert refused.value.code == 2 and "NAME=COLUMN" in capsys.readouterr().err


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, capsys):
    for arguments in ([str(tmp_path / "nowhere")], [], [write(tmp_path / "metrics.jsonl", steps=2)]):
        assert main(["doctor", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_names_of_a_framework_are_listed(capsys):
    assert main(["doctor", "--names", "trl"]) == 0
    assert "frac_reward_zero_std" in capsys.readouterr().out


@pytest.mark.slow
def test_the_picture_marks_where_the_cause_shows(tmp_path, capsys):
    log = write(tmp_path / "metrics.jsonl", ratio=1.02)
    assert main(["doctor", log, "--figure", str(tmp_path / "run.png")]) == 1
    assert (tmp_path / "run.png").stat().st_size > 1000
    figure = figure_doctor(diagnose(read_log(log)))
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()][:3] == [
        "ratio (seen here)", "approx_kl (seen here)", "reward",
    ]  # fmt: skip
    assert "ratio from 1 to 1.02" in description(figure) and "reward from 0.42 to 0.64" in description(figure)
    assert "nothing found" in description(figure_doctor(diagnose(read_log(write(tmp_path / "metrics.jsonl")))))


@pytest.mark.parametrize("number", LESSONS)
def test_lessons_are_called_as_their_notebooks(number, notebooks):
    (path,) = notebooks.glob(f"{number:02d}_*.ipynb")
    title = json.loads(path.read_text())["cells"][0]["source"]
    assert "".join(title).splitlines()[0] == f"# {number:02d} · {LESSONS[number]}"


@pytest.fixture
def notebooks(request):
    return request.config.rootpath / "notebooks"


def test_where_a_level_changes_is_told_with_the_cause_and_in_the_json(tmp_path, capsys):
    """The ratio is 1.02 in steps 2 to 10, and 1.5 from step 11 on: medians of 1.02 and 1.5."""
    path = tmp_path / "metrics.jsonl"
    write(path, ratio=1.02, steps=20)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[10:]:
        row["ratio"] = 1.5
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["doctor", str(path)]) == 1
    assert "changes ratio 1.02 to 1.5 at step 11" in " ".join(capsys.readouterr().out.split())
    assert main(["doctor", str(path), "--json"]) == 1
    (change, *_) = json.loads(capsys.readouterr().out)["causes"][0]["changes"]
    assert change == {"scalar": "ratio", "step": 11.0, "before": 1.02, "after": 1.5}
