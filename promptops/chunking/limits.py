"""How large chunks may be."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_CHARGE = 24
TOKENS_PER_CHARGE = 40
"""What one more chunk costs, in the unit of the costs of borders: what it takes to turn a cut word into a sentence end,
and more for large chunks, where good borders are plenty."""
BEYOND = 8
"""How much better a border must be for a chunk to pass the preferred size, where that saves no chunk."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Chunk sizes in tokens: none over ``budget``, none but the last under ``least``, best none over ``preferred``."""

    budget: int
    least: int
    preferred: int

    @classmethod
    def of(cls, budget: int, preferred: int | None = None) -> Limits:
        """The limits of a budget: half of the preferred size is the least."""
        aim = budget if preferred is None or budget - preferred < budget // 16 else preferred
        return cls(budget, max(1, aim // 2), aim)

    @property
    def charge(self) -> int:
        """What each chunk costs."""
        return max(LEAST_CHARGE, self.preferred // TOKENS_PER_CHARGE)

    @property
    def beyond(self) -> int:
        """What a chunk over the preferred size costs more: as much as another chunk, and a little for its trouble."""
        return self.charge + BEYOND

    def shrunk(self, by: int) -> Limits:
        """The same with a smaller budget."""
        return Limits.of(max(1, self.budget - by), min(self.preferred, max(1, self.budget - by)))

    def resized(self, budget: int, least: int) -> Limits:
        """Other sizes, with no preference among them."""
        return Limits(budget, least, budget)

    def loosened(self) -> Limits:
        """The same with smaller chunks allowed."""
        return Limits(self.budget, max(1, self.least // 4), self.preferred)
