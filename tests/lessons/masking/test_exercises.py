"""The exercises of the lesson on masked losses: mistakes as people really write them, and what passing remarks on."""

import pytest
import torch
from verdicts import judge

from reference.lessons import EXERCISES


def strategies(sequence_mean):
    """An ``aggregate`` that is right but for the given ``sequence_mean``."""

    def aggregate(token_loss, mask, *, strategy, max_length):
        if strategy == "sequence_mean":
            return sequence_mean(token_loss, mask)
        total = (token_loss * mask).sum()
        return total / mask.sum() if strategy == "token_mean" else total / (len(mask) * max_length)

    return aggregate


@pytest.mark.parametrize(
    ("name", "solution", "bug"),
    [
        ("masked_mean", lambda x, m: ((x * m).sum(1) / m.sum(1)).mean(), "mean of row means"),
        ("masked_mean", lambda x, m: ((x * m).sum(1) / m.sum(1).clamp_min(1)).mean(), "mean of row means"),
        ("masked_mean", lambda x, m: (x * m).mean(), "mean over padding"),
        ("reinforce_loss", lambda logp, a: a * logp, "sign of the loss"),
        ("reinforce_loss", lambda logp, a: -a * logp, "gradient into the advantage"),
        ("reinforce_loss", lambda logp, a: -a * logp.exp(), "probability instead of log-prob"),
        ("aggregate", strategies(lambda x, m: ((x * m).sum(1) / m.sum(1)).mean()), "NaN from an empty row"),
        ("aggregate", strategies(lambda x, m: (x * m).mean(1).mean()), "padding in the row mean"),
        (
            "aggregate",
            strategies(lambda x, m: ((x * m).sum(1) / m.sum(1).clamp_min(1)).mean()),
            "empty row counted as a loss of 0",
        ),
    ],
)
def test_a_known_mistake_is_named_in_its_natural_form(name, solution, bug):
    verdict = judge(name, solution)
    assert verdict.bug is not None and verdict.bug.name == bug, verdict.message


def test_a_pass_mentions_a_nan_that_would_leak():
    assert "NaN under the mask" in judge("masked_mean", lambda x, m: (x * m).sum() / m.sum()).message
    assert "NaN" not in judge("masked_mean", EXERCISES["masked_mean"].reference).message


def test_a_nan_that_would_leak_into_the_gradient_alone_is_mentioned_too():
    def value_only(x, mask):
        kept = torch.where(mask, x, 0.0).sum() + 0 * torch.where(mask, 0.0, x * x.detach()).nansum()
        return kept / mask.sum()

    assert "NaN under the mask" in judge("masked_mean", value_only).message
