"""Tests that build or train small models."""
