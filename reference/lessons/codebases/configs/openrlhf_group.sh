# Group advantages without a critic, on two nodes.
python3 -m openrlhf.cli.train_ppo_ray \
   --actor.model_name_or_path models/small-instruct \
   --data.prompt_dataset data/problems/train.jsonl \
   --data.input_key question \
   --reward.remote_url rewards/right_answer.py \
   --algo.advantage.estimator group_norm \
   --algo.advantage.no_std_norm \
   --algo.kl.use_loss \
   --algo.kl.init_coef 1e-3 \
   --actor.eps_clip 0.1 \
   --actor.eps_clip_low_high 0.2 0.28 \
   --actor.adam.lr 5e-7 \
   --rollout.n_samples_per_prompt 8 \
   --rollout.batch_size 128 \
   --rollout.max_new_tokens 2048 \
   --train.batch_size 1024 \
   --train.max_epochs 1
