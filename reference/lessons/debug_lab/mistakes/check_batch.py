"""What goes wrong when a batch is checked: the region of the mask, and the rows."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from reference.lessons.debug_lab.batch_checks import NAMES, check_batch
from reference.teaching.bug import bug


class Batch(NamedTuple):
    """The arguments of the exercise."""

    tokens: Tensor
    attention_mask: Tensor
    mask: Tensor
    logprobs: Tensor
    old_logprobs: Tensor
    prompt_width: int
    eos_token_id: int

    @property
    def last(self) -> Tensor:
        """The place of the last real token of each row."""
        return (self.attention_mask.long() * torch.arange(self.tokens.shape[1])).argmax(dim=1)


Rule = Callable[[Batch], bool | Tensor]


def but(rules: dict[str, Rule]) -> Callable[..., list[str]]:
    """The check, with another rule for some of its names."""

    def wrong(
        tokens: Tensor, attention_mask: Tensor, mask: Tensor, logprobs: Tensor, old_logprobs: Tensor,
        *, prompt_width: int, eos_token_id: int,
    ) -> list[str]:  # fmt: skip
        batch = Batch(tokens, attention_mask, mask, logprobs, old_logprobs, prompt_width, eos_token_id)
        found = check_batch(*batch[:5], prompt_width=prompt_width, eos_token_id=eos_token_id)
        if found == ["shape"]:
            return found
        said = {name: name in found for name in NAMES} | {name: bool(rule(batch)) for name, rule in rules.items()}
        return [name for name in NAMES if said[name]]

    return wrong


def eos_kept(batch: Batch, *, everywhere: bool) -> Tensor:
    """Whether some token with the EOS's id is not kept: the last real one of a row that keeps some, or any."""
    ends, kept = batch.tokens[:, 1:] == batch.eos_token_id, batch.mask.bool()
    if not everywhere:
        ends = ends & batch.attention_mask[:, 1:].bool()
    return (ends & ~kept & kept.any(dim=1, keepdim=True)).any()


def rows_that_keep(batch: Batch) -> Tensor:
    return batch.mask.bool().any(dim=1)


wrong_prompt = but({"prompt": lambda b: b.mask.bool()[:, : b.prompt_width].any()})


@bug(
    "prompt one place too long",
    mistake="the first token of the completion is counted to the prompt: the axis of the mask begins at token 1",
    symptom="every batch is refused, so somebody shifts a mask that was right",
)
def check_batch__prompt_long(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return wrong_prompt(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


wrong_place = but({"pad": lambda b: (b.mask.bool() & ~b.attention_mask.bool()[:, :-1]).any()})


@bug(
    "attention one place off",
    mistake="the mask is compared with the attention mask at the same index, where it is about the next token",
    symptom="a mask that keeps the pad behind the EOS passes, and a mask of a left-padded row may not",
)
def check_batch__attention_place(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return wrong_place(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


wrong_rows = but({"empty": lambda b: not b.mask.bool().any(dim=1).all()})


@bug(
    "one empty row is enough",
    mistake="a row that keeps nothing is taken for an empty batch; the normaliser is 0 only if all rows keep nothing",
    symptom="every batch with a masked truncated completion is refused",
)
def check_batch__empty_row(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return wrong_rows(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


no_empty = but({"empty": lambda b: False})


@bug(
    "empty unseen",
    mistake="a mask that keeps nothing passes, since every other question is about kept tokens",
    symptom="the loss is 0 / 0: NaN in the weights, or a step that does nothing where the count is clamped",
    wild="NeMo-RL #158: masks that are all zeros",
)
def check_batch__no_empty(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return no_empty(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


whole_rows = but(
    {
        "start": lambda b: (b.attention_mask[:, b.prompt_width].bool() & ~b.mask.bool()[:, b.prompt_width - 1]).any(),
        "eos": lambda b: any(
            b.tokens[i, t] == b.eos_token_id and not b.mask[i, t - 1] for i, t in enumerate(b.last.tolist())
        ),
    }
)


@bug(
    "rows left out on purpose",
    mistake="a row that keeps nothing is asked for its first token and its EOS; it was left out as a whole",
    symptom="batches with masked truncated completions are refused for a fault that they do not have",
)
def check_batch__whole_rows(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return whole_rows(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


eos_by_value = but({"eos": lambda b: eos_kept(b, everywhere=True)})


@bug(
    "EOS by value",
    mistake="every token with the id of the EOS has to be kept, pads too where they have this id",
    symptom="with pad = EOS every padded batch is refused, and trained pads are the result of mending it",
    wild="TRL PR #4970: the same confusion, in a mask",
)
def check_batch__eos_by_value(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return eos_by_value(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


any_end = but({"eos": lambda b: (rows_that_keep(b) & ~b.mask.bool()[torch.arange(len(b.tokens)), b.last - 1]).any()})


@bug(
    "the last token, EOS or not",
    mistake="the last real token has to be kept, whether or not it is an EOS",
    symptom="a completion that was cut off and loses its last token on purpose is refused, under the wrong name",
)
def check_batch__any_end(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return any_end(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


no_eos = but({"eos": lambda b: False})


@bug(
    "EOS unseen",
    mistake="the EOS is not asked for: prompt and pads are looked at, and the end of the completion is not",
    symptom="completions become longer from step to step, and the model never learns to stop",
    wild="nanochat #810: the sampled end token is masked",
)
def check_batch__no_eos(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return no_eos(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


no_start = but({"start": lambda b: False})


@bug(
    "start unseen",
    mistake="the first token of the completion is not asked for",
    symptom="a mask that begins one place too late passes wherever there is no pad behind the row",
    wild="verl PR #3287: the first token of every answer was never trained",
)
def check_batch__no_start(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return no_start(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)
