"""How the API hands out long lists: page by page."""

from django.conf import settings
from ninja import Field, Schema
from ninja.pagination import LimitOffsetPagination

LARGEST_OFFSET = 2**31 - 1


class Pages(LimitOffsetPagination):
    """A page of a list: how many entries, and how many come before them."""

    class Input(Schema):
        limit: int = Field(
            settings.NINJA_PAGINATION_PER_PAGE,
            ge=1,
            le=settings.NINJA_PAGINATION_MAX_LIMIT,
            description="entries of this page",
        )
        offset: int = Field(0, ge=0, le=LARGEST_OFFSET, description="entries before this page")
