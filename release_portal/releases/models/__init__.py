"""The nouns of this room."""

from .artefacts import Artefact
from .families import Erratum, Family, ModelSize
from .openings import Opening
from .vocabulary import Audience, Component

__all__ = ["Artefact", "Audience", "Component", "Erratum", "Family", "ModelSize", "Opening"]
