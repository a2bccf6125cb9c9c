"""Trajectories whose turns are written down in a test, so that every case can be followed by hand."""

from dataclasses import replace

import torch

from reference.algorithms.scoring import score
from reference.objectives import token_logprobs
from reference.world.completions import Completions, Problem, encode_questions, verdict
from reference.world.model import eos_ids
from reference.world.tool_calls import TOOLS
from reference.world.tool_rollout import Marks, Trajectory, as_rollout, finish_turn

CALL = '<|call|>{{"name": "calculator", "arguments": {{"expression": "{}"}}}}<|end|>'
BROKEN = '<|call|>{"name": "calculator"<|end|>'


def scripted(base, problems: list[Problem], turns: list[list[str]], *, max_calls: int = 3) -> Completions:
    """One row per problem, in which the model writes these turns and the real tool answers; with the model's log-probs."""
    model, tokenizer = base
    rows, marks, ends = [], Marks.of(tokenizer), eos_ids(model, tokenizer)
    for written in turns:
        row = Trajectory()
        for text in written:
            assert row.ending is None, f"{text!r} comes after the end"
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            row.append(ids, [0.0] * len(ids))
            finish_turn(row, ids, tokenizer, marks, ends, TOOLS, max_calls=max_calls)
        rows.append(row)
    rollout = as_rollout(encode_questions(tokenizer, problems), rows, 1, tokenizer.pad_token_id, model.device)
    with torch.no_grad():
        logprobs = token_logprobs(score(model, rollout), rollout.tokens)
    rollout = replace(rollout, sampler_logprobs=torch.where(rollout.completion_mask, logprobs, 0.0))
    correct = torch.tensor([verdict(p, row) for p, row in zip(problems, rows, strict=True)])
    return Completions(rollout, problems, correct, rows)
