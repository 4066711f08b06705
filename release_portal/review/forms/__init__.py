"""Forms of the lab."""

from .desk import (
    AnswerForm,
    BatchForm,
    PauseForm,
    RecuseForm,
    ReturnForm,
    RevokeForm,
    RuleForm,
    SuspendForm,
    TimeForm,
)
from .register import (
    ArtefactForm,
    ErratumForm,
    FamilyForm,
    LicenceForm,
    NewFamilyForm,
    NewSizeForm,
    OpeningForm,
    SizeForm,
)

__all__ = [
    "AnswerForm",
    "ArtefactForm",
    "BatchForm",
    "ErratumForm",
    "FamilyForm",
    "LicenceForm",
    "NewFamilyForm",
    "NewSizeForm",
    "OpeningForm",
    "PauseForm",
    "RecuseForm",
    "ReturnForm",
    "RevokeForm",
    "RuleForm",
    "SizeForm",
    "SuspendForm",
    "TimeForm",
]
