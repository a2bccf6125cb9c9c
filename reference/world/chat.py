"""Chat template, assistant mask and stop tokens, checked against each other on one small chat, before anything is run.

Reinforcement learning reads the prompt only (``require_chat``). Imitation also reads the assistant's turn and the mask over
it, and a token that ends a completion must close that turn (``require_marks``). What cannot work is refused; of what can,
but hardly as it was meant, a warning tells.
"""

import json
import warnings

from transformers import BatchEncoding, PreTrainedTokenizerBase

from reference.objectives.shapes import InputError
from reference.world.tokenizer import leading_ids, require_fast

QUESTION, ANSWER = "What is 1+2?", "1+2=3\nAnswer: 3"
ASKED = [{"role": "user", "content": QUESTION}]
ANSWERED = [*ASKED, {"role": "assistant", "content": ANSWER}]
PLAIN_TEMPLATE = (  # for models that come without a chat template, such as GPT-2
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{% generation %}"
    "{{ message['content'] + eos_token }}{% endgeneration %}{% else %}{{ message['content'] + '\n' }}{% endif %}{% endfor %}"
)


def fill_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """A template of plain text where there is none, or an empty one; with the BOS that the tokenizer would put in front."""
    template = tokenizer.chat_template
    if template is None or (isinstance(template, str) and not template.strip()):
        opening = "".join(tokenizer.convert_ids_to_tokens(leading_ids(tokenizer)))
        prefix = "{{ " + json.dumps(opening, ensure_ascii=False) + " }}" if opening else ""
        tokenizer.chat_template = prefix + PLAIN_TEMPLATE


def require_chat(tokenizer: PreTrainedTokenizerBase, name: object, ends: list[int]) -> list[int]:
    """Ids of a small chat. Refuse a template that cannot ask; warn of one whose turns close with a token that ends none.

    ``ends``: every id that ends a completion. ``name``: of the model, for the sentence.
    """
    try:
        prompt = chat_text(tokenizer, ASKED, add_generation_prompt=True)
    except Exception as error:  # templates are programs: they may fail in any way
        raise InputError(f"the chat template of {name} cannot render a user's turn ({error})") from None
    if QUESTION not in prompt:
        raise InputError(f"the chat template of {name} leaves out what the user says: print message['content']")
    row, after = turn(tokenizer)
    warn(remarks(tokenizer, prompt, row, after, ends))
    return plain_ids(tokenizer, prompt) + plain_ids(tokenizer, after or "")


def remarks(
    tokenizer: PreTrainedTokenizerBase, prompt: str, row: str, after: str | None, ends: list[int]
) -> list[tuple[bool, str]]:
    """What works, but hardly as it was meant: whether it is so, and what to say."""
    leading, ids = leading_ids(tokenizer), plain_ids(tokenizer, prompt)
    header = row[len(prompt) :].partition(ANSWER)[0].strip() if row.startswith(prompt) else ""
    endless = not set(plain_ids(tokenizer, after or "")) & set(ends)
    stop = closing_token(tokenizer, after)  # of Qwen2.5 base <|im_end|>, and its EOS is <|endoftext|>
    ends_itself = f"a completion ends only where the model writes {names_of(tokenizer, ends)} of its own accord"
    return [
        (after is None,
         f"the chat template does not print what the assistant says, so nothing shows how its turn ends: {ends_itself}"),
        (endless and stop is not None,
         f"the chat template closes the assistant's turn with {stop}, and only {names_of(tokenizer, ends)} ends a completion: "
         f"{ends_itself}, as a base model may; if it was trained to write {stop}, {MAKE_IT_END}"),
        (endless and stop is None and after is not None,
         f"the chat template prints {after!r} behind the assistant's words, and no token that ends a completion: "
         f"{ends_itself}; print eos_token there if the model was not trained so"),
        (ids[: len(leading)] != leading,
         f"the tokenizer puts {''.join(tokenizer.convert_ids_to_tokens(leading))} in front of every text and the chat template does not, so "
         "prompts begin without: if the model expects it, print it at the template's beginning"),
        (bool(header) and prompt == chat_text(tokenizer, ASKED),
         f"the chat template prints nothing where add_generation_prompt is set, so the model must write {header!r} itself: "
         "print it there"),
        (tells_the_day(tokenizer),
         "the chat template prints the date into every prompt, so the same run gives other numbers tomorrow, also one "
         "that goes on: write a date of your own into the template"),
    ]  # fmt: skip


def require_marks(tokenizer: PreTrainedTokenizerBase, ends: list[int]) -> None:
    """Refuse a template from which imitation would not learn what sampling then asks for: the words and their end.

    ``ends``: every id that ends a completion.
    """
    require_fast(tokenizer, "the assistant's tokens cannot be marked")
    try:
        encoded = tokenizer.apply_chat_template(ANSWERED, return_assistant_tokens_mask=True, return_dict=True)
    except Exception as error:
        raise InputError(f"the chat template cannot render an assistant's turn ({error})") from None
    prompt = chat_text(tokenizer, ASKED, add_generation_prompt=True)
    row, after = turn(tokenizer)
    assert isinstance(encoded, BatchEncoding)  # as return_dict asks for
    ids, mask = encoded["input_ids"], encoded["assistant_masks"]
    for wrong, why in mark_problems(tokenizer, ids, mask, prompt, row, after, ends):
        if wrong:
            raise InputError(why)
    before, first = plain_ids(tokenizer, prompt), mask.index(1)
    warn([
        (ids[: len(before)] != before,
         "prompt and assistant's words break into other tokens together than apart, so imitation learns tokens that "
         "sampling does not begin with: let the generation prompt of the chat template end in a special token"),
        (ids[: len(before)] == before and first > len(before),
         f"the chat template prints {tokenizer.decode(ids[len(before) : first])!r} between the generation prompt and "
         "{% generation %}: the model must write it when it is sampled, and is not taught to; move it into the block"),
        (ids[: len(before)] == before and first < len(before),
         f"the {{% generation %}} block of the chat template also holds {tokenizer.decode(ids[first : len(before)])!r} of "
         "the prompt, which imitation then teaches to write; begin it behind the generation prompt"),
    ])  # fmt: skip


def mark_problems(
    tokenizer: PreTrainedTokenizerBase,
    ids: list[int],
    mask: list[int],
    prompt: str,
    row: str,
    after: str | None,
    ends: list[int],
) -> list[tuple[bool, str]]:
    """Whether, and why. The first that holds is told. ``mask``: of the tokens ``ids`` of the text ``row``."""
    spans = tokenizer(row, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    stop = len(row) - len(after or "")
    words = [m for (first, last), m in zip(spans, mask, strict=True) if last > stop - len(ANSWER) and first < stop]
    closing = [(i, m) for i, (first, _), m in zip(ids, spans, mask, strict=True) if first >= stop and i in ends]
    unlearned, token = "imitation would never teach the model to stop", closing_token(tokenizer, after)
    return [
        (not any(mask), NO_MARKS),
        (after is None, "the chat template does not print what the assistant says: print message['content']"),
        (not all(words), "the {% generation %} block of the chat template does not hold all that the assistant says: put "
         "message['content'] and what ends the turn into it"),
        (not closing and token is not None,
         f"the chat template closes the assistant's turn with {token}, and only {names_of(tokenizer, ends)} ends a completion, "
         f"so {unlearned}: {MAKE_IT_END}"),
        (not closing, f"the chat template prints {after!r} behind the assistant's words, and no token that ends a "
         f"completion ({names_of(tokenizer, ends)} does), so {unlearned}: print eos_token before {{% endgeneration %}}"),
        (not any(m for _, m in closing),
         f"the chat template prints {names_of(tokenizer, [i for i, _ in closing][:1])} behind {{% endgeneration %}}, so "
         f"{unlearned}: move it into the block"),
        (not row.startswith(prompt),
         f"the generation prompt of the chat template ends in {prompt[common(prompt, row) :]!r}, which the assistant's "
         "turn does not begin with, so imitation would teach what sampling never asks for: print the same in both"),
    ]  # fmt: skip


MAKE_IT_END = "make that the tokenizer's eos_token, or add its id to eos_token_id in generation_config.json"
NO_MARKS = (
    "the chat template does not mark the assistant's tokens, so nothing can be imitated: put {% generation %} and "
    "{% endgeneration %} around what the assistant says"
)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token that closes the assistant's turn in the template, as text; the EOS where it has none."""
    return closing_token(tokenizer, turn(tokenizer)[1]) or tokenizer.eos_token


def closing_token(tokenizer: PreTrainedTokenizerBase, after: str | None) -> str | None:
    """The first token of its own name in what the template prints ``after`` the words; None where there is only text."""
    closing = added_tokens(tokenizer, plain_ids(tokenizer, after or ""))
    return tokenizer.convert_ids_to_tokens(closing)[0] if closing else None


def added_tokens(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Those that were added to the vocabulary by name. Line breaks, of which Gemma adds some, are ordinary text."""
    return [i for i in ids if i in tokenizer.added_tokens_decoder and not str(tokenizer.decode([i])).isspace()]


def chat_text(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, add_generation_prompt: bool = False
) -> str:
    """A chat as the template prints it."""
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=add_generation_prompt, tokenize=False)
    assert isinstance(text, str)  # of one chat, and no tokens
    return text


def turn(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str | None]:
    """The small chat as text, and what of it follows the assistant's words; None where they are not in it."""
    try:
        row = chat_text(tokenizer, ANSWERED)
    except Exception:  # templates are programs: they may fail in any way
        return "", None
    _, found, after = row.rpartition(ANSWER)
    return row, after if found else None


def tells_the_day(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether prompts are made with the clock: templates have it as ``strftime_now``, and fail without."""
    try:
        tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, tokenize=False, strftime_now="no clock")
    except Exception:  # with the clock they do not
        return True
    return False


def common(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def names_of(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return " or ".join(tokenizer.convert_ids_to_tokens([i])[0] or f"token {i}" for i in ids)


def warn(remarks: list[tuple[bool, str]]) -> None:
    """Each once: Python shows a warning of the same words from the same line no second time."""
    for holds, why in remarks:
        if holds:
            warnings.warn(why, stacklevel=1)
