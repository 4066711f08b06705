"""Every loop over many people's rows: one that fails fails alone, and is done once it can be."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import models
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.audit import loops
from release_portal.audit.loops import LONGEST_WAIT, each
from release_portal.audit.models import Failure, key_of
from release_portal.celery import app
from release_portal.jobs import actions as jobs
from release_portal.jobs.fleet import ACTS
from release_portal.jobs.models import Job, Outage, Worker, WorkOrder
from release_portal.lib.broker import broker
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter
from release_portal.releases import actions as releases
from release_portal.releases.models import ArtefactFile, Component, ModelSize

from .. import factories

pytestmark = pytest.mark.usefixtures("db")

SECRET = "Once upon a time, to zed@elsewhere.example"
A_WHILE_AGO = timedelta(minutes=5)


@dataclass
class Story:
    """Three rows, the loop that goes over them, and the function that fails for one of them."""

    rows: list[models.Model]
    loop: Callable[[datetime], object]
    at: datetime
    fails: str
    concerns: Callable[[models.Model, list], bool] = lambda row, given: row in given
    is_done: Callable[[Any], object] = field(default=lambda row: row.ended_at)
    key: Callable[[Any], str] = key_of


def _deliver(request) -> Story:
    request.getfixturevalue("settings").CARRIER_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Letter.objects.all().delete()
    return Story(
        rows=[factories.LetterFactory() for _ in range(3)],
        loop=lambda at: partners.deliver_letters(at=at),
        at=timezone.now(),
        fails="release_portal.partners.actions.letters.empty",
        is_done=lambda letter: letter.sent_at,
    )


def _digests(request) -> Story:
    at = datetime(2031, 3, 10, 7, tzinfo=UTC)
    to = [f"{name}@elsewhere.example" for name in ("one", "two", "three")]
    return Story(
        rows=[factories.LetterFactory(to=address, digest=True, written_at=at - A_WHILE_AGO) for address in to],
        loop=lambda at: partners.send_digests(at=at),
        at=at,
        fails="release_portal.partners.actions.digests.empty",
        is_done=lambda letter: letter.sent_at,
    )


def _expire(request) -> Story:
    grants = [factories.GrantFactory() for _ in range(3)]
    return Story(
        rows=grants,
        loop=lambda at: access.expire_grants(by=None, at=at),
        at=max(grant.ends_at for grant in grants),
        fails="release_portal.access.actions.grants.record",
    )


def _warn(request) -> Story:
    grants = [factories.GrantFactory() for _ in range(3)]
    return Story(
        rows=grants,
        loop=lambda at: access.warn_of_ends(by=None, at=at),
        at=grants[0].ends_at - timedelta(days=5),
        fails="release_portal.access.actions.grants.record",
        is_done=lambda grant: grant.warned_days == 7,
    )


def _escalate(request) -> Story:
    late = timezone.now() - A_WHILE_AGO
    return Story(
        rows=[factories.AccessRequestFactory(promised_at=late) for _ in range(3)],
        loop=lambda at: access.escalate_requests(by=None, at=at),
        at=timezone.now(),
        fails="release_portal.access.actions.reviews.record",
        is_done=lambda one: one.escalated_at,
    )


def _rule(request) -> Story:
    submit, grant = request.getfixturevalue("submit"), request.getfixturevalue("grant")
    return Story(
        rows=[submit() for _ in range(3)],
        loop=lambda at: jobs.enforce_rule(by=None, at=at),
        at=grant.ends_at,
        fails="release_portal.jobs.actions.end.record",
        is_done=lambda job: job.status == Job.Status.STOPPED,
    )


def _abandoned(request) -> Story:
    size, ago = request.getfixturevalue("size_124m"), timezone.now() - A_WHILE_AGO
    request.getfixturevalue("quiet")
    return Story(
        rows=[WorkOrder.objects.create(size=size, handed_out_at=ago, leased_until=ago) for _ in range(3)],
        loop=lambda at: jobs.dispatch(by=None, at=at),
        at=timezone.now(),
        fails="release_portal.jobs.actions.orders.record",
    )


def _work_of_three_sizes(request) -> list[ModelSize]:
    submit, northlake = request.getfixturevalue("submit"), request.getfixturevalue("northlake")
    sizes = list(request.getfixturevalue("gpt2").sizes.order_by("parameters")[:3])
    for size in sizes[1:]:
        factories.GrantFactory(partner=northlake, size=size)
    for size in sizes:
        submit(size=size)
    return sizes


def _fill(request) -> Story:
    sizes = _work_of_three_sizes(request)
    for size in sizes:
        factories.beat(f"worker-{size.name}", size=size.path)
    return Story(
        rows=sizes,
        loop=lambda at: jobs.fill(by=None, at=at),
        at=timezone.now(),
        fails="release_portal.jobs.actions.dispatch.hand_out",
        concerns=lambda size, given: given[0].size == size,
        is_done=lambda size: size.orders.out().exists(),
        key=lambda size: f"{key_of(size)}:urgent",
    )


def _outages_begin(request) -> Story:
    sizes = _work_of_three_sizes(request)
    return Story(
        rows=sizes,
        loop=lambda at: jobs.watch_fleet(by=None, at=at),
        at=timezone.now() + A_WHILE_AGO,
        fails="release_portal.jobs.actions.fleet.record",
        is_done=lambda size: size.outages.going_on().exists(),
    )


def _outages_end(request) -> Story:
    sizes, ago = list(request.getfixturevalue("gpt2").sizes.all()[:3]), timezone.now() - A_WHILE_AGO
    request.getfixturevalue("quiet")
    Outage.objects.going_on().delete()
    return Story(
        rows=[Outage.objects.create(size=size, began_at=ago) for size in sizes],
        loop=lambda at: jobs.watch_fleet(by=None, at=at),
        at=timezone.now(),
        fails="release_portal.jobs.actions.fleet.record",
        concerns=lambda outage, given: outage.size in given,
    )


def _hashes(request) -> Story:
    mara, root = request.getfixturevalue("mara"), request.getfixturevalue("tmp_path")
    request.getfixturevalue("settings").ARTEFACTS_ROOT = root
    for number in range(3):
        (root / f"paper-{number}").mkdir()
        (root / f"paper-{number}" / f"{number}.pdf").write_text(f"{number}")
        details = {"component": Component.PAPER, "version": "1", "folder": f"paper-{number}"}
        releases.register_artefact(by=mara, of=factories.SizeFactory().family, **details)
    return Story(
        rows=list(ArtefactFile.objects.order_by("-pk")[:3]),
        loop=lambda at: releases.hash_artefacts(by=None, at=at),
        at=timezone.now(),
        fails="release_portal.releases.actions.artefacts._content_of",
        concerns=lambda file, given: given[0].name == file.path,
        is_done=lambda file: file.sha256,
    )


def _accounts(request) -> Story:
    request.getfixturevalue("quiet")
    Worker.objects.all().delete()
    workers = [jobs.enroll_worker(by=None, name=name) for name in ("anna", "bert", "cara")]
    for name in broker().acl_users():
        if name.startswith("worker-"):
            broker().acl_deluser(name)
    return Story(
        rows=workers,
        loop=lambda at: jobs.keep_accounts(at=at),
        at=timezone.now(),
        fails="release_portal.jobs.actions.workers.set_account",
        is_done=lambda worker: f"worker-{worker.name}" in broker().acl_users(),
    )


STORIES = {
    "partners.deliver_mail": _deliver,
    "partners.send_digests": _digests,
    "access.expire_grants": _expire,
    "access.warn_of_ends": _warn,
    "access.escalate_requests": _escalate,
    "jobs.dispatch:rule": _rule,
    "jobs.dispatch:abandoned": _abandoned,
    "jobs.fill": _fill,
    "releases.hash_artefacts": _hashes,
    "jobs.keep_accounts": _accounts,
    "jobs.watch_fleet:begins": _outages_begin,
    "jobs.watch_fleet:ends": _outages_end,
}


def fail_for(row: models.Model, story: Story, monkeypatch) -> None:
    path, _, name = story.fails.rpartition(".")
    module = import_module(path)
    whole = getattr(module, name)

    def failing(*given, **named):
        if story.concerns(row, [*given, *named.values()]):
            raise ValueError(SECRET)
        return whole(*given, **named)

    monkeypatch.setattr(module, name, failing)


@pytest.mark.parametrize("task", STORIES)
def test_row_that_fails_fails_alone_and_is_done_once_it_can_be(task, request, monkeypatch, caplog):
    story = STORIES[task](request)
    Failure.objects.all().delete()

    def done() -> list[bool]:
        return [bool(story.is_done(type(row)._base_manager.get(pk=row.pk))) for row in story.rows]

    with monkeypatch.context() as broken:
        fail_for(story.rows[1], story, broken)
        story.loop(story.at)
        assert done() == [True, False, True]
        failure = Failure.objects.get(task=task)
        assert (failure.thing, failure.attempts) == (story.key(story.rows[1]), 1)
        assert failure.error.startswith("ValueError, in tests/audit/test_loops.py, line ")
        story.loop(story.at)
        assert Failure.objects.get().attempts == 1, "it waits for its next try"
        story.loop(failure.next_try_at)
        again = Failure.objects.get()
        assert (again.attempts, again.first_failed_at) == (2, story.at)
        assert again.next_try_at - again.last_failed_at > failure.next_try_at - failure.last_failed_at
    assert SECRET not in caplog.text + failure.error + failure.name
    story.loop(again.next_try_at - timedelta(milliseconds=1))
    assert done() == [True, False, True]
    story.loop(again.next_try_at)
    assert done() == [True, True, True]
    assert not Failure.objects.exists()


# --- the loop itself


@pytest.fixture
def sizes() -> list[ModelSize]:
    Failure.objects.all().delete()
    return [factories.SizeFactory() for _ in range(3)]


def fail(row) -> int:
    raise ValueError(SECRET)


@pytest.mark.parametrize(("tries", "seconds"), [(0, 2), (4, 32), (11, 3600), (5_000, 3600)])
def test_row_waits_longer_after_each_failure_and_is_never_given_up(sizes, tries, seconds):
    at = timezone.now()
    each(sizes[:1], fail, task="rooms.sweep", at=at)
    Failure.objects.update(attempts=tries, next_try_at=at)
    each(sizes[:1], fail, task="rooms.sweep", at=at)
    failure = Failure.objects.get()
    assert (failure.attempts, failure.next_try_at) == (tries + 1, at + timedelta(seconds=seconds))
    assert failure.next_try_at - at <= LONGEST_WAIT


def test_row_is_undone_whole_where_it_fails(sizes):
    def begin(size) -> int:
        ModelSize.objects.filter(pk=size.pk).update(context_tokens=7)
        if size == sizes[1]:
            ModelSize.objects.filter(pk=size.pk).update(name=sizes[0].name, family=sizes[0].family)
        return 1

    assert each(sizes, begin, task="rooms.sweep", at=timezone.now()) == 2
    assert [ModelSize.objects.get(pk=size.pk).context_tokens for size in sizes] == [7, 1024, 7]
    error = Failure.objects.get().error
    assert error.startswith("IntegrityError: "), "the constraint's name, and no value of the row"
    assert sizes[0].name not in error


def test_row_that_cannot_even_be_named_stops_nothing(sizes):
    at = timezone.now()
    assert each(sizes, lambda size: fail(size) if size == sizes[0] else 1, task="rooms.sweep", at=at, name=fail) == 2
    assert str(Failure.objects.get()) == key_of(sizes[0])


def test_failure_of_what_is_not_to_be_done_any_more_is_forgotten(sizes):
    at = timezone.now()
    each(sizes, fail, task="rooms.sweep", at=at)
    each(sizes[:1], fail, task="rooms.sweep", at=at + timedelta(seconds=1))
    assert Failure.objects.count() == 3, "not before its time"
    each(sizes[:1], fail, task="rooms.sweep", at=at + timedelta(seconds=2))
    assert Failure.objects.get().thing == key_of(sizes[0])


def test_round_ends_in_time_and_keeps_what_it_did(sizes, monkeypatch):
    monkeypatch.setattr(loops, "LONGEST_ROUND", -1)
    seen: list[ModelSize] = []
    each(sizes, seen.append, task="rooms.sweep", at=timezone.now())
    assert seen == sizes[:1]


def test_interruption_is_not_held_up(sizes):
    def stop(size) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(sizes, stop, task="rooms.sweep", at=timezone.now())
    assert not Failure.objects.exists()


# --- that no loop does without


def verbs_of_the_clock() -> dict[str, Any]:
    """By task: the module of the verbs that it calls."""
    rooms = {"partners": partners, "access": access, "jobs": jobs, "releases": releases}
    return {entry["task"]: rooms[entry["task"].partition(".")[0]] for entry in app.conf.beat_schedule.values()}


def functions_of(package: Any) -> dict[str, ast.FunctionDef]:
    folder = Path(package.__file__).parent
    trees = [ast.parse(path.read_text()) for path in folder.glob("*.py")]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


def called_in(node: ast.AST) -> set[str]:
    """The functions called by name, but not inside of a lambda: that is what `each` does with a row."""
    if isinstance(node, ast.Lambda):
        return set()
    found = {node.func.id} if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else set()
    return found.union(*(called_in(child) for child in ast.iter_child_nodes(node)))


def loops_in(function: ast.FunctionDef, own: set[str]) -> list[str]:
    """Loops of a function that call another of the room for each row."""
    kinds = (ast.For, ast.GeneratorExp, ast.ListComp, ast.SetComp)
    found = [node for node in ast.walk(function) if isinstance(node, kinds) and called_in(node) & own]
    return [f"{function.name}, line {node.lineno}" for node in found]


def test_every_task_of_the_clock_goes_over_rows_by_each():
    tasks = {
        node.name: ast.unparse(node)
        for room in ("partners", "access", "jobs", "releases")
        for node in ast.parse((settings.BASE_DIR / "release_portal" / room / "tasks.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    one_statement = {"jobs.forget_seen"}
    for task, package in verbs_of_the_clock().items():
        if task in one_statement:
            continue
        functions = functions_of(package)
        waiting = [verb for verb in package.__all__ if f"actions.{verb}(" in tasks[task.partition(".")[2]]]
        assert waiting, task
        uses_each, seen = False, set()
        while waiting:
            verb = waiting.pop()
            seen.add(verb)
            uses_each |= "each" in called_in(functions[verb])
            assert not loops_in(functions[verb], set(functions)), "it goes over rows without `each`"
            named = called_in(functions[verb]) & set(functions) & set(package.__all__)
            waiting += named - seen
        assert uses_each, task


def test_every_loop_has_its_story_and_its_words():
    source = "".join(path.read_text() for path in settings.BASE_DIR.glob("release_portal/*/actions/*.py"))
    named = {task for task in STORIES if f'task="{task}"' in source}
    assert source.count('task="') == len(STORIES) == len(named)
    assert set(ACTS) == set(STORIES)
