"""The critic: a value head, on the policy's own trunk or on a copy of it."""

import copy

from torch import Tensor, nn
from transformers import PreTrainedModel

from reference.algorithms.data import Experience
from reference.objectives import position_ids
from reference.world.head import find_trunk, head_width
from reference.world.rollout import Rollout


class Critic(nn.Module):
    """V of the state at each position: what the completion will earn, given everything up to and including that token.

    ``shared``: the head reads the policy's hidden states, and its gradient flows into the policy. Otherwise it has a
    trunk of its own, which starts as a copy of the policy's. The head starts at 0: before it has learned anything, it
    says nothing. Width and trunk are asked of the model, see ``world.head``; where there is no trunk to copy, an
    ``InputError`` says so. Parameters that are frozen in the policy are frozen in the copy.
    """

    def __init__(self, model: PreTrainedModel, *, shared: bool):
        super().__init__()
        self.shared = shared
        self.trunk = None if shared else copy.deepcopy(find_trunk(model))
        self.head = nn.Linear(head_width(model), 1, device=model.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Rollout | Experience, hidden: Tensor | None) -> Tensor:
        """V (rows, pred) of the state before each completion token, read from the hidden state of the token before it.

        ``hidden`` (rows, at least pred + 1, width): the policy's, for a shared trunk, whose last column is the last
        token's. A value read at the token itself would depend on the action it is to judge.
        """
        if self.trunk is not None:
            mask = batch.attention_mask
            hidden = self.trunk(
                batch.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False
            ).last_hidden_state
        pred = batch.tokens.shape[1] - batch.prompt_width
        return self.head(hidden[:, -1 - pred : -1].to(self.head.weight.dtype)).squeeze(-1)
