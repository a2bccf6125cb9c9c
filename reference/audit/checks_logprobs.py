"""Checks of log-probs: possible values, the right token, the same policy, the same temperature, two engines."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.compare import Difference, best_shift, difference
from reference.audit.ends import real
from reference.audit.finding import Finding, Level, finding, places, worst

LOGPROBS = ("logprobs", "old_logprobs", "ref_logprobs", "sampler_logprobs")
WORDS = {"logprobs": "log-probs of the policy", "old_logprobs": "old log-probs", "ref_logprobs": "log-probs of the reference",
         "sampler_logprobs": "log-probs of the sampler", "model_logprobs": "log-probs of the model"}  # fmt: skip
ROUNDED = 1e-3  # nats above 0 that rounding can give: the sum of a softmax in half precision is off by no more
# Nats per token, in the mean. On the course's model two passes in float32 differ by 1e-7, one in bfloat16 differs from one in
# float32 by 0.0015, dropout of 0.1 makes 0.28, and scoring at temperature 1 what was sampled at 0.9 makes 0.015.
EXACT = 1e-3
HALF = 0.02  # bfloat16 keeps 8 bits: a log-prob between 2 and 4 nats is off by 0.008 at most, and most are nearer to 0
FAR = 0.1  # between two engines, whose kernels differ too: five times what half precision explains
LEFT_OUT = 1.0  # nats per token: a top-p of 0.37 that leaves out all that it may, at every token
TILT = 0.05  # how far a slope is from 1 where a temperature differs by 5 %


def kept_of(batch: Batch) -> Tensor | None:
    """(rows, K) the tokens in the loss; where there is no mask, the real ones."""
    kept = real(batch)
    if batch.mask is not None:
        return batch.mask if kept is None else batch.mask & kept[:, batch.start :]
    return None if kept is None else kept[:, batch.start :]


def values(batch: Batch) -> list[Finding]:
    """NaN, infinity, and log-probs above 0, on tokens in the loss; whatever is not 0 on padding."""
    kept = kept_of(batch)
    found = []
    for name, table in batch.per_token.items():
        inside = torch.ones_like(table, dtype=torch.bool) if kept is None else kept
        bad = ~table.isfinite()
        words = WORDS.get(name, name.replace("_", " "))
        if (bad & inside).any():
            found.append(
                finding(
                    "values",
                    "fault",
                    f"NaN or infinity in the {words}, in the loss.",
                    places(bad & inside, batch.start),
                )
            )
        elif bad.any():
            what = f"NaN or infinity in the {words}, out of the loss: a product with the mask's 0 is NaN all the same."
            found.append(finding("values", "doubt", what, places(bad, batch.start)))
        elif name in LOGPROBS:
            found += impossible(name, table, inside, batch.start)
        if name == "entropy" and ((table < -ROUNDED) & inside).any():
            what = "The entropy is below 0: its sign is wrong, or it is something else."
            found.append(finding("values", "fault", what, places((table < -ROUNDED) & inside, batch.start)))
    return found + on_padding(batch)


def impossible(name: str, table: Tensor, inside: Tensor, start: int) -> list[Finding]:
    """Log-probs that no distribution has, and a guess what they are instead."""
    above, values = (table > ROUNDED) & inside, table[inside]
    if not above.any():
        if len(values) > 1 and bool((values == 0).all()):
            what = f"All {WORDS[name]} are 0: they were never filled in."
            return [finding("values", "fault", what)]
        return []
    guess = ""
    if bool((values >= 0).all()):
        guess = (
            " All are from 0 to 1: these are probabilities."
            if bool((values <= 1).all())
            else " None is below 0: the sign is wrong."
        )
    return [finding("values", "fault", f"There are {WORDS[name]} above 0.{guess}", places(above, start))]


def on_padding(batch: Batch) -> list[Finding]:
    kept = real(batch)
    if kept is None:
        return []
    pads = ~kept[:, batch.start :]
    names = [WORDS[name] for name in LOGPROBS if name in batch.per_token and (batch.per_token[name][pads] != 0).any()]
    what = f"Not 0 on padding: {', '.join(names)}. Every mean over them needs the mask."
    return [finding("values", "note", what)] if names else []


def aligned(batch: Batch) -> list[Finding]:
    """Two tables about the same tokens are alike at shift 0, or one of them is off by one."""
    kept = kept_of(batch)
    tables = {name: batch.per_token[name] for name in LOGPROBS if name in batch.per_token}
    if kept is None:
        return []
    names, found = list(tables), []
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            by, best, now = best_shift(finite(tables[name]), finite(tables[other]), kept)
            if by:
                found.append(finding("aligned", "fault", shift_words(WORDS[name], WORDS[other], by, best, now)))
    return found


def shift_words(name: str, other: str, by: int, best: float, now: float) -> str:
    side = "next" if by == 1 else "previous"
    return (
        f"The {name} fit the {other} of the {side} token (correlation {best:.2f}), and not those of their own ({now:.2f}): one "
        "of the two is off by one."
    )


def finite(table: Tensor) -> Tensor:
    return torch.where(table.isfinite(), table, 0.0)


def ratio(batch: Batch, *, later: bool = False) -> list[Finding]:
    """Before the first optimizer step the policy is the one that the old log-probs are of: every ratio is 1."""
    new, old, kept = batch.per_token.get("logprobs"), batch.per_token.get("old_logprobs"), kept_of(batch)
    if new is None or old is None or kept is None or not kept.any():
        return []
    new, old = finite(new), finite(old)
    d = difference(new, old, kept)
    if best_shift(new, old, kept)[0]:
        return []  # the check of their alignment says so
    what = (
        f"The ratio of the policy to the old one is {torch.tensor(d.mean).exp():.4f} (exp of the mean difference); log-probs "
        f"differ by {d.mean_size:.2g} nats per token, at most by {d.largest:.2g}"
    )
    if later or d.mean_size <= EXACT:
        words = what + "." if d.mean_size else "The ratio of the policy to the old one is 1 on every token."
        return [finding("ratio", "note", words)]
    level: Level = "fault" if d.mean_size > HALF or is_tilted(d) else "doubt"
    where = worst(new - old, kept, batch.start)
    return [finding("ratio", level, f"{what}: before the first step both are of one policy.{tilt(d)}", where)]


def is_tilted(d: Difference) -> bool:
    """Whether the two lie on a line whose slope is not 1, as at two temperatures."""
    return d.correlation > 0.9 and abs(d.slope - 1) > TILT and d.mean_size > EXACT


def tilt(d: Difference) -> str:
    """What the slope says. At temperature T it is about 1 / T near T = 1, and nearer to 1 than that far below."""
    if not is_tilted(d):
        return ""
    kind = "lower" if d.slope > 1 else "higher"
    return (
        f" The first lie on a line over the second, with slope {d.slope:.2f}: so they do where the first are at a {kind} "
        f"temperature, about {1 / d.slope:.2f} times that of the second."
    )


def engines(batch: Batch) -> list[Finding]:
    """The engine that samples and the one that trains compute the same policy, up to rounding."""
    sampler, old, kept = batch.per_token.get("sampler_logprobs"), batch.per_token.get("old_logprobs"), kept_of(batch)
    old = batch.per_token.get("logprobs") if old is None else old
    if sampler is None or old is None or kept is None or not kept.any():
        return []
    sampler, old = finite(sampler), finite(old)
    if best_shift(sampler, old, kept)[0]:
        return []
    d = difference(sampler, old, kept)
    size = (
        f"Sampler and trainer differ by {d.mean_size:.2g} nats per token, at most by {d.largest:.2g}; {100 * d.beyond:.1f} % "
        f"of the tokens by more than 0.01; KL of the sampler to the trainer {d.mean:.2g} (k1), {reverse_k3(sampler, old, kept):.2g} (k3)"
    )
    if d.mean_size <= EXACT:
        return [finding("engines", "note", size + ".")]
    where = worst(sampler - old, kept, batch.start)
    above = (sampler - old)[kept] >= -1e-4
    if bool(above.all()) and d.mean_size <= LEFT_OUT:
        what = (
            f"{size}. No token is less likely to the sampler: so it is with top-p or top-k, which leave the rest out."
        )
        return [finding("engines", "doubt", what, where)]
    level: Level = "fault" if d.mean_size > FAR or is_tilted(d) else "doubt" if d.mean_size > HALF else "note"
    return [finding("engines", level, f"{size}.{tilt(d)}", where)]


def reverse_k3(sampler: Tensor, old: Tensor, kept: Tensor) -> float:
    """k3 of KL(sampler || trainer) on the sampler's samples: exp(old - sampler) - 1 - (old - sampler)."""
    d = (old - sampler)[kept].double()
    return (d.clamp(max=60).expm1() - d).mean().item()
