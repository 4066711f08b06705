from django.urls import path

from . import views

app_name = "review"
urlpatterns = [
    path("review/", views.desk, name="desk"),
    path("review/organisations/<slug:slug>/", views.organisation, name="organisation"),
    path("review/requests/<int:pk>/", views.access_request, name="request"),
    path("review/requests/<int:pk>/claim/", views.claim, name="claim"),
    path("review/requests/<int:pk>/say/", views.say, name="say"),
    path("review/batches/", views.bulk, name="bulk"),
    path("review/batches/<int:pk>/", views.batch, name="batch"),
    path("review/saved/", views.saved, name="saved"),
    path("review/columns/", views.columns, name="columns"),
    path("review/rules/", views.rules, name="rules"),
    path("review/rules/<slug:family>/<str:name>/", views.rule, name="rule"),
    path("review/findings/", views.findings, name="findings"),
    path("review/findings/<int:pk>/", views.finding, name="finding"),
    path("review/grants/", views.grants, name="grants"),
    path("review/grants/<int:pk>/revoke/", views.revoke, name="revoke"),
    path("review/suspensions/", views.suspensions, name="suspensions"),
    path("review/suspend/", views.suspend, name="suspend"),
    path("review/suspensions/<int:pk>/", views.suspension, name="suspension"),
    path("review/people/", views.people, name="people"),
    path("review/people/<int:pk>/", views.person, name="person"),
    path("review/people/<int:pk>/factors/", views.remove_factors, name="remove_factors"),
    path("review/access/", views.access_at, name="access_at"),
    path("review/reports/", views.reports, name="reports"),
    path("review/reports.csv", views.reports_csv, name="reports_csv"),
    path("review/intake/", views.intake, name="intake"),
    path("review/fleet/", views.fleet, name="fleet"),
    path("review/fleet/shares/<int:pk>/", views.share, name="share"),
    path("review/fleet/workers/", views.enroll_worker, name="enroll_worker"),
    path("review/fleet/workers/<int:pk>/revoke/", views.revoke_worker, name="revoke_worker"),
    path("review/fleet/failures/<int:pk>/try/", views.try_now, name="try_now"),
    path("review/book/", views.book, name="book"),
    path("review/security/", views.security, name="security"),
]
