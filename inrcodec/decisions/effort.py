"""How long an encoder looks for a smaller file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """What an encoder tries.

    Attributes:
        trials: prediction modes per cell, and other transform types for each, that are tried with the real
            rate; 0 does without a rate: weights are rounded.
        cut_trials: as many, where tiles are fitted with cells of one size to learn what those cost, before it
            is decided how to cut; 0 does without: costs are rough.
    """

    trials: int
    cut_trials: int = 0


EFFORTS = {
    1: Effort(0),
    2: Effort(1),
    3: Effort(2),
    4: Effort(3),
    5: Effort(4),
    6: Effort(6),
    7: Effort(8),
    8: Effort(4, 4),
    9: Effort(8, 8),
}
DEFAULT_EFFORT = 5
