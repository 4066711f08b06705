"""Links upwards: a room registers those of its pages that rooms below it lead to. They know no room above them."""

from typing import Any

from django import template
from django.urls import reverse

register = template.Library()
ROUTES: dict[str, str] = {}


def register_pages(**routes: str) -> None:
    """Say by which route each page is reached. A room does it when it is ready, in its `apps.py`."""
    for page, route in routes.items():
        ROUTES[page] = route


@register.simple_tag
def page_url(page: str, *args: Any) -> str:
    """The path of a page that some room registered; in templates `{% page_url 'agreement' %}`."""
    return reverse(ROUTES[page], args=args)
