"""peft adapters: weights to be put on top of a base that is somewhere else, and merged into it."""

import json
import warnings
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from reference.objectives.shapes import InputError
from reference.world.sentences import reason_of, weight_count

CAUSAL = (None, "CAUSAL_LM")  # task types of a language model's adapter; peft leaves it open where nobody says


def is_adapter(name_or_path: str | Path) -> bool:
    """Whether this is a folder of peft's: weights to be put on top of a base that is somewhere else."""
    folder = Path(name_or_path).expanduser()
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def base_of(folder: str | Path) -> str:
    """Where the base of an adapter is, as the adapter says: a folder or a hub name."""
    base = settings(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        config = Path(folder).expanduser() / "adapter_config.json"
        raise InputError(f"{config} names no base model: put its folder or hub name under base_model_name_or_path")
    return base


def settings(folder: str | Path) -> dict[str, Any]:
    """What adapter_config.json says; nothing, where it is damaged."""
    try:
        content = json.loads((Path(folder).expanduser() / "adapter_config.json").read_text())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def require_causal(folder: str | Path) -> None:
    """Refuse an adapter that was trained for something else, such as a reward model: peft merges it all the same."""
    if (task := settings(folder).get("task_type")) not in CAUSAL:
        raise InputError(
            f"the adapter {folder} has task_type {task!r} in its adapter_config.json, so it does not belong to a language "
            "model (of a reward model it is SEQ_CLS): name an adapter with CAUSAL_LM"
        )


def merge_adapter(base: PreTrainedModel, folder: str | Path) -> PreTrainedModel:
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
    kind = settings(folder).get("peft_type")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*Found missing adapter keys")  # refused below
            model = PeftModel.from_pretrained(base, str(folder))
        if not hasattr(model, "merge_and_unload"):  # prompt and prefix tuning: no weight of the base changes
            raise NotImplementedError
        load_result = model.load_adapter(str(folder), "default")  # again, for what it tells of the keys
        require_same_keys(folder, missing_keys(model, folder, load_result), sorted(load_result.unexpected_keys))
        return model.merge_and_unload().requires_grad_(True)  # peft leaves them all frozen, also after merging
    except InputError:
        raise
    except NotImplementedError:
        raise InputError(
            f"the adapter {folder} is of kind {kind}, which cannot be merged into a model's weights: load base and "
            "adapter with PeftModel.from_pretrained, and pass the peft model to train_rl from Python"
        ) from None
    except Exception as error:  # peft raises many types; each means that adapter and base do not go together
        if isinstance(error, KeyError) and str(error.args[0]).startswith("base_model."):  # of modules_to_save
            require_same_keys(folder, [error.args[0]], [])
        raise InputError(
            f"the adapter {folder} does not fit its base ({type(error).__name__}: {reason_of(error)})"
        ) from None


def missing_keys(model: Any, folder: str | Path, load_result: Any) -> list[str]:
    """Keys that peft would save of this model and the folder has not. ``report``: what ``load_adapter`` returned.

    The report passes over tensors that the layers share, such as the indices of SHiRA. It is asked only where the keys in
    the folder are others than would be saved: some are renamed, or transformers renames them as it loads them.
    """
    from peft import get_peft_model_state_dict
    from peft.utils import load_peft_weights

    folder_keys = set(load_peft_weights(str(folder), device="cpu"))
    model_keys = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    if folder_keys <= model_keys:
        return sorted(model_keys - folder_keys)
    # In a model a key has the adapter's name in it. VB-LoRA's bank is one tensor that every layer names.
    return sorted(key.replace(".default", "") for key in load_result.missing_keys if "vblora_vector_bank" not in key)


def require_same_keys(folder: str | Path, missing: list[str], extra: list[str]) -> None:
    """Refuse what peft passes over in silence or with a warning.

    Where weights are missing it goes on with those that a new adapter has, which may be random, and it leaves out those
    that the base has no place for: of an adapter for four layers it takes two if the base has two.
    """
    if missing:
        raise InputError(
            f"the adapter {folder} lacks {weight_count(missing)}, the first {missing[0]}: it is incomplete, save or copy it again"
        )
    if extra:
        raise InputError(
            f"the adapter {folder} holds {weight_count(extra)} that its base has no place for, the first {extra[0]}: it was "
            "trained on another model, or its weights were renamed"
        )
