"""The verbs of this room."""

from .requests import (
    decline_request,
    expire_grants,
    grant_request,
    request_access,
    reserve,
    revoke_grant,
    settle,
    withdraw_request,
)
from .suspensions import confirm_suspension, drop_suspension, lift_suspension, suspend

__all__ = [
    "confirm_suspension",
    "decline_request",
    "drop_suspension",
    "expire_grants",
    "grant_request",
    "lift_suspension",
    "request_access",
    "reserve",
    "revoke_grant",
    "settle",
    "suspend",
    "withdraw_request",
]
