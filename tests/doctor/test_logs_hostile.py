"""What is no log is refused in one sentence with the fix, and never with a traceback."""

import gzip
import json

import pytest

from reference.doctor.logs import read_log
from reference.objectives.shapes import InputError

ROW = '{"step": 1, "grad_norm": 1.0, "seconds": 1.0, "loss": 2.0}\n'


def refused(path, **options):
    with pytest.raises(InputError) as error:
        read_log(path, **options)
    message = str(error.value)
    assert "\n" not in message and len(message) < 700
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"{\n", "no rows of a log"),
        (b"[]", "no rows of a log"),
        (b'"text"\n', "neither JSON nor a table"),
        (b"[1, 2]", "no rows of a log"),
        (b"hello\n", "neither JSON nor a table"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "neither JSON nor a table"),
        (b"PAR1" + bytes(20), "Parquet"),
        (gzip.compress(b"a,b\n1,2\n" * 2000, mtime=0)[:40], "end too early"),
        (b"step,reward\n", "no rows of a log"),
        (b"a,b\n1,2\n", "no framework is known"),
        (b"step,reward,loss\n1,2,3\n", "no framework is known"),
        (b"step,loss,loss\n1,2,3\n", "two columns 'loss'"),
        (b'{"foo": 1}\n', "no framework is known"),
        (b'{"reward": 1.0, "frac_reward_zero_std": 0}\n', "no column of steps"),
        (b'{"step": "soon", "reward": 1.0, "frac_reward_zero_std": 0}\n', "no scalar that is read"),
        (b'{"step": 1, "reward": "high", "frac_reward_zero_std": null}\n', "no scalar that is read"),
        (b'{"step": 1, "actor/lr": 1, "policy/policy_loss": 2}\n', "of verl and of skyrl"),
    ],
)
def test_files_that_are_no_log(tmp_path, content, words):
    (tmp_path / "log").write_bytes(content)
    assert words in refused(tmp_path / "log")


def test_a_path_that_is_not_there_and_folders_without_a_log(tmp_path):
    assert "does not exist" in refused(tmp_path / "nowhere")
    assert "holds no log" in refused(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.jsonl").write_text("x")
    assert "a.csv, b.jsonl: name the one" in refused(tmp_path)


def test_options_that_cannot_be(tmp_path):
    (tmp_path / "log.jsonl").write_text(ROW)
    path = tmp_path / "log.jsonl"
    assert "the choices are ours, trl" in refused(path, framework="torchtune")
    assert "did you mean reward?" in refused(path, columns={"rewrd": "loss"})
    assert "did you mean loss?" in refused(path, columns={"reward": "los"})
    assert "says nothing about names" in refused(path, framework="csv")
    path.write_text('{"step": 1, "foo": 1}')
    assert "no scalar that is read here as verl; it has foo, step" in refused(path, framework="verl")


def test_a_line_that_was_cut_off_and_lines_that_are_no_objects_are_said(tmp_path):
    (tmp_path / "log.jsonl").write_text(ROW + "[1]\n" + ROW.replace("1,", "2,", 1) + '{"step": 3, "lo')
    log = read_log(tmp_path / "log.jsonl")
    assert log.steps == (1, 2)
    assert any(note.startswith("1 line of the file is no JSON") for note in log.notes)
    assert any("no object: 1" in note for note in log.notes)


def test_rows_without_a_step_are_left_out_and_counted(tmp_path):
    (tmp_path / "log.jsonl").write_text(ROW + '{"loss": 9.0}\n{"step": null, "loss": 9.0}\n')
    log = read_log(tmp_path / "log.jsonl")
    assert log.scalars["loss"] == (2.0,) and any("without a step, left out: 2" in note for note in log.notes)


def test_one_row_is_a_log(tmp_path):
    (tmp_path / "log.jsonl").write_text(ROW)
    assert read_log(tmp_path / "log.jsonl").steps == (1,)


def test_a_table_whose_last_row_was_cut_off(tmp_path):
    (tmp_path / "log.csv").write_text("step,grad_norm,seconds,loss\n1,1,1,2\n2,1")
    log = read_log(tmp_path / "log.csv")
    assert log.scalars["grad_norm"] == (1, 1) and "1 of 2 rows have fewer cells than the header." in log.notes


def test_deep_and_strange_objects_do_no_harm(tmp_path):
    strange = {"step": 1, "grad_norm": 1, "seconds": 1, "loss": 2, "x": [1], "y": {"z": {"w": [{}]}}}
    (tmp_path / "log.jsonl").write_text(json.dumps(strange) + "\n" + "[" * 100_000 + "\n")
    assert read_log(tmp_path / "log.jsonl").scalars["loss"] == (2.0,)


def test_several_runs_of_wandb_are_refused_with_the_names(tmp_path):
    header = '"Step","a - train/reward","a - train/reward__MIN","b - train/reward"\n'
    (tmp_path / "wandb.csv").write_text(header + "1,0.5,0.4,0.7\n")
    assert "holds 2 runs (a, b)" in refused(tmp_path / "wandb.csv")
    # and with the columns that the sentence asks for, one of them is read
    log = read_log(tmp_path / "wandb.csv", columns={"step": "Step", "reward": "b - train/reward"})
    assert log.scalars == {"reward": (0.7,)}
