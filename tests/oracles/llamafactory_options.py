"""What LLaMA-Factory is given beside the options of cases.py, and ours alike. Imports nothing."""

LD_ALPHA, NLL_COEF, BCO_WEIGHT, ASFT_ALPHA, SIMPO_GAMMA = 0.4, 0.2, 0.5, 0.3, 0.7
