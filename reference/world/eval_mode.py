"""Dropout off while it matters, and every module as it was afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(*modules: nn.Module | None) -> Iterator[None]:
    """Put the modules into eval mode, and each part of them back into its own mode at the end.

    With dropout the model that samples, the one that is scored and the one that is trained would be three, and the first
    ratio of every update would not be 1. In train mode gradient checkpointing also takes the key-value cache away; in
    eval mode transformers does not checkpoint.
    """
    parts = [part for module in modules if module is not None for part in module.modules()]
    modes = [part.training for part in parts]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
