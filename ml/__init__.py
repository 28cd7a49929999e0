"""What was learned from data: the recurrent suppressor, its weights and its training. Knows ``dsp``, nothing else of ours."""
