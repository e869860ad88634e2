"""The judge: scores of dancing bodies, ours and everybody's, from joint positions and the true beats of the music.

Usable alone: the measures need numpy and the house's skeleton, nothing of the training and no network.

    motion.py        what is judged: joint positions at 30 frames a second, and windows of 5 s of it
    beat.py          do motion beats lie on the beats of the music?
    music.py         does the body work as hard as the music, and answer its sections?
    body.py          is it a sound body on a floor?          mbench.py   five measures of MBench, as published
    features.py      kinetic and geometric features of a window
    distribution.py  are windows drawn from the same source? distances, classifier, diversity, multimodality
    novelty.py       or copied from the training set?
    intervals.py     how sure is a figure? block bootstrap, paired permutation, what real dance has against itself
    systems/         who dances: the model, and the baselines it has to beat
    audio.py         the music that a motion was danced to (the motion: ../motion_files)
    people/          blind pairs for human judges
    evaluate.py      the command; table.py report.py sheets.py animation.py what it writes
"""
