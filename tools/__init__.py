"""What makes the project's files from what the tap says of itself."""
