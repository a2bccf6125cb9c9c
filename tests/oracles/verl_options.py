"""Options that verl's newer functions and ours are given. Imports nothing, so that both sides can read them."""

SOME = ("ragged", "empty row")  # enough cases where the fixture would get long

COV_SHARE, COV_LOW, COV_HIGH = 0.2, 0.05, 0.6
DPPO_CAP = 1.3
DPPO_BOUNDS = {"dppo_tv": (0.1, 0.15), "dppo_kl": (0.02, 0.04)}
DRO_BETA = 0.7
TAU_POSITIVE, TAU_NEGATIVE = 1.5, 2.0
KIND_WEIGHTS = (1.0, 0.5)  # of two kinds of reward

# Each leaves out some of the tokens or rows of the two cases with four rows, and keeps others.
BYPASS_LOW, BYPASS_HIGH, BYPASS_K3 = 0.84, 1.19, 0.05
MOST = {
    "token_k2": 0.1,
    "token_k3": 0.1,
    "seq_sum_k2": 0.5,
    "seq_sum_k3": 0.5,
    "seq_mean_k2": 0.165,
    "seq_mean_k3": 0.14,
    "seq_max_k2": 0.32,
    "seq_max_k3": 0.25,
}
