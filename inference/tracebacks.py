"""Errors for the log, without what they quote: that may be a prompt or a text."""

from traceback import format_tb


def without_words(error: BaseException) -> str:
    """The places that an error came through, as Python prints them, and its type in the place of its words."""
    return f"Traceback (most recent call last):\n{''.join(format_tb(error.__traceback__))}{type(error).__name__}"
