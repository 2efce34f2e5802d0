"""Placeholder until the engine's statistics land."""
