"""The doctor: a page that asks the tap's own preflight, checks and reader."""
