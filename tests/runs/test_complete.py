"""The command complete: a file that is whole or has another name, and a part that goes on."""

import gzip
import json
from copy import deepcopy

import pytest

from reference.__main__ import main
from reference.cli.complete import WAYS
from reference.evaluation.protocols import RATIOS, protocol_of
from reference.objectives import InputError
from reference.runs import complete as command
from reference.runs.complete import append, begun, differences, load_against
from reference.world import prompts

SMALL = ["complete", "base", "--problems", "5", "--samples", "2", "--max-new-tokens", "16", "--device", "cpu"]


def lines_of(path):
    data = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


def test_the_help_has_a_word_for_every_way():
    assert tuple(WAYS) == prompts.WAYS


@pytest.mark.slow
def test_an_interrupted_command_goes_on_and_gives_the_file_of_one_that_was_not(tmp_path, monkeypatch, capsys):
    whole, stopped = tmp_path / "whole.jsonl.gz", tmp_path / "stopped.jsonl.gz"
    assert main([*SMALL, "--out", str(whole)]) == 0
    assert "5 problems, 10 completions" in capsys.readouterr().out

    real = command.completion_lines

    def cut_after_two(*args, **options):
        for number, line in enumerate(real(*args, **options)):
            if number == 2:
                raise KeyboardInterrupt
            yield line

    with monkeypatch.context() as context:
        context.setattr(command, "completion_lines", cut_after_two)
        assert main([*SMALL, "--out", str(stopped)]) == 130
    part = tmp_path / "stopped.jsonl.gz.part"
    assert not stopped.exists() and "interrupted; the same command goes on" in capsys.readouterr().err
    assert [line["id"] for line in map(json.loads, part.read_text().splitlines())] == [0, 1]
    with part.open("a") as file:
        file.write('{"id": 2, "quest')  # the machine went off while this was written
    assert main([*SMALL, "--out", str(stopped)]) == 0
    assert lines_of(stopped) == lines_of(whole) and not part.exists()


@pytest.mark.slow
def test_a_file_that_is_there_is_not_replaced_unless_asked(tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    assert main([*SMALL, "--out", str(out)]) == 2 and out.read_text() == "mine"
    assert "is there: name another file, or replace it with --overwrite" in capsys.readouterr().err
    assert main([*SMALL, "--out", str(out), "--overwrite", "--name", "mine"]) == 0
    assert lines_of(out)[0]["protocol"]["model"] == "mine"


def test_what_fails_before_the_first_line_leaves_no_part(tmp_path):
    def fails():
        raise InputError("too cold")
        yield

    part, done = tmp_path / "f.jsonl.part", []
    with pytest.raises(InputError, match="too cold"):
        append(part, fails(), done, problems=2)
    assert not part.exists() and done == []


def test_the_part_of_another_protocol_is_refused(tmp_path, capsys):
    part = tmp_path / "out.jsonl.part"
    part.write_text(json.dumps({"id": 0, "protocol": {"model": "base", "prompt": "bare"}}) + "\n")
    assert main([*SMALL, "--out", str(tmp_path / "out.jsonl")]) == 2
    assert "begun under another protocol (prompt bare and not chat" in capsys.readouterr().err
    assert part.exists()


def test_the_part_that_was_compared_with_another_model_is_refused(tmp_path, capsys):
    protocol = {
        "model": "base", "task": "chains", "prompt": "chat", "samples": 2, "temperature": 1.0, "top_k": None, "top_p": 1.0,
        "max_new_tokens": 16, "seed": 12345,
    }  # fmt: skip
    part = tmp_path / "out.jsonl.part"
    for there, asked, named in (
        ({"against": "tool-sft", "log_ratios": RATIOS}, ["--against", "base"], "against tool-sft and not base"),
        ({}, ["--against", "base", "--against-name", "start"], "against None and not start"),
        ({}, ["--against", "base"], "against None and not base"),
        ({"against": "base", "log_ratios": RATIOS}, [], "against base and not None"),
    ):
        part.write_text(json.dumps({"id": 0, "protocol": protocol | there}) + "\n")
        assert main([*SMALL, *asked, "--out", str(tmp_path / "out.jsonl")]) == 2
        assert f"begun under another protocol ({named}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_with_another_tokenizer_has_no_log_prob_of_a_token(tmp_path, base):
    model, tokenizer = base
    other = deepcopy(tokenizer)
    other.add_tokens(["another"])
    model.save_pretrained(tmp_path)
    other.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"another tokenizer than the model .{len(other)} and {len(tokenizer)} tokens"):
        load_against(str(tmp_path), tokenizer, device="cpu")


WHOLE = {"question": "1+1?", "answer": "2", "completions": ["a", "b"], "truncated": [False, True], "tokens": [1, 16]}
RATIOS_OF_TWO = [[0.5], [-0.25] * 16]  # of 1 and of 16 tokens


def test_what_a_part_has_whole_is_kept(tmp_path):
    protocol = {"model": "base", "task": "chains", "samples": 2}
    good = [json.dumps({"id": i, **WHOLE, "protocol": protocol}) + "\n" for i in range(3)]
    part = tmp_path / "part"
    for text, count in (("".join(good), 3), (good[0] + good[2], 1), (good[0] + "{}\n" + good[1], 1),
                        (good[0] + good[1].rstrip("\n"), 1), ("\0\0\0", 0), ("", 0)):  # fmt: skip
        part.write_text(text)
        assert len(begun(part, protocol)) == count
        assert part.read_text() == "".join(good[:count])
    assert begun(tmp_path / "none", protocol) == []


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": None}, {"tokens": [1]}, {"tokens": [1, "16"]}, {"completions": 5}, {"completions": []}, {"completions": ["a", 3]},
        {"truncated": ["x", True]}, {"question": None}, {"answer": 2}, {"log_ratios": None}, {"log_ratios": [[0.5]]},
        {"log_ratios": [[0.5], [-0.25]]}, {"log_ratios": [[0.5], ["-0.25"] * 16]}, {"log_ratios": [0.5, 0.25]},
    ],
)  # fmt: skip
def test_a_line_that_is_not_as_it_was_written_is_made_again(tmp_path, change):
    protocol = {"model": "base", "task": "chains", "samples": 2, "against": "base", "log_ratios": RATIOS}
    part = tmp_path / "part"
    lines = [{"id": i, **WHOLE, "log_ratios": RATIOS_OF_TWO, "protocol": protocol} for i in range(2)]
    part.write_text("".join(json.dumps(line) + "\n" for line in (lines[0], lines[1] | change)))
    assert begun(part, protocol) == lines[:1]
    assert part.read_text() == json.dumps(lines[0]) + "\n"


def test_calls_are_part_of_a_line_with_tools(tmp_path):
    protocol = {"task": "tools", "samples": 2}
    part = tmp_path / "part"
    for calls, count in (({"calls": [0, 3]}, 1), ({}, 0), ({"calls": [0]}, 0)):
        part.write_text(json.dumps({"id": 0, **WHOLE, **calls, "protocol": protocol}) + "\n")
        assert len(begun(part, protocol)) == count


def test_a_difference_is_named():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == "b 2 and not 3"
    assert differences(None, {"a": 1}) == "a None and not 1"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--greedy", "--top-p", "0.5"], "--top-p has no effect on --greedy"),
        (["--max-calls", "2"], "--max-calls has no effect on chains"),
        (["--greedy", "--samples", "3"], "greedy completions of one problem are all the same"),
        (["--against", "base", "--temperature", "0.5"], "leave --temperature 0.5 out, or --against"),
        (["--against", "base", "--task", "tools"], "--against compares completions of one turn"),
        (["--against-name", "start"], "--against-name has no effect without --against"),
        (["--top-p", "0"], "0 is not above 0 and at most 1"),
        (["--prompt", "spce"], "Did you mean space"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(tmp_path, capsys, options, why):
    try:
        code = main(["complete", "base", "--problems", "2", "--out", str(tmp_path / "x.jsonl"), *options])
    except SystemExit as end:
        code = end.code
    assert code == 2 and why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [] or (tmp_path / "x.jsonl.part").read_text() == ""


def test_fewer_problems_than_a_part_has_are_the_first_of_it(tmp_path):
    """No model is loaded: the part has all that is asked for."""
    protocol = protocol_of(
        name="base", samples=2, prompt="chat", greedy=False, temperature=1.0, top_k=None, top_p=1.0, max_new_tokens=16,
        task="chains", max_calls=3, seed=12345,
    )  # fmt: skip
    line = WHOLE | {"protocol": protocol}
    part = tmp_path / "out.jsonl.part"
    part.write_text("".join(json.dumps({"id": i} | line) + "\n" for i in range(4)))
    assert main([*SMALL, "--problems", "2", "--out", str(tmp_path / "out.jsonl")]) == 0
    assert [line["id"] for line in lines_of(tmp_path / "out.jsonl")] == [0, 1] and not part.exists()
