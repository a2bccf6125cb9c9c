"""The plain functions of the Llama family against transformers' own forward: values, gradients, and when they stand back."""

import copy

import pytest
import torch
from llamas import KINDS, rope, small
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from transformers import LlamaForCausalLM

from reference.objectives import position_ids
from reference.world import llama
from reference.world.llama import blocks_of, hidden_states, is_llama
from reference.world.reader import reads_as_llama


def plain_logits(model, tokens):
    states = hidden_states(model, blocks_of(model), tokens, position_ids(torch.ones_like(tokens).bool()), causal)
    return model.lm_head(states)


def causal(layer, q, k, v):
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2).flatten(2)


def values_and_gradients(model, logits):
    pull = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1), dtype=logits.dtype)
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad((logits * pull).sum(), list(weights.values()), allow_unused=True)
    return {"logits": logits.detach()} | dict(zip(weights, gradients, strict=True))


def assert_same_as_transformers(model, *, rel: float, logits_of=plain_logits) -> None:
    tokens = torch.randint(0, 384, (3, 40), generator=torch.Generator().manual_seed(2))
    tokens[:, ::7] = model.config.pad_token_id  # as a token like others: some tokenizers end a turn with it
    ours = values_and_gradients(model, logits_of(model, tokens))
    theirs = values_and_gradients(model, model(tokens, use_cache=False).logits)
    for name, expected in theirs.items():
        if expected is None:
            assert ours[name] is None, name
            continue
        assert expected.norm() > 1e-3, name
        assert ours[name] is not None and (ours[name] - expected).norm() < rel * expected.norm(), name


@pytest.fixture
def exact_norms(monkeypatch):
    """transformers' norms compute in float32. Here they do not, so that float64 shows more than rounding would hide."""

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    for kind in ("llama", "qwen2", "mistral"):
        monkeypatch.setattr(type(small(kind).model.norm), "forward", forward)


# ---- values and gradients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_transformers(kind, exact_norms):
    assert_same_as_transformers(small(kind).double(), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_in_float32(kind):
    model = small(kind)
    assert reads_as_llama(model)
    assert_same_as_transformers(model, rel=1e-4)


def changed(block, **weights):
    return block._replace(**weights)


MISTAKES = {
    "keys before queries": lambda b, m, n: changed(b, qkv=torch.cat([b.qkv[32:48], b.qkv[:32], b.qkv[48:]])),
    "values before keys": lambda b, m, n: changed(b, qkv=torch.cat([b.qkv[:32], b.qkv[48:], b.qkv[32:48]])),
    "no norm before attention": lambda b, m, n: changed(b, qkv=b.qkv / m.model.layers[n].input_layernorm.weight),
    "the other norm": lambda b, m, n: changed(
        b, gate_up=b.gate_up / m.model.layers[n].post_attention_layernorm.weight
        * m.model.layers[n].input_layernorm.weight,
    ),
    "up before gate": lambda b, m, n: changed(b, gate_up=b.gate_up.roll(48, dims=0)),
    "no bias": lambda b, m, n: changed(b, qkv_bias=None),
    "a bias in the old order": lambda b, m, n: changed(b, qkv_bias=torch.cat(
        [getattr(m.model.layers[n].self_attn, name).bias for name in ("q_proj", "k_proj", "v_proj")]
    )),
    "a bias without gradient": lambda b, m, n: changed(b, qkv_bias=b.qkv_bias.detach()),
    "a norm without gradient": lambda b, m, n: changed(b, qkv=b.qkv.detach()),
    "another layer's": lambda b, m, n: changed(b, down=m.model.layers[0].mlp.down_proj.weight),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_finds_a_mistake_in_the_joined_weights(mistake):
    model = small("qwen2")

    def wrong(model, tokens):
        blocks = [MISTAKES[mistake](block, model, number) for number, block in enumerate(blocks_of(model))]
        return model.lm_head(hidden_states(model, blocks, tokens, position_ids(torch.ones_like(tokens).bool()), causal))

    with pytest.raises(AssertionError):
        assert_same_as_transformers(model, rel=1e-2, logits_of=wrong)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("in_pairs", lambda rows, size: rows), ("silu", gelu), ("rotate", lambda x, turns: x)],
)
def test_the_comparison_finds_a_mistake_in_the_functions(name, wrong, monkeypatch):
    monkeypatch.setattr(llama, name, wrong)
    with pytest.raises(AssertionError):
        assert_same_as_transformers(small(), rel=1e-2)


@pytest.mark.parametrize("name", ["frozen", "half frozen layer", "resized", "head with bias", "eps", "fewer layers",
                                  "eager", "max_norm"])  # fmt: skip
def test_what_happens_to_a_model_later_is_seen(name):
    """Each of them is still read by the plain functions, and rightly."""
    model = small("grouped")
    assert reads_as_llama(model)
    if name == "frozen":
        model.model.requires_grad_(False)
    elif name == "half frozen layer":
        for part in (model.model.layers[0].self_attn.k_proj, model.model.layers[0].input_layernorm):
            part.requires_grad_(False)
    elif name == "resized":
        model.resize_token_embeddings(400, mean_resizing=False)
    elif name == "head with bias":
        model.lm_head.bias = nn.Parameter(torch.randn(384))
    elif name == "eps":
        model.config.rms_norm_eps = 1.0  # transformers' norms keep the one that they were made with
    elif name == "fewer layers":
        model.config.num_hidden_layers = 1  # transformers' forward stops there
    elif name == "eager":
        model.set_attn_implementation("eager")
    elif name == "max_norm":
        model.model.embed_tokens.max_norm = 1.0
    assert reads_as_llama(model)
    assert_same_as_transformers(model, rel=1e-4)


def test_the_padding_token_gets_no_gradient_from_the_embedding():
    model = small()
    plain_logits(model, torch.tensor([[5, 0, 7]])).sum().backward()
    gradient = model.model.embed_tokens.weight.grad
    assert gradient[0].norm() == 0 and gradient[5].norm() > 0


def test_hooks_on_weights_fire():
    model, seen = small(), []
    model.model.embed_tokens.weight.register_hook(lambda gradient: seen.append(gradient.norm()))
    assert is_llama(model)
    plain_logits(model, torch.tensor([[5, 6, 7]])).sum().backward()
    assert seen == [model.model.embed_tokens.weight.grad.norm()]


# ---- when they are not used --------------------------------------------------------------------------------------------


class Mine(LlamaForCausalLM):
    pass


class MyLinear(nn.Linear):
    pass


def a_layer(model):
    return model.model.layers[1]


def set_in(thing, name: str, value) -> None:
    setattr(thing, name, value)


CHANGES = {
    "forward hook": lambda m: a_layer(m).mlp.register_forward_hook(lambda *a: None),
    "forward pre-hook": lambda m: m.model.embed_tokens.register_forward_pre_hook(lambda *a: None),
    "hook with kwargs": lambda m: a_layer(m).self_attn.register_forward_hook(lambda *a: None, with_kwargs=True),
    "backward hook": lambda m: a_layer(m).input_layernorm.register_full_backward_hook(lambda *a: None),
    "backward pre-hook": lambda m: m.lm_head.register_full_backward_pre_hook(lambda *a: None),
    "forward of its own": lambda m: set_in(a_layer(m).mlp, "forward", lambda x: x),
    "train mode": lambda m: m.train(),
    "gradient checkpointing": lambda m: (m.gradient_checkpointing_enable(), m.train()),
    "bfloat16": lambda m: m.bfloat16(),
    "half": lambda m: m.half(),
    "activation": lambda m: set_in(a_layer(m).mlp, "act_fn", nn.GELU()),
    "bias behind attention": lambda m: set_in(a_layer(m).self_attn.o_proj, "bias", nn.Parameter(torch.randn(32))),
    "another scale": lambda m: set_in(a_layer(m).self_attn, "scaling", 1.0),
    "an attention of one's own": lambda m: set_in(m.config, "_attn_implementation", "mine"),
    "weight norm": lambda m: nn.utils.parametrizations.weight_norm(a_layer(m).self_attn.q_proj),
    "a linear layer of one's own": lambda m: set_in(a_layer(m).mlp, "up_proj", MyLinear(32, 48, bias=False)),
    "a quantised layer": lambda m: set_in(
        a_layer(m).mlp, "up_proj", torch.ao.nn.quantized.dynamic.Linear(32, 48, bias_=False)
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_goes_through_its_own_forward(name):
    model = small()
    assert reads_as_llama(model)
    CHANGES[name](model)
    assert not is_llama(model) and not reads_as_llama(model)


OTHERS = {
    "sliding window": ("mistral", {"sliding_window": 8}),
    "sliding window of qwen2": ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}),
    "bias of attention": ("llama", {"attention_bias": True}),
    "bias of the mlp": ("llama", {"mlp_bias": True}),
    "dynamic positions": ("llama", rope("dynamic")),
    "longrope": ("llama", rope("longrope", short_factor=[1.0] * 4, long_factor=[2.0] * 4)),
    "gelu": ("llama", {"hidden_act": "gelu"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_model_goes_through_its_own_forward(name):
    kind, options = OTHERS[name]
    assert not is_llama(small(kind, **options))


def test_a_class_of_ones_own_an_adapter_autocast_and_hooks_on_everything():
    model = small()
    assert not is_llama(Mine(model.config).eval())
    assert not is_llama(get_peft_model(copy.deepcopy(model), LoraConfig(target_modules=["q_proj"])))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_llama(model)
    hook = nn.modules.module.register_module_forward_hook(lambda *a: None)
    try:
        assert not is_llama(model)
    finally:
        hook.remove()
    assert is_llama(model)


def test_a_forward_that_is_replaced_on_the_class_is_seen(monkeypatch):
    model = small()
    monkeypatch.setattr(type(model.model.norm), "forward", lambda self, x: x)
    assert not is_llama(model)
