"""The staff door: what waits for a decision, with the evidence beside it."""
