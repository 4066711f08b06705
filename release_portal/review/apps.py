from django.apps import AppConfig


class ReviewConfig(AppConfig):
    name = "release_portal.review"

    def ready(self) -> None:
        """Register the start-up checks, once, with the room on top."""
        from release_portal import checks  # noqa: F401
