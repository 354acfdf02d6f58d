"""Airflow operators, the hook and the triggers: thin. What they do is in `seatrial.steps`; `step.py` maps failures."""
