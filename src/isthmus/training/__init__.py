"""Training: the loop, its compiled part, many members side by side, checkpoints, solvers, history."""
