"""Blind pairs for people: which of two dances fits the music better?"""
