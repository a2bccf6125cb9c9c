"""A reward model, whole: the policy's trunk with one number on top, trained so that chosen completions get more.

    once
        draw_pool    pairs of completions of the policy: a right and a wrong one, or what people prefer (``pairs``)
    for each step
        reward_step  Bradley-Terry loss of the two rewards, its mean over all pairs; one step

The model is transformers' sequence classifier with one label, so that a saved one loads anywhere. Rewards have no zero:
only differences between completions of one prompt are learned.
"""

import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.checks import require_head, require_reward_recipe, require_trainable
from reference.algorithms.data import OnStep, Pairs
from reference.algorithms.pairs import draw_pairs, draw_pool
from reference.algorithms.recipes import Recipe
from reference.algorithms.scoring import autocast
from reference.algorithms.step import backward, clip_gradient, set_rate, trainable
from reference.evaluation.statistics import wilson_interval
from reference.objectives import bradley_terry_loss, position_ids
from reference.objectives.shapes import InputError
from reference.world.adapter import is_adapter
from reference.world.eval_mode import eval_mode
from reference.world.finite_weights import require_finite_weights
from reference.world.head import classifier_trunk
from reference.world.model import BASE, loading, require_source
from reference.world.rollout import Rollout
from reference.world.sentences import weight_count
from reference.world.weights import require_no_more, require_same_shapes
from reference.world.workers import cores_of, workers_for

HEAD = "score.weight"  # transformers' name for it, in all decoder-only architectures


def load_reward_model(name_or_path: str | Path = BASE, *, device: str | torch.device = "cpu") -> PreTrainedModel:
    """A reward model (float32, in eval mode): one that was saved, or the trunk of a causal LM under a head of zeros.

    At first, then, every reward is 0. The tokenizer is the policy's. Raises ``InputError`` for a name that leads
    nowhere, a damaged checkpoint, one with several labels, and an architecture without such a head.
    """
    require_source(name_or_path)
    if is_adapter(name_or_path):
        raise InputError(
            f"{name_or_path} is a peft adapter: a reward model needs a whole model, as merge_and_unload makes it"
        )
    advice = "name a folder written by save_pretrained, with a causal LM or with a classifier of one label"
    with loading(name_or_path, "a reward model", advice):
        model, loading_info = AutoModelForSequenceClassification.from_pretrained(
            name_or_path, num_labels=1, dtype=torch.float32, output_loading_info=True, trust_remote_code=False,
            ignore_mismatched_sizes=True,  # refused below, by name
        )  # fmt: skip
    if heads := [shape for key, shape, _ in loading_info["mismatched_keys"] if key == HEAD and shape[0] != 1]:
        raise InputError(f"{name_or_path} is a classifier of {heads[0][0]} labels: a reward model has one")
    require_same_shapes(name_or_path, loading_info)
    if others := sorted(set(loading_info["missing_keys"]) - {HEAD}):  # from_pretrained would go on with random numbers
        raise InputError(f"{name_or_path} lacks {weight_count(others)}, the first {others[0]}: it is no reward model")
    require_no_more(name_or_path, model, loading_info)
    require_finite_weights(model, name_or_path)
    if HEAD in loading_info["missing_keys"]:
        torch.nn.init.zeros_(model.score.weight)
    return model.to(device).eval()


def rewards_of(model: PreTrainedModel, rows: Rollout, *, bf16: bool = False) -> Tensor:
    """Rewards (rows,): the head's number at the last token of each completion, its EOS unless it was cut off.

    Found by position. transformers' own pooling looks for the last token that is not the pad id, which is the same on
    either side's padding, except where pad and EOS share an id: there it reads the token before the EOS.
    """
    mask = rows.attention_mask
    with autocast(model, bf16):
        hidden = classifier_trunk(model)(
            rows.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False
        ).last_hidden_state
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
    ends = hidden[torch.arange(len(last), device=last.device), last]
    return model.score(ends.to(model.score.weight.dtype)).squeeze(-1)


def train_reward_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    *,
    on_step: OnStep,
    policy: PreTrainedModel,
    first_step: int = 0,
    pool: Pairs | None = None,
    seed: int = 0,
) -> None:
    """Take steps ``first_step`` to ``recipe.steps - 1``. ``on_step(step + 1, metrics)`` after each; True ends the loop.

    ``model`` (the reward model) and ``optimizer`` are updated in place, the model in eval mode (without dropout)
    meanwhile, the learning rate as in ``set_rate``.
    ``policy`` is frozen and writes the completions; ``pool``: pairs to learn from instead. Metrics: ``loss`` in nats
    per pair, ``accuracy`` (share of pairs where the chosen completion got the larger reward), ``margin`` (by how much,
    on average), ``grad_norm`` before clipping, ``seconds``. Raises ``InputError`` for a recipe of another kind, where
    no prompt gives a pair, and for a gradient that is not finite.
    """
    require_reward_recipe(recipe)
    require_trainable(optimizer, model)
    require_head(model)
    if pool is None:
        pool = draw_pool(policy, tokenizer, recipe, seed=seed)
    with eval_mode(model, policy), cores_of(model):
        for step in range(first_step, recipe.steps):
            began = time.perf_counter()
            set_rate(optimizer, step, recipe)
            rng = random.Random(f"{seed}/{step}")
            pairs = pool.take(rng.sample(range(len(pool)), k=min(recipe.prompts_per_step, len(pool))))
            metrics = reward_step(model, optimizer, pairs, recipe)
            metrics["seconds"] = time.perf_counter() - began
            if on_step(step + 1, metrics):
                return


def reward_step(
    model: PreTrainedModel, optimizer: torch.optim.Optimizer, pairs: Pairs, recipe: Recipe
) -> dict[str, float]:
    """One optimizer step on ``pairs``, gradients accumulated over micro-batches. Returns the scalars of the step."""
    totals = torch.zeros(3, device=model.device)
    optimizer.zero_grad()

    def loss_of(micro: Pairs) -> tuple[Tensor, Tensor]:
        chosen, rejected = rewards_of(model, micro.completions, bf16=recipe.bf16).view(-1, 2).unbind(dim=1)
        loss = bradley_terry_loss(chosen, rejected).sum() / len(pairs)  # of all: micro-batching changes nothing
        margin = (chosen - rejected).detach()
        return loss, torch.stack([loss.detach(), (margin > 0).sum() / len(pairs), margin.sum() / len(pairs)])

    micros = pairs.micro_batches(recipe.micro_batch_size)
    for scalars in backward(loss_of, micros, trainable(optimizer, model), workers=workers_for(model)):
        totals += scalars
    grad_norm = clip_gradient(model, recipe.max_grad_norm)
    optimizer.step()
    return dict(zip(("loss", "accuracy", "margin"), totals.tolist(), strict=True)) | {"grad_norm": grad_norm}


@dataclass(frozen=True)
class PairAccuracy:
    """How often the chosen completion of a pair gets the larger reward, on held-out problems. Chosen as the recipe's raters
    do: by the verifier it is the right one."""

    share: float
    low: float  # Wilson interval, 95 %
    high: float
    pairs: int
    longer: float  # what a judge who always takes the longer one would get

    def __str__(self) -> str:
        return (
            f"pairs {self.share:6.1%} [{self.low:.1%}, {self.high:.1%}]   the longer one {self.longer:.1%}"
            f"   (n = {self.pairs} pairs, 95 % interval)"
        )


@torch.no_grad()
def pair_accuracy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    policy: PreTrainedModel,
    recipe: Recipe,
    *,
    prompts: int = 400,
    seed: int = 12345,
) -> PairAccuracy:
    """Sample pairs of the policy on so many held-out problems, and count. Equal rewards count as wrong."""
    pairs = draw_pairs(policy, tokenizer, recipe, random.Random(f"{seed}/pairs"), prompts=prompts, held_out=True)
    wins = longer = 0
    for micro in pairs.micro_batches(recipe.micro_batch_size):
        chosen, rejected = rewards_of(model, micro.completions, bf16=recipe.bf16).view(-1, 2).unbind(dim=1)
        wins += int((chosen > rejected).sum())
        lengths = micro.completions.completion_mask.sum(dim=1).view(-1, 2)
        longer += int((lengths[:, 0] > lengths[:, 1]).sum())
    share = wins / len(pairs)
    return PairAccuracy(share, *wilson_interval(share, len(pairs)), len(pairs), longer / len(pairs))
