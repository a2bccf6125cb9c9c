"""Recording again: what counts as a change, and what is said when there is nothing to compare."""

import json
import subprocess
from pathlib import Path

import pytest

from . import again, environments
from .changes import SHOWN, changed_cells, changed_records
from .environments import NotRecorded, environment, package_named
from .frameworks import CELLS, RECORDED
from .records import FIXTURES, fixture_of, load


def record(value: list[float], gradient: list[float] | None = None, dtype: str = "float64") -> dict:
    packed = None if gradient is None else {"dtype": dtype, "data": gradient}
    return {"value": {"dtype": dtype, "data": value}, "gradient": packed}


def written(folder: Path, name: str, content: dict) -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (record([1.0, 2.0], [0.5]), []),
        (record([1.0 + 1e-11, 2.0], [0.5]), []),  # rounding
        (record([1.0, 2.3], [0.5]), ["answers otherwise: f | ragged (by 1.0e-01)"]),  # 0.3 / (1 + 2)
        (record([1.0, 2.0], [0.8]), ["answers otherwise: f | ragged (by 2.0e-01)"]),  # 0.3 / (1 + 0.5)
        (record([1.0, 2.0]), ["answers otherwise: f | ragged (by inf)"]),
        (record([1.0], [0.5]), ["answers otherwise: f | ragged (by inf)"]),
        (record(["nan", 2.0], [0.5]), ["answers otherwise: f | ragged (by inf)"]),
        (record([1.0 + 1e-7, 2.0], [0.5], "float32"), ["answers otherwise: f | ragged (by inf)"]),  # another dtype
    ],
)
def test_records_that_answer_otherwise_are_named(tmp_path, after, said):
    before = written(tmp_path, "a", {"version": "1", "records": {"f | ragged": record([1.0, 2.0], [0.5])}})
    assert changed_records(before, written(tmp_path, "b", {"version": "1", "records": {"f | ragged": after}})) == said


def test_single_precision_may_round_more(tmp_path):
    before = {"version": "1", "records": {"f | ragged": record([1.0], None, "float32")}}
    for change, lines in ((1e-6, 0), (1e-3, 1)):
        after = {"version": "1", "records": {"f | ragged": record([1.0 + change], None, "float32")}}
        assert len(changed_records(written(tmp_path, "a", before), written(tmp_path, "b", after))) == lines


def test_records_that_are_gone_or_new_are_named_and_long_lists_are_cut(tmp_path):
    names = [f"f{number:02} | ragged" for number in range(SHOWN + 3)]
    before = written(tmp_path, "a", {"version": "1", "records": {name: record([1.0]) for name in names}})
    after = written(tmp_path, "b", {"version": "2", "records": {"g | ragged": record([1.0])}})
    lines = changed_records(before, after)
    assert lines[:2] == ["version 1 -> 2", "gone: f00 | ragged"]
    assert lines[-2:] == ["gone: 3 more", "new: g | ragged"]


def test_a_default_that_is_another_is_told_and_a_line_that_moved_is_not(tmp_path):
    def content(default: float, where: str, option: str = "eps") -> dict:
        cell = {"slot": "clip", "entry": "", "option": option, "default": default, "where": where, "says": "x"}
        return {"version": "1", "cells": [cell]}

    before = written(tmp_path, "a", content(0.2, "a.py:3"))
    assert changed_cells(before, written(tmp_path, "b", content(0.2, "a.py:9"))) == []
    moved = changed_cells(before, written(tmp_path, "b", content(0.3, "a.py:3")))
    assert moved == ["another default: clip, eps was 0.2, is 0.3"]
    gone = changed_cells(before, written(tmp_path, "b", content(0.2, "a.py:3", "epsilon")))
    assert gone == ["gone: clip, eps", "new: clip, epsilon"]


# --- what cannot be recorded ---


def test_a_version_that_pip_cannot_find_is_one_sentence_and_changes_nothing(tmp_path, monkeypatch, capsys):
    def pip_fails(command: list[str], **options) -> subprocess.CompletedProcess:
        failed = "pip" in command
        return subprocess.CompletedProcess(
            command, int(failed), "", "ERROR: no matching distribution" if failed else ""
        )

    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments.subprocess, "run", pip_fails)
    monkeypatch.setattr(environments, "site_packages", lambda folder: tmp_path)
    before = {path: path.read_bytes() for path in [*FIXTURES.glob("*.json"), *CELLS.glob("*.json")]}
    assert again.main(["openrlhf", "--version", "9.9.9", "--write"]) == again.FAILED
    said = capsys.readouterr().err
    assert said == (
        "openrlhf: pip cannot install openrlhf==9.9.9: ERROR: no matching distribution. What is recorded stays as it is.\n"
    )
    assert before == {path: path.read_bytes() for path in before}


def test_an_environment_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    done = subprocess.CompletedProcess([], 1, "", "no space left")
    monkeypatch.setattr(environments.subprocess, "run", lambda command, **options: done)
    with pytest.raises(NotRecorded, match=r"no environment could be made in .*: no space left"):
        environment("openrlhf", "openrlhf==0.11.2")


def test_an_environment_that_is_ready_is_used_again(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    (tmp_path / "openrlhf-0.11.2").mkdir()
    (tmp_path / "openrlhf-0.11.2" / "ready").touch()
    monkeypatch.setattr(environments.subprocess, "run", None)  # nothing is called
    assert environment("openrlhf", "openrlhf==0.11.2") == tmp_path / "openrlhf-0.11.2"


def test_what_is_not_on_the_package_index_is_cloned_and_imported_from_there(tmp_path, monkeypatch):
    commands: list[list[str]] = []

    def succeeds(command: list[str], **options) -> subprocess.CompletedProcess:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments, "site_packages", lambda folder: tmp_path)
    monkeypatch.setattr(environments.subprocess, "run", succeeds)
    monkeypatch.setattr(environments, "version_of", lambda name, package: "1")
    folder = tmp_path / "nemo_rl-1"
    (folder / environments.SOURCE).mkdir(parents=True)
    assert environment("nemo_rl", "nemo-rl @ git+https://host/owner/name@abc") == folder
    assert any("clone" in command and "https://host/owner/name" in command for command in commands)
    assert any("checkout" in command and "abc" in command for command in commands)
    assert not any("nemo-rl" in word for command in commands for word in command)
    assert (tmp_path / "source.pth").read_text() == f"{folder / 'source'}\n"
    assert environments.root_of(folder) == folder / "source"


def test_packages_are_asked_for_by_version(monkeypatch):
    assert package_named("verl", None) == RECORDED["verl"].package
    assert package_named("verl", "0.8.0") == "verl==0.8.0"
    assert package_named("trl", None).startswith("trl==1.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["verll"], "no framework is called 'verll'"), (["--version", "1"], "belongs to one framework")],
)
def test_a_wrong_command_says_what_there_is(arguments, said, capsys):
    with pytest.raises(SystemExit):
        again.main(arguments)
    assert said in capsys.readouterr().err


def test_a_recording_takes_the_place_of_the_committed_one(tmp_path):
    source, target = tmp_path / "new", tmp_path / "committed"
    source.mkdir(), target.mkdir()
    written(source, "x-2.json", {"a": 2}), written(target, "x-1.json", {"a": 1}), written(target, "y-1.json", {})
    again.put(source, target, "x")
    assert sorted(path.name for path in target.iterdir()) == ["x-2.json", "y-1.json"]


def test_a_fixture_of_another_version_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="x has no fixture"):
        fixture_of("x", tmp_path)
    written(tmp_path, "x-1.json", {})
    assert fixture_of("x", tmp_path) == tmp_path / "x-1.json"
    written(tmp_path, "x-2.json", {})
    with pytest.raises(ValueError, match=r"several versions, x-1.json and x-2.json: keep one"):
        fixture_of("x", tmp_path)


@pytest.mark.parametrize("name", RECORDED)
def test_the_fixture_is_of_the_pinned_version(name):
    version, package = load(name)["version"], RECORDED[name].package
    pinned = package.partition("==")[2]
    assert version == pinned if pinned else version.rpartition("+")[2] in package  # of a repository: the commit
    assert fixture_of(name).stem == f"{name}-{version}"
