#!/usr/bin/env bash
# lm-eval: the strict score of gsm8k_cot loses the last digit of an answer that ends the completion.
#
# One would guess: strict-match wants the form "The answer is 72." of the examples, and its full stop may be there or not.
#
# Seen: the pattern ends in a dot that is not escaped, `The answer is (\-?[0-9\.\,]+).`, so it wants one more character,
# whichever. Without a full stop that is the last digit: 72 becomes 7, and 8 becomes [invalid]. With a gold answer of 7,
# "The answer is 72" is right. A line break is not enough either: a dot does not match it.
#
# The filters and the metric are lm-eval's own, with the settings of its task file. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check lm-eval==0.4.13
fi
cd "$folder"
"$python" - <<'PROGRAM'
import sys
from importlib.metadata import version
from importlib.resources import files

import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_metric
from lm_eval.filters import build_filter_ensemble

print(f"lm-eval {version('lm-eval')}")
task = yaml.safe_load(files("lm_eval").joinpath("tasks/gsm8k/gsm8k-cot.yaml").read_text())
(strict,) = (each for each in task["filter_list"] if each["name"] == "strict-match")
(metric,) = task["metric_list"]
options = {name: metric[name] for name in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}


def judged(text, gold):
    instance = Instance("generate_until", {}, (), 0, resps=[text])
    steps = [(step["function"], {k: v for k, v in step.items() if k != "function"}) for step in strict["filter"]]
    build_filter_ensemble("strict-match", steps).apply([instance])
    found = instance.filtered_resps["strict-match"]
    score = get_metric("exact_match")(references=[gold], predictions=[found], **options)["exact_match"]
    print(f"{text!r:22} gold {gold:5} taken {found!r:12} exact_match {float(score)}")
    return found, float(score)


print(strict["filter"][0]["regex_pattern"])
as_seen = [
    judged("The answer is 72.", "72") == ("72", 1.0),
    judged("The answer is 72", "72") == ("7", 0.0),
    judged("The answer is 72\n", "72") == ("7", 0.0),
    judged("The answer is 72", "7") == ("7", 1.0),
    judged("The answer is 1,234", "1234") == ("1,23", 0.0),
    judged("The answer is 8", "8") == ("[invalid]", 0.0),
]
sys.exit(0 if all(as_seen) else 1)
PROGRAM
