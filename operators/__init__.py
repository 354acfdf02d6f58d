"""Airflow operators, the hook and the triggers: thin. What they do is in `seatrial.steps`; how a failure is taken is here."""
