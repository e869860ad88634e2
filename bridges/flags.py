"""What a receiver must know about a frame besides the pose. Bits of the ``flags`` word of the WebSocket frame."""

FREEZE = 1  #: the operator holds the picture
BLACKOUT = 2  #: nobody is to be seen; the pose is the one held
PANIC = 4  #: the operator asked for the safe idle
HELD = 8  #: no fresh pose was there (the plan ran dry, or the guard refused it): held, or eased towards the idle
