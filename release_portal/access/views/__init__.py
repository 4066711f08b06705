"""The pages of this room, for applicants and their organisations."""

from .findings import finding, findings
from .grants import change, grant
from .organisation import close, home, organisation
from .requests import access_request, appeal, copy, edit, new_request, save_draft, say, withdraw

__all__ = [
    "access_request",
    "appeal",
    "change",
    "close",
    "copy",
    "edit",
    "finding",
    "findings",
    "grant",
    "home",
    "new_request",
    "organisation",
    "save_draft",
    "say",
    "withdraw",
]
