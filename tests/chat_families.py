"""Small tokenizers with the chat templates of real families, written by hand: none can be downloaded in a test."""

import copy

from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

# (tokens of their own, EOS of the tokenizer, all that end a completion, what the tokenizer adds by itself, template).
# [[ and ]] stand for the generation block, which hub templates do not have: `unmarked` takes them out.
CHATML = (
    "{%- if messages[0]['role'] != 'system' %}{{- '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if message.role == 'assistant' %}{{- '<|im_start|>assistant\n' }}"
    "[[{{- message.content + '<|im_end|>' }}]]{{- '\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
LLAMA3 = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{%- if message['role'] == 'assistant' %}[[{{- message['content'] | trim + '<|eot_id|>' }}]]"
    "{%- else %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' }}"
    "{% if role == 'model' %}[[{{ message['content'] | trim + '<end_of_turn>\n' }}]]"
    "{% else %}{{ message['content'] | trim + '<end_of_turn>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
LLAMA2 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% else %}[[{{ ' ' + message['content'].strip() + ' ' + eos_token }}]]{% endif %}{% endfor %}"
)
QWEN3 = (  # as TRL patches it for training: the empty thoughts are the assistant's own words
    "{%- for message in messages %}{%- if message.role == 'assistant' %}{{- '<|im_start|>assistant\n' }}"
    "[[{{- '<think>\n\n</think>\n\n' + message.content.split('</think>')[-1].lstrip('\n') + '<|im_end|>' }}]]{{- '\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<|User|>' + message['content'] }}{% else %}{{ '<|Assistant|>' }}"
    "[[{{ message['content'].split('</think>')[-1] + eos_token }}]]{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|>' }}{% endif %}"
)
IM, HEADERS = (
    ("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
    ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
)
FAMILIES = {
    "qwen2.5": (IM, "<|im_end|>", ("<|im_end|>", "<|endoftext|>"), (), CHATML),
    "qwen3": ((*IM, "<think>", "</think>"), "<|im_end|>", ("<|im_end|>", "<|endoftext|>"), (), QWEN3),
    "llama3": ((*HEADERS, "<|begin_of_text|>", "<|end_of_text|>"), "<|end_of_text|>",
               ("<|end_of_text|>", "<|eot_id|>"), ("<|begin_of_text|>",), LLAMA3),
    "gemma": (("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<eos>",
              ("<eos>", "<end_of_turn>"), ("<bos>",), GEMMA),
    "llama2": (("<s>", "</s>"), "</s>", ("</s>",), ("<s>",), LLAMA2),
    "deepseek": (("<|begin|>", "<|finish|>", "<|User|>", "<|Assistant|>"), "<|finish|>",
                 ("<|finish|>",), ("<|begin|>",), DEEPSEEK),
}  # fmt: skip


def marked(template: str) -> str:
    return template.replace("[[", "{% generation %}").replace("]]", "{% endgeneration %}")


def unmarked(template: str) -> str:
    return template.replace("[[", "").replace("]]", "")


def assistant_text(tokenizer: PreTrainedTokenizerBase, chat: list[dict]) -> str:
    """What the mask of a chat marks as the assistant's, as text."""
    out = tokenizer.apply_chat_template(chat, return_assistant_tokens_mask=True, return_dict=True)
    return tokenizer.decode([i for i, m in zip(out["input_ids"], out["assistant_masks"], strict=True) if m])


def speaking(
    tokenizer: PreTrainedTokenizerBase,
    template: str | None,
    *,
    tokens: tuple[str, ...] = (),
    eos: str | None = None,
    leading: tuple[str, ...] = (),
    trailing: tuple[str, ...] = (),
) -> PreTrainedTokenizerBase:
    """A copy with other tokens and another template, which puts ``leading`` and ``trailing`` around every text."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_tokens([AddedToken(token, special=True) for token in tokens])
    if eos:
        tokenizer.eos_token = eos
    if leading:
        tokenizer.bos_token = leading[0]
    if leading or trailing:
        known = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (*leading, *trailing)]
        single = " ".join([*leading, "$A", *trailing])
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=known)
    tokenizer.chat_template = template
    return tokenizer


def family(tokenizer: PreTrainedTokenizerBase, name: str, *, marks: bool) -> tuple[PreTrainedTokenizerBase, list[int]]:
    """A tokenizer of that family and the ids that end its completions."""
    tokens, eos, ends, leading, template = FAMILIES[name]
    template = marked(template) if marks else unmarked(template)
    made = speaking(tokenizer, template, tokens=tokens, eos=eos, leading=leading)
    return made, made.convert_tokens_to_ids(list(ends))
