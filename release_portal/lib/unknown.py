"""Names that an operation of the API does not know: refused with the nearest name that it does know.

Bodies are checked by their schemas (`shapes.Body`); ninja drops what it does not know of a form or a query.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from ninja import NinjaAPI
from pydantic import BaseModel

from .states import Refused
from .text import shortened


def refuse_unknown_parameters(api: NinjaAPI) -> None:
    """Have every operation of the API, once all are added, refuse fields of a form and parameters of an address."""
    waiting = [router for _prefix, router in api._routers]
    for router in waiting:
        waiting += [inner for _prefix, inner, _tags in router._routers]
        operations = [operation for path in router.path_operations.values() for operation in path.operations]
        for model in [model for operation in operations for model in operation.models]:
            if model.__ninja_param_source__ in ("query", "form"):
                _check_first(model)


def unknown(field: str, known: Iterable[str]) -> Refused:
    """The refusal of a field, by the names that stand in its place."""
    *_, name = field.split(".")
    names = list(known)
    near = get_close_matches(name.lower(), names, 1)
    hint = f"did you mean “{near[0]}”?" if near else f"known are {', '.join(names) or 'none'}."
    return Refused(f"“{shortened(field)}” is not known here; {hint}", field=shortened(field), limit=names, given=None)


def known_at(model: type[BaseModel], place: Iterable[str | int]) -> list[str]:
    """The names of the fields beside a place in a model; its numbers are places in lists."""
    *parents, _name = place
    for parent in parents:
        if isinstance(parent, str) and parent in model.model_fields:
            model = _model_in(model.model_fields[parent].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a field, or of the entries of its list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _check_first(model: Any) -> None:
    read = model._map_data_paths
    known = model.__ninja_flatten_map__

    def checked(data: dict[str, Any]) -> Any:
        for name in data:
            if name not in known:
                raise unknown(name, known)
        return read(data)

    model._map_data_paths = checked
