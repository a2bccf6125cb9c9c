"""The command ``best-of-n`` with its options. Loads nothing heavy before it runs."""

import argparse
import json
from pathlib import Path

from reference.cli.options import Defaults, add_device, add_model, add_seed
from reference.cli.values import file, positive, source


def add_best_of_n(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    command = subparsers.add_parser(
        "best-of-n",
        help="let a reward model choose among samples, and see what the choice is worth",
        description=(
            "Sample completions of held-out problems, let a reward model choose the best of n of them, and print for n = 1, "
            "2, 4, ... what the chosen one is: its reward, the share that the verifier finds right, its length, and the KL to "
            "the policy, measured and as the formula log n - (n - 1) / n has it. All subsets of n samples count, so one set "
            "of samples serves every n, up to half of the samples. Then what the reward model has learned: how often it "
            "prefers a right sample to a wrong one of the same problem, by how much longer the right one is."
        ),
        epilog="Example: python -m reference best-of-n runs/reward-model-1 --problems 100",
        formatter_class=Defaults,
    )
    add = command.add_argument
    add("reward", metavar="REWARD", type=source, help="run of a reward model, or the folder of its model")
    add_model(add)
    add("--problems", type=positive(int), default=200, metavar="N", help="held-out problems")
    add("--samples", type=positive(int), default=128, metavar="K", help="completions per problem, at least 2")
    add("--max-new-tokens", type=positive(int), default=96, metavar="N", help="budget of a completion")
    add("--out", metavar="FILE", type=file, help="write the numbers there too, as JSON")
    add_seed(add, "decides the problems and the samples", default=12345)
    add_device(add)
    return command


def choose_best(args: argparse.Namespace) -> str:
    """Sample, choose, and return the table; with ``--out`` its numbers are in the file."""
    from reference.algorithms.proxy import load_proxy
    from reference.objectives.shapes import InputError
    from reference.runs.best_of_n import NS, best_of_n_curve, curve_table, draw_samples, right_against_wrong
    from reference.runs.files import write_atomically
    from reference.runs.proxy import proxy_source
    from reference.world.gate import require_sampler
    from reference.world.model import SHIPPED, load, pick_device

    if args.samples < 2:
        raise InputError(
            f"samples is {args.samples}, expected at least 2: one half of them chooses, the other measures the KL"
        )
    if args.out and args.out.exists():
        raise InputError(f"{args.out} is there: name another file")
    if args.out:  # before anything is sampled: what cannot be written would be lost
        args.out.parent.mkdir(parents=True, exist_ok=True)
    device = pick_device(args.device)
    policy, tokenizer = load(SHIPPED.get(args.model, args.model), device=device)
    require_sampler(policy, tokenizer, max_new_tokens=args.max_new_tokens)
    reward_model = load_proxy(proxy_source(args.reward), tokenizer, device=device)
    found = draw_samples(
        policy, tokenizer, reward_model, problems=args.problems, samples=args.samples,
        max_new_tokens=args.max_new_tokens, seed=args.seed,
    )  # fmt: skip
    rows = best_of_n_curve(found, [n for n in NS if n <= args.samples // 2])
    buckets = right_against_wrong(found)
    if args.out:
        named = {name: Path(getattr(args, name)).name for name in ("reward", "model")}
        options = named | {name: getattr(args, name) for name in ("problems", "samples", "max_new_tokens", "seed")}
        tables = {"rows": [row._asdict() for row in rows], "by_length": [bucket._asdict() for bucket in buckets]}
        write_atomically(args.out, json.dumps(options | tables, indent=2) + "\n")
    return "\n".join([curve_table(rows), "", "A right against a wrong completion, by length:", *map(str, buckets)])
