"""Media over HTTP: two ways in, what their owners do with them, and the files that are served."""
