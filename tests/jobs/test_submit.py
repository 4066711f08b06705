from datetime import timedelta

import pytest
from django.utils import timezone

from agreements.models import Agreement
from release_portal.access.actions import revoke_grant
from release_portal.jobs.limits import GivenPrompt
from release_portal.jobs.models import Completion, Job, Prompt
from release_portal.lib.states import Forbidden, Refused

from .. import factories


def test_submit_keeps_prompts_settings_and_what_allowed_it(submit, grant, ben):
    job = submit(["one", "two"], samples=3, temperature="0.5", top_k=40, top_p=0.9, seed=11, name=" My study ")
    job.refresh_from_db()
    assert (job.status, job.name, job.submitted_by) == ("queued", "My study", ben)
    assert (job.grant, job.agreement) == (grant, Agreement.objects.get(partner=grant.partner))
    assert (job.temperature, job.top_k, job.top_p, job.seed) == (0.5, 40, 0.9, 11)
    assert (job.prompts_count, job.sequences) == (2, 6)
    assert list(job.prompts.order_by("index").values_list("index", "text")) == [(0, "one"), (1, "two")]
    rows = job.completions.order_by("index").values_list("index", "prompt__text")
    assert list(rows) == [(0, "one"), (1, "one"), (2, "one"), (3, "two"), (4, "two"), (5, "two")]


def test_submit_sets_the_longest_that_all_texts_could_be_aside(submit, grant):
    submit(["one", "two"], samples=3, max_new_tokens=100)
    grant.refresh_from_db()
    assert (grant.tokens_used, grant.tokens_reserved) == (0, 600)


def test_submit_without_a_seed_draws_one_and_keeps_it(submit):
    seeds = {submit(seed=None).seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_submit_has_work_handed_out_once_it_is_committed(submit, wire):
    with wire:
        submit()
        assert wire.names == []
    assert wire.names == ["jobs.fill"]


def test_submit_many_prompts_takes_few_queries(submit, django_assert_max_num_queries):
    with django_assert_max_num_queries(21):
        job = submit(6_000, max_new_tokens=1)
    assert job.completions.count() == 6_000


@pytest.mark.parametrize(
    ("prompts", "details", "field", "sentence"),
    [
        ([], {}, "prompts", "Type a prompt, or choose a file of prompts."),
        (["  "], {}, "prompts", "Prompt 1 is empty."),
        (["a" * 20_001], {}, "prompts", "Prompt 1 has 20,001 characters; a prompt takes at most 20,000."),
        (50_001, {}, "prompts", "A job takes at most 50,000 prompts; this has 50,001."),
        (["a"], {"temperature": -1}, "temperature", "Temperature is a number from 0 to 2; you gave “-1”."),
        (["a"], {"temperature": "hot"}, "temperature", "Temperature is a number from 0 to 2; you gave “hot”."),
        (
            ["a"],
            {"samples": 1_001},
            "samples",
            "Samples per prompt is a whole number from 1 to 1,000; you gave “1001”.",
        ),
        (["a"] * 251, {"samples": 1_000}, "samples", "A job takes at most 250,000 texts; 251 prompts with 1,000"),
        (
            ["a"] * 100,
            {"max_new_tokens": 1_001},
            "quota",
            "This needs up to 100,100 tokens and 100,000 are left of the 100,000 granted for GPT-2 124M.",
        ),
        (["a"], {"name": "a\x00b"}, "name", ""),
        (["a"], {"idempotency_key": "k" * 101}, "idempotency_key", ""),
        (["a"], {"idempotency_key": "a\x00b"}, "idempotency_key", ""),
    ],
)
def test_submit_what_cannot_be_done_is_refused_and_leaves_nothing(submit, grant, prompts, details, field, sentence):
    with pytest.raises(Refused) as refused:
        submit(prompts, **details)
    assert refused.value.sentence.startswith(sentence)
    assert refused.value.field == field
    grant.refresh_from_db()
    assert grant.tokens_reserved == 0
    assert not Job.objects.filter(grant=grant).exists()


def test_submit_for_a_size_that_is_not_granted_is_refused(submit, size_355m):
    with pytest.raises(Refused, match="GPT-2 355M has not been granted to University of Northlake.") as refused:
        submit(size=size_355m)
    assert (refused.value.field, refused.value.given) == ("size", "gpt2/355M")


def test_submit_after_the_grant_ended_is_refused(submit, grant):
    ended = timezone.now() - timedelta(seconds=1)
    factories.with_terms(grant, starts_at=ended - timedelta(days=1), ends_at=ended)
    with pytest.raises(Refused, match="The grant of GPT-2 124M ended on"):
        submit()


def test_submit_after_the_grant_was_revoked_is_refused_at_once(submit, grant, mara):
    revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    with pytest.raises(Refused, match=r"was revoked on .*: A key was shared\."):
        submit()


def test_submit_after_the_agreement_ended_is_refused(submit, grant, ada):
    Agreement.objects.filter(partner=grant.partner).update(ended_at=timezone.now(), ended_by=ada)
    with pytest.raises(Refused, match="no model-sharing agreement in force"):
        submit()


def test_submit_beyond_the_quota_says_how_much_is_left(submit, grant):
    submit(9, max_new_tokens=1_000)
    with pytest.raises(Refused) as refused:
        submit(92, max_new_tokens=1_000)
    assert refused.value.sentence == (
        "This needs up to 92,000 tokens and 91,000 are left of the 100,000 granted for GPT-2 124M."
    )
    assert submit(91, max_new_tokens=1_000)


@pytest.mark.parametrize("who", ["cleo", "rita", "viewer"])
def test_submit_without_the_right_is_forbidden(submit, grant, who, request):
    by = factories.UserFactory() if who == "viewer" else request.getfixturevalue(who)
    if who == "viewer":
        factories.MembershipFactory(user=by, partner=grant.partner, roles=["viewer"])
    with pytest.raises(Forbidden, match="“Submit and cancel generation jobs” needs a role"):
        submit(by=by)


def test_submit_twice_with_one_key_returns_the_first_job(submit, grant):
    first = submit(idempotency_key="once")
    assert submit(idempotency_key="once") == first
    assert Job.objects.filter(grant=grant).count() == 1
    assert Completion.objects.filter(job__grant=grant).count() == 2
    grant.refresh_from_db()
    assert grant.tokens_reserved == 20


@pytest.mark.parametrize(
    "details",
    [
        {"prompts": ["one"]},
        {"prompts": [GivenPrompt("one", {"custom_id": "1"}), "two"]},
        {"max_new_tokens": 9},
        {"seed": 8},
        {"purpose": "detection"},
    ],
)
def test_submit_other_things_with_one_key_is_refused(submit, grant, details):
    first = submit(["one", "two"], idempotency_key="once")
    with pytest.raises(Refused, match="This was sent before with other prompts or settings") as refused:
        submit(**{"prompts": ["one", "two"], "idempotency_key": "once"} | details)
    assert refused.value.field == "idempotency_key"
    assert list(Job.objects.filter(grant=grant)) == [first]


def test_submit_reads_prompts_once_as_they_come(submit):
    job = submit((f"Prompt {number}" for number in range(3)), idempotency_key="once")
    assert list(job.prompts.order_by("index").values_list("text", flat=True)) == ["Prompt 0", "Prompt 1", "Prompt 2"]
    assert submit((f"Prompt {number}" for number in range(3)), idempotency_key="once") == job


def test_submit_awkward_prompts_are_kept_as_they_are(submit):
    awkward = ["tab\there", "back\\slash \\N \\t", "two\nlines\r\n", "Grüße 🪜", "  spaces  ", "\\."]
    job = submit(awkward)
    assert list(job.prompts.order_by("index").values_list("text", flat=True)) == awkward


def test_submit_what_fails_while_it_is_read_leaves_nothing(submit, grant):
    def broken():
        yield "one"
        raise ConnectionError("the upload was cut off")

    with pytest.raises(ConnectionError, match="cut off"):
        submit(broken())
    assert not Prompt.objects.filter(job__grant=grant).exists()
    grant.refresh_from_db()
    assert grant.tokens_reserved == 0


def test_submit_without_a_grant_does_not_read_the_file(submit, size_355m):
    def never_read():
        pytest.fail("it was read")
        yield

    with pytest.raises(Refused, match="has not been granted"):
        submit(never_read(), size=size_355m)


def test_submit_twice_with_one_key_returns_the_job_even_when_nothing_is_left(submit):
    first = submit(100, max_new_tokens=1_000, idempotency_key="once")
    assert submit(100, max_new_tokens=1_000, idempotency_key="once") == first


def test_submit_with_anothers_key_is_a_job_of_its_own(submit, ada):
    first = submit(idempotency_key="once")
    assert submit(idempotency_key="once", by=ada) != first


def test_submit_without_a_key_makes_a_job_each_time(submit):
    assert submit() != submit()
