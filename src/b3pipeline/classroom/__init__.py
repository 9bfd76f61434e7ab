"""A class: a market for each student, the notebooks to hand out, the hand-ins graded."""
