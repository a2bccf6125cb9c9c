"""The exam's questions on the KL."""

from reference.teaching.exam import Item
from reference.teaching.question import Question, no, yes

GOAL = "How is KL computed? Does it go in the reward or the loss?"

ITEMS = (
    Item(
        "exam_kl_silent_estimator",
        GOAL,
        Question(
            "An OpenRLHF 0.11.2 command has --algo.kl.use_loss and --algo.kl.init_coef 0.01, and no further option of the "
            "KL. What does this KL do to the policy, in expectation?",
            (
                yes("Nothing.", "The silent estimator is k1, and in the loss its gradient is 0 in expectation."),
                no(
                    "It pulls the policy towards the reference, as k3 does.",
                    "The silent estimator is not k3: OpenRLHF's default is k1 in either place.",
                ),
                no(
                    "It is taken off each token's reward.",
                    "The flag use_loss moves it out of the reward and into the loss.",
                ),
            ),
        ),
        "02_three_things_called_kl",
        6,
    ),
    Item(
        "exam_kl_zero_coefficient",
        GOAL,
        Question(
            "A TRL 1.16.0 GRPOConfig sets use_bias_correction_kl=True and sync_ref_model=False, and says nothing of beta. "
            "Which KL is charged?",
            (
                no(
                    "k3, multiplied by the ratio, 0.04 times.",
                    "The options say how a KL is computed. Its coefficient beta is 0.0 when nothing is said.",
                ),
                yes("None.", "beta is 0.0 when nothing is said, and then TRL computes no KL and loads no reference."),
                no(
                    "k1 in the reward, 0.05 times.",
                    "That is the default of RLOOConfig. GRPOConfig has its KL in the loss, with beta 0.0.",
                ),
            ),
        ),
        "07_where_the_kl_goes",
        7,
    ),
    Item(
        "exam_kl_read_from_a_line",
        GOAL,
        Question(
            "A codebase has the line kl = (ref_logp - logp).exp() - 1 - (ref_logp - logp), and later "
            "loss = pg_loss + 0.01 * kl.mean(). In expectation, on policy, which gradient is this?",
            (
                no(
                    "That of KL(policy || reference).",
                    "The value of k3 is an estimate of this KL. Its gradient is that of the other direction.",
                ),
                no("0, as the mean of a log-ratio's gradient is.", "This holds for k1. The line is k3."),
                yes(
                    "That of KL(reference || policy).",
                    "The gradient of k3 is (1 - p_ref / p) times the score, whose mean is the gradient of the forward KL.",
                ),
            ),
        ),
        "02_three_things_called_kl",
        6,
    ),
    Item(
        "exam_kl_estimator_in_reward",
        GOAL,
        Question(
            "A SkyRL 0.3.0 command has use_kl_loss=false and use_kl_in_reward=true, and names no estimator. What is taken off "
            "each token's reward, and does it belong there?",
            (
                no(
                    "k1, which belongs there.",
                    "k1 would belong there. kl_estimator_type is k3 when nothing is said, in either place.",
                ),
                yes(
                    "k3, which does not.",
                    "A reward is multiplied by the score, and then k1 has the gradient of the KL, and k3 has another one.",
                ),
                no(
                    "k3, which belongs there, since it is never negative.",
                    "In the reward the sign does not matter. What matters is the gradient, which is not that of the KL.",
                ),
            ),
        ),
        "07_where_the_kl_goes",
        3,
    ),
)
