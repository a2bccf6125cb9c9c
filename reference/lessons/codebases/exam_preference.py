"""The exam's questions on DPO."""

from reference.teaching.exam import Item
from reference.teaching.question import Question, no, yes

GOAL = "Why is DPO “not a policy gradient estimator” but still trained via gradient descent? What does β control?"

ITEMS = (
    Item(
        "exam_dpo_inert_smoothing",
        GOAL,
        Question(
            'A TRL 1.16.0 DPOConfig has loss_type="sigmoid", beta=0.1 and label_smoothing=0.2. Which loss is trained?',
            (
                no(
                    "cDPO with a fifth of the labels turned.",
                    "The option is accepted. The sigmoid loss does not read it.",
                ),
                yes("Plain DPO.", "label_smoothing is read by robust, exo_pair, aot and aot_unpaired alone."),
                no("Robust DPO.", "That is another value of loss_type, which does read the option."),
            ),
        ),
        "08_dpo_and_beta",
        7,
    ),
    Item(
        "exam_dpo_sampling",
        GOAL,
        Question(
            "Why is a step of DPO no estimate of a policy gradient?",
            (
                yes(
                    "No sample of the present policy and no reward is in it.",
                    "The pairs are fixed, so the loss is an ordinary function of the weights, with an exact gradient.",
                ),
                no(
                    "Its loss has no log-probs of the policy.",
                    "It is made of them: of their difference to the reference's, for both completions.",
                ),
                no(
                    "Its advantage is divided by β.",
                    "There is no advantage. β multiplies the difference of two log-ratios.",
                ),
            ),
        ),
        "08_dpo_and_beta",
        3,
    ),
    Item(
        "exam_dpo_beta_of_a_reward",
        GOAL,
        Question(
            "PPO maximises a reward minus 0.05 times the KL to the reference. Raters compare completions with the odds that this "
            "reward gives (Bradley-Terry). Which DPO run has the same best policy?",
            (
                no(
                    "The one with β = 20.",
                    "1 / β multiplies the reward in the exponent of the best policy. β itself is the price of the KL.",
                ),
                yes(
                    "The one with β = 0.05.",
                    "DPO's loss is made from the best policy of exactly this trade, with β in the place of the coefficient.",
                ),
                no(
                    "None, since DPO charges no KL.",
                    "It charges one implicitly, through the log-ratios to the reference.",
                ),
            ),
        ),
        "08_dpo_and_beta",
        1,
    ),
    Item(
        "exam_dpo_reference",
        GOAL,
        Question(
            "A script trains SFT on a model, passes the same object to TRL's DPOTrainer, and gives no ref_model. Which weights has "
            "the reference in TRL 1.16.0?",
            (
                no(
                    "Those after SFT, copied when the trainer is made.",
                    "The trainer copies nothing here: it loads by the name that the model's config has.",
                ),
                yes(
                    "Those that the model's name stands for, before SFT.",
                    "The reference is loaded again from the name that the model came from.",
                ),
                no("There is no reference.", "DPO needs one, and the trainer loads one where none is passed."),
            ),
        ),
        "08_dpo_and_beta",
        1,
    ),
)
