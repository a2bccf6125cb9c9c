"""Our own logs, and any log whose columns are named: values, steps, what is done about resumed runs."""

import gzip
import json
import math
from pathlib import Path

import pytest

from reference.doctor.log_rows import by_step, number
from reference.doctor.logs import read_log

RUNS = Path(__file__).parents[2] / "figures" / "runs"


def written(tmp_path, text, name="log.jsonl"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def own(step, **values):
    return {"step": step, "grad_norm": 1.0, "seconds": 0.5} | values


def test_a_run_folder_is_read_with_all_its_scalars():
    folder = RUNS / "grpo-seed-0"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    log = read_log(folder)
    assert log.framework == "ours" and log.notes == () and log.source == str(folder)
    assert log.steps == tuple(row["step"] for row in rows)
    assert set(log.scalars) == set(rows[0]) - {"step"}
    assert all(log.scalars[name] == tuple(row[name] for row in rows) for name in log.scalars)
    assert log.named["reward"] == "reward"


def test_our_scalars_are_known_under_any_file_name_and_those_of_others_in_a_metrics_jsonl(tmp_path):
    text = (RUNS / "tool-rl-seed-0" / "metrics.jsonl").read_text()
    assert read_log(written(tmp_path, text)).scalars == read_log(RUNS / "tool-rl-seed-0").scalars
    path = written(tmp_path, lines({"step": 1, "actor/lr": 0.5, "seconds": 1}), "metrics.jsonl")
    assert read_log(path).framework == "verl"
    written(tmp_path, "{}", "config.json")  # the folder of a run, whose loop may have learned to log something new
    path = written(tmp_path, lines(own(1, something_new=2.0)), "metrics.jsonl")
    assert read_log(path).scalars["something_new"] == (2.0,)


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in RUNS.glob("*/metrics.jsonl")})[::8], ids=lambda p: p.name
)
def test_recorded_runs_lose_no_scalar(folder):
    keys = {key for line in (folder / "metrics.jsonl").read_text().splitlines() for key in json.loads(line)}
    assert set(read_log(folder).scalars) == keys - {"step"}


def test_a_scalar_that_some_steps_do_not_have_is_nan_there(tmp_path):
    log = read_log(written(tmp_path, lines(own(1, loss=2.0), own(2), own(3, loss=1.0))))
    assert log.scalars["loss"][::2] == (2.0, 1.0) and math.isnan(log.scalars["loss"][1])
    assert log.notes == ()


def test_after_a_resume_the_later_rows_count_and_what_they_did_not_reach_is_gone(tmp_path):
    rows = [own(step, reward=0.1 * step) for step in (1, 2, 3, 4, 5)] + [own(3, reward=0.9), own(4, reward=1.0)]
    log = read_log(written(tmp_path, lines(*rows)))
    assert log.steps == (1, 2, 3, 4) and log.scalars["reward"] == (0.1, 0.2, 0.9, 1.0)
    assert any("from step 5 to 3" in note for note in log.notes)


def test_a_second_run_in_the_same_file_replaces_the_first(tmp_path):
    rows = [own(step, reward=0.0) for step in range(1, 9)] + [own(step, reward=1.0) for step in (1, 2)]
    assert read_log(written(tmp_path, lines(*rows))).scalars["reward"] == (1.0, 1.0)


def test_of_a_step_that_stands_twice_the_later_row_counts(tmp_path):
    log = read_log(written(tmp_path, lines(own(1, reward=0.1), own(2, reward=0.2), own(2, reward=0.3))))
    assert log.scalars["reward"] == (0.1, 0.3) and any("twice" in note for note in log.notes)


def test_two_rows_of_a_step_with_other_scalars_are_one(tmp_path):
    log = read_log(written(tmp_path, lines({"step": 1, "reward": 0.5}, {"step": 1, "grad_norm": 2.0, "seconds": 1})))
    assert log.scalars == {"reward": (0.5,), "grad_norm": (2.0,), "seconds": (1.0,)} and log.notes == ()


def test_rows_out_of_order_are_put_in_order(tmp_path):
    log = read_log(written(tmp_path, lines(own(1, reward=0.1), own(3, reward=0.3), own(2, reward=0.2))))
    assert log.steps == (1, 2, 3) and log.scalars["reward"] == (0.1, 0.2, 0.3)
    assert any("put in order: 1" in note for note in log.notes)


def test_what_is_no_number_is_nan_and_said(tmp_path):
    text = '{"step": 1, "grad_norm": 1, "seconds": 1, "loss": 2}\n'
    text += (
        '{"step": 2, "grad_norm": NaN, "seconds": 1, "loss": null}\n{"step": 3, "grad_norm": Infinity, "seconds": 1}\n'
    )
    log = read_log(written(tmp_path, text))
    assert [math.isnan(value) for value in log.scalars["grad_norm"]] == [False, True, True]
    assert "grad_norm is no finite number at 2 steps, the first 2." in log.notes
    assert "loss is no finite number at 1 step, the first 2." in log.notes


def test_numbers_that_are_lost_in_a_resume_are_not_complained_about():
    rows = [
        {"step": 1, "x": 1.0},
        {"step": 2, "x": None},
        {"step": 2, "x": None},
        {"step": 1, "x": 2.0},
        {"step": 2, "x": 3.0},
    ]
    notes = []
    steps, scalars = by_step(rows, "step", {"x": "loss"}, notes)
    assert scalars == {"loss": (2.0, 3.0)} and steps == (1, 2)
    assert not any("finite" in note for note in notes)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1e-3", 0.001), (2, 2.0), ("nan", None), ("-inf", None), ("1,5", None), (None, None), ("", None)],
)
def test_number(value, expected):
    assert number(value) == expected if expected is not None else math.isnan(number(value))


@pytest.mark.parametrize("form", ["plain", "gz", "bom", "array", "utf-16", "crlf"])
def test_forms_of_the_same_rows(tmp_path, form):
    rows = [own(1, reward=0.25), own(2, reward=0.5)]
    text, path = lines(*rows), tmp_path / "log.jsonl"
    data = {"plain": text.encode(), "gz": gzip.compress(text.encode()), "bom": b"\xef\xbb\xbf" + text.encode(),
            "array": json.dumps(rows, indent=1).encode(), "utf-16": text.encode("utf-16"),
            "crlf": text.replace("\n", "\r\n").encode()}  # fmt: skip
    path.write_bytes(data[form])
    assert read_log(path).scalars["reward"] == (0.25, 0.5)


def test_columns_name_what_is_read_of_any_table(tmp_path):
    path = written(tmp_path, "it,my return,noise\n10,0.5,9\n20,0.75,9\n", "table.csv")
    log = read_log(path, columns={"step": "it", "reward": "my return"})
    assert log.framework == "csv" and log.steps == (10, 20)
    assert log.scalars == {"reward": (0.5, 0.75)} and log.named == {"reward": "my return"}


@pytest.mark.parametrize(("delimiter", "half"), [(",", "0.5"), ("\t", "0.5"), (";", "0,5")])
def test_tables_of_spreadsheets(tmp_path, delimiter, half):
    path = written(tmp_path, f"step{delimiter}r\n1{delimiter}{half}\n2{delimiter}\n", "table.csv")
    log = read_log(path, columns={"reward": "r"})
    assert log.steps == (1,) and log.scalars == {"reward": (0.5,)}


def test_columns_come_before_the_names_of_the_framework(tmp_path):
    path = written(tmp_path, lines({"step": 1, "frac_reward_zero_std": 0.5, "kl": 0.1, "reward": 1.0, "mine": 0.25}))
    log = read_log(path, columns={"kl_k3": "kl", "reward": "mine"})
    assert log.framework == "trl"
    assert {name: log.scalars[name] for name in ("kl_k3", "reward", "dead_groups")} == {
        "kl_k3": (0.1,), "reward": (0.25,), "dead_groups": (0.5,),
    }  # fmt: skip
    assert "kl_ref" not in log.scalars


def test_many_resumes_are_one_sentence(tmp_path):
    """Two processes that write the same steps into one file: 1 1 2 2 3 3 would be twins, 1 2 1 2 3 2 3 ... goes back."""
    steps = [1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5]
    (note,) = [each for each in read_log(written(tmp_path, lines(*[own(s) for s in steps]))).notes if "back" in each]
    assert note.startswith("The file goes back 4 times, first from step 2 to 1") and "Two runs" in note
