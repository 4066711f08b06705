"""The texts of an order that failed on the way."""

from inference.contract import Text


class Failures:
    """The texts of an order that failed on the way, held back until it ends.

    Where another of its texts came through, each was itself the reason, and is refused. Where none did, the reason may
    be what generates, and the order fails, so that another worker can try.
    """

    def __init__(self) -> None:
        self.one_came_through = False
        self._held: list[tuple[Text, Exception]] = []

    def hold(self, refused: Text, error: Exception) -> None:
        """Keep a text that failed, as it is refused, and the error that the order fails with."""
        self._held.append((refused, error))

    def refused(self) -> tuple[Text, ...]:
        """The texts to refuse; raises the first error where no text came through."""
        if self._held and not self.one_came_through:
            raise self._held[0][1]
        return tuple(text for text, _ in self._held)
