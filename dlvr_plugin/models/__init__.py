"""Registered models."""

from dlvr_plugin.models.discriminative_space_model import DiscriminativeSpaceModel

__all__ = ['DiscriminativeSpaceModel']
