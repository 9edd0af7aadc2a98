"""Meta-training of the networks: second-order MAML and iterative magnitude pruning on photos."""
