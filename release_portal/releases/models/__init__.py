"""The nouns of this room."""

from .artefacts import Artefact, ArtefactFile, Licence
from .families import Erratum, Family, ModelSize
from .openings import Opening
from .vocabulary import Audience, Component

__all__ = [
    "Artefact",
    "ArtefactFile",
    "Audience",
    "Component",
    "Erratum",
    "Family",
    "Licence",
    "ModelSize",
    "Opening",
]
