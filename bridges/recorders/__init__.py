"""Recorders: what was danced, as files that other programs open. BVH, glTF, VRMA, SMPL-X npz and AMASS npz.

Live, each is an output of its own (``--out bvh=dance.bvh``): poses are spilled to ``dance.bvh.part``, which becomes the
file when the output closes. Afterwards ``python -m bridges.recorders`` makes any of them out of a take or a ``.part``.
"""
