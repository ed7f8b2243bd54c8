"""The variational auto-encoder: priors, likelihoods, probabilistic PCA, the bound, and inference."""
