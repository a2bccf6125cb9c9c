"""The command ``score``: what it prints, draws and refuses, and that what stands in a file cannot harm a terminal."""

import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import refusal

from reference.__main__ import main
from reference.cli import score as command
from reference.cli.score import NAMES, is_small
from reference.evaluation.extractors import EXTRACTORS, available
from reference.evaluation.score_figure import figure_scores
from reference.evaluation.scores import score_file
from reference.style import description

ROWS = [
    {"id": 1, "question": "a", "answer": "so #### 72", "completions": ["The answer is 72. Check: 72-24=48", "#### 72"],
     "truncated": [False, True], "protocol": {"model": "m", "temperature": 1.0}},
    {"id": 2, "question": "b", "answer": "#### 5", "completions": ["\\boxed{5}", ""], "truncated": [False, False],
     "protocol": {"model": "m", "temperature": 1.0}},
]  # fmt: skip


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(autouse=True)
def without_math_verify(monkeypatch):
    """It takes seconds to load. The test of when it is run sets the limit itself."""
    monkeypatch.setattr(command, "SMALL", 0)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "f.jsonl", *ROWS)


def printed(capsys, *arguments):
    assert main(["score", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_small_files_are_those_whose_size_is_known_and_below_the_limit(tmp_path, monkeypatch):
    """Of a compressed file eight times its size counts."""
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b"x" * 800)
    packed.write_bytes(b"x" * 100)
    monkeypatch.setattr(command, "SMALL", 800)
    assert is_small(str(plain), None) and is_small(str(packed), None)
    assert not is_small(str(plain), str(packed)) and not is_small("-", None) and not is_small(str(tmp_path), None)
    monkeypatch.setattr(command, "SMALL", 799)
    assert not is_small(str(plain), None) and not is_small(str(packed), None)


@pytest.mark.slow
def test_math_verify_stands_beside_the_others_in_a_small_file_and_is_named_where_it_is_left_out(
    file, capsys, monkeypatch
):
    pytest.importorskip("math_verify")
    assert main(["score", file]) == 0
    out, err = capsys.readouterr()
    assert "math-verify" not in out and "--extractors all adds it" in err
    monkeypatch.setattr(command, "SMALL", 10**6)
    assert main(["score", file]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"^  math-verify +\d", out, re.M) and "--extractors all" not in err


def test_the_command_offers_the_extractors_that_there_are():
    assert tuple(EXTRACTORS) == NAMES


def test_the_report_has_score_interval_and_what_was_taken(file, capsys):
    out = printed(capsys, file, "--extractors", "stated,last-number,lm-eval-strict")
    assert "2 problems, 4 completions, 2 for each problem" in out
    assert "completion from completions, id from id, question from question, answer from answer" in out
    assert "Protocol: model m, temperature 1.0" in out
    assert "Truncated: 1 (25.0 %), which have no answer. Empty: 1 (25.0 %)" in out
    # of each problem the first completion is right; 48 is the last number, and #### 72 was cut off
    assert re.search(r"stated +50\.0 % +\[9\.5 %, 90\.5 %\] +2 \(50\.0 %\) +72\n", out)
    assert re.search(r"last-number +25\.0 % +\[.*\] +2 \(50\.0 %\) +48\n", out)
    assert re.search(r"lm-eval-strict +0\.0 % +\[.*\] +4 \(100\.0 %\) +nothing\n", out)
    assert "score from 0.0 % (lm-eval-strict) to 50.0 % (stated): 50.0 points lie in the extractor" in out
    assert "All extractors agree on 50.0 % of the completions" in out
    assert re.search(r"1 stated +\. +1 +2\n +2 last-number +1 +\. +1\n", out)
    assert "Line 1, gold 72 (1 completion is judged so): The answer is 72. Check: 72-24=48\n" in out


def test_votes_and_pass_at_k_are_printed_with_their_rules(file, capsys):
    out = printed(capsys, file, "--extractors", "stated", "--ties", "first", "--k", "1,2,3")
    assert "a tie is given to the answer that came first (--ties first)" in out
    assert re.search(r"stated +50\.0 % +100\.0 % +-\n", out)
    assert "pass@3 leaves out 2 (100.0 %) of the problems: they have fewer than 3 completions" in out


def test_what_could_not_be_read_is_printed_with_its_lines(tmp_path, capsys):
    bad = ["oops\n", "\n", {"id": 3, "completions": ["x"]}, ROWS[0], *["no\n"] * 6]
    out = printed(capsys, write(tmp_path / "f.jsonl", *ROWS, *bad))
    assert "lines that are not JSON: 7 (lines 3, 7, 8, 9, 10, ...)" in out
    assert "empty lines: 1 (line 4)" in out
    assert "lines without a gold answer, left out: 1 (line 5)" in out
    assert "lines that repeat a list of completions word for word, left out: 1 (line 6)" in out


def test_two_files_are_compared_with_a_claim(tmp_path, capsys):
    rows = [
        [{"id": i, "answer": "7", "completion": f"#### {7 if i < solved else 1}"} for i in range(10)]
        for solved in (2, 9)
    ]
    paths = [write(tmp_path / name, *some) for name, some in zip(("a.jsonl", "b.jsonl"), rows, strict=True)]
    out = printed(capsys, *paths, "--extractors", "hashes,boxed")
    assert re.search(r"hashes +20\.0 % +90\.0 % +\+70\.0 +\[\+\d\d\.0, \+\d\d\d?\.0\] +0 +7 +0\.016\n", out)
    assert "exact McNemar test on the problems that only one file solves" in out
    assert (
        "hashes: the second file is better by 70.0 points" in out and "boxed: neither file can be called better" in out
    )
    assert "0 problems only in the first file, 0 only in the second" in out


def test_json_holds_everything_and_nothing_else_is_printed(file, tmp_path, capsys):
    found = json.loads(printed(capsys, file, file, "--json", "--k", "1"))
    one, two = found["files"]
    assert one == two and one["per_problem"]["id"] == ["1", "2"]
    assert one["extractors"]["stated"]["score"] == 0.5 and one["per_problem"]["right"]["stated"] == [1, 1]
    assert one["extractors"]["stated"]["takes"] == {"line": 1, "answer": "72"}
    assert one["disagreements"]["stated"]["last-number"] == 1
    assert [row["difference"] for row in found["comparison"]] == [0.0] * len(found["comparison"])


@pytest.mark.slow
def test_all_are_those_that_are_installed(file, capsys):
    found = json.loads(printed(capsys, file, "--json", "--extractors", "all"))
    assert list(found["files"][0]["extractors"]) == list(available())


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_standard_input_is_read(compress, capsys, monkeypatch):
    data = compress("".join(json.dumps(row) + "\n" for row in ROWS).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    assert printed(capsys, "-").startswith("standard input: 2 problems")


def test_no_text_of_a_file_reaches_the_terminal_as_it_is(tmp_path, capsys):
    nasty = "\x1b[2J\x1b]0;owned\x07 \u202e \ud800 \r\n #### 7"
    row = {"id": nasty, "answer": nasty[:20] + "7", "completion": nasty + " and 8", "protocol": {nasty: nasty}}
    path = write(tmp_path / "f\x1b[31m.jsonl", row, row)
    main(["score", path, path, "--extractors", "hashes,boxed,last-number,lm-eval-flexible"])
    said = capsys.readouterr()
    assert "\\x1b[2J" in said.out and "\\u202e" in said.out and "\\ud800" in said.out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", said.out)
    main(["score", write(tmp_path / "g.jsonl", {nasty: 1})])
    assert not re.search(r"[\x1b\x07\u202e\ud800]", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--extractors", "box"], "'box' is not one of stated, phrase, .* Did you mean boxed"),
        (["--k", "0"], "0 is not above 0"),
        (["--figure", "x.txt"], "'x.txt' does not end in .png, .svg or .pdf"),
        (["--figure", "none/x.png"], "there is no folder 'none'"),
        (["--ties", "last"], "invalid choice: 'last'"),
        (
            ["--completion", "said"],
            r"lines without a completion, left out: 2\): name .* the first line has id, question",
        ),
        (["--gold", "-"], "the standard input can be read once"),
    ],
)
def test_options_are_refused_in_a_sentence(arguments, message, file, capsys):
    first = "-" if "-" in arguments else file
    assert re.search(message, refusal(capsys, "score", first, *arguments))


def test_bad_files_are_refused_with_code_2(tmp_path, file, capsys):
    assert "is a folder: name a file in it" in refusal(capsys, "score", str(tmp_path))
    assert "No such file or directory" in refusal(capsys, "score", str(tmp_path / "none"))
    assert "is empty" in refusal(capsys, "score", write(tmp_path / "empty.jsonl"))
    other = write(tmp_path / "other.jsonl", {"id": 9, "answer": "1", "completions": ["1"]})
    assert "have no problem in common" in refusal(capsys, "score", file, other)


def test_the_figure_says_its_numbers(file, tmp_path, capsys):
    scores = score_file(file, extractors=["stated", "last-number"])
    figure = figure_scores([scores, scores])
    assert "f.jsonl stated 50.0 % [9.5, 90.5]" in description(figure) and "last-number 25.0 %" in description(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["stated", "last-number"]
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 13


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_figure_is_drawn(ending, file, tmp_path, capsys):
    path = tmp_path / f"scores.{ending}"
    assert main(["score", file, "--figure", str(path)]) == 0
    assert path.stat().st_size > 1000 and str(path) in capsys.readouterr().err


def test_help_says_what_an_extractor_is(capsys):
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "a score is a statement about a model and an extractor" in out
    assert all(name in out for name in NAMES)


@pytest.mark.slow
def test_help_needs_no_torch():
    code = "import sys; from reference.__main__ import parser; parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
