"""The command ``trajectories``: files that are made again, what is refused, and the report of the self-labelled source."""

import json
import random

import pytest
import torch
from small_runs import refusal

from reference.__main__ import main
from reference.algorithms.toolformer import Proposal
from reference.runs import trajectories
from reference.runs.trajectories import shown
from reference.world.tool_calls import answer_call
from reference.world.trajectories import FILES, calls_of, read_trajectories, shipped

SMALL = ["trajectories", "self-labelled", "--steps", "0", "--demonstrations", "0", "--samples", "1", "--device", "cpu"]


@pytest.mark.parametrize("source", ["generated", "hand-written"])
def test_a_shipped_file_is_made_again_by_its_command(source, tmp_path, capsys):
    out = tmp_path / "chats.jsonl"
    assert main(["trajectories", source, "--out", str(out), "--show", "0"]) == 0
    assert out.read_bytes() == FILES[source].read_bytes()
    said = capsys.readouterr()
    assert said.out.strip() == f"{len(shipped(source))} chats. Cost: 0 model calls per chat."
    assert said.err.strip() == str(out)


def test_nothing_is_overwritten_unless_it_is_said(tmp_path, capsys):
    out = tmp_path / "chats.jsonl"
    command = ["trajectories", "generated", "--count", "2", "--out", str(out)]
    assert main(command) == 0
    first = out.read_bytes()
    assert "chats.jsonl is there already: name another file, or say --overwrite" in refusal(
        capsys, *command, "--seed", "1"
    )
    assert out.read_bytes() == first
    assert main([*command, "--seed", "1", "--overwrite"]) == 0
    assert out.read_bytes() != first and len(read_trajectories(out)) == 2


def test_a_bad_place_is_refused_before_anything_is_computed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(trajectories, "load", None)  # would fail if it were called
    missing = tmp_path / "none" / "chats.jsonl"
    assert "there is no folder" in refusal(capsys, *SMALL, "--out", str(missing))
    there = tmp_path / "scores.json"
    there.write_text("mine")
    assert "is there already" in refusal(capsys, *SMALL, "--scores", str(there))
    assert there.read_text() == "mine"
    assert "is a folder: name a file in it" in refusal(capsys, *SMALL, "--out", str(tmp_path), "--overwrite")
    both = ["--out", str(there), "--scores", str(there), "--overwrite"]
    assert f"--out and --scores both name {there}: name two files" in refusal(capsys, *SMALL, *both)
    assert there.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["generated", "--failures", "1.5"], "1.5 is not a share: a number from 0 to 1"),
        (["generated", "--threshold", "1"], "This command has no --threshold; self-labelled has it"),
        (["self-labelled", "--threshold", "-1"], "-1 is below 0"),
        (["hand-written", "--count", "0"], "0 is not above 0"),
        (["labelled"], "self-labelled"),
        ([], "SOURCE"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, words, capsys):
    assert words in refusal(capsys, "trajectories", *options)


def test_the_number_of_chats_shown_and_the_share_of_failures(capsys):
    assert main(["trajectories", "generated", "--count", "5", "--show", "3", "--failures", "1"]) == 0
    output = capsys.readouterr().out
    assert output.count("      user What is") == 3 and output.count("5 chats.") == 1
    assert (
        output.count("tool error: ") == output.count("<|call|>") - output.count("tool error: ") > 0
    )  # each is repaired


def test_a_chat_is_shown_with_its_calls():
    (chat,) = [chat for chat in shipped("hand-written") if "63*58" in chat[0]["content"]]
    assert shown(chat).splitlines() == [
        "      user What is 63*58?",
        ' assistant <|call|>{"name": "calculator", "arguments": {"expression": "63*58"}',
        "      tool error: the call is not JSON: Expecting ',' delimiter at character 60",
        ' assistant A bracket was missing. <|call|>{"name": "calculator", "arguments": {"expression": "63*58"}}',
        "      tool 3654",
        " assistant Answer: 3654",
    ]


@pytest.fixture
def labelling(monkeypatch):
    """A proposer that writes one call per text, the right one where there is one, and gains where it is needed."""

    def proposes(model, tokenizer, texts, rng, **_):
        found = []
        for text in texts:
            expression = text.problem.calls[0] if text.problem.calls else "1+1"
            call = '{"name": "calculator", "arguments": {"expression": "' + expression + '"}}'
            found.append(Proposal(text, 0, call, answer_call(call)))
        return found

    def measures(model, tokenizer, proposals, *, skip=0):
        product = torch.tensor([float(p.text.problem.kind == "product") for p in proposals])
        needed = torch.tensor([float(p.needed) for p in proposals])
        return 4 * (needed - product), 4 * needed, 5 * needed

    monkeypatch.setattr(trajectories, "propose", proposes)
    monkeypatch.setattr(trajectories, "measure", measures)
    monkeypatch.setattr(trajectories, "BATCH", 12)


def test_the_report_counts_what_was_kept_and_what_it_cost(labelling, tmp_path, capsys):
    out, scores = tmp_path / "chats.jsonl.gz", tmp_path / "scores.json"
    assert main([*SMALL, "--count", "9", "--out", str(out), "--scores", str(scores), "--show", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    columns = json.loads(scores.read_text())
    kinds = columns["kind"]
    products, needed = kinds.count("product"), len(kinds) - kinds.count("by head")
    assert lines[0].startswith(
        f"{len(kinds)} texts, {len(kinds)} samples, {len(kinds)} different proposals: {len(kinds)} run"
    )
    assert lines[1] == f"Needed and right are {needed}: {products} of product, {needed - products} of two calls."
    assert (
        lines[2]
        == f"{len(kinds) - (needed - products)} chats: {products} with a call, {kinds.count('by head')} easy without one."
    )
    assert (
        lines[3] == f"Cost: {5 * len(kinds)} model calls (rows), {5 * len(kinds) / products:.1f} per chat with a call."
    )
    (at_3,) = {line for line in lines if line.split()[:1] == ["3"]}  # the same in the three tables
    assert at_3.split() == ["3", str(products), "1.00", f"{products / needed:.2f}", "0", "0"]
    (at_0,) = {line for line in lines if line.split()[:1] == ["0"]}
    assert at_0.split()[1] == str(len(kinds)) and at_0.split()[4] == str(kinds.count("by head"))
    chats = read_trajectories(out)
    assert len(chats) == 9
    assert all(any(map(calls_of, chat)) == ("*" in chat[0]["content"]) for chat in chats)
    assert columns["right"] == columns["needed"] == [kind != "by head" for kind in kinds]
    assert columns["losses"]["as asked"]["without_call"] == [5.0 * (kind != "by head") for kind in kinds]


def test_a_labelling_that_keeps_nothing_ends_with_advice(labelling, monkeypatch, capsys):
    monkeypatch.setattr(trajectories, "PATIENCE", 2)
    words = refusal(capsys, *SMALL, "--count", "1000", "--threshold", "50")
    assert "none of 24 proposed calls, of which 24 run, gains 50 nats: train the proposer with more --steps" in words


def test_texts_are_not_left_out_as_a_whole(labelling, capsys):
    message = refusal(capsys, *SMALL, "--skip", "50", "--threshold", "0")
    shortest = int(message.partition("the shortest text has ")[2].partition(" tokens: leave fewer out")[0])
    assert 4 < shortest < 10  # "Answer: 4042" and the end of the turn
    assert main([*SMALL, "--skip", str(shortest - 1), "--count", "1"]) == 0


def test_the_seed_decides_the_texts():
    first, again, other = (trajectories.batch_of(seed, 0)[0] for seed in (0, 0, 1))
    assert first == again != other and first != trajectories.batch_of(0, 1)[0]
    assert trajectories.batch_of(0, 0)[1].random() != random.Random("0/0").random()  # goes on behind the texts


@pytest.mark.slow
def test_the_command_labels_with_the_model_itself(tmp_path, capsys):
    out = tmp_path / "chats.jsonl"
    assert main(["trajectories", "self-labelled", "--count", "4", "--steps", "2", "--demonstrations", "4", "--samples", "1", "--device", "cpu", "--out", str(out)]) == 0  # fmt: skip
    assert len(read_trajectories(out)) == 4
    assert "before the demonstrations 0 of 48" in capsys.readouterr().out
