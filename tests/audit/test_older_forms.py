"""Pairs as older versions of TRL had them, attention masks over queries and keys, and a row without its axis."""

import pytest
import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.names import batch_of

IDS = torch.tensor([[10, 11, 20, 21], [10, 11, 22, 0]])  # chosen and rejected after one prompt
THERE = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
LABELS = torch.tensor([[-100, -100, 20, 21], [-100, -100, 22, -100]])


def trained(batch: Batch) -> list[list[int]]:
    return [tokens[batch.start :][mask].tolist() for tokens, mask in zip(batch.tokens, batch.mask, strict=True)]


def whole_rows() -> dict[str, Tensor]:
    """Each side with its prompt, padded to its own width."""
    sides = {"chosen": (0, 4), "rejected": (1, 3)}
    parts = {"input_ids": IDS, "attention_mask": THERE, "labels": LABELS}
    both = {f"{side}_{name}": t[row : row + 1, :to] for side, (row, to) in sides.items() for name, t in parts.items()}
    return both | {"prompt_input_ids": IDS[:1, :2], "prompt_attention_mask": THERE[:1, :2]}


def prompts_apart() -> dict[str, Tensor]:
    """Three tensors, the prompt once."""
    return {
        "prompt_input_ids": IDS[:1, :2], "prompt_attention_mask": THERE[:1, :2],
        "chosen_input_ids": IDS[:1, 2:], "chosen_attention_mask": THERE[:1, 2:],
        "rejected_input_ids": IDS[1:, 2:3], "rejected_attention_mask": THERE[1:, 2:3],
    }  # fmt: skip


FORMS = {
    "concatenated": {
        "concatenated_input_ids": IDS, "concatenated_attention_mask": THERE, "concatenated_labels": LABELS
    },
    "whole rows": whole_rows(),
    "prompts apart": prompts_apart(),
    "completions joined": {
        "prompt_input_ids": IDS[:, :2], "prompt_attention_mask": THERE[:, :2],
        "completion_input_ids": IDS[:, 2:], "completion_attention_mask": THERE[:, 2:],
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_pairs_are_rows_with_the_chosen_ones_first(form):
    batch = batch_of(FORMS[form])
    assert batch.tokens.equal(IDS) and batch.attention_mask.equal(THERE.bool())
    assert trained(batch) == [[20, 21], [22]] and batch.notes == ()


def test_the_narrower_side_is_padded_with_the_padding_of_the_other():
    tensors = prompts_apart()
    tensors["chosen_input_ids"] = torch.tensor([[20, 21, 7]])
    tensors["chosen_attention_mask"] = torch.tensor([[1, 1, 0]])
    assert batch_of(tensors).tokens.tolist() == [[10, 11, 20, 21, 7], [10, 11, 22, 7, 7]]


def square(there: Tensor) -> Tensor:
    """(rows, 1, time, time): what each query sees, of tokens that are there."""
    return (there[:, None, None].bool() & torch.ones(4, 4, dtype=torch.bool).tril()).clone()


@pytest.mark.parametrize("there", [THERE, THERE.flip(1)], ids=["padding right", "padding left"])
def test_a_causal_mask_over_queries_and_keys_says_which_tokens_are_there(there):
    mask = square(there)
    added = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
    open_padding = mask | ~mask.any(dim=-1, keepdim=True)  # rows that would see nothing see everything
    closed_padding = mask & there[:, None, :, None].bool()  # queries of padding see nothing
    for given in (mask, mask.long(), added, open_padding, closed_padding, mask[:, 0]):
        batch = batch_of({"input_ids": IDS, "attention_mask": given})
        assert batch.attention_mask.equal(there.bool()) and "what its queries see" in batch.notes[0]


def test_a_row_alone_is_a_batch_of_one_row():
    batch = batch_of({"input_ids": IDS[0], "labels": LABELS[0], "attention_mask": THERE[0], "rewards": torch.ones(1)})
    assert batch.tokens.equal(IDS[:1]) and trained(batch) == [[20, 21]]
    assert batch.per_row["rewards"].tolist() == [1.0]
