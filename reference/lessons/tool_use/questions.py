"""The questions on tool use."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "tool_who_wrote": Question(
        "A turn of the assistant has some words, a call and an EOS. Then the tool answers. What is trained?",
        (
            no(
                "The call alone, since the words before it are checked by nobody.",
                "The model sampled these words as well, and the call depends on them. In RL they have a share in what follows.",
            ),
            no(
                "Words, call and answer: the model has to know what the tool says.",
                "It reads the answer in its context. To be trained on it means to learn to write it, which is the tool's work.",
            ),
            no(
                "Words and call, and not the EOS, since the trajectory goes on behind it.",
                "Then nothing teaches the model to stop behind a call, and it writes a result of its own.",
            ),
            yes(
                "Words, call and EOS.",
                "The model has sampled all three. It has sampled neither the headers nor the answer of the tool.",
            ),
        ),
    ),
    "tool_one_bad_call": Question(
        "In a turn the model makes two calls, and the JSON of one is malformed. What does TRL 1.16 do in GRPO?",
        (
            no(
                "It runs the good call, and the model reads an error for the other one.",
                "So it is in our world. It asks for a parser that reads each call by itself.",
            ),
            no(
                "It runs the good call and drops the other one without a word.",
                "verl's hermes parser drops a malformed call so. TRL reads the turn as a whole.",
            ),
            yes(
                "It runs neither: the text is the final answer.",
                "The parser raises for the turn, and no metric counts it: both the frequency of calls and that of failures "
                "know only of calls that were run. See findings/trl_one_bad_call_cancels_all.sh.",
            ),
            no(
                "It counts a failed call in tools/failure_frequency.",
                "This metric counts errors of calls that were run. A call that cannot be read is no call for TRL.",
            ),
        ),
    ),
    "tool_gae_result": Question(
        "PPO with λ = 0.95. The same right trajectory, with a result of 10 tokens and with one of 100. What should be "
        "different in the advantage of the call?",
        (
            yes(
                "Nothing.",
                "The model took the same number of decisions. GAE that skips the tool's tokens gives 0.43 for both (V = 0.5 "
                "everywhere, an answer of 3 tokens).",
            ),
            no(
                "It should be smaller for the long result, as the reward is farther away.",
                "Farther away in tokens that nobody chose. If they are steps, 0.95 is multiplied in for each of them, and a "
                "tool that says much makes its call look useless.",
            ),
            no(
                "It should be larger for the long result, which tells the model more.",
                "What a result is worth shows in the reward and in the critic's value behind it, not in its length.",
            ),
            no(
                "The sign: with 100 tokens the call is to blame for the length.",
                "That is what comes out if each token of the tool is a step with value 0: -0.49 in place of 0.43. Nobody wants "
                "it: the tool wrote these tokens.",
            ),
        ),
    ),
    "tool_dpo_branch": Question(
        "Two trajectories share their first call and its result, and differ in the second call. Where does the prompt of "
        "the DPO pair end?",
        (
            no(
                "Behind the question, so that each side is a whole trajectory.",
                "The shared turns cancel in the margin, if their log-probs are equal. What stands behind the second calls "
                "does not: two different results of a tool are compared as if the model had written them.",
            ),
            yes(
                "In front of the second call.",
                "Then the pair compares this one decision. If both sides end with their call, no token of a tool is in the sum, "
                "and TRL's DPO, which has no mask for the tool, does the right thing.",
            ),
            no(
                "Behind the second result, since the results have to be known.",
                "Then the calls are in the prompt, where they are not trained, and each side has a prompt of its own.",
            ),
        ),
    ),
    "tool_valid_bonus": Question(
        "The reward is the success plus 0.1 for every valid call. A further call lowers the success of no trajectory. What does "
        "the policy learn?",
        (
            no(
                "To write its calls without mistakes, and to use them where they help.",
                "The first is true. Nothing says where a call helps: each valid call pays, needed or not.",
            ),
            no(
                "Little: 0.1 is small against a success of 1.",
                "On problems that it solves anyway, all trajectories of a group have this 1, and only the bonus is left.",
            ),
            yes(
                "To call as often as it may.",
                "One call and success earn 1.1, three calls and success 1.3. A price per call of at least the bonus ends this.",
            ),
        ),
    ),
    "tool_rubric": Question(
        "A judge scores failed trajectories with a rubric: is the plan sound, was a tool used, is the answer clear? It does "
        "not know the right answer. What gets a high score?",
        (
            yes(
                "A neat plan with a call that has no use, and a confident wrong answer.",
                "Each point is about form, and form can be had without being right. Give the judge the right answer, or "
                "ask for facts that can be checked: does the answer agree with the last result?",
            ),
            no(
                "A trajectory that failed by a hair, as it was meant.",
                "The judge cannot see how near it was: it would need the answer, or the steps that lead to it.",
            ),
            no(
                "Nothing, since all of them failed.",
                "A rubric gives points for parts, which is why it is used where success is rare.",
            ),
        ),
    ),
    "tool_output_trained": Question(
        "A model was trained on the tool's words too, and on its own EOS behind each call. Now it samples with a tool. How "
        "do you notice?",
        (
            no(
                "It makes up a result behind each call.",
                "It ends its turn, as it has learned to. Then the loop runs the tool, and the model gets no chance.",
            ),
            yes(
                "It solves fewer problems, and seldom makes up a result.",
                "Its turn ends at the EOS, and the tool writes the result. But a part of every gradient was about digits that "
                "nobody can predict. A made-up result shows where nobody stops the model: without the EOS, or without a tool.",
            ),
            no(
                "Its calls are malformed, because it was trained on fewer of them.",
                "It was trained on just as many calls. A mean over all tokens gives them less weight, which is something else.",
            ),
        ),
    ),
    "tool_price_std": Question(
        "GRPO with a price of 0.01 per call. In a group of four all succeed; three call once, one calls twice. What is the "
        "advantage of the fourth?",
        (
            no("About -0.01, the price of one call.", "So it would be if rewards were not compared within the group."),
            no(
                "About -0.0075, what it lies below the mean of its group.",
                "So it is before the division by the std of the group, as in Dr.GRPO.",
            ),
            no(
                "0: all four succeed, so the group is dead.",
                "It would be without a price. With one, the rewards differ, and the std is made of nothing else.",
            ),
            yes(
                "About -1.5.",
                "The std of the group is 0.005, and -0.0075 over it is -1.5. The price cancels: a smaller one gives nearly the "
                "same, until eps is as large as the std. In a group with failures the price stays small.",
            ),
        ),
    ),
    "tool_reward_place": Question(
        "On which token do these lines put the reward?",
        (
            no(
                "On the last token that the model wrote.",
                "That is the last place where mask is 1. The lines do not look at mask for this.",
            ),
            yes(
                "On the last token of the row.",
                "If a long result fills the budget, a tool wrote this token. GAE that skips masked tokens never sees the "
                "reward, and a sum over the row does.",
            ),
            no(
                "On the EOS of the last call.",
                "Behind it stands the result of this call, unless the budget has no room for a single token of it.",
            ),
            no("On every token.", "The list is 0 but for one entry."),
        ),
    ),
}
