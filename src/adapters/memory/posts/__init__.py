"""Posts, comments, mentions and engagements in memory."""
