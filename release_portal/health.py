"""Whether the site can do its work: for load balancers and operators."""

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from kombu.exceptions import OperationalError

from release_portal.celery import app
from release_portal.jobs.models import Worker


def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers. The broker may be away: nothing is lost, work waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    workers = Worker.objects.alive(at=timezone.now()).count()
    return JsonResponse({"database": "up", "broker": "up" if _broker_answers() else "away", "workers": workers})


def _broker_answers() -> bool:
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=1)
    except OperationalError:
        return False
    return True
