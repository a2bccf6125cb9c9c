"""Batches of runs on the shipped model: our own loops, and TRL's trainer with its data loader and its sampling."""

import copy
import random
from dataclasses import fields, replace

import pytest
import torch

from reference.algorithms.collect import collect
from reference.algorithms.recipes import RECIPES
from reference.algorithms.supervised import draw_demonstrations
from reference.audit.names import batch_of
from reference.engines.trl.trainer import trl_trainer
from reference.objectives import token_logprobs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*checkpointing.*:FutureWarning")]

GRPO = replace(
    RECIPES["grpo"], steps=1, prompts_per_step=3, group_size=4, max_new_tokens=40, micro_batch_size=4, max_rounds=1,
    kl_coef=0.1,
)  # fmt: skip


def test_an_experience_of_ours(base):
    model, tokenizer = base
    experience, _ = collect(model, tokenizer, GRPO, random.Random(0), ref_model=model, kl_coef=0.1)
    batch = batch_of({field.name: getattr(experience, field.name) for field in fields(experience)})
    assert (batch.source, batch.notes) == ("ours", ())
    assert torch.equal(batch.tokens[:, batch.start :], experience.targets[:, 1:])
    for name in ("old_logprobs", "ref_logprobs", "token_rewards"):
        assert torch.equal(batch.per_token[name], getattr(experience, name))
    assert torch.equal(batch.per_row["rewards"], experience.rewards)
    assert torch.equal(batch.per_row["group"], experience.group)


def test_demonstrations_of_ours_train_what_the_assistant_says(base):
    _, tokenizer = base
    tokens, mask = draw_demonstrations(tokenizer, random.Random(0), replace(RECIPES["sft"], prompts_per_step=3))
    batch = batch_of({"tokens": tokens, "mask": mask})
    texts = [tokenizer.decode(row[batch.start :][kept]) for row, kept in zip(batch.tokens, batch.mask, strict=True)]
    assert all(text.endswith(tokenizer.eos_token) and tokenizer.pad_token not in text for text in texts)


def test_what_trl_s_loss_gets(base, tmp_path):
    """Saved in ``_compute_loss``: the reference's log-probs are those of a forward pass of ours, token by token."""
    model, tokenizer = base
    trainer = trl_trainer(GRPO, model=copy.deepcopy(model), tokenizer=tokenizer, out=tmp_path)
    saved, loss = [], trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: saved.append(inputs) or loss(model, inputs)
    trainer.train()
    assert sum(len(inputs["completion_ids"]) for inputs in saved) == 12
    for inputs in saved:
        batch = batch_of(inputs, pad_token_id=tokenizer.pad_token_id, group_size=4)
        positions = (batch.attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        logits = model(batch.tokens, attention_mask=batch.attention_mask, position_ids=positions).logits
        own = token_logprobs(logits, batch.tokens)[:, batch.start - 1 :]
        assert torch.allclose(own[batch.mask], batch.per_token["ref_logprobs"][batch.mask], atol=1e-4)
        assert not batch.attention_mask[:, batch.start :][~batch.mask].any()
    tokens = sum(int(inputs["completion_mask"].sum()) for inputs in saved)
    assert {int(inputs["num_items_in_batch"]) for inputs in saved} == {tokens}
