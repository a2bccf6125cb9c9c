"""What is recorded of torchrl: its losses and estimators on the cases, by name of the record."""

from .credit import CREDIT
from .demonstrations import DEMONSTRATIONS
from .policy import POLICY

ROWS = POLICY | CREDIT | DEMONSTRATIONS
