"""Shell scripts: what bash would hand to the trainer, as far as the script itself says it."""

import pytest

from reference.configs.option import UNEVALUATED
from tests.configs.written import read, values

VERL = "python3 -m verl.trainer.main_ppo"


def verl(tmp_path, text):
    return read(tmp_path, "run.sh", text)


def test_overrides_with_their_lines(tmp_path):
    config = verl(tmp_path, f"set -x\n{VERL} \\\n    algorithm.adv_estimator=grpo \\\n    actor.clip=3e-4 $@\n")
    assert (config.framework, config.entry) == ("verl", "verl.trainer.main_ppo")
    assert values(config) == {"algorithm.adv_estimator": "grpo", "actor.clip": 3e-4}
    option = config.options["actor.clip"]
    assert (option.text, option.line, option.where) == ("3e-4", 4, "run.sh")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("True", True),
        ("false", False),
        ("null", None),
        ("None", "None"),
        ("-1", -1),
        ("1e-6", 1e-6),
        ("'a b'", "a b"),
        ("\"['x','y']\"", ["x", "y"]),
        ('\'["console","wandb"]\'', ["console", "wandb"]),
        ("[1,[2,3]]", [1, [2, 3]]),
        ("a\\ b", "a b"),
        ("'a'\"b\"c", "abc"),
        ("$((2 * 4))", UNEVALUATED),
        ("$(nproc)", UNEVALUATED),
        ("`nproc`", UNEVALUATED),
        ("$HOME/data", UNEVALUATED),
        ("${UNSET%%.*}", UNEVALUATED),
        ('"${UNSET:-5}"', 5),
        ("${UNSET:-${OTHER:-6}}", 6),
        ("\"${UNSET:-['a']}\"", ["a"]),
    ],
)
def test_values(tmp_path, written, value):
    assert values(verl(tmp_path, f"{VERL} a.b={written} c.d=1\n")) == {"a.b": value, "c.d": 1}


def test_variables_and_arrays(tmp_path):
    text = f"""
lr=1e-6   # a comment
export NAME="run-${{lr}}"
ARGS=(
    actor.lr=$lr
    # actor.off=1
    trainer.name="$NAME"
)
ARGS+=(actor.kl=0.5)
MORE="critic.lr=2 critic.$lr=3"
MODEL=$BASE/model
{VERL} "${{ARGS[@]}}" $MORE "${{NOTHING[@]}}" model.path=$MODEL
"""
    config = verl(tmp_path, text)
    assert values(config) == {
        "actor.lr": 1e-6,
        "trainer.name": "run-1e-6",
        "actor.kl": 0.5,
        "critic.lr": 2,
        "critic.1e-6": 3,
        "model.path": UNEVALUATED,
    }
    assert config.options["model.path"].text == "$BASE/model"
    assert config.options["actor.lr"].line == 5


def test_options_in_a_text_with_unknown_parts_are_still_told_apart(tmp_path):
    config = verl(tmp_path, f'DATA="\n a.x=1\n a.y=$(echo 1 2)\n a.z=$HOME"\n{VERL} $DATA\n')
    assert values(config) == {"a.x": 1, "a.y": UNEVALUATED, "a.z": UNEVALUATED}


def test_a_comment_between_continued_lines_ends_the_command(tmp_path):
    assert values(verl(tmp_path, f"{VERL} \\\n a.b=1 \\\n # a.c=2 \\\n a.d=3\n")) == {"a.b": 1}


def test_a_space_behind_the_backslash_is_told(tmp_path):
    config = verl(tmp_path, f"{VERL} \\\n a.b=1 \\ \n a.c=2\n")
    assert values(config) == {"a.b": 1}
    assert any("line 2: a space stands behind the backslash" in note for note in config.notes)


def test_branches_that_the_script_decides_itself(tmp_path):
    text = f"""
engine=${{ENGINE:-vllm}}
EXTRA=()
if [ "$engine" = sglang ]; then
    EXTRA+=(a.sglang=1)
elif [[ $engine == vllm ]] && [ -n "$engine" ]; then
    EXTRA+=(a.vllm=1)
else
    EXTRA+=(a.other=1)
fi
case "$engine" in
    sglang | hf) tp=1 ;;
    v*) tp=2 ;;
    *) tp=3 ;;
esac
[ "$tp" -gt 1 ] && EXTRA+=(a.parallel=$tp)
[ "$tp" -gt 1 ] || EXTRA+=(a.single=1)
while [ $# -gt 0 ]; do tp=$1; done
{VERL} "${{EXTRA[@]}}" a.tp=$tp
"""
    config = verl(tmp_path, text)
    assert values(config) == {"a.vllm": 1, "a.parallel": 2, "a.tp": 2}
    assert any("set outside" in note and "ENGINE" in note for note in config.notes)


def test_branches_that_only_a_run_decides(tmp_path):
    text = f"""
lr=1
if grep -q npu file; then
    lr=16
    EXTRA+=(a.npu=1)
fi
{VERL} a.lr=$lr a.npu=0 "${{EXTRA[@]}}"
"""
    config = verl(tmp_path, text)
    assert values(config) == {"a.lr": UNEVALUATED, "a.npu": UNEVALUATED}
    assert config.options["a.lr"].text == "1 or 16"
    assert config.options["a.npu"].text == "0 or 1"


def test_loops(tmp_path):
    one = verl(tmp_path, f"for lr in 5; do {VERL} a.lr=$lr a.b=1; done\n")
    assert values(one) == {"a.lr": 5, "a.b": 1}
    two = verl(tmp_path, f"for lr in 5 6; do {VERL} a.lr=$lr a.b=1; done\n")
    assert values(two) == {"a.lr": UNEVALUATED, "a.b": 1}
    assert any("lr takes several values in a loop (5, 6)" in note for note in two.notes)


@pytest.mark.parametrize(
    "written",
    [
        f"bash -c 'cd x; {VERL} a.b=1'",
        f'CMD="{VERL} a.b=1"\neval "$CMD"',
        f'CMD="{VERL} a.b=1"\n$CMD',
        f'COMMAND="{VERL} a.b=1" sbatch ray.sub',
        f'COMMAND="{VERL} a.b=1"\nsbatch ray.sub',
        f"read -r -d '' CMD <<EOF\n{VERL} \\\n a.b=1\nEOF\n$CMD",
        f"run() {{\n  {VERL} a.b=1 2>&1 | tee log\n}}\nrun",
        f"FOO=1 nohup {VERL} a.b=1 > log 2>&1 &",
        f"ray job submit --address=x -- {VERL} a.b=1",
        f"echo {VERL} a.b=2\n{VERL} a.b=1",
        f"cat > f <<'EOF'\n{VERL} a.b=2\nEOF\n{VERL} a.b=1",
    ],
)
def test_wherever_the_command_stands(tmp_path, written):
    assert values(verl(tmp_path, written + "\n")) == {"a.b": 1}


def test_an_option_given_twice(tmp_path):
    config = verl(tmp_path, f"{VERL} a.b=1 a.c=1 \\\n a.b=2 +a.c=1\n")
    assert values(config) == {"a.b": 2, "a.c": 1}
    assert "a.b is given twice (lines 1 and 2); the last counts: 2, not 1" in config.notes
    assert "a.c is given twice, with the same value (lines 1 and 2)" in config.notes


def test_another_file_and_another_training_are_told(tmp_path):
    config = verl(tmp_path, f"source env.sh\npython -m verl.trainer.fsdp_sft_trainer a.b=1\n{VERL} a.b=2\n")
    assert values(config) == {"a.b": 2}
    assert "line 1: `source env.sh` takes in another file, which was not read" in config.notes
    assert any("line 2: `verl.trainer.fsdp_sft_trainer` is started too" in note for note in config.notes)


def test_flags(tmp_path):
    text = "swift rlhf --rlhf_type grpo --beta=0.04 --reward_funcs a b --top_k -1 --use-vllm --no_gc --no_save_rng\n"
    config = read(tmp_path, "run.sh", text)
    assert (config.framework, config.entry) == ("ms-swift", "swift rlhf")
    assert values(config) == {
        "rlhf_type": "grpo",
        "beta": 0.04,
        "reward_funcs": ["a", "b"],
        "top_k": -1,
        "use_vllm": True,
        "gc": False,
        "no_save_rng": True,
    }


def test_an_unknown_word_behind_a_value_is_no_part_of_it(tmp_path):
    config = read(tmp_path, "run.sh", "python -m openrlhf.cli.train_ppo_ray --eps_clip 0.2 $EXTRA\n")
    assert values(config) == {"eps_clip": 0.2}
    assert "line 1: `$EXTRA` may hold more options, which are not known" in config.notes
