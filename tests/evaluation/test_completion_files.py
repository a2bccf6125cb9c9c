"""Files of many tools are read, and files that are broken in many ways are survived, with every line accounted for."""

import codecs
import gzip
import json

import pytest
from completion_lines import write

from reference.evaluation import completion_fields as kinds
from reference.evaluation import file_lines
from reference.evaluation.completion_files import read_completions, read_golds
from reference.evaluation.completion_reading import Reading
from reference.evaluation.completion_texts import gold_text
from reference.objectives import InputError

LINE = {"id": 1, "question": "q", "answer": "72", "completion": "so 72"}


def read(path, **fields):
    """All records of a file, and how it was read."""
    reading = Reading(str(path), fields)
    return list(read_completions(reading, progress=False)), reading


def strange(reading):
    """Kinds of trouble with their counts and first lines."""
    return {kind: (n, *reading.trouble.first[kind]) for kind, n in reading.trouble.counts.items()}


CHOICES = [{"message": {"role": "assistant", "content": "so 5"}, "finish_reason": "length"}]
CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": [{"type": "text", "text": "so 5"}]}]
FORMATS = {
    "ours": {"id": 0, "question": "q", "answer": "5", "completions": ["so 5", "6"], "truncated": [False, True],
             "tokens": [3, 1]},
    "lm-eval": {"doc_id": 0, "doc": {"question": "q", "answer": "x #### 5"}, "target": "x #### 5",
                "resps": [["so 5", "6"]], "filtered_resps": ["5"], "filter": "strict-match"},
    "lighteval": {"doc": {"query": "q", "choices": ["4", " 5"], "gold_index": 1},
                  "model_response": {"text": ["so 5", "6"]}},
    "GSM8K": {"question": "q", "answer": "2 + 3 = <<2+3=5>>5\n#### 5", "response": "so 5"},
    "MATH": {"problem": "q", "solution": "It is $\\boxed{5}$.", "generated_text": "so 5"},
    "verl": {"input": "q", "output": "so 5", "gts": "5", "score": 1.0, "step": 3},
    "verl prompts": {"prompt": [{"role": "user", "content": "q"}], "responses": ["so 5"],
                     "reward_model": {"style": "rule", "ground_truth": "5"}},
    "TRL": {"step": 1, "prompt": [{"role": "user", "content": "q"}],
            "completion": [{"role": "assistant", "content": "so 5"}], "solution": "5"},
    "OpenAI batch": {"id": "batch_1", "custom_id": "p", "answer": 5, "response": {"body": {
        "choices": CHOICES, "usage": {"completion_tokens": 7}}}},
    "OpenAI messages": {"messages": CHAT, "answer": "5"},
    "ToRA": {"idx": 0, "question": "q", "gt_cot": "x", "gt": "5", "code": ["so 5"], "pred": ["5"], "report": [None]},
    "Abel": {"id": 0, "prompt": "q", "response": "so 5", "pred": "5", "gold": "5", "result": True},
    "PAL": {"question": "q", "generated_answer": "so 5", "answer": "A: 5", "is_correct": 1},
    "reasoning": {"question": "q", "gold": "5", "reasoning_content": "5?", "content": "so 5"},
    "RAG": {"question": "q", "answer": "so 5", "contexts": [], "ground_truth": "5"},
    "a problem inside": {"index": 0, "gsm8k_data": {"question": "q", "answer": "x #### 5"}, "output_str": "so 5"},
    "metadata": {"Prompt": "q", "generation": {"model": "m", "top_p": 1}, "Response": "so 5", "metadata": {"answer": "5"}},
    "steps": {"question": "q", "ground_truth_answer": 5, "model_output_steps": ["so 5"]},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_the_usual_formats_are_read_without_options(name, tmp_path):
    (record,), reading = read(write(tmp_path / "f.jsonl", FORMATS[name]))
    assert record.completions[0] == "so 5" and record.golds == ("5",)
    assert record.question == ("" if name == "OpenAI batch" else "q")
    assert strange(reading) == {}


def test_the_steps_of_a_solution_are_one_completion(tmp_path):
    row = {"question": "q", "ground_truth_answer": 5, "model_output_steps": ["Step 1: 2 + 3 = 5", "Step 2: #### 5"]}
    (record,), _ = read(write(tmp_path / "f.jsonl", row))
    assert record.completions == ["Step 1: 2 + 3 = 5\nStep 2: #### 5"]


def test_a_gold_is_no_completion_and_of_several_objects_a_name_decides(tmp_path):
    path = write(tmp_path / "f.jsonl", {"question": "q", "answer": "5"})
    with pytest.raises(InputError, match="--completion"):
        read(path)
    solutions = {
        "question": "q",
        "ground_truth": "2 + 3 = 5\nA: 5",
        "6b": {"is_correct": True, "solution": "so 5\nA: 5"},
    }
    path = write(tmp_path / "f.jsonl", solutions)
    with pytest.raises(InputError, match=r"--completion; the first line has question, ground_truth, 6b"):
        read(path)
    (record,), _ = read(path, completion="6b")
    assert record.golds == ("5",) and record.completions == ["so 5\nA: 5"]


def test_flags_and_counts_of_tokens_are_read(tmp_path):
    (ours,), _ = read(write(tmp_path / "f.jsonl", FORMATS["ours"]))
    assert ours.truncated == [False, True] and ours.tokens == [3, 1] and ours.key == "0"
    (batch,), _ = read(write(tmp_path / "f.jsonl", FORMATS["OpenAI batch"]))
    assert batch.truncated == [True] and batch.tokens == [7] and batch.key == "p"  # not the id of the request
    more = [
        {**LINE, "finish_reason": "length"}, {**LINE, "stop_reason": "stop", "completion": "6"},
        {**LINE, "truncated": "true", "completion": "7", "tokens": [11, 12, 13]},
    ]  # fmt: skip
    records, _ = read(write(tmp_path / "f.jsonl", *more))
    assert [record.truncated for record in records] == [[True], [False], [True]]
    assert [record.tokens for record in records] == [None, None, [3]]


def test_flags_of_another_number_than_completions_are_not_read(tmp_path):
    (record,), reading = read(write(tmp_path / "f.jsonl", {**FORMATS["ours"], "truncated": [True]}))
    assert record.truncated == [False, False]
    assert strange(reading) == {kinds.FLAGS_UNUSED: (1, 1)}


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("so 2 #### 1\n#### 72 ", "72"),
        ("\\boxed{1} or \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        (" 72 ", "72"),
        ("", ""),
        ("2 + 70 = <<2+70=72>>72\nA: 72", "72"),
        ("Adding both gives 72. The answer is: 72", "72"),
        ("The answer is blue", "The answer is blue"),
    ],
)
def test_the_gold_is_what_the_solution_ends_in(text, gold):
    assert gold_text(text) == gold


def test_the_first_usable_line_decides_the_fields(tmp_path):
    rows = [{"note": "made today", "completions": []}, {**LINE, "output": "x"}, {"id": 2, "answer": "1", "output": "1"}]
    records, reading = read(write(tmp_path / "f.jsonl", *rows))
    assert [record.line for record in records] == [2]
    assert reading.fields == {"completion": "completion", "id": "id", "question": "question", "answer": "answer"}
    assert strange(reading) == {kinds.NO_COMPLETION: (2, 1, 3)}


def test_a_field_that_is_named_goes_before_the_usual_ones(tmp_path):
    row = {"question": "q", "ground_truth": "#### 1,000", "6b": {"solution": "so 5"}, "completion": "no"}
    (record,), reading = read(write(tmp_path / "f.jsonl", row), completion="6b.solution", id="question")
    assert record.completions == ["so 5"] and record.golds == ("1,000",) and record.key == "q"
    assert reading.fields["completion"] == "6b.solution"


def test_a_number_stays_as_it_is_written(tmp_path):
    line = b'{"id": 1, "answer": 72.50, "completion": 1e3}\n{"id": "1", "answer": 72.50, "completion": 7}\n'
    records, _ = read(write(tmp_path / "f.jsonl", line))
    assert [(r.key, r.golds, r.completions) for r in records] == [("1", ("72.50",), ["1e3"]), ("1", ("72.50",), ["7"])]


def test_lines_without_an_id_belong_to_the_problem_of_their_question(tmp_path):
    rows = [{"question": "a  b", "answer": "1", "completion": "x"}, {"question": "a b\n", "answer": "1", "completion": "y"},
            {"answer": "1", "completion": "z"}]  # fmt: skip
    records, _ = read(write(tmp_path / "f.jsonl", *rows))
    assert [record.key for record in records] == ["a b", "a b", "line 3"]


def test_what_is_strange_between_lines_is_noted(tmp_path):
    rows = [
        LINE, LINE, {**LINE, "answer": "73"}, {**LINE, "question": "other", "completion": "73"},
        {**LINE, "id": 2, "completion": ["1", "2"]}, {**LINE, "id": 2, "completion": ["3", "4"]},
        {**LINE, "id": 3, "completion": None}, {**LINE, "id": 4, "completion": ["a", None, True]},
        {**LINE, "id": 5, "protocol": {"model": "b"}},
    ]  # fmt: skip
    records, reading = read(write(tmp_path / "f.jsonl", *rows))
    assert [record.line for record in records] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert strange(reading) == {
        kinds.REPEATED: (1, 2), kinds.OTHER_GOLD: (1, 3), kinds.OTHER_QUESTION: (1, 4), kinds.SECOND_LIST: (1, 6),
        kinds.OTHER_ID: (5, 5, 6, 7, 8, 9), kinds.NO_TEXT: (2, 7, 8), kinds.OTHER_PROTOCOL: (1, 9),
    }  # fmt: skip
    assert records[5].completions == [""] and records[6].completions == ["a", "", ""]


def test_a_gold_may_be_written_in_another_way(tmp_path):
    rows = [{**LINE, "answer": gold, "completion": gold} for gold in ("1,234", "#### 1234", "1235")]
    records, reading = read(write(tmp_path / "f.jsonl", *rows))
    assert len(records) == 2 and strange(reading) == {kinds.OTHER_GOLD: (1, 3)}


def test_a_list_that_is_copied_is_left_out(tmp_path):
    row = {**LINE, "completion": ["72", "72"]}
    records, reading = read(write(tmp_path / "f.jsonl", row, row))
    assert len(records) == 1 and strange(reading) == {kinds.REPEATED_LIST: (1, 2)}


def test_the_second_filter_of_lm_eval_is_no_second_sample(tmp_path):
    rows = [FORMATS["lm-eval"], {**FORMATS["lm-eval"], "filter": "flexible-extract"}]
    records, reading = read(write(tmp_path / "f.jsonl", *rows))
    assert len(records) == 1 and strange(reading) == {kinds.OTHER_FILTER: (1, 2)}


GOOD = json.dumps(LINE).encode() + b"\n"
DEEP = b"[" * 10_000 + b"]" * 10_000 + b"\n"
HOSTILE = {  # what stands before the good line, and what is said of it
    "nothing": (b"", {}),
    "empty lines": (b"\n \r\n", {file_lines.EMPTY: (2, 1, 2)}),
    "no JSON": (b"oops\n{'a': 1}\n", {file_lines.NOT_JSON: (2, 1, 2)}),
    "no object": (b'"text"\nnull\n5\n', {file_lines.NO_OBJECT: (3, 1, 2, 3)}),
    "lines that are arrays": (b"[1]\n[2]\n", {file_lines.NO_OBJECT: (2, 1, 2)}),
    "zero bytes": (b"\0\0\0\n", {file_lines.NOT_JSON: (1, 1)}),
    "deep nesting": (b'{"a":' + DEEP, {file_lines.NOT_JSON: (1, 1)}),
    "deep objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n", {file_lines.NOT_JSON: (1, 1)}),
    "no gold": (b'{"id": 7, "completion": "x"}\n', {kinds.NO_GOLD: (1, 1)}),
    "gold NaN": (b'{"id": 7, "answer": NaN, "completion": "x"}\n', {kinds.NO_GOLD: (1, 1)}),
    "no completion": (b'{"id": 7, "answer": 1}\n', {kinds.NO_COMPLETION: (1, 1)}),
    "a list of golds that is too short": (
        b'{"id": 7, "doc": {"choices": ["1"], "gold_index": ' + b"9" * 5000 + b'}, "completion": "x"}\n',
        {kinds.NO_GOLD: (1, 1)},
    ),
    "a reason that is a list": (b'{"id": 7, "completion": {"finish_reason": [], "a": 1}}\n', {kinds.NO_GOLD: (1, 1)}),
    "completion true": (b'{"id": 7, "answer": 1, "completion": true}\n', {kinds.NO_COMPLETION: (1, 1)}),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("squeeze", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_bad_line_is_counted_and_the_next_one_is_read(name, squeeze, tmp_path):
    before, said = HOSTILE[name]
    path = tmp_path / "f.jsonl"
    path.write_bytes(squeeze(before + GOOD))
    (record,), reading = read(path)
    assert record.completions == ["so 72"] and record.line == before.count(b"\n") + 1
    assert strange(reading) == said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("array", [False, True], ids=["lines", "array"])
def test_other_encodings_and_one_array_are_read(encoding, array, tmp_path):
    rows = [{**LINE, "completion": "½ é = 72"}, {**LINE, "id": 2, "question": "r"}]
    text = json.dumps(rows, ensure_ascii=False, indent=1) if array else "\r\n".join(json.dumps(row) for row in rows)
    path = tmp_path / "f.json"
    path.write_bytes(text.encode(encoding))
    records, reading = read(path)
    assert [record.completions for record in records] == [["½ é = 72"], ["so 72"]]
    assert strange(reading) == {}


def test_one_byte_of_another_encoding_spoils_one_line(tmp_path):
    bad = b'{"id": 2, "answer": "7", "completion": "caf\xe9 7"}\n'
    records, reading = read(
        write(tmp_path / "f.jsonl", codecs.BOM_UTF8 + GOOD, bad, codecs.BOM_UTF8 + GOOD.replace(b"1", b"3"))
    )
    assert [record.completions[0] for record in records] == ["so 72", "caf\N{REPLACEMENT CHARACTER} 7", "so 72"]
    assert strange(reading)[file_lines.NOT_UTF8] == (1, 2)


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage"])
def test_compressed_data_are_read_up_to_the_damage(damage, tmp_path):
    data = bytearray(gzip.compress(b"".join(GOOD.replace(b"1", b"%d" % i) for i in range(1000))))
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "flipped":
        data[-6] ^= 255  # of the checksum
    else:
        data += b"garbage"
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(data)
    records, reading = read(path)
    assert 100 < len(records) <= 1000 and (len(records) == 1000) == (damage != "cut")
    assert strange(reading)[file_lines.DAMAGED] == (1, len(records) + 1)


def test_a_line_that_is_too_long_is_read_past_and_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(file_lines, "LONGEST_LINE", 100)
    long = json.dumps({**LINE, "completion": "x" * 1000}).encode() + b"\n"
    records, reading = read(write(tmp_path / "f.jsonl", long, GOOD, long.rstrip()))
    assert [record.line for record in records] == [2]
    assert strange(reading) == {file_lines.TOO_LONG: (2, 1, 3)}


def test_digits_without_end_are_a_text_like_another(tmp_path):
    row = b'{"id": 1, "answer": ' + b"9" * 100_000 + b', "completion": ' + b"9" * 100_000 + b"}\n"
    (record,), reading = read(write(tmp_path / "f.jsonl", row))
    assert record.golds[0] == record.completions[0] == "9" * 100_000
    assert strange(reading) == {kinds.TEXT_GOLD: (1, 1)}  # beyond what is read as a number


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty: expected JSON objects, one in each line, as in"),
        (b"\n\n", r"could be scored \(empty lines: 2\)"),
        (b"question,answer\n1,2\n", r"\(lines that are not JSON: 2\).* begins with question,answer"),
        (b'{\n "id": 1\n', r"\(lines that are not JSON: 2\).*one in each line"),
        (b"XAR1\x1b[2J", r"begins with XAR1\\x1b\[2J"),
        (b"\x1f\x8b\x08", "compressed data that end too early"),
        (b'{"id": 1, "completion": "x"}', r"name the field with --answer, or the file .* --gold; the first line has id, completion"),
        (b'{"id": 1, "answer": "x", "\x1b": 1}', r"with --completion; the first line has id, answer, \\x1b"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_read_is_refused_with_the_reason(data, message, tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_folder_is_refused_and_a_missing_file_too(tmp_path):
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.jsonl")


def test_golds_of_another_file_are_matched_by_id_then_by_question(tmp_path):
    path = write(
        tmp_path / "gold.jsonl", {"id": 1, "question": "a", "answer": "#### 10"}, {"question": "b", "answer": "20"},
        {"question": "b", "answer": "21"}, {"question": "c"},
    )  # fmt: skip
    golds = read_golds(path, {}, progress=False)
    assert strange(golds.reading) == {kinds.OTHER_GOLD: (1, 3), kinds.NO_GOLD: (1, 4)}
    rows = [{"id": 1, "completion": "x"}, {"id": 9, "question": " b ", "completion": "y", "answer": "own"},
            {"id": 8, "question": "z", "completion": "y", "answer": "own"}]  # fmt: skip
    reading = Reading(write(tmp_path / "f.jsonl", *rows), golds=golds)
    assert [record.golds for record in read_completions(reading, progress=False)] == [("10",), ("20",)]
    assert strange(reading) == {kinds.NO_GOLD: (1, 3)}
    assert "answer" not in reading.fields  # it was not looked at


def test_a_gold_file_of_other_problems_is_refused(tmp_path):
    golds = read_golds(write(tmp_path / "gold.jsonl", {"id": 5, "answer": "1"}), {}, progress=False)
    with pytest.raises(InputError, match="no id and no question of this file is in the file of the gold answers"):
        list(read_completions(Reading(write(tmp_path / "f.jsonl", LINE), golds=golds), progress=False))


INSPECT = {"version": 2, "eval": {"task": "gsm8k"}, "samples": [
    {"id": 7, "epoch": 1, "input": "q", "target": "5", "output": {"choices": CHOICES}},
    {"id": 7, "epoch": 2, "input": [{"role": "user", "content": "q"}], "target": ["5"], "output": {"choices": CHOICES}},
]}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_with_a_list_of_lines_is_read_as_these(tmp_path, indent):
    records, reading = read(write(tmp_path / "f.json", json.dumps(INSPECT, indent=indent).encode()))
    assert [(r.line, r.key, r.golds, r.completions) for r in records] == [(n, "7", ("5",), ["so 5"]) for n in (1, 2)]
    assert strange(reading) == {kinds.REPEATED: (1, 2)}


def test_an_object_over_several_lines_is_one_line(tmp_path):
    (record,), reading = read(write(tmp_path / "f.json", json.dumps(LINE, indent=2).encode()))
    assert record.key == "1" and strange(reading) == {}


def test_a_list_of_samples_beside_a_gold_belongs_to_one_problem(tmp_path):
    row = {"question": "q", "answer": "5", "samples": [{"text": "so 5", "answer": "5"}, {"text": "6", "answer": "6"}]}
    (record,), _ = read(write(tmp_path / "f.jsonl", row))
    assert record.completions == ["so 5", "6"]


@pytest.mark.parametrize(
    ("head", "words"), [(b"PAR1\x15\x04", "Parquet"), (b"PK\x03\x04\x14\0", "zip"), (b"\xfd7zXZ\0", "xz")]
)
def test_a_file_of_another_format_is_refused_with_the_way_out(tmp_path, head, words):
    with pytest.raises(InputError, match=f"{words}.*JSONL"):
        read(write(tmp_path / "f.bin", head + b"\xff" * 100))
