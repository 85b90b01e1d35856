"""The line: settings, plan, steps, and the services it talks to."""
