"""What every part of the package needs: errors, files, checkpoints, random states, workers; imports nothing of ours."""
