"""The review page: what a person sees of the queue, and what they decide."""
