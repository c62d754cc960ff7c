"""The stages of the pipeline, one module each, and the `visemill` command."""
