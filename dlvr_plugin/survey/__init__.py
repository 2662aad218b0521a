"""Blind comparison by people: a study of an evaluation's frames, its page, its answers, their statistics."""
