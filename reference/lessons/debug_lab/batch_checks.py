"""What can be wrong with a batch before the loss is computed: the first part of the article's checklist."""

import torch
from torch import Tensor

NAMES = ("shape", "prompt", "pad", "empty", "start", "eos", "ratio")
TOLERANCE = 1e-3  # nats: rounding in float32 stays below it, and a wrong temperature does not


def check_batch(
    tokens: Tensor,
    attention_mask: Tensor,
    mask: Tensor,
    logprobs: Tensor,
    old_logprobs: Tensor,
    *,
    prompt_width: int,
    eos_token_id: int,
) -> list[str]:
    """What is wrong with a batch at the first inner step, as names in this order; an empty list if nothing is.

        shape    mask, logprobs or old_logprobs is not (rows, time - 1); then nothing else is looked at
        prompt   the mask keeps a token of the prompt
        pad      the mask keeps a token that attention leaves out
        empty    the mask keeps no token at all, so that the normaliser is 0
        start    a row that keeps something does not keep the first token of its completion
        eos      the last real token of a row that keeps something is an EOS, and the mask does not keep it
        ratio    on a kept token the two log-probs differ by more than 0.001 nats

    Args:
        tokens, attention_mask: (rows, time). Prompts are padded on the left to ``prompt_width``, completions on the right.
        mask, logprobs, old_logprobs: (rows, time - 1). Index t is about token t + 1.
        prompt_width: the index of the first token of every completion.
        eos_token_id: of the token that ends a turn. A pad may have the same id.
    """
    rows, time = tokens.shape
    if any(x.shape != (rows, time - 1) for x in (mask, logprobs, old_logprobs)):
        return ["shape"]
    kept, real, place = mask.bool(), attention_mask.bool(), torch.arange(1, time)
    some, last = kept.any(dim=1), (attention_mask.long() * torch.arange(time)).argmax(dim=1)
    row = torch.arange(rows)
    found = {
        "prompt": kept & (place < prompt_width),
        "pad": kept & ~real[:, 1:],
        "empty": ~kept.any(),
        "start": some & real[:, prompt_width] & ~kept[:, prompt_width - 1],
        "eos": some & (tokens[row, last] == eos_token_id) & ~kept[row, last - 1],
        "ratio": kept & ((logprobs - old_logprobs).abs() > TOLERANCE),
    }
    return [name for name in NAMES if name in found and found[name].any()]
