"""Meta-training of the networks: second-order MAML, conditional starts, iterative magnitude pruning."""
