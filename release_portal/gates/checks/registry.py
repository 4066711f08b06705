"""Checks by name, with their parameters read from the functions themselves.

A policy is validated against them, and the vocabulary page and the form are made from them.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..logic import Result, all_of
from ..records import Records

Numbers = Mapping[str, object]
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=0)]
Some = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Days = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Names = Annotated[list[Name], Field(min_length=1)]
StageName = Annotated[Name, Field(json_schema_extra={"names": "stage"})]
"""A parameter that names a stage of the policy: validation asks for it, and for cycles."""
RoleNames = Annotated[dict[str, Some], Field(json_schema_extra={"names": "role"})]
SeverityName = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True)
class Outcome:
    """What a check says: one sentence for the public, the numbers in it, and the ids of the evidence it used."""

    result: Result
    sentence: str
    numbers: Numbers
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """`type` and `limits` are JSON Schema's; `names` says what of the policy its values name."""

    name: str
    type: str
    required: bool
    default: object
    limits: Numbers
    names: str = ""


@dataclass(frozen=True)
class Check:
    name: str
    group: str
    explanation: str
    function: Callable[..., Outcome]
    form: type[BaseModel]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        schema = self.form.model_json_schema()
        required = schema.get("required", [])
        return tuple(_parameter(name, each, name in required) for name, each in schema.get("properties", {}).items())

    def plain(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that were given, validated, in plain types. Raises pydantic's ValidationError."""
        plain: dict[str, Any] = self.form(**given).model_dump(mode="json", exclude_unset=True)
        return plain

    def run(self, on: Records, given: Mapping[str, Any]) -> Outcome:
        return self.function(on, **dict(self.form(**given)))


CHECKS: dict[str, Check] = {}
Checking = TypeVar("Checking", bound=Callable[..., Outcome])


def check(function: Checking) -> Checking:
    """Registers a check under its name, in the group of its module."""
    hints = get_type_hints(function, include_extras=True)
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "on"]
    form: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is each.empty else each.default) for each in parameters
    }
    name = function.__name__
    CHECKS[name] = Check(
        name=name,
        group=function.__module__.rpartition(".")[2],
        explanation=inspect.getdoc(function) or "",
        function=function,
        form=create_model(name, __config__=STRICT, **form),
    )
    return function


def vocabulary() -> list[dict[str, object]]:
    """Every check in plain types: name, group, explanation, and its parameters."""
    return [
        {
            "name": each.name,
            "group": each.group,
            "explanation": each.explanation,
            "parameters": [vars(parameter) for parameter in each.parameters],
        }
        for each in CHECKS.values()
    ]


def for_each(names: Iterable[str], ask: Callable[[str], Outcome], *, none: str) -> Outcome:
    """The same question for several things, such as sizes. All must pass; the first that decides speaks."""
    outcomes = {name: ask(name) for name in sorted(names)}
    if not outcomes:
        return Outcome(Result.NOT_APPLICABLE, none, {})
    result = all_of(outcome.result for outcome in outcomes.values())
    speaks = next(outcome for outcome in outcomes.values() if outcome.result is result)
    numbers = {name: outcome.numbers for name, outcome in outcomes.items()}
    evidence = tuple(sorted({each for outcome in outcomes.values() for each in outcome.evidence}))
    return Outcome(result, speaks.sentence, numbers if len(numbers) > 1 else speaks.numbers, evidence)


def unknown(sentence: str, **numbers: object) -> Outcome:
    return Outcome(Result.UNKNOWN, sentence, numbers)


def not_recorded(what: str) -> Outcome:
    """`what` begins a sentence: “Incidents”."""
    return unknown(f"{what} are not recorded here, so this cannot be said.")


def _parameter(name: str, schema: Mapping[str, Any], required: bool) -> Parameter:
    branches = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    merged = {**schema, **(branches[0] if branches else {})}
    described = {"title", "type", "default", "anyOf", "names", "items", "additionalProperties", "description"}
    limits = {key: value for key, value in merged.items() if key not in described}
    inside = merged.get("items", merged.get("additionalProperties"))
    return Parameter(
        name=name,
        type=merged.get("format", merged.get("type", "string")),
        required=required,
        default=schema.get("default"),
        limits=limits | ({"each": _limits_of_each(inside)} if isinstance(inside, dict) else {}),
        names=merged.get("names", ""),
    )


def _limits_of_each(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
