"""Who: people, organisations, who may act for them, and how they are written to."""
