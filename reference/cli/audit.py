"""The command ``audit`` with its options. Loads nothing heavy before it runs."""

import argparse
import json
import textwrap
from pathlib import Path

from reference.cli.output import emit
from reference.cli.score import picture
from reference.cli.values import finite, not_negative, positive, source
from reference.interrupt import defer_signals

IDS = {
    "pad-token-id": "the padding",
    "eos-token-id": "the token that ends a completion",
    "assistant-start": "the token that opens a turn of the assistant",
    "tool-start": "the token that opens a turn of a tool",
    "tool-end": "the token that ends it; without the option the EOS",
    "call-start": "the token that opens a call of a tool",
}
EPILOG = """\
exit code: 0 where no fault was found, 1 where one was, 2 for a file that cannot be read.

how to save a batch (method names of TRL 1.16, verl 0.9.1 and OpenRLHF 0.11.2):
  TRL         class Mine(GRPOTrainer):
                  def _generate_and_score_completions(self, inputs):
                      batch = super()._generate_and_score_completions(inputs)
                      torch.save({k: v for k, v in batch.items() if torch.is_tensor(v)}, "batch.pt")
                      return batch
              SFT and DPO: torch.save(dict(next(iter(trainer.get_train_dataloader()))), "batch.pt")
  verl        class Mine(RayPPOTrainer):
                  def _update_actor(self, batch):
                      torch.save(dict(batch.batch.items()), "batch.pt")
                      return super()._update_actor(batch)
  OpenRLHF    class Mine(RemoteExperienceMaker):
                  def make_experience_batch(self, rollout_samples):
                      batches = super().make_experience_batch(rollout_samples)
                      torch.save({k: v for k, v in vars(batches[0]).items() if torch.is_tensor(v)}, "batch.pt")
                      return batches
  this course from reference.audit import batch_tensors
              safetensors.torch.save_file(batch_tensors(experience, tokenizer=tokenizer), "batch.safetensors")
  your own    any dictionary of tensors, and --name old_logprobs=my_key for what is not recognised

examples:
  python -m reference audit batch.safetensors
  python -m reference audit batch.pt --eos-token-id 151645 --group-size 8 --model path/of/the/policy
  python -m reference audit batch.npz --name tokens=x --name mask=loss_weights --json
"""


def add_audit(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "audit",
        help="find what is wrong in one training batch: masks, EOS, alignment, ratios, groups, normaliser",
        description=textwrap.fill(
            "Read the tensors of one training step, saved by this course, TRL, verl, OpenRLHF or any other code, and look "
            "for the mistakes that no error reports: a prompt or a tool's words in the loss, an EOS that is not, a mask or "
            "log-probs that are off by one, ratios that are not 1 before the first step, advantages that are not centred, "
            "groups that mix prompts, a normaliser that counts something else. BATCH is a file of safetensors, of torch.save, "
            "or an npz; nothing in it is run. A fault is wrong whatever was meant; a doubt is right only for a reason that the "
            "batch does not show. Save the batch of the first inner step, where old and new log-probs must agree."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("batch", metavar="BATCH", type=source, help="the file")
    add("--name", action="append", default=[], type=pair, metavar="NAME=KEY", dest="names",
        help="which key of the file holds old_logprobs, say; for keys that are not recognised")  # fmt: skip
    for name, words in IDS.items():
        add(f"--{name}", type=not_negative, metavar="ID", help=f"id of {words}")
    add("--group-size", type=positive(int), metavar="N", help="completions of one prompt")
    add("--num-tokens", type=finite(float), metavar="N", help="what the loss was divided by")
    add("--later", action="store_true", help="the batch is of a later inner step, so that ratios need not be 1")
    add("--model", type=source, metavar="NAME_OR_PATH",
        help="the model that gave the log-probs: it scores the tokens again, and its tokenizer gives the ids above and the "
             "words of the picture; 'base' or 'tool-sft' is a shipped one")  # fmt: skip
    add("--figure", type=picture, metavar="FILE", help="draw the first rows token by token: a .png, .svg or .pdf")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def pair(text: str) -> tuple[str, str]:
    """An argparse type: NAME=KEY."""
    name, sign, key = text.partition("=")
    if not (name and sign and key):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=KEY, such as old_logprobs=my_key")
    return name, key


def audit_command(args: argparse.Namespace) -> int:
    """Read, check, draw and print. 1: a fault was found."""
    with defer_signals():
        from reference.audit.auditing import audit
        from reference.audit.files import read_tensors
        from reference.audit.ours import ids_of
        from reference.audit.report import as_json

    tensors = read_tensors(args.batch)
    model = tokenizer = None
    numbers: dict[str, float] = {}
    if args.model is not None:
        from reference.world.model import SHIPPED, load

        model, tokenizer = load(SHIPPED.get(args.model, args.model))
        numbers = {name: float(value) for name, value in ids_of(tokenizer).items() if name not in tensors}
    typed = {name.replace("-", "_") for name in (*IDS, "group-size", "num-tokens")}
    numbers |= {name: value for name in typed if (value := getattr(args, name)) is not None}
    found = audit(tensors, names=dict(args.names), numbers=numbers, later=args.later, model=model)
    emit(json.dumps(as_json(found.batch, found.findings, found.skipped), indent=1) if args.json else found)
    if args.figure:
        from reference.audit.figure import figure_batch

        figure_batch(found.batch, tokenizer=tokenizer).savefig(Path(args.figure))
    return 1 if found.faults else 0
