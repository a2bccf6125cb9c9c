"""Makes the logs in fixtures/ with the frameworks' own trainers and loggers, on a random model of two thousand weights.

    python tests/doctor/record_logs.py trl                      # with the packages of requirements.txt
    .oracles/verl-0.9.1/bin/python tests/doctor/record_logs.py verl

The other frameworks need a GPU to train; their loggers are TensorBoard's, which the tests call themselves.
"""

import contextlib
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "fixtures"
TEXT = ["one two", "two one", "one one", "two two"]


def tiny(classes):
    """A model and a tokenizer of five words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = ["<pad>", "</s>", "<unk>", "one", "two"]
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        pad_token_id=0, eos_token_id=1, bos_token_id=None, num_labels=1,
    )  # fmt: skip
    return classes(config), tokenizer


def rows_of(kind):
    """A data set for a trainer."""
    pairs = [{"prompt": text, "chosen": "one one", "rejected": "two"} for text in TEXT]
    labelled = [{"prompt": a, "completion": b, "label": a == b} for a in TEXT for b in TEXT[:2]]
    prompts = [{"prompt": text} for text in TEXT]
    return {"SFT": [{"text": text} for text in TEXT], "DPO": pairs, "Reward": pairs, "KTO": labelled}.get(kind, prompts)


def trl_log(kind, out, **options):
    """Train for a few steps with a trainer of TRL, and save its state."""
    import trl
    from datasets import Dataset
    from transformers import LlamaForCausalLM, LlamaForSequenceClassification

    model, tokenizer = tiny(LlamaForSequenceClassification if kind == "Reward" else LlamaForCausalLM)
    model.save_pretrained(f"{out}/start")  # where TRL finds the reference again
    model = type(model).from_pretrained(f"{out}/start")
    more = {"processing_class": tokenizer}
    if kind in ("GRPO", "RLOO"):
        options = {"num_generations": 4, "max_completion_length": 4} | options
        more["reward_funcs"] = lambda completion_ids, **_: [float(ids.count(3)) for ids in completion_ids]
    args = getattr(trl, f"{kind}Config")(
        out, use_cpu=True, disable_tqdm=True, save_strategy="no", bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=8, **{"report_to": "none", "logging_steps": 1, "learning_rate": 0.01} | options,
    )  # fmt: skip
    if options.get("eval_strategy"):
        more["eval_dataset"] = Dataset.from_list(rows_of(kind))
    trainer = getattr(trl, f"{kind}Trainer")(
        model, args=args, train_dataset=Dataset.from_list(rows_of(kind) * 4), **more
    )
    with contextlib.redirect_stdout(sys.stderr):
        trainer.train()
    trainer.save_state()
    return Path(out)


def record_trl():
    """fixtures/trl_*.json, as save_state writes them, with the versions put in."""
    versions = {name: importlib.metadata.version(name) for name in ("trl", "transformers")}
    runs = {
        "grpo": ("GRPO", {"max_steps": 4, "num_iterations": 2, "beta": 0.1}),
        "grpo_two": ("GRPO", {"max_steps": 5, "logging_steps": 2}),
        "grpo_batch": ("GRPO", {"max_steps": 3, "scale_rewards": "batch"}),
        "rloo": ("RLOO", {"max_steps": 3}),
        "dpo": ("DPO", {"max_steps": 3}),
        "kto": ("KTO", {"max_steps": 3}),
        "reward": ("Reward", {"max_steps": 3}),
        "sft": ("SFT", {"max_steps": 5, "logging_steps": 2, "eval_strategy": "steps", "eval_steps": 2}),
    }
    for name, (kind, options) in runs.items():
        with tempfile.TemporaryDirectory() as out:
            state = json.loads((trl_log(kind, out, **options) / "trainer_state.json").read_text())
        (FOLDER / f"trl_{name}.json").write_text(json.dumps({"versions": versions} | state, indent=1) + "\n")


def record_verl():
    """fixtures/verl_*: the file logger and the console, of what verl's own function makes of a batch."""
    import io

    import torch
    from tensordict import TensorDict
    from verl import DataProto
    from verl.trainer.ppo.metric_utils import compute_data_metrics

    os.environ["VERL_FILE_LOGGER_PATH"] = str(FOLDER / "verl.jsonl")
    from verl.utils.tracking import Tracking

    console = io.StringIO()
    with contextlib.redirect_stdout(console):
        logger = Tracking("project", "run", ["file", "console"])
        for step in range(1, 4):
            mask = (torch.arange(5) < torch.tensor([[3], [5], [2], [4]])).float()
            scores = torch.zeros(4, 5)
            scores[:step, 0] = 1.0
            batch = {"prompts": torch.ones(4, 2), "responses": torch.ones(4, 5), "response_mask": mask}
            batch |= {
                "advantages": mask * 0.5,
                "returns": mask,
                "token_level_scores": scores,
                "token_level_rewards": scores,
            }
            batch["attention_mask"] = torch.cat([torch.ones(4, 2), mask], dim=1)
            metrics = compute_data_metrics(DataProto(batch=TensorDict(batch, batch_size=[4])), use_critic=False)
            metrics |= {"actor/grad_norm": float("nan") if step == 3 else 0.5, "actor/ppo_kl": -0.01, "actor/lr": 1e-6}
            metrics["version"] = importlib.metadata.version("verl")
            logger.log(metrics, step=step)
        logger.finish()
    (FOLDER / "verl_console.txt").write_text(console.getvalue().split("\n", 1)[1])


if __name__ == "__main__":
    {"trl": record_trl, "verl": record_verl}[sys.argv[1]]()
