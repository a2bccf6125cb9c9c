"""Rules about the ratio at the first inner step, which is 1 in every right loop: nothing has been updated yet."""

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.log import Log
from reference.doctor.reading import first_part, points, span, those, typical, values

LIMIT = (
    1e-4  # float32 sums leave 1e-7. bfloat16 rounds log-probs by 1e-2, both ways, and thousands of them average to less
)
SHIFTED = (
    0.5  # nats per token. What is shifted by one compares different tokens: their log-probs differ by the spread of
)
# log-probs. Two scores of the same token by the same weights differ by far less, at any temperature that is in use


def not_one(log: Log) -> list[tuple[float, float]]:
    """The steps whose ratio is off; nothing where they are the smaller part of the run."""
    found = points(log, "ratio")
    off = those(found, lambda ratio: abs(ratio - 1) > LIMIT)
    return off if 2 * len(off) >= len(found) > 0 else []


def starts_right(log: Log) -> bool:
    """Whether the very first update was on policy. A log that begins later cannot say it."""
    step, ratio = points(log, "ratio")[0]
    return step <= 1 and abs(ratio - 1) <= LIMIT


def evidence(log: Log, off: list[tuple[float, float]], words: str) -> Evidence:
    distance = typical([abs(ratio - 1) for _, ratio in off])
    return Evidence(words, ("ratio", "approx_kl", "clip_frac"), span(off), excess(distance, LIMIT), "identity")


def is_shifted(log: Log) -> bool:
    return typical(first_part(points(log, "approx_kl"))) > SHIFTED


def shifted(log: Log) -> Evidence | None:
    off = not_one(log)
    if not off or starts_right(log) or not is_shifted(log):
        return None
    words = (
        f"The ratio at the first inner step is {off[0][1]:.3g} at step {off[0][0]:g}, where it is 1 in a right loop, and "
        f"approx_kl is {values(log, 'approx_kl')[0]:.3g} nats per token: different tokens are compared."
    )
    return evidence(log, off, words)


def scored_otherwise(log: Log) -> Evidence | None:
    off = not_one(log)
    if not off or starts_right(log) or is_shifted(log):
        return None
    words = (
        f"The ratio at the first inner step is {off[0][1]:.5g} at step {off[0][0]:g}, where it is 1 in a right loop. In "
        f"the median step it is {typical([abs(ratio - 1) for _, ratio in off]):.2g} away from 1, and above it in "
        f"{sum(ratio > 1 for _, ratio in off)} of {len(off)} steps."
    )
    return evidence(log, off, words)


def stale(log: Log) -> Evidence | None:
    off = not_one(log)
    if not off or not starts_right(log):
        return None
    words = (
        f"The ratio at the first inner step is 1 at step {points(log, 'ratio')[0][0]:g} and {off[0][1]:.5g} at step "
        f"{off[0][0]:g}. In the median step it is {typical([abs(ratio - 1) for _, ratio in off]):.2g} away from 1."
    )
    return evidence(log, off, words)


CAUSES = (
    Cause(
        "shifted_logprobs", "The log-probs of the update belong to other tokens than those of the sampling.",
        "Compare the two log-probs of one row token by token, moved by one place both ways: one of the moves makes them "
        "equal. Then mend the slice: logits at t predict the token at t + 1.",
        1, ("mask_off_by_one",), ("ratio", "approx_kl"), shifted,
        apart='In a batch: audit, check "alignment of log-probs" says by how many places.',
    ),
    Cause(
        "scored_otherwise", "The policy is scored otherwise than it was sampled from, with the same weights.",
        "Score one batch twice before any update. If the two differ, dropout is on (model.eval(), or dropout 0). If they "
        "agree, divide the logits by the temperature of sampling in both places.",
        1, ("temperature_forgotten", "dropout_in_scoring"), ("ratio", "approx_kl"), scored_otherwise,
        apart="Dropout lowers the log-probs of one side, so that the ratio is on one side of 1 in most steps; a temperature moves "
        'it both ways. In a batch: audit, check "sampler against trainer" compares the two token by token.',
    ),
    Cause(
        "stale_logprobs", "The old log-probs are those of an earlier policy than the one that sampled.",
        "Compute old_logprobs after sampling and before the first update of the step, from the weights that sampled.",
        4, ("stale_logprobs",), ("ratio",), stale,
        apart="A rollout that is made ahead of time, by an asynchronous trainer, looks the same and is meant so.",
    ),
)  # fmt: skip
