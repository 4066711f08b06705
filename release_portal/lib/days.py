"""Spans of time as people count them."""

import math
from datetime import timedelta


def whole_days(left: timedelta) -> int:
    """The days until something, the one that has begun counted: a minute after 60 days were left, 60 are left."""
    return math.ceil(left / timedelta(days=1))
