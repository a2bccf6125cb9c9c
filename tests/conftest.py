"""Shared by all tests: the shipped model, and small random models of real architectures, made on the spot.

transformers is imported where a test asks for a model: it takes seconds, and the objectives do not need it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from contrast import watch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

watch()  # every picture that a test draws is measured

SMALL = {
    "llama": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 256,
    },
    "qwen2": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 256,
    },
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},
}  # fmt: skip


@pytest.fixture(scope="session")
def base() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The shipped model and tokenizer. Tests that train take a copy of their own."""
    from reference.world.model import load

    return load()


@pytest.fixture(scope="session")
def small_models(tmp_path_factory, base) -> dict[str, Path]:
    """Folders of small random models, as someone would have them from the hub.

    The GPT-2 comes as the real one does: no chat template, no pad token, dropout in its config.
    """
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    from reference.world.model import load

    folders = {}
    for name, options in SMALL.items():
        _, tokenizer = load()
        config = CONFIG_MAPPING[name](**options)
        config.vocab_size = len(tokenizer)
        config.bos_token_id, config.eos_token_id = None, tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
        if name == "gpt2":
            tokenizer.chat_template, tokenizer.pad_token, config.pad_token_id = None, None, None
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        folders[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders
