"""A record: a function on a case, as its value and gradient. How it is computed, compared, stored and read.

Imports torch only, so that the recording scripts can use it where `reference` is not installed.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .cases import ORDINARY, Case

FIXTURES = Path(__file__).parent / "fixtures"
FLOAT32_INSIDE = {  # of verl: computes in float32, or forms a quotient of counts there, and answers in float64
    "compute_gpg_outcome_advantage",
    "compute_grpo_vectorized_outcome_advantage",
}


@dataclass(frozen=True)
class Row:
    """One function to evaluate: on which field of the case it is differentiated, and on which cases it runs."""

    leaf: str
    function: Callable[[Tensor, Case], Any]
    cases: tuple[str, ...] = ORDINARY


def evaluate(row: Row, case: Case) -> dict[str, Tensor | None]:
    """The value, and the gradient of its sum with respect to the row's leaf (None where the function has none)."""
    leaf = getattr(case, row.leaf).clone()
    if leaf.is_floating_point():
        leaf.requires_grad_()
    # A factor of 1 keeps frameworks that work in place away from the leaf itself.
    value = torch.as_tensor(row.function(leaf * 1, case))
    gradient = torch.autograd.grad(value.sum(), leaf)[0] if value.requires_grad else None
    return {"value": value.detach(), "gradient": gradient}


def evaluate_all(rows: dict[str, Row], cases: dict[str, Case]) -> dict[str, dict]:
    return {f"{name} | {case}": evaluate(row, cases[case]) for name, row in rows.items() for case in row.cases}


def assert_same(ours: Tensor, theirs: Tensor, *, rtol: float | None = None, atol: float | None = None) -> None:
    """Equal to rounding: 1e-10 where the framework computed in float64, 1e-5 where it went through float32."""
    default_rtol, default_atol = (1e-10, 1e-12) if theirs.dtype == torch.float64 else (1e-5, 1e-6)
    rtol, atol = rtol or default_rtol, atol or default_atol
    torch.testing.assert_close(ours.double(), theirs.double(), rtol=rtol, atol=atol)


# --- the fixtures ---


def save(
    framework: str, version: str, records: dict[str, dict], cases: dict[str, Case], folder: Path = FIXTURES
) -> Path:
    path = folder / f"{framework}-{version}.json"
    content = {
        "framework": framework,
        "version": version,
        "torch": torch.__version__,
        "inputs": {name: {key: pack(x) for key, x in asdict(case).items()} for name, case in cases.items()},
        "records": {name: {key: pack(x) for key, x in record.items()} for name, record in records.items()},
    }
    lines = json.dumps(content, allow_nan=False).replace('}, "', '},\n"')  # one record per line: readable diffs
    path.write_text(lines + "\n")
    return path


def fixture_of(framework: str, folder: Path = FIXTURES) -> Path:
    """The one file with a framework's answers. One sentence where there is none, or another version beside it."""
    found = sorted(path.name for path in folder.glob(f"{framework}-*.json"))
    if not found:
        raise FileNotFoundError(f"{framework} has no fixture: python -m oracles.again {framework} --write, in tests/")
    if len(found) > 1:
        raise ValueError(f"{framework} has fixtures of several versions, {' and '.join(found)}: keep one")
    return folder / found[0]


def load(framework: str) -> dict:
    """The fixture of a framework, with tensors unpacked and the inputs as cases."""
    path = fixture_of(framework)
    content = json.loads(path.read_text())
    for case in content["inputs"].values():
        assert set(case) == {field.name for field in fields(Case)}, f"{path.name} has other fields: record it again"
    inputs = {name: Case(**{k: unpack(x) for k, x in case.items()}) for name, case in content["inputs"].items()}
    records = {name: {k: unpack(x) for k, x in record.items()} for name, record in content["records"].items()}
    return {**content, "inputs": inputs, "records": records}


def pack(x: Tensor | None) -> dict | None:
    return None if x is None else {"dtype": str(x.dtype).removeprefix("torch."), "data": numbers(x.tolist())}


def numbers(x: Any) -> Any:
    """JSON has no word for NaN and infinity: they become strings."""
    if isinstance(x, list):
        return [numbers(y) for y in x]
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def unpack(x: dict | None) -> Tensor | None:
    return None if x is None else torch.tensor(floats(x["data"]), dtype=getattr(torch, x["dtype"]))


def floats(x: Any) -> Any:
    if isinstance(x, list):
        return [floats(y) for y in x]
    return float(x) if isinstance(x, str) else x
