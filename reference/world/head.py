"""What a causal LM's output head reads, and the trunk that makes it: found by running the model, not by their names.

A config's ``hidden_size``, a model's ``base_model`` and its ``hidden_states[-1]`` are usually the width, the maker and the
value of that tensor. Not always: OPT projects to another width before its head, Llama 4 gives itself as ``base_model``,
Gemma 3n keeps four streams in its hidden states, and peft puts two wrappers around the trunk.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from reference.objectives.shapes import InputError
from reference.world.eval_mode import eval_mode

ONE_AT_A_TIME = threading.RLock()  # a hook hears the calls of every thread


@contextmanager
def head_inputs(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """A list that fills, as the model runs, with what its output head reads: (rows, positions, width), with gradient."""
    head = model.get_output_embeddings()
    if head is None:
        raise InputError(f"{type(model).__name__} has no output head (get_output_embeddings is None): pass a causal LM")
    inputs: list[Tensor] = []
    with ONE_AT_A_TIME:
        hook = head.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        try:
            yield inputs
        finally:
            hook.remove()


def head_width(model: PreTrainedModel) -> int:
    """How many numbers the head reads per token."""
    return trace(model)[0].shape[-1]


def find_trunk(model: PreTrainedModel) -> nn.Module:
    """The innermost module that takes tokens and whose ``last_hidden_state`` is what the head reads."""
    head_input, calls = trace(model)
    for module, arguments, output in calls:
        hidden = getattr(output, "last_hidden_state", None)
        takes_tokens = any(isinstance(x, Tensor) and x.shape == (1, 2) and x.dtype == torch.long for x in arguments)
        if (
            takes_tokens
            and isinstance(hidden, Tensor)
            and hidden.shape == head_input.shape
            and torch.equal(hidden, head_input)
        ):
            return module
    raise InputError(
        f"no part of {type(model).__name__} gives the hidden states that its head reads, so no critic can have a copy of "
        "it: choose critic 'shared'"
    )


def classifier_trunk(model: PreTrainedModel) -> nn.Module:
    """The trunk of a sequence classifier, whose last hidden state its ``score`` reads; peft's wrappers are looked through."""
    get_base = getattr(model, "get_base_model", None)
    inner = model if get_base is None else get_base()
    return inner.base_model


@torch.no_grad()
def trace(model: PreTrainedModel) -> tuple[Tensor, list[tuple[nn.Module, list[Any], Any]]]:
    """One forward pass on two tokens: what the head read; every module inside that was called, its input and output."""
    calls: list[tuple[nn.Module, list[Any], Any]] = []

    def record_call(module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        calls.append((module, [*args, *kwargs.values()], output))

    inside = [module for module in model.modules() if module is not model]
    hooks = [module.register_forward_hook(record_call, with_kwargs=True) for module in inside]
    try:
        with eval_mode(model), head_inputs(model) as inputs:
            model(
                torch.tensor([[1, 2]], device=model.device), use_cache=False
            )  # not 0: often the padding, embedded as 0
    finally:
        for hook in hooks:
            hook.remove()
    if not inputs:
        raise InputError(f"the output head of {type(model).__name__} was never called, so nothing can share its trunk")
    return inputs[-1], calls
