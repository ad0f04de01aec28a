"""Bytes to events and back: codecs by name, framings, compression, syslog, Grok expressions.

Pure building blocks: no tasks, no clock, no I/O. Import what you need from its module.
"""
