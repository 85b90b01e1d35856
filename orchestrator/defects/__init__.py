"""Synthesis of the defect itself: crops around real ones, which a generator learns, and setting new ones into parts."""
