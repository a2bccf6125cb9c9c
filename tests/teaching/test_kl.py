"""Notebook 02: its exercises, and the claims of its prose."""

import pytest
import torch

from reference import objectives
from reference.teaching.bugs import BUGS
from reference.teaching.check import judge
from reference.teaching.figures.kl import REFERENCE, shifted

SEEDS = range(5)

# ---- right answers, written differently ------------------------------------------------------------------------------


def loop_k1(token_logprobs, ref_logprobs):
    rows = [[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(token_logprobs, ref_logprobs, strict=True)]
    return torch.stack([torch.stack(row) for row in rows])


def k1_of_the_ratio(token_logprobs, ref_logprobs):
    return torch.log(token_logprobs.exp() / ref_logprobs.exp())


def float32_k2(token_logprobs, ref_logprobs):
    return 0.5 * (token_logprobs.float() - ref_logprobs.float()).square()


def trl_k3(token_logprobs, ref_logprobs):
    return torch.exp(ref_logprobs - token_logprobs) - (ref_logprobs - token_logprobs) - 1


def k3_of_the_ratio(token_logprobs, ref_logprobs):
    r = (ref_logprobs.detach() - token_logprobs).exp()
    return (r - 1) - r.log()


def kl_div_full(logits, ref_logits):  # torch's order: the reference is the input, the policy the target
    logp, ref_logp = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    return torch.nn.functional.kl_div(ref_logp, logp, reduction="none", log_target=True).sum(-1)


def loop_full(logits, ref_logits):
    rows = []
    for p_row, q_row in zip(logits, ref_logits, strict=True):
        pairs = list(zip(p_row.softmax(-1), q_row.softmax(-1), strict=True))[:-1]
        rows.append(torch.stack([(p * (p / q).log()).sum() for p, q in pairs]))
    return torch.stack(rows)


def entropy_and_cross_entropy(logits, ref_logits):
    p = logits[:, :-1].softmax(-1)
    return (p * p.log()).sum(-1) - (p * ref_logits[:, :-1].log_softmax(-1)).sum(-1)


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("kl_k1", loop_k1),
        ("kl_k1", k1_of_the_ratio),
        ("kl_k2", float32_k2),
        ("kl_k3", trl_k3),
        ("kl_k3", k3_of_the_ratio),
        ("kl_full", kl_div_full),
        ("kl_full", loop_full),
        ("kl_full", entropy_and_cross_entropy),
    ],
)
def test_a_right_solution_passes_however_it_is_written(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).passed, judge(name, solution, seed).message


# ---- wrong ones that are not on the list -----------------------------------------------------------------------------


def argmax_full(logits, ref_logits):  # the log-ratio of the likeliest word only
    logp, ref_logp = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    best = logp.argmax(-1, keepdim=True)
    return (logp - ref_logp).gather(-1, best).squeeze(-1)


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("kl_k1", lambda p, q: (p - q).detach()),
        ("kl_k1", lambda p, q: (p - q).mean()),
        ("kl_k1", lambda p, q: p / q),
        ("kl_k2", lambda p, q: 0.5 * (p - q).mean() ** 2 * torch.ones_like(p)),
        ("kl_k2", lambda p, q: 0.5 * (p**2 - q**2)),
        ("kl_k3", lambda p, q: torch.expm1(q - p).clamp(max=5) - (q - p)),
        ("kl_k3", lambda p, q: (torch.expm1(q - p) - (q - p)).abs() + 1e-3),
        ("kl_full", argmax_full),
        ("kl_full", lambda p, q: (p[:, :-1].softmax(-1) - q[:, :-1].softmax(-1)).abs().sum(-1)),
        ("kl_full", lambda p, q: 0.5 * (p - q)[:, :-1].square().sum(-1)),
    ],
)
def test_a_wrong_solution_is_refused(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).status in ("wrong", "mistake")


def test_a_pass_mentions_rounding_below_0_and_a_forbidden_token():
    assert "section 8" in judge("kl_k3", trl_k3).message
    assert "In float32" not in judge("kl_k3", objectives.kl_k3).message
    assert "NaN" in judge("kl_full", loop_full).message
    assert "NaN" not in judge("kl_full", objectives.kl_full).message


def test_each_exercise_has_five_mistakes_or_more():
    for name in ("kl_k1", "kl_k2", "kl_k3", "kl_full"):
        assert sum(bug.breaks == name for bug in BUGS) >= 5


# ---- claims of the prose ---------------------------------------------------------------------------------------------


def test_the_forgotten_word_of_the_first_question():
    assert 0.2 * torch.log(torch.tensor(0.2 / 0.0001)).item() == pytest.approx(1.52, abs=0.005)


def test_the_clamp_of_the_question_is_reached_at_minus_3():
    k3 = objectives.kl_k3(torch.tensor([[-4.0]]), torch.tensor([[-1.0]]))
    assert k3.item() == pytest.approx(16.09, abs=0.01)


def test_the_ratio_times_k3_has_the_gradient_of_k2():
    logp = torch.tensor([[-0.5, -1.0, -3.0]], dtype=torch.float64, requires_grad=True)
    ref = torch.tensor([[-1.0, -0.7, -0.9]], dtype=torch.float64)
    slopes = [
        torch.autograd.grad(k.sum(), logp)[0]
        for k in (objectives.kl_unbiased(logp, ref, logp.detach()), objectives.kl_k2(logp, ref))
    ]
    torch.testing.assert_close(*slopes)


def test_a_ratio_averages_to_1_over_samples_of_its_denominator():
    policy, reference = shifted(1.0).exp(), REFERENCE.exp()
    assert (policy * reference / policy).sum().item() == pytest.approx(1)


def test_trl_has_the_defaults_that_the_table_names():
    trl = pytest.importorskip("trl")
    defaults = {
        c: {f.name: f.default for f in getattr(trl, c).__dataclass_fields__.values()}
        for c in ("GRPOConfig", "RLOOConfig")
    }
    assert defaults["GRPOConfig"]["beta"] == 0.0 and defaults["GRPOConfig"]["use_bias_correction_kl"] is True
    assert defaults["RLOOConfig"]["beta"] == 0.05
