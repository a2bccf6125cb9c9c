"""The claims of the prose on the KL."""

import pytest
import torch

from reference import objectives
from reference.lessons.kl.figures import REFERENCE, shifted

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
