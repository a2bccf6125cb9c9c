"""The questions on over-optimisation: how far a policy goes, and what it then does. On steering: ``questions_steering.py``."""

from reference.teaching.question import Question, no, yes

from .questions_steering import STEERING

CLIMBING = {
    "over_best_of_four": Question(
        "Of four samples the one with the largest reward is kept. How far is this from the policy, in nats of KL per completion?",
        (
            no(
                "1.39, the logarithm of 4.",
                "No completion becomes more than four times as likely, so log 4 is the largest log-ratio that there is. The KL is "
                "the mean of the log-ratio over what is chosen, and only the very best completion has the largest one.",
            ),
            yes(
                "0.64.",
                "log 4 - 3/4 = 0.636. Nothing has to be trained or measured to know it, if no two samples are equal. Where "
                "samples repeat it is less.",
            ),
            no(
                "It depends on the reward model.",
                "Only the ranks of the rewards are used. Any two reward models without ties give the same KL, for other "
                "completions.",
            ),
            no("0.75, since three of four are thrown away.", "This is the part that is taken off: log 4 - 3/4."),
        ),
    ),
    "over_rl_needs_more": Question(
        "Gao et al. (2210.10760) find that RL needs more KL than best-of-n for the same proxy. Why is this to be expected?",
        (
            no(
                "RL works on tokens, so its KL is counted once for every token and comes out larger than that of a completion.",
                "Both are KL of whole completions. The KL of a completion is the sum over its tokens, counted once.",
            ),
            yes(
                "Gradient steps also change what earns nothing.",
                "For a given KL the most reward comes from changing probabilities by the reward alone, and best-of-n is close to "
                "that. Steps made of few samples move all weights, and whatever moves along costs KL. So KL alone does not "
                "compare methods.",
            ),
            no(
                "RL samples at a higher temperature.",
                "Both sample from the policy at the same temperature. What differs is how the reward changes the policy.",
            ),
        ),
    ),
    "over_reward_rises": Question(
        "The log of a run says that the mean reward of the reward model has risen from 0.03 to 1.00. What do you know?",
        (
            no(
                "The answers have become better, since the reward model has learned from people.",
                "In these very runs (climb-4096, mean of three seeds, first and last six steps) right answers fell from 47 % to 4 %.",
            ),
            no(
                "The reward model has become more generous during training.",
                "It is frozen. The policy has changed, and with it the completions that are judged.",
            ),
            yes(
                "The reward model likes the completions better.",
                "It is what the run maximises, so it rises in good and in bad runs. Whether the answers are better has to be "
                "seen elsewhere: here the verifier's share fell from 47 % to 4 % while the reward rose.",
            ),
        ),
    ),
    "over_more_pairs": Question(
        "Two pools of preference data, three seeds each: reward models from the pool of 512 pairs agree with raters in 64 to 68 % of "
        "held-out pairs, those from 4,096 in 65 to 68 %. After 60 steps of RL, which policies are worse?",
        (
            no(
                "Those of 512 pairs: less data, more flaws.",
                "They solve 9 to 18 % of held-out problems, and those of 4,096 pairs 3 to 4 %.",
            ),
            yes(
                "Those of 4,096 pairs.",
                "3 to 4 % of held-out problems are solved, against 9 to 18 %. A likely reason: the raters lean towards length in "
                "every comparison, so more of them teach this leaning better too. The policies also went further in 60 steps, 15 to "
                "30 nats per completion against 10 to 16. At an equal KL they are lower by at most 0.04.",
            ),
            no(
                "Neither: they agree with the raters equally often.",
                "That share is measured on what the base writes. RL leaves these completions, and what a reward model says "
                "elsewhere is not in that number.",
            ),
        ),
    ),
    "over_cut_off": Question(
        "Completions are cut off after 96 tokens, and a reward model reads each at its last token, finished or not. What can a policy "
        "learn from this?",
        (
            yes(
                "That it need not finish.",
                "What was written so far is judged, and a missing answer costs only what the reward model has learned about it. In "
                "climb-4096 (three seeds) the share that is cut off rises from 1 % to 53 % between the first and the last six steps.",
            ),
            no(
                "To finish early, since what is cut off gets no reward.",
                "The verifier gives 0 to what was cut off. The reward model knows no budget, and gives what the text is worth to it.",
            ),
            no(
                "Nothing: rows that were cut off carry no gradient.",
                "They do, unless they are masked, as with overlong_mask. That is a choice that has to be made.",
            ),
        ),
    ),
    "over_what_is_gold": Question(
        "In this lesson gold is the verifier's word on every sample. What is it in a project whose answers nobody can verify?",
        (
            no(
                "The mean of an ensemble of reward models.",
                "Its members learned from the same raters. What all of them lean to is in the mean as well.",
            ),
            no(
                "The share of held-out pairs that the reward model gets right.",
                "It says how well the reward model judges completions of the old policy, and nothing of the new one.",
            ),
            yes(
                "Judgements that are bought, for few checkpoints.",
                "People, or a judge that training never sees. Gold of every step is a luxury of this task. And whoever stops or "
                "chooses by it has used it: the number at the chosen step is too good, so report fresh samples.",
            ),
        ),
    ),
    "over_pass_at_8": Question(
        "Before training every sample of every problem is right with probability 0.5. Afterwards 60 % of the problems are always "
        "solved and the others never. What do pass@1 and pass@8 say?",
        (
            no(
                "Both rise: the model has become better.",
                "pass@1 rises from 0.50 to 0.60. Eight samples that are all alike find no more than one does.",
            ),
            yes(
                "pass@1 rises, pass@8 falls.",
                "From 0.50 to 0.60, and from 0.996 to 0.60. Samples of a problem have become alike. pass@1 alone would report "
                "progress, so log both, and count distinct answers.",
            ),
            no(
                "pass@8 does not change: it measures what the model knows.",
                "It measures whether one of eight samples is right, and falls when samples become alike.",
            ),
        ),
    ),
    "over_dpo_too": Question(
        "DPO trains on pairs, and no reward model is asked about new samples. Can it over-optimise?",
        (
            no(
                "No: without a reward model there is nothing to exploit.",
                "Its reward is in the policy: β times the log-ratio to the reference. It has learned from the same finite pairs.",
            ),
            no(
                "Only if β is so large that the policy cannot move.",
                "A large β holds the policy near the reference. Quality is lost with a small one, far from the reference.",
            ),
            yes(
                "Yes, and often before the first epoch ends.",
                "Rafailov et al. (2406.02900) find that quality falls at larger KL with DPO, IPO and SLiC too. The margin on the "
                "training pairs goes on rising, as a proxy does.",
            ),
        ),
    ),
}
QUESTIONS = CLIMBING | STEERING
