"""What ms-swift is given beside the options of cases.py, and ours alike. Imports nothing."""

LOW_DELTA = 1.1  # between 1 and 1 + epsilon_high: bounds positive advantages too
SHARE, APART = 0.45, 0.1  # of the tokens with the highest entropy; nats per token that a row may be off-policy
LD_ALPHA, NLL_COEF = 0.4, 0.2
TOP, TEACHER_COEF, GATE_BETA = 3, 0.5, 5.0  # tokens that the teacher tells of; of OPD-RL; of SDAR's gate
KIND_WEIGHTS, UNIT = (1.0, 0.5), 100.0  # of two kinds of reward, the second in another unit
ROW_HIGH = 1.2  # for the mean ratio of a row to the sampler, which moves less than a token's
