"""Videos to records with Beam, usable without TFX."""
