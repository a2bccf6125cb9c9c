"""TRL: bounds that stand for each other, losses by trainer, and how a generation is cut into optimizer steps."""

import math
from typing import Any

from reference.frameworks.rules.values import ABSENT, Columns, Of, is_number

PAIR_LOSSES = {"sigmoid": "dpo", "ipo": "ipo", "hinge": "hinge", "robust": "robust_dpo"}  # of DPOConfig.loss_type
CONSERVATIVE = (
    "sigmoid",
    "robust",
)  # with a and b the two labels, (1 + 2e) sigmoid - 2e robust(0.25) = (1 - e) a + e b
NOISE_OF_CONSERVATIVE = 0.25


def trl(of: Of, columns: Columns, entry: str) -> Columns:
    rule = {"GRPOConfig": grpo, "RLOOConfig": rloo, "DPOConfig": dpo}.get(entry)
    return rule(of, columns) if rule else {}


def grpo(of: Of, columns: Columns) -> Columns:
    """See ``clip`` and ``updates``; k3 that is multiplied by the ratio is another estimator."""
    found = clip(of("epsilon"), of("epsilon_high"), of("loss_type")) | updates(of)
    if of("use_bias_correction_kl") is True and is_number(of("beta")) and of("beta"):
        found["kl"] = "k3_unbiased"
    return found | synced(of, columns | found)


def clip(low: Any, high: Any, loss_type: Any) -> Columns:
    """epsilon_high stands for epsilon where it is none; in cispo it is the cap itself, and there is no lower bound."""
    high = low if high is None else high
    if loss_type == "cispo":
        return {"cap": high, "clip_low": None, "clip_high": high - 1 if is_number(high) else high}
    return {"clip_high": high}


def rloo(of: Of, columns: Columns) -> Columns:
    """With one optimizer step per generation the ratio is 1, and the gradient that of REINFORCE. With more, the ratio is
    one of whole completions, which is none of ours.

    Sums over tokens are a fixed length times that length, and so is the norm of their gradient.
    """
    high = of("epsilon") if of("epsilon_high") is None else of("epsilon_high")
    found: Columns = {"clip_high": high, "aggregation": "fixed_length", "sums_over_tokens": True} | updates(of)
    steps = found.get("minibatches", columns.get("minibatches"))
    found["loss"] = "reinforce" if steps == 1 and of("num_iterations") == 1 else ABSENT
    norm, length = of("max_grad_norm"), of("max_completion_length")
    if is_number(norm) and is_number(length) and length:
        found["max_grad_norm"] = norm / length
    return found | synced(of, columns | found)


def updates(of: Of) -> Columns:
    """Optimizer steps per generation: its micro-batches over those that one step adds up."""
    generation, accumulated = of("steps_per_generation"), of("gradient_accumulation_steps")
    if generation is None:
        return {"minibatches": ABSENT} if of("generation_batch_size") is not None else {}
    if is_number(generation) and is_number(accumulated) and accumulated and generation % accumulated == 0:
        return {"minibatches": generation // accumulated}
    return {"minibatches": ABSENT}


def synced(of: Of, columns: Columns) -> Columns:
    """Every how many rollouts the reference becomes the policy; nothing where it becomes a mixture, or at other times."""
    if of("sync_ref_model") is not True:
        return {"ref_sync_every": 0}
    steps, passes = of("ref_model_sync_steps"), of("num_iterations")
    each = columns.get("minibatches")
    if of("ref_model_mixup_alpha") != 1 or not all(is_number(n) and n for n in (steps, passes, each)):
        return {"ref_sync_every": ABSENT}
    return {"ref_sync_every": ABSENT if steps % (each * passes) else steps // (each * passes)}


def dpo(of: Of, columns: Columns) -> Columns:
    """One loss, or two that together are the conservative one; "sft" is the NLL of the chosen completions."""
    losses = of("loss_type")
    names = [losses] if isinstance(losses, str) else losses
    if not isinstance(names, list):
        return {}
    weights = of("loss_weights") or [1.0] * len(names)
    terms: dict[str, Any] = dict(zip(names, weights, strict=False))
    found: Columns = {"sft_coef": terms.pop("sft", 0.0), "average_logprobs": names[0] == "ipo"}
    if (smoothing := conservative(terms, of("label_smoothing"))) is not None:
        return found | {"loss": "cdpo", "label_smoothing": smoothing}
    if len(terms) == 1 and (name := next(iter(terms))) in PAIR_LOSSES and terms[name] == 1:
        found["loss"] = PAIR_LOSSES[name]
        found |= {"label_smoothing": of("label_smoothing")} if name == "robust" else {}
    return found


def conservative(terms: dict[str, Any], noise: Any) -> float | None:
    """The share of wrong labels of the conservative DPO that two losses add up to; None where they are not it."""
    if set(terms) != set(CONSERVATIVE) or noise != NOISE_OF_CONSERVATIVE:
        return None
    first, second = (terms[name] for name in CONSERVATIVE)
    if not (is_number(first) and is_number(second)) or not math.isclose(first - 1, -second, abs_tol=1e-9):
        return None
    return round((first - 1) / 2, 9)
