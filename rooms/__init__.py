"""Call control: pure, standard library only. Events in, effects out, time as an argument."""
