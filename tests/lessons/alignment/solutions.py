"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch

from reference.world.tokenizer import encode_pair


def cross_entropy_logprobs(logits, tokens, *, temperature):
    flat = torch.nn.functional.cross_entropy(
        (logits[:, :-1] / temperature).flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    )
    return -flat.view(len(tokens), -1)


def logsumexp_logprobs(logits, tokens, *, temperature):
    logits = logits[:, :-1] / temperature
    return logits.gather(2, tokens[:, 1:, None])[..., 0] - logits.logsumexp(2)


def loop_mask(tokens, completion_start, *, eos_token_id):
    out = torch.zeros(tokens.shape[0], tokens.shape[1] - 1)
    for b, start in enumerate(completion_start.tolist()):
        for t in range(start, tokens.shape[1]):
            out[b, t - 1] = 1
            if tokens[b, t] == eos_token_id:
                break
    return out  # floats: as good as booleans


def masked_fill_positions(attention_mask):  # OpenRLHF's way: pads get 1
    return (attention_mask.long().cumsum(-1) - 1).masked_fill(attention_mask == 0, 1)


def tuple_pair(tokenizer, prompt, completion):
    ids, start = encode_pair(tokenizer, prompt, completion)
    return tuple(ids), torch.tensor(start)


SOLUTIONS = {
    "token_logprobs": [cross_entropy_logprobs, logsumexp_logprobs],
    "completion_mask": [loop_mask],
    "position_ids": [masked_fill_positions],
    "encode_pair": [tuple_pair],
}


def strip_trailing(tokens, completion_start, *, eos_token_id):  # what follows the EOS is not always padding
    out = torch.zeros(tokens.shape[0], tokens.shape[1] - 1)
    for b, start in enumerate(completion_start.tolist()):
        row = tokens[b].tolist()
        end = len(row)
        while end > start and row[end - 1] in (eos_token_id, 0):
            end -= 1
        out[b, start - 1 : min(end + 1, len(row)) - 1] = 1
    return out


def common_prefix(tokenizer, prompt, completion):
    whole, _ = encode_pair(tokenizer, prompt, completion)
    alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return whole, next((i for i, (a, b) in enumerate(zip(whole, alone, strict=False)) if a != b), len(alone))


def from_the_first_pad(attention_mask):
    return (torch.arange(attention_mask.shape[1]) - attention_mask.argmax(1, keepdim=True)).clamp_min(0)


def eos_is_always_1(tokens, completion_start, *, eos_token_id):
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    end = inside & (tokens == 1)
    return (inside & (end.cumsum(dim=1) - end.long() == 0))[:, 1:]


def token_0_is_a_pad(tokens, completion_start, *, eos_token_id):
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    end = inside & (tokens == eos_token_id)
    return (inside & (end.cumsum(dim=1) - end.long() == 0) & (tokens != 0))[:, 1:]


WRONG = {
    "completion_mask": [strip_trailing, eos_is_always_1, token_0_is_a_pad],
    "encode_pair": [common_prefix],
    "position_ids": [from_the_first_pad, lambda mask: (mask.cumsum(1) - 1).clamp_min(0).float()],
}
