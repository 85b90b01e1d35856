"""Projection: the w whose picture is nearest to a given one, and how near that is."""
