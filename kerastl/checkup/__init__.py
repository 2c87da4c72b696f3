"""Whether kerastl works here: what is installed, what there is room for, and the promises."""
