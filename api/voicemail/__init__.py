"""Voicemail: callers leave messages in boxes, the people of a box hear of them, hear them and have them erased."""
