"""What verl and OpenRLHF recorded, as computations of ours: one entry per record and claim, in a file per topic.

The cases of our row are those that are compared. What is not in here differs, and test_recorded.py says how.
"""

from . import credit, kl, policy, preference, tokens

TOPICS = (tokens, kl, credit, policy, preference)
EQUAL = {
    "verl": [entry for topic in TOPICS for entry in topic.VERL],
    "openrlhf": [entry for topic in TOPICS for entry in topic.OPENRLHF],
}
