"""Requests of one size become requests of one item; what was granted for any purpose stays so."""

from datetime import timedelta

from django.db import migrations

PURPOSES = ["misuse", "detection", "belief", "bias", "privacy", "capability", "language", "teaching"]
PROMISED = timedelta(days=10)
ITEM_STATUS = {"submitted": "waiting", "granted": "granted", "declined": "declined", "withdrawn": "dropped"}


def to_items(apps, schema_editor):
    AccessRequest = apps.get_model("access", "AccessRequest")
    RequestItem = apps.get_model("access", "RequestItem")
    Grant = apps.get_model("access", "Grant")
    for request in AccessRequest.objects.all():
        decided = request.status in ("granted", "declined")
        item = RequestItem.objects.create(
            request=request,
            partner_id=request.partner_id,
            size_id=request.size_id,
            right="generation",
            tokens_wanted=request.tokens_wanted,
            status=ITEM_STATUS[request.status],
            decided_by_id=request.decided_by_id if decided else None,
            decided_at=request.decided_at if decided else None,
            reason_code="other" if request.status == "declined" else "",
            reason=request.reason,
        )
        Grant.objects.filter(request=request).update(item=item, purposes=PURPOSES)
        request.status = "decided" if decided else request.status
        request.purposes = PURPOSES
        request.created_by_id, request.created_at = request.submitted_by_id, request.submitted_at
        request.promised_at = request.submitted_at + PROMISED
        request.save()


class Migration(migrations.Migration):
    dependencies = [("access", "0004_items")]

    operations = [migrations.RunPython(to_items, migrations.RunPython.noop)]
