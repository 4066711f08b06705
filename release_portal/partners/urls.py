from django.urls import path

from . import views

app_name = "partners"
urlpatterns = [
    path("organisations/apply/", views.apply, name="apply"),
    path("organisations/<slug:slug>/members/", views.members, name="members"),
    path("organisations/<slug:slug>/members/<int:pk>/remove/", views.remove_member, name="remove_member"),
    path(
        "organisations/<slug:slug>/invitations/<int:pk>/withdraw/",
        views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("invitations/<str:key>/", views.accept, name="accept"),
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
]
