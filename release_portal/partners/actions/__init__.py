"""The verbs of this room."""

from .applications import apply, correct_application, discard_draft, save_draft
from .digests import one_letter_each, send_digests
from .intake import pause_intake, resume_intake
from .keys import reseal_secrets
from .letters import deliver_letters, write_letter
from .mail import choose_mail
from .members import (
    accept_invitation,
    decline_invitations,
    invite,
    open_invitation,
    resend_invitation,
    withdraw_invitation,
)
from .memberships import change_roles, leave, remove_member
from .organisations import admit, close, decline, return_application
from .people import disable_person, enable_person, remove_factors
from .service_accounts import close_service_account, create_service_account
from .staff import appoint
from .tokens import create_token, keep_tokens, read_token, revoke_token

__all__ = [
    "accept_invitation",
    "admit",
    "apply",
    "appoint",
    "change_roles",
    "choose_mail",
    "close",
    "close_service_account",
    "correct_application",
    "create_service_account",
    "create_token",
    "decline",
    "decline_invitations",
    "deliver_letters",
    "disable_person",
    "discard_draft",
    "enable_person",
    "invite",
    "keep_tokens",
    "leave",
    "one_letter_each",
    "open_invitation",
    "pause_intake",
    "read_token",
    "remove_factors",
    "remove_member",
    "reseal_secrets",
    "resend_invitation",
    "resume_intake",
    "return_application",
    "revoke_token",
    "save_draft",
    "send_digests",
    "withdraw_invitation",
    "write_letter",
]
