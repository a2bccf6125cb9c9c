"""What goes wrong where a prompt and its completion meet."""

from transformers import PreTrainedTokenizerBase

from reference.teaching.bug import bug


@bug(
    "tokenised separately",
    mistake="prompt and completion are tokenised apart, so at the boundary the ids differ from those of the whole text",
    symptom="the model is trained on token sequences it never meets, and scores its own text differently",
    wild="TRL's SFT trainer warns of it ('The tokenized prompt is not a prefix of the tokenized prompt+completion')",
)
def encode_pair__separately(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    first, second = plain_ids(tokenizer, prompt), plain_ids(tokenizer, completion + tokenizer.eos_token)
    return first + second, len(first)


@bug(
    "no EOS",
    mistake="the text ends without an EOS, so nothing teaches the model to stop",
    symptom="completions grow until the budget cuts them off",
    wild="TRL #1623, PR #3091, llm-course #33, minimind's agent trainer",
)
def encode_pair__no_eos(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    ids, start = whole(tokenizer, prompt, completion)
    return ids[:-1], start


@bug(
    "start counted apart",
    mistake="the ids are right, the start is not: it is the length of the prompt tokenised alone, and a merge moves it",
    symptom="the first completion token is left out of the mask now and then",
)
def encode_pair__start_apart(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    return whole(tokenizer, prompt, completion)[0], len(plain_ids(tokenizer, prompt))


@bug(
    "straddling token left to the prompt",
    mistake="a token that begins in the prompt and ends in the completion is counted as prompt, so part of it is not trained",
    symptom="the first letters of some completions are never learned",
)
def encode_pair__straddler(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    ids, _ = whole(tokenizer, prompt, completion)
    text = prompt + completion + tokenizer.eos_token
    starts = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return ids, next(index for index, (start, _) in enumerate(starts) if start >= len(prompt))


@bug(
    "tokenised separately, and no EOS",
    mistake="prompt and completion are tokenised apart, so the ids at the boundary differ from those of the whole text; "
    "and nothing ends it, so the model is not taught to stop",
    symptom="the model scores its own text differently, and completions grow until the budget cuts them off",
)
def encode_pair__separately_no_eos(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str
) -> tuple[list[int], int]:
    first = plain_ids(tokenizer, prompt)
    return first + plain_ids(tokenizer, completion), len(first)


@bug(
    "straddling token left to the prompt, and no EOS",
    mistake="a token that begins in the prompt and ends in the completion is counted as prompt; and nothing ends the "
    "text, so the model is not taught to stop",
    symptom="the first letters of some completions are never learned, and completions do not end",
)
def encode_pair__straddler_no_eos(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str
) -> tuple[list[int], int]:
    ids, start = encode_pair__straddler.wrong(tokenizer, prompt, completion)
    return ids[:-1], start


@bug(
    "start counted apart, and no EOS",
    mistake="the start is the length of the prompt tokenised alone, and a merge moves it; and nothing ends the text, so "
    "the model is not taught to stop",
    symptom="the first completion token is left out of the mask now and then, and completions do not end",
)
def encode_pair__apart_no_eos(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str
) -> tuple[list[int], int]:
    return whole(tokenizer, prompt, completion)[0][:-1], len(plain_ids(tokenizer, prompt))


@bug(
    "characters counted as tokens",
    mistake="the start is a number of characters, where an index of a token is wanted",
    symptom="the mask begins in the middle of the completion or behind its end",
)
def encode_pair__characters(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    return whole(tokenizer, prompt, completion)[0], len(prompt)


@bug(
    "two EOS",
    mistake="the EOS is there twice, once in the text and once appended to the ids",
    symptom="the model learns to write a second EOS after the first; harmless until two turns are joined",
)
def encode_pair__two_eos(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    ids, start = whole(tokenizer, prompt, completion)
    return [*ids, ids[-1]], start


@bug(
    "a token touches the boundary",
    mistake="your completion begins at the last token of the prompt: ending where the prompt ends is not holding "
    "completion text",
    symptom="the last prompt token is trained on",
)
def encode_pair__touching(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    ids, _ = whole(tokenizer, prompt, completion)
    text = prompt + completion + tokenizer.eos_token
    ends = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return ids, next(index for index, (_, end) in enumerate(ends) if end >= len(prompt))


def plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def whole(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    from reference.world.tokenizer import encode_pair

    return encode_pair(tokenizer, prompt, completion)
