"""The model: a small Llama with random weights, the shipped checkpoint, or any causal LM you name.

One function, ``load``, serves all three cases, so that whatever runs on the small model runs on a real one.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from reference.objectives.shapes import InputError
from reference.world.adapter import base_of, is_adapter, merge_adapter, require_causal
from reference.world.chat import fill_template, require_chat
from reference.world.finite_weights import require_finite_weights
from reference.world.hub import require_hub
from reference.world.sentences import reason_of
from reference.world.weights import require_same_weights

MOST_TOKENS = 2**31  # no vocabulary has so many
MADE = {"a causal LM": "causal LM", "a reward model": "classifier"}  # what transformers makes of a config for each
BASE = Path(__file__).with_name("base")  # the checkpoint that ships with the package
TOOL_SFT = Path(__file__).with_name("tool_sft")  # the base after the recipe tool-sft: it calls the calculator
SHIPPED = {"base": BASE, "tool-sft": TOOL_SFT}


def new_model(tokenizer: PreTrainedTokenizerBase, *, seed: int = 0) -> LlamaForCausalLM:
    """The small model with random weights: 4 layers of width 128, about 0.9 M parameters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.08,  # about 1 / sqrt(128): with the usual 0.02 copying is learned several times later
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def load(
    name_or_path: str | Path = BASE, *, device: str | torch.device = "cpu"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model (float32, in eval mode) and tokenizer, from a folder or, with a network, from the hub.

    What a hub model lacks is filled in: a chat template (plain text), a pad token (the EOS; every mask here goes by
    position, so sharing the id is harmless). A folder with a peft adapter is loaded with its base, into which the
    adapter is merged. Code that comes with a checkpoint is not run. Raises ``InputError`` for a name that leads nowhere,
    for a checkpoint that is damaged, incomplete, or of another kind than its config says, and for a chat template that
    cannot work; of one that hardly can, a warning tells.
    """
    require_source(name_or_path)
    model = load_adapted(name_or_path) if is_adapter(name_or_path) else load_causal_lm(name_or_path)
    require_finite_weights(model, name_or_path)
    with loading(name_or_path, "a tokenizer", "check the name, or save tokenizer and model into one folder"):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_source(name_or_path), trust_remote_code=False)
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"the tokenizer of {name_or_path} has no EOS token, so a completion could never end: set eos_token"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    fill_template(tokenizer)
    ids = require_chat(tokenizer, name_or_path, eos_ids(model, tokenizer))
    rows = model.get_input_embeddings().num_embeddings
    if (highest := max(*ids, tokenizer.pad_token_id, tokenizer.eos_token_id)) >= rows:
        raise InputError(
            f"the tokenizer of {name_or_path} gives ids up to {highest}, the model has only {rows} embeddings: they do "
            "not belong together"
        )
    return model.to(device).eval(), tokenizer  # type: ignore[arg-type]  # transformers wraps .to, and so hides self


def load_causal_lm(name_or_path: str | Path) -> PreTrainedModel:
    """The weights alone, every one of them and no others."""
    with loading(name_or_path, "a causal LM", "check the name, or save the folder again with save_pretrained"):
        pair: Any = AutoModelForCausalLM.from_pretrained(  # two results, of which its annotation has one
            name_or_path, dtype=torch.float32, output_loading_info=True, trust_remote_code=False,
            ignore_mismatched_sizes=True,  # refused below, by name
        )  # fmt: skip
        model, loading_info = pair
    if getattr(model, "_hf_peft_config_loaded", False):  # from the hub: transformers puts the adapter in by itself
        raise InputError(f"{name_or_path} is a peft adapter: download it, and name its folder")
    require_same_weights(name_or_path, model, loading_info)
    return model


def load_adapted(folder: str | Path) -> PreTrainedModel:
    """The base that a peft adapter names, with the adapter merged into it."""
    base = base_of(folder)
    require_causal(folder)
    try:
        require_source(base)
        return merge_adapter(load_causal_lm(base), folder)
    except InputError as error:
        raise InputError(f"{error} (the base of the adapter {folder})") from None


def tokenizer_source(name_or_path: str | Path) -> str | Path:
    """Where the tokenizer is: for an adapter without one, with its base."""
    if is_adapter(name_or_path) and not (Path(name_or_path).expanduser() / "tokenizer_config.json").is_file():
        return base_of(name_or_path)
    return name_or_path


@contextmanager
def loading(name_or_path: str | Path, kind: str, advice: str) -> Iterator[None]:
    """Keep transformers quiet, and say in one sentence what went wrong."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except Exception as error:  # the loaders raise a dozen types; each means that this checkpoint cannot be used
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{name_or_path} brings Python code of its own, which is not run here: load it yourself with "
                "from_pretrained(..., trust_remote_code=True) and pass model and tokenizer to the loop, such as train_rl"
            ) from None
        if kind in MADE and (unknown := re.match(r"Unrecognized configuration class <class '.*?(\w+)'>", str(error))):
            raise InputError(
                f"{name_or_path} cannot be loaded as {kind}: transformers has no {MADE[kind]} for this architecture "
                f"({unknown[1]}); name a model of another architecture, such as Llama or Qwen"
            ) from None
        raise InputError(
            f"{name_or_path} cannot be loaded as {kind} ({type(error).__name__}: {reason_of(error)}): {advice}"
        ) from None
    finally:
        logging.set_verbosity(level)


def eos_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every id that ends a completion: the tokenizer's EOS, and those of the model's generation config.

    Gemma and Phi, among others, end a turn with a token that is not the tokenizer's EOS.
    """
    more = model.generation_config.eos_token_id if model.generation_config else None
    more = more if isinstance(more, list) else [] if more is None else [more]
    if wrong := [entry for entry in more if type(entry) is not int or not 0 <= entry < MOST_TOKENS]:
        raise InputError(
            f"eos_token_id in generation_config.json (in config.json, where there is no such file) is {wrong[0]!r}, expected "
            "numbers of tokens, which begin with 0: write there what ends a completion, or leave it out"
        )
    return sorted({tokenizer.eos_token_id, *more})


def require_source(name_or_path: str | Path) -> None:
    """Refuse a path that is not there before anything asks the network for it."""
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    looks_local = isinstance(name_or_path, Path) or name.startswith((".", "/", "~")) or name.count("/") > 1
    if path.is_dir():
        config = path / ("adapter_config.json" if is_adapter(path) else "config.json")
        if not config.is_file():
            raise InputError(f"{path} has no config.json: name a folder written by save_pretrained")
        try:
            json.loads(config.read_text())
        except (ValueError, RecursionError):
            raise InputError(f"{config} is not valid JSON: the checkpoint is damaged, save or copy it again") from None
    elif looks_local or path.exists():
        raise InputError(
            f"there is no model folder at {path}: name a folder written by save_pretrained, or a model of the hub"
        )
    else:
        require_hub(name)


def pick_device(name: str = "auto") -> torch.device:
    """The named device, or the best there is: CUDA, else Apple's MPS, else the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available.get(name.split(":")[0], False):
        usable = ", ".join(kind for kind, there in available.items() if there)
        raise InputError(f"device {name} is not available here: use one of {usable}, or leave the choice to 'auto'")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device {name} is no device: say cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise InputError(f"device {name} is not there: this machine has {count}, numbered from 0")
    return device
