from django.urls import path

from . import views

app_name = "partners"
urlpatterns = [
    path("organisations/apply/", views.apply, name="apply"),
    path("organisations/apply/draft/", views.draft, name="draft"),
    path("organisations/apply/draft/discard/", views.discard_draft, name="discard_draft"),
    path("organisations/<slug:slug>/application/", views.correct, name="correct"),
    path("organisations/<slug:slug>/members/", views.members, name="members"),
    path("organisations/<slug:slug>/members/<int:pk>/roles/", views.change_roles, name="change_roles"),
    path("organisations/<slug:slug>/members/<int:pk>/remove/", views.remove_member, name="remove_member"),
    path("organisations/<slug:slug>/leave/", views.leave, name="leave"),
    path(
        "organisations/<slug:slug>/invitations/<int:pk>/withdraw/",
        views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("organisations/<slug:slug>/invitations/<int:pk>/resend/", views.resend_invitation, name="resend_invitation"),
    path("organisations/<slug:slug>/invitations/decline/", views.decline_invitations, name="decline_invitations"),
    path(
        "organisations/<slug:slug>/service-accounts/",
        views.create_service_account,
        name="create_service_account",
    ),
    path("organisations/<slug:slug>/service-accounts/<int:pk>/", views.service_account, name="service_account"),
    path(
        "organisations/<slug:slug>/service-accounts/<int:pk>/close/",
        views.close_service_account,
        name="close_service_account",
    ),
    path("invitations/<str:key>/", views.accept, name="accept"),
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/keep/", views.keep_tokens, name="keep_tokens"),
    path("account/tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
    path("account/mail/", views.mail, name="mail"),
]
