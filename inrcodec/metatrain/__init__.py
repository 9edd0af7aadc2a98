"""Meta-training of the networks: second-order MAML and iterative magnitude pruning on photos."""

from inrcodec.metatrain.run import train

__all__ = ["train"]
