"""Chat template, mask and stop tokens against each other: what is refused, what is warned of, what passes in silence."""

import copy
import re
import warnings

import pytest
import torch
from chat_families import CHATML, FAMILIES, LLAMA3, family, marked, speaking, unmarked
from model_folders import model_folder
from transformers import AutoModelForCausalLM, ByT5Tokenizer, LlamaConfig

from reference.objectives import InputError
from reference.world.chat import ANSWERED, ASKED, QUESTION, end_of_turn, require_chat, require_marks
from reference.world.model import eos_ids, load

IM = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
ASK = "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}<|end|>"
OPEN = "{% if add_generation_prompt %}<|assistant|>{% endif %}"


def simple(turn: str, *, opening: str = OPEN, first: str = "") -> str:
    """A template with the shipped tokens in which only the assistant's turn is to be written."""
    return first + ASK + "{% else %}" + turn + "{% endif %}{% endfor %}" + opening


SOUND = "<|assistant|>{% generation %}{{ m.content }}<|end|>{% endgeneration %}"


@pytest.fixture
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def folder_of(tokenizer, path, *, ends: list[int] | None = None):
    """A folder with a small random model for this tokenizer, as from the hub."""
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=None,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    if ends:
        model.generation_config.eos_token_id = ends
    return model_folder(path, model, tokenizer)


# --- families: what is sound passes in silence ---


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("marks", [True, False])
def test_a_family_loads_in_silence_and_without_marks_only_imitation_is_refused(
    tokenizer, name, marks, tmp_path, silence
):
    made, ends = family(tokenizer, name, marks=marks)
    model, made = load(folder_of(made, tmp_path, ends=ends))
    assert eos_ids(model, made) == sorted(ends)
    if marks:
        require_marks(made, ends)
    else:
        with pytest.raises(InputError, match="does not mark the assistant's tokens, so nothing can be imitated"):
            require_marks(made, ends)


CLOSED = dict(
    zip(FAMILIES, ["<|im_end|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "</s>", "<|finish|>"], strict=True)
)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_token_that_closes_a_turn(tokenizer, name):
    assert end_of_turn(family(tokenizer, name, marks=False)[0]) == CLOSED[name]


def test_the_shipped_tokenizer_and_a_plain_one_are_sound(tokenizer, silence):
    require_marks(tokenizer, [tokenizer.eos_token_id])
    assert require_chat(tokenizer, "base", [tokenizer.eos_token_id])[-1] == tokenizer.eos_token_id
    assert end_of_turn(tokenizer) == "<|end|>"


# --- no template ---


@pytest.mark.slow
@pytest.mark.parametrize("template", [None, "", " \n"])
@pytest.mark.parametrize(
    ("leading", "trailing"),
    [((), ()), (("<s>",), ()), (("<s>",), ("<|end|>",)), (("<g>", "<s>"), ()), ((), ("<|end|>",))],
)
def test_without_a_template_a_chat_is_plain_text_behind_what_the_tokenizer_puts_in_front(
    tokenizer, template, leading, trailing, tmp_path, silence
):
    made = speaking(tokenizer, template, tokens=("<s>", "<g>"), leading=leading, trailing=trailing)
    _, made = load(folder_of(made, tmp_path))
    text = made.apply_chat_template(ANSWERED, tokenize=False)
    assert text == "".join(leading) + QUESTION + "\n" + ANSWERED[1]["content"] + "<|end|>"
    require_marks(made, [made.eos_token_id])


@pytest.mark.parametrize("written", ["", "\n"])
def test_a_template_file_with_nothing_in_it_is_none(tokenizer, written, tmp_path, silence):
    folder_of(speaking(tokenizer, None), tmp_path)
    (tmp_path / "chat_template.jinja").write_text(written)
    assert load(tmp_path)[1].apply_chat_template(ASKED, tokenize=False) == QUESTION + "\n"


def test_an_eos_that_is_also_the_bos_is_put_where_the_tokenizer_puts_it(tokenizer, tmp_path):
    """Of an empty text both give one token, the same."""
    made = speaking(tokenizer, None, leading=("<|end|>",))
    assert load(folder_of(made, tmp_path / "front"))[1].apply_chat_template(ASKED, tokenize=False)[:7] == "<|end|>"
    made = speaking(tokenizer, None, trailing=("<|end|>",))
    made.bos_token = "<|end|>"
    assert load(folder_of(made, tmp_path / "back"))[1].apply_chat_template(ASKED, tokenize=False)[:4] == "What"


# --- the stop token ---


CLOSES = r"closes the assistant's turn with <\|im_end\|>, and only <\|endoftext\|> ends a completion"


@pytest.mark.parametrize("template", [marked(CHATML), unmarked(CHATML)])
def test_a_turn_that_closes_with_a_token_that_ends_nothing_is_warned_of_at_load(tokenizer, template, tmp_path):
    """Qwen2.5 base: it may well write <|endoftext|>, which its template never prints."""
    made = speaking(tokenizer, template, tokens=IM, eos="<|endoftext|>")
    folder_of(made, tmp_path)
    with pytest.warns(
        UserWarning, match=CLOSES + r": a completion ends only where the model writes <\|endoftext\|> of"
    ) as caught:
        load(tmp_path)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = made.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
        load(folder_of(made, tmp_path, ends=ends))  # the way out that the sentence names
        made.eos_token = "<|im_end|>"
        load(folder_of(made, tmp_path))  # and the other


def test_a_turn_that_closes_with_a_token_that_ends_nothing_is_not_imitated(tokenizer):
    made = speaking(tokenizer, marked(CHATML), tokens=IM, eos="<|endoftext|>")
    ends = made.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    with pytest.raises(InputError, match=CLOSES + ", so imitation would never teach the model to stop: make that the"):
        require_marks(made, ends[:1])
    require_marks(made, ends)


@pytest.mark.parametrize("after", ["", "\n", "\n\n### "])
@pytest.mark.parametrize("tokens", [(), ("\n", "\n\n")], ids=["as text", "as added tokens"])
def test_a_turn_that_nothing_ends_is_warned_of_and_not_imitated(tokenizer, after, tokens):
    turn = "<|assistant|>{% generation %}{{ m.content }}" + after + "{% endgeneration %}"
    made = speaking(tokenizer, simple(turn), tokens=tokens)
    assert end_of_turn(made) == made.eos_token
    ends = [made.eos_token_id]
    with pytest.warns(UserWarning, match=re.escape(f"prints {after!r} behind the assistant's words, and no token")):
        require_chat(made, "x", ends)
    with pytest.raises(
        InputError, match=r"no token that ends a completion \(<\|end\|> does\).* print eos_token before"
    ):
        require_marks(made, ends)


def test_an_ordinary_token_may_end_a_completion(tokenizer, silence):
    made = speaking(tokenizer, simple("<|assistant|>{% generation %}{{ m.content }}\n{% endgeneration %}"))
    ends = [made.eos_token_id, made.convert_tokens_to_ids("Ċ")]
    require_chat(made, "x", ends)
    require_marks(made, ends)


# --- the mask ---

INSIDE, AFTER = "{% generation %}", "{% endgeneration %}"
UNSOUND = {
    r"prints <\|end\|> behind {% endgeneration %}, so imitation would never teach the model to stop": (
        f"<|assistant|>{INSIDE}{{{{ m.content }}}}{AFTER}<|end|>"
    ),
    "does not hold all that the assistant says": f"{INSIDE}<|assistant|>{AFTER}{{{{ m.content }}}}<|end|>",
    "does not hold all that the assistant says: put": (
        f"<|assistant|>{{{{ m.content[:-3] }}}}{INSIDE}{{{{ m.content[-3:] }}}}<|end|>{AFTER}"
    ),
    # transformers marks other tokens than those in the block where the header is printed by the same macro
    "does not hold all that the assistant says: put message": (
        f"{{% macro turn(m) %}}<|assistant|>{INSIDE}{{{{ m.content }}}}<|end|>{AFTER}{{% endmacro %}}{{{{ turn(m) }}}}"
    ),
    "does not mark the assistant's tokens": "<|assistant|>{{ m.content }}<|end|>",
    "does not print what the assistant says": f"<|assistant|>{INSIDE}thinking<|end|>{AFTER}",
    "cannot render an assistant's turn": f"{INSIDE}{{{{ raise_exception('no') }}}}{AFTER}",
}  # fmt: skip


@pytest.mark.parametrize("message", UNSOUND)
def test_a_mask_that_teaches_something_else_is_refused(tokenizer, message):
    with pytest.raises(InputError, match=message):
        require_marks(speaking(tokenizer, simple(UNSOUND[message])), [tokenizer.eos_token_id])


@pytest.mark.parametrize("name", ["deepseek", "qwen3"])
@pytest.mark.parametrize("thoughts", ["<think>\n", "Well, "])
def test_a_generation_prompt_that_is_no_beginning_of_the_turn_is_refused_for_imitation_only(
    tokenizer, name, thoughts, silence
):
    made, ends = family(tokenizer, name, marks=True)
    made.chat_template += "{% if add_generation_prompt %}" + thoughts + "{% endif %}"
    require_chat(made, name, ends)
    if name == "qwen3" and thoughts == "<think>\n":  # the turn begins so, and goes on in the block
        with pytest.warns(UserWarning, match=r"also holds '<think>\\n' of the prompt"):
            require_marks(made, ends)
        return
    with pytest.raises(InputError, match=re.escape(f"ends in {thoughts!r}, which the assistant's turn does not begin")):
        require_marks(made, ends)


WARNED = {
    "also holds '<|assistant|>' of the prompt": f"{INSIDE}<|assistant|>{{{{ m.content }}}}<|end|>{AFTER}",
    "prints 'So: ' between the generation prompt and": f"<|assistant|>So: {INSIDE}{{{{ m.content }}}}<|end|>{AFTER}",
}  # fmt: skip


@pytest.mark.parametrize("message", WARNED)
def test_a_mask_that_begins_elsewhere_than_sampling_is_warned_of(tokenizer, message):
    with pytest.warns(UserWarning, match=re.escape(message)):
        require_marks(speaking(tokenizer, simple(WARNED[message])), [tokenizer.eos_token_id])


def test_words_that_merge_with_the_prompt_are_warned_of(tokenizer):
    """ "An" and "swer" apart, one token where they meet: from "An" sampling never begins with it."""
    turn = "<|assistant|>An{% generation %}swer: {{ m.content }}<|end|>{% endgeneration %}"
    made = speaking(tokenizer, simple(turn, opening="{% if add_generation_prompt %}<|assistant|>An{% endif %}"))
    assert made.tokenize("Answer") == ["Answer"]
    with pytest.warns(UserWarning, match="break into other tokens together than apart") as caught:
        require_marks(made, [made.eos_token_id])
    assert len(caught) == 1


# --- prompts ---


@pytest.mark.parametrize("template", ["<|user|><|end|>", "{{ messages|length }}", "{% if messages[1] %}x{% endif %}"])
def test_a_template_that_leaves_out_the_question_is_refused(tokenizer, template):
    with pytest.raises(InputError, match="chat template of x leaves out what the user says"):
        require_chat(speaking(tokenizer, template), "x", [tokenizer.eos_token_id])


@pytest.mark.parametrize("trailing", [(), ("<|end|>",)])
def test_a_bos_that_the_template_leaves_out_is_warned_of(tokenizer, trailing, tmp_path):
    made = speaking(tokenizer, simple(SOUND), tokens=("<s>",), leading=("<s>",), trailing=trailing)
    with pytest.warns(UserWarning, match="puts <s> in front of every text and the chat template does not"):
        load(folder_of(made, tmp_path))
    two = speaking(tokenizer, simple(SOUND), tokens=("<g>", "<s>"), leading=("<g>", "<s>"), trailing=trailing)
    with pytest.warns(UserWarning, match="puts <g><s> in front of every text"):
        require_chat(two, "x", [two.eos_token_id])
    made.chat_template = simple(SOUND, first="{{ bos_token }}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(folder_of(made, tmp_path))


def test_a_template_without_a_generation_prompt_is_warned_of(tokenizer):
    made = speaking(tokenizer, simple(SOUND, opening=""))
    with pytest.warns(
        UserWarning, match=r"nothing where add_generation_prompt is set.* write '<\|assistant\|>' itself"
    ):
        require_chat(made, "x", [made.eos_token_id])


DATES = [
    "{{ strftime_now('%d %b %Y') }}",
    "{%- if not date is defined %}{%- if strftime_now is defined %}{%- set date = strftime_now('%d %b %Y') %}"
    "{%- else %}{%- set date = '26 Jul 2024' %}{%- endif %}{%- endif %}{{- 'Today: ' + date }}",
    "{{ strftime_now('%Y') | int + 1 }}",
]


@pytest.mark.parametrize("first", DATES)
def test_a_template_that_prints_the_date_is_warned_of(tokenizer, first):
    made, ends = family(tokenizer, "llama3", marks=False)
    made.chat_template = unmarked(LLAMA3).replace("{{- bos_token }}", "{{- bos_token }}" + first)
    with pytest.warns(UserWarning, match="prints the date into every prompt"):
        require_chat(made, "x", ends)


def test_a_template_that_could_print_the_date_and_does_not_is_not_warned_of(tokenizer, silence):
    made = speaking(tokenizer, simple(SOUND, first="{% if never %}{{ strftime_now('%d') }}{% endif %}"))
    require_chat(made, "x", [made.eos_token_id])


@pytest.mark.parametrize("turn", ["{{ raise_exception('no') }}", "<|assistant|>thinking<|end|>"])
def test_an_assistants_turn_that_is_not_printed_is_warned_of(tokenizer, turn):
    with pytest.warns(UserWarning, match="does not print what the assistant says, so nothing shows how its turn ends"):
        require_chat(speaking(tokenizer, simple(turn)), "x", [tokenizer.eos_token_id])


def test_a_warning_is_shown_once(tokenizer, capsys):
    made = speaking(tokenizer, simple(SOUND, opening=""))
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for name in ("one", "the same, from another folder"):
            require_chat(made, name, [made.eos_token_id])
    assert len(shown) == 1


def test_an_end_of_turn_that_the_model_has_no_embedding_for(tokenizer, tmp_path):
    made = speaking(tokenizer, unmarked(CHATML), tokens=IM, eos="<|im_end|>")
    folder_of(made, tmp_path)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="do not belong together"):
        load(tmp_path)


# --- tokenizers in Python ---


def test_a_tokenizer_in_python_loads_and_is_refused_for_imitation(tmp_path, silence):
    made = ByT5Tokenizer()
    assert not made.is_fast
    model, made = load(folder_of(made, tmp_path))
    assert made.apply_chat_template(ASKED, tokenize=False) == QUESTION + "\n"
    with pytest.raises(InputError, match="ByT5Tokenizer does not tell which characters its tokens stand for"):
        require_marks(made, eos_ids(model, made))


def test_the_check_leaves_the_tokenizer_as_it_was(tokenizer):
    made = copy.deepcopy(tokenizer)
    require_chat(made, "x", [made.eos_token_id])
    require_marks(made, [made.eos_token_id])
    assert made.chat_template == tokenizer.chat_template and made.get_vocab() == tokenizer.get_vocab()
