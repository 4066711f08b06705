"""The verbs of this room."""

from .letters import deliver_letters, write_letter
from .members import accept_invitation, invite, open_invitation, remove_member, withdraw_invitation
from .organisations import admit, apply, decline
from .staff import appoint
from .tokens import create_token, read_token, revoke_token

__all__ = [
    "accept_invitation",
    "admit",
    "apply",
    "appoint",
    "create_token",
    "decline",
    "deliver_letters",
    "invite",
    "open_invitation",
    "read_token",
    "remove_member",
    "revoke_token",
    "withdraw_invitation",
    "write_letter",
]
