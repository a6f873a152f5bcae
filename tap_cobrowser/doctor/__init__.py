"""The doctor: finds out which reading of the API's page a server follows.

It sends requests with the tap's own client, `Api`, and checks responses with `audit`.
"""
