"""What a checkpoint holds: whether its weights are those of the model that its config describes, and peft adapters."""

import json
import warnings
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from reference.objectives.shapes import InputError

HEADS = ("score", "classifier")  # of a classifier, such as a reward model


def require_same_weights(name_or_path: str | Path, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse what ``from_pretrained`` passes over in silence. ``report``: its loading info.

    It goes on with random numbers where weights are missing, and without those that the model has no place for: of a
    reward model it makes a language model, of four layers two if the config says so.
    """
    missing, extra = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if heads := [key for key in extra if key.split(".")[0] in HEADS]:
        raise InputError(f"{name_or_path} is a classifier or a reward model ({heads[0]}): name a causal LM")
    if missing:
        raise InputError(
            f"{name_or_path} lacks {len(missing)} weights, the first {missing[0]}: the checkpoint is incomplete"
        )
    require_no_more(name_or_path, model, report)
    if extra:
        warnings.warn(
            f"{name_or_path} holds {len(extra)} weights that a {type(model).__name__} has no place for, the first "
            f"{extra[0]}: they are left out",
            stacklevel=2,
        )


def require_no_more(name_or_path: str | Path, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse weights inside a part that the model has, such as its trunk: the config describes a smaller model."""
    parts = {name.split(".")[0] for name, _ in model.named_parameters()}
    if inside := sorted(key for key in report["unexpected_keys"] if key.split(".")[0] in parts):
        raise InputError(
            f"{name_or_path} holds {len(inside)} weights more than its config.json describes, the first {inside[0]}: "
            "the config is that of a smaller model; save both again with save_pretrained"
        )


def is_adapter(name_or_path: str | Path) -> bool:
    """Whether this is a folder of peft's: weights to be put on top of a base that is somewhere else."""
    folder = Path(name_or_path).expanduser()
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def base_of(folder: str | Path) -> str:
    """Where the base of an adapter is, as the adapter says: a folder or a hub name."""
    config = Path(folder).expanduser() / "adapter_config.json"
    try:
        base = json.loads(config.read_text())["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError):
        base = None
    if not isinstance(base, str) or not base:
        raise InputError(f"{config} names no base model: put its folder or hub name under base_model_name_or_path")
    return base


def merged(base: PreTrainedModel, folder: str | Path) -> PreTrainedModel:
    """The base with the adapter's products added to its own weights: an ordinary model again."""
    try:
        from peft import PeftModel
    except ImportError:
        raise InputError(
            f'{folder} is a peft adapter, and peft is not installed: pip install "peft>=0.19", or name a folder that '
            "merge_and_unload().save_pretrained() wrote"
        ) from None
    warnings.warn(
        f"{folder} is a peft adapter: merged into its base, all of whose weights will be trained", stacklevel=2
    )
    try:
        adapted = PeftModel.from_pretrained(base, str(folder))
        return adapted.merge_and_unload().requires_grad_(True)  # peft leaves them all frozen, also after merging
    except Exception as error:  # peft raises many types; each means that adapter and base do not go together
        reason = (str(error).strip().splitlines() or [""])[0][:160]
        raise InputError(f"the adapter {folder} does not fit its base ({type(error).__name__}: {reason})") from None
