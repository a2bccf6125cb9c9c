"""Preference pairs of trajectories with tool calls, as the tensors that the losses of pairs read.

    a row             <|user|>What is 47*86?<|end|><|assistant|>  <|call|>{...}<|end|>  <|tool|>4042<|end|><|assistant|>  Answer: 4042<|end|>
    what it is        prompt                                      completion
    completion mask                                               True                  False                             True

The log-prob of a completion is the sum over its kept tokens: what the assistant has written. The tool's words are no choice
of the policy. TRL 1.16 has no option for this: its DPO sums over every token behind the prompt, the results of tools among
them, so the margin also contains how well the model predicts the tool.
"""

import random
from collections.abc import Sequence

import torch
from transformers import BatchEncoding, PreTrainedTokenizerBase

from reference.algorithms.data import Pairs
from reference.objectives.shapes import InputError
from reference.world.chat import NO_MARKS
from reference.world.rollout import Rollout, left_padded
from reference.world.tokenizer import require_fast
from reference.world.tool_calls import schemas
from reference.world.tool_pairs import PAIR_KINDS, PairKind, ToolPair, draw_pair
from reference.world.tool_tasks import Message


def draw_tool_pool(
    tokenizer: PreTrainedTokenizerBase,
    count: int,
    rng: random.Random,
    *,
    held_out: bool = False,
    kinds: Sequence[PairKind] | None = None,
    device: str | torch.device = "cpu",
) -> Pairs:
    """``count`` pairs, the kinds in turn: pair i is of kind ``kinds[i % len(kinds)]``. ``kinds`` None: all of them.

    Raises ``InputError`` when ``kinds`` is empty, and for what ``encode_trajectories`` refuses.
    """
    kinds = PAIR_KINDS if kinds is None else kinds
    if not kinds:
        raise InputError("kinds is empty: name at least one, or pass None for all")
    pairs = [draw_pair(rng, held_out=held_out, kind=kinds[i % len(kinds)]) for i in range(count)]
    return encode_trajectories(tokenizer, pairs, device=device)


def encode_trajectories(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ToolPair], *, device: str | torch.device = "cpu"
) -> Pairs:
    """Chosen and rejected trajectory of each pair: row 2i and row 2i + 1 of ``completions``.

    The prompt is what stands before the first turn of the assistant, the question. A call that both sides share is in
    both sums: it cancels in the margin of DPO, and not in losses that see each side alone, such as ORPO and KTO. (TRL
    takes all leading messages that the sides share for the prompt.) Raises ``InputError`` where the two sides differ
    before the assistant speaks, for a chat template that marks no token of the assistant, leaves out a call, or prints
    the prompt in another way when an answer follows, and for a tokenizer that cannot say what is marked.
    """
    require_fast(tokenizer, "the assistant's tokens cannot be marked")
    if not pairs:
        raise InputError("pairs is empty: at least one is needed")
    prompts: list[list[int]] = []
    completions: list[tuple[list[int], list[int]]] = []
    for pair in pairs:
        if question_of(pair.chosen) != question_of(pair.rejected):
            raise InputError("chosen and rejected differ before the assistant speaks: a pair is about one prompt")
        for messages in (pair.chosen, pair.rejected):
            prompt, ids, ours = encode_trajectory(tokenizer, messages)
            prompts.append(prompt)
            completions.append((ids, ours))
    start = max(map(len, prompts))
    length = start + max(len(ids) for ids, _ in completions)
    tokens, attention = left_padded(prompts, start, length, tokenizer.pad_token_id, torch.device("cpu"))
    mask = torch.zeros(len(tokens), length - 1, dtype=torch.bool)
    for row, (ids, ours) in enumerate(completions):
        tokens[row, start : start + len(ids)] = torch.tensor(ids)
        attention[row, start : start + len(ids)] = True
        mask[row, start - 1 : start - 1 + len(ids)] = torch.tensor(ours) == 1  # place t is about token t + 1
    tensors = tokens, attention, mask, torch.zeros(mask.shape), torch.zeros(len(tokens), dtype=torch.bool)
    return Pairs(Rollout(*(tensor.to(device) for tensor in tensors), start), [pair.problem for pair in pairs])


def question_of(messages: list[Message]) -> list[Message]:
    """What stands before the first turn of the assistant."""
    speaks = [message["role"] == "assistant" for message in messages]
    return messages[: speaks.index(True)] if True in speaks else messages


def encode_trajectory(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message]
) -> tuple[list[int], list[int], list[int]]:
    """Ids of the prompt, ids of what follows it, and of each of those whether the assistant has written it."""
    whole = tokenizer.apply_chat_template(
        messages, tools=schemas(), return_assistant_tokens_mask=True, return_dict=True
    )
    prompt = tokenizer.apply_chat_template(
        question_of(messages), tools=schemas(), add_generation_prompt=True, return_dict=False
    )
    assert isinstance(whole, BatchEncoding) and isinstance(prompt, list)  # of one chat, as return_dict asks for
    start, ids, mask = len(prompt), whole["input_ids"], whole["assistant_masks"]
    if not any(mask):
        raise InputError(NO_MARKS)
    if ids[:start] != prompt:
        raise InputError(
            "the chat template prints the prompt in another way when an answer follows: print the same in both"
        )
    written = str(tokenizer.decode([i for i, ours in zip(ids[start:], mask[start:], strict=True) if ours]))
    names = [call.get("function", call)["name"] for message in messages for call in message.get("tool_calls") or []]
    if any(written.count(name) < names.count(name) for name in names):
        raise InputError(
            "the chat template does not print the calls of the assistant inside {% generation %}: print them there"
        )
    return prompt, ids[start:], mask[start:]
