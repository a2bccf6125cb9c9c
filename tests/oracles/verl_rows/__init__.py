"""What is recorded of verl: its own functions on the cases, by name of the record."""

from .credit import CREDIT
from .losses import LOSSES
from .metrics import METRICS
from .tokens import TOKENS

ROWS = TOKENS | CREDIT | LOSSES | METRICS
