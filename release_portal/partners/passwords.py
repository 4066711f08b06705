"""How easily a password is guessed."""

import re
from threading import Lock

from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

from .models import User

LEAST_SCORE = 3  # of 0 to 4: at least 10^8 guesses
LOOKED_AT = 72  # characters: what zxcvbn takes; the work grows with them
OWN_WORDS = ("Release Portal", "release", "portal")
SHORTEST_WORD = 3  # of what the person is called: shorter ones are in every password
WHAT_TO_DO = "Take four or more words that have nothing to do with each other, or let a password manager make one."

_one_at_a_time = Lock()  # zxcvbn keeps the words of the person that it looks at in a dictionary of the whole process


class GuessValidator:
    """Refuses a password that a program guesses from lists of words, names, dates, keyboards and repetitions."""

    def validate(self, password: str, user: User | None = None) -> None:
        with _one_at_a_time:
            found = zxcvbn(password[:LOOKED_AT], user_inputs=words_of(user))
        if found["score"] < LEAST_SCORE:
            raise ValidationError(f"This password is easy to guess. {WHAT_TO_DO}", code="password_easy_to_guess")

    def get_help_text(self) -> str:
        return f"It must not be easy to guess. {WHAT_TO_DO}"


def words_of(user: User | None) -> list[str]:
    """What somebody who knows the person would try first."""
    personal = [user.name, user.email] if user else []
    words = [word for text in personal for word in (text, *re.split(r"[\W_]+", text))]
    return [*OWN_WORDS, *(word for word in words if len(word) >= SHORTEST_WORD)]
