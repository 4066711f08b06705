"""What exists: families of models, their sizes, and who may have which component."""
