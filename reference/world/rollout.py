"""Rollouts: the model writes completions, and every token's log-prob is recorded as it is drawn.

Prompts are padded on the left, so that all completions begin in the same column; completions are padded on the right.
Positions are passed explicitly, because left padding moves the row for models with learned positions.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import completion_mask
from reference.objectives.shapes import InputError
from reference.world.drawable import require_drawable
from reference.world.eval_mode import eval_mode
from reference.world.model import eos_ids
from reference.world.reader import new_reader, require_context
from reference.world.tasks import Problem, chat
from reference.world.workers import FEW_ROWS, cores_for_rows

ROWS = 256  # rows that go through the model together
LOOK = 16  # tokens until it is looked again how many cores are free


@dataclass(frozen=True)
class Rollout:
    """Prompts with their completions, one row each. ``pred`` is the prediction axis, time - 1."""

    tokens: Tensor  # (rows, time) left-padded prompt, completion, right padding
    attention_mask: Tensor  # (rows, time) True on prompt and completion
    completion_mask: Tensor  # (rows, pred) True on predictions of completion tokens, the EOS among them
    sampler_logprobs: Tensor  # (rows, pred) under the distribution that was drawn from; 0 where nothing was sampled
    truncated: Tensor  # (rows,) True where the budget ran out before an EOS
    prompt_width: int

    def texts(self, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """What was sampled as text, without the EOS that ends it and what follows that."""
        lengths = (
            self.completion_mask.sum(dim=1) - (~self.truncated).long()
        ).tolist()  # without the EOS, if there is one
        kept = zip(self.tokens[:, 1:], self.completion_mask, lengths, strict=True)
        rows = [row[mask][:length].tolist() for row, mask, length in kept]
        return tokenizer.batch_decode(rows)  # other special tokens stay: a verifier must see them

    def rows(self, index: Tensor) -> "Rollout":
        """The named rows, without the columns that are padding in all of them."""
        attention = self.attention_mask[index]
        columns = attention.any(dim=0).nonzero()
        first, last = int(columns[0]), int(columns[-1]) + 1
        return Rollout(
            tokens=self.tokens[index, first:last],
            attention_mask=attention[:, first:last],
            completion_mask=self.completion_mask[index, first : last - 1],
            sampler_logprobs=self.sampler_logprobs[index, first : last - 1],
            truncated=self.truncated[index],
            prompt_width=self.prompt_width - first,
        )


def join(rollouts: list[Rollout], *, pad_token_id: int) -> Rollout:
    """Rollouts of different widths as one, padded to the widest on both sides."""
    before = max(r.prompt_width for r in rollouts)
    after = max(r.tokens.shape[1] - r.prompt_width for r in rollouts)

    def padded(name: str, value: float) -> Tensor:
        return torch.cat([
            pad(getattr(r, name), (before - r.prompt_width, after - r.tokens.shape[1] + r.prompt_width), value=value)
            for r in rollouts
        ])  # fmt: skip

    return Rollout(
        tokens=padded("tokens", pad_token_id),
        attention_mask=padded("attention_mask", False),
        completion_mask=padded("completion_mask", False),
        sampler_logprobs=padded("sampler_logprobs", 0.0),
        truncated=torch.cat([r.truncated for r in rollouts]),
        prompt_width=before,
    )


def encode_prompts(tokenizer: PreTrainedTokenizerBase, problems: list[Problem]) -> list[list[int]]:
    """Each problem as token ids, up to and including the header that opens the assistant's turn."""
    ids = tokenizer.apply_chat_template([chat(p) for p in problems], add_generation_prompt=True, return_dict=False)
    return cast(list[list[int]], ids)  # one list per problem, as return_dict=False and many chats have it


def row_seeds(rng: random.Random, count: int) -> list[int]:
    """A seed for each of ``count`` rows."""
    return [rng.getrandbits(63) for _ in range(count)]


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    *,
    max_new_tokens: int,
    group_size: int = 1,
    seeds: Sequence[int] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    greedy: bool = False,
) -> Rollout:
    """``group_size`` completions of each prompt, next to each other: len(prompts) * group_size rows.

    ``seeds``: one per row. What a row draws depends on its seed and on nothing else, neither on the other rows nor on
    their number (rounding aside: a matrix product of another size may differ in the last bit). Each prompt goes through
    the model once, whatever the group size, and so does each beginning that several completions share; finished rows
    leave the batch, in which there are 256 at most. Dropout is off meanwhile. Raises ``InputError`` when prompt and
    budget exceed the model's context.
    """
    require_context(model, max(map(len, prompts)) + max_new_tokens)
    draws = None if greedy else uniforms(seeds, len(prompts) * group_size, max_new_tokens).to(model.device)
    each = max(1, ROWS // group_size)  # prompts of one part
    done = []
    with eval_mode(model), cores_for_rows(model) as take_cores:
        for first in range(0, len(prompts), each):
            rows = slice(first * group_size, (first + each) * group_size)
            done.append(sample_part(
                model, tokenizer, prompts[first : first + each], None if draws is None else draws[rows], take_cores,
                max_new_tokens=max_new_tokens, group_size=group_size, temperature=temperature, top_k=top_k, top_p=top_p,
            ))  # fmt: skip
    return join(done, pad_token_id=tokenizer.pad_token_id)


def sample_part(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    draws: Tensor | None,
    take_cores: Callable[[int], None],
    *,
    max_new_tokens: int,
    group_size: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
) -> Rollout:
    """``sample`` for as many rows as go through the model together. ``draws`` (rows, max_new_tokens); None: greedy.
    ``take_cores``: from ``cores_for_rows``."""
    width, device = max(map(len, prompts)), model.device
    ends = torch.tensor(eos_ids(model, tokenizer), device=device)
    tokens, attention = left_padded(prompts, width, width + max_new_tokens, tokenizer.pad_token_id, device)

    first_of = {tuple(prompt): row for row, prompt in reversed(list(enumerate(prompts)))}  # equal prompts are read once
    number = {row: place for place, row in enumerate(first_of.values())}
    different = torch.tensor(list(number), device=device)
    take_cores(len(different))
    reader = new_reader(model)
    logits = reader.next_logits(tokens[different, :width], attention[different, :width])

    tokens, attention = (x.repeat_interleave(group_size, dim=0) for x in (tokens, attention))
    logprobs = torch.zeros(tokens.shape[0], tokens.shape[1] - 1, device=device)
    going = torch.arange(len(tokens), device=device)  # rows that are not finished
    read_as = torch.tensor([number[first_of[tuple(prompt)]] for prompt in prompts], device=device)
    branch = read_as.repeat_interleave(group_size)  # which row of the reader each is: rows that agree so far are one
    for end in range(width, width + max_new_tokens):
        logp = sampling_logprobs(logits, temperature=temperature, top_k=top_k, top_p=top_p)
        require_drawable(logp, logits, temperature=temperature)
        choice = logp.argmax(dim=-1)[branch] if draws is None else inverse_cdf(logp, draws[going, end - width], branch)
        tokens[going, end], attention[going, end] = choice, True
        logprobs[going, end - 1] = logp[branch, choice]

        left = ~torch.isin(choice, ends)
        going = going[left]
        if len(going) == 0 or end == width + max_new_tokens - 1:
            break
        parents, branch = branches(branch[left], choice[left])
        reader.select(parents)
        if len(parents) < FEW_ROWS or (end - width) % LOOK == 0:
            take_cores(len(parents))
        one_of_each = torch.empty_like(parents).scatter_(0, branch, going)
        logits = reader.next_logits(tokens[one_of_each, : end + 1], attention[one_of_each, : end + 1])

    truncated = torch.zeros(len(tokens), dtype=torch.bool, device=device).index_fill_(0, going, True)
    stop = int(attention.any(dim=0).nonzero()[-1]) + 1
    start = torch.full((len(tokens),), width, device=device)
    keep = completion_mask(tokens[:, :stop], start, eos_token_id=ends.tolist())
    return Rollout(tokens[:, :stop], attention[:, :stop], keep, logprobs[:, : stop - 1], truncated, width)


def branches(branch: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that were in the same branch and chose the same token stay in one; there is a branch for each other choice.

    ``branch``, ``choice``: (rows,). Returns the old branch that each new one goes on from, and the new branch of each
    row. A branch keeps its number where it can, since one that changes it is copied.
    """
    tokens = int(choice.max()) + 1
    branch_and_token, which = (branch * tokens + choice).unique(return_inverse=True)  # as one number: pairs sort slowly
    old = branch_and_token // tokens  # ascending
    is_first = torch.ones_like(old, dtype=torch.bool)
    is_first[1:] = old[1:] != old[:-1]
    stays = is_first & (old < len(old))
    free = torch.ones_like(stays)
    free[old[stays]] = False
    number = old.clone()
    number[~stays] = free.nonzero().squeeze(1)
    return torch.empty_like(old).scatter_(0, number, old), number[which]


def sampling_logprobs(
    logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Tensor:
    """Log-probs (rows, vocab) of the distribution that is drawn from; -inf for what it leaves out.

    In this order, as in transformers and vLLM: divide by the temperature; keep the ``top_k`` likeliest tokens; of those,
    the likeliest until their probabilities sum to ``top_p`` (the one that reaches it included); renormalise.
    """
    logp = (logits / temperature).log_softmax(dim=-1)
    if top_k is not None:
        lowest = logp.topk(min(top_k, logp.shape[1]), dim=-1).values[:, -1:]
        logp = logp.masked_fill(logp < lowest, -torch.inf).log_softmax(dim=-1)
    if top_p < 1:
        ordered, index = logp.sort(dim=-1, descending=True)
        before = ordered.exp().cumsum(dim=-1) - ordered.exp()  # the mass of all likelier tokens
        out = torch.zeros_like(logp, dtype=torch.bool).scatter(1, index, before >= top_p)
        logp = logp.masked_fill(out, -torch.inf).log_softmax(dim=-1)
    return logp


def inverse_cdf(logp: Tensor, uniform: Tensor, row: Tensor) -> Tensor:
    """The token in whose share of [0, 1) the number falls, shares in the order of the vocabulary.

    ``uniform`` (draws,), ``row`` (draws,): from which row of ``logp`` each is drawn.
    """
    mass = logp.double().exp().cumsum(dim=-1)[row]
    return torch.searchsorted(mass, (uniform * mass[:, -1])[:, None], right=True).squeeze(1)


def uniforms(seeds: Sequence[int] | None, rows: int, count: int) -> Tensor:
    """Random numbers in [0, 1), (rows, count), each row from its own seed. Drawn on the CPU: the same on every device."""
    if seeds is None or len(seeds) != rows:
        got = "none" if seeds is None else str(len(seeds))
        raise InputError(f"seeds: one per completion expected, {rows}, got {got}; row_seeds makes them")
    generator = torch.Generator()
    numbers = [torch.rand(count, generator=generator.manual_seed(seed), dtype=torch.float64) for seed in seeds]
    return torch.stack(numbers)


def left_padded(
    prompts: list[list[int]], width: int, length: int, pad_token_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Tokens and attention mask, (prompts, length): each prompt ends at column ``width``, behind it there is room."""
    tokens = torch.full((len(prompts), length), pad_token_id)
    attention = torch.zeros_like(tokens, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) : width] = torch.tensor(prompt)
        attention[row, width - len(prompt) : width] = True
    return tokens.to(device), attention.to(device)
