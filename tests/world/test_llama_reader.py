"""The reader of the Llama family against the two that every architecture has."""

from types import SimpleNamespace

import pytest
import torch
from llamas import small

from reference.world import reader, rollout
from reference.world.llama_reader import ROOM, LlamaReader
from reference.world.reader import CachedReader, PlainReader
from reference.world.rollout import sample


@pytest.mark.parametrize("kind", ["llama", "head_dim", "qwen2", "yarn"])
@torch.no_grad()
def test_the_reader_reads_what_the_model_reads(kind):
    """Prompts of three lengths, repeated, in odd orders, further than one buffer has room."""
    model = small(kind)
    generator = torch.Generator().manual_seed(0)
    ours, plain = LlamaReader(model), PlainReader(model)
    tokens = torch.randint(2, 384, (3, 9), generator=generator)
    attention = torch.arange(9) >= torch.tensor([[0], [8], [3]])

    def same() -> bool:
        return torch.allclose(ours.next_logits(tokens, attention), plain.next_logits(tokens, attention), atol=1e-3)

    assert same()
    orders = {0: [0, 0, 1, 1, 2, 2], 3: [5, 0, 2, 3, 1], ROOM + 2: [3, 3, 0, 4], ROOM + 9: [2, 1], ROOM + 20: [1]}
    for step in range(2 * ROOM + 5):
        if step in orders:
            rows = torch.tensor(orders[step])
            ours.select(rows)
            tokens, attention = tokens[rows], attention[rows]
        tokens = torch.cat([tokens, torch.randint(2, 384, (len(tokens), 1), generator=generator)], dim=1)
        attention = torch.cat([attention, torch.ones(len(tokens), 1, dtype=torch.bool)], dim=1)
        assert same(), step


@pytest.mark.parametrize("kind", ["llama", "grouped", "qwen2"])
def test_every_reader_samples_the_same(kind, monkeypatch):
    model, tokenizer = small(kind), SimpleNamespace(pad_token_id=0, eos_token_id=1)
    model.generation_config.eos_token_id = list(range(1, 40))  # so that rows end at different times
    prompts = [[50, 60, 70], [80], [90, 100, 110, 120, 130, 140, 150]]
    found = []
    for kind_of_reader in (LlamaReader, CachedReader, PlainReader):
        monkeypatch.setattr(rollout, "new_reader", kind_of_reader)
        found.append(sample(model, tokenizer, prompts, max_new_tokens=ROOM + 8, group_size=4, seeds=range(12)))
    assert len(set(found[0].completion_mask.sum(dim=1).tolist())) > 3
    for other in found[1:]:
        assert torch.equal(found[0].tokens, other.tokens)
        assert torch.allclose(found[0].sampler_logprobs, other.sampler_logprobs, atol=1e-3)
    monkeypatch.undo()
    assert type(reader.new_reader(model)) is LlamaReader
