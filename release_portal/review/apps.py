from django.apps import AppConfig


class ReviewConfig(AppConfig):
    name = "release_portal.review"
