"""The doctor: finds out which reading of the API's page a server follows.

It asks and reads by the tap's own client, `Api`, and judges with `audit`.
"""
