"""What is recorded of ART: its own functions on the cases, by name of the record."""

from .credit import CREDIT
from .losses import LOSSES

ROWS = CREDIT | LOSSES
