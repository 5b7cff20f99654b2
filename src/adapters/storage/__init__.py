"""Storage of media: an S3-compatible server, a folder, or memory; and the signing of URLs."""
