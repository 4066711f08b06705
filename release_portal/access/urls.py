from django.urls import path, re_path

from . import views

app_name = "access"
urlpatterns = [
    path("organisations/", views.home, name="home"),
    path("organisations/<slug:slug>/", views.organisation, name="organisation"),
    path("organisations/<slug:slug>/close/", views.close, name="close"),
    path("organisations/<slug:slug>/requests/new/", views.new_request, name="new"),
    path("organisations/<slug:slug>/requests/<int:pk>/", views.access_request, name="request"),
    path("organisations/<slug:slug>/requests/<int:pk>/edit/", views.edit, name="edit"),
    path("organisations/<slug:slug>/requests/<int:pk>/draft/", views.save_draft, name="save_draft"),
    path("organisations/<slug:slug>/requests/<int:pk>/say/", views.say, name="say"),
    path("organisations/<slug:slug>/requests/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("organisations/<slug:slug>/requests/<int:pk>/copy/", views.copy, name="copy"),
    path("organisations/<slug:slug>/requests/<int:pk>/appeal/", views.appeal, name="appeal"),
    path("organisations/<slug:slug>/grants/<int:pk>/", views.grant, name="grant"),
    re_path(
        r"^organisations/(?P<slug>[-\w]+)/grants/(?P<pk>[0-9]{1,18})/(?P<kind>amendment|renewal)/$",
        views.change,
        name="change",
    ),
    path("organisations/<slug:slug>/findings/", views.findings, name="findings"),
    path("organisations/<slug:slug>/findings/<int:pk>/", views.finding, name="finding"),
]
