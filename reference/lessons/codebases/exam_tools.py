"""The exam's questions on tools."""

from reference.teaching.exam import Item
from reference.teaching.question import Question, no, yes

GOAL = "Where does tool-use trajectory data come from? How do SFT / DPO / RL approaches differ?"

ITEMS = (
    Item(
        "exam_tools_whose_words",
        GOAL,
        Question(
            "A config of SFT on trajectories says nothing of masks: TRL 1.16.0, SFTConfig, data in messages. What is trained on?",
            (
                no(
                    "What the assistant wrote.",
                    "This takes assistant_only_loss, which is false when nothing is said.",
                ),
                no("The last turn of the assistant.", "That is the default of another framework, SkyRL's main_sft."),
                yes(
                    "Every token, the user's and the tool's too.",
                    "Both options that would leave tokens out are off, so the model learns to write results itself.",
                ),
            ),
        ),
        "09_tool_use",
        7,
    ),
    Item(
        "exam_tools_sources",
        GOAL,
        Question(
            "Toolformer keeps a call if its result lowers the loss of the text behind it by a threshold. Which label does this "
            "filter need?",
            (
                yes("None.", "It compares losses of the model on text that is there already."),
                no("The right answer of each problem.", "No answer is compared: the text itself is the measure."),
                no(
                    "A preference between two calls.",
                    "Pairs are what DPO needs. The filter looks at one call at a time.",
                ),
            ),
        ),
        "09_tool_use",
        4,
    ),
    Item(
        "exam_tools_objectives",
        GOAL,
        Question(
            "Which of the three objectives can make a trajectory likelier that stands in no data set?",
            (
                no("SFT.", "It raises the likelihood of demonstrations, and those are data."),
                yes("RL.", "It samples trajectories itself, and raises those that earned more than others."),
                no("DPO on written pairs.", "Both completions of a pair are data, chosen as well as rejected."),
            ),
        ),
        "09_tool_use",
        5,
    ),
    Item(
        "exam_tools_in_rl",
        GOAL,
        Question(
            "In RL with a tool the words of the tool stand in the middle of a completion. What has to be done about them?",
            (
                yes(
                    "They are conditioned on, and left out of loss, KL and counts.",
                    "The model did not choose them, so no advantage and no ratio belongs to them.",
                ),
                no(
                    "They are cut out of the row before the forward pass.",
                    "Then the log-probs of the words behind them are those of another context.",
                ),
                no(
                    "They get the advantage of the completion, as all its tokens do.",
                    "This trains the model to write what the tool said.",
                ),
            ),
        ),
        "09_tool_use",
        7,
    ),
)
