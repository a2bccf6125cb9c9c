"""The teacher of a distillation: loaded, frozen, and asked a few questions before anything is learned from it."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.distill import TRAIN_ONE
from reference.algorithms.proxy import drawn_solutions
from reference.algorithms.reading import read_completions
from reference.objectives.shapes import InputError
from reference.world.eval_mode import eval_mode
from reference.world.model import load

PROBLEMS = 4  # that teacher and policy are asked about


def load_teacher(
    name_or_path: str | Path, tokenizer: PreTrainedTokenizerBase, *, device: str | torch.device = "cpu"
) -> PreTrainedModel:
    """The teacher of a folder or of the hub, frozen, for a policy with this tokenizer.

    Raises ``InputError`` as ``load`` does, so for a reward model and a checkpoint that is not there, and for a teacher of
    another tokenizer.
    """
    try:
        model, own = load(name_or_path, device=device)
    except InputError as error:
        raise InputError(f"{error} (the teacher; {TRAIN_ONE})") from None
    if own.get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"the teacher {name_or_path} has another tokenizer than the policy ({len(own)} and {len(tokenizer)} tokens), so "
            f"their probabilities are of other tokens: name one of the policy's family ({TRAIN_ONE})"
        )
    return model.requires_grad_(False)


def require_teacher(
    teacher: PreTrainedModel, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name_or_path: str | Path
) -> None:
    """Refuse a teacher with another number of logits than the policy, without numbers, or with nothing else to say."""
    theirs, mine = (answers(each, tokenizer) for each in (teacher, model))
    if theirs.shape != mine.shape:
        raise InputError(
            f"the teacher {name_or_path} has {theirs.shape[-1]} logits per token and the policy {mine.shape[-1]}, so they cannot be "
            "compared: give both the same vocabulary with resize_token_embeddings"
        )
    if not theirs.isfinite().all():
        raise InputError(
            f"the teacher {name_or_path} gives {theirs.sum().item()} as a logit: train it again ({TRAIN_ONE})"
        )
    if torch.equal(theirs, mine):
        raise InputError(
            f"the teacher {name_or_path} says the same as the policy, so nothing could be learned from it: name a better model "
            f"({TRAIN_ONE})"
        )


@torch.no_grad()
def answers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Logits (rows, time, vocab) of a few solutions, always the same ones."""
    with eval_mode(model):
        return read_completions(model, drawn_solutions(tokenizer, PROBLEMS, model.device)).grid()
