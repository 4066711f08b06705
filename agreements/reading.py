"""Showing a Markdown text: rendered for the eye, cleaned for safety. What is signed is the text, never its HTML."""

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt


def as_html(text: str) -> SafeString:
    return mark_safe(nh3.clean(MarkdownIt("commonmark").render(text)))  # noqa: S308 - cleaned by nh3
