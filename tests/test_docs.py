"""What the documents say of the code is so."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from release_portal.lib.states import Stateful

DOCS = Path(settings.BASE_DIR, "docs")
ARCHITECTURE = (DOCS / "architecture.md").read_text()
DIAGRAM = re.compile(r"```mermaid\nstateDiagram-v2\n    %% (\S+)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"`((?:adr|tests|release_portal|inference|agreements|deploy|docs)/[\w./*-]+)`")


def test_diagrams_of_states_have_the_arrows_of_the_models():
    drawn = {name: set(re.findall(r"(\w+) --> (\w+)", arrows)) for name, arrows in DIAGRAM.findall(ARCHITECTURE)}
    for name, arrows in drawn.items():
        moves = apps.get_model(name).COMES_FROM.items()
        assert arrows == {(str(before), str(to)) for to, all_before in moves for before in all_before}, name


def test_every_state_machine_is_drawn_or_too_small():
    """One that has two states, or three with one that begins, needs no picture."""
    drawn = {name for name, _ in DIAGRAM.findall(ARCHITECTURE)}
    models = [model for model in apps.get_models() if issubclass(model, Stateful)]
    large = {model._meta.label for model in models if sum(map(len, model.COMES_FROM.values())) > 3}
    assert large <= drawn


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(path):
    """Paths begin at the top of the checkout, or at the documents."""
    missing = [
        named
        for named in LINK.findall(path.read_text())
        if not any(base.glob(f"{named}*") for base in (Path(settings.BASE_DIR), DOCS))
    ]
    assert missing == []
