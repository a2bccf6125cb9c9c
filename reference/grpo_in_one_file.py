"""GRPO in one file: sample, verify, compare, loss, step. Read it from top to bottom.

    python -m reference.grpo_in_one_file --steps 20

It trains the small model that comes with the course. The model, the sampler and the task come from ``reference.world``.
All of the algorithm is here. What ``python -m reference train grpo`` adds is speed (prompts once per group, logits of
completions only), less memory (micro-batches), run folders and the other recipes. From the same seed the two draw the
same samples until rounding changes one, and their weights differ by rounding: tests/test_grpo_in_one_file.py.
"""

import argparse
import random
import time

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.cli import values
from reference.world.model import load
from reference.world.rollout import encode_prompts, row_seeds, sample
from reference.world.tasks import draw_problem, verify

# The row "grpo" of the table: python -m reference recipes grpo. Its KL term has the weight 0, so there is none here.
STEPS = 40  # rollouts to learn from
PROMPTS = 32  # per step
GROUP_SIZE = 8  # completions per prompt
MINIBATCHES = 2  # optimizer steps per rollout
MAX_NEW_TOKENS = 96  # a completion that is longer is cut off, and wrong
LR, BETAS = 3e-4, (0.9, 0.95)  # of AdamW, without weight decay
CLIP = 0.2  # no further push below ratio 1 - CLIP, or above 1 + CLIP
MAX_GRAD_NORM = 1.0
EPS = 1e-4  # keeps the division finite where all rewards of a group are equal


def train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, steps: int, prompts: int = PROMPTS, seed: int = 0
) -> None:
    """Update the model in place. Dropout must be off, as ``load`` leaves it, or the first ratio is not 1."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=BETAS, weight_decay=0.0)
    count = prompts * GROUP_SIZE  # completions per step
    for step in range(steps):
        began = time.perf_counter()
        rng = random.Random(f"{seed}/{step}")  # decides the problems, the samples and the minibatches of this step

        # Sample: GROUP_SIZE completions of each problem, next to each other. Index t of a mask or of log-probs is about
        # the token t + 1, because a token is scored by the logits of the position before it.
        problems = [draw_problem(rng) for _ in range(prompts)]
        rollout = sample(
            model, tokenizer, encode_prompts(tokenizer, problems), group_size=GROUP_SIZE,
            seeds=row_seeds(rng, count), max_new_tokens=MAX_NEW_TOKENS,
        )  # fmt: skip
        mask = rollout.completion_mask  # (count, time - 1) True on completions, their EOS included
        old = rollout.sampler_logprobs  # (count, time - 1) of the policy that wrote them

        # Verify: 1 for a right answer, 0 for a wrong one and for a completion that was cut off.
        verdicts = [verify(problems[row // GROUP_SIZE], text) for row, text in enumerate(rollout.texts(tokenizer))]
        rewards = torch.tensor(verdicts, device=model.device) * ~rollout.truncated

        # Compare: A = (r - mean of the group) / (std of the group + eps), the same for all tokens of a completion.
        groups = rewards.view(prompts, GROUP_SIZE)
        centred = groups - groups.mean(dim=1, keepdim=True)
        advantages = (centred / (groups.std(dim=1, keepdim=True) + EPS)).view(count, 1)  # std divides by n - 1

        ratios = []
        for rows in torch.tensor(rng.sample(range(count), k=count), device=model.device).chunk(MINIBATCHES):
            # Loss: r = pi / pi_old, and per token -min(A * r, A * clip(r, 1 - CLIP, 1 + CLIP)).
            new = token_logprobs(model, rollout.tokens[rows], rollout.attention_mask[rows])
            kept, advantage = mask[rows], advantages[rows]
            ratio = (new - old[rows]).exp()
            token_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(1 - CLIP, 1 + CLIP))
            sequence_loss = (token_loss * kept).sum(dim=1) / kept.sum(dim=1)  # mean over the tokens of a completion
            loss = sequence_loss.mean()  # mean over completions

            # Step: along the gradient, shortened where it is longer than MAX_GRAD_NORM.
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
            optimizer.step()
            ratios.append(ratio[kept].mean().item())

        print(
            f"step {step + 1:3}  reward {rewards.mean():.3f}  length {mask.sum(dim=1).float().mean():5.1f}  "
            f"ratio {ratios[0]:.4f}  {time.perf_counter() - began:4.1f} s",
            flush=True,
        )


def token_logprobs(model: PreTrainedModel, tokens: Tensor, attention_mask: Tensor) -> Tensor:
    """Log-probs (rows, time - 1): logp[b, t] = log_softmax(logits[b, t])[tokens[b, t + 1]]."""
    positions = (attention_mask.long().cumsum(dim=1) - 1).clamp_min(0)  # padding on the left counts for nothing
    logits = model(tokens, attention_mask=attention_mask, position_ids=positions, use_cache=False).logits
    return logits[:, :-1].log_softmax(dim=-1).gather(dim=-1, index=tokens[:, 1:, None]).squeeze(-1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reference.grpo_in_one_file",
        description="Train the shipped model with GRPO. Prints, for each step: reward, the share of right answers; "
        "length, tokens per completion; ratio of new to old policy before the first update, which is 1; seconds.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=values.positive(int), default=STEPS, help="rollouts to learn from")
    parser.add_argument("--seed", type=values.seed, default=0, help="decides problems, samples and minibatches")
    args = parser.parse_args()
    model, tokenizer = load()
    train(model, tokenizer, steps=args.steps, seed=args.seed)


if __name__ == "__main__":
    main()
