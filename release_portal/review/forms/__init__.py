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
from .register import ErratumForm, FamilyForm, NewFamilyForm, NewSizeForm, OpeningForm, SizeForm

__all__ = [
    "AnswerForm",
    "BatchForm",
    "ErratumForm",
    "FamilyForm",
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
