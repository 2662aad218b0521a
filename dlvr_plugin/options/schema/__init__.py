"""What every option means: one file for each group of sections, ``run`` for the whole."""
