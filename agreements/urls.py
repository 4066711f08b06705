from django.urls import path

from . import views

app_name = "agreements"
urlpatterns = [
    path("agreement/", views.current, name="current"),
    path("agreement/<int:number>/", views.version, name="version"),
    path("agreement/<int:number>/text.md", views.text, name="text"),
    path("organisations/<slug:slug>/agreement/", views.sign, name="sign"),
]
