"""The nouns of this room, one to a file."""

from .application_draft import ApplicationDraft
from .cached import Cached
from .invitation import Invitation
from .letter import Letter
from .membership import Membership
from .partner import Partner
from .pause import Pause
from .token import ApiToken
from .user import Role, User

__all__ = [
    "ApiToken",
    "ApplicationDraft",
    "Cached",
    "Invitation",
    "Letter",
    "Membership",
    "Partner",
    "Pause",
    "Role",
    "User",
]
