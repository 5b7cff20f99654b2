"""Making renditions of uploads, in a child process that can do little else.

Nothing is imported here: the child starts for each upload, and needs little of it.
"""
