"""What goes wrong between a text and the log-prob of each of its tokens."""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from . import bug

# ---- token_logprobs --------------------------------------------------------------------------------------------------


def pick(scores: Tensor, tokens: Tensor) -> Tensor:
    return scores.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


@bug(
    "no shift",
    mistake="position t is asked for its own token: the logits at t have already read tokens[:, t], they predict the next one",
    symptom="log-probs near 0 after training, as the model only learns to copy its input; ratios and KL look fine",
    wild="prime-rl PR #1525 (trainer and sampler one position apart)",
)
def token_logprobs__no_shift(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits / temperature).log_softmax(-1), tokens)[:, :-1]


@bug(
    "no shift, and T entries",
    mistake="position t is asked for its own token, and all T positions are returned: there are only T-1 predictions",
    symptom="shapes clash later, or a slice added to silence the error hides the missing shift",
    wild="prime-rl PR #1525",
)
def token_logprobs__no_shift_full(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits / temperature).log_softmax(-1), tokens)


@bug(
    "no shift, first column dropped",
    mistake="each position is asked for its own token, and then the first column is dropped: dropping is not shifting",
    symptom="log-probs near 0 after training, as the model only learns to copy its input",
)
def token_logprobs__no_shift_tail(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits / temperature).log_softmax(-1), tokens)[:, 1:]


@bug(
    "shift the wrong way",
    mistake="the logits are shifted instead of the tokens: position t + 1 is asked for the token at t, which it has read",
    symptom="the loss falls at once and the model writes nonsense",
)
def token_logprobs__wrong_way(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, 1:] / temperature).log_softmax(-1), tokens[:, :-1])


@bug(
    "temperature forgotten",
    mistake="the temperature is not used: these are log-probs of a policy that did not write the samples",
    symptom="the first ratio of every update is not 1, approx_kl is high before anything was learned",
    wild="TRL PR #3029, OpenRLHF PR #853, prime-rl PR #679",
)
def token_logprobs__no_temperature(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick(logits[:, :-1].log_softmax(-1), tokens[:, 1:])


@bug(
    "temperature after the softmax",
    mistake="the log-probs are divided by the temperature: what comes out no longer sums to 1 over the vocabulary",
    symptom="log-probs scaled by a constant, ratios raised to a power",
)
def token_logprobs__late_temperature(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick(logits[:, :-1].log_softmax(-1), tokens[:, 1:]) / temperature


@bug(
    "temperature multiplied",
    mistake="the logits are multiplied by the temperature: hotter makes the distribution sharper instead of flatter",
    symptom="the first ratio of every update is not 1",
)
def token_logprobs__hot_is_cold(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] * temperature).log_softmax(-1), tokens[:, 1:])


@bug(
    "logits instead of log-probs",
    mistake="raw logits are picked, without normalising over the vocabulary: their exp does not sum to 1",
    symptom="'log-probs' above 0, ratios that depend on an offset the model is free to choose",
)
def token_logprobs__raw_logits(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick(logits[:, :-1] / temperature, tokens[:, 1:])


@bug(
    "probabilities instead of log-probs",
    mistake="these are probabilities: take the logarithm (in one step with the softmax, or small ones underflow)",
    symptom="differences between policies are no log-ratios, so every ratio is near 1",
)
def token_logprobs__probabilities(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] / temperature).softmax(-1), tokens[:, 1:])


@bug(
    "negative log-likelihood",
    mistake="the sign is that of a loss (NLL, cross-entropy): log-probs are never above 0",
    symptom="ratios are inverted, good completions become less likely",
    wild="rlhf-book #125",
)
def token_logprobs__nll(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return -pick((logits[:, :-1] / temperature).log_softmax(-1), tokens[:, 1:])


@bug(
    "softmax over time",
    mistake="the softmax runs over the positions instead of over the vocabulary",
    symptom="log-probs change when a row is padded",
)
def token_logprobs__over_time(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] / temperature).log_softmax(dim=1), tokens[:, 1:])


@bug(
    "softmax over the batch",
    mistake="the softmax runs over the rows of the batch: without dim, F.log_softmax takes the first axis of a 3-D tensor",
    symptom="log-probs change with who else is in the batch, and with one row they are all 0",
)
def token_logprobs__over_batch(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] / temperature).log_softmax(dim=0), tokens[:, 1:])


# ---- completion_mask -------------------------------------------------------------------------------------------------


def spans(tokens: Tensor, completion_start: Tensor, eos_token_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per token: inside the completion, an EOS inside it, and the number of EOS inside it strictly before."""
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    ends = inside & (tokens == eos_token_id)
    return inside, ends, ends.cumsum(1) - ends.long()


@bug(
    "prompt not masked",
    mistake="the prompt is kept: the model is trained to write the user's words too",
    symptom="the loss is dominated by prompt tokens, and RL pushes on tokens nobody sampled",
    wild="TRL's ORPO takes its NLL over prompt and response",
)
def completion_mask__prompt_kept(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return (~inside | (before == 0))[:, 1:]


@bug(
    "mask not shifted",
    mistake="the mask is cut on the token axis, not moved to the prediction axis: it keeps each token's successor",
    symptom="the first completion token is never trained, and one pad after the EOS is",
    wild="minimind PR #621, gpt-neox PR #1285",
)
def completion_mask__not_shifted(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return (inside & (before == 0))[:, :-1]


@bug(
    "mask shifted twice",
    mistake="the mask is moved one position too far: entry t must speak of tokens[:, t + 1], yours speaks of t + 2",
    symptom="the last prompt token is trained on, the EOS is not",
    wild="verl #655: the mask applies to targets, so it looks off by one and gets 'fixed'",
)
def completion_mask__shifted_twice(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return torch.nn.functional.pad((inside & (before == 0))[:, 2:], (0, 1))


@bug(
    "EOS not supervised",
    mistake="the mask stops before the EOS, so nothing ever teaches the model to stop",
    symptom="completions grow until the budget cuts them off",
    wild="nanochat #810, reasoning-from-scratch #185, open-r1 PR #494",
)
def completion_mask__no_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, before = spans(tokens, completion_start, eos_token_id)
    return (inside & (before == 0) & ~ends)[:, 1:]


@bug(
    "mask by value",
    mistake="tokens are left out because of their id; where pad and EOS share one, the real EOS goes with the pads",
    symptom="the model never learns to stop; only where pad == EOS, so it passes on other tokenizers",
    wild="TRL #1623, #4970, #6357",
)
def completion_mask__by_value(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, _ = spans(tokens, completion_start, eos_token_id)
    return (inside & (tokens != eos_token_id))[:, 1:]


@bug(
    "all that is not an EOS",
    mistake="the mask asks for the id alone, not for the place: it keeps the prompt and loses the EOS",
    symptom="the model is trained to write the user's words, and never to stop",
)
def completion_mask__not_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return (tokens != eos_token_id)[:, 1:]


@bug(
    "padding kept",
    mistake="everything after the prompt is kept, padding after the EOS too",
    symptom="the model is trained to write pads, more so in wide batches",
)
def completion_mask__padding_kept(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, _ = spans(tokens, completion_start, eos_token_id)
    return inside[:, 1:]


@bug(
    "EOS of the prompt",
    mistake="the first EOS of the whole row ends the mask; a chat prompt has EOS tokens of its own",
    symptom="every mask is empty, the loss is 0 or NaN from the first step",
)
def completion_mask__prompt_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, _ = spans(tokens, completion_start, eos_token_id)
    ends = tokens == eos_token_id
    return (inside & (ends.cumsum(1) - ends.long() == 0))[:, 1:]


@bug(
    "last EOS instead of the first",
    mistake="the mask runs to the last EOS of the row; where pad is EOS, that is the end of the padding",
    symptom="padding is trained on wherever pad == EOS",
)
def completion_mask__last_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, _ = spans(tokens, completion_start, eos_token_id)
    to_come = ends.flip(1).cumsum(1).flip(1)  # EOS tokens at or after each position
    return (inside & ((to_come > 0) | ~ends.any(1, keepdim=True)))[:, 1:]


@bug(
    "truncated rows lost",
    mistake="a completion without an EOS keeps nothing; it was cut off, but its tokens were sampled all the same",
    symptom="truncated completions never train, nobody asked for that, and the loss may divide by zero",
)
def completion_mask__truncated_lost(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, before = spans(tokens, completion_start, eos_token_id)
    return (inside & (before == 0) & ends.any(1, keepdim=True))[:, 1:]


@bug(
    "not shifted, and padding kept",
    mistake="index t is compared with completion_start as if it spoke of token t, and nothing ends the mask after the EOS",
    symptom="the first completion token is never trained, and pads are",
)
def completion_mask__raw_arange(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return torch.arange(tokens.shape[1] - 1) >= completion_start[:, None]


@bug(
    "one token of a truncated row",
    mistake="a completion without an EOS keeps its first token only: argmax over a row without a hit says 0",
    symptom="truncated completions hardly train, and nobody asked for that",
)
def completion_mask__argmax(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, before = spans(tokens, completion_start, eos_token_id)
    first = torch.arange(tokens.shape[1]) == completion_start[:, None]
    return (inside & (before == 0) & (ends.any(1, keepdim=True) | first))[:, 1:]


@bug(
    "first token lost",
    mistake="the mask begins one token late: completion_start itself is a completion token",
    symptom="how to begin is never trained",
)
def completion_mask__late_start(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    late = torch.arange(tokens.shape[1]) > completion_start[:, None]
    return (inside & late & (before == 0))[:, 1:]


@bug(
    "last prompt token kept",
    mistake="the mask begins one token early: the last token of the prompt is trained on",
    symptom="the model learns to write the header that opens its own turn",
)
def completion_mask__early_start(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    _, _, before = spans(tokens, completion_start, eos_token_id)
    early = torch.arange(tokens.shape[1]) >= completion_start[:, None] - 1
    return (early & (before == 0))[:, 1:]


@bug(
    "ends before it begins",
    mistake="you look for the EOS from the last token of the prompt on; in a chat that token is an EOS itself",
    symptom="every mask keeps one token or none, the loss is 0 or NaN from the first step",
)
def completion_mask__early_search(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start - 1, eos_token_id)
    return (inside & (before == 0))[:, 1:]


@bug(
    "row of T entries",
    mistake="the mask has an entry for each of the T tokens; the prediction axis has T - 1",
    symptom="shapes clash later, or a slice added to silence the error keeps the wrong end",
)
def completion_mask__all_tokens(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return inside & (before == 0)


# ---- position_ids ----------------------------------------------------------------------------------------------------


@bug(
    "left padding moves the row",
    mistake="positions count pads too, so a left-padded row begins somewhere in the middle",
    symptom="log-probs depend on who else is in the batch; on GPT-2 they were 34 nats off",
    wild="OpenRLHF #217, TRL #6800, transformers #29419",
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
    wild="TRL PR #3091, llm-course #33, minimind's agent trainer",
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
