"""What was granted, found, answered and suspended stays, and none of it is decided without an event."""

from django.db import migrations

from release_portal.audit.ledger import decided
from release_portal.lib.append_only import kept, unfrozen


class Migration(migrations.Migration):
    dependencies = [("access", "0008_faster_desk"), ("audit", "0009_book")]

    operations = [
        unfrozen("access_review", "item_id", "reviewer_id", "verdict", "terms", "reason_code", "reason", "note", "at"),
        kept("access_review", once=("is_standing",)),
        kept(
            "access_grant",
            changing=(
                "status",
                "tokens_used",
                "tokens_reserved",
                "samples_used",
                "samples_reserved",
                "warned_days",
            ),
            once=("replaced_by_id", "ended_by_id", "ended_at", "end_code", "end_reason"),
        ),
        kept(
            "access_requestitem",
            changing=("status", "tokens_wanted", "replaces_id"),
            once=("decided_by_id", "decided_at", "reason_code", "reason", "note"),
        ),
        kept("access_finding", once=("accepted_by_id", "accepted_at")),
        kept(
            "access_suspension",
            changing=("status",),
            once=("confirmed_by_id", "begins_at", "lifted_by_id", "lifted_at", "lift_reason"),
        ),
        kept("access_batch", changing=("status",), once=("applied_by_id", "applied_at", "results")),
        decided("access.review", "is_standing"),
        decided("access.grant", "status", "replaced_by_id", "ended_at"),
        decided(
            "access.requestitem",
            "status",
            made="NEW.status <> 'asked'",
            changed="NOT (OLD.status = 'asked' AND NEW.status = 'dropped')",  # of what nobody was sent
        ),
        decided("access.finding", "accepted_at"),
        decided("access.suspension", "status"),
        decided("access.batch", "status"),
        *(decided(f"access.{noun}") for noun in ("submission", "recusal", "remark", "sizerule")),
    ]
