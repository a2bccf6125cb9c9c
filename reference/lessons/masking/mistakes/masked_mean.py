"""What goes wrong between a per-token loss and its mean."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


@bug(
    "mean over padding",
    mistake="your sum leaves the masked positions out, but your denominator still counts them",
    symptom="the loss shrinks as padding grows: the same data in a wider batch trains less",
    wild="approx_kl in TRL's PPO: pads contribute 0 and are counted all the same",
)
def masked_mean__over_padding(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).mean()


@bug(
    "zeros not counted",
    mistake="your denominator counts the entries that are not 0: a kept loss of 0 is a token like any other",
    symptom="groups without an advantage drop out of the mean, and a batch of nothing but those gives 0 / 0",
)
def masked_mean__zeros_not_counted(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum() / (x * mask != 0).sum()


@bug(
    "mask ignored",
    mistake="the mask has no effect: prompt and padding count as much as the completion",
    symptom="the model is trained to write prompts and pads",
    wild="the entropy of TRL's PPO before TRL PR #6121, approx_kl before rlhf-book PR #216",
)
def masked_mean__mask_ignored(x: Tensor, mask: Tensor) -> Tensor:
    return x.mean()


@bug(
    "mean of row means",
    mistake="each row is averaged first and then the rows are: that is the mean per sequence, not per kept entry",
    symptom="tokens of short rows weigh more than tokens of long rows",
    wild="TRL #2995, #3187 and open-instruct #636 discuss which of the two is meant",
)
def masked_mean__row_means(x: Tensor, mask: Tensor) -> Tensor:
    lengths = mask.sum(dim=1)
    return ((x * mask).sum(dim=1) / lengths.clamp_min(1)).sum() / (lengths > 0).sum()


@bug(
    "sum without a denominator",
    mistake="the kept entries are added up but not divided by how many there are",
    symptom="the gradient grows with batch size and length, and the learning rate means something else every step",
)
def masked_mean__no_denominator(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum()


@bug(
    "divided by the rows",
    mistake="the sum of the kept entries is divided by the number of rows instead of the number of kept entries",
    symptom="long completions push harder than the learning rate says",
    wild="verl's seq-mean-token-sum does this on purpose",
)
def masked_mean__over_rows(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum() / len(x)


@bug(
    "numerator not masked",
    mistake="you divide by the number of kept entries, but the sum above it runs over all entries, masked ones too",
    symptom="what stands on pads and prompts enters the loss; it changes with the padding",
)
def masked_mean__numerator(x: Tensor, mask: Tensor) -> Tensor:
    return x.sum() / mask.sum()


@bug(
    "mask the wrong way round",
    mistake="the entries that the mask should keep are left out, and the others are averaged",
    symptom="prompts and pads are trained, completions are not",
)
def masked_mean__inverted(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.bool(), 0.0, x).sum() / (~mask.bool()).sum()


@bug(
    "kept entries cleared",
    mistake="masked_fill writes where the mask is True: the sum has lost the kept entries and holds the others",
    symptom="prompts and pads are trained, completions are not",
)
def masked_mean__filled(x: Tensor, mask: Tensor) -> Tensor:
    return x.masked_fill(mask.bool(), 0.0).sum() / mask.sum()
