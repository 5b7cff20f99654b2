"""Making renditions of uploads, in a child process with few permissions.

This file imports nothing: a child is started for each upload, and needs only some of the modules.
"""
