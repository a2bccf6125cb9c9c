"""Keys and shapes that no framework was asked for: transformers' names, and names of one's own."""

import pytest
import torch

from reference.audit.layouts import CANONICAL, LAYOUTS
from reference.audit.names import batch_of

IDS = torch.tensor([[10, 11, 20, 21], [12, 13, 22, 3]])
THERE = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
LABELS = torch.tensor([[-100, -100, 20, 21], [-100, -100, 22, -100]])
MASK = torch.tensor([[0, 1, 1], [0, 1, 0]])  # the same as LABELS, about tokens 1 to 3
PER_TOKEN = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


# --- labels ---


def test_labels_are_shifted_by_the_model():
    batch = batch_of({"input_ids": IDS, "labels": LABELS, "attention_mask": THERE})
    assert batch.start == 1
    assert batch.mask.tolist() == MASK.bool().tolist()
    assert batch.tokens[:, 1:][batch.mask].tolist() == [20, 21, 22]
    assert batch.named["mask"] == "labels"
    assert batch.notes == ()


def test_shift_labels_are_not():
    shifted = torch.cat([LABELS[:, 1:], torch.full((2, 1), -100)], dim=1)
    assert batch_of({"input_ids": IDS, "shift_labels": shifted}).mask.tolist() == MASK.bool().tolist()


def test_labels_that_were_shifted_twice_are_said():
    twice = torch.tensor([[-100, 20, 21, -100], [-100, 22, -100, -100]])
    (note,) = batch_of({"input_ids": IDS, "labels": twice}).notes
    assert note.startswith(
        "labels are not the tokens at 3 of 3 places, the first in row 0, column 1. They are the next"
    )


def test_other_labels_are_said_without_that():
    other = LABELS.clone()
    other[1, 2] = 23
    (note,) = batch_of({"input_ids": IDS, "labels": other}).notes
    assert note.startswith("labels are not the tokens at 1 of 3 places, the first in row 1, column 2. The model shifts")


def test_a_label_on_token_0_is_never_predicted():
    batch = batch_of({"input_ids": IDS, "labels": IDS})
    assert batch.mask.all() and batch.mask.shape == (2, 3)
    assert batch.notes == (
        "2 tokens before column 1 are in the loss by labels, and left out: no token predicts the first one.",
    )


def test_labels_in_the_columns_of_the_logprobs():
    """Log-probs of the last two tokens: the label before them is left out, and said."""
    labels = torch.tensor([[-100, 11, 20, 21], [-100, -100, 22, -100]])
    batch = batch_of({"input_ids": IDS, "labels": labels, "old_log_probs": PER_TOKEN[:, :2]})
    assert batch.start == 2 and batch.mask.tolist() == [[True, True], [True, False]]
    assert batch.notes == (
        "1 tokens before column 2 are in the loss by labels, and left out: old_log_probs begins there.",
    )


# --- widths ---


def test_a_mask_one_narrower_is_about_the_tokens_from_the_second_on():
    batch = batch_of({"tokens": IDS, "mask": MASK, "old_logprobs": PER_TOKEN})
    assert (batch.source, batch.start) == ("ours", 1)
    assert batch.mask.tolist() == MASK.bool().tolist()
    assert torch.equal(batch.per_token["old_logprobs"], PER_TOKEN)


def test_a_mask_as_wide_as_the_tokens_loses_its_first_column():
    """Both ways to save the same mask give the same batch."""
    wide = torch.cat([torch.zeros(2, 1, dtype=torch.long), MASK], dim=1)
    assert batch_of({"input_ids": IDS, "loss_mask": wide}).mask.tolist() == MASK.bool().tolist()


def test_numbers_as_wide_as_the_tokens_are_about_the_token_in_their_column_and_that_is_said():
    wide = torch.cat([torch.zeros(2, 1), PER_TOKEN], dim=1)
    batch = batch_of({"input_ids": IDS, "loss_mask": (LABELS != -100).long(), "old_log_probs": wide})
    assert torch.equal(batch.per_token["old_logprobs"], PER_TOKEN)
    assert batch.notes == (
        "old_log_probs: as wide as the tokens, so index t was taken to be about token t, not about the next one.",
    )


def test_one_advantage_per_row_comes_in_two_shapes():
    for advantages in (torch.tensor([1.0, -1.0]), torch.tensor([[1.0], [-1.0]])):
        batch = batch_of({"tokens": IDS, "mask": MASK, "advantages": advantages})
        assert batch.per_row["advantages"].tolist() == [1.0, -1.0]
        assert "advantages" not in batch.per_token


def test_the_prompt_s_width_says_where_columns_begin():
    batch = batch_of({"tokens": IDS, "prompt_width": torch.tensor(2), "old_logprobs": PER_TOKEN[:, :2]})
    assert batch.start == 2


def test_lengths_are_an_attention_mask():
    batch = batch_of({"input_ids": IDS, "labels": LABELS, "length": torch.tensor([4, 3])})
    assert batch.attention_mask.tolist() == THERE.bool().tolist()


def test_documents_that_are_numbered_in_the_attention_mask():
    """As axolotl packs: 1 on the first document, 2 on the second, 0 on padding."""
    batch = batch_of({"input_ids": IDS, "labels": LABELS, "attention_mask": torch.tensor([[1, 1, 2, 2], [1, 1, 1, 0]])})
    assert batch.attention_mask.tolist() == THERE.bool().tolist()
    assert batch.notes == ("attention_mask numbers the documents of a row; the others of a row are not told apart.",)


def test_positions_of_images_are_left_out():
    batch = batch_of({"input_ids": IDS, "labels": LABELS, "position_ids": torch.zeros(2, 3, 4)})
    assert batch.position_ids is None
    assert batch.notes == ("position_ids has 3 axes, as for images, and was left out.",)


def test_half_precision_becomes_float32_and_rewards_of_whole_numbers_too():
    tensors = {"tokens": IDS, "mask": MASK, "old_logprobs": PER_TOKEN.bfloat16(), "rewards": torch.tensor([1, 0])}
    batch = batch_of(tensors)
    assert batch.per_token["old_logprobs"].dtype == batch.per_row["rewards"].dtype == torch.float32


def test_what_was_given_is_not_changed():
    tensors = {"tokens": IDS.clone(), "mask": MASK.bool(), "old_logprobs": PER_TOKEN.clone()}
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    batch_of(tensors, pad_token_id=3, group_size=1)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors.items())


# --- names ---


def test_names_take_any_key():
    tensors = {"ids": IDS, "keep": MASK, "before": PER_TOKEN}
    batch = batch_of(tensors, names={"tokens": "ids", "mask": "keep", "old_logprobs": "before"})
    assert torch.equal(batch.per_token["old_logprobs"], PER_TOKEN)
    assert batch.named == {"tokens": "ids", "mask": "keep", "old_logprobs": "before"}
    assert batch.notes == ()


def test_names_go_before_what_is_recognised():
    other = PER_TOKEN + 1
    tensors = {"tokens": IDS, "mask": MASK, "old_logprobs": PER_TOKEN, "recomputed": other}
    batch = batch_of(tensors, names={"old_logprobs": "recomputed"})
    assert torch.equal(batch.per_token["old_logprobs"], other)
    assert batch.notes == ("Not read: old_logprobs. If one of them is needed, say what it is with names.",)


def test_a_key_that_names_give_away_is_read_once():
    batch = batch_of({"tokens": IDS, "mask": MASK, "returns": PER_TOKEN}, names={"values": "returns"})
    assert [*batch.per_token] == ["values"]


def test_folders_in_keys():
    tensors = {"batch.input_ids": IDS, "batch.labels": LABELS, "info.kl": torch.zeros(2)}
    batch = batch_of(tensors)
    assert batch.named["tokens"] == "batch.input_ids"
    assert batch.notes == ("Not read: info.kl. If one of them is needed, say what it is with names.",)


def test_what_is_no_tensor_is_not_read_and_None_is_not_there():
    batch = batch_of({"input_ids": IDS, "labels": LABELS, "prompts": ["a", "b"], "values": None})
    assert batch.notes == ("Not read: prompts. If one of them is needed, say what it is with names.",)


def test_numbers_of_the_file_and_of_the_call():
    batch = batch_of(
        {"input_ids": IDS, "labels": LABELS, "num_items_in_batch": torch.tensor(3), "pad_token_id": 0}, pad_token_id=3
    )
    assert batch.numbers == {"num_tokens": 3.0, "pad_token_id": 3.0}  # what the call says counts


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.source or "generic")
def test_a_key_means_one_thing_in_a_layout(layout):
    keys = [key for keys in layout.keys.values() for key in keys]
    assert len(set(keys)) == len(keys)
    assert set(layout.keys) <= set(CANONICAL)
