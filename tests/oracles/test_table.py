"""The table of README.md says what the tests of this folder found: no more, no less, and about every function."""

import dataclasses
import re

import pytest
import torch

from .claims import (
    BEGIN,
    END,
    NAMES,
    NO_COUNTERPART,
    README,
    WHOLE_STEP,
    Claim,
    Same,
    different_cell,
    equal_cell,
    line,
    table,
)
from .frameworks import TITLES
from .trl_stub import CONFIGS


@pytest.fixture
def held(oracle_run, request) -> set[Claim]:
    """Every claim of this folder. A run of some of the tests cannot tell them."""
    writing = request.config.getoption("--write-table", False)
    if oracle_run.partial and not writing:
        pytest.skip("a part of the oracles ran: the table needs all of them")
    assert not oracle_run.partial, (
        "the table is written after all oracles: python -m pytest tests/oracles --write-table"
    )
    unfinished = oracle_run.claiming - oracle_run.held.keys()
    assert not unfinished, f"the table needs these tests to pass: {sorted(unfinished)}"
    return {claim for claims in oracle_run.held.values() for claim in claims}


def test_every_function_is_compared_or_said_to_have_no_counterpart(held):
    claimed = {claim.function for claim in held}
    silent = NAMES - claimed - NO_COUNTERPART.keys()
    assert not silent, f"no oracle test claims anything about {sorted(silent)}, and NO_COUNTERPART gives no reason"
    assert NO_COUNTERPART.keys() <= NAMES - {WHOLE_STEP}, "NO_COUNTERPART names a function that is gone"
    assert not NO_COUNTERPART.keys() & claimed, "NO_COUNTERPART names a function that a test compares"


def losses_of_trl() -> set[str]:
    """The names that TRL's ``loss_type`` takes, as its configs list them or quote them in the help."""
    fields = [field for config in CONFIGS.values() for field in dataclasses.fields(config) if field.name == "loss_type"]
    quoted = {name for field in fields for name in re.findall(r"[`'\"](\w+)[`'\"]", field.metadata["help"])}
    return quoted | {name for field in fields for name in field.metadata.get("choices", [])}


def refuted(reasons: dict[str, str]) -> list[str]:
    """The functions that have a reason for no counterpart, while TRL has a loss of that name."""
    return [name for name in reasons if name.removesuffix("_loss") in losses_of_trl()]


def test_no_reason_is_given_for_a_loss_that_trl_has():
    assert not refuted(NO_COUNTERPART), "TRL has a loss_type of this name: compare with it"


def test_a_false_reason_is_found():
    assert {"dapo", "sapo", "cispo", "ipo", "robust", "kto", "nll", "simpo"} <= losses_of_trl()
    assert refuted({"sapo_loss": "no framework has it", "grad_norm": "torch's"}) == ["sapo_loss"]


def test_the_table_is_what_the_tests_say(held, request):
    before, _, rest = README.read_text().partition(BEGIN)
    committed, _, after = rest.partition(END)
    expected = table(held)
    if request.config.getoption("--write-table", False):
        README.write_text(before + expected + after)
        return
    message = "the table is not what the tests say: python -m pytest tests/oracles --write-table"
    assert (BEGIN + committed + END).splitlines() == expected.splitlines(), message


# --- the claims themselves ---


def test_a_comparison_is_as_strict_as_the_claim_and_no_other():
    one = torch.ones(3, dtype=torch.float64)
    strict, wide = Claim("kl_k3", "TRL", "`a`"), Claim("ratio", "TRL", "`b`", rtol=1e-5, gradient_rtol=1e-3)
    same = Same([strict, wide])
    with pytest.raises(ValueError, match="which function"):
        same(one, one)
    with pytest.raises(ValueError, match="claims no equality of entropy"):
        same(one, one, of="entropy")
    with pytest.raises(AssertionError):
        same(one, one + 1e-9, of="kl_k3")
    assert not same.compared
    same(one, one + 1e-11, of="kl_k3")
    same.gradient(one, one + 5e-4, of="ratio")
    assert same.compared == {strict, wide}
    with pytest.raises(AssertionError):
        same(one, one + 5e-4, of="ratio")


def test_gradients_are_compared_entry_by_entry():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    swapped = torch.stack([x[1], x[0]]) + torch.tensor([-1.0, 1.0]).double()  # same values, same gradient of the sum
    same = Same([Claim("kl_k3", "TRL", "`a`")])
    same(x, swapped)
    with pytest.raises(AssertionError):
        same(x, swapped, x)


@pytest.mark.parametrize(
    "wrong", [("kl_k4", "TRL", "`a`"), ("kl_k3", "trl", "`a`"), ("kl_k3", "TRL", "a | b"), ("kl_k3", "TRL")]
)
def test_a_claim_is_about_a_function_of_ours_and_fits_into_a_cell(wrong):
    with pytest.raises(ValueError):
        Claim(*wrong)


def test_a_cell_has_a_line_for_each_framework_and_tolerance():
    claims = [
        Claim("kl_k3", "TRL", "`a`"),
        Claim("kl_k3", "TRL", "`b`"),
        Claim("kl_k3", "TRL", "`c`", rtol=1e-5, gradient_rtol=1e-4),
        Claim("kl_k3", "verl", "`a`"),
        Claim("kl_k3", "TRL", "`a`", differs="overflows"),
        Claim("kl_k3", "verl", differs="is cut"),
    ]
    assert equal_cell(claims) == "**TRL** = 1e-10 `a`; `b`<br>**TRL** f32 (gradients 1e-4) `c`<br>**verl** = 1e-10 `a`"
    assert different_cell(claims) == "**TRL** `a`: overflows<br>**verl** is cut"
    assert equal_cell([]) == different_cell([]) == "—"


@pytest.mark.parametrize("function", ["position_ids", "token_mean"])  # one without a counterpart, one with
def test_a_row_has_three_cells(function):
    assert line(function, function, []).count("|") == 4


def test_frameworks_stand_in_one_order():
    lines = table([Claim("kl_k3", name, "`a`") for name in reversed(TITLES)]).splitlines()
    (row,) = [text for text in lines if text.startswith("| `kl_k3` |")]
    assert re.findall(r"\*\*(.+?)\*\*", row) == list(TITLES)
