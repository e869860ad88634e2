"""Music for the dances of the training set: written to fit each one, rendered, heard by the ear of the show.

``dances`` reads from a clip what its music should follow, ``fit`` lays grid, style and form on it, ``follow`` lets the
strokes go with the limbs, ``song`` makes the sound, ``heard`` keeps what the listener made of it, ``told`` gives the
conditions that the show would have given. ``pack`` does it for all dances; MATERIAL.md says what the songs are made of.
"""
