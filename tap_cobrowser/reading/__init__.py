"""From bytes to rows."""
