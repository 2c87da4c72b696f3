"""The verbs, one module each, with what each rejects at once.

A verb refuses what it can before anything slow, opens its directories, starts TensorFlow, and makes
one call. It imports what it calls only then: Keras takes its backend when it is first imported.
"""
