"""Over-optimisation: what a policy does to the reward model that it climbs, and what steers it."""

NOTEBOOK = "11_overoptimisation"
