"""How the API writes its answers: always JSON, which has no NaN and no Infinity."""

import json
import math
from typing import Any

from django.http import HttpRequest
from ninja.renderers import BaseRenderer
from ninja.responses import NinjaJSONEncoder


def written(value: Any) -> str:
    """The value in JSON; a number that is none is written as null."""
    try:
        return json.dumps(value, cls=NinjaJSONEncoder, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), cls=NinjaJSONEncoder, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class JSONRenderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> str:
        return written(data)
