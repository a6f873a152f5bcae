"""The doctor: asks with the tap's client and preflight, reads with its reader, and uses its checks.

Only what the tap does not need to know has requests of its own.
"""
