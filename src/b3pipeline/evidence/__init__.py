"""The evidence for the hand-in: each requirement of the challenge, proven by what AWS answers."""

from b3pipeline.evidence.gather import Evidence, Proof, gather
from b3pipeline.evidence.page import write_pages
from b3pipeline.evidence.requirements import EDITIONS, edition

__all__ = ["EDITIONS", "Evidence", "Proof", "edition", "gather", "write_pages"]
