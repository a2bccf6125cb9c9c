"""What many architectures have in common is asked of each: how it can be sampled, what its head reads, how far it reads."""

import copy
import random
import warnings
from dataclasses import replace

import pytest
import torch
import transformers
from architectures import ATTENTION, REFUSED, SINCE, STATEFUL, small
from packaging.version import Version
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, DynamicCache, Gemma3Config, LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutput

from reference.algorithms import rl
from reference.algorithms.collect import collect
from reference.algorithms.critic import Critic
from reference.algorithms.recipes import RECIPES
from reference.algorithms.scoring import forward
from reference.objectives import position_ids
from reference.objectives.shapes import InputError
from reference.world import reader
from reference.world.eval_mode import eval_mode
from reference.world.gate import has_nan_gradient, require_gradient, require_sampler, two_prompts
from reference.world.head import head_width
from reference.world.reader import CachedReader, PlainReader, can_cache, context_length, holds_plain_keys
from reference.world.rollout import encode_prompts, left_padded, sample
from reference.world.tasks import draw_problem

INSTALLED = Version(transformers.__version__)
WORKING = [
    pytest.param(
        name, marks=pytest.mark.skipif(Version(since) > INSTALLED, reason=f"{name} wants transformers {since}")
    )
    for name in (*ATTENTION, *STATEFUL)
    for since in [SINCE.get(name, "5.0")]
]
GRPO = replace(
    RECIPES["grpo"], prompts_per_step=4, group_size=4, max_new_tokens=12, micro_batch_size=6, max_grad_norm=1e9
)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKING)
def test_the_gate_lets_it_through_and_says_how_it_is_read(name, base):
    model = small(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        require_sampler(model, base[1], max_new_tokens=96)
    slow = any("keeps no key-value cache" in str(each.message) for each in caught)
    assert can_cache(model) == (name in ATTENTION) == (not slow)


@pytest.mark.parametrize("name", REFUSED)
def test_the_gate_refuses_what_would_be_trained_wrongly(name, base):
    with pytest.raises(InputError, match=r"another log-prob when it is scored|cannot be sampled token by token"):
        require_sampler(small(name), base[1], max_new_tokens=96)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKING)
def test_rows_repeated_and_left_out_read_as_if_they_were_alone(name, base):
    """Four completions of three prompts, sampled together: every one has the log-probs that it has by itself."""
    model = small(name)
    prompts = encode_prompts(base[1], [draw_problem(random.Random(0), num_steps=steps) for steps in (2, 6, 4)])
    model.generation_config.eos_token_id = list(range(1, 60))  # so that rows end at different times
    rollout = sample(model, base[1], prompts, max_new_tokens=16, group_size=4, seeds=range(12))
    assert len(set(rollout.completion_mask.sum(dim=1).tolist())) > 3
    for row in range(12):
        alone = rollout.rows(torch.tensor([row]))
        with torch.no_grad():
            logits = model(alone.tokens[:, : alone.attention_mask.sum()], use_cache=False).logits
        new = logits.log_softmax(-1)[0, :-1].gather(1, alone.tokens[0, 1:, None]).squeeze(1)
        error = (new - alone.sampler_logprobs[0])[alone.completion_mask[0]].abs().max()
        assert error < 1e-3, row


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKING)
def test_it_trains_and_its_first_ratio_is_one(name, base, monkeypatch):
    """The gradient with shared prompts, where there are any, is that without."""
    model = small(name)
    require_gradient(model, base[1])
    batch, _ = collect(model, base[1], GRPO, random.Random(0))
    batch = replace(batch, advantages=torch.linspace(-1, 1, 16)[:, None])
    found = []
    for share in (True, False):
        if not share:
            monkeypatch.setattr(rl, "can_share", lambda model, batch: False)
        scalars = rl.update(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, GRPO)
        found.append(torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None]))
        assert scalars["ratio"] == pytest.approx(1, abs=1e-4)
    assert found[1].norm() > 1e-3
    assert (found[0] - found[1]).norm() < 1e-4 * found[1].norm()


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", WORKING)
def test_a_critic_reads_what_the_head_reads(name, shared, base):
    """A head that is the first row of the output embedding gives, for V, the first logit: on either kind of trunk."""
    model = small(name)
    batch, _ = collect(model, base[1], GRPO, random.Random(0))
    critic = Critic(model, shared=shared)
    output = model.get_output_embeddings()
    with torch.no_grad(), eval_mode(model, critic):
        critic.head.weight.copy_(output.weight[:1])
        if getattr(output, "bias", None) is not None:
            critic.head.bias.copy_(output.bias[:1])
        out = forward(model, batch, completions_only=True, hidden=True)
        values = critic(batch, out.hidden_states[-1] if shared else None)
        wanted = output(out.hidden_states[-1])[:, :-1, 0]  # before soft caps and scales of the logits
    assert values.shape == batch.mask.shape
    assert (values - wanted)[batch.mask].abs().max() < 1e-3
    assert critic.head.in_features == head_width(model) == output.weight.shape[1]


class Doubled(LlamaForCausalLM):
    """Its head reads something that no module gives."""

    def forward(self, input_ids, **_: object):
        return CausalLMOutput(logits=self.lm_head(2 * self.model(input_ids).last_hidden_state))


def test_no_trunk_is_said_so():
    model = Doubled(small("llama").config)
    with pytest.raises(InputError, match="choose critic 'shared'"):
        Critic(model, shared=False)
    Critic(model, shared=True)


# ---- context -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "context"),
    [
        ("llama", {"max_position_embeddings": 32}, 32),
        ("gpt2", {"n_positions": 32}, 32),
        ("mpt", {"max_seq_len": 32}, 32),
        ("openai-gpt", {"n_positions": 32}, 32),
        ("bloom", {}, None),
        ("mamba", {}, None),
        ("xlnet", {}, None),  # it says -1
    ],
)
def test_the_context_is_found_under_every_name(name, changes, context, base):
    model = small(name, **changes)
    assert context_length(model) == context
    if context:
        with pytest.raises(InputError, match=f"the model has {context}: lower max_new_tokens"):
            require_sampler(model, base[1], max_new_tokens=96)


def test_the_context_of_a_composite_model_is_that_of_its_text_model():
    text = {**ATTENTION["gemma3_text"], "max_position_embeddings": 32}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = AutoModelForCausalLM.from_config(Gemma3Config(text_config=text, vision_config=vision))
    assert not hasattr(model.config, "max_position_embeddings") and context_length(model) == 32


# ---- modes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "gemma3_text", "llama"])
def test_a_model_in_train_mode_is_sampled_and_trained_without_dropout(name, checkpointing, base):
    """Dropout of one half and gradient checkpointing, and yet the first ratio is 1; then each part is as it was."""
    rates = {"gpt2": {"resid_pdrop": 0.5, "embd_pdrop": 0.5, "attn_pdrop": 0.5}}.get(name, {"attention_dropout": 0.5})
    model = small(name, **rates).train()
    part = next(module for module in model.modules() if isinstance(module, torch.nn.Linear | torch.nn.LayerNorm))
    part.eval()
    if checkpointing:
        model.gradient_checkpointing_enable()
    modes = {n: module.training for n, module in model.named_modules()}
    assert len(set(modes.values())) == 2
    rows = []
    rl.train_rl(
        model, base[1], torch.optim.SGD(model.parameters(), lr=0.0), replace(GRPO, steps=1, kl_coef=0.1),
        ref_model=copy.deepcopy(model), on_step=lambda step, metrics: rows.append(metrics) or False,
    )  # fmt: skip
    assert rows[0]["ratio"] == pytest.approx(1, abs=1e-5) and rows[0]["kl_k3"] == pytest.approx(0, abs=1e-6)
    assert {n: module.training for n, module in model.named_modules()} == modes


def test_the_mode_comes_back_when_something_fails():
    model = small("gpt2").train()
    with pytest.raises(RuntimeError), eval_mode(model, None):
        assert not model.training
        raise RuntimeError
    assert all(module.training for module in model.modules())


# ---- gradients -----------------------------------------------------------------------------------------------------------


def gemma3n():
    """As transformers makes it: the padding's embedding is 0, and the square root of a mean of squares has its limits."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING["gemma3n_text"](**ATTENTION["gemma3n_text"])).eval()


def gradient_of(model, rows: list[list[int]]) -> torch.Tensor:
    """Of the sum of the last log-probs, all rows in one batch, padded on the left."""
    width = max(map(len, rows))
    tokens, mask = left_padded(rows, width, width, 0, torch.device("cpu"))
    logits = model(tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False).logits
    loss = logits[:, -2].log_softmax(-1).gather(1, tokens[:, -1:]).sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return torch.cat([g.flatten() for g in gradients if g is not None])


def test_where_fused_attention_gives_nan_eager_attention_is_taken(base):
    model, other = gemma3n(), gemma3n()
    prompts = two_prompts(base[1])
    assert has_nan_gradient(model, base[1], prompts) and model.config._attn_implementation == "sdpa"
    with pytest.warns(UserWarning, match="NaN gradients on padded rows with fused attention: eager"):
        require_gradient(model, base[1], other)
    assert [m.config._attn_implementation for m in (model, other)] == ["eager", "eager"]
    together, apart = gradient_of(model, prompts), sum(gradient_of(model, [prompt]) for prompt in prompts)
    assert (together - apart).norm() < 1e-4 * apart.norm()


def test_a_gradient_that_is_nan_either_way_is_refused(base):
    model = small("llama")
    model.lm_head.weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(InputError, match="with eager attention too: look for NaN in its weights"):
        require_gradient(model, base[1])


def test_a_nan_gradient_says_which_weights(base):
    """The first step of Gemma 3n in a loop of one's own, without the gate."""
    model = gemma3n()
    batch, _ = collect(model, base[1], GRPO, random.Random(0))
    batch = replace(batch, advantages=torch.linspace(-1, 1, 16)[:, None])
    with pytest.raises(InputError, match=r"the gradient is nan \(in \d+ of \d+ weights, the first model\."):
        rl.update(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, GRPO)


# ---- readers -------------------------------------------------------------------------------------------------------------


def test_both_readers_say_the_same_of_a_model_that_can_be_read_either_way():
    model = small("gpt2")
    tokens, attention = torch.tensor([[0, 5, 6, 7], [8, 9, 10, 11]]), torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]]).bool()
    with torch.no_grad():
        plain, cached = (r.next_logits(tokens, attention) for r in (PlainReader(model), CachedReader(model)))
    assert torch.allclose(plain, cached, atol=1e-5)


def test_a_cache_without_layers_is_not_trusted_to_hold_prompts(monkeypatch):
    """transformers 5.0 makes one for Gemma 3n, and what was written into its layers was written nowhere."""
    model = small("llama")
    assert holds_plain_keys(model)
    monkeypatch.setattr(reader, "DynamicCache", lambda config: DynamicCache())
    assert not holds_plain_keys(model)
