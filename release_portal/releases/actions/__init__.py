"""The verbs of this room."""

from .artefacts import note_weights
from .families import add_family, add_size, correct_size, edit_family, edit_size
from .openings import open_component

__all__ = [
    "add_family",
    "add_size",
    "correct_size",
    "edit_family",
    "edit_size",
    "note_weights",
    "open_component",
]
