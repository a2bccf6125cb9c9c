"""encode_pair with tokenizers that put tokens of their own around a text, and with one that cannot say where it is."""

import pytest
from chat_families import speaking
from transformers import ByT5Tokenizer

from reference.objectives import InputError
from reference.world.tokenizer import encode_pair, leading_ids

AROUND = [((), ()), (("<s>",), ()), (("<s>",), ("<|end|>",)), ((), ("<|end|>",)), (("<g>", "<s>"), ("</s>",))]


@pytest.mark.parametrize(("leading", "trailing"), AROUND)
def test_one_bos_in_front_and_one_eos_behind(base, leading, trailing):
    made = speaking(base[1], None, tokens=("<s>", "<g>", "</s>"), leading=leading, trailing=trailing)
    ids, start = encode_pair(made, "7=", "7")
    assert made.convert_ids_to_tokens(ids) == [*leading, "7", "=", "7", "<|end|>"] and start == len(leading) + 2
    again = encode_pair(made, "".join(leading) + "7=", "7")  # the prompt has it, as one from a chat template
    assert again == (ids, start)


@pytest.mark.parametrize(("leading", "trailing"), AROUND)
@pytest.mark.parametrize("prompt", ["", "So far so "])
def test_the_completion_begins_where_it_did(base, leading, trailing, prompt):
    made = speaking(base[1], None, tokens=("<s>", "<g>", "</s>"), leading=leading, trailing=trailing)
    plain, at = encode_pair(base[1], prompt, "good.")
    ids, start = encode_pair(made, prompt, "good.")
    assert (ids[len(leading) :], start - len(leading)) == (plain, at)


@pytest.mark.parametrize(("leading", "trailing"), AROUND)
def test_what_a_tokenizer_puts_in_front(base, leading, trailing):
    made = speaking(base[1], None, tokens=("<s>", "<g>", "</s>"), leading=leading, trailing=trailing)
    assert made.convert_ids_to_tokens(leading_ids(made)) == list(leading)


def test_a_tokenizer_in_python_is_refused(base):
    assert leading_ids(ByT5Tokenizer()) == []  # it adds an EOS only
    with pytest.raises(InputError, match=r"ByT5Tokenizer does not tell .* nothing tells where the completion begins"):
        encode_pair(ByT5Tokenizer(), "7=", "7")
