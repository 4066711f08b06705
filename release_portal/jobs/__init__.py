"""What they asked for: jobs, the orders handed to workers, and the texts that came back."""
