from django.urls import path

from . import views

app_name = "access"
urlpatterns = [
    path("organisations/", views.home, name="home"),
    path("organisations/<slug:slug>/", views.organisation, name="organisation"),
    path("organisations/<slug:slug>/requests/new/", views.new_request, name="new"),
    path("organisations/<slug:slug>/requests/<int:pk>/", views.access_request, name="request"),
    path("organisations/<slug:slug>/requests/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
]
