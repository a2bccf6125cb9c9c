"""The exam's questions on the value head."""

from reference.teaching.exam import Item
from reference.teaching.question import Question, no, yes

GOAL = "What is the PPO value head fitting? Why the 0.5 in 0.5*(x-y)^2?"

ITEMS = (
    Item(
        "exam_value_target",
        GOAL,
        Question(
            "PPO with gae_lambda 1 and gamma 1, one reward of 1 at the last token. Which number is the value of the first token "
            "fitted to, for this completion?",
            (
                no("The advantage of the first token.", "The advantage is the target minus the value, and no target."),
                no("The value of the second token.", "That is the target for λ = 0, which bootstraps at once."),
                yes("1.", "With λ = 1 the target is the return, and undiscounted the whole reward is still to come."),
            ),
        ),
        "03_what_the_value_head_fits",
        4,
    ),
    Item(
        "exam_value_half",
        GOAL,
        Question(
            "One codebase has vf_coef 0.5 and a value loss 0.5 * (v - R)². Another has vf_coef 0.5 and (v - R)². Trunk and head "
            "are shared with the policy. What has to be changed in the second to get the gradients of the first?",
            (
                yes("vf_coef 0.25.", "The gradient of the square has a factor 2, which the 0.5 takes away."),
                no(
                    "Nothing: the 0.5 is there for the look of the derivative.",
                    "On a shared trunk it decides how much the value loss counts against the policy loss.",
                ),
                no("vf_coef 1.", "That doubles what is twice as large already."),
            ),
        ),
        "03_what_the_value_head_fits",
        5,
    ),
    Item(
        "exam_value_no_critic",
        GOAL,
        Question(
            "A verl 0.9.1 config sets algorithm.adv_estimator=grpo, algorithm.lam=0.95 and critic.cliprange_value=0.2. What does "
            "the value head fit?",
            (
                no(
                    "Returns with λ = 0.95, clipped at 0.2.",
                    "These options belong to gae. With grpo nothing is estimated by a critic.",
                ),
                yes(
                    "There is none.",
                    "The baseline of grpo is the mean of the group, so that the two options say nothing about this run.",
                ),
                no(
                    "The mean reward of each group.",
                    "This mean is computed from the samples. No network is fitted to it.",
                ),
            ),
        ),
        "05_grpo_advantages",
        1,
    ),
    Item(
        "exam_value_place",
        GOAL,
        Question(
            "The value of token t is read from the hidden state that has read token t. For which choice is it a baseline that "
            "leaves the policy gradient unbiased?",
            (
                no(
                    "For token t itself.",
                    "This state has seen the choice, and a baseline must not depend on it.",
                ),
                no(
                    "For every token of the completion.",
                    "For token t and those before it, the state knows what was chosen.",
                ),
                yes(
                    "For token t + 1.",
                    "This choice is made from that state. So values are shifted as log-probs are.",
                ),
            ),
        ),
        "03_what_the_value_head_fits",
        3,
    ),
)
