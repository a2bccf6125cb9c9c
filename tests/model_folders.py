"""Folders of models, as from the hub, and changes to what is in them."""

import json
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor


def model_folder(path: Path, model, tokenizer) -> Path:
    """The folder, with this model and this tokenizer in it."""
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def change_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def change_weights(file: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """All tensors of a safetensors file go through ``change``."""
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
