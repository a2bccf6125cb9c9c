"""The tables of names: ours are in the list, theirs are in the framework's source, and each log is told from the others."""

from pathlib import Path

import pytest
import trl

from reference.doctor.canonical import CANONICAL, OTHERS, OURS
from reference.doctor.names import TABLES, framework_of, has_mark, table_of, table_of_names
from reference.objectives.shapes import InputError

KINDS = [(framework, table) for framework, tables in TABLES.items() for table in tables if framework != "ours"]
TITLES = [f"{framework}-{table.title}" for framework, table in KINDS]
OLDER = {"completion_length", "clip_ratio", "entropy/mean", "token_acc"}  # of earlier versions, and of ms-swift
TRAINERS = {
    "GRPO, RLOO": ("grpo", "rloo"),
    "distillation": ("distillation",),
    "DPO, KTO and relatives": ("dpo", "kto"),
    "reward model": ("reward",),
    "SFT, and any other Trainer of transformers": ("sft",),
}
FROM_TRANSFORMERS = {"loss", "grad_norm", "learning_rate"}


@pytest.mark.parametrize(("framework", "table"), KINDS, ids=TITLES)
def test_every_name_of_ours_is_explained_and_every_name_of_theirs_stands_once(framework, table):
    assert {row.ours for row in table.names} <= CANONICAL.keys()
    theirs = [row.theirs for row in table.names]
    assert len(theirs) == len(set(theirs)) and not any(name.startswith("train/") for name in theirs)


@pytest.mark.parametrize(("framework", "table"), KINDS, ids=TITLES)
def test_a_mark_tells_framework_and_kind(framework, table):
    earlier = TABLES[framework][: TABLES[framework].index(table)]
    for mark in table.marks:
        names = {f"{mark}x"} if mark.endswith("/") else set(mark.split("+"))
        if any(has_mark(names, other) for other in earlier):
            continue
        for keys in (names, {f"train/{name}" for name in names} | {"train/loss"}):
            assert framework_of(keys, "the log") == framework
            assert table_of(framework, keys) is table


@pytest.mark.parametrize(("title", "trainers"), TRAINERS.items(), ids=TRAINERS)
def test_names_of_trl_are_in_its_source(title, trainers):
    folder = Path(trl.__file__).parent / "trainer"
    source = "".join((folder / f"{name}_trainer.py").read_text() for name in trainers)
    [table] = [table for table in TABLES["trl"] if table.title == title]
    for row in table.names:
        assert row.theirs in OLDER | FROM_TRANSFORMERS or f'"{row.theirs}"' in source, row.theirs


def test_our_names_and_the_others_do_not_overlap():
    assert not OURS.keys() & OTHERS.keys()


def test_the_table_of_names_holds_every_name_and_note():
    text = table_of_names()
    for _, table in KINDS:
        for row in table.names:
            assert row.theirs in text and row.note in text
    assert "ppo_kl_k1: mean of old less new log-prob" in text
    assert "verl 0.9.1: SFT" in table_of_names("verl") and "openrlhf" not in table_of_names("verl")
    with pytest.raises(InputError, match="the tables are ours, trl"):
        table_of_names("torchtune")
