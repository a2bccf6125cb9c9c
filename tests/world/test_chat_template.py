"""The shipped chat template: plain chats as they always were, tool calls and contents in the forms that others accept."""

from pathlib import Path

import pytest
from chat_families import assistant_text
from jinja2.exceptions import TemplateError

from reference.world.model import BASE
from reference.world.tokenizer import CHAT_TEMPLATE, train_tokenizer

ASKED = {"role": "user", "content": "What is 2+2?"}
ARGUMENTS = {"expression": "2+2", "ü": [1, 2.5, None, True, "<"], "n": {"a": '"'}}
CALLED = '<|user|>What is 2+2?<|end|><|assistant|><|call|>{"name": "calculator", "arguments": '


def chat_with_calls(*calls: object) -> list[dict]:
    return [ASKED, {"role": "assistant", "tool_calls": list(calls)}]


def test_the_copy_beside_the_weights_is_the_source(tokenizer):
    text = CHAT_TEMPLATE.read_text()
    assert Path(BASE, "chat_template.jinja").read_text() == text == tokenizer.chat_template
    assert train_tokenizer(num_texts=50).chat_template == text


PLAIN = {  # written down before the template learned anything new: the recorded runs rest on it
    "<|user|>What is 2+2?<|end|>": [ASKED],
    "<|user|>  spaced \n<|end|><|assistant|>  x  <|end|>": [
        {"role": "user", "content": "  spaced \n"}, {"role": "assistant", "content": "  x  "},
    ],
    "<|user|>What is 2+2?<|end|><|assistant|>4 <b> & 'x' \"y\" é ☃ {{ }} {% x %}<|end|><|user|><|end|>": [
        ASKED, {"role": "assistant", "content": "4 <b> & 'x' \"y\" é ☃ {{ }} {% x %}"}, {"role": "user", "content": ""},
    ],
    CALLED + '{"expression": "2+2", "ü": [1, 2.5, null, true, "<"], "n": {"a": "\\""}}}<|end|><|tool|>4<|end|>': [
        *chat_with_calls({"function": {"name": "calculator", "arguments": ARGUMENTS}}), {"role": "tool", "content": "4"},
    ],
    '<|assistant|>Two:<|call|>{"name": "a", "arguments": {}}<|call|>{"name": "b\\"", "arguments": {"x": 1}}<|end|>': [
        {"role": "assistant", "content": "Two:", "tool_calls": [
            {"name": "a", "arguments": {}}, {"type": "function", "function": {"name": 'b"', "arguments": {"x": 1}}},
        ]},
    ],
    '<|assistant|><|call|>{"name": "a", "arguments": {}}<|end|>': [
        {"role": "assistant", "content": None, "tool_calls": [{"name": "a", "arguments": {}}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_an_ordinary_chat_is_rendered_as_it_always_was(tokenizer, text):
    assert tokenizer.apply_chat_template(PLAIN[text], tokenize=False) == text
    asked = tokenizer.apply_chat_template(PLAIN[text], tokenize=False, add_generation_prompt=True)
    assert asked == text + "<|assistant|>"


@pytest.mark.parametrize("arguments", [{"expression": "2+2"}, '{"expression": "2+2"}', ' {"expression": "2+2"}\n'])
@pytest.mark.parametrize("nested", [True, False])
def test_arguments_are_a_dict_or_its_json(tokenizer, arguments, nested):
    call = {"name": "calculator", "arguments": arguments}
    chat = chat_with_calls({"id": "1", "type": "function", "function": call} if nested else call)
    assert tokenizer.apply_chat_template(chat, tokenize=False) == CALLED + '{"expression": "2+2"}}<|end|>'
    assert (
        assistant_text(tokenizer, chat) == '<|call|>{"name": "calculator", "arguments": {"expression": "2+2"}}<|end|>'
    )


@pytest.mark.parametrize("role", ["user", "tool", "assistant"])
@pytest.mark.parametrize(("texts", "joined"), [(["a", " b"], "a b"), (["a"], "a"), ([], "")])
def test_text_parts_are_joined(tokenizer, role, texts, joined):
    message = {"role": role, "content": [{"type": "text", "text": text} for text in texts]}
    assert tokenizer.apply_chat_template([message], tokenize=False) == f"<|{role}|>{joined}<|end|>"


def test_the_mask_of_text_parts_and_a_call_holds_both_and_the_end(tokenizer):
    parts = [{"type": "text", "text": "I "}, {"type": "text", "text": "ask."}]
    message = {"role": "assistant", "content": parts, "tool_calls": [{"name": "a", "arguments": "{}"}]}
    assert assistant_text(tokenizer, [ASKED, message]) == 'I ask.<|call|>{"name": "a", "arguments": {}}<|end|>'


@pytest.mark.parametrize("role", ["user", "tool", "assistant"])
@pytest.mark.parametrize("content", [{"answer": 4}, {"type": "text", "text": "4"}, 4, 4.0, True, None])
def test_a_content_that_would_become_pythons_repr_is_refused(tokenizer, role, content):
    with pytest.raises(TemplateError, match=f"content of role '{role}' is neither a string nor a list of text parts"):
        tokenizer.apply_chat_template([{"role": role, "content": content}])


@pytest.mark.parametrize("part", [{"type": "image"}, "text", {"type": "text", "text": 4}, {"text": "a"}, ["a"], None])
def test_a_part_that_is_no_text_is_refused(tokenizer, part):
    message = {"role": "tool", "content": [{"type": "text", "text": "a"}, part]}
    with pytest.raises(TemplateError, match="content of role 'tool' has a part that is no text"):
        tokenizer.apply_chat_template([message])


def test_a_content_that_is_not_there_is_refused(tokenizer):
    for message in ({"role": "user"}, {"role": "assistant", "tool_calls": []}, {"role": "assistant", "contents": "x"}):
        with pytest.raises(TemplateError, match="neither a string nor a list of text parts"):
            tokenizer.apply_chat_template([message])


def test_a_content_beside_a_call_is_not_passed_over(tokenizer):
    message = {"role": "assistant", "content": 0, "tool_calls": [{"name": "a", "arguments": {}}]}
    with pytest.raises(TemplateError, match="neither a string nor a list of text parts"):
        tokenizer.apply_chat_template([message])


@pytest.mark.parametrize("call", [{"arguments": {}}, {"name": "", "arguments": {}}, {"name": 3, "arguments": {}}, "a"])
@pytest.mark.parametrize("nested", [True, False])
def test_a_call_without_a_name_is_refused(tokenizer, call, nested):
    with pytest.raises(TemplateError, match="a tool call has no name: give"):
        tokenizer.apply_chat_template(chat_with_calls({"function": call} if nested else call))


@pytest.mark.parametrize("call", [{}, {"arguments": "2+2"}, {"arguments": ""}, {"arguments": [1]}, {"arguments": 3}])
def test_arguments_that_are_no_dict_are_refused(tokenizer, call):
    with pytest.raises(
        TemplateError, match="arguments of the tool call 'a' are neither a dict nor a dict written as JSON"
    ):
        tokenizer.apply_chat_template(chat_with_calls({"function": {"name": "a", **call}}))
