"""What goes wrong when a batch is checked: shapes, log-probs, and what is reported."""

from torch import Tensor

from reference.lessons.debug_lab.batch_checks import check_batch
from reference.teaching.bug import bug

from .check_batch import but


@bug(
    "the shape of the tokens",
    mistake="the mask and the log-probs are asked for the shape of the tokens; there is one prediction less than tokens",
    symptom="every batch is refused, and a mask over tokens passes that is one place off",
)
def check_batch__token_shape(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    tokens, _, *others = args
    if any(x.shape != tokens.shape for x in others):
        return ["shape"]
    cut = [x[:, 1:] for x in others]
    return check_batch(tokens, args[1], *cut, prompt_width=prompt_width, eos_token_id=eos_token_id)


@bug(
    "only the mask's shape",
    mistake="the shape of the mask is compared, and the shapes of the log-probs are not",
    symptom="log-probs that are cut off are broadcast or raise in the middle of the loss",
)
def check_batch__mask_shape(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    tokens, attention_mask, mask, *logprobs = args
    width = tokens.shape[1] - 1
    cut = [x[:, :width] for x in logprobs]
    return check_batch(tokens, attention_mask, mask, *cut, prompt_width=prompt_width, eos_token_id=eos_token_id)


signed = but({"ratio": lambda b: (b.mask.bool() & (b.logprobs - b.old_logprobs > 1e-3)).any()})


@bug(
    "signed difference",
    mistake="only a token that has become more likely counts: the difference is compared with its sign",
    symptom="a temperature above 1 that was forgotten lowers log-probs of rare tokens, and passes on others",
)
def check_batch__signed(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return signed(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


mean = but({"ratio": lambda b: (b.logprobs - b.old_logprobs)[b.mask.bool()].sum().abs() > 1e-3})


@bug(
    "the mean difference",
    mistake="the differences are added up before they are compared, so that two of opposite sign cancel",
    symptom="dropout in one of the two passes moves tokens up and down, and the mean ratio stays near 1",
)
def check_batch__mean(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return mean(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


everywhere = but({"ratio": lambda b: ((b.logprobs - b.old_logprobs).abs() > 1e-3).any()})


@bug(
    "every token's ratio",
    mistake="the log-probs are compared on prompts and pads too, where one of them is often filled with 0",
    symptom="every padded batch is refused",
)
def check_batch__everywhere(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return everywhere(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


exact = but({"ratio": lambda b: (b.mask.bool() & (b.logprobs != b.old_logprobs)).any()})


@bug(
    "bit for bit",
    mistake="the log-probs have to be equal in every bit, and two ways to compute them round differently",
    symptom="every batch of an inference engine is refused, and the check is switched off",
)
def check_batch__exact(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return exact(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)


@bug(
    "only the first name",
    mistake="only the first thing that is wrong is reported",
    symptom="a shifted mask is reported as a trained prompt: the second name, which tells the two apart, is missing",
)
def check_batch__first_name(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return check_batch(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)[:1]


no_ratio = but({"ratio": lambda b: False})


@bug(
    "ratio unseen",
    mistake="the two log-probs are not compared with each other",
    symptom="a forgotten temperature, dropout or stale log-probs train with clipped ratios from the first step on",
)
def check_batch__no_ratio(*args: Tensor, prompt_width: int, eos_token_id: int) -> list[str]:
    return no_ratio(*args, prompt_width=prompt_width, eos_token_id=eos_token_id)
