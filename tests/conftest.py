"""Shared by all tests: small random models of real architectures, made on the spot."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
)

from reference.world.model import load


@pytest.fixture(scope="session")
def base() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The shipped model and tokenizer. Tests that train take a copy of their own."""
    return load()


SMALL = {
    "llama": LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=256
    ),
    "qwen2": Qwen2Config(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=256,
    ),
    "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=256),
}  # fmt: skip


@pytest.fixture(scope="session")
def small_models(tmp_path_factory, base) -> dict[str, Path]:
    """Folders of small random models, as someone would have them from the hub.

    The GPT-2 comes as the real one does: no chat template, no pad token, dropout in its config.
    """
    folders = {}
    for name, config in SMALL.items():
        _, tokenizer = load()
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
