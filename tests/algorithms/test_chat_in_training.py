"""What a chat template that does not fit means for a run: refused before there is a folder, or trained on as sampled."""

import copy
import random
import warnings
from dataclasses import replace

import pytest
import torch
from chat_families import CHATML, FAMILIES, family, marked, speaking
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, ByT5Tokenizer, LlamaConfig, PreTrainedTokenizerFast

from reference.__main__ import main
from reference.algorithms.pairs import encode_pairs
from reference.algorithms.recipes import RECIPES
from reference.algorithms.rl import train_rl
from reference.algorithms.supervised import draw_demonstrations, train_sft
from reference.engines.trl.trainer import run_trl
from reference.objectives import InputError
from reference.world.rollout import encode_prompts
from reference.world.tasks import draw_problem

pytestmark = pytest.mark.slow

OUTSIDE = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKING = OUTSIDE.replace("{% endgeneration %}", "<|end|>{% endgeneration %}").replace(
    "<|assistant|>{% endif %}", "<|assistant|><think>\n{% endif %}"
)
NO_BLOCK = OUTSIDE.replace("{% generation %}", "").replace("{% endgeneration %}", "")


def folder_of(tokenizer, path):
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def command(recipe: str, model, out, *more: str) -> list[str]:
    fewer = ["--steps", "1", "--prompts-per-step", "2", "--eval-problems", "2", "--eval-samples", "1"]
    return ["train", recipe, "--model", str(model), "--out", str(out), "--device", "cpu", *fewer, *more]


REFUSED = {
    "behind {% endgeneration %}, so imitation would never teach the model to stop": OUTSIDE,
    "ends in '<think>\\n', which the assistant's turn does not begin with": THINKING,
    "does not mark the assistant's tokens": NO_BLOCK,
}


@pytest.mark.parametrize("message", REFUSED)
@pytest.mark.parametrize(
    ("recipe", "more"),
    [("sft", ()), ("sft", ("--engine", "trl")), ("grpo", ("--sft-coef", "0.1", "--group-size", "2"))],
)
def test_imitation_is_refused_before_there_is_a_run_folder(base, message, recipe, more, tmp_path, capsys):
    model = folder_of(speaking(base[1], REFUSED[message]), tmp_path / "model")
    assert main(command(recipe, model, tmp_path / "run", *more)) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("message", REFUSED)
def test_reinforcement_learning_needs_no_marks(base, message, tmp_path):
    model = folder_of(speaking(base[1], REFUSED[message]), tmp_path / "model")
    few = ("--group-size", "2", "--max-new-tokens", "4")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*chat template.*")
        assert main(command("grpo", model, tmp_path / "run", *few)) == 0
    assert (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("recipe", ["grpo", "sft"])
def test_a_run_warns_once_of_what_can_work(base, recipe, tmp_path):
    """A run loads the model twice, imitation looks at its template twice more."""
    made = speaking(base[1], OUTSIDE.replace("{% if add_generation_prompt %}<|assistant|>{% endif %}", ""))
    made.chat_template = made.chat_template.replace("{% endgeneration %}", "<|end|>{% endgeneration %}")
    few = ("--group-size", "2", "--max-new-tokens", "4") if recipe == "grpo" else ()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        assert main(command(recipe, folder_of(made, tmp_path / "model"), tmp_path / "run", *few)) == 0
    messages = [str(warning.message) for warning in shown if "chat template" in str(warning.message)]
    assert "nothing where add_generation_prompt is set" in messages.pop(0)
    assert len(messages) == (recipe == "sft") and all(
        "between the generation prompt and {% generation" in t for t in messages
    )


def with_another_end(tokenizer):
    """As Qwen2.5 base: the template closes turns with <|im_end|>, and only <|endoftext|> ends a completion."""
    tokens = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
    return speaking(tokenizer, marked(CHATML), tokens=tokens, eos="<|endoftext|>")


@pytest.mark.parametrize(
    ("recipe", "more"),
    [("sft", ()), ("sft", ("--engine", "trl")), ("grpo", ("--sft-coef", "0.1", "--group-size", "2"))],
)
@pytest.mark.filterwarnings("ignore:the chat template closes")
def test_an_end_that_is_never_learned_is_refused_before_there_is_a_run_folder(base, recipe, more, tmp_path, capsys):
    model = folder_of(with_another_end(base[1]), tmp_path / "model")
    assert main(command(recipe, model, tmp_path / "run", *more)) == 2
    assert "closes the assistant's turn with <|im_end|>" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_base_model_that_ends_with_a_token_of_its_own_is_trained_by_reinforcement(base, tmp_path):
    """With a warning, no more: it writes <|endoftext|> by itself, or learns to."""
    model = folder_of(with_another_end(base[1]), tmp_path / "model")
    few = ("--group-size", "2", "--max-new-tokens", "4")
    with pytest.warns(UserWarning, match=r"closes the assistant's turn with <\|im_end\|>.*of its own accord"):
        assert main(command("grpo", model, tmp_path / "run", *few)) == 0
    assert (tmp_path / "run" / "metrics.jsonl").exists()


def test_each_loop_itself_refuses_a_turn_whose_end_is_not_learned(base, tmp_path):
    model, tokenizer = copy.deepcopy(base[0]), speaking(base[1], OUTSIDE)
    parts = model, tokenizer, torch.optim.SGD(model.parameters(), lr=0.0)
    mixed = replace(RECIPES["grpo"], sft_coef=0.1)
    for train in (
        lambda: train_sft(*parts, RECIPES["sft"], on_step=lambda step, m: True),
        lambda: train_rl(*parts, mixed, on_step=lambda step, m: True),
        lambda: run_trl(RECIPES["sft"], model=model, tokenizer=tokenizer, out=tmp_path),
    ):
        with pytest.raises(InputError, match="never teach the model to stop"):
            train()


def test_a_tokenizer_in_python_trains_by_reinforcement_and_is_refused_for_imitation(tmp_path, capsys):
    model = folder_of(ByT5Tokenizer(), tmp_path / "model")
    few = ("--group-size", "2", "--max-new-tokens", "4")
    assert main(command("sft", model, tmp_path / "sft")) == 2
    assert "ByT5Tokenizer does not tell which characters" in capsys.readouterr().err
    assert not (tmp_path / "sft").exists()
    assert main(command("grpo", model, tmp_path / "grpo", *few)) == 0
    with pytest.raises(InputError, match="ByT5Tokenizer does not tell which characters"):
        draw_demonstrations(ByT5Tokenizer(), random.Random(0), RECIPES["sft"])


# --- written pairs are tokens as sampled ones are ---


@pytest.mark.parametrize("name", FAMILIES)
def test_a_written_completion_ends_as_a_turn_does(base, name):
    """Gemma's tokenizer has another EOS than its turns, Llama 3's too: a sampled completion ends with the turn's."""
    made, ends = family(base[1], name, marks=False)
    problem = draw_problem(random.Random(0))
    rows = encode_pairs(made, [problem], [("Answer: 1", "Answer: 22")]).completions
    prompt = encode_prompts(made, [problem])[0]
    closed = {"llama3": "<|eot_id|>", "gemma": "<end_of_turn>"}.get(name, made.eos_token)
    for tokens, attended, text in zip(rows.tokens, rows.attention_mask, ("Answer: 1", "Answer: 22"), strict=True):
        real = tokens[attended].tolist()
        assert real[: len(prompt)] == prompt and real.count(made.bos_token_id) == (made.bos_token is not None)
        assert made.decode(real[len(prompt) :]) == text + closed and real[-1] in ends


def test_a_written_completion_has_no_space_that_only_begins_a_text():
    """SentencePiece puts a space in front of a text; the completion is not one by itself, it follows the prompt."""
    words = ["<unk>", "</s>", "<pad>", "▁", *"0123456789"]
    backend = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    made.chat_template = (
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}"
    )
    assert made.tokenize("7", add_special_tokens=False) == ["▁", "7"]
    rows = encode_pairs(made, [draw_problem(random.Random(0))], [("7", "8")]).completions
    completions = [made.convert_ids_to_tokens(row[rows.prompt_width :].tolist()) for row in rows.tokens]
    assert completions == [["7", "</s>"], ["8", "</s>"]]
