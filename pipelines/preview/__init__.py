"""The preview of tracks of mouths: what is drawn, and films and pages of it."""
