"""Settings of every test."""

from hypothesis import settings

settings.register_profile("seatrial", deadline=None)  # machines are noisy: no test fails for being slow
settings.load_profile("seatrial")
