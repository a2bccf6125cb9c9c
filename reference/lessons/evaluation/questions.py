"""The questions on evaluation."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "eval_five_variables": Question(
        "One report says 88 % for model A, another says 90 % for model B, on one benchmark. What must be known before the two "
        "numbers can be compared?",
        (
            no(
                "That both are means over three training seeds.",
                "Seeds tell how much training varies. They say nothing about how the answers were asked for and read.",
            ),
            no(
                "That both used the official test set, from its first problem to its last.",
                "The same problems can still be asked in other words, and be read by another rule.",
            ),
            yes(
                "Prompt, sampling, token budget, extractor, and whether a model has seen the test.",
                "Each of the five can move the score. If one of them differs, the two numbers answer two questions. What is "
                "counted, such as a vote, belongs to sampling.",
            ),
            no(
                "That the two models have about as many parameters.",
                "Size may explain a difference. It does not make two measurements alike.",
            ),
        ),
    ),
    "eval_problems_not_samples": Question(
        "200 problems, 16 samples of each: 3,200 verdicts. The interval of the mean score is computed for how many independent "
        "trials?",
        (
            no(
                "3,200, one for each verdict.",
                "The 16 samples of a problem share its difficulty. Where all 16 always agree, this interval is 4 times too "
                "narrow.",
            ),
            yes(
                "200.",
                "The problems are what was drawn from all problems that could have been asked. More samples make the score "
                "of each problem more exact, but they add no problem.",
            ),
            no(
                "16, since there are 16 runs over the benchmark.",
                "The spread of these runs shows the noise of sampling on these very 200 problems. Other problems would give "
                "another score, and this spread does not know it.",
            ),
        ),
    ),
    "eval_88_90": Question(
        "Two models with true scores of 88 % and 90 % are measured on problems of their own, n for each. From which n on is "
        "the half-width of the 95 % interval of the difference below 2 points?",
        (
            no(
                "About 100.",
                "With 100 problems a single one is worth 1 point, and the interval of the difference is 9 points to either side.",
            ),
            no(
                "About 200, as in many a benchmark.",
                "With 200 problems the half-width is 6 points: a difference of 2 points is far inside of it.",
            ),
            yes(
                "About 1,900.",
                "1.96 times the root of (0.88 * 0.12 + 0.90 * 0.10) / n is 0.02 for n = 1,879. Even then a difference of 2 "
                "points is found in half of all measurements only. The same problems for both models need fewer.",
            ),
            no(
                "Never: sampling adds noise that no number of problems removes.",
                "Noise of sampling is averaged away with the problems too. The half-width falls with the root of n.",
            ),
        ),
    ),
    "eval_pass_or_majority": Question(
        "With 16 samples per problem a model has a mean of 0.70, a majority score of 0.80 and a pass@16 of 0.95. A user gets one "
        "answer, made of 16 samples, and nobody can check it. What share of the answers is right?",
        (
            no(
                "0.95",
                "pass@16 counts a problem if one of the 16 is right. Somebody has to know which one, so it needs a verifier.",
            ),
            no(
                "0.70",
                "This is the share if each answer is made of a single sample. Here 16 of them are put to the vote.",
            ),
            yes(
                "0.80",
                "The vote chooses without knowing the right answer. What lies between it and pass@16 is what a verifier "
                "could still add.",
            ),
        ),
    ),
    "eval_temperature": Question(
        "The temperature is raised from 0.3 to 1.0, and the mean score falls by 3 points. What happens to pass@16?",
        (
            no(
                "It falls at least as much: every sample has become worse.",
                "pass@16 asks for one right sample among 16. It depends on how much the samples differ, too.",
            ),
            yes(
                "It may rise, because the samples differ more.",
                "At a temperature near 0 all 16 samples are nearly one sample, and pass@16 is nearly pass@1. A problem whose "
                "likeliest answer is wrong is solved only where samples differ.",
            ),
            no(
                "Nothing: pass@16 does not depend on how the samples were drawn.",
                "The formula does not. The number of right samples that it is given does.",
            ),
        ),
    ),
    "eval_budget": Question(
        "The token budget is halved, and a completion that was cut off counts as wrong. Which of two models that were equally good "
        "loses more?",
        (
            no(
                "The one that knows less about the subject.",
                "They were equally good. The budget cuts off long completions, and not poor ones.",
            ),
            no(
                "Neither, since both get the same budget.",
                "The same budget is no limit for a model that answers briefly.",
            ),
            no(
                "The one with the larger vocabulary.",
                "It needs fewer tokens for the same text, so it would rather lose less.",
            ),
            yes(
                "The one that writes more tokens per answer.",
                "So a budget is a part of the score: the share that was cut off belongs beside every number. A model that was "
                "trained with a larger budget looks worse in a smaller one.",
            ),
        ),
    ),
    "eval_extractor": Question(
        "An extractor takes the last number of the text, declared or not. The right answer is 50. Which completion does it "
        "accept, although a person would not?",
        (
            no(
                '"55-5=50. Answer: 50. I have checked it 2 times."',
                "It takes the 2. So it refuses what a person would accept.",
            ),
            yes(
                '"47+8=55, 55-5=50, and now", where the budget ended',
                "It takes the 50 of the last step. Nothing was declared, and nobody knows what would have come.",
            ),
            no('"The answer is fifty."', "It finds no number, and counts as wrong what a person would accept."),
            no('"Answer: 50"', "Here every extractor agrees with every person."),
        ),
    ),
    "eval_paraphrase": Question(
        "A detector flags a test problem if half of its 8-grams stand in the training data. Which copy does it not find?",
        (
            no(
                "One in capital letters, without punctuation.",
                "Case and punctuation are dropped on both sides before the comparison.",
            ),
            no(
                "One of 40 words, of which one word in the middle is another.",
                "The word is in 8 of 33 runs. The other 25 are shared, which is 76 %.",
            ),
            no(
                "One inside a document of 10,000 words.",
                "The share is taken of the runs of the problem. The length of the document plays no part.",
            ),
            yes(
                "One with other names and another order of its sentences.",
                "Hardly a run of 8 words is left, and the numbers and the question are the same. A detector of copies does not "
                "find the same problem in other words: a clean report is no proof.",
            ),
        ),
    ),
    "eval_contaminated_score": Question(
        "A model solves 95 % of the flagged problems of a test and 80 % of the others. What follows?",
        (
            no(
                "15 points of its score are memorised.",
                "Perhaps. Problems that were copied often may also be the easier ones.",
            ),
            yes(
                "Little, until a model without this training data has done the same problems.",
                "If it too is better on the flagged ones, these are easier. What the difference has beyond that is a sign of "
                "memory.",
            ),
            no(
                "The score of 80 % is that of a clean test.",
                "It is that of another test, with other problems. And copies that the detector does not see are still in it.",
            ),
        ),
    ),
    "eval_paired": Question(
        "Both models did the same 200 problems. A solved 172 of them, and B 180. What else do you need, to say whether B is "
        "better?",
        (
            no(
                "Nothing: the intervals, 81 to 90 % and 85 to 93 %, overlap.",
                "They are the intervals of two scores, and not that of the difference. Problems that are hard for both widen "
                "them, and cancel in the difference.",
            ),
            no(
                "How many samples each problem had.",
                "It changes how exact the score of a problem is. The comparison is between problems all the same.",
            ),
            yes(
                "On how many problems exactly one of the two was right.",
                "If B solved 8 that A did not, and A none that B did not, the difference is 4.0 ± 2.7 points, and McNemar's p "
                "is 0.008. If it was 28 against 20, the difference is 4.0 ± 6.8 points, and p is 0.31.",
            ),
        ),
    ),
    "eval_greedy": Question(
        "Greedy decoding solves 172 of 200 problems, and every repetition gives the same 172. What is the 95 % interval of this "
        "score?",
        (
            no(
                "86.0 % exactly: nothing in it is random.",
                "The problems are. Two hundred others of the same kind would have given another number.",
            ),
            yes(
                "81 % to 90 %.",
                "Decoding has no noise here, and the choice of the problems has. The interval is that of 172 successes in 200 "
                "trials.",
            ),
            no(
                "It has to be measured with sampling first.",
                "Sampling has a score of its own, with an interval of its own. It is another way of using the model.",
            ),
        ),
    ),
    "eval_harness_excerpt": Question(
        "One of the eight samples of a problem is right. What do these lines add to pass@16 for it?",
        (
            no(
                "1.0: fewer than 16 samples are wrong, so each draw of 16 has a right one.",
                "So say the estimators of evalplus and lighteval, and they would say it without any right sample too. "
                "These lines count no draws without replacement.",
            ),
            no(
                "Nothing: k is larger than n, so they raise an error.",
                "They should, because eight samples cannot give an unbiased estimate of pass@16. No line compares k with n.",
            ),
            yes(
                "0.88, as for 16 draws with replacement out of the eight samples.",
                "1 - (7/8)^16. It is too low on average also for k up to n: at k = 8 it is 0.66, where the unbiased estimator "
                "says 1, since every draw of all eight has the right sample.",
            ),
            no(
                "0.125, the share of right samples.",
                "That estimates pass@1. These lines raise the share of wrong samples to the power k.",
            ),
        ),
    ),
}
