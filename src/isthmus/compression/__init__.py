"""Smaller networks that do the same: pruning and distillation."""
