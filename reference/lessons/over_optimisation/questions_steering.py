"""The questions on what holds a policy back: which term, in which place, with which sign."""

from reference.teaching.question import Question, no, yes

STEERING = {
    "over_length_in_loss": Question(
        "Completions are too long. Someone adds length_coef * lengths.mean() to the loss. What happens?",
        (
            yes(
                "The loss that is logged gets larger. Nothing else changes.",
                "A length is a count of sampled tokens. No gradient leads from it to the weights. In the reward, before the "
                "baseline, it works: there it weighs log p of each completion.",
            ),
            no(
                "Completions get shorter, more slowly than with a length term in the reward.",
                "They do not get shorter at all: the gradient of this term is exactly 0.",
            ),
            no(
                "Completions get shorter until the policy loss balances the term.",
                "A balance needs two gradients. This term has none, whatever its coefficient is.",
            ),
            no(
                "The gradient is clipped more often.",
                "The norm of the gradient is what it was. Only the value of the loss has changed.",
            ),
        ),
    ),
    "over_entropy_sign": Question(
        "A loss that is minimised has the line + entropy_coef * entropy_bonus, and entropy_coef is above 0. When does this raise the "
        "entropy?",
        (
            no(
                "Always: a bonus is something that is added.",
                "A bonus is added to what is maximised. This is a loss, and whatever is added to it is made smaller.",
            ),
            yes(
                "If entropy_bonus is minus the entropy.",
                "Then the step makes -H smaller, so H larger. With H itself the line has to be - entropy_coef * H. The name "
                "does not say which one it is: read where it is computed, or look whether the logged number is below 0.",
            ),
            no(
                "Never: the coefficient would have to be negative.",
                "It may be positive if the sign is in the term already. A negative coefficient hides the sign in a third place.",
            ),
        ),
    ),
    "over_one_origin": Question(
        "Of three reward models the least pleased one decides. The rewards of one lie between -1 and 1, those of the others between "
        "5 and 8. What is the minimum without baselines?",
        (
            no(
                "The same up to a constant, and RL takes constants off.",
                "A constant of all members together would cancel. Each member has its own, and which one is the smallest "
                "depends on it.",
            ),
            no(
                "Too strict: all rewards get smaller.",
                "That they are small does not matter. It matters that one member alone is heard.",
            ),
            yes(
                "The first reward model alone.",
                "It is the smallest for every completion, so the others are never heard. Pairs fix a reward model only up to a "
                "constant: take off each member's mean reward of the same reference completions first.",
            ),
        ),
    ),
    "over_which_place": Question(
        "Policy gradient training, one step. Which of these can only act in the reward?",
        (
            no(
                "The KL to the reference.",
                "It can act in either place: k1 as a constant in the reward, k2 or k3 with its gradient in the loss.",
            ),
            no(
                "The entropy and the NLL of demonstrations.",
                "Both are functions of the weights with a gradient, so they belong in the loss.",
            ),
            yes(
                "The length, and what the reward model says.",
                "Both are known only of the completion that was sampled, and have no gradient with respect to the policy. They can "
                "only say by how much its log-probability should rise or fall.",
            ),
            no(
                "The error of the critic.",
                "It is a function of the critic's weights with a gradient, and stands in the loss with vf_coef.",
            ),
        ),
    ),
    "over_kl_stops_early": Question(
        "Gao et al. (2210.10760) trained with and without a KL penalty. They plot gold against KL. What did the penalty change?",
        (
            no(
                "Gold was higher at every KL.",
                "At an equal KL the proxy was higher with the penalty. Gold was not.",
            ),
            yes(
                "How far along one curve the run came.",
                "Gold at a given KL was the same, so the penalty acted like stopping earlier. They add that this depends on "
                "hyperparameters, so measure it: plot gold against KL, and not against steps.",
            ),
            no(
                "The peak lay at a larger KL.",
                "The curve of gold against KL was the same, with its peak in the same place.",
            ),
        ),
    ),
    "hack_excerpt": Question(
        "The three reward models give a completion of 192 tokens the scores 1.0, 0.5 and -4.0, which are ordinary for "
        "them. Another completion has the same scores and uses up the budget of 256 tokens. What reward does it get "
        "from these lines, the KL left aside?",
        (
            no(
                "-5: the full penalty is taken off.",
                "So it would be if the penalty were added. These lines multiply the reward by 1 minus the penalty, and "
                "that is 0 at the end of the budget.",
            ),
            no(
                "-4, as the shorter one: the length of a sample has no gradient.",
                "That is why the length in the loss does nothing. In the reward no gradient is needed: the reward "
                "weighs the log-probs.",
            ),
            yes(
                "0, which is 4 more than the shorter one gets.",
                "The minimum is -4, and the factor is 0. For a negative reward a factor between 0 and 1 is a bonus, so "
                "the longest completion of a group is the best. The sign was never learned: a reward model is known "
                "up to a constant only.",
            ),
            no(
                "0.5: the highest and the lowest score are left out.",
                "That is the median of the three. The minimum is the score of the third model for nearly every "
                "completion, since its constant is the lowest.",
            ),
        ),
    ),
}
