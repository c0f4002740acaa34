"""Which item is next, and what a learner may ask for.

`navigation` is the seam: what a sequencer answers. `default` is the one that knows no sequencing rules: every item may
be chosen, and they follow each other in the order of the table of contents.
"""
