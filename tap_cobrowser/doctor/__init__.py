"""The doctor: finds out which reading of the API's page a server follows.

It asks with the tap's own client and preflight, reads with the tap's reader and judges with the
tap's checks. Only what the tap does not need to know has requests of its own.
"""
