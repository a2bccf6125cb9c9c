#!/usr/bin/env bash
# lm-eval: completions without an answer vote, and win with the text "[invalid]".
#
# One would guess: maj@k of gsm8k_cot_self_consistency is the most frequent answer, and who gives none does not vote. So
# does the paper (2203.11171), which votes on answers.
#
# Seen: the filter counts texts. A completion without a match counts as the text "[invalid]": four of eight without an
# answer win against three that say 72, and the problem is wrong. "1,234" and "1234" are two candidates, although exact_match
# calls them equal: four right answers in two ways of writing lose against three wrong ones. A tie goes to whichever came first.
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
folder = files("lm_eval").joinpath("tasks/gsm8k")
task = yaml.safe_load((folder / "gsm8k-cot-self-consistency.yaml").read_text())
task = yaml.safe_load((folder / task["include"]).read_text()) | task
(maj,) = (each for each in task["filter_list"] if each["name"] == "maj@8")
(metric,) = task["metric_list"]
options = {name: metric[name] for name in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}


def judged(what, gold, **completions):
    """The vote of eight completions, given as the text and how often it comes."""
    texts = [text for text, times in completions.values() for _ in range(times)]
    assert len(texts) == 8
    instance = Instance("generate_until", {}, (), 0, resps=texts)
    steps = [(step["function"], {k: v for k, v in step.items() if k != "function"}) for step in maj["filter"]]
    build_filter_ensemble("maj@8", steps).apply([instance])
    found = instance.filtered_resps["maj@8"]
    score = float(get_metric("exact_match")(references=[gold], predictions=[found], **options)["exact_match"])
    print(f"{what:40} gold {gold:5} vote {found!r:12} exact_match {score}")
    return found, score


as_seen = [
    judged("4 without an answer, 3 right, 1 wrong", "72", none=("I do not know.", 4), right=("The answer is 72.", 3), wrong=("The answer is 7.", 1)),
    judged("2 and 2 right, 3 wrong, 1 without", "1234", comma=("The answer is 1,234.", 2), plain=("The answer is 1234.", 2),
           wrong=("The answer is 9.", 3), none=("I do not know.", 1)),
    judged("4 wrong, then 4 right", "72", wrong=("The answer is 71.", 4), right=("The answer is 72.", 4)),
    judged("4 right, then 4 wrong", "72", right=("The answer is 72.", 4), wrong=("The answer is 71.", 4)),
] == [("[invalid]", 0.0), ("9", 0.0), ("71", 0.0), ("72", 1.0)]
sys.exit(0 if as_seen else 1)
PROGRAM
