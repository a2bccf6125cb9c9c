"""Settings of a JupyterHub for a class of twenty on 16 cores and 64 GB. docs/CLASS.md says what was run with them.

    jupyterhub --config docs/jupyterhub_config.py

Every learner has an account on this computer, and LocalProcessSpawner starts the learner's server as this account. A
spawner that knows limits itself, such as systemdspawner, reads mem_limit and cpu_limit instead of shell_cmd.
"""

c = get_config()  # noqa: F821  JupyterHub gives it

GIB = 1024**3
LEARNERS = 20
MEMORY = 2 * GIB  # of each process of a learner: the server, and each open notebook

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.JupyterHub.active_server_limit = LEARNERS + 2  # and two who teach
c.JupyterHub.concurrent_spawn_limit = 4  # a class that comes at once waits in a queue, not for a busy disk

# prlimit holds for the server and for every kernel that it starts. --cpu would count seconds, so cores are not limited:
# one thread for each process, and a lower priority than that of the hub, keep it answering.
c.LocalProcessSpawner.shell_cmd = ["prlimit", f"--data={MEMORY}", "nice", "-n", "10", "sh", "-c"]
c.Spawner.mem_limit = MEMORY
c.Spawner.cpu_limit = 2.0

c.Spawner.environment = {
    "OMP_NUM_THREADS": "1",  # threads that wait for each other make a busy machine slow
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}

# A notebook that nobody has used for an hour gives its memory back, and after two more the server does.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--ServerApp.shutdown_no_activity_timeout=7200",
]
