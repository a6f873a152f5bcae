"""What a sync costs, beside what it would cost at least and what a user would take instead."""
