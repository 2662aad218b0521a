"""What each command takes: parsing apart from doing, so that help and errors of usage come at once."""
