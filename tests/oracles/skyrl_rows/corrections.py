"""What SkyRL makes of a mismatch between trainer and sampler: weights, and masks of tokens and of rows."""

from collections.abc import Callable

from torch import Tensor

from ..cases import HOLES, SAMPLER_HIGH, SAMPLER_LOW, Case
from ..records import Row
from .stand_ins import OffPolicyCorrectionConfig, off_policy_correction_utils

GEOMETRIC = {"sequence_mask_metric": "geometric", "geo_mask_low": SAMPLER_LOW, "geo_mask_high": SAMPLER_HIGH}
PRODUCT = {"sequence_mask_metric": "product", "product_mask_low": SAMPLER_LOW, "product_mask_high": SAMPLER_HIGH}
OUTLIER = {"outlier_token_is_threshold_low": 0.5, "outlier_token_is_threshold_high": 2.0}
TOKEN_MASK = {"token_mask_is_threshold_low": SAMPLER_LOW, "token_mask_is_threshold_high": SAMPLER_HIGH}
TOKEN_TIS = {"tis_ratio_type": "token", "token_tis_ratio_clip_high": SAMPLER_HIGH}
SEQUENCE_TIS = {"tis_ratio_type": "sequence", "sequence_tis_ratio_clip_high": SAMPLER_HIGH}


def correction_row(compute: Callable, *between: str, cases: tuple = HOLES, **options: float | str) -> Row:
    """``between``: what the function takes besides log-probs, mask and options. Ratios come in float32."""

    def function(sampler: Tensor, case: Case) -> Tensor:
        config = OffPolicyCorrectionConfig(**options)
        result = compute(case.old, sampler.detach(), case.mask.float(), *between, config)[0].float()
        return result * case.mask

    return Row("sampler", function, cases)


def ratio_metric_row(name: str) -> Row:
    def function(sampler: Tensor, case: Case) -> float:
        config = OffPolicyCorrectionConfig(**TOKEN_TIS)
        correct = off_policy_correction_utils.compute_off_policy_correction
        return correct(case.old, sampler.detach(), case.mask.float(), config)[1][name]

    return Row("sampler", function, ("ragged", "full"))


CORRECTIONS = {
    "compute_tis_ratio token": correction_row(off_policy_correction_utils.compute_tis_ratio, "token", **TOKEN_TIS),
    "compute_tis_ratio sequence": correction_row(
        off_policy_correction_utils.compute_tis_ratio, "sequence", **SEQUENCE_TIS
    ),
    "compute_token_mask": correction_row(off_policy_correction_utils.compute_token_mask, **TOKEN_MASK),
    "compute_outlier_token_mask": correction_row(off_policy_correction_utils.compute_outlier_token_mask, **OUTLIER),
    "compute_sequence_mask geometric": correction_row(
        off_policy_correction_utils.compute_sequence_mask, "geometric", **GEOMETRIC
    ),
    "compute_sequence_mask product": correction_row(
        off_policy_correction_utils.compute_sequence_mask, "product", **PRODUCT
    ),
    "compute_off_policy_correction is_ratio_mean": ratio_metric_row("is_ratio_mean"),
    "compute_off_policy_correction is_ratio_min": ratio_metric_row("is_ratio_min"),
}
