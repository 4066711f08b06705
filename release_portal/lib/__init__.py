"""What every room stands on. No rules live here."""
