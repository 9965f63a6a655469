"""The part of each batch that one of several processes makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Consecutive images of every step's batch.

    What is random about a batch is drawn for all of it and then parted, so that a batch is the
    same however many processes make it.

    Attributes:
        batch_size: images of the whole batch.
        first: number of the first image, from 0 on.
        count: how many.
    """

    batch_size: int
    first: int
    count: int

    @classmethod
    def all(cls, batch_size: int) -> "Share":
        """Returns the share of a process that is alone."""
        return cls(batch_size, 0, batch_size)

    def of(self, values):
        """Returns this share of an array or tensor `(batch_size, ...)`."""
        return values[self.first : self.first + self.count]
