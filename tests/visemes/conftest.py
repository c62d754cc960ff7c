"""Property tests have no deadline: on a busy machine it is the machine that is late."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("visemill", deadline=None)
settings.load_profile("visemill")
