"""How the doors find the size that somebody names; where the name is an earlier one, the answer says so."""

from django.contrib import messages
from django.http import Http404, HttpRequest

from release_portal.lib.states import Refused
from release_portal.lib.text import shortened

from .models import ModelSize


def size_or_404(request: HttpRequest, path: str) -> ModelSize:
    """The size called `family/size`, for a page."""
    size = _size(request, path)
    if size is None:
        raise Http404
    return size


def size_named(request: HttpRequest, path: str, field: str = "size") -> ModelSize:
    """The size called `family/size`, for the API. Raises Refused where there is none, naming the field."""
    size = _size(request, path)
    if size is None:
        raise Refused(f"There is no size “{shortened(path)}”.", field=field, given=path)
    return size


def _size(request: HttpRequest, path: str) -> ModelSize | None:
    size = ModelSize.objects.named(path).select_related("family").prefetch_related("errata").first()
    if size and path.lower() != size.path.lower():
        earlier = path.rpartition("/")[2].lower()
        since = next(one.on for one in size.errata.all() if one.name_was.lower() == earlier)
        sentence = f"{path} is called {size.path} since {since:%-d %B %Y}."
        if request.path_info.startswith("/api/"):
            request.notice = sentence  # type: ignore[attr-defined]
        else:
            messages.info(request, sentence)
    return size
