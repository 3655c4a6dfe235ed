"""Tests of the result."""
