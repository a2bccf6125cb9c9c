"""Two runs never share a folder: what is refused before anything is written, and the lock."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import PATIENCE, TINY, assert_same_run, fork, refusal, wait_for

from reference.__main__ import main
from reference.objectives.shapes import InputError
from reference.runs import lock
from reference.runs.checkpoints import checkpoints
from reference.runs.files import shell_path
from reference.runs.folder import first_free_folder, new_run, read_metrics
from reference.runs.lock import folder_lock

FOUR = ["train", "grpo", "--steps", "4", *TINY, "--save-every", "1"]


def listing(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kept", ["checkpoints", "metrics.jsonl", "metrics.old.jsonl", "accuracy.json", "tensorboard", "training.png"]
)
def test_the_remains_of_a_run_are_no_place_for_a_new_one(finished, tmp_path, capsys, kept):
    # Older checkpoints would be "newest" and the new one deleted; an old "before" would pass for the new run's.
    out = tmp_path / "out"
    out.mkdir()
    if kept == "metrics.old.jsonl":
        (out / kept).write_text("{}\n")
    elif (finished / kept).is_dir():
        shutil.copytree(finished / kept, out / kept)
    else:
        shutil.copy(finished / kept, out / kept)
    before = listing(out)
    message = refusal(capsys, "train", "grpo", "--out", str(out), *TINY)
    assert f"{out} holds {kept} of another run, and no config.json: move it away" in message
    assert listing(out) == before


def test_a_folder_that_died_before_it_had_its_options_can_be_used(tmp_path):
    # mkdir was done, config.json not yet written; and notes of one's own are nobody's business
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with new_run(tmp_path / "out", {"recipe": "grpo"}) as run:
        assert json.loads((run / "config.json").read_text()) == {"recipe": "grpo"}
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_model_folder_is_no_run_folder(small_models, capsys):
    message = refusal(capsys, "train", "grpo", "--out", str(small_models["llama"]), *TINY)
    assert "holds a config.json that is not a run's: choose another folder with --out" in message


@pytest.mark.parametrize("option", ["--out", "--resume", "--model"])
@pytest.mark.parametrize(
    ("name", "why"), [("", "the name is empty"), (" ", "the name is empty"), ("x" * 300, "is no path")]
)
def test_names_that_are_no_paths(capsys, tmp_path, monkeypatch, option, name, why):
    monkeypatch.chdir(tmp_path)
    message = refusal(capsys, "train", "grpo", f"{option}={name}")
    assert f"argument {option}: " in message and why in message
    assert list(tmp_path.iterdir()) == []


def test_a_run_can_be_named_from_the_home_folder(monkeypatch, tmp_path):
    # bash leaves the ~ of --out=~/run as it is
    monkeypatch.setenv("HOME", str(tmp_path))
    from reference.cli.values import folder, source

    assert folder("~/run") == tmp_path / "run" and source("~/model") == str(tmp_path / "model")
    assert source("base") == "base"


def test_the_lock_is_held_by_one_and_gone_with_it(tmp_path):
    held = rf"another process \(number {os.getpid()}\) is at work in"
    with folder_lock(tmp_path), pytest.raises(InputError, match=held), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass


@pytest.mark.slow
def test_kill_9_leaves_no_lock(tmp_path):
    code = f"""
from pathlib import Path
from reference.runs.files import shell_path
from reference.runs.lock import folder_lock
with folder_lock(Path({str(tmp_path)!r})):
    print("locked", flush=True)
    input()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(InputError, match=rf"number {holder.pid}\)"), folder_lock(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with folder_lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_platform_without_locks_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, "fcntl", None)
    with folder_lock(tmp_path), folder_lock(tmp_path):
        pass
    assert capsys.readouterr().err.count("is not locked (this platform has none): let no second process write") == 2


def test_free_folders_are_claimed_by_making_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(first_free_folder("grpo")) for _ in range(3)] == ["runs/grpo-1", "runs/grpo-2", "runs/grpo-3"]
    shutil.rmtree("runs")
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(InputError, match="cannot write to runs"), new_run(None, {"recipe": "grpo"}):
        pass


@pytest.mark.slow
def test_of_two_runs_with_one_folder_one_is_refused_and_the_other_whole(finished, tmp_path):
    out = tmp_path / "out"
    both = [fork(*FOUR, "--out", str(out)) for _ in range(2)]
    output = [process.communicate(timeout=PATIENCE)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], output
    refused = output[[process.returncode for process in both].index(2)]
    assert "is at work in" in refused or "already holds a run" in refused
    assert_same_run(out, finished)


@pytest.mark.slow
def test_of_two_that_resume_one_run_one_is_refused_and_the_log_stays_whole(finished, mine):
    shutil.rmtree(mine / "checkpoints" / "step-000004")
    both = [fork("train", "grpo", "--resume", str(mine)) for _ in range(2)]
    output = [process.communicate(timeout=PATIENCE)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0]), output  # the second may have come when the first was through
    assert_same_run(mine, finished)


@pytest.mark.slow
def test_a_run_at_work_can_be_measured_but_not_resumed(tmp_path, capsys):
    # Resuming it would delete the checkpoint that it is writing; so did measuring it.
    out = tmp_path / "out"
    process = fork("train", "grpo", "--steps", "1000", *TINY, "--save-every", "1", "--out", str(out))
    try:
        wait_for(lambda: checkpoints(out), process)
        draft = out / "checkpoints" / ".step-009999.1"
        draft.mkdir()
        assert "is at work in" in refusal(capsys, "train", "grpo", "--resume", str(out))
        process.send_signal(signal.SIGSTOP)  # or the checkpoint that is measured may be dropped meanwhile
        few = ["--problems", "2", "--samples", "1", "--show", "0", "--device", "cpu"]
        assert main(["evaluate", str(out), *few]) == 0
        assert draft.exists()
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
    steps = len(read_metrics(out))
    assert main(["train", "grpo", "--resume", str(out), "--steps", str(steps + 1)]) == 0
    assert not draft.exists() and len(read_metrics(out)) == steps + 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tensorboard", "folder"),
        ("checkpoints", "folder"),
        ("training.png", "file"),
        ("metrics.jsonl", "file"),
        ("metrics.old.jsonl", "file"),
        ("accuracy.json", "file"),
    ],
)
def test_what_stands_in_the_place_of_a_file_is_named_before_the_run_goes_on(mine, capsys, name, kind):
    shutil.rmtree(mine / "checkpoints" / "step-000004")
    path = mine / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.write_text("") if kind == "folder" else path.mkdir()
    message = f"{path} is in the way: a {kind} of that name belongs there"
    assert message in refusal(capsys, "train", "grpo", "--resume", str(mine))
    path.unlink() if kind == "folder" else path.rmdir()
    path.symlink_to("nowhere")
    assert message in refusal(capsys, "train", "grpo", "--resume", str(mine))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("runs/grpo-1", "runs/grpo-1"),
        ("my runs/it's", "'my runs/it'\"'\"'s'"),
        ("-x", "./-x"),  # else it would be taken for an option
        ("~x y", "'./~x y'"),  # else for somebody's home
    ],
)
def test_a_path_is_printed_as_it_can_be_pasted(path, text):
    assert shell_path(Path(path)) == text


@pytest.mark.slow
def test_the_path_that_is_printed_can_be_pasted(tmp_path):
    out = tmp_path / "my runs" / "it's one"
    process = fork("train", "grpo", "--steps", "1000", *TINY, "--save-every", "1", "--out", str(out))
    wait_for(lambda: checkpoints(out), process)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=PATIENCE)[0]
    line = next(line for line in output.splitlines() if "go on with: " in line)
    asked = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {line.split('python -m reference ')[1]}"], capture_output=True, text=True
    )
    assert asked.stdout.splitlines() == ["train", "grpo", "--resume", str(out)]
