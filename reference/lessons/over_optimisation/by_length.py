"""What a reward model has learned, by length: recorded, since it takes the model, and half a minute."""

import json
from pathlib import Path

from reference.algorithms.proxy import load_proxy
from reference.algorithms.recipes import RECIPES
from reference.evaluation.by_length import Bucket
from reference.runs.files import write_atomically
from reference.runs.measure_rewards import buckets_of
from reference.runs.recorded_runs import RUNS
from reference.world.model import load, pick_device

FOLDER = RUNS.parent / "by_length"


def read_buckets(name: str, *, folder: Path = FOLDER) -> list[Bucket] | None:
    """The recorded buckets of a reward model, such as proxy-4096-seed-0; None where they are not recorded."""
    file = folder / f"{name}.json"
    return [Bucket(**row) for row in json.loads(file.read_text())["rows"]] if file.is_file() else None


def write_buckets(model: Path, file: Path, *, prompts: int = 400, seed: int = 12345) -> None:
    """Write the numbers of ``python -m reference evaluate`` for the reward model in a folder, as ``read_buckets`` takes them.

    Each pair has a right and a wrong completion of the base model for one held-out problem. ``seed`` decides them.
    """
    policy, tokenizer = load(device=pick_device())
    reward_model = load_proxy(model, tokenizer, device=policy.device)
    found = buckets_of(reward_model, tokenizer, policy, RECIPES["reward-model"], prompts=prompts, seed=seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [bucket._asdict() for bucket in found]
    write_atomically(file, json.dumps({"prompts": prompts, "seed": seed, "rows": rows}, indent=2) + "\n")
