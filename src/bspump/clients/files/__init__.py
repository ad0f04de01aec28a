"""Files as several parts need them: found, claimed, recognised, and written so that they last."""
