"""What they promised: the agreement, its versions, and who signed which."""
