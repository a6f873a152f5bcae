"""Pure: does a response fit its request? A check needs one response and a few numbers."""
