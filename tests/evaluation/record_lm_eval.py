"""Let lm-evaluation-harness itself judge our completions, and write fixtures/lm-eval-VERSION.json.

In an environment of its own, from the root of the repository; no data set and no model is loaded:

    python3.11 -m venv /tmp/lm-eval && /tmp/lm-eval/bin/pip install lm-eval==0.4.13
    PYTHONPATH=. /tmp/lm-eval/bin/python tests/evaluation/record_lm_eval.py

The filters and the metric are the package's own, with the settings of its task file gsm8k.yaml. For another version,
change the number, delete the old fixture and read the diff: one record a line. ``test_extractors.py`` compares.
"""

import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_metric
from lm_eval.filters import build_filter_ensemble

from reference.evaluation.judged_answers import JUDGED

MORE = [  # corners of the two patterns and of the normalisation, of no interest to a reader of the table
    ("", "72"), ("####$72", "72"), ("####  72", "72"), ("#### 71\n#### 72", "71"), ("#### -72.5", "-72.5"), ("#### .", ""),
    ("#### 1,234", "1234"), ("#### 1,234", "1,234"), ("#### 12..", "12"), ("#### 12.", "12."), ("#### 72 apples", "72"),
    ("$18.00", "18"), ("$18.00", "$18.00"), ("$", "72"), ("$ 5", "5"), ("-5", "-5"), ("--5", "-5"), ("-$5", "-5"), ("5-", "5"),
    ("72", "5 + 67 = 72\n#### 72"), ("72", "#### 72."), ("72.", "72"), ("72..", "72."), ("1e5", "5"), ("E", "e"), ("8", "8"),
    ("7 2", "2"), ("3.14 and 2", "2"), ("2 and 3.14", "3.14"), ("a1b2", "2"), ("...", "."), (",,", ""), ("72\n", "72\n"),
]  # fmt: skip


def task() -> dict:
    return yaml.safe_load(files("lm_eval").joinpath("tasks/gsm8k/gsm8k.yaml").read_text())


def filtered(config: dict, text: str) -> dict[str, str]:
    """What each filter of the task takes from the text."""
    instance = Instance("generate_until", {}, (), 0, resps=[text])
    for each in config["filter_list"]:
        steps = [(f["function"], {k: v for k, v in f.items() if k != "function"}) for f in each["filter"]]
        build_filter_ensemble(each["name"], steps).apply([instance])
    return instance.filtered_resps


def judged(config: dict, text: str, gold: str) -> dict:
    """The record of one text: for each filter what it takes, and whether exact_match calls that the gold answer."""
    (metric,) = config["metric_list"]
    unused = ("metric", "aggregation", "higher_is_better")
    options = {name: value for name, value in metric.items() if name not in unused}
    record: dict = {"text": text, "gold": gold}
    for name, found in filtered(config, text).items():
        score = get_metric(metric["metric"])(references=[gold], predictions=[found], **options)
        record[name] = [found, bool(score["exact_match"])]
    return record


if __name__ == "__main__":
    config = task()
    records = [judged(config, *pair) for pair in [*((text, gold) for text, gold, _ in JUDGED), *MORE]]
    path = Path(__file__).parent / "fixtures" / f"lm-eval-{version('lm-eval')}.json"
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text(f'{{"task": "gsm8k", "version": {config["metadata"]["version"]}, "records": [\n{lines}\n]}}\n')
    print(path, len(records))
