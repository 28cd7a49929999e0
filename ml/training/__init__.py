"""How the suppressor's network is trained: speech, noises, rooms and echoes it is shown, the network, the loss. Not needed at run time."""
