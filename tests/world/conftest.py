"""The shipped tokenizer, and the shipped model in a folder of its own."""

from pathlib import Path

import pytest
from model_folders import model_folder
from transformers import PreTrainedTokenizerBase


@pytest.fixture(scope="module")
def tokenizer(base) -> PreTrainedTokenizerBase:
    return base[1]


@pytest.fixture
def base_folder(base, tmp_path) -> Path:
    """The shipped model, to be spoilt."""
    return model_folder(tmp_path, *base)
