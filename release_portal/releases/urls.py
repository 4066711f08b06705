from django.urls import path

from . import views

app_name = "releases"
urlpatterns = [
    path("families/<slug:slug>/", views.family, name="family"),
    path("families/<slug:slug>/<str:name>/", views.size, name="size"),
]
