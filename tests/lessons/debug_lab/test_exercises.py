"""The three functions by hand, and what ``check`` says of results that are not names."""

import pytest
import torch
from verdicts import judge

from reference.lessons.debug_lab.batch_checks import check_batch
from reference.lessons.debug_lab.reading import read_scalars
from reference.lessons.debug_lab.zero import loss_zero

TOKENS = torch.tensor([[7, 8, 9, 2, 0]])  # two tokens of a prompt, a word, the EOS, a pad
ATTENTION = torch.tensor([[1, 1, 1, 1, 0]])
SAME = torch.full((1, 4), -0.5)


def found(mask, logprobs=SAME, old=SAME, tokens=TOKENS, attention=ATTENTION):
    kept = torch.tensor([[sign == "1" for sign in mask]])
    return check_batch(tokens, attention, kept, logprobs, old, prompt_width=2, eos_token_id=2)


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        ("0110", []),  # the word is predicted from place 1, the EOS from place 2
        ("1110", ["prompt"]),
        ("0111", ["pad"]),
        ("0000", ["empty"]),
        ("0010", ["start"]),
        ("0100", ["eos"]),
        ("1100", ["prompt", "eos"]),  # one place early
        ("0011", ["pad", "start"]),  # one place late
        ("01100", ["shape"]),
    ],
)
def test_check_batch_by_hand(mask, names):
    assert found(mask) == names


def test_the_ratio_is_asked_on_kept_tokens_alone():
    off = torch.tensor([[0.4, 0.0, 0.002, 0.9]])
    assert found("0110", SAME + off) == ["ratio"]
    assert found("0100", SAME + off) == ["eos"]  # of the kept token the two are equal
    assert found("0110", SAME + off.clamp_max(0.0005)) == []


def test_a_pad_with_the_id_of_the_eos_need_not_be_kept():
    assert found("0110", tokens=torch.tensor([[7, 8, 9, 2, 2]])) == []


@pytest.mark.parametrize(
    ("rewards", "loss", "grad_norm", "verdict"),
    [
        ([[1, 0], [0, 1]], 0.0, 0.3, "healthy"),
        ([[1, 1], [0, 0]], 0.0, 0.0, "dead groups"),
        ([[1, 0], [0, 0]], 0.0, 0.0, "cut"),
        ([[1, 0], [0, 0]], -0.02, 0.3, "not zero"),
    ],
)
def test_loss_zero_by_hand(rewards, loss, grad_norm, verdict):
    assert loss_zero(torch.tensor(rewards, dtype=torch.float), loss=loss, grad_norm=grad_norm) == verdict


HEALTHY = {
    "reward": [0.4, 0.6, 0.8],
    "reward_std": [0.5, 0.4, 0.3],
    "approx_kl": [1e-3, 1e-4, 1e-4],
    "clip_frac": [0.01, 0.0, 0.0],
    "entropy": [0.2, 0.1, 0.05],
    "grad_norm": [0.3, 0.2, 0.2],
}


@pytest.mark.parametrize(
    ("change", "updates", "verdict"),
    [
        ({}, 4, "learns"),  # 0.8 - 0.4 is more than a tenth of 0.5
        ({"reward_std": [0.0] * 3}, 4, "no signal"),
        ({"approx_kl": [1e-13] * 3}, 4, "frozen"),
        ({"approx_kl": [1e-13] * 3}, 1, "learns"),
        ({"approx_kl": [0.1, 1e-3, 1e-4]}, 4, "too far"),
        ({"reward": [0.4, 0.4, 0.44], "entropy": [0.2, 0.1, 0.01]}, 4, "collapse"),
        ({"reward": [0.4, 0.38, 0.34]}, 4, "falls"),
        ({"reward": [0.4, 0.5, 0.44]}, 4, "flat"),
    ],
)
def test_read_scalars_by_hand(change, updates, verdict):
    scalars = [torch.tensor(values) for values in (HEALTHY | change).values()]
    assert read_scalars(*scalars, updates=updates) == verdict


def test_names_may_come_in_any_order_and_in_a_set():
    assert judge("check_batch", lambda *a, **k: set(check_batch(*a, **k))).passed
    assert judge("check_batch", lambda *a, **k: list(reversed(check_batch(*a, **k)))).passed


def test_a_failing_batch_is_shown_with_the_names_that_are_wanted():
    message = judge("check_batch", lambda *a, **k: check_batch(*a, **k) or ["fine"]).message
    assert "target nothing\n    yours  fine" in message
