"""What TRL does to a model besides training it, and what of a model TRL would take for an order: both kept out of a run.

TRL writes its own ids and ``use_cache=False`` into the model's configs, and a saved checkpoint would have them. It samples
with transformers' ``generate``, which reads every field of the checkpoint's generation config that the trainer leaves
open (``suppress_tokens``, ``min_p``, ``no_repeat_ngram_size``, ...), and then trains as if nothing had. And it samples and
scores in training mode, where only dropout that is a module of its own is switched off.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.data import OnStep
from reference.algorithms.recipes import Recipe
from reference.objectives.shapes import InputError
from reference.world.model import eos_ids
from reference.world.rollout import encode_prompts
from reference.world.tasks import draw_problem

Entries = list[tuple[dict[str, Any], dict[str, Any]]]  # a place, and what belongs there
Configs = tuple[Entries, GenerationConfig | None]


def configs_of(model: PreTrainedModel) -> Configs:
    """The entries of the model's configs, each with the place where it belongs, and its generation config."""
    places = {id(config): vars(config) for config in (model.config, model.config.get_text_config())}
    return [(place, dict(place)) for place in places.values()], getattr(model, "generation_config", None)


def put_configs(model: PreTrainedModel, configs: Configs) -> None:
    """Make them again what they were when ``configs_of`` was called."""
    entries, generation_config = configs
    for place, entry in entries:
        place.clear()
        place.update(entry)
    if generation_config is not None:
        model.generation_config = generation_config


def with_own_configs(on_step: OnStep, model: PreTrainedModel, own: Configs) -> OnStep:
    """``on_step`` may save the model, or sample from it: meanwhile the model has its own configs."""

    def with_configs(step: int, metrics: dict[str, float]) -> bool:
        with own_configs(model, own):
            return on_step(step, metrics)

    return with_configs


@contextmanager
def own_configs(model: PreTrainedModel, own: Configs) -> Iterator[None]:
    """Inside the block the model has its own configs, and after it those of before."""
    during = configs_of(model)
    put_configs(model, own)
    try:
        yield
    finally:
        put_configs(model, during)


def sample_as_we_do(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give the model a generation config that says what ends a completion and what fills a row, and nothing else."""
    if model.can_generate():
        model.generation_config = GenerationConfig(
            eos_token_id=eos_ids(model, tokenizer), pad_token_id=tokenizer.pad_token_id
        )


def without_dropout(model: PreTrainedModel) -> None:
    """As in our loops: with dropout the first ratio of an update would not be 1.

    TRL's ``disable_dropout`` reaches modules. Llama, Qwen2 and others keep ``attention_dropout`` as a number.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        silence(vars(module))
    silence(vars(model.config))


def silence(entries: dict[str, Any]) -> None:
    for name in dropout_in(entries):
        entries[name] = 0.0


def dropout_in(entries: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in entries.items() if "drop" in name and isinstance(value, float)}


def dropout_of(model: PreTrainedModel) -> Entries:
    """What ``without_dropout`` sets to 0 in the modules, each with the place where it belongs."""
    own = [(vars(module), dropout_in(vars(module))) for module in model.modules()]
    layers = [module for module in model.modules() if isinstance(module, torch.nn.modules.dropout._DropoutNd)]
    return own + [(vars(layer), {"p": layer.p}) for layer in layers]


def put_dropout(dropout: Entries) -> None:
    """Make it again what it was when ``dropout_of`` was called."""
    for place, entries in dropout:
        place.update(entries)


@torch.no_grad()
def require_no_noise(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model that is another one in training mode, in which TRL samples and scores, ours in evaluation mode.

    Dropout is switched off and no ground for a refusal: TRL gets the model without.
    """
    prompt = torch.tensor(a_prompt(tokenizer), device=model.device)[None]
    own, dropout, was, hidden = configs_of(model), dropout_of(model), model.training, []
    without_dropout(model)
    for training in (False, True):
        model.train(training)
        hidden.append(model.base_model(prompt, use_cache=False)[0].float())
    model.train(was)
    put_configs(model, own)
    put_dropout(dropout)
    if not torch.allclose(*hidden, rtol=1e-3, atol=1e-3):
        raise InputError(
            f"hidden states of this model differ by up to {(hidden[0] - hidden[1]).abs().max().item():.2g} between "
            "training mode, in which TRL samples, and evaluation mode: switch off the noise in its config, or train "
            "without --engine trl"
        )


@torch.no_grad()
def require_relative_positions(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model with learned positions: TRL pads prompts on the left and passes no positions when it scores."""
    prompt = torch.tensor(a_prompt(tokenizer), device=model.device)[None]
    padded = torch.nn.functional.pad(prompt, (3, 0), value=tokenizer.pad_token_id)
    mask = torch.nn.functional.pad(torch.ones_like(prompt), (3, 0))
    without_padding = model(prompt, attention_mask=torch.ones_like(prompt)).logits[:, -1].float().log_softmax(dim=-1)
    with_padding = model(padded, attention_mask=mask).logits[:, -1].float().log_softmax(dim=-1)
    if (error := (without_padding - with_padding).abs().max().item()) > 1e-2:
        raise InputError(
            f"log-probs of this model move by {error:.2g} nats with the padding on the left of a prompt, and TRL does "
            "not pass positions: use a model with relative ones, or train without --engine trl"
        )


def require_pad(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a reward model without a pad token of its own: TRL finds a completion's end by it."""
    if recipe.kind == "reward" and tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise InputError("pad and EOS are one token, and TRL would read the reward before the EOS: set a pad token")


def a_prompt(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return encode_prompts(tokenizer, [draw_problem(random.Random(0))])[0]
