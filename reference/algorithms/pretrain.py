"""Pretraining: how the shipped base model was made. Supervised learning on drawn solutions of mixed quality.

    python -m reference pretrain --out runs/base

The loop is the shortest in the package: draw a batch of chats, score it, take the SFT loss on the assistant's tokens.
The corpus is drawn as it is needed; all randomness of a step comes from the seed and the step.
"""

import random
import time

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.data import OnStep
from reference.algorithms.step import backward, clip_gradient, learning_rate, trainable
from reference.algorithms.supervised import micro_batches
from reference.objectives import prediction_mask, sft_loss, token_logprobs
from reference.world.eval_mode import eval_mode
from reference.world.tasks import chat, draw_problem, draw_solution
from reference.world.workers import cores_of, workers_for

BATCHES = 16  # drawn together
MICRO_BATCH_SIZE = 16  # rows per forward pass; speed only


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    *,
    first_step: int = 0,
    steps: int,
    on_step: OnStep,
    seed: int = 0,
    batch_size: int = 64,
    lr: float = 1e-3,
    max_grad_norm: float = 1.0,
) -> None:
    """Take steps ``first_step`` to ``steps - 1``. After each, ``on_step(step + 1, metrics)``; True from it ends the loop.

    The model is in eval mode (without dropout) meanwhile. Raises ``InputError`` for a gradient that is not finite.
    """
    batches: list[tuple[Tensor, Tensor, int]] = []
    with eval_mode(model), cores_of(model):
        for step in range(first_step, steps):
            began = time.perf_counter()
            if not batches or step % BATCHES == 0:
                batches = draw_batches(tokenizer, random.Random(f"{seed}/{step // BATCHES}"), batch_size)
            tokens, token_mask, num_tokens = batches[step % BATCHES]
            tokens, mask = tokens.to(model.device), prediction_mask(token_mask.to(model.device))

            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps=steps, peak=lr)
            loss, grad_norm = pretrain_step(model, optimizer, tokens, mask, num_tokens, max_grad_norm=max_grad_norm)
            metrics = {"loss": loss, "grad_norm": grad_norm, "seconds": time.perf_counter() - began}
            if on_step(step + 1, metrics):
                return


def pretrain_step(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    tokens: Tensor,
    mask: Tensor,
    num_tokens: int,
    *,
    max_grad_norm: float,
) -> tuple[float, float]:
    """One optimizer step on a batch. Returns its loss and the norm of the gradient before clipping."""

    def loss_of(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        tokens, mask = part
        logits = model(tokens).logits  # right-padded: causal attention never looks at the pads
        loss = sft_loss(token_logprobs(logits, tokens), mask, num_tokens=num_tokens)
        return loss, loss.detach()

    optimizer.zero_grad()
    micros = micro_batches(tokens, mask, MICRO_BATCH_SIZE)
    losses = list(backward(loss_of, micros, trainable(optimizer, model), workers=workers_for(model)))
    grad_norm = clip_gradient(model, max_grad_norm)
    optimizer.step()
    return torch.stack(losses).sum().item(), grad_norm


def draw_batches(
    tokenizer: PreTrainedTokenizerBase, rng: random.Random, batch_size: int
) -> list[tuple[Tensor, Tensor, int]]:
    """``BATCHES`` batches: token ids and assistant mask, both (batch, time), right-padded, and the number to divide by.

    They are drawn together and cut by length, which halves the padding; their order is shuffled. A batch of short rows
    is then a batch of hasty ones. Divided by its own token count, it would weigh as much as a batch of long rows, and the
    model would learn to be hastier than its teachers: a per-micro-batch denominator is another objective. So all of them
    are divided by their mean count.
    """
    problems = [draw_problem(rng) for _ in range(BATCHES * batch_size)]
    encoded = tokenizer.apply_chat_template(
        [chat(problem, draw_solution(problem, rng)) for problem in problems],
        return_assistant_tokens_mask=True,
        return_dict=True,
    )
    rows = sorted(zip(encoded["input_ids"], encoded["assistant_masks"], strict=True), key=lambda row: len(row[0]))
    num_tokens = sum(sum(mask) for _, mask in rows) // BATCHES
    pad = torch.nn.utils.rnn.pad_sequence
    batches = []
    for first in rng.sample(range(0, len(rows), batch_size), k=BATCHES):
        ids, masks = zip(*rows[first : first + batch_size], strict=True)
        tokens = pad([torch.tensor(i) for i in ids], batch_first=True, padding_value=tokenizer.pad_token_id)
        batches.append((tokens, pad([torch.tensor(m) for m in masks], batch_first=True), num_tokens))
    return batches
