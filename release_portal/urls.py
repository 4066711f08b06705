"""The switchboard of the pages."""

from allauth.usersessions.views import list_usersessions
from django.conf import settings
from django.urls import include, path

from release_portal.api import api
from release_portal.health import health
from release_portal.partners.shortcuts import fresh
from release_portal.releases.views import home

handler500 = "release_portal.busy.failed"

urlpatterns = [
    path("", home, name="home"),
    path("health/", health, name="health"),
    path("", include("release_portal.releases.urls")),
    path("", include("release_portal.partners.urls")),
    path("", include("agreements.urls")),
    path("", include("release_portal.access.urls")),
    path("", include("release_portal.jobs.urls")),
    path("", include("release_portal.review.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/sessions/", fresh(list_usersessions), name="usersessions_list"),
    path("accounts/factors/", include("allauth.mfa.urls")),
    path("api/v1/", api.urls),
]

if settings.DEBUG_TOOLBAR:
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
