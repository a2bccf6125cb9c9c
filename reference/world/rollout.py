"""Rollouts: the model writes completions, and every token's log-prob is recorded as it is drawn.

Prompts are padded on the left, so that all completions begin in the same column; completions are padded on the right.
Positions are passed explicitly, because left padding moves the row for models with learned positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import completion_mask, position_ids
from reference.objectives.shapes import InputError, require_no_nan
from reference.world.model import eos_ids
from reference.world.tasks import Problem, chat


@dataclass(frozen=True)
class Rollout:
    """Prompts with their completions, one row each. ``pred`` is the prediction axis, time - 1."""

    tokens: Tensor  # (rows, time) left-padded prompt, completion, right padding
    attention_mask: Tensor  # (rows, time) True on prompt and completion
    completion_mask: Tensor  # (rows, pred) True on predictions of completion tokens, the EOS among them
    old_logprobs: Tensor  # (rows, pred) under the policy and temperature that sampled; 0 where nothing was sampled
    truncated: Tensor  # (rows,) True where the budget ran out before an EOS
    prompt_width: int

    def texts(self, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """The completions as text, without the EOS and what follows it."""
        start = self.prompt_width
        kept = self.completion_mask[:, start - 1 :]
        lengths = (kept.sum(dim=1) - (~self.truncated).long()).tolist()  # without the EOS, where there is one
        rows = [row[start : start + length].tolist() for row, length in zip(self.tokens, lengths, strict=True)]
        return tokenizer.batch_decode(rows)  # other special tokens stay: a verifier must see them

    def rows(self, index: Tensor) -> "Rollout":
        """The named rows, without the columns that are padding in all of them."""
        attended = self.attention_mask[index]
        columns = attended.any(dim=0).nonzero()
        first, last = int(columns[0]), int(columns[-1]) + 1
        return Rollout(
            tokens=self.tokens[index, first:last],
            attention_mask=attended[:, first:last],
            completion_mask=self.completion_mask[index, first : last - 1],
            old_logprobs=self.old_logprobs[index, first : last - 1],
            truncated=self.truncated[index],
            prompt_width=self.prompt_width - first,
        )


def encode_prompts(tokenizer: PreTrainedTokenizerBase, problems: list[Problem]) -> list[list[int]]:
    """Each problem as token ids, up to and including the header that opens the assistant's turn."""
    return tokenizer.apply_chat_template([chat(p) for p in problems], add_generation_prompt=True, return_dict=False)


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    *,
    max_new_tokens: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    greedy: bool = False,
) -> Rollout:
    """One completion per prompt, by ancestral sampling at ``temperature``, or greedily.

    Finished rows leave the batch whenever they make up half of it. Raises ``InputError`` when prompt and budget exceed
    the model's context.
    """
    width = max(map(len, prompts))
    require_context(model, width + max_new_tokens)
    device = model.device
    pad, ends = tokenizer.pad_token_id, eos_ids(model, tokenizer)
    tokens = torch.full((len(prompts), width + max_new_tokens), pad, device=device)
    attention = torch.zeros_like(tokens, dtype=torch.bool)
    logprobs = torch.zeros(tokens.shape[0], tokens.shape[1] - 1, device=device)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) : width] = torch.tensor(prompt, device=device)
        attention[row, width - len(prompt) : width] = True

    alive = torch.arange(
        len(prompts), device=device
    )  # rows still in the batch; a finished one may stay a little longer
    done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    cache = DynamicCache(config=model.config)
    begin = 0  # columns from here on have not been through the model
    for end in range(width, width + max_new_tokens):
        out = model(
            input_ids=tokens[alive, begin:end],
            attention_mask=attention[alive, :end],
            position_ids=position_ids(attention[alive, :end])[:, begin:],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        scores = out.logits[:, -1].float()
        require_no_nan(scores, "logits (of the sampling model)")
        logp = (scores if greedy else scores / temperature).log_softmax(dim=-1)
        choice = logp.argmax(dim=-1) if greedy else torch.multinomial(logp.exp(), 1, generator=generator).squeeze(1)
        going = ~done[alive]
        tokens[alive, end] = torch.where(going, choice, pad)
        attention[alive, end] = going
        logprobs[alive, end - 1] = torch.where(going, logp.gather(1, choice[:, None]).squeeze(1), 0.0)
        done[alive] |= torch.isin(choice, torch.tensor(ends, device=device))
        begin = end
        still = (~done[alive]).nonzero().squeeze(1)
        if len(still) == 0:
            break
        if len(still) <= len(alive) // 2:
            alive = alive[still]
            cache.batch_select_indices(still)

    end = int(attention.any(dim=0).nonzero()[-1]) + 1
    start = torch.full((len(prompts),), width, device=device)
    keep = completion_mask(tokens[:, :end], start, eos_token_id=ends)
    return Rollout(tokens[:, :end], attention[:, :end], keep, logprobs[:, : end - 1], ~done, width)


def require_context(model: PreTrainedModel, needed: int) -> None:
    """Refuse prompts plus budget that do not fit the positions the model knows."""
    context = getattr(model.config, "max_position_embeddings", None)
    if context is not None and needed > context:
        raise InputError(
            f"prompt and completion need {needed} positions, the model has {context}: lower max_new_tokens"
        )
