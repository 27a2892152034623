"""Read and rewrite configs."""
