"""What is wrong with weights that were read without an error."""

from pathlib import Path

from transformers import PreTrainedModel

from reference.objectives.shapes import InputError


def require_finite_weights(model: PreTrainedModel, name_or_path: str | Path) -> None:
    """Refuse a model with NaN or infinity among its weights: whatever it is asked, it would answer NaN."""
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            count = int((~weight.isfinite()).sum())
            raise InputError(
                f"{count} of the weights of {name_or_path} are NaN or infinite, the first in {name}: "
                "the checkpoint is useless, take an earlier one"
            )
