"""What the tap says to a target: messages, BATCH files, bookmarks, catalog, state, progress."""
