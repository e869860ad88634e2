"""The ways out of the house (poses) and into it (controls): OSC, VMC, WebSocket and the stage page."""
