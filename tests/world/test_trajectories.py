"""Chats with tool calls in files, and where they come from."""

import copy
import gzip
import json
import random
import re
import zlib

import pytest

from reference.objectives.shapes import InputError
from reference.world.tasks import HELD_OUT_SHARE
from reference.world.tool_calls import LONGEST_RESULT, answer_call, schemas
from reference.world.trajectories import (
    FILES,
    SOURCES,
    answered_again,
    calls_of,
    draw_chats,
    read_trajectories,
    shipped,
    write_trajectories,
)

CALL = {"function": {"name": "calculator", "arguments": {"expression": "47*86"}}}
CHAT = [
    {"role": "user", "content": "What is 47*86?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "4042"},
    {"role": "assistant", "content": "Answer: 4042"},
]


def kinds_of(chat: list) -> list[str]:
    return [answer_call(call).kind for message in chat for call in calls_of(message)]


@pytest.mark.parametrize("source", SOURCES)
def test_every_result_is_the_tools_own(source):
    for chat in shipped(source):
        assert answered_again(chat) == chat


@pytest.mark.parametrize("source", SOURCES)
def test_every_chat_fits_the_context_and_trains_the_assistants_words(source, tokenizer):
    for chat in shipped(source):
        encoded = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        assert len(encoded["input_ids"]) <= 512
        trained = [i for i, m in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if m]
        said = [tokenizer.decode(trained).count(word) for word in ("<|call|>", "<|tool|>", "<|user|>")]
        assert said == [len(kinds_of(chat)), 0, 0]


@pytest.mark.parametrize("source", SOURCES)
def test_no_question_is_held_out(source):
    for chat in shipped(source):
        question = chat[0]["content"]
        chain = re.fullmatch(r"What is ([0-9]+([+-][0-9])+)\?", question)  # chains are split by their expression
        assert zlib.crc32((chain[1] if chain else question).encode()) % HELD_OUT_SHARE != 0


def test_the_generated_file_is_made_again_byte_for_byte(tmp_path):
    write_trajectories(tmp_path / "again.jsonl", draw_chats("generated", random.Random(0), 24))
    assert (tmp_path / "again.jsonl").read_bytes() == FILES["generated"].read_bytes()


def test_the_dozen_shows_what_generation_does_not_reach():
    chats = shipped("hand-written")
    assert len(chats) == 12
    kinds = [kind for chat in chats for kind in kinds_of(chat)]
    assert set(kinds) == {"ok", "malformed", "unknown tool", "wrong arguments", "refused by the tool"}
    assert sum(not kinds_of(chat) for chat in chats) == 2
    for chat in chats:
        assert (kinds_of(chat) or ["ok"])[-1] == "ok" and "Answer: " in chat[-1]["content"]
        calls = [call for message in chat for call in calls_of(message)]
        assert len(set(calls)) == len(calls)  # what was refused is not written once more
    generated = {
        kind for chat in draw_chats("generated", random.Random(1), 300, failures=0.5) for kind in kinds_of(chat)
    }
    assert generated == {"ok", "refused by the tool"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [("5000000000000-4999999999958", 42), ("4042 divided by 86", 4042 // 86), ("7 to the power", 7**5), ("63*58", 63 * 58),
     ("94*27+8", 94 * 27 + 8), ("57*96", 57 * 96), ("23 rows", 23 * 31 - 48), ("68 by 79", int(str(68 * 79)[::-1]) * 3),
     ("386*27", 386 * 27), ("37 is 2701", 2701 // 37), ("digits has 5083", 4), ("larger, 68 or 86", 86)],
)  # fmt: skip
def test_the_dozen_is_right(question, answer):
    (chat,) = [chat for chat in shipped("hand-written") if question in chat[0]["content"]]
    assert chat[-1]["content"].endswith(f"Answer: {answer}")


def test_a_share_of_the_generated_calls_fails_and_is_repaired():
    rng = random.Random(3)
    assert not any("refused by the tool" in kinds_of(chat) for chat in draw_chats("generated", rng, 100, failures=0.0))
    chats = draw_chats("generated", rng, 600, failures=0.5, waste=0.0)
    refused = sum(kinds_of(chat).count("refused by the tool") for chat in chats)
    good = sum(kinds_of(chat).count("ok") for chat in chats)
    # a third of the chats has one call, a third two: 600 calls, of which half fail, with a standard deviation of 12 and,
    # since the number of calls is drawn too, of 20 for that number
    assert abs(good - 600) < 80 and abs(refused - 300) < 80


def test_a_share_of_the_generated_solutions_calls_more_often_than_it_must():
    rng = random.Random(4)
    calls = {
        waste: [kinds_of(chat).count("ok") for chat in draw_chats("generated", rng, 600, failures=0.0, waste=waste)]
        for waste in (0.0, 0.5, 1.0)
    }
    assert max(calls[0.0]) == 2 and calls[0.0].count(0) > 150  # chains by head
    assert calls[1.0].count(0) == 0 and max(calls[1.0]) == 3  # chains with a call, products with three
    # half of the chains and products, a third of 600 each: 200 expected, with a standard deviation of 12
    assert abs(calls[0.5].count(3) - 100) < 40 and abs(calls[0.5].count(0) - 100) < 40


def test_lines_of_a_file_are_drawn_with_replacement_and_by_the_seed():
    first, again = (draw_chats("hand-written", random.Random(5), 40) for _ in range(2))
    assert first == again != draw_chats("hand-written", random.Random(6), 40)
    assert all(chat in shipped("hand-written") for chat in first)


@pytest.mark.parametrize("name", ["chats.jsonl", "chats.jsonl.gz"])
def test_what_is_written_is_read_again(tmp_path, name):
    chats = [CHAT, *shipped("hand-written")]
    write_trajectories(tmp_path / name, chats)
    assert read_trajectories(tmp_path / name) == chats
    before = (tmp_path / name).read_bytes()
    write_trajectories(tmp_path / name, chats)
    assert (tmp_path / name).read_bytes() == before


def test_a_line_has_what_trl_reads(tmp_path):
    write_trajectories(tmp_path / "chats.jsonl", [CHAT])
    (line,) = (tmp_path / "chats.jsonl").read_text().splitlines()
    assert json.loads(line) == {"messages": CHAT, "tools": schemas()}


def bad(**changes: object) -> str:
    """The chat with its second message changed, as a line."""
    return json.dumps({"messages": [CHAT[0], {**CHAT[1], **changes}, *CHAT[2:]]})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2, is not JSON: write"),
        ("", "line 2, is not JSON"),
        ("[" * 10_000, "line 2, is not JSON"),
        ("[]", "line 2, has no list of messages"),
        ('{"messages": []}', "line 2, has no list of messages"),
        ('{"messages": [{"role": "user", "content": "Hi"}]}', "line 2, has no turn of the assistant"),
        (bad(role="system"), "line 2, message 2, has no role of the chat template: use one of user, assistant, tool"),
        (bad(content=7), "message 2, has no content"),
        (bad(content=None, tool_calls=[]), "message 2, has no content"),
        (bad(role="user"), "message 2, has tool_calls that are no list, or not the assistant's"),
        (bad(tool_calls=CALL), "message 2, has tool_calls that are no list"),
        (bad(tool_calls=["47*86"]), "message 2, has a call without a name"),
        (bad(tool_calls=[{"function": {"name": "calculator", "arguments": "{}"}}]), "whose arguments are no dict"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(tmp_path, line, words):
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"messages": CHAT}) + "\n" + line + "\n")
    with pytest.raises(InputError) as refusal:
        read_trajectories(path)
    assert str(path) in str(refusal.value) and words in str(refusal.value)


def test_a_bad_file_is_refused(tmp_path):
    write_trajectories(tmp_path / "cut.jsonl.gz", [CHAT])
    (tmp_path / "cut.jsonl.gz").write_bytes((tmp_path / "cut.jsonl.gz").read_bytes()[:-20])
    (tmp_path / "bad.jsonl.gz").write_text("no gzip")
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9\n")
    (tmp_path / "garbled.jsonl.gz").write_bytes(gzip.compress(b"\xe9\n"))
    (tmp_path / "empty.jsonl").write_text("")
    for name, words in (
        ("cut.jsonl.gz", "is damaged"), ("bad.jsonl.gz", "cannot be read"), ("latin.jsonl", "is damaged"),
        ("garbled.jsonl.gz", "is damaged"), ("empty.jsonl", "holds no chat"), ("none.jsonl", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_trajectories(tmp_path / name)


def test_a_malformed_call_stands_in_the_content_and_is_answered():
    text = '{"name": "calculator"'
    turn = {"role": "assistant", "content": f"I try.\n<|call|>{text}"}
    assert calls_of(turn) == [text]
    chat = answered_again([CHAT[0], turn, {"role": "tool", "content": ""}, *CHAT[1:]])
    assert chat[2]["content"].startswith("error: the call is not JSON") and len(chat[2]["content"]) <= LONGEST_RESULT
    assert calls_of({"role": "user", "content": "<|call|>7"}) == []


def test_calls_and_answers_must_stand_in_turn():
    with pytest.raises(InputError, match=r"message 3 comes before the tool's answer: write one turn of the tool"):
        answered_again([CHAT[0], CHAT[1], CHAT[3]])
    with pytest.raises(InputError, match=r"message 2 is a tool's, and nothing was called"):
        answered_again([CHAT[0], CHAT[2], CHAT[3]])
    with pytest.raises(InputError, match="the last call has no answer"):
        answered_again(CHAT[:2])
    two = {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]}
    assert answered_again([two, {"role": "tool", "content": ""}, {"role": "tool", "content": ""}])[1:] == [CHAT[2]] * 2


def test_a_source_that_is_none_is_refused():
    for function in (shipped, lambda source: draw_chats(source, random.Random(0), 1)):
        with pytest.raises(InputError, match="source is 'human': use one of 'generated', 'self-labelled'"):
            function("human")


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_trl_trains_on_the_same_tokens(source, tmp_path, base):
    """What SFTTrainer makes of the file: the tokens of our template, and the assistant's in its loss."""
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = base
    rows = load_dataset("json", data_files=str(FILES[source]), cache_dir=str(tmp_path / "cache"), split="train")
    options = SFTConfig(tmp_path / "run", assistant_only_loss=True, max_length=None, report_to="none", use_cpu=True)
    trainer = SFTTrainer(copy.deepcopy(model), options, train_dataset=rows, processing_class=copy.deepcopy(tokenizer))
    encoded = tokenizer.apply_chat_template(shipped(source), return_dict=True, return_assistant_tokens_mask=True)
    assert list(trainer.train_dataset["input_ids"]) == encoded["input_ids"]
    kept = [[int(label != -100) for label in labels] for labels in trainer.train_dataset["labels"]]
    assert kept == encoded["assistant_masks"]
