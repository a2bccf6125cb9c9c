"""The exam's questions on aggregation."""

from reference.teaching.exam import Item
from reference.teaching.question import Question, no, yes

GOAL = "How are per-token / per-seq losses aggregated? What’s the GRPO/Dr.GRPO debate about?"  # noqa: RUF001

ITEMS = (
    Item(
        "exam_aggregation_weight",
        GOAL,
        Question(
            "A batch has two completions, of 4 and of 12 tokens. By how much does the loss of a token of the longer one count "
            "under a sequence mean, and under a token mean?",
            (
                no("1/12 and 1/16.", "1/12 is its share of its own completion. There are two completions in the mean."),
                yes("1/24 and 1/16.", "1/12 within the completion, then half of it; and one of sixteen tokens."),
                no("1/16 and 1/24.", "The two are exchanged: the token mean counts all sixteen tokens alike."),
            ),
        ),
        "00_everything_is_a_masked_loss",
        2,
    ),
    Item(
        "exam_aggregation_half_dr_grpo",
        GOAL,
        Question(
            "A verl 0.9.1 script has the estimator grpo and norm_adv_by_std_in_grpo=False, and leaves loss_agg_mode silent. Its title says Dr.GRPO. What is "
            "missing?",
            (
                no(
                    "The advantage: it is still divided by the std.",
                    "That option is what takes the std away, with the estimator grpo.",
                ),
                no(
                    "Nothing: taking away the std is what Dr.GRPO does.",
                    "It does two things, and the other one is about the divisor of the loss.",
                ),
                yes(
                    "The fixed divisor: the silent default is a mean over tokens.",
                    "Dr.GRPO divides the sum of token losses by a constant. verl's default divides by the tokens of the batch.",
                ),
            ),
        ),
        "06_aggregation",
        2,
    ),
    Item(
        "exam_aggregation_cut",
        GOAL,
        Question(
            'In TRL 1.16.0 you keep the batch of a step and raise gradient_accumulation_steps. With loss_type="bnpo" the '
            'gradient changes, with loss_type="dapo" it does not. Why?',
            (
                yes(
                    "bnpo counts the tokens of each micro-batch, dapo those of the step.",
                    "A mean of means weighs the tokens of a micro-batch with few tokens more.",
                ),
                no(
                    "bnpo divides by the budget, which is one for each micro-batch.",
                    "dr_grpo has the budget. A constant divisor would not change with the cut.",
                ),
                no(
                    "dapo filters dead groups, so that the batch is the same.",
                    "The value chooses a loss. TRL samples nothing again because of it.",
                ),
            ),
        ),
        "06_aggregation",
        1,
    ),
    Item(
        "exam_aggregation_debate",
        GOAL,
        Question(
            "Two wrong completions of 10 and of 100 tokens have the advantage -1. What does Dr.GRPO object to in GRPO's sequence "
            "mean?",
            (
                no(
                    "The long one is punished ten times as much.",
                    "In a sum it would be. In a mean both are punished once in all.",
                ),
                yes(
                    "A token of the long one is punished a tenth as much.",
                    "Each completion's loss is a mean over its tokens, so being wrong at length is cheap.",
                ),
                no(
                    "The two are not compared with a critic.",
                    "Neither of the two methods has a critic. The debate is about the divisor and the std.",
                ),
            ),
        ),
        "06_aggregation",
        4,
    ),
)
