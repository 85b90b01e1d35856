"""Defectory: makes the defect images a factory does not have, and proves whether they help."""
