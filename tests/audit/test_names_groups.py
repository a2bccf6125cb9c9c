"""Which rows complete the same prompt, where a file does not say it."""

import pytest
import torch

from reference.audit.names import batch_of

IDS = torch.tensor([[10, 11, 20, 21], [12, 13, 22, 3]])
MASK = torch.tensor([[0, 1, 1], [0, 1, 0]])
PER_TOKEN = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def grouped(rows: list[list[int]], size: int) -> tuple[list[int] | None, str]:
    """Rows of two tokens of prompt and one of completion."""
    tensors = {"prompts": torch.tensor(rows), "responses": torch.full((len(rows), 1), 9)}
    batch = batch_of(tensors, group_size=size)
    group = batch.per_row.get("group")
    return group if group is None else group.tolist(), " ".join(batch.notes)


def test_rows_side_by_side_are_groups():
    assert grouped([[1, 2], [1, 2], [3, 4], [3, 4]], 2) == ([0, 0, 1, 1], "")


def test_a_prompt_that_was_drawn_twice_is_two_groups():
    assert grouped([[1, 2], [1, 2], [1, 2], [1, 2]], 2) == ([0, 0, 1, 1], "")


@pytest.mark.parametrize(
    ("rows", "size", "group"),
    [
        ([[1, 2], [3, 4], [3, 4], [1, 2]], 2, [0, 1, 1, 0]),  # shuffled, as TRL trains
        ([[1, 2], [3, 4], [3, 4]], 2, [0, 1, 1]),  # and cut
    ],
)
def test_rows_that_do_not_stand_side_by_side_are_grouped_by_their_prompts(rows, size, group):
    found, notes = grouped(rows, size)
    assert found == group
    assert notes.startswith("The rows of a prompt do not stand side by side, or not all are here")


def test_without_prompts_groups_are_rows_side_by_side_or_none():
    tensors = {"input_ids": torch.cat([IDS, IDS]), "old_log_probs": torch.cat([PER_TOKEN, PER_TOKEN])}
    assert batch_of(tensors, group_size=2).per_row["group"].tolist() == [0, 0, 1, 1]
    assert "group" not in batch_of(tensors, group_size=3).per_row


def test_a_group_of_the_file_is_kept():
    tensors = {"tokens": IDS, "mask": MASK, "group": torch.tensor([7, 5])}
    assert batch_of(tensors, group_size=2).per_row["group"].tolist() == [7, 5]
