"""What the fields of a file of completions are called, and what can be wrong with a line, in the words of the report."""

# In the order of trust: where a file has several, the first counts. A dot goes into an object. Of names, lower and upper
# case are one. Where the line itself has none of them, its objects are looked into, but for "id".
NAMES = {
    "id": ("doc_id", "problem_id", "question_id", "task_id", "custom_id", "uid", "unique_id", "id", "idx"),
    "question": ("question", "problem", "doc.question", "doc.problem", "doc.query", "query", "prompt", "input",
                 "question_text", "problem_text", "instruction", "input_str", "messages"),
    "answer": ("gold", "gold_answer", "gold_answers", "reference_answer", "ground_truth", "ground_truth_answer", "gt", "gt_answer",
               "groundtruth", "expected_answer", "correct_answer", "true_answer", "expected", "gts", "target", "answer",
               "reference", "label", "reward_model.ground_truth", "doc.answer", "ground_truth_solution", "solution", "doc"),
    "completion": ("completions", "completion", "responses", "response", "samples", "generations", "generation", "resps",
                   "outputs", "output", "generated_text", "generated", "generated_answer", "generated_solution",
                   "model_output", "model_output_steps", "model_response", "model_solution", "model_answer", "llm_output",
                   "llm_response", "llm_answer", "raw_output", "raw_response", "output_str", "output_text", "rollouts",
                   "rollout", "solutions", "predictions", "prediction", "choices", "messages", "content", "text", "code", "answer"),
}  # fmt: skip

LISTS = ("samples", "results", "data", "examples", "records", "details", "instances", "rows")  # of lines, in one object
MOST_CHARACTERS = 1_000_000  # of a completion that extractors are given: its end
EXAMPLE = '{"question": "...", "answer": "72", "completion": "..."}'
NO_COMPLETION = "lines without a completion, left out"
NO_GOLD = "lines without a gold answer, left out"
OTHER_GOLD = "lines of a problem that has another gold answer in an earlier line, left out"
OTHER_FILTER = "lines of lm-eval that repeat a problem for another filter, left out"
OTHER_QUESTION = "lines of a problem that has another question in an earlier line, kept"
OTHER_ID = "lines whose question stands under another id too, kept as problems of their own; --id question joins them"
SECOND_LIST = "lines with a further list of completions for a problem, added to the first list"
REPEATED = "lines that repeat an earlier line word for word, kept as further samples"
REPEATED_LIST = "lines that repeat a list of completions word for word, left out"
FLAGS_UNUSED = "lines with more or fewer truncation flags than completions, kept without the flags"
RATIOS_UNUSED = "lines whose log_ratios are not a list of numbers for each completion, kept without them"
LONG_TEXT = "lines with a completion of more than 1,000,000 characters, of which the extractors see the last 1,000,000"
OTHER_PROTOCOL = "lines with another protocol than the first line, kept"
TEXT_GOLD = "lines whose gold answer is no number, compared as a text"
NO_TEXT = "lines with a completion that is no text, kept as an empty one"
