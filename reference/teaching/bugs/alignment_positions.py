"""What goes wrong with positions under padding, and where a prompt and its completion meet."""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from reference.teaching.bug import bug

# ---- position_ids ----------------------------------------------------------------------------------------------------


@bug(
    "left padding moves the row",
    mistake="positions count pads too, so a left-padded row begins somewhere in the middle",
    symptom="log-probs depend on who else is in the batch; on GPT-2 they were 34 nats off",
    wild="OpenRLHF #217, TRL #469, #6800",
)
def position_ids__arange(attention_mask: Tensor) -> Tensor:
    return torch.arange(attention_mask.shape[1]).expand(attention_mask.shape).clone()


@bug(
    "positions from 1",
    mistake="the first real token gets position 1: every position is one too high",
    symptom="a small but constant error in every log-prob of a model with learned positions",
)
def position_ids__from_one(attention_mask: Tensor) -> Tensor:
    return attention_mask.long().cumsum(1)


@bug(
    "negative positions",
    mistake="pads on the left get position -1, which no embedding table has",
    symptom="an index error on the CPU, a device-side assert on the GPU",
)
def position_ids__negative(attention_mask: Tensor) -> Tensor:
    return attention_mask.long().cumsum(1) - 1


@bug(
    "counted from the first real token",
    mistake="you subtract where the row begins: padding in the middle, as between two joined pieces, is counted",
    symptom="wrong positions as soon as prompt and completion are padded apart and then joined",
)
def position_ids__from_first(attention_mask: Tensor) -> Tensor:
    first = attention_mask.long().argmax(dim=1, keepdim=True)
    return (torch.arange(attention_mask.shape[1]) - first).clamp_min(0)


@bug(
    "all pads subtracted",
    mistake="you subtract the number of pads of the whole row, those on the right too: they move nobody",
    symptom="rows that are padded on the right get positions that are too low",
)
def position_ids__all_pads(attention_mask: Tensor) -> Tensor:
    pads = (1 - attention_mask.long()).sum(dim=1, keepdim=True)
    return (torch.arange(attention_mask.shape[1]) - pads).clamp_min(0)


# ---- encode_pair -----------------------------------------------------------------------------------------------------


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
    ids, start = encode_pair__straddler(tokenizer, prompt, completion)
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
