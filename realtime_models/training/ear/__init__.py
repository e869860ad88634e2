"""The ear's training material: music with exactly known beats, made here, damaged as rooms damage it, and packed.

``score`` what is written down · ``tempo`` when a beat falls · ``styles`` ``drumming`` ``harmony`` ``songs`` composing ·
``human`` drummers' MIDI · ``beatless`` what has no beat · ``oneshots`` ``voices`` ``sampler`` instruments · ``render``
score to sound · ``rooms`` ``augment`` what happens to sound on its way · ``real`` charted songs · ``pack`` the command.
MATERIAL.md says what it is made of, under which licences, and what was checked.
"""
