from django.urls import path

from . import views

app_name = "review"
urlpatterns = [
    path("review/", views.desk, name="desk"),
    path("review/organisations/<slug:slug>/", views.organisation, name="organisation"),
    path("review/requests/<int:pk>/", views.access_request, name="request"),
    path("review/grants/", views.grants, name="grants"),
    path("review/grants/<int:pk>/revoke/", views.revoke, name="revoke"),
    path("review/intake/", views.intake, name="intake"),
    path("review/book/", views.book, name="book"),
]
