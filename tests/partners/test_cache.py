"""The cache in PostgreSQL: JSON alone, one statement a call, and what it counts stays counted."""

import base64
import pickle
import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from release_portal.partners.models import Cached

STORED = ":1:key"  # how Django names the key of the tests


class Bomb:
    """What runs code in what unpickles it."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, 0, "word", "nul\0 and ☃", [1.5, 2.25], {"a": [True, None]}])
def test_value_comes_back_as_it_was(value):
    cache.set("key", value)
    assert cache.get("key", "missing") == value
    assert cache.get("other", "missing") == "missing"


@pytest.mark.django_db
def test_pickle_in_place_of_a_value_is_never_loaded():
    pickled = pickle.dumps(Bomb())
    for planted in (base64.b64encode(pickled).decode(), pickled.decode("latin-1").replace("\0", " "), ""):
        Cached.objects.update_or_create(key=STORED, defaults={"value": planted, "expires_at": None})
        assert cache.get("key", "missing") == "missing"
        assert cache.get_many(["key"]) in ({}, {"key": None})
        with pytest.raises(ValueError, match="no number"):
            cache.incr("key")
    assert not Bomb.went_off
    pickle.loads(pickled)
    assert Bomb.went_off


@pytest.mark.django_db
@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"bytes"])
def test_what_is_no_json_is_not_taken(value):
    with pytest.raises((TypeError, ValueError)):
        cache.set("key", value)
    assert not Cached.objects.exists()


@pytest.mark.django_db
def test_entry_ends_with_its_time():
    cache.set("key", 1, timeout=60)
    Cached.objects.update(expires_at=timezone.now())
    assert cache.get("key") is None
    assert not cache.touch("key")
    assert not cache.delete("key")
    cache.set("key", 1, timeout=0)
    assert cache.get("key") is None
    cache.set("key", 1, timeout=None)
    assert Cached.objects.get().expires_at is None
    assert cache.get("key") == 1
    assert cache.touch("key", 60)
    assert cache.delete("key")
    assert "key" not in cache


@pytest.mark.django_db
def test_add_takes_the_place_only_of_what_is_over():
    assert cache.add("key", "first", 60)
    assert not cache.add("key", "second", 60)
    assert cache.get("key") == "first"
    Cached.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert cache.add("key", "third", 60)
    cache.set("key", "for ever", None)
    assert not cache.add("key", "fourth", 60)
    assert cache.get("key") == "for ever"


@pytest.mark.django_db
def test_incr_counts_what_is_a_number():
    cache.set("key", 5)
    assert [cache.incr("key"), cache.incr("key", 10), cache.decr("key")] == [6, 16, 15]
    with pytest.raises(ValueError, match="no number"):
        cache.incr("other")


@pytest.mark.django_db
def test_each_write_removes_some_of_what_is_over_and_nothing_else():
    over = timezone.now() - timedelta(hours=1)
    Cached.objects.bulk_create(Cached(key=f"over {n}", value="1", expires_at=over) for n in range(25))
    Cached.objects.bulk_create(Cached(key=f"in force {n}", value="1", expires_at=None) for n in range(25))
    with CaptureQueriesContext(connection) as queries:
        cache.set("key", 1)
    assert len(queries) == 2
    assert Cached.objects.filter(key__startswith="over").count() == 15
    for _ in range(2):
        cache.set("key", 1)
    assert not Cached.objects.filter(key__startswith="over").exists()
    assert Cached.objects.filter(key__startswith="in force").count() == 25


def test_add_by_two_at_once_answers_true_to_one(race, committed):
    for _ in range(15):
        key = uuid.uuid4().hex
        assert sorted(race(*[lambda key=key: cache.add(key, "mine", 60)] * 2)) == [False, True]
        cache.delete(key)


def test_incr_by_two_at_once_counts_both(race, committed):
    key = uuid.uuid4().hex
    cache.set(key, 0, 60)
    for _ in range(15):
        race(*[lambda: cache.incr(key)] * 2)
    assert cache.get(key) == 30
    cache.delete(key)
