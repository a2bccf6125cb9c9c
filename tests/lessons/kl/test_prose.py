"""The claims of the prose on the KL."""

import pytest
import torch

from reference import objectives
from reference.lessons.kl.figures import REFERENCE, follow, shifted

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


def test_k3_is_never_negative_and_0_only_where_both_agree():
    x = torch.logspace(-8, 8, 161, dtype=torch.float64)  # ref / policy
    k3 = objectives.kl_k3(-x.log()[None], torch.zeros(1, 161, dtype=torch.float64))[0]
    torch.testing.assert_close(k3, x - 1 - x.log())
    assert ((k3 == 0) == (x == 1)).all() and (k3 >= 0).all()


@pytest.mark.parametrize(("d", "error"), [(0.1, 0.03), (1.0, 0.36), (-1.0, -0.30)])
def test_half_the_square_is_off_by_what_the_text_says(d, error):
    k3 = objectives.kl_k3(torch.tensor([[d]]), torch.zeros(1, 1)).item()
    assert d**2 / 2 / k3 - 1 == pytest.approx(error, abs=0.005)
    assert d**2 / 2 - d**3 / 6 == pytest.approx(k3, abs=d**4 / 15)


def test_with_few_samples_k1_in_the_loss_moves_at_random_and_k2_still_falls_to_0():
    ends = {
        way: [follow(way, samples=8, seed=seed)[-1] for seed in range(5)]
        for way in ("k1 in the loss", "k2 in the loss")
    }
    assert max(ends["k1 in the loss"]) > 0.3 and min(ends["k1 in the loss"]) < 0.1
    assert max(ends["k2 in the loss"]) < 0.01


def test_at_minus_3_the_slope_of_k3_is_minus_19():
    assert 1 - torch.tensor(3.0).exp().item() == pytest.approx(-19, abs=0.1)
