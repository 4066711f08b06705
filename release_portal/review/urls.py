from django.urls import path

from . import views

app_name = "review"
urlpatterns = [
    path("review/", views.desk, name="desk"),
    path("review/organisations/<slug:slug>/", views.organisation, name="organisation"),
    path("review/requests/<int:pk>/", views.access_request, name="request"),
    path("review/grants/", views.grants, name="grants"),
    path("review/grants/<int:pk>/revoke/", views.revoke, name="revoke"),
    path("review/suspensions/", views.suspensions, name="suspensions"),
    path("review/suspend/", views.suspend, name="suspend"),
    path("review/suspensions/<int:pk>/", views.suspension, name="suspension"),
    path("review/access/", views.access_at, name="access_at"),
    path("review/intake/", views.intake, name="intake"),
    path("review/book/", views.book, name="book"),
]
