"""The cache in PostgreSQL, its values as JSON. Django's own backends unpickle what they read."""

import json
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection
from django.utils import timezone

CULLED = 10
"""Expired entries that each write removes: more than it adds, so the table holds only what is in force."""

GET = "SELECT value FROM partners_cached WHERE key = %(key)s AND (expires_at IS NULL OR expires_at > %(now)s)"
SET = """
INSERT INTO partners_cached AS entry (key, value, expires_at) VALUES (%(key)s, %(value)s, %(until)s)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at
"""
ADD = SET + "WHERE entry.expires_at <= %(now)s"
TOUCH = """
UPDATE partners_cached SET expires_at = %(until)s
WHERE key = %(key)s AND (expires_at IS NULL OR expires_at > %(now)s)
"""
COUNT = """
UPDATE partners_cached SET value = (value::bigint + %(delta)s)::text
WHERE key = %(key)s AND value ~ '^-?[0-9]{1,18}$' AND (expires_at IS NULL OR expires_at > %(now)s)
RETURNING value
"""
DELETE = "DELETE FROM partners_cached WHERE key = %(key)s RETURNING expires_at IS NULL OR expires_at > %(now)s"
CULL = """
WITH culled AS MATERIALIZED (
    SELECT key FROM partners_cached WHERE expires_at <= %(now)s
    ORDER BY expires_at LIMIT %(culled)s FOR UPDATE SKIP LOCKED
)
DELETE FROM partners_cached USING culled WHERE partners_cached.key = culled.key
"""


class JSONCache(BaseCache):
    """Rate limits are counted here. Each call is one statement, so two processes never undo each other's.

    Nothing in force is ever pushed out to make room: to fill the cache must not reset a limit.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(GET, self._named(key, version))
            found = cursor.fetchone()
        try:
            return json.loads(found[0]) if found else default
        except ValueError:
            return default

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._write(SET, self._named(key, version, value, timeout))

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Set what is not there, or no longer in force. Of two at the same moment one gets True."""
        return self._write(ADD, self._named(key, version, value, timeout)) == 1

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._run(TOUCH, self._named(key, version, timeout=timeout)) == 1

    def delete(self, key: Any, version: int | None = None) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(DELETE, self._named(key, version))
            found = cursor.fetchone()
        return bool(found and found[0])

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, self._named(key, version) | {"delta": delta})
            found = cursor.fetchone()
        if found is None:
            raise ValueError(f"The cache has no number “{key}”.")
        return int(found[0])

    def clear(self) -> None:
        self._run("DELETE FROM partners_cached", {})

    def _named(
        self, key: Any, version: int | None, value: Any = None, timeout: Any = DEFAULT_TIMEOUT
    ) -> dict[str, Any]:
        seconds = self.get_backend_timeout(timeout)
        return {
            "key": self.make_and_validate_key(key, version),
            "value": json.dumps(value, allow_nan=False),
            "now": timezone.now(),
            "until": None if seconds is None else datetime.fromtimestamp(seconds, UTC),
        }

    def _write(self, statement: str, named: dict[str, Any]) -> int:
        written = self._run(statement, named)
        self._run(CULL, {"now": named["now"], "culled": CULLED})
        return written

    def _run(self, statement: str, named: dict[str, Any]) -> int:
        with connection.cursor() as cursor:
            cursor.execute(statement, named)
            return int(cursor.rowcount)
