"""Small random models of many architectures: each has something that another one has not."""

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

COMMON = {"vocab_size": 384, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
SIZES = COMMON | {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                  "max_position_embeddings": 256}  # fmt: skip
GROUPED = SIZES | {"num_key_value_heads": 1, "head_dim": 16}
MAMBA = {"mamba_d_state": 4, "mamba_d_conv": 4, "mamba_expand": 2}
HYBRID = {"layer_types": ["linear_attention", "full_attention"]}
DELTA = GROUPED | HYBRID | {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 16,
                            "linear_value_head_dim": 16}  # fmt: skip

ATTENTION = {  # keep a key and a value per token: sampled with a cache
    "llama": SIZES,
    "gpt2": COMMON | {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},  # learned positions
    "opt": SIZES | {"word_embed_proj_dim": 16, "ffn_dim": 64},  # its head reads another width than hidden_size
    "mpt": COMMON | {"d_model": 32, "n_heads": 2, "n_layers": 2, "max_seq_len": 256},  # ALiBi; the context's own name
    "bloom": COMMON | {"hidden_size": 32, "n_layer": 2, "n_head": 2},  # no context at all
    "gemma3_text": GROUPED | {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "gemma3n_text": GROUPED | {
        "vocab_size_per_layer_input": 384, "hidden_size_per_layer_input": 8, "laurel_rank": 4, "sliding_window": 8,
        "num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.0, 0.0],
        "layer_types": ["sliding_attention", "full_attention"],
    },  # four streams in its hidden states
    "llama4_text": GROUPED | {
        "intermediate_size_mlp": 64, "num_local_experts": 2, "attention_chunk_size": 16, "moe_layers": [1],
    },  # base_model is the model itself
    "mixtral": SIZES | {"num_key_value_heads": 1, "num_local_experts": 2, "num_experts_per_tok": 1},
}  # fmt: skip
STATEFUL = {  # recurrent or hybrid, or without any cache: read again for every token
    "mamba": COMMON | {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "falcon_h1": GROUPED | {
        "mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 4, "mamba_n_groups": 1,
        "mamba_chunk_size": 16,
    },
    "jamba": SIZES | MAMBA | {
        "num_key_value_heads": 1, "num_experts": 1, "num_experts_per_tok": 1, "attn_layer_period": 2,
        "attn_layer_offset": 1, "use_mamba_kernels": False,
    },
    "qwen3_next": DELTA | {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16,
                           "shared_expert_intermediate_size": 16},
    "qwen3_5_text": DELTA,
    "lfm2": GROUPED | {"layer_types": ["conv", "full_attention"], "conv_L_cache": 3, "block_ff_dim": 64},
    "minimax": GROUPED | HYBRID | {"num_local_experts": 2, "num_experts_per_tok": 1, "block_size": 16},
    "openai-gpt": COMMON | {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},
}  # fmt: skip
# The first version of transformers with this architecture, or, for Falcon-H1, in which padding does not change what it says.
SINCE = {"qwen3_5_text": "5.2", "falcon_h1": "5.15"}
REFUSED = {  # what they say of a token depends on later ones, or on the padding
    "bert": SIZES,
    "rwkv": COMMON | {"hidden_size": 32, "attention_hidden_size": 32, "num_hidden_layers": 2, "context_length": 256},
    "recurrent_gemma": SIZES | {
        "num_key_value_heads": 1, "lru_width": 32, "block_types": ["recurrent", "attention"],
        "attention_window_size": 16,
    },
    "bart": COMMON | {
        "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 64,
        "max_position_embeddings": 256,
    },
    "xlnet": COMMON | {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
}  # fmt: skip


def small(name: str, **changes: object) -> PreTrainedModel:
    """A random model of this architecture, its weights large enough that tokens matter."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[name](**((ATTENTION | STATEFUL | REFUSED)[name] | changes))
    model = AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.2)
    return model
