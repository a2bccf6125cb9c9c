"""Mutation run: change the objectives in every small way cosmic-ray knows, and count which changes the tests notice.

Only copies of the checkout are changed. Each worker imports torch, TRL and the rest once, but neither ``reference`` nor
a test; then it forks a child per mutant, which starts in milliseconds and imports the mutated package afresh.
What is left out, and how to read the result: see README.md.
"""

import argparse
import contextlib
import gc
import hashlib
import importlib
import json
import math
import multiprocessing
import os
import queue
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest
from mutants import mutants
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TESTS = ("tests/objectives", "tests/oracles", "tests/evaluation")
REQUIRED = 0.95
KEY = ("file", "function", "operator", "line", "mutant")  # how survivors.json names a mutant: no line numbers
OPTIONS = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:unraisableexception"]  # that one is slow
OPTIONS += ["--ignore=tests/oracles/test_table.py"]  # about the docs, and must run last
WAIT = 900  # seconds
FORK = multiprocessing.get_context("fork")
Rank = dict[str, tuple[float, float] | None]  # the order of the tests; None for one that is left out
FIRST = (-math.inf, 0.0)


# --- running the tests ---


class Answer(NamedTuple):
    """What a run of the tests found."""

    code: int | None  # pytest's exit code; None: out of time
    failed: str  # the first test that failed
    seconds: dict[str, float]
    calls: dict[str, set[tuple[str, str]]]
    modules: tuple[str, ...]
    cpu_seconds: float


NOTHING = ({}, {}, (), 0.0)


class Watch:
    """A pytest plugin: selects and orders the tests, notes what each took and called, is done at the first that fails."""

    def __init__(self, rank: Rank, answer):
        self.rank, self.answer, self.seconds, self.calls = rank, answer, {}, {}

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = [item for item in items if self.rank.get(item.nodeid, FIRST) is not None]
        items.sort(key=lambda item: self.rank.get(item.nodeid, FIRST))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item) -> bool | None:
        if self.rank:  # only the first run looks at calls, which takes time
            return (yield)
        package, called = str(Path.cwd() / "reference"), set()

        def note(frame, event: str, _) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(package):
                called.add((os.path.relpath(frame.f_code.co_filename), frame.f_code.co_name))

        sys.setprofile(note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            self.calls[item.nodeid] = called

    def pytest_runtest_logreport(self, report) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            print(report.longreprtext)
            self.finish(1, report.nodeid)

    def finish(self, code: int, failed: str) -> None:
        here = str(Path.cwd())
        modules = tuple(n for n, m in sys.modules.items() if not (getattr(m, "__file__", None) or "").startswith(here))
        self.answer.send(Answer(code, failed, self.seconds, self.calls, modules, time.process_time()))
        os._exit(code)  # tearing down takes as long as a test


def child(answer, rank: Rank, cpu_seconds: int, where: tuple[str, ...]) -> None:
    """One run of tests in the current directory, in a process group of its own so that all of it can be ended."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for kind, most in ((resource.RLIMIT_DATA, 8 << 30), (resource.RLIMIT_CPU, cpu_seconds)):
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))  # a mutant may ask for any amount of either
    import torch
    from hypothesis import Phase, settings

    torch.set_num_threads(1)
    quick = (Phase.explicit, Phase.reuse, Phase.generate)  # a failure is enough, it need not be made small
    settings.register_profile("mutation", database=None, derandomize=True, deadline=None, phases=quick)
    settings.load_profile("mutation")
    del sys.modules["__main__"].__file__  # or a process that a test starts would import this file again
    watch = Watch(rank, answer)
    code = pytest.main([*OPTIONS, f"--basetemp={Path.cwd() / 'tmp'}", *where], plugins=[watch])
    watch.finish(int(code), "import")  # nothing failed, or the mutant cannot even be imported


def run_tests(rank: Rank, cpu_seconds: int, where: tuple[str, ...] = TESTS) -> Answer:
    """Run the tests of some files or folders in a child process.

    Time is CPU time: on a busy machine a survivor that is only slow must not pass for killed. The clock is there for
    processes that wait for each other for ever.
    """
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=child, args=(theirs, rank, cpu_seconds, where))
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(WAIT) else Answer(None, "", *NOTHING)
    except EOFError:
        process.join()
        return Answer(None if process.exitcode == -signal.SIGXCPU else -1, "crash", *NOTHING)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


def order(job: dict, clean: Answer, kills: Counter) -> Rank:
    """The tests for one mutant: those that killed mutants of the same function first, then fast ones.

    A test that does not call the mutated function is left out, unless it calls nothing of the package in this process
    (it may start another, or inspect the source). This can only hide a kill, never invent one. What is not inside a
    function's body, signatures and decorators included, is tried with all tests.
    """
    place = (job["file"], job["body_of"])
    known = any(place in called for called in clean.calls.values())
    needed = {t for t, called in clean.calls.items() if not known or not called or place in called}
    return {test: (-kills[test], s) if test in needed else None for test, s in clean.seconds.items()}


def likely(kills: Counter, rank: Rank, files: int = 3) -> tuple[str, ...]:
    """The test files that killed most mutants of this function; at first those with most tests that call it."""
    counts: Counter = Counter()
    for test, place in rank.items():
        if place is not None:
            counts[test.partition("::")[0]] += 1000 * kills[test] + 1
    return tuple(file for file, _ in counts.most_common(files))


def worker(copy: Path, clean: Answer, limit: int, jobs: list[dict], turn, done) -> None:
    """Take the next mutant until there is none."""
    main = os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the child is ended too
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends its workers
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    for name in clean.modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()  # a child need not look through all of torch for garbage
    kills: dict[tuple[str, str], Counter] = defaultdict(Counter)
    if run_tests({test: (0, s) for test, s in clean.seconds.items()}, limit).code != 0:
        done.put(
            f"{Path('output.txt').read_text()[-3000:]}\nthe tests fail on unchanged code once they are put in order"
        )
        return
    sys.dont_write_bytecode = True  # from here on: two mutants made within a second would share one .pyc
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    while os.getppid() == main:
        with turn.get_lock():
            at, turn.value = turn.value, turn.value + 1
        if at >= len(jobs):
            return
        job, start = jobs[at], time.perf_counter()
        file, killed_by = copy / job["file"], kills[job["file"], job["body_of"]]
        original = file.read_text()
        file.write_text(job["source"])
        try:
            rank = order(job, clean, killed_by)
            # Most mutants die in a file that has killed before, and collecting all files takes longer than that.
            code, failed, *_ = run_tests(rank, limit, likely(killed_by, rank))
            if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
                code, failed, *_ = run_tests(rank, limit)
        finally:
            file.write_text(original)
        killed_by[failed] += code not in (0, None)
        outcome = "timeout" if code is None else "killed" if code else "survived"
        result = {k: v for k, v in job.items() if k not in ("source", "body_of")}
        done.put({**result, "outcome": outcome, "by": failed if code else "", "seconds": time.perf_counter() - start})


def run(jobs: list[dict], copies: list[Path], log: Path, state: str) -> list[dict]:
    """Test every mutant; each result is a line of ``log`` at once, so that a run can be resumed."""
    os.chdir(copies[0])
    sys.path.insert(0, str(copies[0]))
    sys.dont_write_bytecode = False  # pytest's rewriting of the tests is worth keeping
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    clean = run_tests({}, WAIT)
    if clean.code != 0:
        sys.exit(f"{Path('output.txt').read_text()[-3000:]}\nthe tests fail on unchanged code: nothing to measure")
    limit = int(3 * clean.cpu_seconds) + 10
    turn, done, results = FORK.Value("i", 0), FORK.Queue(), []
    args = (clean, limit, jobs, turn, done)
    workers = [FORK.Process(target=worker, args=(copy, *args)) for copy in copies]
    for process in workers:
        process.start()
    try:
        with log.open("a") as lines, tqdm(total=len(jobs), desc="mutants", unit="mutant", smoothing=0.02) as bar:
            for _ in jobs:
                result = done.get(timeout=3 * WAIT)
                if isinstance(result, str):
                    sys.exit(result)
                results.append(result)
                lines.write(json.dumps({**result, "state": state}) + "\n")
                lines.flush()
                bar.set_postfix(survived=sum(r["outcome"] == "survived" for r in results), refresh=False)
                bar.update()
    except (queue.Empty, KeyboardInterrupt) as stop:
        why = "stopped" if isinstance(stop, KeyboardInterrupt) else "a worker no longer answers"
        sys.exit(f"{why}; --resume goes on from here")
    finally:
        for process in workers:
            process.terminate()
            process.join()
    return results


# --- the result ---


def digest(*folders: Path) -> str:
    """One short word for the contents of all Python files and fixtures in some folders."""
    files = sorted(f for folder in folders for f in folder.rglob("*") if f.suffix in (".py", ".json"))
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def known_results(log: Path, state: str) -> dict[str, dict]:
    """What an earlier run found. All but kills count only while code and tests are as they were: new tests may kill."""
    lines = map(json.loads, log.read_text().splitlines()) if log.exists() else ()
    return {r["id"]: r for r in lines if r["outcome"] == "killed" or r["state"] == state}


def table(results: list[dict]) -> str:
    rows = ["| file | mutants | killed | by timeout | survived | % killed |", "|---|---|---|---|---|---|"]
    files = sorted({r["file"] for r in results})
    for name in [*files, "all"] if len(files) > 1 else files:
        n = Counter(r["outcome"] for r in results if name in (r["file"], "all"))
        total, gone = n.total(), n["killed"] + n["timeout"]
        rows.append(f"| {name} | {total} | {gone} | {n['timeout']} | {n['survived']} | {gone / total:.1%} |")
    return "\n".join(rows)


def line_of(mutant: dict) -> str:
    where = f"{mutant['file']}:{mutant['number']} in {mutant['function'] or 'the module'} ({mutant['operator']})"
    return f"{where}\n    {mutant['line']}\n    {mutant['mutant'] or '(removed)'}"


def judge(results: list[dict], out: Path, excluded: Counter, minutes: float) -> tuple[str, bool]:
    """Print and write the result; whether enough was killed and every survivor is explained in survivors.json."""
    reasons = {
        tuple(entry[k] for k in KEY): entry["reason"] for entry in json.loads((HERE / "survivors.json").read_text())
    }
    survivors = [{**r, "reason": reasons.get(tuple(r[k] for k in KEY))} for r in results if r["outcome"] == "survived"]
    unexplained = [r for r in survivors if not r["reason"]]
    alive, tested = {tuple(r[k] for k in KEY) for r in survivors}, {r["file"] for r in results}
    stale = [key for key in reasons if key[0] in tested and key not in alive]
    share = 1 - len(survivors) / len(results)
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items()))
    summary = (
        f"{len(results)} mutants, {share:.1%} killed; {len(survivors)} survivors, {len(unexplained)} of them not explained "
        f"in survivors.json. {minutes:.0f} minutes. Left out: {left_out}.\n\n{table(results)}"
    )
    report = {"summary": summary, "minutes": minutes, "excluded": excluded, "survivors": survivors, "results": results}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    (out / "unexplained.json").write_text(
        json.dumps([{k: r[k] for k in KEY} | {"reason": ""} for r in unexplained], indent=2)
    )
    print(f"\n{summary}\n")
    for r in survivors:
        print(f"{line_of(r)}\n    {'-> ' + r['reason'] if r['reason'] else '-> NOT EXPLAINED'}\n")
    for key in stale:
        print(f"survivors.json lists a mutant that no longer survives: {dict(zip(KEY, key, strict=True))}")
    return summary, share >= REQUIRED and not unexplained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="+", help="names such as kl.py; default: all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--resume", action="store_true", help="keep what --out holds; retry its survivors if code or tests changed"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "mutation")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out, start = args.out.resolve(), time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="mutation-") as temporary:
        copies = [Path(temporary).resolve() / str(i) for i in range(args.workers)]
        for copy in copies:
            for folder in ("reference", "tests"):
                shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy2(ROOT / "pyproject.toml", copy)
        here = copies[0]
        files = [*sorted((here / "reference/objectives").glob("*.py")), here / "reference/evaluation/statistics.py"]
        names = [str(f.relative_to(here)) for f in files if f.exists() and (not args.files or f.name in args.files)]
        if missing := set(args.files or ()) - {Path(name).name for name in names}:
            sys.exit(f"no such file among those that are mutated: {', '.join(sorted(missing))}")
        excluded: Counter = Counter()
        jobs = [m for name in tqdm(names, desc="making mutants", unit="file") for m in mutants(name, here, excluded)]
        if args.list:
            print("\n".join(map(line_of, jobs)))
            return
        state = digest(here / "reference", *(here / folder for folder in TESTS))
        log = out / "results.jsonl"
        known = known_results(log, state) if args.resume else {}
        if not args.resume:
            log.unlink(missing_ok=True)
        todo = [job for job in jobs if job["id"] not in known]
        new = {r["id"]: r for r in run(todo, copies, log, state)} if todo else {}
    results = [(known | new)[job["id"]] for job in jobs]
    summary, passed = judge(results, out, excluded, (time.perf_counter() - start) / 60)
    if not args.files:
        readme = HERE / "README.md"
        before, _, after = readme.read_text().partition("<!-- result -->")
        after = after.partition("<!-- end of result -->")[2]
        block = f"<!-- result -->\n{time.strftime('%Y-%m-%d')}: {summary}\n<!-- end of result -->"
        readme.write_text(before + block + after)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
