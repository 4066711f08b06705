"""Release Portal: a staged model release, run as a system."""
