"""`reference` against numbers that other frameworks produced: values and gradients, in every run, without any of them.

``same`` compares with the tolerance of the claims in equal/, or of the ``oracle`` marks of a test; both make the table
of README.md. How a framework differs by design is in the files test_different*.py.
"""

import importlib.util
from contextlib import nullcontext

import pytest
import torch

from reference import objectives as ours

from .cases import (
    CLIP_HIGH,
    CLIP_LOW,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    PAIRED,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    VALUE_CLIP,
    make_cases,
)
from .claims import Claim, Same
from .equal import EQUAL
from .frameworks import RECORDED
from .record import live_records
from .recorded import FIXTURES, all_different, record_of, same_record
from .records import FLOAT32_INSIDE, evaluate
from .verl_options import DPPO_BOUNDS, DPPO_CAP, MOST


@pytest.mark.parametrize(
    ("framework", "equal", "case"),
    [
        pytest.param(framework, equal, case, id=f"{framework} {equal}, {case}", marks=pytest.mark.oracle(equal.claim))
        for framework, entries in EQUAL.items()
        for equal in entries
        for case in equal.ours.cases
    ],
)
def test_equals_the_recorded_framework(same, framework, equal, case):
    inputs, theirs = record_of(framework, f"{equal.record} | {case}")
    same_record(same, evaluate(equal.ours, inputs), theirs)


@pytest.mark.parametrize("framework", FIXTURES)
def test_every_record_is_compared(framework):
    equal = {f"{equal.record} | {case}" for equal in EQUAL[framework] for case in equal.ours.cases}
    assert equal | all_different(framework) == set(FIXTURES[framework]["records"])
    assert {equal.claim.framework for equal in EQUAL[framework]} == {RECORDED[framework].title}


# --- the cases and the fixtures themselves ---


def test_the_cases_visit_every_quadrant_of_the_clip():
    visited = set()
    for case in FIXTURES["verl"]["inputs"].values():
        r = (case.logprobs - case.old).exp()
        side = (r > 1 + CLIP_HIGH).long() - (r < 1 - CLIP_LOW).long()
        visited |= set(zip(side[case.mask].tolist(), (case.advantages > 0)[case.mask].tolist(), strict=True))
    assert visited == {(side, sign) for side in (-1, 0, 1) for sign in (True, False)}


def test_the_cases_visit_both_sides_of_the_other_clips():
    inputs = FIXTURES["verl"]["inputs"]
    pooled = {name: [] for name in ("sequence too far", "value", "sampler")}
    for name in HOLES:
        case = inputs[name]
        rows = case.mask.any(dim=1)
        s, up = ours.sequence_ratio(case.logprobs, case.old, case.mask)[rows, 0], case.advantages[rows, 0] > 0
        pooled["sequence too far"] += ((s > 1 + GSPO_HIGH) & up).long().sub(((s < 1 - GSPO_LOW) & ~up).long()).tolist()
        moved = (case.values - case.old_values)[case.mask]
        pooled["value"] += ((moved > VALUE_CLIP).long() - (moved < -VALUE_CLIP).long()).tolist()
        weight = (case.old - case.sampler)[case.mask].exp()
        pooled["sampler"] += ((weight > SAMPLER_HIGH).long() - (weight < SAMPLER_LOW).long()).tolist()
    assert all(set(visited) == {-1, 0, 1} for visited in pooled.values()), pooled


def test_the_cases_visit_both_sides_of_the_newer_bounds():
    case = FIXTURES["verl"]["inputs"]["full"]
    for name, (low, high) in DPPO_BOUNDS.items():
        options = {"delta_low": low, "delta_high": high, "divergence": name.removeprefix("dppo_")}
        loss = ours.dppo_loss(case.logprobs, case.old, case.advantages, **options)
        stopped, up = (loss == 0)[case.mask], (case.advantages > 0)[case.mask]
        assert (stopped & up).any() and (stopped & ~up).any() and not stopped.all()
        assert (ours.ratio(case.logprobs, case.old)[case.mask][~stopped] > DPPO_CAP).any()
    for name in PAIRED:  # a rejection is of some of what there is
        kept = [FIXTURES["verl"]["records"][f"compute_rollout_rejection_mask {option} | {name}"] for option in MOST]
        mask = FIXTURES["verl"]["inputs"][name].mask
        assert all(0 < record["value"].sum() < mask.sum() for record in kept)


@pytest.mark.parametrize("framework", FIXTURES)
def test_the_stored_inputs_are_those_of_cases(framework):
    """So that a change to cases.py is not forgotten in a fixture."""
    for name, case in make_cases().items():
        for key, value in vars(case).items():
            torch.testing.assert_close(vars(FIXTURES[framework]["inputs"][name])[key], value, rtol=0, atol=1e-12)


def claims_of(framework: str, record: str) -> list[Claim]:
    """What is claimed of a record that float32 rounds and float64 stores; of all others nothing, their dtype says it."""
    name = record.partition(" | ")[0]
    return [equal.claim for equal in EQUAL[framework] if equal.record == name and name in FLOAT32_INSIDE]


@pytest.mark.parametrize("framework", FIXTURES)
def test_recording_again_gives_the_fixture(framework):
    if importlib.util.find_spec(RECORDED[framework].module or framework) is None:
        pytest.skip(f"{framework} is not installed: see tests/oracles/README.md for an environment that has it")
    version, records = live_records(framework)
    fixture = FIXTURES[framework]
    assert version == fixture["version"], "another version is installed: record it and compare"
    assert set(records) == set(fixture["records"])
    for name, theirs in fixture["records"].items():
        same_record(Same(claims_of(framework, name)), records[name], theirs)


@pytest.mark.parametrize("name", [*sorted(FLOAT32_INSIDE), "compute_rloo_vectorized_outcome_advantage"])
def test_recording_again_allows_a_record_what_its_dtype_or_its_claim_allows(name):
    record = f"{name} | full"
    theirs = FIXTURES["verl"]["records"][record]
    for change, allowed in ((1e-11, True), (1e-6, name in FLOAT32_INSIDE), (1e-4, False)):
        with nullcontext() if allowed else pytest.raises(AssertionError):
            same_record(Same(claims_of("verl", record)), {**theirs, "value": theirs["value"] * (1 + change)}, theirs)
