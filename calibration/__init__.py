"""Latency, level and rigs of one room: works on Sources and Sinks handed in."""
