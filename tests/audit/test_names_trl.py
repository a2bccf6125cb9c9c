"""TRL live: what its collators and its GRPO give, with the real methods on a model that is a table.

The rollouts are those of the recorded batches, so a log-prob says which token it is of.
"""

import pytest
import torch
from oracles.trl_stub import TableModel, rollout, trainer
from recorders.rollouts import EOS, GROUP, PAD, POLICY, REFERENCE, ROWS, logits, logprob, sampled
from torch import Tensor
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

from reference.audit.batch import Batch
from reference.audit.names import batch_of

pytestmark = pytest.mark.filterwarnings("ignore:.*checkpointing.*:FutureWarning")

LABELLED = [
    {"input_ids": row.prompt + row.completion, "labels": [-100] * len(row.prompt) + row.completion} for row in ROWS[:3]
]


class SameEverywhere(TableModel):
    """The log-prob of a token depends on the token alone."""

    def logits_of(self, input_ids: Tensor) -> Tensor:
        return self.logits.expand(*input_ids.shape, -1)


def rows_in_the_loss(batch: Batch) -> list[list[int]]:
    return [tokens[batch.start :][mask].tolist() for tokens, mask in zip(batch.tokens, batch.mask, strict=True)]


# --- collators ---


def test_sft():
    batch = batch_of(DataCollatorForLanguageModeling(pad_token_id=PAD)(LABELLED))
    assert rows_in_the_loss(batch) == [row.completion for row in ROWS[:3]]
    assert batch.attention_mask.sum(dim=1).tolist() == [6, 9, 5]
    assert (batch.start, batch.source, batch.notes) == (1, "", ())


def test_sft_without_labels_trains_the_prompt_and_never_token_0():
    examples = [{"input_ids": example["input_ids"]} for example in LABELLED]
    batch = batch_of(DataCollatorForLanguageModeling(pad_token_id=PAD)(examples))
    assert rows_in_the_loss(batch) == [(row.prompt + row.completion)[1:] for row in ROWS[:3]]
    assert batch.notes == (
        "3 tokens before column 1 are in the loss by labels, and left out: no token predicts the first one.",
    )


def test_sft_padding_free_is_one_row():
    """Its first tokens have no label, so only its keys for kernels are not read, and the texts are found by position."""
    batch = batch_of(DataCollatorForLanguageModeling(pad_token_id=PAD, padding_free=True)(LABELLED))
    assert batch.tokens.shape == (1, 20) and batch.attention_mask is None
    assert rows_in_the_loss(batch) == [[t for row in ROWS[:3] for t in row.completion]]
    assert batch.position_ids[0, 5:8].tolist() == [5, 0, 1]
    assert batch.notes[0] == "Several texts share a row: 3 in 1, by position_ids."
    assert batch.notes[1].startswith("Not read: cu_seq_lens_k, cu_seq_lens_q, max_length_k, max_length_q, seq_idx.")


def test_dpo_has_the_chosen_first():
    pairs = [
        {"prompt_ids": a.prompt, "chosen_ids": a.completion, "rejected_ids": b.completion}
        for a, b in ((ROWS[0], ROWS[1]), (ROWS[3], ROWS[5]))
    ]
    batch = batch_of(DataCollatorForPreference(pad_token_id=PAD)(pairs))
    assert rows_in_the_loss(batch) == [ROWS[i].completion for i in (0, 3, 1, 5)]
    assert (batch.start, batch.source) == (1, "trl")


def test_kto():
    examples = [{"prompt_ids": r.prompt, "completion_ids": r.completion, "label": r.reward > 0} for r in ROWS]
    batch = batch_of(DataCollatorForUnpairedPreference(pad_token_id=PAD)(examples))
    assert rows_in_the_loss(batch) == [row.completion for row in ROWS]


# --- GRPO ---


def generated(*, tools: bool = False, **options: object) -> dict[str, Tensor]:
    """What ``_generate_and_score_completions`` returns. Two generation batches per step, so old log-probs are there."""
    self = trainer(
        SameEverywhere(logits(POLICY)), ref_model=SameEverywhere(logits(REFERENCE)), pad=PAD, eos=EOS, beta=0.1,
        per_device_train_batch_size=3, num_generations=GROUP, steps_per_generation=2, gradient_accumulation_steps=1,
        **options,
    )  # fmt: skip
    if tools:
        self.rollout_func = lambda prompts, _: {
            "prompt_ids": [row.prompt for row in ROWS],
            "completion_ids": [row.completion for row in ROWS],
            "logprobs": [[sampled(t) for t in row.completion] for row in ROWS],
            "env_mask": [row.mask for row in ROWS],
        }
    rewards = torch.tensor([row.reward for row in ROWS])
    logprobs = [[sampled(t) for t in row.completion] for row in ROWS]
    return rollout(self, [row.prompt for row in ROWS], [row.completion for row in ROWS], rewards, logprobs)


def test_grpo():
    batch = batch_of(generated(), group_size=GROUP)
    assert (batch.source, batch.start, batch.notes) == ("trl", 3, ())
    assert rows_in_the_loss(batch) == [row.completion for row in ROWS]
    tokens = batch.tokens[:, batch.start :][batch.mask].tolist()
    for name, of in (
        ("old_logprobs", lambda token: logprob(token, POLICY)),
        ("ref_logprobs", lambda token: logprob(token, REFERENCE)),
        ("sampler_logprobs", sampled),
    ):
        assert torch.allclose(batch.per_token[name][batch.mask], torch.tensor([of(token) for token in tokens]))
    assert batch.per_row["advantages"][0].item() == pytest.approx(2 / 3**0.5, abs=1e-3)
    assert batch.per_row["group"].tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.numbers["num_tokens"] == 22 and batch.tool is None


def test_grpo_with_a_tool_has_a_tool_mask_that_is_1_on_the_model_s_tokens_and_on_padding():
    made = generated(tools=True)
    assert made["tool_mask"][1].tolist() == [1, 1, 0, 0, 1, 1] and made["tool_mask"][2].tolist() == [1] * 6
    batch = batch_of(made)
    assert batch.tokens[:, batch.start :][batch.tool].tolist() == [30, 31]
    assert rows_in_the_loss(batch)[1] == [22, 23, 24, EOS]
    assert batch.numbers["num_tokens"] == 20


def test_grpo_that_masks_truncated_completions_leaves_them_out_of_both_masks():
    """Row 5 was cut: TRL takes its completion out of the attention mask too."""
    batch = batch_of(generated(mask_truncated_completions=True))
    assert rows_in_the_loss(batch)[5] == []
    assert batch.attention_mask[5].tolist() == [False, True, True] + [False] * 6
    assert batch.numbers["num_tokens"] == 17


def test_what_grpo_trains_on_is_shuffled_cut_and_still_has_the_token_count_of_all():
    """As ``_prepare_inputs`` does: groups come from the prompts, and the count is not that of this part."""
    torch.manual_seed(0)
    part = split_tensor_dict(shuffle_sequence_dict(generated()), 2)[0]
    batch = batch_of(part, group_size=GROUP)
    assert batch.numbers["num_tokens"] == 22 > int(batch.mask.sum())
    prompts = [tokens[: batch.start].tolist() for tokens in batch.tokens]
    assert batch.per_row["group"].tolist() == [prompts.index(prompt) > 0 for prompt in prompts]
    assert batch.notes[-1].startswith("The rows of a prompt do not stand side by side, or not all are here")
