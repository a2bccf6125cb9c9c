"""``audit`` of tensors by name, its report, and the command: what they say, refuse and return."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from made import made
from safetensors.torch import save_file

from reference.__main__ import main
from reference.audit import audit, checks_groups, checks_layout, checks_logprobs, checks_mask, checks_rewards
from reference.audit.advice import ADVICE
from reference.audit.auditing import CHECKS
from reference.audit.files import read_tensors
from reference.audit.finding import finding, places, rows_named, worst
from reference.objectives import InputError

ROOT = Path(__file__).parents[2]
TOKENS = torch.tensor([[20, 20, 3, 40, 41, 1], [20, 3, 40, 1, 0, 0]])
LABELS = torch.tensor([[-100, -100, -100, 40, 41, 1], [-100, -100, 40, 1, -100, -100]])
GOOD = {"input_ids": TOKENS, "attention_mask": TOKENS != 0, "labels": LABELS}
BAD = GOOD | {"labels": torch.where(TOKENS == 1, -100, LABELS)}


def test_places_are_told_by_row_and_column():
    marked = torch.tensor([[False, False, True], [True, False, True]])
    assert places(marked, start=4) == "3 tokens in 2 of 2 rows, the first in row 0, column 6"
    assert rows_named(torch.arange(8) > 1) == "6 of 8 rows: 2, 3, 4, 5, 6, ..."
    assert (
        worst(torch.tensor([[1.0, -9.0], [3.0, -4.0]]), torch.tensor([[True, False], [True, True]]))
        == "the worst in row 1, column 1"
    )


def test_a_note_gives_no_advice_and_a_fault_does():
    assert finding("end", "note", "x").do == "" and finding("end", "fault", "x").do == ADVICE["end"].do


def test_every_check_has_advice_and_a_lesson_that_is_there():
    modules = (checks_groups, checks_layout, checks_logprobs, checks_mask, checks_rewards)
    folder = Path(checks_mask.__file__).parent
    used = {
        name for file in folder.glob("checks_*.py") for name in re.findall(r'finding\(\s*"(\w+)"', file.read_text())
    }
    assert len(modules) == 5 and used == ADVICE.keys()
    for advice in ADVICE.values():
        assert (ROOT / "notebooks" / f"{advice.lesson}.ipynb").is_file(), advice.lesson
        assert advice.why.endswith(".") and advice.do.endswith(".")


def test_names_of_checks_are_told_apart():
    assert len({name for name, _, _ in CHECKS}) == len(CHECKS)


def test_a_good_batch_has_no_fault_and_a_bad_one_has_its_place():
    assert not audit(GOOD).faults
    (fault,) = audit(BAD).faults
    assert fault.check == "end" and fault.where == "2 tokens in 2 of 2 rows, the first in row 0, column 5"


def test_what_could_not_be_looked_at_is_said():
    found = audit(GOOD)
    assert found.skipped["ratio at the first step"] == "logprobs and old_logprobs"
    assert "EOS in the loss" not in found.skipped
    without = audit({"input_ids": TOKENS, "labels": LABELS})
    assert without.skipped["EOS in the loss"] == "pad_token_id or attention_mask"


def test_a_batch_that_is_one_already_is_taken_as_it_is():
    assert not audit(made("qqocce", "qocce_")).faults
    assert {
        fault.check
        for fault in audit(made("qqocce", "qocce_", loss=("111111", "111110")), numbers={"prompt_width": 2}).faults
    } == {"prompt"}


def test_the_report_says_the_worst_first_and_where_to_read_on():
    text = str(audit(BAD))
    assert text.startswith("A batch: 2 rows of 6 tokens; 3 of 10 slots, from column 1 on, are in the loss.\n")
    assert "FAULT: The EOS that ends a row is not in the loss." in text
    assert "notebooks/00_everything_is_a_masked_loss.ipynb" in text
    assert text.index("FAULT") < text.index("Not looked at")
    assert "1 fault, 0 doubts" in text and "No fault was found" in str(audit(GOOD))
    assert max(map(len, text.splitlines())) <= 110


def test_words_of_a_file_cannot_harm_a_terminal():
    text = str(audit(GOOD | {"\x1b[31mred": torch.ones(1)}))
    assert "\x1b" not in text and "\\x1b[31mred" in text


@pytest.mark.parametrize(
    ("batch", "options", "says"),
    [
        ([1, 2], {}, "a dictionary of tensors"),
        ({}, {}, "no token ids"),
        (GOOD, {"numbers": {"padding": 0}}, "expected one of num_tokens, pad_token_id"),
        (GOOD, {"numbers": {"eos_token_id": -1}}, "expected a whole number from 0 on"),
        (GOOD, {"numbers": {"eos_token_id": float("inf")}}, "expected a whole number from 0 on"),
        (GOOD, {"names": {"mask": "none"}}, "'none'"),
        ({"input_ids": TOKENS.to_sparse()}, {}, "is sparse"),
        ({"input_ids": TOKENS.to("meta")}, {}, "is without data"),
        (GOOD | {"advantages": torch.ones(2, 6, dtype=torch.complex64)}, {}, "is complex"),
        ({"input_ids": TOKENS * float("nan")}, {}, "expected token ids"),
        ({"input_ids": TOKENS[:, :0]}, {}, "at least one token"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_sentence(batch, options, says):
    with pytest.raises(InputError, match=re.escape(says)):
        audit(batch, **options)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (3, 2)])
@pytest.mark.parametrize("kind", ["zeros", "nan", "ones"])
def test_no_check_falls_over_small_or_strange_tensors(shape, kind):
    tokens = torch.ones(shape, dtype=torch.long)
    number = {"zeros": 0.0, "nan": float("nan"), "ones": 1.0}[kind]
    names = (
        "logprobs",
        "old_logprobs",
        "ref_logprobs",
        "sampler_logprobs",
        "advantages",
        "returns",
        "values",
        "token_rewards",
        "entropy",
    )
    tables = {name: torch.full(shape, number) for name in names}
    for mask in (torch.ones(shape), torch.zeros(shape)):
        batch = {"tokens": tokens, "attention_mask": mask, "mask": mask, "start": torch.tensor(0), "rewards": torch.full(shape[:1], number), "group": torch.arange(shape[0]) // 2}  # fmt: skip
        markers = {
            "pad_token_id": 1,
            "eos_token_id": 1,
            "assistant_start": 1,
            "tool_start": 1,
            "call_start": 1,
            "num_tokens": 3,
        }
        assert "slots" in str(audit(batch | tables))
        assert "slots" in str(audit(batch | tables, numbers=markers))


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "batches").iterdir()), ids=lambda file: file.stem)
def test_batches_that_frameworks_made_have_no_fault_but_the_sampler_that_was_made_up(file):
    """Their recorder gives the sampler log-probs of its own, several nats from those of the policy."""
    found = audit(read_tensors(str(file)))
    assert {fault.check for fault in found.faults} <= {"engines"}
    assert found.batch.source == file.stem.partition("-")[0].removesuffix("_rl")


# ---- the command -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    def write(batch: dict) -> str:
        save_file({name: value.contiguous() for name, value in batch.items()}, tmp_path / "batch.safetensors")
        return str(tmp_path / "batch.safetensors")

    return write


def test_the_exit_code_says_whether_there_is_a_fault(file, capsys, tmp_path):
    assert main(["audit", file(GOOD)]) == 0
    assert "No fault was found" in capsys.readouterr().out
    assert main(["audit", file(BAD)]) == 1
    assert capsys.readouterr().out.strip() == str(audit(BAD))
    assert main(["audit", str(tmp_path / "none")]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_the_object_of_json(file, capsys):
    assert main(["audit", file(BAD), "--json", "--num-tokens", "3"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["time"], found["in_loss"]) == (2, 6, 3)
    assert found["findings"][0]["check"] == "end" and found["findings"][0]["level"] == "fault"
    assert found["numbers"] == {"num_tokens": 3.0}


def test_names_and_ids_are_taken_from_the_command_line(file, capsys):
    renamed = {"x": TOKENS, "m": LABELS != -100}
    assert main(["audit", file(renamed)]) == 2
    assert "no token ids among the keys m, x" in capsys.readouterr().err
    options = ["--name", "tokens=x", "--name", "mask=m", "--pad-token-id", "0", "--eos-token-id", "1"]
    assert main(["audit", file(renamed), *options]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["audit", file(renamed), "--name", "tokens"])
    assert end.value.code == 2 and "is not NAME=KEY" in capsys.readouterr().err


def test_the_help_has_the_exit_codes_and_says_how_to_save_a_batch(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    text = capsys.readouterr().out
    for words in ("exit code: 0", "TRL", "verl", "OpenRLHF", "batch_tensors(", "--name old_logprobs=my_key"):
        assert words in text


@pytest.mark.slow
def test_ids_that_a_model_does_not_have_are_refused(base):
    large = GOOD | {"input_ids": TOKENS + 10**6, "old_log_probs": -torch.ones(2, 6)}
    large["labels"] = large["input_ids"]
    with pytest.raises(InputError, match="the model has 384 embeddings"):
        audit(large, model=base[0])


@pytest.mark.slow
def test_a_model_gives_ids_words_and_scores(file, capsys, tmp_path):
    picture = tmp_path / "batch.png"
    main(["audit", file(BAD | {"old_log_probs": -torch.ones(2, 6)}), "--model", "base", "--figure", str(picture)])
    assert "differ from those of the model" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_lists_and_arrays_of_numbers_are_read_as_tensors():
    rows = {"input_ids": [[5, 6, 7, 1], [5, 8, 1, 0]], "labels": [[-100, 6, 7, 1], [-100, 8, 1, -100]]}
    numbers = {"pad_token_id": 0, "eos_token_id": 1}
    found = audit(rows | {"attention_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]], dtype=np.int32)}, numbers=numbers)
    assert found.batch.mask.sum() == 5 and found.faults == ()
    with pytest.raises(InputError, match="input_ids has rows of unequal length: pad them"):
        audit({"input_ids": [[5, 6], [5]]})
    with pytest.raises(InputError, match="no token ids"):
        audit({"input_ids": [["a", "b"]]})
