import pytest
from chat_families import assistant_text
from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

from reference.world.tokenizer import EOS, PAD, encode_pair, train_tokenizer

TOOL_CHAT = [
    {"role": "user", "content": "What is 2+2?"},
    {"role": "assistant", "tool_calls": [{"function": {"name": "calculator", "arguments": {"expression": "2+2"}}}]},
    {"role": "tool", "content": "4"},
    {"role": "assistant", "content": "Answer: 4"},
]


@pytest.mark.slow
def test_the_shipped_tokenizer_is_the_one_the_code_trains(tokenizer):
    assert train_tokenizer().get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize("text", ["What is 47+8?", "naïve ☃ 日本 \n\t {}", ""])
def test_any_text_survives_the_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_digit_is_a_token(tokenizer):
    assert tokenizer.tokenize("1234") == ["1", "2", "3", "4"]


def test_pad_and_eos_differ(tokenizer):
    assert (tokenizer.pad_token, tokenizer.eos_token) == (PAD, EOS)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_assistant_mask_keeps_words_calls_and_their_end_and_nothing_else(tokenizer):
    call = '<|call|>{"name": "calculator", "arguments": {"expression": "2+2"}}<|end|>'
    assert assistant_text(tokenizer, TOOL_CHAT) == call + "Answer: 4<|end|>"


def test_the_generation_prompt_is_how_a_full_chat_begins(tokenizer):
    asked = tokenizer.apply_chat_template(TOOL_CHAT[:1], add_generation_prompt=True, tokenize=False)
    answered = tokenizer.apply_chat_template([TOOL_CHAT[0], {"role": "assistant", "content": "4"}], tokenize=False)
    assert answered == asked + "4<|end|>"


def test_an_unknown_role_is_refused_by_name(tokenizer):
    with pytest.raises(TemplateError, match="unknown role 'system': use user, assistant or tool"):
        tokenizer.apply_chat_template([{"role": "system", "content": "hi"}])


def test_save_and_load_keep_template_and_tokens(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for chat in (TOOL_CHAT, TOOL_CHAT[:1]):
        assert again.apply_chat_template(chat, return_dict=False) == tokenizer.apply_chat_template(
            chat, return_dict=False
        )
    assert again.pad_token_id == tokenizer.pad_token_id


def test_a_pair_is_tokenised_as_one_text(tokenizer):
    ids, start = encode_pair(tokenizer, "So far so ", "good.")
    assert tokenizer.convert_ids_to_tokens(ids) == ["So", "Ġfar", "Ġso", "Ġgood", ".", EOS]
    assert start == 3  # " good" straddles the boundary, so it is completion
    ids, start = encode_pair(tokenizer, "7=", "7")
    assert (tokenizer.decode(ids[:start]), tokenizer.decode(ids[start:])) == ("7=", "7" + EOS)
