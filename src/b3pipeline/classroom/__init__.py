"""A class: a market for each student, the notebooks to hand out, the hand-ins graded."""

from b3pipeline import plain_addresses as plain_addresses
