"""Smaller networks by pruning and by distillation, compared with networks trained from scratch."""
