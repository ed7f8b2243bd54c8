"""Training: the loop, its compiled part, many members side by side, solvers, and the history."""
