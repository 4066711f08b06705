"""What runs a table of verbs, states and roles: every cell of it, by the verb itself and through the API."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction
from django.test import Client

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter, Partner, User

from . import factories

MEMBERS = ("owner", "signatory", "investigator", "researcher", "viewer", "service")
STAFF = ("reviewer", "manager", "auditor")
ROLES = (*MEMBERS, "stranger", *STAFF)
CODES = {"service": "researcher", "manager": "release-manager"}
OF_THE_ORGANISATION, OF_THE_LAB, KNOWN_TO_STAFF = frozenset(MEMBERS), frozenset(STAFF), frozenset(MEMBERS + STAFF)


@dataclass(frozen=True)
class Door:
    """An operation of the API: its address and body; who is not among `seen_by` gets 404, as if nothing were there, and
    so does everybody in the states of `hidden_when`."""

    method: str
    path: str
    body: dict[str, Any]
    seen_by: frozenset[str]
    hidden_when: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Row:
    """One line of a table: in which states the verb works, and for whom."""

    verb: str
    states: frozenset[str]
    roles: frozenset[str]

    def allows(self, state: str, role: str) -> bool:
        return state in self.states and role in self.roles


def rows_of(table: str, states: tuple[str, ...]) -> dict[str, Row]:
    """Lines such as "submit | draft returned | investigator"; "any" stands for every state, "member" for every role of
    the organisation."""
    rows = {}
    for line in table.strip().splitlines():
        verb, allowed, roles = (part.strip() for part in line.split("|"))
        named = frozenset(roles.replace("member", " ".join(MEMBERS)).split())
        in_states = frozenset(states if allowed == "any" else allowed.split())
        assert named <= set(ROLES), line
        assert in_states <= set(states), line
        rows[verb] = Row(verb, in_states, named)
    return rows


def cast_of(partner: Partner) -> dict[str, User]:
    """One person for each role, and nobody with two."""
    cast = {}
    for role in MEMBERS:
        service = {"service_of": partner} if role == "service" else {}
        cast[role] = factories.UserFactory(name=f"The {role}", factor=True, **service)
        factories.MembershipFactory(user=cast[role], partner=partner, roles=[CODES.get(role, role)])
    cast["stranger"] = factories.UserFactory(name="A stranger", factor=True)
    factories.MembershipFactory(user=cast["stranger"], roles=["owner", "signatory", "investigator"])
    for role in STAFF:
        cast[role] = factories.UserFactory(name=f"The {role}", lab_roles=[CODES.get(role, role)])
    return cast


def headers_of(cast: dict[str, User]) -> dict[str, dict[str, str]]:
    """What a program sends for each role to say for whom it acts, and for nobody."""
    headers: dict[str, dict[str, str]] = {"anonymous": {}}
    for role, user in cast.items():
        keeper = cast["owner"] if role == "service" else user
        _, secret = partners.create_token(by=keeper, user=user, name="table")
        headers[role] = {"authorization": f"Bearer {secret}"}
    return headers


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside has not happened. It stands in the place of no transaction, as a test's own does: security
    events, which need one of theirs, are noted inside."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


class Trace:
    """All that a verb could leave behind: these rows, the events, the letters. One statement, as it runs thousands of
    times."""

    def __init__(self, *rows: models.QuerySet) -> None:
        counted = [f"(SELECT count(*) FROM {model._meta.db_table})" for model in (Event, Letter)]
        found = [each.order_by("pk").query.sql_with_params() for each in rows]
        texts = [f"(SELECT md5(string_agg(r::text, '|')) FROM ({sql}) r)" for sql, _ in found]
        self._sql = f"SELECT {', '.join([*counted, *texts])}"
        self._parameters = [one for _, parameters in found for one in parameters]

    def __call__(self) -> tuple:
        with connection.cursor() as cursor:
            cursor.execute(self._sql, self._parameters)
            return cursor.fetchone()


@dataclass
class Table:
    """A table, the world it speaks of, and how each verb is called there. `wrong` collects what is not as it says."""

    row: Row
    cast: dict[str, User]
    headers: dict[str, dict[str, str]]
    act: Callable[[User], Any] | None
    door: Door | None
    trace: Trace
    to_others: int = 403  # the answer to a role that the table does not name

    def wrong_in(self, state: str) -> Iterator[str]:
        """Each cell of this state that is not as the table says."""
        before = self.trace()
        for role, user in self.cast.items() if self.act else []:
            with undone():
                problem = self._of_verb(state, role, user, before)
            if problem:
                yield f"{self.row.verb} when {state} by the {role}: {problem}"
        client = Client()
        for role, headers in self.headers.items() if self.door else []:
            with undone():
                problem = self._of_door(state, role, client, headers, before)
            if problem:
                yield f"{self.row.verb} when {state} by the {role}, through the API: {problem}"

    def _of_verb(self, state: str, role: str, user: User, before: tuple) -> str:
        allowed = self.row.allows(state, role)
        assert self.act is not None
        try:
            with transaction.atomic():
                self.act(user)
        except Refused as refused:
            if allowed:
                return f"refused: {refused.sentence}"
            forbidden = self.to_others == 403 and role not in self.row.roles
            if isinstance(refused, Forbidden) != forbidden:
                return f"refused for another reason: {refused.sentence}"
            return self._of_refusal(refused.sentence, before)
        changed = self.trace() != before
        return ("" if changed else "it works and changes nothing") if allowed else "it works"

    def _of_door(self, state: str, role: str, client: Client, headers: dict[str, str], before: tuple) -> str:
        door = self.door
        assert door is not None
        answer = client.generic(
            door.method, door.path, json.dumps(door.body), content_type="application/json", headers=headers
        )
        expected = self._expected(state, role)
        body = "" if answer.status_code == 204 else answer.json()
        if answer.status_code not in expected:
            return f"{answer.status_code} for {sorted(expected)}: {body}"
        if answer.status_code < 300:
            return "" if self.trace() != before else "it answers and changes nothing"
        if answer["content-type"] != "application/problem+json" or body["status"] != answer.status_code:
            return f"no problem document: {body}"
        return self._of_refusal(body["detail"], before)

    def _expected(self, state: str, role: str) -> set[int]:
        assert self.door is not None
        if role == "anonymous":
            return {401}
        if role not in self.door.seen_by:
            return {404}
        if role not in self.row.roles:
            return {self.to_others}
        if state in self.door.hidden_when:
            return {404}
        return {200, 201, 204} if state in self.row.states else {409, 422}

    def _of_refusal(self, sentence: str, before: tuple) -> str:
        if not sentence.endswith(".") or " " not in sentence:
            return f"no sentence: {sentence}"
        return "" if self.trace() == before else "refused, and something changed"
