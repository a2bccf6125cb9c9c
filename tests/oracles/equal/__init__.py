"""What the frameworks recorded, as computations of ours: one entry per record and claim.

verl and OpenRLHF share rows and have a file per topic; every other framework has a file of its name, with its ``ENTRIES``.
The cases of our row are those that are compared. What is not in here differs, and test_different*.py says how.
"""

from importlib import import_module

from ..frameworks import RECORDED
from . import credit, distillation, estimators, kl, policy, policy_newer, preference, rejection, tokens

TOPICS = (tokens, kl, credit, estimators, policy, policy_newer, rejection, preference, distillation)
EQUAL = {
    "verl": [entry for topic in TOPICS for entry in topic.VERL],
    "openrlhf": [entry for topic in TOPICS for entry in topic.OPENRLHF],
}
EQUAL |= {name: import_module(f".{name}", __package__).ENTRIES for name in RECORDED if name not in EQUAL}
