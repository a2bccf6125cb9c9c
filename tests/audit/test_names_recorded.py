"""Batches that verl, OpenRLHF, SkyRL and NeMo-RL made of the same rollouts: every number is about its token.

Recorded by ``recorders``, one framework after the other. The model has no context, so a log-prob says which token it is of.
"""

import math
from pathlib import Path

import pytest
import torch
from recorders.rollouts import EOS, GROUP, PAD, POLICY, REFERENCE, ROWS, VOCAB, logprob, sampled
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.names import batch_of

FOLDER = Path(__file__).parent / "batches"
NAMES = ("verl-padded", "openrlhf-made", "openrlhf-trained", "skyrl-input", "nemo_rl-train")
NESTED = pytest.param(
    "verl-nested", marks=pytest.mark.slow
)  # the first nested tensor of a process imports for a second


def saved(name: str) -> dict[str, Tensor]:
    """The tensors of the framework, of nested ones their values and offsets."""
    return load_file(FOLDER / f"{name}.safetensors")


def batch(name: str, **options: object) -> Batch:
    return batch_of(saved(name), pad_token_id=PAD, eos_token_id=EOS, **options)


def trained_tokens(batch: Batch, row: int) -> list[int]:
    return batch.tokens[row, batch.start :][batch.mask[row]].tolist()


def of_model(row: int) -> list[int]:
    """What the model wrote in a rollout."""
    return [t for t, kept in zip(ROWS[row].completion, ROWS[row].mask, strict=True) if kept]


@pytest.mark.parametrize("name", [*NAMES, NESTED])
def test_the_mask_keeps_what_the_model_wrote(name):
    found = batch(name)
    for row in range(len(found.tokens)):
        dropped = name == "nemo_rl-train" and row == 5  # its sample_mask is 0
        assert trained_tokens(found, row) == ([] if dropped else of_model(row))


@pytest.mark.parametrize("name", [*NAMES, NESTED])
def test_the_attention_mask_keeps_the_rollout(name):
    found = batch(name)
    for tokens, there, row in zip(found.tokens, found.attention_mask, ROWS, strict=False):
        assert tokens[there].tolist() == row.prompt + row.completion


@pytest.mark.parametrize("name", [*NAMES, NESTED])
def test_sampled_logprobs_are_those_of_the_tokens_in_the_loss(name):
    found = batch(name)
    expected = torch.tensor([sampled(t) for row in range(len(found.tokens)) for t in trained_tokens(found, row)])
    assert torch.allclose(found.per_token["sampler_logprobs"][found.mask], expected)


@pytest.mark.parametrize("name", ["verl-padded", NESTED, "openrlhf-made", "openrlhf-trained"])
def test_logprobs_of_the_policy_and_of_the_reference_are_those_of_the_tokens_in_the_loss(name):
    found = batch(name)
    tokens = found.tokens[:, found.start :][found.mask].tolist()
    for key, scale in (("old_logprobs", POLICY), ("ref_logprobs", REFERENCE)):
        expected = torch.tensor([logprob(token, scale) for token in tokens])
        assert torch.allclose(found.per_token[key][found.mask], expected)


def test_one_logprob_by_hand():
    """Token 20 has the logit 1; the others are 0, 0.05, 0.1, ..., a geometric series under exp."""
    by_hand = 1 - math.log((math.exp(0.05 * VOCAB) - 1) / (math.exp(0.05) - 1))
    for name, index in (("verl-padded", 0), ("openrlhf-trained", 2)):  # OpenRLHF's axis begins at token 1 of the prompt
        assert batch(name).per_token["old_logprobs"][0, index].item() == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("name", [*NAMES, NESTED])
def test_advantages_are_those_of_the_completion(name):
    """1, 0, 0: a mean of 1/3 and a std of 1/sqrt(3), so 2/sqrt(3). NeMo-RL's mean is over the other two, and so is its
    std, which is 0 here: there is nothing to divide by."""
    found = batch(name)
    expected = 1.0 if name == "nemo_rl-train" else 2 / math.sqrt(3)
    assert found.per_token["advantages"][0][found.mask[0]].tolist() == pytest.approx([expected] * 3, abs=1e-4)


@pytest.mark.parametrize("name", ["verl-padded", NESTED, "openrlhf-made", "openrlhf-trained", "skyrl-input"])
def test_rewards_are_one_per_completion(name):
    found = batch(name)
    assert found.per_row["rewards"].tolist() == [row.reward for row in ROWS[: len(found.tokens)]]


@pytest.mark.parametrize("name", [*NAMES, NESTED])
def test_rows_are_grouped_by_their_prompts(name):
    assert batch(name, group_size=GROUP).per_row["group"].tolist() == ([0, 0, 0, 1, 1, 1][: len(batch(name).tokens)])


def test_where_each_framework_s_columns_begin():
    assert {name: batch(name).start for name in NAMES} == {
        "verl-padded": 4,  # its prompt_length, whatever the prompts are
        "openrlhf-made": 1,
        "openrlhf-trained": 1,
        "skyrl-input": 3,  # 9 tokens, less 6 of the longest completion
        "nemo_rl-train": 1,
    }


def test_skyrl_s_short_rows_have_their_prompt_in_those_columns():
    found = batch("skyrl-input")
    assert found.tokens[0, found.start :].tolist() == [*ROWS[0].prompt, *ROWS[0].completion]
    assert found.mask[0].tolist() == [False, False, False, True, True, True]


@pytest.mark.slow
def test_nested_and_padded_batches_of_verl_say_the_same():
    padded, nested = batch("verl-padded"), batch("verl-nested")
    assert (padded.start, nested.start) == (4, 3)  # verl's prompt_length, and the longest prompt
    for key in ("old_logprobs", "ref_logprobs", "sampler_logprobs", "advantages", "returns", "token_rewards"):
        assert torch.equal(padded.per_token[key][:, :6], nested.per_token[key])
    assert torch.equal(padded.position_ids[padded.attention_mask], nested.position_ids[nested.attention_mask])


@pytest.mark.slow
def test_nested_tensors_themselves_are_read_too():
    parts = saved("verl-nested")
    whole = {
        key.removesuffix(".values"): torch.nested.nested_tensor_from_jagged(
            values, parts[key.replace(".values", ".offsets")]
        )
        for key, values in parts.items()
        if key.endswith(".values")
    }
    assert torch.equal(batch_of(whole, pad_token_id=PAD).tokens, batch("verl-nested").tokens)


def test_each_source_is_named():
    sources = {name: batch(name).source for name in NAMES}
    assert sources == {name: "nemo" if name.startswith("nemo") else name.partition("-")[0] for name in NAMES}


def test_openrlhf_pads_with_the_pad_token_first_and_with_token_0_later():
    made, trained = batch("openrlhf-made"), batch("openrlhf-trained")
    assert set(made.tokens[~made.attention_mask].tolist()) == {PAD}
    assert set(trained.tokens[~trained.attention_mask].tolist()) == {0}


def test_openrlhf_has_advantages_on_the_prompt_and_on_what_a_tool_wrote():
    found = batch("openrlhf-trained")
    assert (found.per_token["advantages"][1] != 0).all()
    assert not found.mask[1].all()


def test_what_is_not_read_is_said():
    (note,) = batch("openrlhf-trained").notes
    assert note.startswith("Not read: response_length, scores, total_length, truncated.")


@pytest.mark.parametrize("name", [*NAMES, NESTED])
def test_a_recorded_batch_says_its_version(name):
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        version = file.metadata()["version"]
    expected = {"verl": "0.9.1", "openrlhf": "0.11.2", "skyrl": "0.3.0", "nemo_rl": "0.6.0"}[name.partition("-")[0]]
    assert version == expected
