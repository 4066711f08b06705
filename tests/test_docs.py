"""What the documents say of the code is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands

from release_portal.jobs.accounts import COMMANDS
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


def variables_read(source: str) -> Iterator[str]:
    """Of each `env("NAME", ...)`, `env.int("NAME", ...)` and `"NAME" in env.ENVIRON`, the name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name("env") | ast.Attribute(ast.Name("env")), args=[ast.Constant(name), *_]):
                yield name
            case ast.Compare(left=ast.Constant(name), comparators=[ast.Attribute(ast.Name("env"), "ENVIRON")]):
                yield name


def test_guide_of_operators_names_each_variable_that_the_settings_read_and_no_other():
    table = (DOCS / "operating.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    named = re.findall(r"^\| ([A-Z_]+) \|", table, re.MULTILINE)
    read = set(variables_read(Path(settings.BASE_DIR, "release_portal", "settings.py").read_text()))
    assert len(read) > 30, "the settings read their environment in another way"
    assert set(named) == read
    assert len(named) == len(set(named)), "a variable is named twice"


def test_guide_of_operators_names_no_command_that_is_not_there():
    named = (DOCS / "operating.md").read_text()
    for command in re.findall(r"manage\.py (\w+)", named):
        assert command in {*get_commands()}, command
    targets = re.findall(r"^([a-z-]+):", (DOCS.parent / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", named)) <= set(targets)


@pytest.mark.parametrize("picture", sorted((DOCS / "pictures").iterdir()), ids=lambda path: path.name)
def test_picture_is_shown_and_small(picture):
    assert f"docs/pictures/{picture.name}" in (DOCS.parent / "README.md").read_text()
    assert picture.stat().st_size < 150_000


def test_account_for_all_workers_has_the_commands_that_a_worker_needs():
    rule = re.search(r"ACL SETUSER workers (.*?)\n\n", (DOCS / "operating.md").read_text(), re.DOTALL)[1]
    assert set(re.findall(r"\+(\S+)", rule)) == COMMANDS
