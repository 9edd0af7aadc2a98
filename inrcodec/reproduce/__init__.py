"""Meta-SparseINR (Lee, Tack, Lee, Shin; NeurIPS 2021) and its five baselines, run on the codec's classes."""
