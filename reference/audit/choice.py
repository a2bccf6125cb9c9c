"""Which key of a saved batch holds what: the layout is recognised, every name gets at most one key, clashes are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.audit.layouts import CANONICAL, GENERIC, LAYOUTS, Layout, keys_of, layout_of
from reference.audit.older import in_rows
from reference.audit.ragged import rejoined
from reference.objectives.shapes import InputError


@dataclass(frozen=True)
class Chosen:
    """The tensors of a file under our names."""

    source: str
    tensors: dict[str, Tensor]  # our name -> the tensor
    keys: dict[str, str]  # our name -> its key
    unread: tuple[str, ...]  # keys that nothing was read from

    def key(self, name: str) -> str:
        return self.keys.get(name, name)

    def get(self, name: str) -> Tensor | None:
        return self.tensors.get(name)


def choose(saved: Mapping[str, object], names: Mapping[str, str]) -> Chosen:
    """Give every name of ours its key, ``names`` first."""
    saved = in_rows(rejoined(saved))
    tensors = with_tensors(saved)
    require_names(names, tensors, saved)
    short = without_folders(tensors)
    layout = layout_of(short, names)
    if layout is None:
        raise InputError(unrecognised(tensors))
    keys = {name: names[name] for name in CANONICAL if name in names}
    for name in CANONICAL:
        if name not in keys and (key := key_for(layout, name, short, taken=set(keys.values()))):
            keys[name] = short[key]
    for key in keys.values():
        require_dense(tensors[key], key)
    unread = sorted(set(saved) - set(keys.values()) - {key for key, value in saved.items() if value is None})
    return Chosen(layout.source, {name: tensors[key] for name, key in keys.items()}, keys, tuple(unread))


def with_tensors(saved: Mapping[str, object]) -> dict[str, Tensor]:
    """What can be read as a tensor: tensors, and plain numbers as tensors without an axis."""
    plain = {key: value for key, value in saved.items() if isinstance(value, (bool, int, float))}
    numbers = {
        key: torch.tensor(float(value), dtype=torch.float64)
        for key, value in plain.items()
        if isinstance(value, float) or abs(value) < 2**63
    }
    return numbers | {key: value for key, value in saved.items() if isinstance(value, Tensor)}


def without_folders(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Each key by itself, and by its last part where only one key ends so: ``batch.responses`` is ``responses``."""
    last = Counter(key.rpartition(".")[2] for key in tensors)
    short = {key.rpartition(".")[2]: key for key in tensors if last[key.rpartition(".")[2]] == 1}
    return short | {key: key for key in tensors}


def key_for(layout: Layout, name: str, short: Mapping[str, str], *, taken: set[str]) -> str | None:
    """The key that holds a name, or None. Two of them are refused, unless the framework has both."""
    found = [key for key in keys_of(layout, name) if key in short and short[key] not in taken]
    ranked = layout is not GENERIC and all(key in layout.keys.get(name, ()) for key in found)
    if len(found) > 1 and not ranked:
        listed = " and ".join(found)
        raise InputError(
            f"{listed} can both be {name}: leave one out, or say which it is with names={{'{name}': '{found[0]}'}}"
        )
    return found[0] if found else None


def require_dense(tensor: Tensor, key: str) -> None:
    """Refuse sparse, quantized and complex tensors, and those of a model that was never loaded."""
    dense = tensor.layout in (torch.strided, torch.jagged) and not tensor.is_quantized and not tensor.is_meta
    if not dense or tensor.is_complex():
        what = tensor.dtype if dense or tensor.is_quantized else "on meta" if tensor.is_meta else tensor.layout
        raise InputError(f"{key} is {what}, expected a dense tensor of real numbers")


def require_names(names: Mapping[str, str], tensors: Mapping[str, Tensor], saved: Mapping[str, object]) -> None:
    """Refuse a name that no batch has, and a key that the file has not."""
    for name, key in names.items():
        if name not in CANONICAL:
            raise InputError(f"names has {name!r}, expected one of {', '.join(CANONICAL)}")
        if key not in tensors:
            why = "is no tensor" if key in saved else "is not in the batch"
            raise InputError(f"names takes {name} from {key!r}, which {why}: it has {', '.join(sorted(tensors))}")


def unrecognised(tensors: Mapping[str, Tensor]) -> str:
    """What a batch without tokens is answered."""
    known = ", or ".join(" and ".join(layout.marks) for layout in LAYOUTS)
    held = ", ".join(sorted(tensors)) or "no tensors"
    return f"no token ids among the keys {held}: expected {known}, or names={{'tokens': KEY}}"
