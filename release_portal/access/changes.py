"""What a correction changed in a request."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from .models import AccessRequest


def changes_of(request: AccessRequest) -> list[tuple[str, str, str]]:
    """What differs between the last two submissions: label, before, after."""
    last = list(request.submissions.order_by("-number")[:2])
    if len(last) < 2:
        return []
    after, before = (dict(_shown(submission.content)) for submission in last)
    labels = dict.fromkeys([*before, *after])
    return [
        (label, before.get(label, ""), after.get(label, ""))
        for label in labels
        if before.get(label) != after.get(label)
    ]


def _shown(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, tokens in content["items"]:
        yield name, f"{tokens:,} tokens" if tokens else "asked"
    yield "What it is for", ", ".join(content["purposes"])
    until = content["until_wanted"]
    yield "Access wanted until", f"{date.fromisoformat(until):%-d %B %Y}" if until else ""
    for field in ("purpose", "team", "ethics_reference", "use_summary", "grounds"):
        label = str(AccessRequest._meta.get_field(field).verbose_name)  # type: ignore[union-attr]
        yield label[0].upper() + label[1:], content[field]
