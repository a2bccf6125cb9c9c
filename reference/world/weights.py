"""What a checkpoint holds: whether its weights are those of the model that its config describes, and which they are."""

import hashlib
import re
import warnings
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from reference.objectives.shapes import InputError
from reference.world.adapter import base_of, is_adapter
from reference.world.sentences import weight_count

HEADS = ("score", "classifier")  # of a classifier, such as a reward model
WEIGHTS = re.compile(r"(pytorch_|adapter_)?model.*\.(safetensors|bin)")  # files of save_pretrained, whole or in parts


def require_same_weights(name_or_path: str | Path, model: PreTrainedModel, loading_info: dict[str, Any]) -> None:
    """Refuse what ``from_pretrained`` passes over in silence. ``report``: its loading info.

    It goes on with random numbers where weights are missing, and without those that the model has no place for: of a
    reward model it makes a language model, of four layers two if the config says so.
    """
    require_same_shapes(name_or_path, loading_info)
    missing, extra = sorted(loading_info["missing_keys"]), sorted(loading_info["unexpected_keys"])
    if heads := [key for key in extra if key.split(".")[0] in HEADS]:
        raise InputError(f"{name_or_path} is a classifier or a reward model ({heads[0]}): name a causal LM")
    if missing:
        raise InputError(
            f"{name_or_path} lacks {weight_count(missing)}, the first {missing[0]}: the checkpoint is incomplete"
        )
    require_no_more(name_or_path, model, loading_info)
    if extra:
        warnings.warn(
            f"{name_or_path} holds {weight_count(extra)} that a {type(model).__name__} has no place for, the first "
            f"{extra[0]}: they are left out",
            stacklevel=2,
        )


def require_same_shapes(name_or_path: str | Path, loading_info: dict[str, Any]) -> None:
    """Refuse weights of another shape than the config describes. Told to ignore them, ``from_pretrained`` names them.

    It makes new random ones in their place; not told so, it raises an error that points at a report nobody sees.
    """
    if different := sorted(loading_info["mismatched_keys"]):
        key, shape, expected = different[0]
        raise InputError(
            f"{name_or_path} holds {weight_count(different)} of another shape than its config.json describes, the first {key}: "
            f"{list(shape)} instead of {list(expected)}; config and weights do not belong together, save both again"
        )


def require_no_more(name_or_path: str | Path, model: PreTrainedModel, loading_info: dict[str, Any]) -> None:
    """Refuse weights inside a part that the model has, such as its trunk: the config describes a smaller model."""
    parts = {name.split(".")[0] for name, _ in model.named_parameters()}
    if inside := sorted(key for key in loading_info["unexpected_keys"] if key.split(".")[0] in parts):
        raise InputError(
            f"{name_or_path} holds {weight_count(inside)} more than its config.json describes, the first {inside[0]}: "
            "the config is that of a smaller model; save both again with save_pretrained"
        )


def fingerprint(folder: str | Path) -> str | None:
    """A word that tells the weights in a model's folder from others: SHA-256 of their files, so a copy has the same.

    An adapter's word also depends on the base that it names, where that is a folder. ``None`` where there are no weights.
    """
    files = weight_files(folder) + (weight_files(base_of(folder)) if is_adapter(folder) else [])
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest() if files else None


def weight_files(folder: str | Path) -> list[Path]:
    """The files of weights in a folder, in the order of their names; none where there is no such folder."""
    return sorted(file for file in Path(folder).expanduser().glob("*") if WEIGHTS.fullmatch(file.name))
