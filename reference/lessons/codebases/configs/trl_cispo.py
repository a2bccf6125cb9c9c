"""CISPO on arithmetic word problems."""

from datasets import load_dataset
from rewards import answer_is_right, ends_with_an_answer
from trl import GRPOConfig, GRPOTrainer

config = GRPOConfig(
    output_dir="runs/cispo-math",
    learning_rate=2e-6,
    per_device_train_batch_size=8,
    gradient_accumulation_steps=4,
    num_generations=16,
    max_completion_length=2048,
    loss_type="cispo",
    epsilon=0.1,
    epsilon_high=5.0,
    beta=0.02,
    logging_steps=1,
    bf16=True,
)

trainer = GRPOTrainer(
    model="models/small-instruct",
    reward_funcs=[answer_is_right, ends_with_an_answer],
    args=config,
    train_dataset=load_dataset("parquet", data_files="data/problems/train.parquet", split="train"),
)
trainer.train()
