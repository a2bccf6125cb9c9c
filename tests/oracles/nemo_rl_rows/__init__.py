"""What is recorded of NeMo-RL: its own functions on the cases, by name of the record.

A wheel of it holds none of its subpackages, so its checkout itself has to be on PYTHONPATH. Its ``__version__`` names the
commit of whatever repository it lies in, so ``VERSION`` takes the commit from what is asked for in frameworks.py.
"""

from nemo_rl.package_info import __shortversion__

from ..frameworks import RECORDED
from .credit import CREDIT
from .losses import LOSSES
from .preference import PREFERENCE
from .tokens import TOKENS

VERSION = f"{__shortversion__}+{RECORDED['nemo_rl'].package.rpartition('@')[2][:9]}"
ROWS = TOKENS | CREDIT | LOSSES | PREFERENCE
