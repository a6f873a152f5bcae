"""How the tap asks the API: one request, the preflight, and requests made ahead. No Singer here."""
