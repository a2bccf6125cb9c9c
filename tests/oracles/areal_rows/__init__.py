"""What is recorded of AReaL: its own functions on the cases, by name of the record."""

from .credit import CREDIT
from .losses import LOSSES
from .pairs import PAIRS
from .tokens import TOKENS

ROWS = TOKENS | CREDIT | LOSSES | PAIRS
