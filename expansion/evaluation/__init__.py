"""Evaluation by views, a stored network in any form, and its exports."""
