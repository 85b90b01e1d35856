"""How long a test waits for what has to come: a guard against hanging, which no slow machine may meet."""

PATIENT_S = 1200.0
