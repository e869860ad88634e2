"""Your own dancer: one command from folders of motion to a weights folder that the show loads.

config.py      the TOML file as a dataclass; whatever is wrong with it is said in one line
folders.py     which files there are, whose they are, what style, what is held back
intake.py      one file -> a clip at 30 frames a second on a floor, or why not
motion_set.py  clips on disk in the numbers of the shipped set     table.py  what was taken in and what was refused
material.py    the steps data, clean, bank                         work.py   what finished steps noted
steps.py       the steps tokeniser, tokens, generator, ship        drums.py  made-up drumming
card.py        the model card                                      curves.py the curves as a picture
train.py       the command                                         compact.py  a checkpoint small enough to send
"""
