"""The Llama family as plain functions: the numbers of transformers' modules, from fewer operations.

A step of the small model is thousands of small operations, so what each costs beside its arithmetic counts. Here the
weights that read the same input are joined, and padding is left out: ``tokens`` is one long row of real tokens, whichever
completions they are from. Only attention needs to know who stands before whom; it is a function that the caller gives.

``is_llama`` says which models are read this way. All others go through their own ``forward``, as before.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, silu
from torch.nn.modules.module import _has_any_global_hook
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

FAMILY = {f"transformers.models.{name}.modeling_{name}" for name in ("llama", "mistral", "qwen2")}
ROPE = {"default", "linear", "llama3", "yarn"}  # the others look at the longest position of the batch
LIBRARIES = ("transformers.", "torch.nn.modules.")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

# (layer, queries (..., heads, size), keys and values (..., kv_heads, size)) -> (..., heads * size)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class Block(NamedTuple):
    """The weights of one layer. Those of a norm are multiplied into the matrix that reads what it gives."""

    qkv: Tensor  # (heads * size + 2 * kv_heads * size, width) queries, keys, values
    qkv_bias: Tensor | None
    out: Tensor  # (width, heads * size)
    gate_up: Tensor  # (2 * inner, width)
    down: Tensor  # (width, inner)


def blocks_of(model: PreTrainedModel) -> list[Block]:
    """The weights as they are now, joined. Gradients flow back to the model's own."""
    size = head_size(model)
    blocks = []
    for layer in model.model.layers[: model.config.num_hidden_layers]:
        attention, mlp = layer.self_attn, layer.mlp
        q, k, v = attention.q_proj, attention.k_proj, attention.v_proj
        qkv = torch.cat([in_pairs(q.weight, size), in_pairs(k.weight, size), v.weight])
        bias = None if q.bias is None else torch.cat([in_pairs(q.bias, size), in_pairs(k.bias, size), v.bias])
        blocks.append(Block(
            qkv=qkv * layer.input_layernorm.weight,
            qkv_bias=bias,
            out=attention.o_proj.weight,
            gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight,
            down=mlp.down_proj.weight,
        ))  # fmt: skip
    return blocks


def hidden_states(
    model: PreTrainedModel, blocks: list[Block], tokens: Tensor, positions: Tensor, attend: Attend
) -> Tensor:
    """What the output head reads, (..., width), for tokens and positions of any shape (...)."""
    config = model.config
    heads, kv_heads, size = config.num_attention_heads, config.num_key_value_heads, head_size(model)
    unit_rms = functools.partial(
        rms_norm, normalized_shape=(config.hidden_size,), eps=model.model.norm.variance_epsilon
    )
    turns = turns_of(model, positions)
    x = model.model.embed_tokens(tokens)  # the module: no gradient for its padding token
    for number, block in enumerate(blocks):
        qkv = linear(unit_rms(x), block.qkv, block.qkv_bias)
        to_rotate, v = qkv.unflatten(-1, (-1, size)).split([heads + kv_heads, kv_heads], dim=-2)
        q, k = rotate(to_rotate, turns).split([heads, kv_heads], dim=-2)
        x = x + linear(attend(number, q, k, v), block.out)
        gate, up = linear(unit_rms(x), block.gate_up).chunk(2, dim=-1)
        x = x + linear(silu(gate) * up, block.down)
    return unit_rms(x) * model.model.norm.weight


def may_see(mask: Tensor, time: int) -> Tensor:
    """(rows, 1, time, all columns) True where one of the last ``time`` columns looks at a real token at or before its own.

    ``mask`` (rows, all columns). Padding sees everything, or its softmax would be NaN; nobody reads what comes of it.
    """
    past = mask.shape[1] - time
    causal = torch.ones(time, mask.shape[1], dtype=torch.bool, device=mask.device).tril(diagonal=past)
    return ((mask[:, None, :] & causal) | ~mask[:, past:, None])[:, None]


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotary positions: a head's numbers 2i and 2i + 1 are a complex number, turned by an angle that grows with the position."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turns).flatten(-2)


def turns_of(model: PreTrainedModel, positions: Tensor) -> Tensor:
    """What ``rotate`` multiplies with, (..., 1, size / 2): by transformers' own tables, whichever scaling the model has."""
    like = model.model.embed_tokens.weight
    cos, sin = (table[0, :, : table.shape[-1] // 2] for table in model.model.rotary_emb(like, positions.view(1, -1)))
    return torch.complex(cos, sin).view(*positions.shape, 1, -1)


def in_pairs(rows: Tensor, size: int) -> Tensor:
    """The rows of a matrix, (heads * size, ...), in another order: i and i + size / 2 of a head, which turn together, as neighbours."""
    return rows.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)


def head_size(model: PreTrainedModel) -> int:
    return getattr(model.config, "head_dim", None) or model.config.hidden_size // model.config.num_attention_heads


def is_llama(model: PreTrainedModel) -> bool:
    """Whether the functions above compute what the model's own ``forward`` does.

    Dropout that is on, half precision, biases elsewhere, a sliding window: then not. Modules are asked rather than the
    config where they go their own way: a config can be changed after the model was made.
    """
    if not (is_plain(model) and type(model).__name__.endswith("ForCausalLM")):
        return False
    config = model.config
    return (
        all(map(is_llama_layer, model.model.layers))
        and model.model.rotary_emb.rope_type in ROPE
        and (getattr(config, "sliding_window", None) is None or not getattr(config, "use_sliding_window", True))
        and config._attn_implementation in ("eager", "sdpa")  # others may be anybody's
        and not model.training
        and not torch.is_autocast_enabled(model.device.type)
        and model.dtype in (torch.float32, torch.float64)
    )


def is_llama_layer(layer: Any) -> bool:
    """SiLU, the usual scale, and no bias but those of queries, keys and values."""
    attention, mlp = layer.self_attn, layer.mlp
    without_bias = (attention.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj)
    return (
        type(mlp.act_fn) is type(ACT2FN["silu"])
        and attention.scaling == attention.head_dim**-0.5
        and all(linear.bias is None for linear in without_bias)
    )


def is_plain(model: nn.Module) -> bool:
    """Whether it is a model of the family as transformers makes it: no adapter, no hook, no forward of its own."""
    return (
        type(model).__module__ in FAMILY
        and not _has_any_global_hook()
        and all(is_untouched(module) for module in model.modules())
    )


def is_untouched(module: nn.Module) -> bool:
    kind = type(module)
    return (
        kind.__module__.startswith(LIBRARIES)
        and kind.forward.__module__.startswith(LIBRARIES)  # a notebook may replace it on the class
        and "forward" not in vars(module)
        and not any(getattr(module, hooks) for hooks in HOOKS)
    )
