"""The questions of the debug lab."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "lab_one_early": Question(
        "A mask is one place too early: it begins at the last token of the prompt. A row is not padded and ends with its EOS. "
        "What does a check of the batch find?",
        (
            no(
                "That a token of the prompt is kept, and nothing else.",
                "A mask that moves keeps its length. It gains a token at one end and loses one at the other.",
            ),
            yes(
                "That a token of the prompt is kept, and that the EOS is not.",
                "Both at once are the sign of a shift. A mask that merely begins too early would still keep the EOS.",
            ),
            no(
                "That the shapes differ, since one prediction is missing.",
                "A shifted mask has the same shape. This is why nothing raises an error.",
            ),
        ),
    ),
    "lab_zero": Question(
        "The first line of a GRPO log says: loss 0.0, grad_norm 0.41, reward_std 0.46. What is to be done?",
        (
            no(
                "Stop: a loss of 0 has nothing to teach.",
                "The gradient is not 0. At ratio 1 the loss is minus the mean of the advantages, and centred advantages have "
                "the mean 0.",
            ),
            yes(
                "Nothing: this is how the first inner step of GRPO has to look.",
                "The mean of centred advantages is 0, and each token still gets its own. The loss says nothing here; look at the "
                "reward.",
            ),
            no(
                "Raise the learning rate, so that the loss begins to move.",
                "The weights move already. The loss would move away from 0 because the old samples fit the new policy less.",
            ),
        ),
    ),
    "lab_batch_std": Question(
        "A log of TRL 1.16 says: grad_norm 0.0, reward_std 0.5, frac_reward_zero_std 1.0. What is the matter?",
        (
            yes(
                "Every group is dead: some prompts are always right and the others never.",
                "reward_std is the std of all rewards of the batch there, and prompts differ. The advantage needs a difference "
                "within a group, and frac_reward_zero_std says that no group has one.",
            ),
            no(
                "The gradient was cut, since the rewards differ.",
                "They differ between prompts. Within each group they are equal, and so there is no gradient to cut.",
            ),
            no(
                "The log is wrong: a std of 0.5 and a share of 1.0 exclude each other.",
                "One is about the batch and the other about groups. Both can be true at once.",
            ),
        ),
    ),
    "lab_which_kl": Question(
        "A KL to the reference is charged, with a coefficient that is far too small. What does approx_kl do over the run?",
        (
            no(
                "It rises from step to step, as the policy leaves the reference.",
                "The reference does not occur in it. It compares the policy with itself at the beginning of the same rollout, so "
                "it begins anew with each rollout.",
            ),
            yes(
                "It stays small, since no single update is large.",
                "Each rollout moves the policy by a small step, and the small steps add up. Only a KL to the reference shows "
                "their sum.",
            ),
            no(
                "It is 0, since the coefficient is nearly 0.",
                "It is no term of the loss. It is logged whatever the coefficient is.",
            ),
        ),
    ),
    "lab_which_learns": Question(
        "One of these faults trains with a rising reward, so that a look at the reward finds nothing. Which one?",
        (
            no(
                "lr_too_high: the learning rate is several times too high.",
                "Its reward breaks down within the first steps, and approx_kl is large from the first step on.",
            ),
            yes(
                "temperature_forgotten: the samples are drawn at 0.7, and scored at 1.",
                "Samples at 0.7 are more often right, so that the reward is even higher than in the healthy run. The ratio at the "
                "first inner step tells: it has to be 1 for every token.",
            ),
            no(
                "verifier_broken: the verifier finds no answer in any completion.",
                "The reward is 0 at every step. It cannot rise.",
            ),
        ),
    ),
    "lab_group_of_two": Question(
        "A group has two completions, and a completion is right with probability 0.5. Which share of the groups teaches nothing?",
        (
            no(
                "None, since a group of two still has a mean.",
                "Two equal rewards have a mean too, and both differences from it are 0.",
            ),
            yes(
                "Half of them.",
                "Both right with probability 0.25, both wrong with 0.25. With eight completions it is less than 1 %.",
            ),
            no("A quarter of them.", "This is the share where both are right. Both can be wrong as well."),
        ),
    ),
    "lab_no_result": Question(
        "A model that has learned to call a calculator goes on with RL, and by a fault its result is missing in the context. "
        "What will it learn?",
        (
            no(
                "To call again until a result comes.",
                "No call gets a result, and a call has a price. So calls are what it unlearns.",
            ),
            yes(
                "To call less and less, and to make numbers up.",
                "An answer after a call without a result is right by chance only, and a guess without a call is cheaper.",
            ),
            no(
                "Nothing: without results all rewards are 0.",
                "Some guesses are right. So some groups have a difference, and the policy learns from it.",
            ),
        ),
    ),
    "lab_excerpt": Question(
        "Which of these faults shows in the log of the excerpt?",
        (
            no(
                "Most of the groups are dead.",
                "reward_std is taken over the batch, and prompts differ from each other even where no group has a difference.",
            ),
            no(
                "The gradient is a hundred times too large.",
                "The norm is read after clipping, so it is never above max_norm.",
            ),
            yes(
                "The steps are far too large.",
                "Ratio and kl are read after the other updates of the rollout, so they are far from 1 and from 0 where the "
                "steps are too large.",
            ),
            no(
                "The policy has gone far from the reference.",
                "kl is between the old and the new policy of one rollout. The reference occurs nowhere.",
            ),
        ),
    ),
}
