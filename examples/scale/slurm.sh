#!/bin/bash
# Two workers with SLURM, one on each node: sbatch examples/scale/slurm.sh --config examples/quickstart.yaml
#
# srun tells each task who the others are. The folder `runs` must be on a drive that all nodes share. A task that dies
# ends the others, and all start again from the last state, three times at most. Before the time limit and when the job
# is preempted, SLURM sends SIGTERM; the state is saved, and the job goes back into the queue.
# Checked with `bash -n` and, in place of srun, with stand-ins of it; not run on a cluster.
#SBATCH --job-name=sftkeras-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append

export TF_NUM_INTRAOP_THREADS="$SLURM_CPUS_PER_TASK"

for attempt in 1 2 3 4; do
    # No --overwrite and no --resume here: the same command starts a run and resumes it.
    srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --distribution=block --kill-on-bad-exit=1 \
        python -m sftkeras.train --training.strategy multi_worker "$@" &
    step=$!
    trap 'kill -TERM $step' TERM # srun passes it on to the tasks
    wait $step
    code=$?
    if [ "$code" -gt 128 ]; then # the trap came first: now the step's own end
        wait $step
        code=$?
    fi
    case "$code" in
    0 | 2 | 130) exit "$code" ;;
    75) exec scontrol requeue "$SLURM_JOB_ID" ;;
    esac
    echo "The workers ended with $code (attempt $attempt)." >&2
done
exit "$code"
