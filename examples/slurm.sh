#!/bin/bash
# A map of Parquet files on two nodes, and the coordinates of all rows: sbatch slurm.sh FOLDER OUTPUT
# What follows them are options of isthmus fit.
#SBATCH --job-name=isthmus
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail
rows=$1
output=$2
mkdir -p "$output"
srun --kill-on-bad-exit=1 isthmus fit "$rows" --drop id -d 2 --batch-size 4096 \
	--checkpoint "$output/training" -o "$output/map.isthmus" "${@:3}"
srun isthmus transform "$output/map.isthmus" "$rows" --keep id -o "$output/coordinates"
