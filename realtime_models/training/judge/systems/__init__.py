"""Who dances before the judge: the model, and the baselines that it has to beat. One file each."""
