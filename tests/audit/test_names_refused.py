"""Keys and shapes that do not belong together: one sentence, which names the key and what was expected."""

import re

import pytest
import torch
from torch import Tensor

from reference.audit.names import batch_of
from reference.objectives.shapes import InputError

IDS = torch.tensor([[10, 11, 20, 21], [12, 13, 22, 3]])
THERE = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
LABELS = torch.tensor([[-100, -100, 20, 21], [-100, -100, 22, -100]])
MASK = torch.tensor([[0, 1, 1], [0, 1, 0]])  # the same as LABELS, about tokens 1 to 3
PER_TOKEN = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def refused(tensors: dict[str, Tensor], **options: object) -> str:
    with pytest.raises(InputError) as error:
        batch_of(tensors, **options)
    return str(error.value)


REFUSALS = [
    (
        {"values": PER_TOKEN},
        {},
        "no token ids among the keys values: expected tokens, or prompt_ids and completion_ids",
    ),
    (
        {"input_ids": IDS[0], "labels": LABELS},
        {},
        "input_ids is (4,), expected (rows, time) with at least one token: a row",
    ),
    (
        {"input_ids": IDS, "attention_mask": torch.ones(2, 1, 4, 4)},
        {},
        "attention_mask is (2, 1, 4, 4), and not causal",
    ),
    (
        {"input_ids": IDS, "attention_mask": torch.ones(2, 8, 4, 4)},
        {},
        "attention_mask is (2, 8, 4, 4), expected (2, 4)",
    ),
    ({"chosen_input_ids": IDS, "rejected_input_ids": IDS}, {}, "without attention masks: save chosen_attention_mask"),
    (
        {f"{side}_{name}": IDS for side in ("chosen", "rejected") for name in ("input_ids", "attention_mask")},
        {},
        "neither labels nor prompts beside them: save chosen_labels",
    ),
    ({"input_ids": IDS[:, :0]}, {}, "input_ids is (2, 0), expected (rows, time)"),
    ({"input_ids": IDS.float()}, {}, "input_ids is torch.float32, expected token ids: whole numbers"),
    ({"input_ids": IDS, "labels": LABELS[:, 1:]}, {}, "labels is (2, 3), expected (2, 4) as the tokens"),
    ({"input_ids": IDS, "attention_mask": MASK}, {}, "attention_mask is (2, 3), expected (2, 4) as the tokens"),
    ({"input_ids": IDS, "attention_mask": THERE * -1}, {}, "attention_mask holds numbers other than 0 and 1"),
    ({"input_ids": IDS, "position_ids": MASK}, {}, "position_ids is (2, 3), expected (2, 4) as the tokens"),
    ({"input_ids": IDS, "length": MASK}, {}, "length is (2, 3), expected (2,): a number per row"),
    ({"tokens": IDS, "mask": MASK * 2}, {}, "mask holds values other than 0 and 1"),
    (
        {"tokens": IDS, "mask": MASK, "old_logprobs": PER_TOKEN[:, :2]},
        {},
        "old_logprobs is (2, 2), expected (2, 3), as mask has it",
    ),
    (
        {"tokens": IDS, "mask": MASK, "advantages": PER_TOKEN[:, :2]},
        {},
        "advantages is (2, 2), expected (2, 3), as mask has it, or (2,): a number per row",
    ),
    ({"tokens": IDS, "mask": MASK, "rewards": PER_TOKEN}, {}, "rewards is (2, 3), expected (2,): a number per row"),
    (
        {"input_ids": IDS, "old_log_probs": PER_TOKEN, "prev_logprobs": PER_TOKEN},
        {},
        "old_log_probs and prev_logprobs can both be old_logprobs: leave one out, or say which it is with "
        "names={'old_logprobs': 'old_log_probs'}",
    ),
    (
        {"tokens": IDS, "mask": MASK, "labels": IDS},
        {},
        "mask keeps 3 tokens and labels 6, not the same ones: leave the one out that the loss does not read",
    ),
    ({"responses": IDS, "prompts": IDS[:1]}, {}, "prompts has 1 rows, responses 2: expected as many"),
    (
        {"responses": IDS, "prompts": IDS, "input_ids": torch.cat([IDS, IDS.flip(1)], dim=1)},
        {},
        "input_ids (2, 8) is not prompts and responses side by side: were they padded on the right each?",
    ),
    ({"tokens": IDS}, {"names": {"logits": "tokens"}}, "names has 'logits', expected one of tokens, prompts"),
    (
        {"tokens": IDS},
        {"names": {"mask": "keep"}},
        "names takes mask from 'keep', which is not in the batch: it has tok",
    ),
    ({"tokens": IDS, "keep": "all"}, {"names": {"mask": "keep"}}, "names takes mask from 'keep', which is no tensor"),
    ({"tokens": IDS, "mask": MASK}, {"group_size": 0}, "group_size is 0, expected at least 1"),
    ({"tokens": IDS, "mask": MASK, "values": PER_TOKEN.cfloat()}, {}, "values is torch.complex64, expected a dense"),
    (
        {"tokens": IDS, "mask": MASK.to_sparse()},
        {},
        "mask is torch.sparse_coo, expected a dense tensor of real numbers",
    ),
    (
        {"prompt_ids": IDS, "prompt_mask": MASK, "completion_ids": IDS, "completion_mask": THERE},
        {},
        "prompt_mask is (2, 3), expected (2, 4) as its tokens",
    ),
    (
        {"tokens": IDS, "prompt_width": float("nan")},
        {},
        "prompt_width is nan, expected a column of the tokens, below 4",
    ),
    ({"tokens": IDS, "prompt_width": torch.tensor([9])}, {}, "prompt_width is [9], expected a column of the tokens"),
    ({"tokens": IDS, "num_tokens": MASK}, {}, "num_tokens is (2, 3), expected one number: num_tokens of the batch"),
    (
        {"input_ids.values": IDS[0], "input_ids.offsets": torch.tensor([0, 3])},
        {},
        "input_ids.offsets are not the offsets of input_ids.values",
    ),
]


@pytest.mark.parametrize(("tensors", "options", "words"), REFUSALS, ids=[words[:40] for _, _, words in REFUSALS])
def test_what_does_not_belong_together_is_refused_in_a_sentence(tensors, options, words):
    assert words in refused(tensors, **options)


def test_the_fix_that_a_clash_names_is_one():
    tensors = {"input_ids": IDS, "old_log_probs": PER_TOKEN, "prev_logprobs": PER_TOKEN + 1}
    name, key = re.search(r"names=\{'(\w+)': '(\w+)'\}", refused(tensors)).groups()
    assert torch.equal(batch_of(tensors, names={name: key}).per_token["old_logprobs"], PER_TOKEN)
