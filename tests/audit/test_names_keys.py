"""Keys that the recorded batches have not: each read under the name that the framework's own loss gives it."""

import pytest
import torch

from reference.audit.names import batch_of

IDS = torch.tensor([[10, 11, 20, 21], [12, 13, 22, 3]])
MASK = torch.tensor([[0, 1, 1], [0, 1, 0]])
WIDE = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0]])
PER_TOKEN = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])

BESIDE_INPUT_IDS = {
    "old_log_probs": "old_logprobs",
    "old_per_token_logps": "old_logprobs",
    "prev_logprobs": "old_logprobs",
    "log_probs": "logprobs",
    "per_token_logps": "logprobs",
    "ref_log_prob": "ref_logprobs",
    "ref_log_probs": "ref_logprobs",
    "ref_per_token_logps": "ref_logprobs",
    "reference_policy_logprobs": "ref_logprobs",
    "rollout_log_probs": "sampler_logprobs",
    "rollout_logprobs": "sampler_logprobs",
    "sampling_per_token_logps": "sampler_logprobs",
    "generation_logprobs": "sampler_logprobs",
    "token_level_rewards": "token_rewards",
    "entropy": "entropy",
    "values": "values",
    "returns": "returns",
}


@pytest.mark.parametrize("key", BESIDE_INPUT_IDS)
def test_numbers_per_token_beside_input_ids(key):
    batch = batch_of({"input_ids": IDS, key: PER_TOKEN})
    assert [*batch.per_token] == [BESIDE_INPUT_IDS[key]]
    assert torch.equal(batch.per_token[BESIDE_INPUT_IDS[key]], PER_TOKEN)
    assert (batch.start, batch.named[BESIDE_INPUT_IDS[key]], batch.notes) == (1, key, ())


MASKS = ("loss_mask", "assistant_masks", "assistant_mask", "completion_mask", "response_mask", "mask")


@pytest.mark.parametrize("key", MASKS)
def test_masks_beside_input_ids(key):
    batch = batch_of({"input_ids": IDS, key: WIDE})
    assert batch.mask.tolist() == MASK.bool().tolist()
    assert batch.named["mask"] == key


@pytest.mark.parametrize("key", ["num_items_in_batch", "batch_num_tokens", "num_tokens"])
def test_the_token_count_beside_input_ids(key):
    assert batch_of({"input_ids": IDS, "loss_mask": WIDE, key: torch.tensor(3)}).numbers == {"num_tokens": 3.0}


def of_verl(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"prompts": IDS[:, :1], "responses": IDS[:, 1:], "response_mask": MASK} | more


@pytest.mark.parametrize("key", ["entropys", "entropy"])
def test_verl_has_two_words_for_the_entropy(key):
    assert torch.equal(batch_of(of_verl(**{key: PER_TOKEN})).per_token["entropy"], PER_TOKEN)


def test_of_verl_s_rewards_those_with_the_kl_penalty_are_read():
    """token_level_rewards is token_level_scores less the penalty, and token_level_scores is rm_scores."""
    scores = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    batch = batch_of(of_verl(rm_scores=scores, token_level_scores=scores, token_level_rewards=scores - 0.1))
    assert torch.equal(batch.per_token["token_rewards"], scores - 0.1)
    assert batch.per_row["rewards"].tolist() == pytest.approx([0.7, -0.3])
    assert batch.named["rewards"] == "token_level_rewards"
    assert torch.equal(batch_of(of_verl(rm_scores=scores)).per_token["token_rewards"], scores)


def test_verl_s_loss_takes_the_response_mask():
    batch = batch_of(of_verl(loss_mask=torch.ones(2, 3)))
    assert batch.mask.tolist() == MASK.bool().tolist()
    assert batch.notes == ("Not read: loss_mask. If one of them is needed, say what it is with names.",)
    assert batch_of(of_verl(batch_num_tokens=torch.tensor(3))).numbers == {"num_tokens": 3.0}


def test_verl_s_batch_without_input_ids_is_put_together():
    batch = batch_of(of_verl())
    assert torch.equal(batch.tokens, IDS)
    assert batch.named["tokens"] == "prompts + responses"


def test_skyrl_s_logprobs():
    given = {"sequences": IDS, "loss_mask": MASK, "action_log_probs": PER_TOKEN, "base_action_log_probs": PER_TOKEN + 1}
    batch = batch_of(given)
    assert (batch.source, batch.start) == ("skyrl", 1)
    assert torch.equal(batch.per_token["old_logprobs"], PER_TOKEN)
    assert torch.equal(batch.per_token["ref_logprobs"], PER_TOKEN + 1)


def test_nemo_s_tensors_begin_with_a_column_that_its_loss_drops():
    wide = torch.cat([torch.zeros(2, 1), PER_TOKEN], dim=1)
    given = {"input_ids": IDS, "token_mask": WIDE, "prev_logprobs": wide, "reference_policy_logprobs": wide + 1}
    batch = batch_of(given)
    assert (batch.source, batch.start, batch.notes) == ("nemo", 1, ())
    assert torch.equal(batch.per_token["old_logprobs"], PER_TOKEN)
    assert torch.equal(batch.per_token["ref_logprobs"], PER_TOKEN + 1)


def test_several_texts_in_a_row_are_said():
    """Positions that begin again on padding are no new text."""
    positions, there = torch.tensor([[0, 1, 0, 1], [0, 1, 2, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    batch = batch_of({"input_ids": IDS, "loss_mask": WIDE, "position_ids": positions, "attention_mask": there})
    assert batch.notes == ("Several texts share a row: 3 in 2, by position_ids.",)
