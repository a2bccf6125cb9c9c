"""The ladder again, by a trial: the tests that are an objective's evidence fail once its results are a hundredth off.

The value is one trial, the gradient below a right value another; of masks and positions, one entry is changed. A test
that only looks at shapes, or for finite numbers, is no evidence. About half a minute of CPU time.
"""

import json
from pathlib import Path

import pytest
import torch
from calls import CALLS, call
from forked import Forked
from noticed import changes_of, run
from test_ladder import PUBLIC, RUNGS, SAME_BY_DEFINITION

pytestmark = pytest.mark.slow

PATIENCE = 15 * 60  # seconds: a limit for what hangs, not for what a busy machine delays
TRIED = [rung for rung in RUNGS if rung.startswith(("a specification", "an enumeration"))]


def trials(files: list[Path], folder: Path) -> dict[str, dict[str, str]]:
    """{objective: {change: the test of these files that failed, or ""}}."""
    process = Forked(run, folder / "noticed.json", files)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, 5), printed  # 5: no test was run to its report
    return json.loads((folder / "noticed.json").read_text())


def demanded(name: str) -> set[str]:
    """The changes that a test has to notice: those that the good call allows, with a gradient if the function has one."""
    wants = {
        argument: value.clone().requires_grad_()
        for argument, value in CALLS[name].items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    return changes_of(call(name, **wants))


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, dict[str, str]]]:
    """{rung: {objective: {change: the test that failed, or ""}}}."""
    return {rung: trials(sorted(RUNGS[rung]), tmp_path_factory.mktemp("trials")) for rung in TRIED}


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("rung", TRIED)
def test_the_evidence_notices_a_wrong_result(found, rung, name):
    if name in SAME_BY_DEFINITION and rung.startswith("an enumeration"):
        return  # there is none, and test_ladder.py says why
    blind = [change for change in sorted(demanded(name)) if not found[rung][name].get(change)]
    assert not blind, f"{rung}: no test fails when {name} has a wrong {' or a wrong '.join(blind)}"


EVIDENCE = """
import torch
from reference.objectives import kl_k1, kl_k2, kl_k3, position_ids, prediction_mask

def both():
    return torch.tensor([[-1.0, -2.0]], requires_grad=True), torch.tensor([[-2.0, -2.5]])

def test_of_shapes_and_finite_numbers():
    x, ref = both()
    assert kl_k1(x, ref).shape == x.shape and kl_k1(x, ref).isfinite().all()

def test_of_the_value_only():
    x, ref = both()
    torch.testing.assert_close(kl_k2(x, ref), (x - ref) ** 2 / 2)

def test_of_value_and_gradient():
    x, ref = both()
    k3 = kl_k3(x, ref)
    torch.testing.assert_close(k3, (ref - x).exp() - 1 - (ref - x))
    torch.testing.assert_close(torch.autograd.grad(k3.sum(), x)[0], 1 - (ref - x.detach()).exp())

def test_of_a_mask():
    assert prediction_mask(torch.tensor([[0, 1, 1]])).tolist() == [[True, True]]
    assert position_ids(torch.ones(1, 3)).shape == (1, 3)
"""


def test_evidence_that_compares_nothing_is_found_out(tmp_path):
    (tmp_path / "test_evidence.py").write_text(EVIDENCE)
    tried = {name: changes for name, changes in trials([tmp_path / "test_evidence.py"], tmp_path).items() if changes}
    tests = {name: {change: test.split("::")[-1] for change, test in of.items()} for name, of in tried.items()}
    assert tests == {
        "kl_k1": {"value": "", "gradient": ""},
        "kl_k2": {"value": "test_of_the_value_only", "gradient": ""},
        "kl_k3": {"value": "test_of_value_and_gradient", "gradient": "test_of_value_and_gradient"},
        "position_ids": {"entry": ""},
        "prediction_mask": {"entry": "test_of_a_mask"},
    }


def test_a_test_that_fails_by_itself_is_no_evidence(tmp_path):
    (tmp_path / "test_wrong.py").write_text("def test_wrong():\n    assert 1 == 2\n")
    with pytest.raises(AssertionError, match="test_wrong fails before anything was changed"):
        trials([tmp_path / "test_wrong.py"], tmp_path)
