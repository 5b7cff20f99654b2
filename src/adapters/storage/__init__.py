"""Where the bytes of media lie: an S3-compatible server, a folder, or memory; and the addresses that are signed."""
