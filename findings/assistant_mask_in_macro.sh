#!/usr/bin/env bash
# transformers: in a macro, or as the first token, {% generation %} marks other tokens than those inside it.
#
# One would guess: return_assistant_tokens_mask=True marks the tokens between {% generation %} and {% endgeneration %},
# however the template is written; a turn moved into a macro (or {% set %}...{% endset %}, {% filter %}) renders the same
# text, so it has the same mask.
#
# Seen: the block's place is counted from what the template has printed so far, and what its macro has printed before the
# block is not yet among that. The mask moves to the left by the length of the header: here it holds the header, and
# neither the words nor the end of the turn. And where the block is one token, the first of the text, all tokens are
# marked, the user's too (its last token is number 0, which is read as "not found"). Nothing warns in either case.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check transformers==5.23.0 jinja2==3.1.6
fi
cd "$folder"
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$python" -W ignore - <<'PROGRAM'
import sys
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

print(f"transformers {transformers.__version__}")
words = ["<unk>", "<|user|>", "<|assistant|>", "<|end|>", "hello", "yes", "no"]
backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="<|end|>",
                                    extra_special_tokens=["<|user|>", "<|assistant|>"])
CHAT = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes"}]
SAID = "<|{{ m.role }}|>{% generation %}{{ m.content }}<|end|>{% endgeneration %}"
HEARD = "<|{{ m.role }}|>{{ m.content }}<|end|>"
LOOP = "{% for m in messages %}{% if m.role == 'assistant' %}TURN{% else %}" + HEARD + "{% endif %}{% endfor %}"
TEMPLATES = {
    "in the loop": LOOP.replace("TURN", SAID),
    "in a macro": "{% macro turn(m) %}" + SAID + "{% endmacro %}" + LOOP.replace("TURN", "{{ turn(m) }}"),
    "in a set block": LOOP.replace("TURN", "{% set turn %}" + SAID + "{% endset %}{{ turn }}"),
    "in a filter block": LOOP.replace("TURN", "{% filter trim %}" + SAID + "{% endfilter %}"),
}


def marked(template, chat):
    tokenizer.chat_template = template
    out = tokenizer.apply_chat_template(chat, return_assistant_tokens_mask=True, return_dict=True)
    tokens = tokenizer.convert_ids_to_tokens(out["input_ids"])
    return tokens, [token for token, m in zip(tokens, out["assistant_masks"]) if m]


seen = {name: marked(template, CHAT) for name, template in TEMPLATES.items()}
for name, (tokens, kept) in seen.items():
    print(f"{name:18} text {' '.join(tokens)}   marked: {' '.join(kept)}")
plain = "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}" \
        "{% else %}{{ m.content }}{% endif %} {% endfor %}"
tokens, kept = marked(plain, [{"role": "assistant", "content": "hello"}, {"role": "user", "content": "no"}])
print(f"{'the first token':18} text {' '.join(tokens)}   marked: {' '.join(kept)}")

shifted = all(seen[name] == (seen["in the loop"][0], ["<|assistant|>"]) for name in list(TEMPLATES)[1:])
if seen["in the loop"][1] != ["yes", "<|end|>"] or not shifted or kept != ["hello", "no"]:
    sys.exit("this has changed: the mask is no longer what is described")
print("as described: the same text, and another mask")
PROGRAM
