"""The steps of one version's run, one file each: values in, a small JSON document out, the manager does the rest.

Every step may be killed at any line and called again with the same arguments. `Run` carries what all of them need.
"""
