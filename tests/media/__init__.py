"""Generated images and videos for tests, valid and invalid."""
