"""Hearing, planning and posing in time: numpy only, no torch, no sockets, no model files."""
