"""Every objective of tool use, with and without the one before it; prices, rewards and sources. Three seeds each.

``tool-dpo`` and ``tool-rl`` among the recipes begin with the model after ``tool-sft``.
"""

from reference.runs.recorded_runs import SEEDS

PRICES = (0.0, 0.05, 0.2, 0.4)  # per call; 0.05 is the recipe's

VARIANTS = {  # what is shown -> name of its runs in figures/runs
    "SFT": "tool-sft",
    "SFT, then DPO": "tool-dpo",
    "the same at lr 4e-5": "tools-dpo-fast",
    "SFT, then RL": "tool-rl",
    "SFT, DPO, then RL": "tools-sft-dpo-rl",
    "DPO alone": "tools-dpo-alone",
    "RL alone": "tools-rl-alone",
}
PRICED = {price: "tool-rl" if price == 0.05 else f"tools-price-{price:g}" for price in PRICES}
REWARDED = {
    "success - 0.05 per call": "tool-rl",
    "and 0.3 per valid call": "tools-valid-bonus",
    "and 1 per valid call": "tools-large-bonus",
    "rubric alone": "tools-rubric",
}
SOURCES = {"generated": "tool-sft", "self-labelled": "tools-self-labelled", "hand-written": "tools-hand-written"}
MASKED = {"results masked": "tool-sft", "results trained": "tools-results-trained"}

COMMANDS = {
    "tools-sft-dpo-rl": "tool-rl --model {tool-dpo-seed-SEED}",
    "tools-dpo-fast": "tool-dpo --lr 4e-5",
    "tools-dpo-alone": "tool-dpo --model base",
    "tools-rl-alone": "tool-rl --model base",
    **{PRICED[price]: f"tool-rl --call-price {price}" for price in PRICES if price != 0.05},
    "tools-valid-bonus": "tool-rl --valid-bonus 0.3",
    "tools-large-bonus": "tool-rl --valid-bonus 1",
    "tools-rubric": "tool-rl --reward rubric --call-price 0",
    "tools-self-labelled": "tool-sft --demonstrations self-labelled --steps 150",
    "tools-hand-written": "tool-sft --demonstrations hand-written --steps 150",
    "tools-results-trained": "tool-sft --no-mask-results",
}
EXPERIMENTS = {
    f"{name}-seed-{seed}": f"{command.replace('SEED', str(seed))} --seed {seed}"
    for name, command in COMMANDS.items()
    for seed in SEEDS
}
