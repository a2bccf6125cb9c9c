"""The command ``bench``: its options are in ``other_commands``."""

import argparse
import contextlib
import json
import sys

from reference.algorithms.recipes import RECIPES
from reference.cli.output import emit
from reference.interrupt import defer_signals


def bench_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.cli.unread_options import require_read_by_bench
        from reference.runs.bench import bench, require_room
        from reference.runs.bench_report import bench_report
        from reference.runs.folder import require_no_run
        from reference.world.gate import require_sampler
        from reference.world.model import SHIPPED, load, pick_device

    require_read_by_bench(args.before, args.typed)
    if args.model not in SHIPPED:
        require_no_run(args.model)
    recipe, source = RECIPES[args.recipe], SHIPPED.get(args.model, args.model)
    model, tokenizer = load(source, device=pick_device(args.device))
    require_room(model, tokenizer, recipe)
    require_sampler(model, tokenizer, max_new_tokens=recipe.max_new_tokens)
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for the result
        measured = bench(
            recipe, model, tokenizer, turns=args.turns, seed=args.seed, micro_batch_size=args.micro_batch_size,
            trl_micro_batch_size=args.trl_micro_batch_size, busy=args.busy, memory=args.memory, before=args.before,
            source=source,
        )  # fmt: skip
    emit(json.dumps(measured, indent=2) if args.json else bench_report(measured))
    return 0
