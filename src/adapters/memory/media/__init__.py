"""Media and the processing queue in memory."""
