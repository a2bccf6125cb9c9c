"""Pretraining: how the shipped base checkpoint was made. Plain supervised learning on drawn solutions of mixed quality.

    python -m reference pretrain --out runs/base        about 10 minutes on 2 CPU cores

The loop is the shortest in the package: draw a batch of chats, score it, take the SFT loss on the assistant's tokens.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from reference.objectives import prediction_mask, sft_loss, token_logprobs
from reference.world.model import new_model
from reference.world.tasks import chat, draw_problem, draw_solution
from reference.world.tokenizer import train_tokenizer


def pretrain(
    out: Path, *, steps: int = 3000, batch_size: int = 64, lr: float = 1e-3, seed: int = 0, device: str = "cpu"
) -> list[float]:
    """Train tokenizer and model from nothing and save both to ``out``. Returns the loss of every step, in nats per token."""
    tokenizer = train_tokenizer(seed=seed)
    model = new_model(tokenizer, seed=seed).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, pct_start=0.05)
    batches = draw_batches(tokenizer, random.Random(seed), batch_size)
    losses = []
    for _ in (bar := tqdm(range(steps), desc="pretrain", unit="step")):
        tokens, token_mask, num_tokens = next(batches)
        tokens, mask = tokens.to(device), prediction_mask(token_mask.to(device))
        logits = model(tokens).logits  # right-padded: causal attention never looks at the pads
        loss = sft_loss(token_logprobs(logits, tokens), mask, num_tokens=num_tokens)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    model.cpu().save_pretrained(out)
    tokenizer.save_pretrained(out)
    return losses


def draw_batches(
    tokenizer: PreTrainedTokenizerBase, rng: random.Random, batch_size: int
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Endless batches: token ids and assistant mask, both (batch, time), right-padded, and the number to divide by.

    Sixteen batches are drawn at a time and cut by length, which halves the padding; their order is shuffled. A batch of
    short rows is a batch of hasty ones. Divided by its own token count, it would weigh as much as a batch of long rows,
    and the model would learn to be hastier than its teachers: a per-micro-batch denominator is another objective. So
    all sixteen are divided by their mean count.
    """
    pad = torch.nn.utils.rnn.pad_sequence
    while True:
        problems = [draw_problem(rng) for _ in range(16 * batch_size)]
        encoded = tokenizer.apply_chat_template(
            [chat(problem, draw_solution(problem, rng)) for problem in problems],
            return_assistant_tokens_mask=True,
            return_dict=True,
        )
        rows = sorted(zip(encoded["input_ids"], encoded["assistant_masks"], strict=True), key=lambda row: len(row[0]))
        num_tokens = sum(sum(mask) for _, mask in rows) // 16
        for first in rng.sample(range(0, len(rows), batch_size), k=16):
            tokens, masks = zip(
                *((torch.tensor(t), torch.tensor(m)) for t, m in rows[first : first + batch_size]), strict=True
            )
            padded = pad(tokens, batch_first=True, padding_value=tokenizer.pad_token_id)
            yield padded, pad(masks, batch_first=True), num_tokens
