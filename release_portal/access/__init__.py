"""What they may use: requests, grants, quota, and the one rule that decides."""
