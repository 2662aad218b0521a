"""Evaluations of restored clips and validation of models: one protocol, one measuring core."""
