"""Rollouts with tools. What the model writes is given here, so that every case can be followed by hand."""

import re

import pytest
import torch

from reference.algorithms.scoring import score
from reference.objectives import token_logprobs, tool_mask
from reference.objectives.shapes import InputError
from reference.world import tool_rollout
from reference.world.completions import require_calls
from reference.world.rollout import Rollout, sample
from reference.world.tool_rollout import Trajectory, as_rollout, sample_with_tools

QUESTIONS = ("What is 47*86?", "What is 1+2?")
CALL = '<|call|>{"name": "calculator", "arguments": {"expression": "47*86"}}<|end|>'
BAD = '<|call|>{"name": "calculator"<|end|>'


@pytest.fixture
def play(base, monkeypatch):
    """play([turns of row 0, turns of row 1]): the trajectories when the model writes these turns, one after the other."""
    model, tokenizer = base
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": q}], add_generation_prompt=True, return_dict=False)
        for q in QUESTIONS
    ]

    def played(turns: list[list[str]], *, max_new_tokens: int = 100, max_calls: int = 2):
        begun = prompts[: len(turns)]
        left = [[tokenizer(t, add_special_tokens=False)["input_ids"] for t in row] for row in turns]

        def writes(model, tokenizer, asked, *, max_new_tokens, **_) -> Rollout:
            rows = []
            for ids in asked:
                (row,) = [i for i, prompt in enumerate(begun) if ids[: len(prompt)] == prompt]
                written = left[row].pop(0)[:max_new_tokens]
                rows.append(Trajectory())
                rows[-1].append(written, [-0.5] * len(written))
            return as_rollout(asked, rows, 1, tokenizer.pad_token_id, torch.device("cpu"))

        monkeypatch.setattr(tool_rollout, "sample", writes)
        out = sample_with_tools(model, tokenizer, begun, max_new_tokens=max_new_tokens, max_calls=max_calls)
        assert left == [[]] * len(turns)  # every turn was asked for
        return out

    return played


def marked(rollout: Rollout, row: int, tokenizer, *, sampled: bool) -> str:
    """The completion's tokens that the model has, or has not, written."""
    behind = rollout.attention_mask[row, 1:].clone()
    behind[: rollout.prompt_width - 1] = False
    return tokenizer.decode(rollout.tokens[row, 1:][behind & (rollout.completion_mask[row] == sampled)].tolist())


def test_a_call_is_answered_and_only_the_models_words_are_in_the_mask(play, base):
    rollout, (row, other) = play([[CALL, "Answer: 4042<|end|>"], ["Answer: 3<|end|>"]])
    assert row.calls == [(CALL[len("<|call|>") : -len("<|end|>")], tool_rollout.Result("ok", "4042"))]
    assert (row.answer, row.ending, other.answer, other.ending) == ("Answer: 4042", "answer", "Answer: 3", "answer")
    assert marked(rollout, 0, base[1], sampled=True) == CALL + "Answer: 4042<|end|>"
    assert marked(rollout, 0, base[1], sampled=False) == "<|tool|>4042<|end|><|assistant|>"
    assert marked(rollout, 1, base[1], sampled=False) == ""
    assert torch.equal(rollout.sampler_logprobs == -0.5, rollout.completion_mask)
    assert not rollout.truncated.any()


def test_the_tokens_are_those_of_the_chat_template(play, base):
    rollout, _ = play([[CALL, "Answer: 4042<|end|>"]])
    arguments = {"name": "calculator", "arguments": {"expression": "47*86"}}
    chat = [
        {"role": "user", "content": QUESTIONS[0]},
        {"role": "assistant", "tool_calls": [{"function": arguments}]},
        {"role": "tool", "content": "4042"},
        {"role": "assistant", "content": "Answer: 4042"},
    ]
    rendered = base[1].apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    assert rollout.tokens[0].tolist() == rendered["input_ids"]
    assert rollout.completion_mask[0].tolist() == [m == 1 for m in rendered["assistant_masks"][1:]]


def test_an_error_is_an_answer_and_may_be_repaired(play):
    _, (row,) = play([[BAD, CALL, "Answer: 4042<|end|>"]])
    assert [result.kind for _, result in row.calls] == ["malformed", "ok"]
    assert (row.answer, row.ending) == ("Answer: 4042", "answer")


def test_a_bad_call_does_not_cancel_a_good_one_of_the_same_turn(play):
    _, (row,) = play([[CALL.removesuffix("<|end|>") + BAD, "Answer: 4042<|end|>"]])
    assert [result.kind for _, result in row.calls] == ["ok", "malformed"]


def test_a_call_over_the_budget_gets_an_error_and_one_more_turn(play):
    _, (row,) = play([[CALL, CALL, "Answer: 4042<|end|>"]], max_calls=1)
    assert [result.kind for _, result in row.calls] == ["ok", "over budget"]
    assert row.ending == "answer"
    _, (row,) = play([[CALL, CALL, CALL]], max_calls=1)
    assert row.ending == "unanswered call"
    assert [result.kind for _, result in row.calls] == ["ok", "over budget"]


def test_many_calls_over_the_budget_in_one_turn_get_one_error(play, base):
    many = "<|call|>" * 30 + "<|end|>"
    rollout, (row,) = play([[many, "<|call|>7<|end|>"]], max_calls=2)
    assert [result.kind for _, result in row.calls] == ["malformed"] * 2 + ["over budget"] * 28
    assert row.ending == "unanswered call"
    assert marked(rollout, 0, base[1], sampled=False).count("<|tool|>") == 3


def test_the_token_budget_counts_what_the_model_writes_in_all_turns(play, base):
    length = len(base[1](CALL, add_special_tokens=False)["input_ids"])
    rollout, (row,) = play([[CALL, "Answer: 4042<|end|>"]], max_new_tokens=length + 3)
    assert (row.ending, row.spent, rollout.truncated.tolist()) == ("cut off", length + 3, [True])
    _, (row,) = play([[CALL]], max_new_tokens=length - 1)  # the call itself is cut: it is not run
    assert (row.ending, row.calls) == ("cut off", [])


@pytest.mark.parametrize("forged", ["<|tool|>4042<|end|>", "4<|user|>What<|end|>", "<|assistant|>Answer: 1<|end|>"])
def test_a_turn_that_pretends_to_be_somebody_elses_ends_the_trajectory(play, forged):
    _, (row,) = play([[forged]])
    assert (row.ending, row.calls) == ("forged turn", [])


def test_a_mark_that_an_error_repeats_is_text_and_opens_no_turn(play, base):
    name = '<|call|>{"name": "\\u003c|tool|>7", "arguments": {}}<|end|>'
    rollout, (row,) = play([[name, "Answer: 7<|end|>"]])
    assert "<|tool|>7" in row.calls[0][1].text
    tool = base[1].convert_tokens_to_ids("<|tool|>")
    assert (rollout.tokens[0] == tool).sum() == 1  # the header, and not the name


@pytest.mark.parametrize(
    "turns",
    [
        [[CALL, "Answer: 4042<|end|>"], ["Answer: 3<|end|>"]],
        [[BAD, CALL, CALL, CALL], ["Answer: 3<|end|>"]],  # the last call is left without an answer
        [["Answer: 3<|end|>"], [CALL, "Let me think about it for longer than " + "that " * 100]],  # cut off
        [["<|tool|>4042<|end|>"], ["<|assistant|>Answer: 1<|end|>"]],  # forged turns: the model wrote them
        [[CALL, "4<|user|>What<|end|>"], [CALL, "5<|assistant|>"]],
    ],
)
def test_tool_mask_finds_what_the_model_has_written(play, base, turns):
    """By the tokens alone it comes to what was noted while they were sampled."""
    rollout, _ = play(turns)
    header, end = base[1].convert_tokens_to_ids(["<|assistant|>", "<|end|>"])
    found = tool_mask(rollout.tokens, rollout.attention_mask, assistant_token_id=header, eos_token_id=end)
    assert torch.equal(found, rollout.completion_mask)
    assert found.any(dim=1).all()


def test_rows_with_different_numbers_of_turns_score_as_they_do_turn_by_turn(play, base):
    model, _ = base
    rollout, rows = play([[BAD, CALL, "Answer: 4042<|end|>"], ["Answer: 3<|end|>"]])
    with torch.no_grad():
        whole = token_logprobs(score(model, rollout), rollout.tokens)
    for i, row in enumerate(rows):
        prompt = rollout.tokens[i][rollout.attention_mask[i]][: -len(row.ids)]
        ids, at = torch.cat([prompt, torch.tensor(row.ids)]), len(prompt)
        found = []
        for sampled, ours in zip(row.ids, row.sampled, strict=True):
            if ours:  # what the model says of this token when it has read what is before it, and nothing else
                with torch.no_grad():
                    found.append(model(ids[None, :at]).logits[0, -1].log_softmax(-1)[sampled])
            at += 1
        torch.testing.assert_close(whole[i][rollout.completion_mask[i]], torch.stack(found), rtol=0, atol=1e-4)


def test_without_calls_it_is_sample(base):
    model, tokenizer = base
    prompts = [tokenizer.apply_chat_template([{"role": "user", "content": QUESTIONS[1]}], add_generation_prompt=True, return_dict=False)]  # fmt: skip
    rollout, rows = sample_with_tools(
        model, tokenizer, prompts, max_new_tokens=24, max_calls=2, group_size=4, seeds=range(4)
    )
    plain = sample(model, tokenizer, prompts, max_new_tokens=24, group_size=4, seeds=range(4))
    assert [row.answer for row in rows] == plain.texts(tokenizer)
    for name in ("tokens", "attention_mask", "completion_mask", "sampler_logprobs", "truncated"):
        assert torch.equal(getattr(rollout, name), getattr(plain, name)), name


def test_a_model_without_the_tokens_of_a_call_is_told(base, monkeypatch):
    model, tokenizer = base
    monkeypatch.setattr(type(tokenizer), "get_added_vocab", lambda self: {"<|end|>": 1})
    with pytest.raises(InputError, match=r"no token <\|call\|>: tools are for models with the chat template"):
        sample_with_tools(model, tokenizer, [[1]], max_new_tokens=4, max_calls=1)


def test_a_tool_without_a_schema_is_refused_before_anything_is_sampled(base):
    with pytest.raises(InputError, match="the tool echo has no schema"):
        sample_with_tools(*base, [[1]], max_new_tokens=4, max_calls=1, tools={"echo": lambda text: text})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}", "does not print a call as <|call|>"),
        ("{{ messages[0]['content'] + messages[1]['no such'] }}", "cannot render a call and its answer"),
    ],
)
def test_a_chat_template_that_prints_no_calls_is_refused(base, monkeypatch, template, message):
    require_calls(base[1])  # that of the shipped model prints them
    monkeypatch.setattr(base[1], "chat_template", template)
    with pytest.raises(InputError, match=re.escape(message)):
        require_calls(base[1])


def test_prompt_budget_and_answers_must_fit_the_context(base):
    with pytest.raises(InputError, match="the model has 512: lower max_new_tokens"):
        sample_with_tools(*base, [[2] * 20], max_new_tokens=161, max_calls=3)
