"""Motion of other systems, one file a format: SMPL npz, BVH, CSV, takes."""
