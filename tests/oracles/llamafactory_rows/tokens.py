"""What LLaMA-Factory makes of logits: log-probs, and the losses DFT and ASFT of demonstrations."""

from torch import Tensor

from ..cases import GLOBAL_TOKENS, HOLES, Case
from ..llamafactory_options import ASFT_ALPHA
from ..records import Row
from .trainers import labels_of, utils


def batch_logps(logits: Tensor, case: Case) -> Tensor:
    return utils.get_batch_logps(logits, labels_of(case))[0]


def dft(logits: Tensor, case: Case, tokens: int | None) -> Tensor:
    return utils.dft_loss_func({"logits": logits}, labels_of(case), tokens)


def asft(logits: Tensor, case: Case) -> Tensor:
    return utils.asft_loss_func({"logits": logits}, labels_of(case), case.logits.flip(2), ASFT_ALPHA)


TOKENS = {
    "get_batch_logps": Row("logits", batch_logps, HOLES),
    "dft_loss_func": Row("logits", lambda x, c: dft(x, c, None)),
    "dft_loss_func, num_items_in_batch": Row("logits", lambda x, c: dft(x, c, GLOBAL_TOKENS)),
    "asft_loss_func": Row("logits", asft),
}
