"""Files of tensors: safetensors, npz, and what torch.save wrote. Nothing in them is run; whatever is wrong is one sentence."""

import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference.evaluation.printable import counted, file_name, printable
from reference.objectives.shapes import InputError

LARGEST = 2**32  # bytes: a step of 1,024 rows of 16,384 tokens with ten numbers each is a sixth of it
MOST = 2**30  # numbers of all tensors of a file together, those that a small file only claims to have too
DEEPEST = 8  # dictionaries in dictionaries
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
OBJECTS = (
    "unsupported global",
    "unrecognized function",
    "can only build",
    "can only create new object",
)  # torch's words
OTHERS = {
    b"\x93NUMPY": "one array of numpy, without a name: save a dictionary with numpy.savez",
    b"PAR1": "Parquet: save tensors",
    b"\x1f\x8b": "compressed by gzip: unpack it",
    b"{": "JSON: save tensors, with safetensors.torch.save_file or torch.save",
}  # fmt: skip
HOW = "save a dictionary of tensors with safetensors.torch.save_file, torch.save or numpy.savez"


def read_tensors(path: str) -> dict[str, Tensor | float]:
    """Every tensor and every plain number of a file by its name; of nested dictionaries the names are joined by dots."""
    require_file(path)
    head = first_bytes(path)
    found = flat(loaded(path, kind_of(path, head)))
    plain = {name: value for name, value in found if is_numbers(value)}
    if not any(isinstance(value, (Tensor, np.ndarray)) for value in plain.values()):
        raise InputError(f"{file_name(path)} holds no tensor with a name: {HOW}")
    require_size(path, plain)
    return {name: as_tensor(value) for name, value in plain.items()}


def require_file(path: str) -> None:
    if path == "-":
        raise InputError("a batch is read from a file: name one")
    if os.path.isdir(path):
        raise InputError(f"{file_name(path)} is a folder: name a file in it")
    if not os.path.exists(path):
        raise InputError(f"there is no file {file_name(path)}")
    if not os.path.isfile(path):
        raise InputError(f"{file_name(path)} is no plain file")
    if (size := os.path.getsize(path)) == 0:
        raise InputError(f"{file_name(path)} is empty")
    if size > LARGEST:
        raise InputError(f"{file_name(path)} has more than 4 GiB: save the batch of one step, without logits")


def first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(16)


def kind_of(path: str, head: bytes) -> str:
    """By what stands in the file, and not by its name."""
    for start, words in OTHERS.items():
        if head.startswith(start):
            raise InputError(f"{file_name(path)} is {words}")
    if head.startswith(b"PK"):
        return zip_kind(path)
    if head.startswith(PICKLES):
        return "torch"
    if len(head) > 8 and head[8:9] == b"{":
        length = struct.unpack("<Q", head[:8])[0]
        if length + 8 > os.path.getsize(path):
            raise InputError(
                f"{file_name(path)} is truncated: its header says {length} bytes, and the file ends before"
            )
        return "safetensors"
    raise InputError(f"{file_name(path)} is neither safetensors, nor npz, nor a file of torch.save: {HOW}")


def zip_kind(path: str) -> str:
    """npz and torch.save both write zip archives. One that unpacks to more than ``LARGEST`` is not opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        raise InputError(f"{file_name(path)} is a zip archive that is truncated or damaged") from None
    if sum(info.file_size for info in infos) > LARGEST:
        raise InputError(f"{file_name(path)} unpacks to more than 4 GiB: save the batch of one step, without logits")
    names = [info.filename for info in infos]
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    if any(name.endswith(".npy") for name in names):
        return "npz"
    raise InputError(f"{file_name(path)} is a zip archive without arrays: {HOW}")


def loaded(path: str, kind: str) -> Any:
    """What is in the file. A reader of a stranger's bytes may fail in any way."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return READERS[kind](path)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        words = (
            words.partition("WeightsUnpickler error:")[2].strip() or words
        )  # without torch's advice to trust the file
        words = words.partition(" Check the documentation")[0]
        if any(sign in words.lower() for sign in OBJECTS):
            raise InputError(
                f"{file_name(path)} holds other objects than tensors, numbers and dictionaries, and such a pickle is not "
                f"opened, since it can run code: {HOW}"
            ) from None
        why = f" ({printable(words, 160)})" if words else ""
        raise InputError(f"{file_name(path)} is truncated or damaged, as a file of {kind}{why}") from None


def read_safetensors(path: str) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def read_torch(path: str) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def read_npz(path: str) -> dict[str, Any]:
    with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as arrays:
        found = {}
        for name in arrays.files:
            try:
                found[name] = arrays[name]
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
                raise InputError(
                    f"{printable(name, 60)} of {file_name(path)} is an array of Python objects, which is not opened, since "
                    "it can run code: pad its rows to one length, or leave it out"
                ) from None
        return found


READERS: dict[str, Callable[[str], Any]] = {"safetensors": read_safetensors, "torch": read_torch, "npz": read_npz}


def flat(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Everything in dictionaries, with the names of the dictionaries before its own."""
    if not isinstance(value, Mapping):
        if name:
            yield name, value
        return
    if depth == DEEPEST:
        raise InputError(f"{printable(name, 100)}: dictionaries stand in dictionaries more than {DEEPEST} deep")
    for key, inner in value.items():
        yield from flat(inner, f"{name}.{key}" if name else str(key), depth + 1)


def is_numbers(value: object) -> bool:
    """Tensors, arrays and plain numbers; strings, lists and other objects are no part of a batch."""
    return isinstance(value, (Tensor, bool, int, float)) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    )


def require_size(path: str, values: Mapping[str, Any]) -> None:
    """A tensor may claim more numbers than its file has bytes, by strides of 0 or as a sparse one."""
    sizes = {name: value.numel() if isinstance(value, Tensor) else np.size(value) for name, value in values.items()}
    if sum(sizes.values()) > MOST:
        name = max(sizes, key=lambda name: sizes[name])
        raise InputError(
            f"{file_name(path)} holds more than {counted(MOST, 'number')}, most of them in {printable(name, 60)}: save the "
            "batch of one step, without logits"
        )


def as_tensor(value: Any) -> Tensor | float:
    """In a dtype that everything can compute with."""
    if isinstance(value, np.ndarray):
        wide = {"u": np.int64, "f": np.float64 if value.dtype.itemsize > 4 else np.float32}.get(value.dtype.kind)
        value = torch.from_numpy(np.ascontiguousarray(value.astype(wide or value.dtype.newbyteorder("="))))
    return value
