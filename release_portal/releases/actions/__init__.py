"""The verbs of this room."""

from .artefacts import add_licence, changed_files, hash_artefacts, note_weights, register_artefact
from .families import add_family, add_size, correct_size, edit_family, edit_size
from .openings import open_component

__all__ = [
    "add_family",
    "add_licence",
    "add_size",
    "changed_files",
    "correct_size",
    "edit_family",
    "edit_size",
    "hash_artefacts",
    "note_weights",
    "open_component",
    "register_artefact",
]
