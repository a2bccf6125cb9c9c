"""What is recorded of torchtune: its own functions on the cases, by name of the record."""

from .credit import CREDIT
from .losses import LOSSES
from .tokens import TOKENS

ROWS = TOKENS | CREDIT | LOSSES
